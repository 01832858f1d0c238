"""One run as these tests look at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from connector.store.rows import RunRow
from tests.engine.virtual import START
from tests.engine.world import Flow, Step, World

THREE = Flow("sync", [Step("one"), Step("two"), Step("three")])


async def only(world: World) -> RunRow:
    (run,) = await world.runs_of()
    return run


def at(moments: list[float]) -> list[float]:
    return [moment - START for moment in moments]


def failing(step: str, *errors: BaseException) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    """A script of the app in which a step meets these errors, one a try."""
    left = list(errors)

    async def script(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["step"] == step and left:
            raise left.pop(0)
        return {"seen": inputs["item"]}

    return script
