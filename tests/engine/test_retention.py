"""When what is removed: by age, a little at a time, and from the place where it left off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.engine import retention as room
from connector.engine.retention import DAY, REST_SECONDS, Removed, Retention
from connector.redaction import MASK, mask_fields
from connector.store.rows import GONE, MASKED
from connector.store.sql.tenant import TenantStore
from connector.store.sqlite.database import Database
from tests.store.kit import NOW, connection_row, effect_row, event_row, run_row, step_row


class Clock:
    now = NOW

    def __call__(self) -> float:
        return self.now


class Rest:
    """Sleeps nothing and remembers; may kill."""

    def __init__(self, kill_at: int = -1) -> None:
        self.naps: list[float] = []
        self.kill_at = kill_at

    async def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        if len(self.naps) == self.kill_at:
            raise KeyboardInterrupt


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    database = Database(tmp_path / "connector.db")
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> TenantStore:
    store = database.tenant("main")
    await store.ensure(NOW)
    await store.save_connection(connection_row("main"))
    return store


async def run_of(store: TenantStore, day: float, state: Any = "succeeded") -> int:
    """A run whose event came on that day, and which ended at once if it did."""
    at = NOW + day * DAY
    event = event_row("main", f"d-{day}-{state}", received_at=at)
    event.id = await store.accept(event) or 0
    event.state = "matched"
    over = None if state == "waiting" else at
    context = {"trigger": {"resource": {"email": "a@b.it", "name": "Anna"}}}
    row = run_row("main", event.id, state=state, finished_at=over, created_at=at, context=context)
    (run,) = await store.match(event, [row])
    await store.record_step(run, step_row(run.id))
    await store.save_effect(effect_row("main", run.id, key=f"{day}-{state}"))
    return run.id


async def kept(store: TenantStore) -> list[str]:
    return [one.kept for one in await store.run_ages(0, 10_000)]


async def test_payloads_go_when_their_run_ended_long_enough_ago(
    store: TenantStore, database: Database
) -> None:
    for day in (0, 1, 2):
        await run_of(store, day)
    clock = Clock()
    retention = Retention(database, "main", clock, 30, rest=Rest())
    clock.now = NOW + 30 * DAY
    assert await retention.tidy() == Removed()
    clock.now += 1
    assert await retention.tidy() == Removed(runs=1)
    assert await kept(store) == ["gone", "whole", "whole"]
    clock.now += 10 * DAY
    assert await retention.tidy() == Removed(runs=2)
    assert await retention.tidy() == Removed()


async def test_an_open_run_is_kept_and_does_not_hold_up_those_behind_it(
    store: TenantStore, database: Database
) -> None:
    states = ["succeeded", "waiting", "failed", "parked", "filtered"]
    numbers = [await run_of(store, 0, state) for state in states]
    clock = Clock()
    clock.now += 365 * DAY
    retention = Retention(database, "main", clock, 30, rest=Rest())
    assert await retention.tidy() == Removed(runs=3)
    assert await kept(store) == ["gone", "whole", "gone", "whole", "gone"]
    run = await store.run(numbers[1])
    assert run is not None
    run.state, run.finished_at = "succeeded", clock.now
    await store.record_run(run)
    assert await retention.tidy() == Removed()
    clock.now += 31 * DAY
    assert await retention.tidy() == Removed(runs=1)


async def test_it_begins_where_nothing_was_left(
    store: TenantStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "PORTION", 2)
    for day in range(6):
        await run_of(store, day)
    asked: list[int] = []
    real = database.run_ages

    async def spy(after: int, limit: int) -> Any:
        asked.append(after)
        return await real(after, limit)

    monkeypatch.setattr(database, "run_ages", spy)
    clock = Clock()
    clock.now += 33.5 * DAY
    retention = Retention(database, "main", clock, 30, rest=Rest())
    assert await retention.tidy() == Removed(runs=4)
    assert asked == [0, 2, 4], "no further than to the first portion that is too young"
    asked.clear()
    await retention.tidy()
    asked.clear()
    await retention.tidy()
    assert asked == [4]


async def test_with_zero_days_nothing_is_ever_removed(
    store: TenantStore, database: Database
) -> None:
    await run_of(store, 0)
    clock = Clock()
    clock.now += 10_000 * DAY
    retention = Retention(database, "main", clock, 0, 0, rest=Rest())
    retention.start()
    assert retention._task is None
    assert await retention.tidy() == Removed()
    assert await kept(store) == ["whole"]


async def test_it_rests_after_every_small_commit(
    store: TenantStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        await run_of(store, number / 100)
    units: list[int] = []
    real = database.write

    async def spy(*unit: Any) -> Any:
        units.append(len(unit))
        return await real(*unit)

    monkeypatch.setattr(database, "write", spy)
    clock, rest = Clock(), Rest()
    clock.now += 40 * DAY
    assert await Retention(database, "main", clock, 30, rest=rest).tidy() == Removed(runs=60)
    assert len(units) == 60
    assert max(units) == 3
    assert rest.naps.count(REST_SECONDS) == 3


@pytest.mark.parametrize("kill_at", range(1, 8))
async def test_stopped_anywhere_it_ends_what_it_began(
    store: TenantStore, database: Database, kill_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "TOGETHER", 2)
    for number in range(10):
        await run_of(store, number / 100)
    clock = Clock()
    clock.now += 100 * DAY
    with pytest.raises(KeyboardInterrupt):
        await Retention(database, "main", clock, 30, 40, rest=Rest(kill_at)).tidy()
    await Retention(database, "main", clock, 30, 40, rest=Rest()).tidy()
    assert await kept(store) == ["gone"], "all but the newest went, with their events"
    assert [one.id for one in await store.events()] == [10]
    assert len(await store.effects()) == 10


async def test_events_go_with_their_payloads_even_where_those_are_kept_for_ever(
    store: TenantStore, database: Database
) -> None:
    await run_of(store, 0)
    await run_of(store, 20)
    clock = Clock()
    clock.now += 41 * DAY
    assert await Retention(database, "main", clock, 0, 40, rest=Rest()).tidy() == Removed(
        runs=1, events=1
    )
    assert await kept(store) == ["whole"]


async def test_by_hand_it_is_recorded_who_did_and_only_counting_is_not(
    store: TenantStore, database: Database
) -> None:
    await run_of(store, 0)
    await run_of(store, 5)
    clock = Clock()
    clock.now += 6 * DAY
    retention = Retention(database, "main", clock, 0, rest=Rest())
    assert await retention.purge(3, "anna", really=False) == Removed(runs=1)
    assert await store.audits() == []
    assert await kept(store) == ["whole", "whole"]
    assert await retention.purge(3, "anna") == Removed(runs=1)
    assert await kept(store) == ["gone", "whole"]
    (audit,) = await store.audits()
    assert (audit["who"], audit["what"]) == ("anna", "purge")
    assert audit["subject"] == "payloads older than 3 days"


# --- masking -------------------------------------------------------------------------------------


async def test_named_fields_are_masked_once_a_run_has_succeeded(
    store: TenantStore, database: Database
) -> None:
    states = ["succeeded", "failed", "waiting", "parked", "filtered"]
    numbers = [await run_of(store, 0, state) for state in states]
    retention = Retention(database, "main", Clock(), 0, 0, ["email"], rest=Rest())
    assert await retention.tidy() == Removed(masked=2)
    assert await retention.tidy() == Removed()
    runs = [await store.run(number) for number in numbers]
    seen = [run.context["trigger"]["resource"]["email"] for run in runs if run]
    # What may still be written from must keep its values.
    assert seen == [MASK, "a@b.it", "a@b.it", "a@b.it", MASK]
    assert runs[0] is not None
    assert MASKED in runs[0].context
    assert GONE not in runs[0].context


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["email"], {"email": MASK, "at": {"email": MASK}, "rows": [{"email": MASK, "n": 1}]}),
        (["at.email"], {"email": "a", "at": {"email": MASK}, "rows": [{"email": "c", "n": 1}]}),
        (["rows.n"], {"email": "a", "at": {"email": "b"}, "rows": [{"email": "c", "n": MASK}]}),
        (["at"], {"email": "a", "at": MASK, "rows": [{"email": "c", "n": 1}]}),
        (["mail", "x.n"], {"email": "a", "at": {"email": "b"}, "rows": [{"email": "c", "n": 1}]}),
    ],
)  # fmt: skip
def test_a_name_is_the_end_of_a_path(names: list[str], told: Any) -> None:
    value = {"email": "a", "at": {"email": "b"}, "rows": [{"email": "c", "n": 1}]}
    assert mask_fields(value, names) == told


def test_an_empty_field_is_not_masked() -> None:
    assert mask_fields({"email": None, "phone": ""}, ["email", "phone"]) == {
        "email": None, "phone": MASK,
    }  # fmt: skip
