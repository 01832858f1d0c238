"""What is told: nodes, flows, runs, parked writes, quotas, status, and the document itself."""

from __future__ import annotations

import json
import logging
import re
from decimal import Decimal
from typing import Any

import pytest

from connector.errors import ConnectorError
from connector.store.rows import RunFilter
from connector.web.app import make_app
from tests.loaded import the_catalog
from tests.web.api.kit import assert_guarded, assert_problem, document
from tests.web.kit import SECRET, FakeCatalog, FakeRuntime, Served, served, settings


class TestAnswers:
    async def test_apps_and_nodes_print_as_json(self, web: Served) -> None:
        apps = await web.api("GET", "/apps")
        assert apps.json()["items"][0]["key"] == "shop"
        assert_guarded(apps)
        nodes = (await web.api("GET", "/nodes")).json()["items"]
        assert [(node["name"], node["kind"]) for node in nodes] == [("shop.create_order", "action")]
        assert (await web.api("GET", "/nodes?app=other")).json() == {"items": []}
        node = await web.api("GET", "/nodes/shop.create_order")
        assert node.json()["label"] == "Create an order"
        assert b'"sample":{"total":12.30}' in node.body

    async def test_fields_of_a_node(self, web: Served) -> None:
        (field,) = (await web.api("GET", "/nodes/shop.create_order/fields")).json()["items"]
        assert (field["path"], field["type"], field["required"]) == ("data.total", "number", True)

    async def test_token_goes_in_and_never_comes_out(
        self, web: Served, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        asked = {"app": "shop", "name": "mine", "token": SECRET, "settings": {"url": "x", "n": 1}}
        reply = await web.api("POST", "/connections", asked)
        assert (reply.status, reply.json()["id"]) == (201, "c1")
        call = ("connect_with_token", "shop", "mine", SECRET, {"url": "x", "n": 1})
        assert runtime.calls == [call]
        listed = await web.api("GET", "/connections")
        assert listed.json()["items"][0]["name"] == "My <shop>"
        assert SECRET.encode() not in reply.body + listed.body
        assert SECRET not in caplog.text

    async def test_consent_gives_the_address_to_go_to(self, web: Served) -> None:
        reply = await web.api("POST", "/connections/start", {"app": "shop", "name": "mine"})
        assert reply.json() == {"authorize_url": "https://app.example/consent?state=s"}

    async def test_flows(self, web: Served, runtime: FakeRuntime) -> None:
        assert (await web.api("GET", "/flows")).json()["items"][0]["key"] == "a"
        assert (await web.api("GET", "/flows/a")).json() == {"key": "a"}
        assert (await web.api("PUT", "/flows", {"text": "t", "enable": True})).status == 200
        assert (await web.api("PUT", "/flows", {"text": "t"})).status == 200
        assert (await web.api("POST", "/flows/check", {"text": "t"})).json() == {"issues": []}
        assert (await web.api("POST", "/flows/a/enable")).json()["enabled"] is True
        assert (await web.api("POST", "/flows/a/disable")).json()["enabled"] is False
        refused = await web.api("DELETE", "/flows/a")
        assert (refused.status, refused.json()["detail"]) == (409, "It has runs that are not over.")
        assert (await web.api("DELETE", "/flows/a?force=true")).json() == {"key": "a"}
        assert runtime.calls == [
            ("apply_flow", "t", True),
            ("apply_flow", "t", None),  # left as it was, not switched off
            ("check_flow", "t"),
            ("enable_flow", "a", True),
            ("enable_flow", "a", False),
            ("remove", "a", "api", False),
            ("remove", "a", "api", True),
        ]

    async def test_money_keeps_every_digit(self, web: Served, runtime: FakeRuntime) -> None:
        amount = Decimal("12345678901234567.10")
        runtime.rows = [{"id": 1, "steps": [{"output": {"gross": amount}}]}]
        reply = await web.api("GET", "/runs/1")
        exact = json.loads(reply.body, parse_float=Decimal)
        assert exact["steps"][0]["output"]["gross"].as_tuple() == amount.as_tuple()

    async def test_pages_lead_from_one_to_the_next(self, web: Served, runtime: FakeRuntime) -> None:
        runtime.rows = [{"id": 9}, {"id": 8}, {"id": 7}]
        first = (await web.api("GET", "/runs?limit=2&state=failed&flow=a")).json()
        assert first == {"items": [{"id": 9}, {"id": 8}], "next": 8, "looked_to": None}
        runtime.rows = [{"id": 7}]
        last = (await web.api("GET", "/runs?limit=2&cursor=8")).json()
        assert last == {"items": [{"id": 7}], "next": None, "looked_to": None}
        await web.api("GET", "/events?cursor=5")
        assert runtime.calls == [
            ("runs", RunFilter(state="failed", flow="a"), 2, None),
            ("runs", RunFilter(), 2, 8),
            ("list_events", 51, 5),
        ]

    async def test_exactly_full_page_is_the_last(self, web: Served, runtime: FakeRuntime) -> None:
        runtime.rows = [{"id": 9}, {"id": 8}]
        assert (await web.api("GET", "/events?limit=2")).json()["next"] is None

    async def test_replay_gives_the_new_run(self, web: Served) -> None:
        reply = await web.api("POST", "/runs/1/replay")
        assert (reply.status, reply.json()) == (202, {"run": 99})

    async def test_replay_begins_at_the_step_that_is_named(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        reply = await web.api("POST", "/runs/1/replay", {"from_step": "invoice"})
        assert reply.status == 202
        assert runtime.calls[-1] == ("replay", 1, "invoice", "api")

    async def test_runs_are_found_by_record_time_and_text(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        await web.api(
            "GET", "/runs?record=7&event=3&text=rossi&since=2026-03-04T00:00:00Z&until=2026-03-05"
        )
        (call,) = runtime.calls
        assert call[1] == RunFilter(
            record="7", event_id=3, text="rossi", since=1_772_582_400.0, until=1_772_668_800.0
        )
        assert_problem(await web.api("GET", "/runs?since=yesterday"), 422)

    async def test_many_are_replayed_after_a_preview(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        told = await web.api("POST", "/runs/replay/preview", {"state": "failed", "flow": "a"})
        assert (told.status, told.json()["writes"]) == (200, 3)
        reply = await web.api("POST", "/runs/replay", {"runs": told.json()["ready"]})
        assert (reply.status, reply.json()["replayed"]) == (202, [{"run": 9, "replay_of": 1}])
        assert runtime.calls == [
            ("preview", RunFilter(state="failed", flow="a"), None),
            ("many", [1, 2], None, "api"),
        ]
        assert_problem(await web.api("POST", "/runs/replay", {"runs": []}), 422)
        assert_problem(await web.api("POST", "/runs/replay", {"state": "failed"}), 422)

    async def test_sums_are_of_a_time(self, web: Served, runtime: FakeRuntime) -> None:
        reply = await web.api("GET", "/inbox?since=1970-01-02T00:00:00Z&until=1970-01-03T00:00:00Z")
        assert reply.json() == {"accepted": 3, "unaccounted": 0}
        assert runtime.calls == [("account", 86_400.0, 172_800.0)]

    async def test_replay_of_a_run_that_succeeded_is_422(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.error = ConnectorError("Run 1 succeeded: there is nothing to do again.")
        assert_problem(await web.api("POST", "/runs/1/replay"), 422)

    async def test_replay_of_an_event_gives_the_event(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.rows = [{"id": 1, "state": "received"}]
        reply = await web.api("POST", "/events/1/replay")
        assert (reply.status, reply.json()) == (202, runtime.rows[0])

    async def test_replay_of_an_event_that_is_still_open_is_409(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.rows = [{"id": 2, "state": "received"}]
        assert_problem(await web.api("POST", "/events/2/replay"), 409)


class TestParked:
    async def test_what_is_parked_is_told_with_its_evidence(self, web: Served) -> None:
        (one,) = (await web.api("GET", "/parked")).json()["items"]
        assert one["key"] == "k1"
        assert one["evidence"] == [{"message": "a timeout"}]

    @pytest.mark.parametrize("choice", ["adopt", "send_again", "drop"])
    async def test_a_choice_is_carried_out_in_the_name_of_the_api(
        self, web: Served, runtime: FakeRuntime, choice: str
    ) -> None:
        remote_id = "77" if choice == "adopt" else None
        reply = await web.api("POST", "/parked/k1", {"choice": choice, "remote_id": remote_id})
        assert (reply.status, reply.json()["key"]) == (200, "k1")
        assert runtime.calls[-1] == ("resolve", "k1", choice, "api", remote_id, False)

    async def test_a_record_is_adopted_unseen_only_when_that_is_asked_for(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        asked = {"choice": "adopt", "remote_id": "77", "force": True}
        assert (await web.api("POST", "/parked/k1", asked)).status == 200
        assert runtime.calls[-1] == ("resolve", "k1", "adopt", "api", "77", True)

    async def test_adopting_without_an_id_names_the_field(self, web: Served) -> None:
        body = assert_problem(await web.api("POST", "/parked/k1", {"choice": "adopt"}), 422)
        assert body["fields"][0]["field"] == "remote_id"

    @pytest.mark.parametrize(
        "asked", [{"choice": "retry"}, {}, {"choice": "drop", "who": "the director"}]
    )
    async def test_any_other_choice_is_422_and_decides_nothing(
        self, web: Served, runtime: FakeRuntime, asked: dict[str, Any]
    ) -> None:
        assert_problem(await web.api("POST", "/parked/k1", asked), 422)
        assert runtime.calls == []

    async def test_a_write_that_is_not_parked_is_404_and_decides_nothing(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        assert_problem(await web.api("POST", "/parked/k2", {"choice": "drop"}), 404)
        assert runtime.calls == []

    async def test_what_was_decided_is_told(self, web: Served, runtime: FakeRuntime) -> None:
        reply = await web.api("GET", "/audits?limit=5")
        assert reply.json()["items"] == [{"who": "api", "what": "drop"}]
        assert runtime.calls[-1] == ("list_audits", 5)


class TestQuotas:
    async def test_are_told_as_the_runtime_tells_them(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        reply = await web.api("GET", "/quotas")
        assert reply.status == 200
        (row,) = reply.json()["items"]
        assert (row["account"], row["windows"][0]["used"]) == ("7", 3)
        assert runtime.calls == [("quotas",)]


class TestStatus:
    async def test_tells_counts_recovered_changes_and_alarms(
        self, web: Served, runtime: FakeRuntime
    ) -> None:
        runtime.rows = [{"message": "No event has come."}]
        reply = await web.api("GET", "/status")
        assert reply.json() == {
            "counts": {"event": {"matched": 2}},
            "recovered": runtime.rows,
            "alarms": runtime.rows,
        }


class TestDocument:
    async def test_is_served_to_holders_of_the_token(self, web: Served) -> None:
        reply = await web.api("GET", "/openapi.json")
        assert reply.status == 200
        assert reply.json() == document()

    def test_is_openapi_3_1_and_every_reference_leads_somewhere(self) -> None:
        found = document()
        assert found["openapi"].startswith("3.1.")
        assert found["info"]["title"] == "Connector"
        known = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
        assert set(re.findall(r"#/components/schemas/\w+", json.dumps(found))) <= known

    def test_every_operation_is_named_told_guarded_and_has_the_one_error_shape(self) -> None:
        names = []
        for operations in document()["paths"].values():
            for operation in operations.values():
                names.append(operation["operationId"])
                assert operation["description"]
                assert operation["security"] == [{"HTTPBearer": []}]
                for status in ("default", "422"):
                    content = operation["responses"][status]["content"]
                    assert content == {
                        "application/problem+json": {
                            "schema": {"$ref": "#/components/schemas/Problem"}
                        }
                    }
        assert len(names) == len(set(names))

    def test_token_is_marked_as_a_secret(self) -> None:
        token = document()["components"]["schemas"]["ConnectWithToken"]["properties"]["token"]
        assert token["format"] == "password"
        assert token["writeOnly"] is True


async def test_whole_real_catalogue_is_told(runtime: FakeRuntime) -> None:

    catalog = the_catalog()
    runtime.catalog = catalog  # type: ignore[assignment]
    async with served(make_app(runtime, settings())) as web:
        assert len((await web.api("GET", "/apps")).json()["items"]) == len(catalog.apps)
        for name, node in catalog.nodes.items():
            assert (await web.api("GET", f"/nodes/{name}")).json()["key"] == node.key
            told = (await web.api("GET", f"/nodes/{name}/fields")).json()["items"]
            assert [one["path"] for one in told] == [one.path for one in catalog.fields(node)]


def test_fake_catalogue_answers_like_the_real_one() -> None:
    from connector.catalog import Catalog

    public = {name for name in vars(FakeCatalog) if not name.startswith("_")}
    assert public <= set(vars(Catalog))
