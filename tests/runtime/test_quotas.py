"""Quotas through the whole product: the vendor's count and ours, restarts, refusals, tenants."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from connector.errors import ConnectorError
from connector.http.memory import asgi_client
from tests.runtime.kit import COMPANY, FATTURE, FIC, HUB, client, flow, story, world


def windows(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    (row,) = rows
    assert (row["app"], row["account"]) == ("fatture_in_cloud", str(COMPANY))
    return {one["name"]: one for one in row["windows"]}


def counted(w: Any) -> int:
    """How many calls of the company the vendor has counted this month."""
    return sum(w.sandbox.fic.quotas._month.values())


@story
async def test_our_count_is_the_vendors_subscriptions_included(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        assert await w.runtime.quotas() == []
        await w.follow(flow())
        w.person.create("clients", client())
        await w.quiet()
        told = windows(await w.runtime.quotas())
        assert counted(w) > 1
        assert told["hour"]["used"] == told["month"]["used"] == counted(w)
        assert told["5 minutes"]["used"] <= counted(w)


@story
async def test_a_403_with_retry_after_stops_all_calls_and_without_none(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        w.sandbox.fic.faults.add(kind="status", path="/c/*/entities/clients/*", status=403)
        w.person.create("clients", {"name": "Denied"})
        await w.quiet()
        (row,) = await w.runtime.quotas()
        assert row["blocked_until"] is None
        w.sandbox.fic.faults.add(
            kind="status", path="/c/*/entities/clients/*", status=403, retry_after=1_800
        )
        w.person.create("clients", {"name": "Later"})

        async def blocked() -> Any:
            (row,) = await w.runtime.quotas()
            return row["blocked_until"]

        assert await w.until(blocked)
        before = counted(w)
        w.person.create("clients", {"name": "Waits"})
        await w.until(lambda: _waits(w))
        assert counted(w) == before, "nothing is asked meanwhile"
        await w.quiet()
        assert {one["company"] for one in w.customers} == {"Later", "Waits"}


async def _waits(w: Any) -> Any:
    """The newest event, once it has been put off for the quota."""
    event = (await w.events())[-1]
    return event if (event["error"] or {}).get("kind") == "Throttled" else None


@story
async def test_another_server_does_not_stop_the_company_of_another_tenant(tmp_path: Path) -> None:
    """Whoever connects a server of his own may have it say anything of any company."""
    stopped: list[str] = []

    async def evil(scope: Any, receive: Any, send: Any) -> None:
        headers, status = [(b"content-type", b"application/json")], 200
        if "/c/" in scope["path"]:
            stopped.append(scope["path"])
            headers, status = [*headers, (b"retry-after", b"2000000")], 429
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"data":{"id":1,"companies":[]}}'})

    async with world(tmp_path) as w:
        address = "https://evil.example"
        http = asgi_client({address: evil, FIC: w.fic, HUB: w.hub})
        other = await w.another_process(http, tenant="another")
        await other.connect_with_token(FATTURE, "mine", "x" * 30, {"address": address})
        asked = ("fatture_in_cloud.create_issued_document", "data.items_list.vat.id", "mine", "")
        with suppress(ConnectorError):
            await other.choices(*asked, {"company_id": COMPANY})
        assert any(f"/c/{COMPANY}/" in one for one in stopped), "the story has no point"
        await w.follow(flow())
        w.person.create("clients", client())
        await w.quiet()
        assert len(w.customers) == 1
        (ours,) = await w.runtime.quotas()
        assert ours["blocked_until"] is None
