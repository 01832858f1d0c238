"""Who wants what: each flow gets one run for each of the records that it follows."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.errors import FlowError, NotSent
from tests.engine.events.kit import ONE_STEP, again, by_item, play
from tests.engine.virtual import START
from tests.engine.world import RAW, Flow, World


def test_deletes_give_one_run_for_each_id_without_reading(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "3", operation="delete")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert set(runs) == {"1", "2", "3"}
        for run in runs.values():
            assert run.state == "succeeded"
            assert run.context["trigger"]["resource"] is None
            assert run.context["trigger"]["enrichment"] == "gone"

    assert play(tmp_path, story).books.reads == []


def test_a_raw_event_gives_runs_without_reading(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2")
        await world.settled()
        for run in by_item(await world.runs_of(event)).values():
            assert run.context["trigger"]["resource"] is None
            assert run.context["trigger"]["enrichment"] == "none"

    assert play(tmp_path, story, Flow("raw", ONE_STEP, trigger=RAW)).books.reads == []


def test_a_raw_flow_does_not_wait_for_the_record_that_another_flow_wants(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("away")]}
        event = await world.deliver("1")
        await asyncio.sleep(1)
        (raw,) = await world.runs_of(event)
        assert raw.context["trigger"]["enrichment"] == "none"
        assert raw.state == "succeeded"
        await world.settled()
        assert len(await world.runs_of(event)) == 2

    play(tmp_path, story, Flow("sync", ONE_STEP), Flow("raw", ONE_STEP, trigger=RAW))


def test_an_event_does_not_wait_for_a_record_that_only_another_event_wants(
    tmp_path: Path,
) -> None:
    created = frozenset({"create"})
    flows = (
        Flow("sync", ONE_STEP, operations=created),
        Flow("raw", ONE_STEP, trigger=RAW, operations=frozenset({"update"})),
    )

    async def story(world: World) -> None:
        world.books.single_faults = {"1": [NotSent("away")] * 3}
        raw, enriched = await asyncio.gather(
            world.deliver("1", operation="update"), world.deliver("1", operation="create")
        )
        await asyncio.sleep(1)
        assert (await again(world, raw)).state == "matched"
        assert (await again(world, enriched)).state == "received"
        await world.settled()
        assert (await again(world, enriched)).state == "failed"
        assert len(await world.runs_of(raw)) == 1

    play(tmp_path, story, *flows)


def test_ids_that_come_twice_in_an_event_get_one_run(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "1", "2", "1")
        await world.settled()
        assert set(by_item(await world.runs_of(event))) == {"1", "2"}

    assert len(play(tmp_path, story).books.looked) == 2


def test_an_unknown_resource_fails_with_what_to_do(tmp_path: Path) -> None:
    flow = Flow("sync", ONE_STEP, resources=frozenset({"unheard_of"}))

    async def story(world: World) -> None:
        event = await world.deliver("1", "2", resource="unheard_of")
        await world.settled()
        assert (await again(world, event)).state == "matched"
        for run in by_item(await world.runs_of(event)).values():
            assert run.state == "failed"
            assert "unheard_of" in run.error["message"]
            assert run.error["remedy"]

    assert play(tmp_path, story, flow).books.reads == []


@pytest.mark.parametrize(
    "changes", [{"resource": "supplier"}, {"operation": "send"}, {"account": "8"}]
)
def test_an_event_that_no_flow_follows_is_kept_as_unmatched(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    async def story(world: World) -> None:
        event = await world.deliver("1", **changes)
        await world.settled()
        assert (await again(world, event)).state == "unmatched"
        assert await world.runs_of(event) == []

    assert play(tmp_path, story, Flow("sync", ONE_STEP, account="7")).books.reads == []


def test_an_event_without_ids_is_kept_as_unmatched(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        event = await world.deliver()
        await world.settled()
        assert (await again(world, event)).state == "unmatched"

    play(tmp_path, story)


def test_a_filter_that_says_no_is_recorded_as_a_run(tmp_path: Path) -> None:
    flow = Flow("sync", ONE_STEP, passes=lambda context: context["trigger"]["id"] % 2 == 0)

    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "3", "4")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert [runs[one].state for one in "1234"] == [
            "filtered", "succeeded", "filtered", "succeeded",
        ]  # fmt: skip
        assert runs["1"].finished_at == START
        assert (await again(world, event)).state == "matched"

    assert sorted(play(tmp_path, story, flow).books.looked) == [(2, "one"), (4, "one")]


@pytest.mark.parametrize(
    ("fault", "message", "who"),
    [
        (FlowError("The filter is not yes or no.", who="user"), "The filter is not", "user"),
        (TypeError("secret data"), "Connector itself failed here (TypeError).", "developer"),
    ],
)
def test_a_filter_that_fails_fails_one_run(
    tmp_path: Path, fault: Exception, message: str, who: str
) -> None:
    def passes(context: dict[str, Any]) -> bool:
        if context["trigger"]["id"] == 2:
            raise fault
        return True

    async def story(world: World) -> None:
        event = await world.deliver("1", "2", "3")
        await world.settled()
        runs = by_item(await world.runs_of(event))
        assert [runs[one].state for one in "123"] == ["succeeded", "failed", "succeeded"]
        assert runs["2"].error["message"].startswith(message)
        assert runs["2"].error["who"] == who
        assert "secret" not in str(runs["2"].error)
        assert (await again(world, event)).state == "matched"

    play(tmp_path, story, Flow("sync", ONE_STEP, passes=passes))
