"""The emulated Fatture in Cloud as a subscriber sees it."""

from __future__ import annotations

from typing import Any

FIC = "http://fic.test"
SINK = "https://hub.test/hook"
PREFIX = "it.fattureincloud.webhooks."
CREATE = "entities.clients.create"
UPDATE = "entities.clients.update"


async def subscriptions(world: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.fic("GET", "C/subscriptions")).json()["data"]
    return found
