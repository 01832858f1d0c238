"""Flows: reading and writing documents, checking them, and what the engine gets."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, strategies as st

from connector.catalog import Catalog
from connector.errors import FlowError, Issue
from connector.flow import (
    SKIPPED,
    CompiledFlow,
    Flow,
    FlowCheck,
    FlowTrigger,
    Step,
    check_flow,
    parse_flow,
)
from tests.loaded import the_catalog

EXAMPLES = Path(__file__).parents[1] / "examples"
CONNECTIONS = {"fatture": "fatture_in_cloud", "perfex": "perfex_crm"}

HEAD = """\
flow: clients
trigger:
  node: fatture_in_cloud.enriched_event
  connection: fatture
  with: {company_id: 108061, resource: entities.clients, event_types: [create]}
"""
FIND = """\
steps:
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map: {vat: "{{ trigger.resource.vat_number }}"}
"""
GOOD = HEAD + FIND


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return the_catalog()


def at(issues: tuple[Issue, ...] | list[Issue]) -> list[tuple[int | None, int | None]]:
    return [(issue.line, issue.column) for issue in issues]


def faults(text: str) -> tuple[Issue, ...]:
    with pytest.raises(FlowError) as caught:
        parse_flow(text)
    return caught.value.issues


class TestReading:
    def test_whole_document(self) -> None:
        flow = parse_flow(
            HEAD
            + 'name: "Clients"\ndescription: All of them.\norder: none\n'
            + 'when: "{{ trigger.resource is not none }}"\n'
            + FIND
            + '    when: "{{ true }}"\n    business_key: "{{ trigger.id }}"\n'
        )
        assert flow == Flow(
            key="clients",
            name="Clients",
            description="All of them.",
            order="none",
            when="{{ trigger.resource is not none }}",
            trigger=FlowTrigger(
                node="fatture_in_cloud.enriched_event",
                connection="fatture",
                inputs={
                    "company_id": 108061,
                    "resource": "entities.clients",
                    "event_types": ["create"],
                },
            ),
            steps=(
                Step(
                    id="find",
                    node="perfex_crm.find_customer",
                    connection="perfex",
                    when="{{ true }}",
                    business_key="{{ trigger.id }}",
                    map={"vat": "{{ trigger.resource.vat_number }}"},
                ),
            ),
        )

    def test_what_is_left_out_has_its_usual_value(self) -> None:
        flow = parse_flow(GOOD)
        assert (flow.order, flow.when, flow.name, flow.steps[0].when) == (
            "per_record",
            None,
            "",
            None,
        )

    def test_byte_order_mark_and_windows_lines(self) -> None:
        assert parse_flow("\ufeff" + GOOD.replace("\n", "\r\n")) == parse_flow(GOOD)

    @pytest.mark.parametrize(
        ("text", "line", "column", "message"),
        [
            (GOOD.replace("flow:", "flwo:"), 1, 1, "There is no key 'flwo' here."),
            (GOOD.replace("clients\n", "New Clients\n", 1), 1, 7, "'New Clients' is no key"),
            (GOOD.replace("  connection: fatture", "  conection: fatture"), 4, 3, "'conection'"),
            (GOOD.replace("  connection: fatture", "  connection: 12"), 4, 15, "is a number, not"),
            (
                GOOD.replace("  connection: fatture", "  connection:"),
                4,
                14,
                "No connection is chosen: `connection` is empty.",
            ),
            (
                GOOD.replace("with: {", "with: [{").replace("]}\n", "]}]\n"),
                5,
                9,
                "`with` is a list",
            ),
            (GOOD.replace("id: find", "id: find-it"), 7, 9, "'find-it' is no id of a step."),
            (GOOD.replace("id: find", "id: 1st"), 7, 9, "'1st' is no id of a step."),
            (GOOD.replace("- id: find", "- step"), 8, 9, "colon"),
            (GOOD.replace("map: {", "map: ["), 10, 10, "is not closed"),
            (GOOD + "order: sometimes\n", 11, 8, "'sometimes' is no order."),
            (GOOD + "loops: maybe\n", 11, 8, "'maybe' is no way with loops."),
            (GOOD + "when: true\n", 11, 7, "`when` is yes/no, not text."),
            (GOOD + "name: {a: b}\n", 11, 7, "`name` is an object, not text."),
            (HEAD + "steps: []\n", 6, 8, "The flow has no step yet."),
            (HEAD + "steps:\n", 6, 7, "The flow has no step yet."),
            (HEAD + "steps: find\n", 6, 8, "a list of at least one step"),
            (HEAD + "steps:\n  - find\n", 7, 5, "Step 1 is a text, not an object."),
            ("- a\n", 1, 1, "A flow is an object with keys, not a list."),
            ("hello", 1, 1, "A flow is an object with keys, not a text."),
            (GOOD + GOOD[GOOD.index("  - id") :], 11, 9, "Step 1 is called 'find' already."),
        ],
        ids=lambda one: one[-25:] if isinstance(one, str) else str(one),
    )
    def test_fault_is_told_with_its_line_and_column(
        self, text: str, line: int, column: int, message: str
    ) -> None:
        found = [issue for issue in faults(text) if message in issue.message]
        assert at(found) == [(line, column)], faults(text)
        assert found[0].remedy

    def test_key_of_a_flow_has_at_most_64_characters(self) -> None:
        assert parse_flow(GOOD.replace("clients\n", "k" * 64 + "\n", 1)).key == "k" * 64
        assert at(faults(GOOD.replace("clients\n", "k" * 65 + "\n", 1))) == [(1, 7)]

    def test_missing_keys_are_told_where_they_belong(self) -> None:
        issues = faults("flow: a\ntrigger:\n  node: x.y\nsteps:\n  - id: b\n")
        assert [(issue.where, issue.message, issue.line) for issue in issues] == [
            ("trigger", "The key 'connection' is missing.", 2),
            ("steps.b", "The key 'node' is missing.", 5),
            ("steps.b", "The key 'connection' is missing.", 5),
        ]

    def test_every_fault_is_told_at_once(self) -> None:
        issues = faults("flow: A\nwhn: x\ntrigger: []\nsteps: {}\n")
        assert sorted(at(issues)) == [(1, 7), (2, 1), (3, 10), (4, 8)]

    def test_too_many_steps(self) -> None:
        one = "  - {id: s%d, node: a.b, connection: c}\n"
        text = HEAD + "steps:\n" + "".join(one % number for number in range(100))
        assert len(parse_flow(text).steps) == 100
        text += one % 100
        assert [issue.message for issue in faults(text)] == ["A flow has at most 100 steps."]

    def test_endless_faults_are_counted(self) -> None:
        issues = faults(GOOD + "".join(f"k{number}: 1\n" for number in range(300)))
        assert len(issues) == 201
        assert issues[-1].message == "There are 100 more errors and warnings."


plain_text = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=20
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.decimals(-(10**9), 10**9, allow_nan=False, places=2)
    | st.sampled_from(["no", "00184", "1.5", "~", "null", "2026-12-31", "1_0", "{{ x }}", "a: b"])
    | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=6,
)
some_text = plain_text.filter(str.strip)


class TestWriting:
    @pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda one: one.stem)
    def test_examples_come_back(self, path: Path) -> None:
        flow = parse_flow(path.read_text("utf-8"))
        assert parse_flow(flow.as_yaml()) == flow

    @given(
        st.dictionaries(plain_text, values, max_size=3),
        st.dictionaries(plain_text, values, max_size=3),
        some_text | st.none(),
        some_text,
        st.sampled_from(["per_record", "none"]),
        st.sampled_from(["ignore", "allow"]),
    )
    def test_any_flow_comes_back(
        self,
        inputs: dict[str, Any],
        mapping: dict[str, Any],
        when: str | None,
        name: str,
        order: Any,
        loops: Any,
    ) -> None:
        flow = Flow(
            key="a-flow",
            name=name,
            order=order,
            loops=loops,
            when=when,
            trigger=FlowTrigger(node="a.b", connection=name, inputs=inputs),
            steps=(Step(id="one", node="a.c", connection="c", map=mapping, business_key=when),),
        )
        back = parse_flow(flow.as_yaml())
        assert back == flow
        assert typed(back.as_data()) == typed(flow.as_data())

    def test_decimals_keep_their_digits(self) -> None:
        step = Step(id="a", node="a.b", connection="c", map={"price": Decimal("1.50")})
        flow = Flow(key="a", trigger=FlowTrigger(node="a.t", connection="c"), steps=(step,))
        assert "price: 1.50\n" in flow.as_yaml()

    def test_flow_prints_as_json(self) -> None:
        assert "places" not in parse_flow(GOOD).model_dump(mode="json")


def typed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: typed(one) for key, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return type(value), value


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


class TestRunning:
    CONTEXT: ClassVar[dict[str, Any]] = {
        "trigger": {"id": 70211, "resource": {"name": "Rossi", "vat_number": "IT12345678903"}},
        "steps": {},
        "flow": {"key": "clients", "version": 1},
        "run": {"id": "r1", "created_at": "2026-03-04T09:15:00+00:00"},
    }

    def flow(self, extra: str, catalog: Catalog) -> CompiledFlow:
        return check_flow(GOOD + extra, catalog).raise_for_errors()

    def test_trigger_and_steps_are_ready(self, catalog: Catalog) -> None:
        flow = self.flow("", catalog)
        assert flow.trigger.inputs == {
            "company_id": 108061,
            "resource": "entities.clients",
            "event_types": ["create"],
        }
        (step,) = flow.steps
        assert (step.node, step.connection) == ("perfex_crm.find_customer", "perfex")
        assert step.when(self.CONTEXT)
        assert step.business_key(self.CONTEXT) is None
        assert step.mapping.apply(self.CONTEXT).payload == {"vat": "IT12345678903"}

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ("{{ trigger.resource is not none }}", True),
            ("{{ trigger.resource.name == 'Bianchi' }}", False),
            ("{{ trigger.resource.gone | default(none) }}", False),
            ("  {{ true }}  ", True),
        ],
    )
    def test_filter_gives_yes_or_no(self, condition: str, holds: bool, catalog: Catalog) -> None:
        flow = self.flow(f'when: "{condition}"\n', catalog)
        assert flow.filter({"trigger": self.CONTEXT["trigger"]}) is holds

    @pytest.mark.parametrize(
        "condition", ["{{ trigger.resource.name }}", "{{ trigger.id }}", "{{ true }}!", "{{ [] }}"]
    )
    def test_condition_that_is_no_yes_or_no_is_an_error(
        self, condition: str, catalog: Catalog
    ) -> None:
        flow = self.flow(f'    when: "{condition}"\n', catalog)
        with pytest.raises(FlowError, match="not yes or no") as caught:
            flow.steps[0].when(self.CONTEXT)
        assert caught.value.field == "steps.find.when"
        assert "clients" in caught.value.message

    def test_condition_on_a_missing_place_names_flow_and_step(self, catalog: Catalog) -> None:
        flow = self.flow('    when: "{{ trigger.resource.nmae == 1 }}"\n', catalog)
        with pytest.raises(FlowError) as caught:
            flow.steps[0].when(self.CONTEXT)
        assert caught.value.message == (
            "In the flow clients: There is no 'nmae' in trigger.resource."
        )
        assert caught.value.issues[0].where == "steps.find.when"
        assert "Did you mean 'name'?" in caught.value.remedy

    @pytest.mark.parametrize(
        ("key", "text"),
        [("{{ trigger.id }}", "70211"), ("client {{ trigger.id }}", "client 70211")],
    )
    def test_business_key_is_text(self, key: str, text: str, catalog: Catalog) -> None:
        flow = self.flow(f'    business_key: "{key}"\n', catalog)
        assert flow.steps[0].business_key(self.CONTEXT) == text

    @pytest.mark.parametrize(
        "key", ["{{ none }}", "{{ '' }}", "{{ ' ' }}", "{{ true }}", "{{ [1] }}"]
    )
    def test_business_key_that_tells_nothing_apart_is_refused(
        self, key: str, catalog: Catalog
    ) -> None:
        flow = self.flow(f'    business_key: "{key}"\n', catalog)
        with pytest.raises(FlowError, match="business key"):
            flow.steps[0].business_key(self.CONTEXT)

    def test_skipped_step_gives_way_to_a_default(self, catalog: Catalog) -> None:
        later = FIND.removeprefix("steps:\n").replace("id: find", "id: again")
        reading = later.replace("trigger.resource.vat_number", "steps.find.id | default('other')")
        flow = self.flow(reading, catalog)
        context = {**self.CONTEXT, "steps": {"find": SKIPPED}}
        assert flow.steps[1].mapping.apply(context).payload == {"vat": "other"}
        strict = self.flow(later.replace("trigger.resource.vat_number", "steps.find.id"), catalog)
        mapped = strict.steps[1].mapping.apply(context)
        assert mapped.issues[0].message == "There is no 'id' in steps.find."


class TestExamples:
    """The examples do what they say, on the made-up records of the catalogue."""

    def sample(self, catalog: Catalog, resource: str) -> Any:
        return catalog.sample(catalog.node("fatture_in_cloud.enriched_event"), resource)

    def load(self, name: str, catalog: Catalog) -> CompiledFlow:
        text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
        return check_flow(text, catalog, CONNECTIONS).raise_for_errors()

    def test_client_becomes_a_customer(self, catalog: Catalog) -> None:
        flow = self.load("fic-client-to-perfex", catalog)
        trigger = self.sample(catalog, "entities.clients")
        client = trigger["resource"]
        find, create, update = flow.steps
        context = {"trigger": trigger, "steps": {}}
        assert flow.filter(context)
        assert find.mapping.apply(context).payload["vat"] == client["vat_number"]
        context["steps"] = {"find": {"found": False, "count": 0, "skipped": False}}
        assert create.when(context)
        assert not update.when(context)
        made = create.mapping.apply(context, validate=True).raise_for_errors().payload["data"]
        assert made["company"] == client["name"]
        assert made["state"] == made["billing_state"] == client["address_province"]
        assert made["zip"] == client["address_postal_code"]
        assert made["country"] == 109
        context["steps"] = {"find": {"found": True, "count": 1, "id": 412, "skipped": False}}
        assert not create.when(context)
        assert update.when(context)
        changed = update.mapping.apply(context, validate=True).raise_for_errors().payload
        assert changed == {"customer_id": 412, "data": made}
        context["steps"] = {"find": {"found": True, "count": 2, "id": 412, "skipped": False}}
        assert not create.when(context)
        assert not update.when(context)

    def test_an_event_that_a_resource_never_sends_is_found(self, catalog: Catalog) -> None:
        text = (Path(__file__).parents[1] / "examples" / "fic-client-to-perfex.yaml").read_text(
            "utf-8"
        )
        found = check_flow(text.replace("[create, update]", "[create, email_sent]"), catalog)
        (issue,) = found.errors
        assert issue.message == "entities.clients never sends 'email_sent'."
        assert "create, update, delete" in issue.remedy

    def test_deleted_client_is_filtered(self, catalog: Catalog) -> None:
        flow = self.load("fic-client-to-perfex", catalog)
        gone = {**self.sample(catalog, "entities.clients"), "resource": None}
        assert not flow.filter({"trigger": gone})

    def test_order_becomes_an_invoice(self, catalog: Catalog) -> None:
        flow = self.load("fic-invoice-copy", catalog)
        trigger = self.sample(catalog, "issued_documents.orders")
        (step,) = flow.steps
        context = {"trigger": trigger, "steps": {}}
        payload = step.mapping.apply(context, validate=True).raise_for_errors().payload
        rows, copies = trigger["resource"]["items_list"], payload["data"]["items_list"]
        assert [row["name"] for row in copies] == [row["name"] for row in rows]
        assert payload["data"]["type"] == "invoice"
        assert payload["data"]["payments_list"][0]["amount"] == trigger["resource"]["amount_gross"]
        assert step.business_key(context) == str(trigger["id"])


class TestSteps:
    """A step that is switched off: kept in the document, left out of what is done."""

    OFF: ClassVar[str] = FIND.replace("    map:", "    enabled: false\n    map:")
    READ: ClassVar[str] = """\
  - id: make
    node: perfex_crm.create_customer
    connection: perfex
    map: {{data.company: "{}", data.vat: "{{{{ trigger.resource.vat_number }}}}"}}
"""

    def test_it_is_read_and_written(self) -> None:
        flow = parse_flow(HEAD + self.OFF)
        assert flow.steps[0].enabled is False
        assert "enabled: false" in flow.as_yaml()
        assert parse_flow(flow.as_yaml()) == flow
        assert "enabled" not in parse_flow(GOOD).as_yaml()

    @pytest.mark.parametrize("given", ["'no'", "0", "[]", "'{{ true }}'"])
    def test_it_is_yes_or_no(self, given: str) -> None:
        (issue,) = faults(HEAD + self.OFF.replace("enabled: false", f"enabled: {given}"))
        assert issue.where == "steps.find.enabled"
        assert "not yes or no" in issue.message
        assert "`when`" in issue.remedy

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("{{ steps.find.company }}", "Step 'find' is switched off"),
            ("{{ steps.find.company }} {{ steps.find.company | default('') }}", "switched off"),
            ("{{ steps.find.company | default('none') }}", None),
            ("{{ 'x' if steps.find.skipped else steps.find.company }}", None),
            ("{{ steps.find.company | default('') | upper }}", None),
            ("{{ trigger.resource.name }}", None),
        ],
    )
    def test_who_reads_it_must_say_what_else(
        self, catalog: Catalog, value: str, found: str | None
    ) -> None:
        text = HEAD + self.OFF + self.READ.format(value)
        told = check_flow(text, catalog)
        if found is None:
            assert told.errors == ()
            return
        (issue,) = told.errors
        assert found in issue.message
        assert (issue.where, issue.line) == ("steps.make.map.data.company", 15)
        assert "default" in issue.remedy
        on = check_flow(HEAD + FIND + self.READ.format(value), catalog)
        assert on.errors == ()

    def test_rows_of_it_are_read_as_well(self, catalog: Catalog) -> None:
        make = """\
  - id: make
    node: fatture_in_cloud.create_issued_document
    connection: fatture
    map: {data.items_list: {for_each: "{{ steps.find.contacts }}", map: {name: x}}}
"""
        assert "switched off" not in str(check_flow(HEAD + FIND + make, catalog).errors)
        text = HEAD + self.OFF + make
        assert "switched off" in str(check_flow(text, catalog).errors)

    def test_what_is_half_done_may_be_put_aside(self, catalog: Catalog) -> None:
        broken = self.READ.format("{{ trigger.resource.name | nofilter }}")
        aside = broken.replace("    map:", "    enabled: false\n    map:")
        assert check_flow(GOOD + broken, catalog).compiled is None
        told = check_flow(GOOD + aside, catalog, CONNECTIONS)
        assert told.compiled is not None
        assert [step.enabled for step in told.compiled.steps] == [True, False]
        assert "nofilter" in str(told.warnings)

    def test_a_flow_of_nothing_else_is_told(self, catalog: Catalog) -> None:
        told = check_flow(HEAD + self.OFF, catalog)
        assert told.ok
        assert "does nothing" in str(told.warnings)


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
