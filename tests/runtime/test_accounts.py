"""Looking after connections: other names, an end, what they reach; nobody loses an event by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.apps import fatture_in_cloud
from connector.apps.fatture_in_cloud.tokens import VENDOR_KEY
from connector.engine.book import EMULATED_KEY, FORMER_NAMES, _rehearsed
from connector.errors import ConnectorError, NotConnected
from connector.runtime.accounts import names_in, renamed
from connector.store.rows import ConnectionRow
from tests.runtime.kit import CLIENTS, COMPANY, FIC, flow, story, world

TEXT = """\
flow: a
trigger:
  node: x.y
  connection: 'books'   # ours
steps:
  - id: one
    connection: books
    map:
      data.connection: books
  - {id: two, connection: "books", node: z}
"""


class TestRenaming:
    def test_nothing_else_of_a_document_changes(self) -> None:
        assert renamed(TEXT, "books", "accounts") == TEXT.replace(
            "connection: 'books'", "connection: accounts"
        ).replace("\n    connection: books\n", "\n    connection: accounts\n").replace(
            'connection: "books"', "connection: accounts"
        )

    @pytest.mark.parametrize("name", ["true", "a: b", "Conti di Adda", '"quoted"', "12", "è"])
    def test_any_name_is_read_back(self, name: str) -> None:
        assert names_in(renamed(TEXT, "books", name)) == {name}

    @story
    async def test_flows_follow_and_runs_of_before_go_on(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.follow()
            w.person.create("clients", {"name": "Prima S.r.l."})
            await w.quiet()
            before = (await w.run())["id"]
            told = await w.runtime.accounts.rename("perfex", "the crm", who="anna")
            assert told["name"] == "the crm"
            assert [one["key"] for one in told["flows"]] == [(await w.run())["flow"]]
            w.person.create("clients", {"name": "Seconda S.r.l."})
            await w.quiet()
            assert [run["state"] for run in await w.runs()] == ["succeeded", "succeeded"]
            assert [run["flow_version"] for run in await w.runs()] == [1, 2]
            # The first one names it as it was called then.
            assert await w.runtime.replay(before, (await w.run(0))["steps"][0]["id"])
            await w.quiet()
            assert (await w.run())["state"] == "succeeded"
            audit = (await w.runtime.list_audits())[-1]
            assert (audit["who"], audit["what"], audit["subject"]) == (
                "anna",
                "rename_connection",
                "perfex",
            )

    @story
    async def test_a_former_name_is_nobody_elses(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.connect_perfex("second")
            with pytest.raises(NotConnected, match="taken"):
                await w.runtime.accounts.rename("perfex", "second", who="anna")
            await w.runtime.accounts.rename("perfex", "crm", who="anna")
            with pytest.raises(NotConnected, match="was the name"):
                await w.connect_perfex("perfex")
            await w.runtime.accounts.rename("crm", "perfex", who="anna")
            assert (await w.runtime.accounts.get("perfex")) is not None

    @story
    async def test_what_is_renewed_keeps_what_its_owner_said(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.runtime.accounts.choose("fatture", "108101", who="anna")
            await w.connect()
            told = await w.runtime.accounts.get("fatture")
            assert told is not None
            assert told["account"] == "108101"


class TestWaits:
    @story
    async def test_a_flow_says_which_connection_it_waits_for(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.follow()
            (flow,) = await w.runtime.list_flows()
            assert flow["waits"] == []
            row = await w.connection("perfex")
            await w.runtime._store.set_connection_status(row.id, "reconnect")
            (flow,) = await w.runtime.list_flows()
            assert flow["waits"] == ["The connection 'perfex' must be renewed."]


class TestRemoving:
    @story
    async def test_the_app_is_told_and_flows_are_off(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.follow()
            assert len(w.subscriptions) == 1
            gone = await w.runtime.accounts.remove("fatture", who="anna")
            assert gone["issues"] == []
            assert w.subscriptions == []
            assert [flow["enabled"] for flow in await w.runtime.list_flows()] == [False]
            assert w.rows("SELECT count(*) FROM hook") == [(0,)]
            assert w.rows("SELECT name FROM connection") == [("perfex",)]
            assert (await w.runtime.list_audits())[0]["what"] == "remove_connection"
            # What happens there now concerns nobody here.
            w.person.create("clients", {"name": "Dopo S.r.l."})
            await w.quiet()
            assert await w.runs() == []

    @story
    async def test_not_while_work_is_open(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.follow()
            w.perfex.plugged = False
            w.person.create("clients", {"name": "Prima S.r.l."})
            await w.until(lambda: w.runs(state="waiting"))
            with pytest.raises(ConnectorError) as caught:
                await w.runtime.accounts.remove("perfex", who="anna")
            assert "waiting" in caught.value.issues[0].message
            assert await w.connection("perfex") is not None
            await w.runtime.accounts.remove("perfex", who="anna", force=True)
            w.perfex.plugged = True
            await w.quiet()
            run = await w.run()
            assert run["state"] == "failed"
            assert "perfex" in run["error"]["message"]
            # Connected again, it can be done again.
            await w.connect_perfex()
            assert await w.runtime.replay(run["id"])
            await w.quiet()
            assert (await w.run())["state"] == "succeeded"

    @story
    async def test_an_app_that_is_away_does_not_hold_it(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.follow()
            w.fic.plugged = False
            gone = await w.runtime.accounts.remove("fatture", who="anna")
            assert "could not be told" in gone["issues"][0]["message"]
            assert await w.connection() is None


class TestEmulated:
    @pytest.mark.parametrize(
        ("url", "trusted"),
        [
            ("http://127.0.0.1:4000", True),
            ("http://localhost:4000", True),
            ("https://api-v2.fattureincloud.it", False),
            ("https://127.0.0.1.evil.example", False),
            ("", False),
        ],
    )
    def test_a_key_of_its_own_is_for_an_app_on_this_machine(self, url: str, trusted: bool) -> None:
        app = fatture_in_cloud.build()
        row = ConnectionRow(
            id="con_1",
            tenant="main",
            app=app.key,
            name="books",
            base_url=url,
            settings={EMULATED_KEY: VENDOR_KEY},
            status="active",
            created_at=0,
        )
        assert (_rehearsed(app, row).webhook is not app.webhook) is trusted


class TestReaching:
    @story
    async def test_companies_without_their_old_credential(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            found = await w.runtime.accounts.reached("fatture")
            assert [(one["id"], one["through"]) for one in found] == [
                ("108061", ""),
                ("108100", ""),
                ("108101", "Studio Esempio"),
                ("108102", "Studio Esempio"),
            ]
            assert "legacy" not in str(found)
            assert await w.runtime.accounts.reached("perfex") == []

    @story
    async def test_what_is_changed_while_names_are_stored_stays(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with world(tmp_path) as w:
            accounts, store = w.runtime.accounts, w.runtime.accounts._store
            before = await store.connection("fatture")
            assert before is not None
            read, rivals = store.connection, ["108100"]

            async def slow_read(id_or_name: str) -> ConnectionRow | None:
                row = await read(id_or_name)
                if rivals:
                    await accounts.choose("fatture", rivals.pop(), who="anna")
                return row

            monkeypatch.setattr(store, "connection", slow_read)
            await accounts._learn(before, {"7": "Bar Sport"})
            monkeypatch.undo()
            row = await store.connection("fatture")
            assert row is not None
            assert row.settings["account"] == "108100", "not what was there when it was read"
            assert (await accounts.account_names())["7"] == "Bar Sport"

    @story
    async def test_a_company_that_a_connection_does_not_reach_is_told_without_a_call(
        self, tmp_path: Path
    ) -> None:
        async with world(tmp_path) as w:
            await w.runtime.apply_flow(flow("here"), enable=True)
            await w.runtime.apply_flow(flow("elsewhere", company=999), enable=True)
            seen = await w.runtime._store.connection("fatture")
            assert seen is not None
            settings = {**seen.settings, "account_names": {str(COMPANY): "Officine"}}
            assert await w.runtime._store.change_connection(seen, seen.name, settings)
            before = w.sandbox.fic.ledger.requests.total()
            waits = {one["key"]: one["waits"] for one in await w.runtime.list_flows()}
            assert w.sandbox.fic.ledger.requests.total() == before
            assert waits["here"] == []
            assert waits["elsewhere"] == [
                "The company 999 is not one that the connection 'fatture' is known to reach."
            ]

    @story
    async def test_two_people_change_a_connection_at_once_and_both_changes_stay(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with world(tmp_path) as w:
            store, accounts = w.runtime._store, w.runtime.accounts
            first = await store.connection("fatture")
            assert first is not None
            read, rivals = store.connection, ["rename"]

            async def slow_read(id_or_name: str) -> ConnectionRow | None:
                row = await read(id_or_name)
                if rivals and id_or_name == first.id:
                    if rivals.pop() == "rename":
                        await accounts.rename("fatture", "books", who="anna")
                    else:
                        await accounts.choose("books", "108100", who="anna")
                return row

            monkeypatch.setattr(store, "connection", slow_read)
            await accounts.choose(first.id, "7", who="berta")
            rivals.append("choose")
            await accounts.rename(first.id, "ledger", who="berta")
            monkeypatch.undo()
            row = await store.connection(first.id)
            assert row is not None
            assert (row.name, row.settings["account"]) == ("ledger", "108100")
            assert row.settings[FORMER_NAMES] == ["fatture", "books"]

    @story
    async def test_who_is_outrun_every_time_is_told_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with world(tmp_path) as w:

            async def outrun(*_: object) -> bool:
                return False

            monkeypatch.setattr(w.runtime._store, "change_connection", outrun)
            with pytest.raises(ConnectorError, match="changed by somebody else"):
                await w.runtime.accounts.choose("fatture", "7", who="anna")
            with pytest.raises(ConnectorError, match="changed by somebody else"):
                await w.runtime.accounts.rename("fatture", "books", who="anna")

    @story
    async def test_a_number_that_is_written_in_another_way_hinders_nothing(
        self, tmp_path: Path
    ) -> None:
        async with world(tmp_path) as w:
            store = w.runtime._store
            row = await store.connection("fatture")
            assert row is not None
            # Stored as 1e-7, and 1E-7 once it was read.
            assert await store.change_connection(row, row.name, {**row.settings, "odd": 1e-7})
            await w.runtime.accounts._learn(row, {"7": "Bar Sport"})
            assert (await w.runtime.accounts.account_names())["7"] == "Bar Sport"

    @story
    async def test_a_rename_while_the_app_is_asked_stays(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            before = await w.runtime._store.connection("fatture")
            assert before is not None
            await w.runtime.accounts.rename("fatture", "books", who="anna")
            await w.runtime.accounts._learn(before, {"7": "Bar Sport"})
            after = await w.runtime._store.connection(before.id)
            assert after is not None
            assert (after.name, after.settings["account_names"]["7"]) == ("books", "Bar Sport")
            assert after.settings[FORMER_NAMES] == ["fatture"]

    @story
    async def test_how_it_stands(self, tmp_path: Path) -> None:
        async with world(tmp_path) as w:
            await w.connect(scopes=["entity.clients:r"])
            await w.runtime.apply_flow(CLIENTS, enable=True)
            told = await w.runtime.accounts.get("fatture")
            assert told is not None
            assert (told["status"], told["renews"], told["base_url"]) == ("active", False, FIC)
            assert told["flows"][0]["enabled"]
