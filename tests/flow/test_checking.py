"""Checking a flow: every error and warning stands where its cause stands."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from connector.catalog import Catalog
from connector.errors import FlowError, Issue
from connector.flow import CompiledFlow, Flow, FlowCheck, check_flow, parse_flow
from tests.flow.kit import CONNECTIONS, EXAMPLES, FIND, GOOD, HEAD, at
from tests.loaded import the_catalog


class TestChecking:
    def check(self, text: str, catalog: Catalog) -> Issue:
        (issue,) = check_flow(text, catalog, CONNECTIONS).issues
        return issue

    def test_good_flow_has_no_issues(self, catalog: Catalog) -> None:
        result = check_flow(GOOD, catalog, CONNECTIONS)
        assert result.issues == ()
        assert isinstance(result.raise_for_errors(), CompiledFlow)

    @pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda one: one.stem)
    def test_examples_are_clean(self, path: Path, catalog: Catalog) -> None:
        assert check_flow(path.read_text("utf-8"), catalog, CONNECTIONS).issues == ()

    def test_a_parsed_flow_is_checked_with_its_places(self, catalog: Catalog) -> None:
        text = GOOD.replace("vat:", "vta:")
        assert check_flow(parse_flow(text), catalog).issues == check_flow(text, catalog).issues

    def test_a_flow_made_in_code_has_no_places(self, catalog: Catalog) -> None:
        flow = parse_flow(GOOD.replace("vat:", "vta:"))
        made = Flow(**{**dict(flow), "places": type(flow.places)()})
        assert at(check_flow(made, catalog).issues) == [(None, None)]

    @pytest.mark.parametrize(
        ("old", "new", "where", "line", "column", "message", "remedy"),
        [
            (
                "fatture_in_cloud.enriched_event",
                "fatture_in_cloud.enriched_evnt",
                "trigger.node",
                3,
                9,
                "There is no node 'fatture_in_cloud.enriched_evnt'.",
                "Did you mean 'fatture_in_cloud.enriched_event'",
            ),
            (
                "perfex_crm.find_customer",
                "perfex_crm.find_custmer",
                "steps.find.node",
                8,
                11,
                "There is no node 'perfex_crm.find_custmer'.",
                "Did you mean 'perfex_crm.find_customer'",
            ),
            (
                "perfex_crm.find_customer",
                "fatture_in_cloud.raw_event",
                "steps.find.node",
                8,
                11,
                "'fatture_in_cloud.raw_event' is a trigger: it starts flows, and cannot be a step.",
                "Name it under `trigger`",
            ),
            (
                "fatture_in_cloud.enriched_event",
                "perfex_crm.create_customer",
                "trigger.node",
                3,
                9,
                (
                    "'perfex_crm.create_customer' is an action: "
                    "it can be a step, but it starts no flow."
                ),
                "Name a trigger here",
            ),
            (
                "connection: perfex",
                "connection: perfx",
                "steps.find.connection",
                9,
                17,
                "There is no connection 'perfx'.",
                "Did you mean 'perfex'?",
            ),
            (
                "connection: perfex",
                "connection: fatture",
                "steps.find.connection",
                9,
                17,
                (
                    "The connection 'fatture' is to fatture_in_cloud, but perfex_crm.find_customer "
                    "needs one to perfex_crm."
                ),
                "Use 'perfex'.",
            ),
            (
                "resource: entities.clients",
                "resource: entities.client",
                "trigger.with.resource",
                5,
                40,
                "This text is not one of its choices.",
                "Choose one of: entities.clients (Clients)",
            ),
            (
                "[create]",
                "[made]",
                "trigger.with.event_types.0",
                5,
                72,
                "This text is not one of its choices.",
                "Choose one of: create (Created)",
            ),
            (
                "company_id: 108061",
                'company_id: "{{ 1 + 1 }}"',
                "trigger.with.company_id",
                5,
                22,
                "A trigger's settings are fixed values, not expressions.",
                "Filter by a condition",
            ),
            (
                "company_id: 108061, ",
                "",
                "trigger.with",
                5,
                3,
                "company_id must be mapped: it is required.",
                "Add a line for it",
            ),
            (
                "company_id:",
                "compny_id:",
                "trigger.with.compny_id",
                5,
                10,
                "There is no field 'compny_id'.",
                "Did you mean 'company_id'?",
            ),
            (
                "vat:",
                "vta:",
                "steps.find.map.vta",
                10,
                11,
                "There is no field 'vta'.",
                "Did you mean 'vat'?",
            ),
            (
                "{{ trigger.resource.vat_number }}",
                "{{ trigger.resource.vat_number | uper }}",
                "steps.find.map.vat",
                10,
                50,
                "There is no filter called 'uper'.",
                "Did you mean 'upper'?",
            ),
            (
                "{{ trigger.resource.vat_number }}",
                "{{ triger.resource.vat_number }}",
                "steps.find.map.vat",
                10,
                20,
                "There is nothing called 'triger' here.",
                "Did you mean 'trigger'?",
            ),
            (
                "{{ trigger.resource.vat_number }}",
                "{{ steps.find.id }}",
                "steps.find.map.vat",
                10,
                20,
                "Step 'find' reads its own result.",
                "",
            ),
            (
                "{{ trigger.resource.vat_number }}",
                "{{ steps.fnd.id }}",
                "steps.find.map.vat",
                10,
                20,
                "There is no step 'fnd'.",
                "",
            ),
        ],
    )
    def test_error_is_told_where_it_stands(
        self,
        old: str,
        new: str,
        where: str,
        line: int,
        column: int,
        message: str,
        remedy: str,
        catalog: Catalog,
    ) -> None:
        found = check_flow(GOOD.replace(old, new), catalog, CONNECTIONS).issues
        issue = next(one for one in found if one.where == where)
        assert (issue.line, issue.column) == (line, column), str(issue)
        assert issue.message == message
        assert issue.remedy.startswith(remedy)
        assert issue.severity == "error"

    @pytest.mark.parametrize(
        ("new", "column", "message"),
        [
            (
                "{{ trigger.resource.vat_numbr }}",
                20,
                (
                    "'trigger.resource.vat_numbr' is not known: "
                    "the schema has no 'vat_numbr' in 'resource'."
                ),
            ),
            ("{{ trigger.recource.x }}", 20, "'trigger.recource.x' is not known"),
            ("{{ trigger.event.typ }}", 20, "'trigger.event.typ' is not known"),
            ("{{ trigger.resource.name.first }}", 20, "'trigger.resource.name.first' is not known"),
            ("{{ run.key }}", 20, "'run.key' is not known"),
        ],
    )
    def test_unknown_source_is_a_warning(
        self, new: str, column: int, message: str, catalog: Catalog
    ) -> None:
        text = GOOD.replace("{{ trigger.resource.vat_number }}", new)
        issue = self.check(text, catalog)
        assert issue.message.startswith(message)
        assert (issue.severity, issue.line, issue.column) == ("warning", 10, column)
        assert issue.remedy
        assert check_flow(text, catalog).ok

    def test_later_step_cannot_be_read(self, catalog: Catalog) -> None:
        later = FIND.removeprefix("steps:\n").replace("id: find", "id: again")
        text = (GOOD + later).replace("trigger.resource.vat_number", "steps.again.id", 1)
        assert self.check(text, catalog).message == "Step 'again' comes later."

    def test_output_of_an_earlier_step_is_known(self, catalog: Catalog) -> None:
        later = FIND.removeprefix("steps:\n").replace("id: find", "id: again")
        for source, count in (("steps.find.record.vat", 0), ("steps.find.recod", 1)):
            text = GOOD + later.replace("trigger.resource.vat_number", source)
            assert len(check_flow(text, catalog).warnings) == count
        skipped = later.replace("trigger.resource.vat_number", "steps.find.skipped")
        assert check_flow(GOOD + skipped, catalog).issues == ()

    @pytest.mark.parametrize(
        ("rows", "row", "unknown"),
        [
            ("trigger.resource.items_list", "line.name", False),
            ("trigger.resource.items_list", "line.vat.id", False),
            ("trigger.resource.items_list", "line.nmae", True),
            ("trigger.resource.items_list[:2]", "line.nmae", False),
            ("steps.find.records", "line.company", False),
            ("steps.find.records", "line.compny", True),
            ("trigger.resource.items_list", "trigger.resource.items_list.name", True),
            ("trigger.resource.items_list", "trigger.resource.items_list[0].name", False),
        ],
    )
    def test_rows_of_a_known_list_are_known(
        self, rows: str, row: str, unknown: bool, catalog: Catalog
    ) -> None:
        text = GOOD.replace("entities.clients", "issued_documents.orders").replace(
            "trigger.resource.vat_number", "trigger.resource.entity.vat_number"
        ) + (
            "  - id: copy\n    node: fatture_in_cloud.create_issued_document\n"
            "    connection: fatture\n    map:\n      company_id: 1\n      data.type: order\n"
            "      data.entity.name: x\n      data.items_list:\n"
            f'        for_each: "{{{{ {rows} }}}}"\n        as: line\n'
            f'        map: {{vat.id: 0, net_price: 1, name: "{{{{ {row} }}}}"}}\n'
        )
        result = check_flow(text, catalog, CONNECTIONS)
        assert result.ok, result.errors
        assert [issue.line for issue in result.warnings] == ([21] if unknown else [])

    def test_condition_in_plain_text_is_an_error(self, catalog: Catalog) -> None:
        issue = self.check(GOOD + "when: trigger.resource\n", catalog)
        assert issue.message.startswith("This is plain text")
        assert (issue.where, issue.line, issue.column) == ("when", 11, 7)

    def test_filter_of_a_flow_sees_the_trigger_alone(self, catalog: Catalog) -> None:
        issue = self.check(GOOD + 'when: "{{ steps.find.found }}"\n', catalog)
        assert issue.message == "There is nothing called 'steps' here."

    def test_error_inside_a_multi_line_text_is_told_at_its_start(self, catalog: Catalog) -> None:
        text = GOOD + "when: >-\n  {{ trigger.resource\n  is not nothing }}\n"
        issue = self.check(text, catalog)
        assert (issue.line, issue.column) == (11, 7)

    def test_connections_are_checked_only_when_given(self, catalog: Catalog) -> None:
        text = GOOD.replace("connection: perfex", "connection: other")
        assert check_flow(text, catalog).issues == ()
        assert check_flow(text, catalog, {}).errors[0].who == "connection_owner"

    def test_all_errors_are_found_in_one_go(self, catalog: Catalog) -> None:
        text = (
            GOOD.replace("clients\n", "Clients\n", 1)
            .replace("enriched_event", "enriched_evnt")
            .replace("vat:", "vta:")
            .replace("connection: perfex", "connection: perfx")
        )
        result = check_flow(text, catalog, CONNECTIONS)
        assert at(result.errors) == [(1, 7), (3, 9), (9, 17), (10, 11)]
        with pytest.raises(FlowError, match="4 errors") as caught:
            result.raise_for_errors()
        assert caught.value.issues == result.errors

    def test_text_that_is_no_document(self, catalog: Catalog) -> None:
        result = check_flow("a: [", catalog)
        assert result.flow is None
        assert result.compiled is None
        with pytest.raises(FlowError):
            result.raise_for_errors()

    @given(st.text("ab: -[]{}\"'\n|#flowtrigsnd", max_size=60))
    def test_no_text_makes_it_stumble(self, text: str) -> None:
        result = check_flow(text, the_catalog())
        assert isinstance(result, FlowCheck)
        assert not result.ok

    @given(st.integers(0, len(GOOD) - 1), st.sampled_from(["", "x", ":", "\n", " ", '"', "{"]))
    def test_no_typo_makes_it_stumble(self, index: int, typo: str) -> None:
        result = check_flow(GOOD[:index] + typo + GOOD[index + 1 :], the_catalog())
        assert result.ok == (not result.errors)
        assert all(issue.line for issue in result.errors)


def test_what_is_only_not_there_yet_is_told_from_what_is_wrong(catalog: Catalog) -> None:
    begun = HEAD.replace("company_id: 108061, ", "").replace(
        "connection: fatture", "connection: ''"
    )
    told = check_flow(begun + "steps: []\n", catalog, CONNECTIONS)
    assert {(one.where, one.lacks) for one in told.errors} == {
        ("trigger.connection", "choice"), ("trigger.with", "value"), ("steps", "step"),
    }  # fmt: skip
    rows = """\
steps:
  - id: make
    node: fatture_in_cloud.register_payment
    connection: fatture
    map: {company_id: 108061, data.x: 1}
"""
    found = {one.field: one.lacks for one in check_flow(HEAD + rows, catalog).errors}
    assert found.pop("data.x") is None, "there is something, and it is wrong"
    assert set(found.values()) <= {"value", "one_of"}
    assert found
