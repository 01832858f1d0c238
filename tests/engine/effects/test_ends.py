"""One fault, or a stop at any save, and then all is well: a write ends once."""

from __future__ import annotations

import pytest

from connector.engine.effects import Effects
from connector.engine.waits import Wait
from tests.engine import remote as remote_module
from tests.engine.driving import INSTALLATION, SETTLE, Driver, intent, only
from tests.engine.effects.kit import check
from tests.engine.remote import CLIENT, INVOICE, UPDATE, Clock, Crash, Record, Remote
from tests.engine.virtual import simulate

ACTIONS = {"client": CLIENT, "invoice": INVOICE, "update": UPDATE}


# One fault and then all is well: how it ends, and how often it was sent.
ENDS: dict[str, dict[str, tuple[str, int]]] = {
    "ok": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 1)},
    "connect refused": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 1)},
    "401": {"client": ("done", 2), "invoice": ("done", 2), "update": ("done", 2)},
    "429": {"client": ("done", 2), "invoice": ("done", 2), "update": ("done", 2)},
    "403 quota": {"client": ("done", 2), "invoice": ("done", 2), "update": ("done", 2)},
    "403": {"client": ("refused", 1), "invoice": ("refused", 1), "update": ("refused", 1)},
    "404": {"client": ("refused", 1), "invoice": ("refused", 1), "update": ("refused", 1)},
    "409": {"client": ("refused", 1), "invoice": ("refused", 1), "update": ("refused", 1)},
    "422": {"client": ("refused", 1), "invoice": ("refused", 1), "update": ("refused", 1)},
    "reset before": {"client": ("done", 2), "invoice": ("parked", 1), "update": ("done", 2)},
    "reset after": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 2)},
    "5xx before": {"client": ("done", 2), "invoice": ("parked", 1), "update": ("done", 2)},
    "5xx after": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 2)},
    "timeout before": {"client": ("done", 2), "invoice": ("parked", 1), "update": ("done", 2)},
    "timeout after": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 2)},
    "timeout, late": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 2)},
    "truncated": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 2)},
    "foreign page": {"client": ("done", 2), "invoice": ("parked", 1), "update": ("done", 2)},
    "redirect": {"client": ("done", 2), "invoice": ("parked", 1), "update": ("done", 2)},
    "no id": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 1)},
    "crash before": {"client": ("done", 2), "invoice": ("parked", 1), "update": ("done", 2)},
    "crash after": {"client": ("done", 1), "invoice": ("done", 1), "update": ("done", 2)},
}


def test_every_fault_of_the_remote_system_is_tried_here() -> None:
    assert set(ENDS) == set(remote_module.FAULTS)


@pytest.mark.parametrize("kind", sorted(ACTIONS))
@pytest.mark.parametrize("fault", sorted(ENDS))
async def test_a_write_ends_once_after(driver: Driver, fault: str, kind: str) -> None:
    driver.remote.faults = iter([fault])
    story = await driver.drive(intent(ACTIONS[kind]))
    row = await check(driver, story)
    assert (story.end, len(driver.remote.sent)) == ENDS[fault][kind], story.tries
    if story.end == "done" and kind != "update":
        assert story.output["id"] == int(row.remote_id or 0)
        assert story.output["name"] == "Rossi"


@pytest.mark.parametrize("kind", sorted(ACTIONS))
@pytest.mark.parametrize("fault", sorted(ENDS))
async def test_the_end_stays_the_end_in_a_new_process(
    driver: Driver, fault: str, kind: str
) -> None:
    driver.remote.faults = iter([fault])
    first = await driver.drive(intent(ACTIONS[kind]))
    sent = len(driver.remote.sent)
    driver.effects = Effects(driver.clock, INSTALLATION)
    driver.clock.now += 30 * 24 * 3600
    again = await driver.drive(intent(ACTIONS[kind]))
    assert (again.end, again.output, again.tries) == (first.end, first.output, [])
    assert len(driver.remote.sent) == sent


# The process ends, or the database refuses, at the n-th save of an effect.
SAVES = [
    pytest.param(place, fault, id=f"{fault} save {place + 1}")
    for place in range(3)
    for fault in ("crash before", "crash after", "busy")
]


@pytest.mark.parametrize("kind", sorted(ACTIONS))
@pytest.mark.parametrize(("place", "fault"), SAVES)
@pytest.mark.parametrize("answer", ["ok", "reset before", "reset after", "connect refused", "409"])
async def test_a_write_ends_once_when_it_stops_at(
    kind: str, place: int, fault: str, answer: str
) -> None:
    clock = Clock()
    remote = Remote(clock, iter([answer]), records=[Record(1, {"data": {}}, 0)])
    store = remote_module.Effects(faults=["ok"] * place + [fault])
    driver = Driver(clock, remote, store)
    story = await driver.drive(intent(ACTIONS[kind]))
    row = store.only()
    assert row.state == story.end
    assert set(remote.sent) <= {row.request}
    if kind != "update":
        assert len(remote.marked(row.marker)) == (story.end == "done")
    if kind == "invoice":
        assert len(remote.sent) <= 1


async def test_a_stop_before_sending_is_written_down_loses_and_doubles_nothing(
    driver: Driver,
) -> None:
    store = remote_module.Effects(faults=["ok", "crash before"])
    driver.store = store
    driver.remote.before_send = lambda stored: None
    with pytest.raises(Crash):
        await driver.once(intent(INVOICE))
    assert store.only().state == "planned"
    assert driver.remote.sent == []
    story = await driver.drive(intent(INVOICE))
    assert (story.end, story.tries) == ("done", [])


async def test_a_restart_in_sending_looks_before_it_does_anything(driver: Driver) -> None:
    driver.remote.faults = iter(["crash after"])
    with pytest.raises(Crash):
        await driver.once(intent(INVOICE))
    started = driver.clock()
    assert (await only(driver)).state == "sending"
    driver.effects = Effects(driver.clock, INSTALLATION)
    with pytest.raises(Wait) as caught:
        await driver.once(intent(INVOICE))
    assert caught.value.due_at == started + SETTLE
    assert driver.remote.searches == [], "not before the server has settled"
    driver.clock.until(started + SETTLE)
    assert (await driver.once(intent(INVOICE)))["id"] == 2
    row = await only(driver)
    assert row.evidence[-1]["message"] == "found in the app as 2 and adopted"


def test_an_answer_that_could_not_be_stored_is_found_again() -> None:
    async def story() -> None:
        clock = Clock()
        store = remote_module.Effects(faults=["ok", "ok", *["busy"] * 8])
        driver = Driver(clock, Remote(clock), store)
        told = await driver.drive(intent(INVOICE))
        assert told.end == "done"
        assert "store busy" in told.tries
        assert len(driver.remote.sent) == 1
        assert store.only().evidence[-1]["message"].endswith("adopted")

    simulate(story)
