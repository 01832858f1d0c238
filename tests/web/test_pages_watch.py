"""The pages that look back, asked as a browser asks: what they show, and what they change."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.engine.sweeps import GRACE_SECONDS
from connector.errors import FlowError
from connector.flow.reading import parse_flow
from connector.store.rows import RunFilter
from tests.runtime.kit import CREATE, HUB, START, World, client, clock, flow, story, world
from tests.runtime.test_decisions import entered_by_hand, parked
from tests.runtime.test_writes import INVOICE, POST, follow_invoices, issue


class Reader:
    """Somebody who is logged in."""

    def __init__(self, browser: httpx.AsyncClient) -> None:
        self._browser = browser

    async def get(self, path: str, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._browser.get(path, headers={"accept": "text/html", **named})

    async def text(self, path: str, **headers: str) -> str:
        answer = await self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))

    async def post(self, path: str, page: str, **values: Any) -> httpx.Response:
        """Send a form of a page."""
        shown = await self.get(page)
        token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
        assert token is not None, f"{page} has no form"
        return await self._browser.post(path, data={"csrf": token[1], **values})


@contextlib.asynccontextmanager
async def reader(w: World, role: Any = "owner") -> AsyncIterator[Reader]:
    people = w.runtime.people
    secret = await people.use_link(await people.make_link("anna", role))
    assert secret is not None
    transport = httpx.ASGITransport(app=w.hub.app)  # type: ignore[arg-type]
    cookies = {"__Host-connector": secret, "connector_zone": "Europe/Rome"}
    async with httpx.AsyncClient(transport=transport, base_url=HUB, cookies=cookies) as browser:
        yield Reader(browser)


async def failing(w: World, *names: str) -> None:
    """A run for each name that Perfex refuses."""
    await w.follow(flow(steps=CREATE))
    for name in names:
        w.sandbox.perfex.faults.add(kind="status", status=403, method="POST", path="/api/customers")
        w.person.create("clients", client(name, vat_number=""))
        await w.quiet()
    assert {run["state"] for run in await w.runtime.list_runs()} == {"failed"}


@story
async def test_runs_are_listed_filtered_and_asked_for_again_only_when_they_changed(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        assert "There is no flow yet" in await anna.text("/runs")
        await failing(w, "Rossi", "Bianchi")
        assert "Perfex CRM does not allow this" in await anna.text("/runs?state=failed")
        assert "No run fits" in await anna.text("/runs?state=succeeded")
        assert "No run fits" in await anna.text("/runs?q=nobody")
        page = await anna.get("/runs?q=bianchi&period=hour")
        assert re.findall(r'data-row="(\d+)"', page.text) == ["2"]
        assert "q=bianchi" in page.text, "what is live keeps its filters"
        first = await anna.get("/runs?part=rows")
        again = await anna.get("/runs?part=rows", if_none_match=first.headers["etag"])
        assert (again.status_code, again.content) == (304, b"")
        w.person.create("clients", client("Verdi"))
        await w.quiet()
        later = await anna.get("/runs?part=rows", if_none_match=first.headers["etag"])
        assert later.status_code == 200
        assert 'data-row="3"' in later.text


@story
async def test_a_run_is_told_step_by_step_and_replayed_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await failing(w, "Rossi")
        shown = await anna.text("/runs/1")
        for words in (
            "An event came", "Create Customer", "not written", "Exact request", "Answer: 403",
            "Tick this resource", "The owner of the connected account must act", "Replay from here",
            "2 calls", "1 exact read", "/customers/search/Rossi → 404", "No data were found",
        ):  # fmt: skip
            assert words in shown, words
        same = await anna.get("/runs/1?part=run")
        again = await anna.get("/runs/1?part=run", if_none_match=same.headers["etag"])
        assert again.status_code == 304, "the mask of a form's token is no change"
        done = await anna.post("/runs/1/replay", "/runs/1")
        assert done.headers["location"] == "/runs/2"
        assert "It failed; a replay" not in await anna.text("/runs/1")
        assert 'data-row="1"' in (await anna.get("/runs?state=failed")).text, "not mended yet"
        await w.quiet()
        assert "succeeded" in await anna.text("/runs/2")
        assert "It was replayed" in await anna.text("/runs/1")
        assert "failed, mended by replay" in await anna.text("/runs/1")
        assert "No run fits" in await anna.text("/runs?state=failed")
        assert re.findall(r'data-row="(\d+)"', (await anna.get("/runs?state=mended")).text) == ["1"]
        assert "failed, mended by replay" in await anna.text("/")
        event = (await told_of(w, 1))["event_id"]
        assert "A replay has taken this write over" in await anna.text("/runs/1")
        assert "1 failed and mended" in await anna.text("/inbox")
        assert "failed, mended by replay replayed as 2" in await anna.text(f"/inbox/{event}")
        assert (await w.runtime.get_run(1) or {})["state"] == "failed", "what happened stays"
        (audit, *_) = await w.runtime.list_audits()
        assert (audit["who"], audit["what"], audit["subject"]) == ("anna", "replay", "run 1")
        assert (await anna.get("/runs/99")).status_code == 404


@story
async def test_a_run_whose_flow_has_become_invalid_is_told_on_every_page(tmp_path: Path) -> None:
    with pytest.raises(FlowError) as refused:
        parse_flow("flow: x")
    async with world(tmp_path) as w, reader(w) as anna:
        await failing(w, "Rossi")
        with contextlib.closing(sqlite3.connect(w.file)) as database, database:
            database.execute("UPDATE run SET error = ?", (json.dumps(refused.value.as_data()),))
        (issue, *_) = refused.value.issues
        assert issue.field is None, "it names a line instead, and pages must live with that"
        for path in ("/runs", "/runs/1", "/runs/replay?state=failed"):
            assert issue.message in html.unescape(await anna.text(path)), path


@story
async def test_many_are_foreseen_and_what_is_written_is_not_repeated(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        steps = CREATE + CREATE.replace("id: create", "id: second").replace(
            "trigger.resource.name", "trigger.resource.name ~ ' 2'"
        )
        await w.follow(flow(steps=steps))
        refuse = {"method": "POST", "path": "/api/customers", "skip": 1}
        w.sandbox.perfex.faults.add(kind="status", status=403, **refuse)
        w.person.create("clients", client("Rossi", vat_number=""))
        await w.quiet()
        replaying = w.runtime.past.replaying
        told = await replaying.preview(RunFilter(state="failed"))
        (one,) = told["items"]
        assert (one["from"], one["kept_steps"], one["writes"], one["refused"]) == (
            "second", 1, 1, None,
        )  # fmt: skip
        shown = await anna.text("/runs/replay?state=failed")
        assert "1 write is done already and is not repeated" in shown
        assert "It goes on at the step second" in shown
        done = await anna.post("/runs/replay", "/runs/replay?state=failed", run=1)
        assert done.headers["location"] == "/runs?replays=1&first=2&last=2"
        await w.quiet()
        assert [run["state"] for run in await w.runtime.list_runs()] == ["succeeded", "failed"]
        told = await replaying.preview(RunFilter(state="failed"))
        assert "replayed already, as run 2" in told["items"][0]["refused"]["message"]
        assert (await replaying.many([1, 77], who="anna"))["replayed"] == []
        sends = [one["sends"] for run in (1, 2) for one in (await told_of(w, run))["effects"]]
        assert sends == [1, 1], "each was written once"


async def told_of(w: World, run: int) -> dict[str, Any]:
    found = await w.runtime.past.run(run)
    assert found is not None
    return found


@story
async def test_sums_of_the_inbox_add_up(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await failing(w, "Rossi", "Bianchi")
        account = await w.runtime.past.account(0, clock() + 1)
        assert account["accepted"] == sum(account["events"].values())
        assert account["runs_made"] == sum(account["runs"].values())
        assert account["events"]["matched"] == 2
        assert (account["unaccounted"], account["runs"]["failed"]) == (0, 2)
        shown = await anna.text("/inbox")
        assert "Nothing is unaccounted for" in shown
        assert f"{account['accepted']} events accepted" in shown
        number = next(one["id"] for one in await w.runtime.list_events() if one["runs"])
        assert "Its runs" in await anna.text(f"/inbox/{number}")
        assert (await anna.post(f"/inbox/{number}/replay", f"/inbox/{number}")).status_code == 303
        assert "No event in this time" in await anna.text(
            "/inbox?period=days&from=2020-01-01&to=2020-01-02"
        )


@story
async def test_the_inbox_is_searched_and_an_address_keeps_its_filters(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await failing(w, "Rossi", "Bianchi")
        runs = {run["id"]: run for run in await w.runtime.list_runs()}
        for text in ("bianchi", str(runs[2]["item_id"])):
            page = (await anna.get(f"/inbox?q={text}&period=hour&state=matched")).text
            assert re.findall(r'data-row="(\d+)"', page) == [str(runs[2]["event_id"])], text
            assert f'value="{text}"' in page
            assert '<option value="hour" selected' in page
            assert '<option value="matched" selected' in page
            (live,) = re.findall(r'data-live="([^"]+)"', page)
            assert f"q={text}" in live, "what is live keeps them too"
        event = await w.runtime.get_event(runs[1]["event_id"])
        assert event is not None
        page = (await anna.get(f"/inbox?q={event['delivery_id']}")).text
        assert re.findall(r'data-row="(\d+)"', page) == [str(event["id"])]
        assert "No event fits" in await anna.text("/inbox?q=nobody")


@story
async def test_a_look_for_lost_changes_is_asked_for_and_tells_what_it_found(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, settings=SWEPT) as w, reader(w) as anna:
        await w.follow(flow(steps=CREATE))
        await asyncio.sleep(30)
        assert "It noted where things stand." in await anna.text("/inbox")
        w.sandbox.fic.faults.add(kind="drop", type="*", times=1)
        w.person.create("clients", client("Lost", vat_number=""))
        await asyncio.sleep(60)
        asked = w.fic.seen("GET", "/entities/clients")
        done = await anna.post("/inbox/look", "/inbox")
        assert done.headers["location"] == "/inbox#sweeps"
        assert "looking now" in await anna.text("/inbox")
        await asyncio.sleep(10)
        assert len(w.fic.seen("GET", "/entities/clients")) == len(asked) + 1, "one call, no more"
        shown = await anna.text("/inbox")
        assert "1 record changed without an event" in shown
        assert "looking now" not in shown
        await asyncio.sleep(GRACE_SECONDS + 10)
        await w.quiet()
        assert "1 lost change found" in await anna.text("/inbox")
        assert [run["state"] for run in await w.runtime.list_runs()] == ["succeeded"]
        (audit, *_) = await w.runtime.list_audits()
        assert (audit["who"], audit["what"]) == ("anna", "sweep")
    async with world(tmp_path, settings=SWEPT) as w, reader(w, "viewer") as viewer:
        assert "/inbox/look" not in (await viewer.get("/inbox")).text


@story
async def test_a_look_stays_inside_the_quota(tmp_path: Path) -> None:
    async with world(tmp_path, settings=SWEPT) as w, reader(w) as anna:
        await w.follow(flow(steps=CREATE))
        await asyncio.sleep(30)
        now, refused = clock(), {"status": 429, "retry_after": 900, "times": 1}
        clients = {"method": "GET", "path": "/c/*/entities/clients"}
        w.sandbox.fic.faults.add(kind="status", **refused, **clients)
        await w.runtime.past.sweep_now()
        await asyncio.sleep(10)
        assert "The quota has no room for it now" in await anna.text("/inbox")
        (told,) = await w.runtime.past.sweeps()
        assert told["due_at"] >= now + 900


@story
async def test_a_parked_write_is_compared_and_adopted_with_a_name(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        key = await parked(w)
        page = f"/parked/{key}"
        assert "The app was not looked at yet" in await anna.text(page)
        assert "No record in the app looks like this write" in await anna.text(f"{page}?look=1")
        number = await entered_by_hand(w)
        await w.quiet()
        shown = await anna.text(f"{page}?look=1")
        assert "bears our mark" in shown
        assert "No difference in what the app shows" in shown
        assert "Not decided" in (await anna.post(page, page)).text
        unsure = await anna.post(page, page, choice="send_again")
        assert unsure.status_code == 422, "it was not confirmed"
        wrong = await anna.post(page, page, choice="adopt", remote_id="999")
        assert "I have checked it" in wrong.text
        assert len(await w.runtime.list_parked()) == 1
        done = await anna.post(page, page, choice="adopt", remote_id=number)
        assert done.headers["location"] == "/runs/1"
        await w.quiet()
        assert (await w.run())["state"] == "succeeded"
        assert "anna" in await anna.text("/parked")
        assert (await anna.get(page)).status_code == 404


SWEPT = {"sweep_seconds": 3_600.0}
CHECKED = re.compile(r'name="choice" value="([^"]*)"[^>]* checked')


@story
async def test_of_several_records_none_is_chosen_and_ours_are_named(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await follow_invoices(w)
        assert (await issue(w))["state"] == "succeeded"
        ours = str(w.documents[0]["id"])
        w.sandbox.fic.faults.add(kind="reset_before", **POST)
        assert (await issue(w))["state"] == "parked"
        (key,) = [one["key"] for one in await w.runtime.list_parked()]
        page = f"/parked/{key}"
        # The only one that is found is the other run's.
        shown = (await anna.get(f"{page}?look=1")).text
        assert "written by run 1 of the flow simple" in shown
        assert CHECKED.findall(shown) == []
        assert CHECKED.findall((await anna.get(f"{page}?id={ours}")).text) == []
        assert "it is not this write" in await anna.text(f"{page}?id={ours}")
        number = await entered_by_hand(w)
        shown = (await anna.get(f"{page}?look=1")).text
        assert "2 records in the app may be this write" in shown
        assert CHECKED.findall(shown) == []
        assert [one in shown for one in (f"adopt:{ours}", f"adopt:{number}")] == [True, True]
        assert CHECKED.findall((await anna.get(f"{page}?id={number}")).text) == [f"adopt:{number}"]
        refused = await anna.post(f"{page}?look=1", page, choice=f"adopt:{ours}")
        assert "I have checked it" in refused.text
        assert CHECKED.findall(refused.text) == [f"adopt:{ours}"], "what a person chose stays"
        assert f'name="insist" value="{ours}"' in refused.text
        # Who insisted on one record has not seen what speaks against another.
        again = await anna.post(f"{page}?look=1", page, choice=f"adopt:{ours}", insist=number)
        assert again.status_code == 422
        done = await anna.post(f"{page}?look=1", page, choice=f"adopt:{number}")
        assert done.headers["location"] == "/runs/2"
        await w.quiet()
        assert (len(w.documents), (await w.runs())[-1]["state"]) == (2, "succeeded")


@story
async def test_a_comparison_is_told_in_the_readers_words(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        key = await parked(w)
        rows = [{"name": "Work", "qty": 1, "net_price": Decimal("1290.5"), "vat": {"id": 0}}]
        number = await entered_by_hand(w, items_list=rows)
        shown = await anna.text(f"/parked/{key}?id={number}", accept_language="it")
        _, _, table = shown.partition("A confronto")
        differing, _, equal = table.partition("campi sono uguali")
        assert "Righe, n. 1 · Prezzo netto 100,00" in differing
        assert "1.290,50" in differing
        for words in ("Scadenza 3 apr 2026", "Stato Non saldato", "Tipo di documento Fattura"):
            assert words in equal, words
            assert words not in differing
        assert "data.items_list" not in table.partition("Come JSON")[0]
        assert '"net_price": 1290.5' in html.unescape(table)


@story
async def test_who_may_look_may_not_decide(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w, "viewer") as viewer:
        key = await parked(w)
        shown = await viewer.get(f"/parked/{key}")
        assert 'name="choice"' not in shown.text
        assert "an editor decides" in shown.text
        assert (await viewer.get("/runs/replay?state=failed")).status_code == 403
        assert "Replay from here" not in await viewer.text("/runs/1")


@story
async def test_when_it_looks_next_is_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await w.follow(flow(steps=INVOICE, types="[create]"))
        w.sandbox.fic.faults.add(kind="reset_before", method="POST", path="/c/*/issued_documents")
        w.person.create("clients", {"name": "Rossi"})

        async def looked_once() -> bool:
            runs = await w.runtime.list_runs()
            return bool(runs) and runs[0]["state"] == "waiting" and clock() - START > 90

        await w.until(looked_once)
        shown = await anna.text("/runs/1")
        assert "Looked in the app: it is not there yet" in shown
        assert "We look in the app next" in shown
        assert "It goes on by itself at 4 Mar 2026, 09:2" in shown, "the reader is in Rome"
        assert "we look in the app before going on" in await anna.text("/runs")


@story
async def test_pictures_have_their_figures(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await failing(w, "Rossi")
        for period in ("day", "week", "month"):
            page = (await anna.get(f"/pictures?period={period}")).text
            assert "style=" not in page
            assert len(re.findall(r"<svg [^>]*role=\"img\"", page)) == page.count("<desc")
            assert 'class="k-failed"' in page
        shown = await anna.text("/pictures")
        assert "1 run ended in this time" in shown
        assert "What is left of the month: Fatture in Cloud Officine Esempio S.r.l." in shown


@story
async def test_a_refusal_is_told_in_plain_words_before_the_apps_own(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna:
        await w.follow(flow(steps=CREATE))
        w.sandbox.perfex.faults.add(kind="status", status=422, method="POST", path="/api/customers")
        w.person.create("clients", client("Rossi", vat_number=""))
        await w.quiet()
        said = "Perfex CRM did not accept the record, and does not say why."
        for page in ("/runs", "/runs/1", "/"):
            assert said in await anna.text(page), page
        w.person.create("clients", client("B" * 200, vat_number=""))
        await w.quiet()
        assert "Company: The text has 200 characters; at most 191 fit." in await anna.text(
            "/runs/2"
        )


@story
async def test_a_dead_connection_is_told_on_each_page_of_its_flows_and_runs(tmp_path: Path) -> None:
    async with world(tmp_path) as w, reader(w) as anna, reader(w, "viewer") as vera:
        await w.follow(flow(steps=CREATE))
        w.sandbox.perfex.faults.add(kind="status", status=401, path="/api/customers", times=9)
        w.person.create("clients", client("Rossi", vat_number=""))
        await w.until(lambda: w.run_state(1, "waiting"))
        (run,) = await w.runtime.list_runs()
        assert run["reason"].startswith("connection:"), run
        for page in ("/", "/flows", "/flows/simple", "/runs", "/runs/1", "/runs?flow=simple"):
            shown = (await anna.get(page)).text
            said = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", shown))
            # Once, and with its remedy: the flow's own card says only that it waits.
            assert said.count("to Perfex CRM has stopped working") == 1, page
            assert "must be renewed" not in said, page
            assert "1 run waits for it." in said, page
            assert "/connections/new?app=perfex_crm&amp;name=" in shown, page
            assert "An owner can reconnect it." in await vera.text(page), page
        assert "has stopped working" not in await anna.text("/parked"), "nothing of it is parked"
        assert "has stopped working" not in await anna.text("/flows/new")
