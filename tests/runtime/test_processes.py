"""Processes on one file: one drives, any of them may end at any moment, and none starts twice."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.errors import ConnectorError, StoreError, StoreOwned
from connector.runtime import open_runtime
from connector.settings import Settings
from tests.runtime.kit import HUB, Call, World, client, flow, json_of, story, world
from tests.runtime.test_writes import INVOICE

# --- who drives ---------------------------------------------------------------------------------


@story
async def test_a_second_runtime_may_look_but_not_drive(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        other = await w.another_process()
        assert [one["key"] for one in await other.list_flows()] == ["client-to-perfex"]
        with pytest.raises(StoreOwned) as caught:
            await other.start()
        assert "already serving connector" in caught.value.message
        assert caught.value.remedy
        assert (await other.ready())["runtime"]
        await other.__aexit__(None, None, None)
        # And the first goes on as if nothing had been.
        w.person.create("clients", client())
        await w.quiet()
        assert len(w.customers) == 1


@story
async def test_when_the_first_has_ended_the_second_may_drive(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        other = await w.another_process()
        await w.close()
        w.runtime = other
        await other.start()


# --- ends in the middle -------------------------------------------------------------------------


class Held:
    """Perfex does not go on with a request until it is released, before or after it acted."""

    def __init__(self, w: World, *, after: bool) -> None:
        self.reached = asyncio.Event()
        self._host, self._app, self._after = w.perfex, w.perfex.app, after
        w.perfex.app = self

    async def __call__(self, scope: Call, receive: object, send: object) -> None:
        if scope["method"] != "POST":  # type: ignore[index]
            await self._app(scope, receive, send)
            return
        if self._after:
            await self._app(scope, receive, _nowhere)
        self.reached.set()
        await asyncio.Event().wait()

    def release(self) -> None:
        self._host.app = self._app


async def _nowhere(message: object) -> None:
    """The answer is on its way when the listener is gone."""


@pytest.mark.parametrize("after", [True, False])
def test_a_run_that_is_interrupted_in_its_write_ends_once(tmp_path: Path, after: bool) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await w.follow()
            held = Held(w, after=after)
            w.person.create("clients", client())
            await held.reached.wait()
            await w.close()
            held.release()
            await w.open()
            assert (await w.run())["finished_at"] is None
            await w.runtime.start()
            await w.quiet()
            run = await w.run()
            assert run["state"] == "succeeded"
            assert len(await w.runs()) == 1
            assert len(w.customers) == 1
            assert [step["state"] for step in run["steps"]] == ["done", "done", "skipped"]

    told()


@story
async def test_a_step_that_was_done_is_not_done_again_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        held = Held(w, after=False)
        w.person.create("clients", client())
        await held.reached.wait()
        searches = len(w.perfex.seen("GET", "/customers/search/09876543217"))
        await w.close()
        held.release()
        await w.open()
        assert [one["state"] for one in (await w.run())["steps"]] == ["done"]
        await w.runtime.start()
        await w.quiet()
        # Only the proof of the write looks again, twice, before it is sent once more.
        assert len(w.perfex.seen("GET", "/customers/search/09876543217")) == searches + 2


@story
async def test_many_runs_interrupted_at_once_all_end_once(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(types="[create]"))
        reached = asyncio.Event()

        async def hold(call: Call) -> None:
            if len(w.customers) >= 7:
                reached.set()
                await asyncio.Event().wait()

        w.perfex.before = hold
        w.person.import_clients([{"name": f"Client {number}"} for number in range(30)])
        await reached.wait()
        await w.close()
        assert len(w.customers) == 7
        w.perfex.before = None
        await w.open()
        await w.runtime.start()
        await w.quiet()
        assert {one["state"] for one in await w.runs()} == {"succeeded"}
        names = [one["company"] for one in w.customers]
        assert sorted(names) == sorted(f"Client {number}" for number in range(30))


@story
async def test_stopping_twice_is_stopping(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.runtime.stop()
        await w.runtime.stop()


# --- an older file ------------------------------------------------------------------------------


def backup(source: Path, target: Path) -> None:
    """As `sqlite3 .backup` does it; the key lies beside."""
    with (
        contextlib.closing(sqlite3.connect(source)) as old,
        contextlib.closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
    shutil.copy2(source.with_suffix(".key"), target.with_suffix(".key"))


@story
async def test_a_restored_older_file_does_not_make_a_second_customer(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        older = tmp_path / "older" / "connector.db"
        older.parent.mkdir()
        backup(w.file, older)
        one = w.person.create("clients", client())["id"]
        await w.quiet()
        assert len(w.customers) == 1
        await w.close()
        await w.open(file=older)
        await w.runtime.start()
        assert await w.runs() == []
        w.person.change("clients", one, {"phone": "+39 035 999999"})
        await w.quiet()
        assert [step["state"] for step in (await w.run())["steps"]] == ["done", "skipped", "done"]
        assert [c["phonenumber"] for c in w.customers] == ["+39 035 999999"]


@story
async def test_an_event_that_a_restored_file_has_forgotten_does_not_make_a_second_customer(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        older = tmp_path / "older" / "connector.db"
        older.parent.mkdir()
        backup(w.file, older)
        w.person.create("clients", client())
        await w.quiet()
        await w.close()
        await w.open(file=older)
        await w.runtime.start()
        sent = next(one for one in w.deliveries if one.ids)
        again = w.sandbox.fic.webhooks.request(sent)
        assert (await w.outside.send(again)).status == 202
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded"]
        assert len(w.customers) == 1


@story
async def test_searching_first_a_restored_file_makes_no_second_invoice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=INVOICE, types="[create]"))
        older = tmp_path / "older" / "connector.db"
        older.parent.mkdir()
        backup(w.file, older)
        for name in ("Rossi", "Verdi"):
            w.person.create("clients", {"name": name})
        await w.quiet()
        made = [document["id"] for document in w.documents]
        assert len(made) == 2
        await w.close()
        w.settings = w.settings.model_copy(update={"search_first": True})
        await w.open(file=older)
        await w.runtime.start()
        # In another order: our own numbers of these events are not those that they had.
        for sent in [one for one in w.deliveries if one.ids][::-1]:
            assert (await w.outside.send(w.sandbox.fic.webhooks.request(sent))).status == 202
        await w.quiet()
        assert [one["state"] for one in await w.runs()] == ["succeeded"] * 2
        assert [document["id"] for document in w.documents] == made
        told = await w.run()
        assert "searched first" in told["effects"][0]["evidence"][-1]["message"]
        assert told["effects"][0]["sends"] == 0
        assert told["steps"][0]["output"]["subject"].endswith(told["effects"][0]["marker"])


# --- readiness ----------------------------------------------------------------------------------


async def readyz(w: World) -> tuple[int, dict[str, str]]:
    answer = await w.call("GET", f"{HUB}/readyz")
    return answer.status, json_of(answer)["reasons"]


@story
async def test_ready_means_that_it_drives_and_can_write(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        status, reasons = await readyz(w)
        assert (status, list(reasons)) == (503, ["runtime"])
        await w.follow()
        assert await readyz(w) == (200, {})
        await w.runtime.stop()
        status, reasons = await readyz(w)
        assert (status, list(reasons)) == (503, ["runtime"])
        assert (await w.call("GET", f"{HUB}/healthz")).status == 200


@story
async def test_a_database_that_another_program_holds_makes_it_not_ready(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        with contextlib.closing(sqlite3.connect(w.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            status, reasons = await readyz(w)
            other.execute("ROLLBACK")
        assert (status, list(reasons)) == (503, ["database"])
        assert "locked" in reasons["database"]
        assert await readyz(w) == (200, {})


# --- a file that cannot be opened ---------------------------------------------------------------

Spoil = Callable[[Path], None]


def text_file(path: Path) -> None:
    path.write_text("This is no database, it is a letter. " * 100)


def no_folder(path: Path) -> None:
    path.parent.rmdir()


def a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("spoil", [text_file, no_folder, a_folder])
async def test_a_file_that_cannot_be_opened_is_named_with_what_to_do(
    tmp_path: Path, spoil: Spoil
) -> None:
    path = tmp_path / "data" / "connector.db"
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(StoreError) as caught:
        await open_runtime(Settings.load(database=f"sqlite:///{path}"))
    assert str(path) in caught.value.message
    assert caught.value.remedy
    assert caught.value.who == "user"


@story
async def test_a_lost_key_is_told_before_anything_is_done(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.close()
        w.file.with_suffix(".key").unlink()
        with pytest.raises(ConnectorError) as caught:
            await w.another_process()
        assert caught.value.remedy
        assert not w.file.with_suffix(".key").exists()
        w.settings = w.settings.model_copy(update={"database": f"sqlite:///{tmp_path / 'new.db'}"})
        await w.open()
