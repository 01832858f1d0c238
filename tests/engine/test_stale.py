"""An older state of a record never follows a newer one that the same flow has handled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.engine.enrich import is_older
from connector.engine.making import STALE
from connector.store.rows import RunRow
from tests.engine.events.kit import ONE_STEP, play
from tests.engine.world import RAW, Flow, World

NEW, OLD = "2026-03-04 09:15:02", "2026-03-04 09:15:01"


def says(world: World, updated_at: Any) -> None:
    """What the app tells from now on about when its records were changed."""
    plain = type(world.books).record
    world.books.record = lambda one: {  # type: ignore[method-assign]
        **plain(world.books, one),
        "updated_at": updated_at,
    }


async def states(world: World, *told: Any, **event: Any) -> list[tuple[str, str | None]]:
    """The run of record 1 after each of these states, in order."""
    found: list[RunRow] = []
    for number, updated_at in enumerate(told):
        says(world, updated_at)
        delivered = await world.deliver("1", delivery=f"d-{number}", **event)
        await world.settled()
        found += await world.runs_of(delivered)
    return [(run.state, run.reason) for run in found]


def test_an_older_state_is_not_run_and_says_why(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        done = ("succeeded", None)
        assert await states(world, NEW, OLD, NEW) == [done, ("filtered", STALE), done]
        assert len(world.books.looked) == 2

    play(tmp_path, story, Flow("sync", ONE_STEP))


def test_the_newest_state_is_remembered_after_an_older_one_came(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert [one for one, _ in await states(world, NEW, OLD, OLD)] == [
            "succeeded", "filtered", "filtered"
        ]  # fmt: skip

    play(tmp_path, story, Flow("sync", ONE_STEP))


def test_it_is_remembered_in_the_next_process(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await states(world, NEW)
        await world.kill()
        await world.start()
        says(world, OLD)
        event = await world.deliver("1", delivery="later")
        await world.settled()
        assert [run.reason for run in await world.runs_of(event)] == [STALE]

    play(tmp_path, story, Flow("sync", ONE_STEP))


def test_a_flow_that_has_not_handled_the_record_takes_what_there_is(tmp_path: Path) -> None:
    """Its event would be lost otherwise, and it has nothing newer that could be overwritten."""

    async def story(world: World) -> None:
        says(world, NEW)
        await world.deliver("1", delivery="d-1", operation="update")
        await world.settled()
        says(world, OLD)
        event = await world.deliver("1", delivery="d-2", operation="create")
        await world.settled()
        assert [run.state for run in await world.runs_of(event)] == ["succeeded"]

    updates = Flow("updates", ONE_STEP, operations=frozenset({"update"}))
    creates = Flow("creates", ONE_STEP, operations=frozenset({"create"}))
    play(tmp_path, story, updates, creates)


def test_what_a_filter_turned_away_counts_as_handled(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert await states(world, NEW, OLD) == [("filtered", None), ("filtered", STALE)]
        assert world.books.looked == []

    play(
        tmp_path,
        story,
        Flow("old", ONE_STEP, passes=lambda seen: seen["trigger"]["resource"]["updated_at"] == OLD),
    )


def test_records_are_kept_apart(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await states(world, NEW)
        says(world, OLD)
        other = await world.deliver("2", delivery="other")
        await world.settled()
        assert [run.state for run in await world.runs_of(other)] == ["succeeded"]

    play(tmp_path, story, Flow("sync", ONE_STEP))


@pytest.mark.parametrize("told", [None, 7, "", "yesterday", "2026-03-04T09:15:01+01:00"])
def test_what_cannot_be_compared_is_run(tmp_path: Path, told: Any) -> None:
    async def story(world: World) -> None:
        assert [one for one, _ in await states(world, NEW, told)] == ["succeeded"] * 2

    play(tmp_path, story, Flow("sync", ONE_STEP))


def test_a_flow_that_reads_nothing_is_not_guarded(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        assert [one for one, _ in await states(world, NEW, OLD)] == ["succeeded"] * 2

    play(tmp_path, story, Flow("raw", ONE_STEP, trigger=RAW))


@pytest.mark.parametrize(
    ("one", "other", "older"),
    [
        (OLD, NEW, True),
        (NEW, NEW, False),
        (NEW, OLD, False),
        ("2026-03-04T09:15:02+01:00", "2026-03-04T08:15:03+00:00", True),
        ("2026-03-04T09:15:02+01:00", "2026-03-04T08:15:01+00:00", False),
        ("2026-03-04", NEW, True),
        (OLD, "", False),
    ],
)
def test_moments_are_compared_as_moments(one: str, other: str, older: bool) -> None:
    assert is_older(one, other) is older
