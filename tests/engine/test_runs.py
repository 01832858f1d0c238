"""Steps are durable, waits are kept, and every run comes to an end that says why."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
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
    NotSent,
    StoreBusy,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.store.rows import RunRow, StepRow
from tests.engine.virtual import START, simulate
from tests.engine.world import CONNECTION, Flow, Step, World, clock

Story = Callable[[World], Awaitable[None]]
THREE = Flow("sync", [Step("one"), Step("two"), Step("three")])


def play(path: Path, story: Story, *flows: Flow, **given: Any) -> World:
    async def whole() -> World:
        world = World(path / "connector.db", flows or (Flow("sync"),), **given)
        await world.start()
        await story(world)
        await world.kill()
        return world

    return simulate(whole)


async def only(world: World) -> RunRow:
    (run,) = await world.runs_of()
    return run


def at(moments: list[float]) -> list[float]:
    return [moment - START for moment in moments]


def failing(step: str, *errors: BaseException) -> Callable[[dict[str, Any]], Awaitable[Any]]:
    """A script of the app in which a step meets these errors, one a try."""
    left = list(errors)

    async def script(inputs: dict[str, Any]) -> dict[str, Any]:
        if inputs["step"] == step and left:
            raise left.pop(0)
        return {"seen": inputs["item"]}

    return script


# --- the way through --------------------------------------------------------------------------


def test_a_run_takes_its_steps_in_order_and_keeps_what_each_gave(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        assert run.finished_at == clock()
        assert run.error is None
        steps = await world.store.steps(run.id)
        assert [(one.position, one.id, one.state) for one in steps] == [
            (0, "one", "done"), (1, "two", "done"), (2, "three", "done"),
        ]  # fmt: skip
        assert steps[0].output == {"seen": 1}

    world = play(tmp_path, story, THREE)
    assert world.books.looked == [(1, "one"), (1, "two"), (1, "three")]
    assert world.finished == [("1", "succeeded")]


def test_a_later_step_sees_what_the_earlier_ones_gave(tmp_path: Path) -> None:
    seen: list[Any] = []
    flow = Flow(
        "sync",
        [
            Step("one"),
            Step("no", only_if=lambda context: False),
            Step("two", make=lambda context: seen.append(dict(context)) or {}),
        ],
    )

    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        steps = await world.store.steps((await only(world)).id)
        assert [one.state for one in steps] == ["done", "skipped", "done"]

    play(tmp_path, story, flow)
    (context,) = seen
    assert context["steps"]["one"] == {"skipped": False, "seen": 1}
    assert context["steps"]["no"] == {"skipped": True}
    assert context["trigger"]["resource"] == {"id": 1, "name": "client 1"}
    assert context["flow"] == {"key": "sync", "version": 1}
    assert context["run"]["created_at"] == "1970-01-12T13:46:40+00:00"


@pytest.mark.parametrize(
    "steps", [[], [Step("one", only_if=lambda context: False)]], ids=["no step", "skipped"]
)
def test_a_flow_with_nothing_to_do_succeeds(tmp_path: Path, steps: list[Step]) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story, Flow("sync", steps))


# --- kills ------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["one", "two", "three"])
def test_a_step_that_is_done_is_not_repeated_after_a_kill(tmp_path: Path, step: str) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db", (THREE,))
        reached = asyncio.Event()

        async def hang(inputs: dict[str, Any]) -> dict[str, Any]:
            if inputs["step"] == step:
                reached.set()
                await asyncio.get_running_loop().create_future()
            return {"seen": inputs["item"], "by": "the first process"}

        world.books.script = hang
        await world.start()
        await world.deliver("1")
        await reached.wait()
        await world.kill()
        world.books.script = None
        await world.start()
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        before = {"one": 0, "two": 1, "three": 2}[step]
        steps = await world.store.steps(run.id)
        by = [(one.output or {}).get("by") for one in steps]
        assert by == ["the first process"] * before + [None] * (3 - before)
        looked = [name for _, name in world.books.looked]
        assert sorted(looked) == sorted(["one", "two", "three", step])
        await world.kill()

    simulate(whole)


def test_a_step_that_is_done_is_not_repeated_after_a_release(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.script = failing("two", Unauthorized("dead"))
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.reconnect()
        await world.settled()
        assert (await only(world)).state == "succeeded"

    world = play(tmp_path, story)
    assert [step for _, step in world.books.looked] == ["one", "two", "two"]


def test_kills_at_random_moments_repeat_no_step_and_leave_no_run_open(tmp_path: Path) -> None:
    import random

    async def whole(seed: int) -> None:
        draw = random.Random(seed)
        world = World(tmp_path / f"{seed}.db", (THREE,), workers=3)

        async def slow(inputs: dict[str, Any]) -> dict[str, Any]:
            await asyncio.sleep(draw.uniform(0, 3))
            done[(inputs["item"], inputs["step"])] = done.get((inputs["item"], inputs["step"]), 0)
            return {"seen": inputs["item"]}

        done: dict[tuple[int, str], int] = {}
        world.books.script = slow
        await world.start()
        await world.deliver(*(str(number) for number in range(8)))
        stored: set[tuple[int, str]] = set()
        for _ in range(4):
            await asyncio.sleep(draw.uniform(0, 6))
            await world.kill()
            world.books.looked.clear()
            await world.start()
            stored = {
                (run.context["trigger"]["id"], step.id)
                for run in await world.runs_of()
                for step in await world.store.steps(run.id)
            }
        await world.settled()
        assert not stored & set(world.books.looked), f"seed {seed}: a stored step ran again"
        runs = await world.runs_of()
        assert [run.state for run in runs] == ["succeeded"] * 8, f"seed {seed}"
        await world.kill()

    for seed in range(12):
        simulate(lambda seed=seed: whole(seed))


# --- waits ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [NotSent("away"), Unclear("who knows")])
def test_a_passing_fault_is_tried_again_later_and_later(
    tmp_path: Path, error: ConnectorError
) -> None:
    times: list[float] = []

    async def story(world: World) -> None:
        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            times.append(clock())
            if len(times) < 4:
                raise error
            return {}

        world.books.script = script
        await world.deliver("1")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story, Flow("sync", [Step("one")]), retries=(10, 60, 300))
    waits = [later - before for before, later in itertools.pairwise(times)]
    for wait, ceiling in zip(waits, (10, 60, 300), strict=True):
        assert ceiling / 2 <= wait <= ceiling


def test_used_up_tries_end_in_a_failure_that_says_what_was_wrong(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        away = NotSent("Books could not be reached.", remedy="It is tried again.")
        world.books.script = failing("two", *[away] * 3)
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert (run.state, run.attempts) == ("failed", 2)
        assert run.error["message"] == "Books could not be reached."
        one, two = await world.store.steps(run.id)
        assert one.state == "done"
        assert (two.state, two.error["step"], two.error["kind"]) == ("failed", "two", "NotSent")

    world = play(tmp_path, story, retries=(10, 60))
    assert [step for _, step in world.books.looked] == ["one", "two", "two", "two"]


def test_each_step_has_its_own_tries(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        left = {"one": 2, "two": 2}

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            if left[inputs["step"]]:
                left[inputs["step"]] -= 1
                raise NotSent("away")
            return {}

        world.books.script = script
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert (run.state, run.error) == ("succeeded", None)

    play(tmp_path, story, retries=(10, 60))


def test_a_quota_is_waited_for_exactly_and_is_no_try(tmp_path: Path) -> None:
    times: list[float] = []

    async def story(world: World) -> None:
        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            times.append(clock())
            if len(times) <= 6:
                raise Throttled("used up", retry_after=77.5)
            return {}

        world.books.script = script
        await world.deliver("1")
        await asyncio.sleep(1)
        run = await only(world)
        assert (run.state, run.reason, run.attempts) == ("waiting", "quota", 0)
        assert run.due_at == times[0] + 77.5
        assert run.error["kind"] == "Throttled"
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story, Flow("sync", [Step("one")]), retries=(10,))
    assert at(times) == [pytest.approx(77.5 * place) for place in range(7)]


def test_a_wait_goes_on_in_the_next_process_at_its_time(tmp_path: Path) -> None:
    times: list[float] = []

    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", [Step("one")]),))

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            times.append(clock())
            if len(times) == 1:
                raise Throttled("used up", retry_after=1000)
            return {}

        world.books.script = script
        await world.start()
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.kill()
        await asyncio.sleep(100)
        await world.start()
        await world.settled()
        assert (await only(world)).state == "succeeded"
        await world.kill()

    simulate(whole)
    assert at(times) == [0, pytest.approx(1000)]


def test_the_runs_of_a_dead_connection_wait_and_go_on_in_order(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        dead = True

        async def script(inputs: dict[str, Any]) -> dict[str, Any]:
            if dead:
                raise Unauthorized("The token is dead.")
            return {}

        world.books.script = script
        for number in range(5):
            await world.deliver(str(number))
            await world.deliver(str(number), operation="create")
        await asyncio.sleep(7 * 24 * 3600)
        runs = await world.runs_of()
        assert {run.state for run in runs[::2]} == {"waiting"}
        assert {run.reason for run in runs[::2]} == {f"connection:{CONNECTION}"}
        assert {run.state for run in runs[1::2]} == {"queued"}, "each behind the first"
        assert {run.attempts for run in runs} == {0}
        dead = False
        world.books.looked.clear()
        await world.reconnect()
        await world.settled()
        assert {run.state for run in await world.runs_of()} == {"succeeded"}

    world = play(tmp_path, story, Flow("sync", [Step("one")]), workers=1)
    assert [item for item, _ in world.books.looked] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


def test_a_connection_renewed_while_a_run_was_refused_leaves_it_not_waiting(
    tmp_path: Path,
) -> None:
    """The consent comes between the refusal and the moment the run would begin to wait."""

    async def story(world: World) -> None:
        world.books.script = failing("one", Unauthorized("dead"))
        mark = world.books.mark
        assert mark is not None

        async def and_renewed() -> None:
            await mark()
            await world.reconnect()

        world.books.mark = and_renewed
        await world.deliver("1")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story)


def test_a_connection_that_another_process_renewed_is_noticed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.script = failing("one", Unauthorized("dead"))
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.store.set_connection_status(CONNECTION, "active")
        await world.store.release_runs(f"connection:{CONNECTION}")
        await world.resume()
        await world.settled()
        assert (await only(world)).state == "succeeded"

    play(tmp_path, story)


def test_a_run_that_waits_for_its_owner_waits_in_the_next_process_too(tmp_path: Path) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db")
        world.books.script = failing("one", Unauthorized("dead"))
        await world.start()
        await world.deliver("1")
        await asyncio.sleep(100)
        await world.kill()
        await world.start()
        await asyncio.sleep(24 * 3600)
        assert (await only(world)).state == "waiting"
        await world.reconnect()
        await world.settled()
        assert (await only(world)).state == "succeeded"
        await world.kill()

    simulate(whole)


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


# --- writes -----------------------------------------------------------------------------------

WRITE = Step("write", "books.create_invoice", make=lambda seen: {"data": {"subject": "Order 7"}})


def test_a_write_of_a_run_is_parked_when_nobody_knows(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout before"])
        await world.deliver("1")
        await asyncio.sleep(30)
        waiting = await only(world)
        assert (waiting.state, waiting.reason) == ("waiting", "unsure")
        assert waiting.due_at == START + 60
        await world.settled()
        run = await only(world)
        assert run.state == "parked"
        assert run.error["who"] == "user"
        assert "adopt" in run.error["remedy"]
        assert run.finished_at == START + 660

    world = play(tmp_path, story, Flow("sync", [Step("one"), WRITE]))
    assert len(world.books.sent) == 1
    assert world.finished == [("1", "parked")]


@pytest.mark.parametrize("trouble", ["connect refused", "unclear"])
def test_a_list_that_is_away_for_days_ends_no_run_in_a_guess(tmp_path: Path, trouble: str) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout after"])
        world.books.looking = iter([trouble] * 200)
        await world.deliver("1")
        await asyncio.sleep(24 * 3600)
        waiting = await only(world)
        assert (waiting.state, waiting.reason) == ("waiting", "unsure")
        await world.settled()
        assert (await only(world)).state == "succeeded"

    assert len(play(tmp_path, story, Flow("sync", [WRITE])).books.sent) == 1


def test_a_parked_run_does_not_hold_up_the_next_of_its_record(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout before"])
        await world.deliver("1")
        await world.deliver("1")
        await world.settled()
        assert [run.state for run in await world.runs_of()] == ["parked", "succeeded"]

    play(tmp_path, story, Flow("sync", [WRITE]))


def test_a_kill_while_a_write_is_under_way_writes_once(tmp_path: Path) -> None:
    async def whole() -> None:
        world = World(tmp_path / "connector.db", (Flow("sync", [WRITE, Step("after")]),))
        send = world.books.send
        under_way = asyncio.Event()

        async def hang(prepared: Any, **how: Any) -> Any:
            await send(prepared, **how)
            under_way.set()
            await asyncio.get_running_loop().create_future()

        world.books.send = hang
        await world.start()
        await world.deliver("1")
        await under_way.wait()
        await world.kill()
        world.books.send = send
        await world.start()
        await world.settled()
        run = await only(world)
        assert run.state == "succeeded"
        (effect,) = await world.store.effects()
        assert effect.evidence[-1]["message"].endswith("adopted")
        assert len(world.books.sent) == 1
        await world.kill()

    simulate(whole)


def test_what_proves_a_write_has_its_own_place_in_the_quota(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.books.faults = iter(["timeout after"])
        await world.deliver("1")
        await world.settled()

    world = play(tmp_path, story, Flow("sync", [WRITE]))
    assert ("Books", "", "proof") in world.opened


def test_a_replay_of_a_finished_write_sends_nothing(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        old = await only(world)
        again = await world.store.add_run(
            RunRow("main", old.flow_id, old.flow_version, old.event_id, old.item_id, "queued",
                   old.context, clock())
        )  # fmt: skip
        world.enqueue(again)
        await world.settled()
        assert [run.state for run in await world.runs_of()] == ["succeeded", "succeeded"]
        outputs = [(await world.store.steps(run.id))[0].output for run in await world.runs_of()]
        assert outputs[0] == outputs[1]

    assert len(play(tmp_path, story, Flow("sync", [WRITE])).books.sent) == 1


def test_a_run_that_is_at_its_end_is_not_driven_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.deliver("1")
        await world.settled()
        run = await only(world)
        assert await world.runs.perform(run) is None

    world = play(tmp_path, story)
    assert len(world.books.looked) == 2
    assert len(world.finished) == 1
