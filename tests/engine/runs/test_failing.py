"""Every run comes to an end that says why, and a database that is away ends none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector.errors import (
    ConnectorError,
    Forbidden,
    Invalid,
    Issue,
    MappingError,
    NotConnected,
    StoreBusy,
    StoreError,
)
from connector.store.rows import RunRow, StepRow
from tests.engine.runs.kit import failing, only
from tests.engine.world import Flow, Step, World, play

# --- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        Invalid("Books refuses it.", remedy="Mend the name.", field="data.name",
                issues=[Issue(message="too long", field="data.name")]),
        Forbidden("A scope is missing.", remedy="Reconnect with it."),
        NotConnected("There is no connection named 'Books'.", remedy="Make it."),
    ],
)  # fmt: skip
def test_a_failure_says_where_why_what_to_do_and_who(tmp_path: Path, error: ConnectorError) -> None:
    async def story(world: World) -> None:
        world.books.script = failing("two", error)
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert run.state == "failed"
        assert run.error == {**error.as_data(), "step": "two", "node": "books.look"}
        assert run.error["who"] == error.who
        assert run.error["remedy"]
        failed = (await world.store.steps(run.id))[1]
        assert (failed.id, failed.state) == ("two", "failed")
        assert failed.error == {**error.as_data(), "step": "two", "node": "books.look"}

    assert play(tmp_path, story).finished == [("1", "failed")]


def test_a_mapping_that_does_not_fit_fails_before_the_app_is_asked(tmp_path: Path) -> None:
    wrong = MappingError("Create client has 1 error.", field="data.name", value_type="list")

    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert run.error["field"] == "data.name"
        assert run.error["value_type"] == "list"

    world = play(tmp_path, story, Flow("sync", [Step("one", fault=wrong)]))
    assert world.books.looked == []


@pytest.mark.parametrize(
    ("step", "kind"),
    [(Step("one", node="books.nothing"), "BundleError"), (Step("one", node="books.enriched"),
     "FlowError")],
)  # fmt: skip
def test_a_step_that_no_longer_exists_fails_its_run(tmp_path: Path, step: Step, kind: str) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert (run.state, run.error["kind"]) == ("failed", kind)

    play(tmp_path, story, Flow("sync", [step]))


def test_a_fault_of_ours_fails_one_run_and_shows_no_data(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(world: World) -> None:
        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            if inputs["item"] == 3:
                raise KeyError("the secret of client 3")
            return {}

        world.books.script = script
        await world.deliver(*(str(number) for number in range(6)))
        await world.settled()
        runs = {run.item_id: run for run in await world.runs_of()}
        bad = runs.pop("3")
        assert bad.state == "failed"
        assert bad.error["message"] == "Connector itself failed here (KeyError)."
        assert bad.error["who"] == "developer"
        assert "secret" not in str(bad.error)
        assert {run.state for run in runs.values()} == {"succeeded"}

    play(tmp_path, story, workers=2)
    assert "stopped on a fault of ours" in caplog.text


def test_a_listener_that_fails_fails_no_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(run: RunRow) -> None:
        raise RuntimeError("a listener's bug")

    async def story(world: World) -> None:
        await world.deliver("1", "2", "3")
        await world.settled()
        assert {run.state for run in await world.runs_of()} == {"succeeded"}

    play(tmp_path, story, workers=1, on_finished=broken)
    assert "a listener failed" in caplog.text


# --- the database away in the middle ----------------------------------------------------------


class Flaky:
    """A store whose n-th call of a method finds the database away; `faults` is what is left."""

    def __init__(self, store: Any, faults: list[tuple[str, int]], calls: dict[str, int]) -> None:
        self._store = store
        self._faults = faults
        self._calls = calls

    def __getattr__(self, name: str) -> Any:
        place = self._calls.get(name, 0)
        self._calls[name] = place + 1
        if (name, place) not in self._faults:
            return getattr(self._store, name)
        self._faults.remove((name, place))
        return self._away

    async def _away(self, *given: Any) -> Any:
        raise StoreBusy("away")


@pytest.mark.parametrize(
    "faults",
    [
        [("record_step", 0)],
        [("record_step", 1)],
        [("record_run", 0)],
        [("record_step", 0), ("record_step", 1), ("record_run", 0)],
        [("record_step", 1), ("steps", 0), ("steps", 1)],
        [("effect", 0)],
        [("save_effect", 0)],
        [("save_effect", 1)],
        [("save_effect", 2)],
        [*(("save_effect", number) for number in (2, 3, 4, 5)), ("effect", 2)],
    ],
    ids=str,
)
def test_a_database_that_is_away_leaves_the_run_open_and_it_ends_later(
    tmp_path: Path, faults: list[tuple[str, int]]
) -> None:
    write = Step("write", "books.create_client", make=lambda context: {"data": {"name": "Rossi"}})
    flow = Flow("sync", [Step("one"), write, Step("three")])

    async def story(world: World) -> None:
        calls: dict[str, int] = {}
        real = world.database.tenant
        world.runs._store_of = lambda tenant: Flaky(real(tenant), faults, calls)
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        assert [one.state for one in await world.store.steps(run.id)] == ["done"] * 3
        (effect,) = await world.store.effects()
        assert effect.state == "done"
        assert len(world.books.marked(effect.marker)) == 1

    play(tmp_path, story, flow)
    assert faults == [], "each of them was met"


def test_a_step_that_cannot_be_stored_at_all_fails_its_run(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        real = world.database.tenant

        class Refusing:
            def __init__(self, store: Any) -> None:
                self._store = store

            def __getattr__(self, name: str) -> Any:
                return getattr(self._store, name)

            async def record_run(self, run: RunRow, step: StepRow | None = None) -> None:
                if step is not None and step.id == "two":
                    step = replace(step, summary="\ud800")
                await self._store.record_run(run, step)

        world.runs._store_of = lambda tenant: Refusing(real(tenant))
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert run.state == "failed"
        assert run.error["kind"] == StoreError.__name__

    play(tmp_path, story)
