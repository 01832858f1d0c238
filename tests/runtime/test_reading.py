"""From an accepted event to its runs: few calls, each id on its own, nothing lost on bad days."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.http import HttpClient
from connector.runtime import Tuning
from connector.sandbox import SandboxConfig, serving
from tests.runtime.kit import CREATE, FATTURE, FIC, World, client, clock, flow, story, world

READS = "GET /c/108061/entities/clients"


def reads(w: World) -> list[str]:
    return [one for one in w.fic.seen("GET") if one.startswith(READS)]


# --- few calls ----------------------------------------------------------------------------------


@story
async def test_fifty_clients_of_an_import_are_read_in_two_calls(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        w.fic.calls.clear()
        w.person.import_clients([{"name": f"Client {number}"} for number in range(50)])
        await w.quiet()
        assert w.sandbox.fic.ledger.requests["GET /c/{company_id}/entities/clients"] == 2
        assert len(w.fic.calls) == 2
        assert [one["state"] for one in await w.runs()] == ["succeeded"] * 50
        assert {one["company"] for one in w.customers} == {f"Client {n}" for n in range(50)}


@story
async def test_two_flows_share_what_is_read(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("one"), flow("two"))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert len(reads(w)) == 1
        assert [one["flow"] for one in await w.runs()] == ["one", "two"]


@story
async def test_a_raw_event_reads_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(node="raw_event", steps=CREATE.replace("resource.name", "id")))
        w.fic.calls.clear()
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert w.fic.calls == []
        assert [one["company"] for one in w.customers] == ["70211"]


# --- each id on its own -------------------------------------------------------------------------


@story
async def test_one_bad_id_among_fifty_fails_none_of_its_siblings(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(head='when: "{{ trigger.resource is not none }}"'))
        rows = [{"name": f"Client {number}"} for number in range(49)]
        made = w.person.import_clients(rows)
        await w.quiet()
        w.person.emit("entities.clients.update", [*made[:20], 999_999, *made[20:]])
        await w.quiet()
        runs = (await w.runs())[49:]
        states = {one["item_id"]: one["state"] for one in runs}
        assert states.pop("999999") == "filtered"
        assert states == {str(one): "succeeded" for one in made}
        gone = await w.runtime.get_run(next(r["id"] for r in runs if r["item_id"] == "999999"))
        assert (gone["trigger"]["enrichment"], gone["trigger"]["resource"]) == ("gone", None)


@story
async def test_deleted_clients_make_a_run_for_each_id_without_reading(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=CREATE.replace("trigger.resource.name", "trigger.id")))
        w.fic.calls.clear()
        w.person.emit("entities.clients.delete", [11, 12, 13])
        await w.quiet()
        assert w.fic.calls == []
        runs = [await w.run(number) for number in range(3)]
        assert [one["item_id"] for one in runs] == ["11", "12", "13"]
        assert {one["trigger"]["event"]["operation"] for one in runs} == {"delete"}
        assert {one["trigger"]["enrichment"] for one in runs} == {"gone"}
        assert {one["company"] for one in w.customers} == {"11", "12", "13"}


@story
async def test_a_client_deleted_before_it_was_read_is_gone_and_not_an_error(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.sandbox.fic.webhooks.pause()
        one = w.person.create("clients", {"name": "A"})["id"]
        w.person.delete("clients", one)
        w.sandbox.fic.webhooks.resume()
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["filtered"]
        assert w.customers == []


@story
async def test_a_mapping_that_fails_on_one_record_leaves_the_others_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        strict = CREATE.replace("resource.name", "resource.vat_number")
        await w.follow(flow(steps=strict, types="[create]"))
        w.person.import_clients([{"name": "A", "vat_number": "IT1"}, {"name": "B"}, client()])
        await w.quiet()
        states = [one["state"] for one in await w.runs()]
        assert states == ["succeeded", "failed", "succeeded"]
        error = (await w.run(1))["error"]
        assert [one["field"] for one in error["issues"]] == ["data.company"]


# --- bad days -----------------------------------------------------------------------------------


@story
async def test_an_event_waits_for_an_api_that_cannot_be_reached(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.fic.plugged = False
        w.person.create("clients", client())
        event = await w.until(lambda: _deferred(w))
        assert event["state"] == "received"
        assert event["error"]["kind"] == "NotSent"
        assert event["attempts"] == 1
        assert event["due_at"] > asyncio.get_running_loop().time()
        assert await w.runs() == []
        w.fic.plugged = True
        await w.quiet()
        assert [one["state"] for one in await w.events()][-1] == "matched"
        assert len(w.customers) == 1


async def _deferred(w: World) -> dict[str, Any] | None:
    return next((one for one in await w.events() if one["error"]), None)


@story
async def test_waiting_for_an_api_outlives_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.fic.plugged = False
        w.person.create("clients", client())
        await w.until(lambda: _deferred(w))
        w.fic.plugged = True
        await w.restart()
        await w.quiet()
        assert len(w.customers) == 1


@story
async def test_an_api_that_stays_away_for_a_day_ends_the_event_visibly(tmp_path: Path) -> None:
    async with world(tmp_path, tuning=Tuning(retry_seconds=(10, 60, 300))) as w:
        await w.follow()
        w.fic.plugged = False
        w.person.create("clients", client())
        await w.quiet()
        event = (await w.events())[-1]
        assert (event["state"], event["attempts"]) == ("failed", 3)
        assert event["error"]["kind"] == "NotSent"
        assert event["error"]["remedy"]


@story
async def test_a_quota_is_waited_for_and_is_no_try(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.sandbox.fic.faults.add(
            kind="status", path="/c/*/entities/clients/*", status=403, retry_after=1_800
        )
        w.person.create("clients", client())
        event = await w.until(lambda: _deferred(w))
        assert (event["error"]["kind"], event["attempts"]) == ("Throttled", 0)
        # Whether it is still so is asked of the count, not of the app, which said when.
        assert event["due_at"] - event["received_at"] == pytest.approx(300, abs=5)
        asked = len(reads(w))
        await w.quiet()
        assert len(reads(w)) == asked + 1
        assert clock() - event["received_at"] >= 1_800
        assert len(w.customers) == 1


@story
async def test_a_server_error_is_tried_again(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.sandbox.fic.faults.add(kind="error_before", path="/c/*/entities/clients/*", times=2)
        w.person.create("clients", client())
        await w.quiet()
        assert len(reads(w)) == 3
        assert len(w.customers) == 1


# --- with a real socket -------------------------------------------------------------------------


class Mixed(httpx.AsyncBaseTransport):
    """Fatture in Cloud within the process, everything else through the network."""

    def __init__(self, fic: Any) -> None:
        self._fic = httpx.ASGITransport(fic)
        self._network = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        here = request.url.host == httpx.URL(FIC).host
        return await (self._fic if here else self._network).handle_async_request(request)

    async def aclose(self) -> None:
        await self._network.aclose()


async def test_a_run_waits_for_a_closed_port_and_goes_on_when_it_opens(tmp_path: Path) -> None:
    """In real time: that a port where nobody listens is what we take it for."""
    w = World(tmp_path, tuning=Tuning(retry_seconds=(0.05,) * 400))
    async with w.sandbox, w.outside:
        await w.open(http=HttpClient(transport=Mixed(w.fic)))
        token = w.sandbox.fic.manual_token
        await w.runtime.connect_with_token(FATTURE, "fatture", token, {"address": FIC})
        async with serving(SandboxConfig(seed=7)) as served:
            address = {"address": served.perfex_url}
            secret = served.sandbox.perfex.authtoken
            await w.runtime.connect_with_token("perfex_crm", "perfex", secret, address)
        await w.follow(flow())
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: w.runs(state="waiting"), within=60)
        assert (await w.run())["error"]["kind"] == "NotSent"
        port = httpx.URL(address["address"]).port
        async with serving(SandboxConfig(seed=7, perfex_port=port)) as served:
            await w.until(lambda: w.runs(state="succeeded"), within=60)
            rows = served.sandbox.perfex.tables["customers"].view()
            assert [one["company"] for one in rows] == ["A"]
        await w.close()
