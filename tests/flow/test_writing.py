"""Flows as documents: what is read, what is refused, and what is written comes back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector.flow import Flow, FlowTrigger, Step, parse_flow
from tests.flow.kit import EXAMPLES, FIND, GOOD, HEAD, at, faults


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
