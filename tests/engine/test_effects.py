"""Writes that happen once: each way a send can end, at each moment we can stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connector.codec import decode
from connector.engine.effects import Effects
from connector.engine.packing import marker_of, pack, unpack
from connector.engine.waits import Park, Wait
from connector.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    NotConnected,
    NotSent,
    Refused,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import HttpRequest
from connector.store.rows import EffectRow
from connector.store.sql.turns import Turn
from connector.store.sqlite.database import Database
from tests.engine import remote as remote_module
from tests.engine.driving import INSTALLATION, SECOND_LOOK, SETTLE, Driver, Story, intent
from tests.engine.remote import BLIND, CLIENT, INVOICE, TOKEN, UPDATE, Clock, Crash, Record, Remote
from tests.engine.virtual import simulate

ACTIONS = {"client": CLIENT, "invoice": INVOICE, "update": UPDATE}


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[Driver]:
    """A driver on a real store; the remote system checks what is stored before each send."""
    database = Database(tmp_path / "connector.db")
    store = database.tenant("main")
    await store.ensure(0)
    clock = Clock()
    remote = Remote(clock, records=[Record(1, {"data": {"name": "old"}}, 0)])

    def look(stored: bytes) -> None:
        rows = database.reader.execute(
            "SELECT count(*) FROM effect WHERE state = 'sending' AND request = ?", (stored,)
        )
        assert rows.fetchone() == (1,), "stored as SENDING, byte for byte, before the first byte"

    remote.before_send = look
    yield Driver(clock, remote, store)
    await database.close()


async def only(driver: Driver) -> EffectRow:
    (row,) = await driver.store.effects()
    return row


async def check(driver: Driver, story: Story) -> EffectRow:
    """What must hold whatever happened; gives the effect."""
    row = await only(driver)
    assert row.state == story.end
    assert row.state in ("done", "refused", "parked")
    assert set(driver.remote.sent) <= {row.request}, "every attempt sends the stored bytes"
    assert TOKEN not in repr(row)
    if "create" in row.node:
        made = driver.remote.marked(row.marker)
        assert len(made) <= 1
        if story.end == "done":
            assert [str(one.id) for one in made] == [row.remote_id]
    return row


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


# --- looking ----------------------------------------------------------------------------------


async def test_it_looks_after_settling_and_once_more_later(driver: Driver) -> None:
    driver.remote.faults = iter(["reset before"])
    start = driver.clock()
    story = await driver.drive(intent(INVOICE))
    assert story.end == "parked"
    assert driver.remote.searches == [start + SETTLE, start + SETTLE + SECOND_LOOK]
    assert "cannot be found" in story.error.message
    assert story.error.who == "user"
    assert "adopt" in story.error.remedy


async def test_it_does_not_look_before_its_time_however_often_it_is_asked(driver: Driver) -> None:
    driver.remote.faults = iter(["reset after"])
    for _ in range(5):
        with pytest.raises(Wait):
            await driver.once(intent(INVOICE))
        driver.clock.now += 1
    assert driver.remote.searches == []
    assert len(driver.remote.sent) == 1


async def test_a_second_loss_of_a_client_is_not_sent_a_third_time(driver: Driver) -> None:
    driver.remote.faults = iter(["reset before", "reset before"])
    story = await driver.drive(intent(CLIENT))
    await check(driver, story)
    assert story.end == "parked"
    assert len(driver.remote.sent) == 2
    assert len(driver.remote.searches) == 4


async def test_a_state_is_not_repeated_for_ever(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout before"] * 50)
    story = await driver.drive(intent(UPDATE))
    assert story.end == "parked"
    assert len(driver.remote.sent) == 8


async def test_a_write_that_nobody_can_search_is_parked_at_once(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    story = await driver.drive(intent(BLIND))
    assert (story.end, len(driver.remote.sent)) == ("parked", 1)


async def test_several_matches_are_shown_to_a_person(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    with pytest.raises(Wait):
        await driver.once(intent(INVOICE))
    copy = driver.remote.records[-1]
    driver.remote.records.append(Record(99, copy.body, copy.applied_at))
    story = await driver.drive(intent(INVOICE))
    assert story.end == "parked"
    assert "2 records" in story.error.message


@pytest.mark.parametrize("action", [INVOICE, CLIENT], ids=["invoice", "client"])
async def test_a_parked_write_is_never_sent_again_by_itself(driver: Driver, action: Any) -> None:
    driver.remote.faults = iter(["timeout before", "timeout before"])
    story = await driver.drive(intent(action))
    sent = len(driver.remote.sent)
    for run_id in range(1, 30):
        driver.clock.now += 24 * 3600
        driver.effects = Effects(driver.clock, INSTALLATION)
        with pytest.raises(Park) as caught:
            await driver.once(intent(action, run_id=run_id))
        assert caught.value.cause.message == story.error.message
    assert len(driver.remote.sent) == sent


@pytest.mark.parametrize("trouble", ["connect refused", "unclear", "429", "401"])
async def test_a_list_that_cannot_be_read_now_is_no_answer(driver: Driver, trouble: str) -> None:
    driver.remote.faults = iter(["timeout after"])
    driver.remote.looking = iter([trouble] * 9)
    story = await driver.drive(intent(INVOICE))
    await check(driver, story)
    assert story.end == "done"
    assert len(driver.remote.searches) == 10


async def test_a_list_that_may_not_be_read_shows_the_write_to_a_person(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    driver.remote.looking = iter(["403"])
    story = await driver.drive(intent(CLIENT))
    assert story.end == "parked"
    assert "scope for reading is missing" in story.error.message


@pytest.mark.parametrize("trouble", ["connect refused", "unclear", "429", "401", "403"])
async def test_a_write_whose_record_cannot_be_named_yet_is_not_forgotten(
    driver: Driver, trouble: str
) -> None:
    driver.remote.faults = iter(["no id"])
    driver.remote.looking = iter([trouble])
    with pytest.raises(Wait):
        await driver.once(intent(INVOICE))
    assert (await only(driver)).state == "uncertain"
    story = await driver.drive(intent(INVOICE))
    await check(driver, story)
    assert (story.end, len(driver.remote.sent)) == ("done", 1)


async def test_an_answer_without_an_id_is_proven_by_the_list_at_once_where_it_does_not_lag(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "LIST_LAG", 0.0)
    driver.remote.faults = iter(["no id"])
    output = await driver.once(intent(INVOICE))
    assert output["id"] == 2
    assert output["subject"].startswith("Order 7 #")


# --- what passes, and what is told to whom -----------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [("connect refused", NotSent), ("401", Unauthorized), ("429", Throttled), ("403 quota",
     Throttled)],
)  # fmt: skip
async def test_what_was_not_applied_is_planned_again_and_told(
    driver: Driver, fault: str, error: type[ConnectorError]
) -> None:
    driver.remote.faults = iter([fault])
    with pytest.raises(error):
        await driver.once(intent(INVOICE))
    row = await only(driver)
    assert (row.state, row.sends) == ("planned", 0)
    assert row.evidence[-1]["kind"] == error.__name__
    assert (await driver.drive(intent(INVOICE))).end == "done"


async def test_a_wait_that_was_asked_for_is_passed_on_exactly(driver: Driver) -> None:
    driver.remote.faults = iter(["403 quota"])
    with pytest.raises(Throttled) as caught:
        await driver.once(intent(INVOICE))
    assert caught.value.retry_after == 77


@pytest.mark.parametrize(("fault", "error"), [("409", Conflict), ("403", Forbidden)])
async def test_a_refusal_is_told_as_it_is(driver: Driver, fault: str, error: type[Refused]) -> None:
    driver.remote.faults = iter([fault])
    with pytest.raises(error):
        await driver.once(intent(INVOICE))
    with pytest.raises(Refused, match=f"answered {fault}") as caught:
        await driver.once(intent(INVOICE))
    assert caught.value.who == error.who


async def test_an_error_before_the_door_means_that_nothing_was_sent(driver: Driver) -> None:
    door = Remote(driver.clock)

    async def closed(prepared: HttpRequest, **how: Any) -> Any:
        raise NotConnected("There is no connection any more.")

    door.send = closed
    with pytest.raises(NotConnected):
        await driver.effects.perform(intent(INVOICE), driver.store, door, door.find)
    assert (await only(driver)).state == "planned"


# --- replays and edits -------------------------------------------------------------------------

MENDED = {"data": {"name": "Verdi", "subject": "Order 7"}}


async def test_a_replay_of_a_done_write_gives_its_result_and_sends_nothing(
    driver: Driver,
) -> None:
    first = await driver.drive(intent(INVOICE))
    again = await driver.drive(intent(INVOICE, run_id=2, inputs=MENDED))
    assert again.output == first.output
    assert len(driver.remote.sent) == 1


async def test_a_replay_of_a_refused_write_sends_the_mended_values(driver: Driver) -> None:
    driver.remote.faults = iter(["422"])
    assert (await driver.drive(intent(INVOICE))).end == "refused"
    again = await driver.drive(intent(INVOICE, run_id=2, inputs=MENDED))
    assert again.output["name"] == "Verdi"
    row = await only(driver)
    assert row.run_id == 2
    assert [note["kind"] for note in row.evidence] == ["Invalid"], "what was before is kept"


async def test_the_same_run_does_not_send_a_refused_write_again(driver: Driver) -> None:
    driver.remote.faults = iter(["422"])
    for _ in range(3):
        assert (await driver.drive(intent(INVOICE, inputs=MENDED))).end == "refused"
    assert len(driver.remote.sent) == 1


async def test_a_flow_edited_between_tries_changes_no_byte(driver: Driver) -> None:
    driver.remote.faults = iter(["connect refused", "429", "401"])
    values: list[dict[str, Any]] = [{"data": {"name": f"edit {n}"}} for n in range(4)]
    for inputs in values[:3]:
        with pytest.raises(ConnectorError):
            await driver.once(intent(INVOICE, inputs=inputs))
        driver.clock.now += 60
    output = await driver.once(intent(INVOICE, inputs=values[3]))
    assert output["name"] == "edit 0"
    assert len({*driver.remote.sent}) == 1


async def test_a_replay_of_what_never_left_us_is_rendered_anew(driver: Driver) -> None:
    driver.remote.faults = iter(["connect refused"])
    with pytest.raises(NotSent):
        await driver.once(intent(INVOICE))
    output = await driver.once(intent(INVOICE, run_id=2, inputs=MENDED))
    assert output["name"] == "Verdi", "else a wrong address or value could never be mended"


async def test_a_replay_of_what_may_have_left_us_is_not_rendered_anew(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout before", "connect refused"])
    with pytest.raises(Wait):
        await driver.once(intent(CLIENT))
    driver.clock.now += SETTLE
    with pytest.raises(Wait):
        await driver.once(intent(CLIENT))
    driver.clock.now += SECOND_LOOK
    with pytest.raises(NotSent):
        await driver.once(intent(CLIENT))
    output = await driver.once(intent(CLIENT, run_id=2, inputs=MENDED))
    assert output["name"] == "Rossi"
    assert len({*driver.remote.sent}) == 1


# --- keys ---------------------------------------------------------------------------------------


def test_a_key_is_of_the_fact_and_not_of_the_try() -> None:
    key = intent(INVOICE).key("main")
    assert intent(INVOICE, run_id=9, inputs={}).key("main") == key
    others = [
        intent(INVOICE).key("other"),
        intent(CLIENT).key("main"),
        *(
            intent(INVOICE, **{name: value}).key("main")
            for name, value in {
                "connection_id": "conn-2", "flow": "other", "step": "other", "event_id": "2",
                "item_id": "8", "business_key": "7",
            }.items()
        ),
    ]  # fmt: skip
    assert len({key, *others}) == len(others) + 1


def test_a_business_key_stands_for_event_and_record() -> None:
    one = intent(INVOICE, business_key="order 7")
    other = intent(INVOICE, business_key="order 7", event_id="5", item_id="other")
    assert one.key("main") == other.key("main")


def test_a_marker_is_the_same_after_a_restored_backup_and_says_nothing() -> None:
    marker = marker_of(INSTALLATION, intent(INVOICE).key("main"))
    assert marker == marker_of(INSTALLATION, intent(INVOICE).key("main"))
    assert marker != marker_of(b"another installation", intent(INVOICE).key("main"))
    assert len(marker) == 13
    assert marker[0] == "#"
    assert set(marker[1:]) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


async def test_the_marker_is_appended_to_what_its_field_says(driver: Driver) -> None:
    await driver.drive(intent(INVOICE))
    row = await only(driver)
    (body,) = [decode(unpack(sent).body) for sent in driver.remote.sent]
    assert body["data"]["subject"] == f"Order 7 {row.marker}"


async def test_the_marker_is_alone_where_its_field_says_nothing(driver: Driver) -> None:
    await driver.drive(intent(CLIENT, inputs={"data": {"name": "Rossi"}}))
    row = await only(driver)
    assert driver.remote.records[-1].body["data"]["notes"] == row.marker


async def test_two_events_about_one_order_write_once_even_at_the_same_moment(
    driver: Driver,
) -> None:
    facts = [
        intent(INVOICE, business_key="order 7", event_id=str(n), item_id=str(n), run_id=n)
        for n in range(1, 6)
    ]
    outputs = await asyncio.gather(*(driver.once(one) for one in facts))
    assert len(driver.remote.sent) == 1
    assert outputs == [outputs[0]] * 5


async def test_two_events_about_one_order_share_an_unsure_write(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout after"])
    facts = [intent(INVOICE, business_key="o", event_id=str(n), run_id=n) for n in (1, 2)]
    outcomes = await asyncio.gather(*(driver.once(one) for one in facts), return_exceptions=True)
    assert [type(one) for one in outcomes] == [Wait, Wait]
    stories = [await driver.drive(one) for one in facts]
    assert [one.end for one in stories] == ["done", "done"]
    assert len(driver.remote.sent) == 1


async def test_writes_of_different_facts_do_not_wait_for_each_other(driver: Driver) -> None:
    gate = asyncio.Event()
    send = driver.remote.send

    async def held(prepared: HttpRequest, **how: Any) -> Any:
        if b'"first"' in prepared.body:
            await gate.wait()
        return await send(prepared, **how)

    driver.remote.send = held
    first = asyncio.create_task(
        driver.once(intent(INVOICE, item_id="1", inputs={"data": {"name": "first"}}))
    )
    await driver.once(intent(INVOICE, item_id="2"))
    assert not first.done()
    gate.set()
    assert (await first)["name"] == "first"


# --- hooks --------------------------------------------------------------------------------------


async def test_a_policy_that_forbids_a_write_sends_nothing_and_may_be_changed(
    driver: Driver,
) -> None:
    def forbid(effect: EffectRow) -> None:
        raise ConnectorError(f"{effect.node} is forbidden on Sundays.")

    driver.effects = Effects(driver.clock, INSTALLATION, before_write=forbid)
    with pytest.raises(ConnectorError, match="Sundays"):
        await driver.once(intent(INVOICE))
    assert driver.remote.sent == []
    driver.effects = Effects(driver.clock, INSTALLATION)
    assert (await driver.drive(intent(INVOICE))).end == "done"


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        (["ok"], ["done"]),
        (["422"], ["refused"]),
        (["timeout after"], ["uncertain", "done"]),
        (["timeout before"], ["uncertain", "parked"]),
        (["connect refused", "429"], ["done"]),
    ],
)
async def test_an_observer_hears_of_every_end(
    driver: Driver, faults: list[str], heard: list[str]
) -> None:
    ends: list[str] = []
    driver.effects = Effects(
        driver.clock, INSTALLATION, after_write=lambda effect: ends.append(effect.state)
    )
    driver.remote.faults = iter(faults)
    await driver.drive(intent(INVOICE))
    assert ends == heard


# --- bytes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"\n", b"a\nb\n", bytes(range(256)), '{"è":1}'.encode()])
def test_a_request_is_stored_byte_for_byte(body: bytes) -> None:
    request = HttpRequest(
        method="POST",
        url="https://x.example/a?b=c%20d\u00e8",
        headers=(("content-type", 'a; b="c"'), ("x", ""), ("x", "again")),
        body=body,
    )
    assert unpack(pack(request)) == request
    assert pack(unpack(pack(request))) == pack(request)


async def test_amounts_keep_their_digits_on_the_way_out(driver: Driver) -> None:
    await driver.drive(intent(INVOICE, inputs=decode('{"data":{"net":1234.50,"qty":0.10}}')))
    assert b'"net":1234.50,"qty":0.10' in unpack(driver.remote.sent[0]).body


async def test_a_store_that_never_recovers_sends_nothing(driver: Driver) -> None:
    driver.store = remote_module.Effects(faults=["busy"] * 100)
    for _ in range(5):
        with pytest.raises(StoreBusy):
            await driver.once(intent(INVOICE))
    assert driver.remote.sent == []


async def test_a_store_that_fails_before_sending_is_written_sends_nothing(driver: Driver) -> None:
    driver.store = remote_module.Effects(faults=["ok", "busy", "busy"])
    for _ in range(2):
        with pytest.raises(StoreBusy):
            await driver.once(intent(INVOICE))
    assert driver.remote.sent == []
    driver.remote.before_send = lambda stored: None
    assert (await driver.drive(intent(INVOICE))).end == "done"


async def test_an_unclear_answer_is_kept_as_evidence(driver: Driver) -> None:
    driver.remote.faults = iter(["5xx after"])
    with pytest.raises(Wait) as caught:
        await driver.once(intent(INVOICE))
    assert isinstance(caught.value.cause, Unclear)
    (note,) = (await only(driver)).evidence
    assert note["kind"] == "Unclear"
    assert note["at"] == driver.clock()


# --- a restored backup ---------------------------------------------------------------------------


def search_first(driver: Driver) -> Driver:
    """The same world with an empty database, by a process that searches first."""

    def make(clock: Any, key: bytes) -> Effects:
        return Effects(clock, key, search_first=True)

    driver.clock.now += 3600
    empty = remote_module.Effects()
    driver.remote.before_send = lambda stored: None
    return Driver(driver.clock, driver.remote, empty, make)


@pytest.mark.parametrize("action", [INVOICE, CLIENT], ids=["invoice", "client"])
async def test_searching_first_finds_by_the_mark_what_the_database_has_forgotten(
    driver: Driver, action: Any
) -> None:
    before = await driver.drive(intent(action))
    later = search_first(driver)
    # The customer has another name by now, so that the text around the mark is another one.
    told = await later.drive(intent(action, inputs={"data": {"name": "Rossi", "subject": "New"}}))
    assert (told.end, told.output["id"]) == ("done", before.output["id"])
    row = later.store.only()
    assert (row.remote_id, row.sends, len(driver.remote.sent)) == (str(told.output["id"]), 0, 1)
    assert "searched first" in row.evidence[-1]["message"]


@pytest.mark.parametrize("action", [INVOICE, CLIENT], ids=["invoice", "client"])
async def test_searching_first_sends_what_is_not_there(driver: Driver, action: Any) -> None:
    told = await search_first(driver).drive(intent(action))
    assert (told.end, len(driver.remote.sent)) == ("done", 1)


@pytest.mark.parametrize("trouble", ["connect refused", "unclear", "429", "401"])
async def test_searching_first_sends_nothing_while_the_list_cannot_be_read(
    driver: Driver, trouble: str
) -> None:
    await driver.drive(intent(INVOICE))
    later = search_first(driver)
    driver.remote.looking = iter([trouble] * 5)
    told = await later.drive(intent(INVOICE))
    assert (told.end, len(told.tries), len(driver.remote.sent)) == ("done", 5, 1)


async def test_searching_first_shows_several_that_carry_the_mark_to_a_person(
    driver: Driver,
) -> None:
    await driver.drive(intent(INVOICE))
    copy = driver.remote.records[-1]
    driver.remote.records.append(Record(99, copy.body, copy.applied_at))
    told = await search_first(driver).drive(intent(INVOICE))
    assert (told.end, len(driver.remote.sent)) == ("parked", 1)
    assert "2, 99" in told.error.message


async def test_without_searching_first_an_invoice_is_not_looked_for(driver: Driver) -> None:
    await driver.drive(intent(INVOICE))
    assert driver.remote.searches == []


class LostTurn(Turn):
    """The turn went to another process while the intent was being stored."""

    async def check(self) -> None:
        raise StoreBusy("The connection that held this process's turns was lost.")


@contextlib.asynccontextmanager
async def _lost(*names: str) -> AsyncIterator[Turn]:
    yield LostTurn()


async def test_nothing_is_sent_when_the_turn_was_lost(driver: Driver) -> None:
    driver.effects._turn = _lost
    with pytest.raises(StoreBusy):
        await driver.once(intent(INVOICE))
    assert driver.remote.sent == []
    (row,) = await driver.store.effects()
    assert (row.state, row.sends) == ("planned", 0)


async def test_what_a_person_dropped_is_not_written_by_a_replay(driver: Driver) -> None:
    await driver.once(intent(INVOICE))
    (row,) = await driver.store.effects()
    row.state = "refused"
    row.evidence.append({"at": 0, "message": "it was looked for"})
    row.evidence.append({"at": 1, "message": "dropped, decided by me", "dropped": True})
    await driver.store.save_effect(row)
    sent = len(driver.remote.sent)
    with pytest.raises(Refused, match="dropped"):
        await driver.once(intent(INVOICE, run_id=99))
    assert len(driver.remote.sent) == sent
