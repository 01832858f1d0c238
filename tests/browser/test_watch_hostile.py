"""Whatever apps and people put into their records, the pages that look back show it as text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from connector.store import open_database
from connector.store.rows import AlarmRow, ConnectionRow, EffectRow, EventRow, RunRow, StepRow
from tests.browser.hostile import ATTACKS
from tests.browser.kit import House, Visit

OPEN_ALL = "for (const one of document.querySelectorAll('main details')) one.open = true"
FOREIGN = (
    "main script, main style, main iframe, main object, main embed, main img, main base,"
    " main meta, main link, main [onerror], main [onload], main [onfocus], main [ontoggle],"
    " main [onclick], main a[href^=javascript], main form[action*=evil]"
)
READ_ALL = """async ([paths, foreign]) => {
  const found = [];
  for (const path of paths) {
    const answer = await fetch(path, { headers: { accept: "text/html" } });
    const read = new DOMParser().parseFromString(await answer.text(), "text/html");
    const main = read.querySelectorAll("main");
    if (!answer.ok || main.length !== 1) found.push(`${path} is ${answer.status}`);
    if (main[0]?.textContent.includes("1337")) found.push(`${path} evaluates`);
    for (const one of read.querySelectorAll(foreign)) found.push(`${path} has ${one.outerHTML}`);
  }
  return found;
}"""
NOW = 1_790_000_000.0
REQUEST = b'{"method":"POST","url":"https://app.example/x","headers":[["content-type",%s]]}\n%s'


def test_there_are_forty_of_them() -> None:
    assert len(set(ATTACKS)) >= 40


def test_nothing_foreign_runs(house: House, visit: Callable[..., Visit]) -> None:
    in_a_thread(fill(house.folder / "connector.db"))
    one = visit(house)
    one.page.on("dialog", lambda dialog: one.complaints.append(dialog.message))
    runs = [row[0] for row in house.rows("SELECT id FROM run ORDER BY id")]
    keys = [row[0] for row in house.rows("SELECT key FROM effect WHERE state = 'parked'")]
    lists = ("/runs", "/runs?state=failed", "/inbox?period=all", "/parked", "/pictures",
             "/runs/replay?state=failed")  # fmt: skip
    every = [
        *(f"/runs/{run}" for run in runs),
        *(f"/parked/{key}" for key in keys),
        *(f"/inbox/{event[0]}" for event in house.rows("SELECT id FROM event")),
        # What a person was led to: an address with it in its filters.
        *(f"/runs?{query(q=attack, flow=attack, record=attack)}" for attack in ATTACKS),
    ]
    # The lists hold every attack at once; of the pages that hold one, some are opened, and all
    # are read as the browser reads them.
    for path in (*lists, *every[::6]):
        one.go(path)
        one.page.evaluate(OPEN_ALL)
        look(one)
    assert one.page.evaluate(READ_ALL, [every, FOREIGN]) == []
    one.go("/runs")
    one.page.locator("[data-live-state].on").wait_for()
    look(one)
    one.usable()


def look(one: Visit) -> None:
    assert one.page.title() != "run", one.page.url
    found = one.page.evaluate(
        "(foreign) => [...document.querySelectorAll(foreign)].map((one) => one.outerHTML)", FOREIGN
    )
    assert found == [], one.page.url
    text = one.page.inner_text("main")
    assert "1337" not in text, "a template of ours has evaluated what it should show"


def query(**values: str) -> str:
    from urllib.parse import urlencode

    return urlencode(values)


def in_a_thread(work: Any) -> None:
    """Playwright has this thread's event loop."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work)
        except BaseException as error:  # noqa: BLE001 - told by the test itself
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


async def fill(path: Path) -> None:
    """Each attack in every foreign field of an event, a run, its steps and its writes."""
    database = open_database(f"sqlite:///{path}")
    await database.open()
    store = database.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(
        ConnectionRow(
            "c", "main", "fatture_in_cloud", ATTACKS[0], "https://x.example", {}, "active", NOW
        )
    )
    flow = await store.save_flow("hostile", "flow: hostile", NOW, enable=False)
    for number, attack in enumerate(ATTACKS):
        event = EventRow(
            "main", "c", f"d-{number} {attack}", attack, attack, attack, (attack,), NOW + number,
            account=attack, happened_at=attack,
        )  # fmt: skip
        event.id = await store.accept(event) or 0
        event.state = "matched"
        run = RunRow(
            "main", flow.id, 1, event.id, attack, "queued",
            {"trigger": {"resource": {attack: attack}}}, NOW + number,
        )  # fmt: skip
        (run,) = await store.match(event, [run])
        await spoil(store, run, attack, number)
    await store.audit(NOW, ATTACKS[0], ATTACKS[1], ATTACKS[2], {"remote_id": ATTACKS[3]})
    await store.audit(NOW, ATTACKS[4], "adopt", ATTACKS[5], {"remote_id": ATTACKS[6], "run": 1})
    await store.raise_alarm(AlarmRow("k", "c", "a", NOW, ATTACKS[7], ATTACKS[8]))
    await database.close()


async def spoil(store: Any, run: RunRow, attack: str, number: int) -> None:
    error = {
        "kind": attack, "message": attack, "remedy": attack, "field": attack, "step": attack,
        "value_type": attack, "who": attack,
        "issues": [{"message": attack, "field": attack, "remedy": attack}],
    }  # fmt: skip
    step = StepRow(
        run.id,
        0,
        attack,
        "done",
        NOW,
        NOW + 1,
        attack,
        {attack: attack},
        None,
        {"warnings": [attack]},
    )
    await store.record_step(run, step)
    await store.record_step(
        run, replace(step, position=1, id=f"{attack}2", state="failed", error=error)
    )
    quoted = b'"text/plain"'
    effect = EffectRow(
        key=f"key{number}", tenant="main", connection_id="c", run_id=run.id, step_id=attack,
        node=attack, state="parked" if number % 2 else "done", marker=attack,
        inputs={"data": {attack.replace(".", ""): attack, "name": attack}},
        created_at=NOW, updated_at=NOW, request=REQUEST % (quoted, attack.encode()), sends=1,
        sent_at=NOW, remote_id=attack, output={attack: attack},
        answer={"status": 200, "headers": {"content-type": attack}, "body": attack},
        evidence=[
            {"at": NOW, "message": attack},
            {"at": NOW, "message": f"found in the app as {attack} and adopted"},
        ],
    )  # fmt: skip
    await store.save_effect(effect)
    run.state, run.finished_at, run.error = "failed", NOW + 2, error
    await store.record_run(run)
