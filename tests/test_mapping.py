"""Compiling and applying a mapping: the doors, and what the golden cases do not show."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector.catalog import Catalog
from connector.errors import Issue, MappingError
from connector.fields import SchemaStore
from connector.mapping import FieldReport, compile_mapping
from connector.mapping.work import MAX_ISSUES, MAX_ROWS
from connector.model import Action, Field, SchemaRef, Search


def field(path: str, **rest: Any) -> Field:
    return Field(path=path, label=path.rsplit(".", 1)[-1], **rest)


NAME = field("data.name", required=True)
ROWS = (
    field("rows.a", type="integer", list=True, array="rows"),
    field("rows.b", list=True, array="rows"),
)


class TestDoors:
    def test_nothing_is_raised_until_it_is_asked_for(self) -> None:
        compiled = compile_mapping((NAME,), {"data.nme": 1})
        assert not compiled.ok
        with pytest.raises(MappingError) as caught:
            compiled.raise_for_errors()
        assert [issue.field for issue in caught.value.issues] == ["data.nme", "data.name"]

    def test_a_good_mapping_gives_itself(self) -> None:
        compiled = compile_mapping((NAME,), {"data.name": "{{ trigger.n }}"}).raise_for_errors()
        mapped = compiled.apply({"trigger": {"n": "Rossi"}}).raise_for_errors()
        assert mapped.payload == {"data": {"name": "Rossi"}}
        assert mapped.ok

    def test_what_is_mapped_with_errors_is_never_ok(self) -> None:
        mapped = compile_mapping((NAME,), {"data.name": "x", "data.nme": 1}).apply({})
        assert mapped.payload == {"data": {"name": "x"}}
        assert not mapped.ok

    def test_warnings_do_not_raise(self) -> None:
        one = field("data.url", read_only=True)
        compiled = compile_mapping((one,), {"data.url": "x"})
        assert [issue.severity for issue in compiled.issues] == ["warning"]
        assert compiled.raise_for_errors().apply({}).raise_for_errors().payload == {}

    def test_error_names_flow_step_field_and_source(self) -> None:
        compiled = compile_mapping(
            (NAME,),
            {"data.name": "{{ trigger.resource.nmae }}"},
            where="steps.create.map",
            origin="flow clients",
        )
        with pytest.raises(MappingError) as caught:
            compiled.apply({"trigger": {"resource": {"name": "x"}}}).raise_for_errors()
        (issue,) = caught.value.issues
        assert issue.where == "flow clients · steps.create.map.data.name"
        assert issue.field == "data.name"
        assert issue.message == "There is no 'nmae' in trigger.resource."
        assert issue.remedy.startswith("Did you mean 'name'?")

    def test_report_has_value_type_source_and_state(self) -> None:
        mapped = compile_mapping((NAME,), {"data.name": "{{ trigger.n }}"}).apply(
            {"trigger": {"n": 7}}
        )
        assert mapped.report == (
            FieldReport(
                path="data.name",
                value="7",
                type="string",
                source="{{ trigger.n }}",
                state="set",
                issue=None,
                note="number read as string",
            ),
        )

    def test_names_are_those_given(self) -> None:
        mapping = {"data.name": "{{ input.x }}"}
        assert not compile_mapping((NAME,), mapping).ok
        assert compile_mapping((NAME,), mapping, names=("input",)).ok

    def test_one_error_is_told_in_full_and_several_are_counted(self) -> None:
        fields = (NAME, field("price", type="number"))
        with pytest.raises(MappingError) as caught:
            compile_mapping(fields, {"data.name": "x", "price": "y"}).raise_for_errors()
        assert (caught.value.field, caught.value.value_type) == ("price", "text")
        assert caught.value.message == "The mapping has 1 error."
        with pytest.raises(MappingError, match="has 2 errors") as caught:
            compile_mapping(fields, {"price": "y"}).raise_for_errors()
        assert caught.value.field is None

    def test_time_is_the_recorded_time_of_the_run(self) -> None:
        from datetime import UTC, datetime

        now = datetime(2026, 3, 4, 9, 15, tzinfo=UTC)
        compiled = compile_mapping((NAME,), {"data.name": "{{ now() }}"})
        assert compiled.apply({}, now=now).payload["data"]["name"] == "2026-03-04T09:15:00+00:00"

    def test_locate_gives_line_and_column(self) -> None:
        def locate(
            where: str, *, key: bool = False, offset: int | None = None
        ) -> tuple[int, int] | None:
            return (3, 5 if key else 20 + (offset or 0))

        mapping = {"data.name": "{{ 'x' | uper }}", "data.nme": 1}
        issues = compile_mapping((NAME,), mapping, locate=locate).issues
        assert sorted((issue.field, issue.line, issue.column) for issue in issues) == [
            ("data.name", 3, 29),
            ("data.nme", 3, 5),
        ]


class TestLiterals:
    def test_a_literal_is_not_shared_between_payloads(self) -> None:
        compiled = compile_mapping((field("data.extra", type="object"),), {"data.extra": {"a": []}})
        first = compiled.apply({}).payload
        first["data"]["extra"]["a"].append(1)
        assert compiled.apply({}).payload == {"data": {"extra": {"a": []}}}

    def test_floats_and_dates_of_python_are_taken_exactly(self) -> None:
        compiled = compile_mapping((field("price", type="number"),), {"price": 0.1})
        assert compiled.apply({}).payload == {"price": Decimal("0.1")}

    def test_nan_is_refused(self) -> None:
        compiled = compile_mapping((field("price", type="number"),), {"price": float("nan")})
        assert "NaN" in compiled.issues[0].message


_PATHS = ("a.n", "a.b.n", "a.b.c.n")


class TestLoops:
    DEEP = tuple(field(path, list=True, array=path.rpartition(".")[0]) for path in _PATHS)

    def loop(self, name: str, inner: dict[str, Any]) -> dict[str, Any]:
        return {"for_each": "{{ trigger.rows }}", "as": name, "map": inner}

    def test_two_loops_fit_into_each_other(self) -> None:
        mapping = {"a": self.loop("x", {"b": self.loop("y", {"n": "{{ x }}{{ y }}"})})}
        mapped = compile_mapping(self.DEEP, mapping).apply({"trigger": {"rows": ["1", "2"]}})
        assert mapped.payload["a"][1]["b"] == [{"n": "21"}, {"n": "22"}]

    def test_three_loops_do_not(self) -> None:
        inner = {"b": self.loop("y", {"c": self.loop("z", {"n": "{{ z }}"})})}
        issues = compile_mapping(self.DEEP, {"a": self.loop("x", inner)}).issues
        assert [issue.message for issue in issues] == ["At most 2 for_each fit into each other."]

    @pytest.mark.parametrize("name", ["trigger", "index", "_x", "1x", "a b", ""])
    def test_name_of_a_row_is_a_new_plain_name(self, name: str) -> None:
        assert not compile_mapping(self.DEEP, {"a": self.loop(name, {"n": "x"})}).ok

    @pytest.mark.parametrize(
        "mapping",
        [
            {"rows.a": "{{ trigger.rows }}"},
            {"rows": {"for_each": "{{ trigger.rows }}", "map": {"a": "{{ item }}"}}},
            {"rows": {"for_each": "{{ trigger.rows }}", "map": "{{ {'a': item} }}"}},
        ],
    )
    def test_rows_are_bounded(self, mapping: dict[str, Any]) -> None:
        compiled = compile_mapping(ROWS, mapping)
        assert compiled.apply({"trigger": {"rows": [1] * MAX_ROWS}}).ok
        mapped = compiled.apply({"trigger": {"rows": [1] * (MAX_ROWS + 1)}})
        assert mapped.payload == {}
        assert mapped.issues[0].message == "This makes more than 5000 rows in one payload."

    def test_rows_of_loops_in_loops_are_counted_together(self) -> None:
        mapping = {"a": self.loop("x", {"b": self.loop("y", {"n": "{{ y }}"})})}
        mapped = compile_mapping(self.DEEP, mapping).apply({"trigger": {"rows": ["1"] * 100}})
        assert not mapped.ok
        assert sum(len(row.get("b", ())) for row in mapped.payload["a"]) <= MAX_ROWS

    def test_errors_of_many_rows_are_counted(self) -> None:
        compiled = compile_mapping(ROWS, {"rows.a": "{{ trigger.rows }}"})
        mapped = compiled.apply({"trigger": {"rows": ["x"] * 1000}})
        assert len(mapped.issues) == MAX_ISSUES + 1
        assert "800 more errors" in mapped.issues[-1].message
        assert len(mapped.report) == 1000

    def test_context_is_left_as_it_was(self) -> None:
        context = {"trigger": {"rows": [1, 2]}}
        before = copy.deepcopy(context)
        mapping = {"rows": {"for_each": "{{ trigger.rows }}", "map": {"a": "{{ item }}"}}}
        assert compile_mapping(ROWS, mapping).apply(context).ok
        assert context == before


class TestColumns:
    def test_column_in_a_list_of_a_row_is_refused(self) -> None:
        fields = (*ROWS, field("rows.c.d", list=True, array="rows.c"))
        issues = compile_mapping(fields, {"rows.c.d": "{{ [1] }}"}).issues
        assert issues[0].message == "rows.c is a list inside a list."

    def test_unequal_lists_name_both_paths_and_lengths(self) -> None:
        mapped = compile_mapping(ROWS, {"rows.a": [1, 2], "rows.b": "{{ ['x'] }}"}).apply({})
        (issue,) = mapped.issues
        assert "rows.a has 2, rows.b has 1" in issue.message

    @given(st.lists(st.integers(0, 9)), st.lists(st.text("xyz", min_size=1)), st.booleans())
    def test_zip_is_what_zip_does(self, one: list[int], two: list[str], single: bool) -> None:
        other: Any = two[0] if single and two else two
        context = {"trigger": {"one": one, "two": other}}
        mapping = {"rows.a": "{{ trigger.one }}", "rows.b": "{{ trigger.two }}"}
        mapped = compile_mapping(ROWS, mapping).apply(context)
        if isinstance(other, list) and len(one) != len(other):
            assert not mapped.ok
            assert mapped.payload == {}
        else:
            texts = other if isinstance(other, list) else [other] * len(one)
            expected = [{"a": a, "b": b} for a, b in zip(one, texts, strict=True)]
            assert mapped.payload == {"rows": expected}


class TestWays:
    """One list of rows said in four ways comes out the same."""

    @given(st.lists(st.tuples(st.integers(0, 99), st.text("xyz", min_size=1)), min_size=1))
    def test_four_ways_are_one(self, rows: list[tuple[int, str]]) -> None:
        data = [{"a": a, "b": b} for a, b in rows]
        context = {"trigger": {"rows": data}}
        ways: list[dict[str, Any]] = [
            {"rows": "{{ trigger.rows }}"},
            {
                "rows": {
                    "for_each": "{{ trigger.rows }}",
                    "map": {"a": "{{ item.a }}", "b": "{{ item.b }}"},
                }
            },
            {
                "rows.a": "{{ trigger.rows | map(attribute='a') | list }}",
                "rows.b": "{{ trigger.rows | map(attribute='b') | list }}",
            },
            {
                f"rows.{index}.{key}": f"{{{{ trigger.rows[{index}].{key} }}}}"
                for index in range(len(rows))
                for key in "ab"
            },
        ]
        for way in ways:
            mapped = compile_mapping(ROWS, way).apply(context).raise_for_errors()
            assert mapped.payload == {"rows": data}


class TestNodes:
    """Against the real nodes: what their schemas know, the mapping knows."""

    def invoice(self, catalog: Catalog, mapping: dict[str, Any]) -> tuple[Issue, ...]:
        node = catalog.node("fatture_in_cloud.create_issued_document")
        assert isinstance(node, Action)
        given = {"company_id": 1, "data.type": "invoice", "data.entity.name": "Rossi", **mapping}
        issues = compile_mapping(node, given, catalog=catalog).issues
        return tuple(issue for issue in issues if issue.severity == "error")

    def test_required_fields_come_from_the_node(self, catalog: Catalog) -> None:
        node = catalog.node("fatture_in_cloud.create_client")
        assert isinstance(node, Action)
        issues = compile_mapping(node, {}, catalog=catalog).issues
        assert {issue.field for issue in issues} == {"company_id", "data.name"}

    def test_part_of_an_optional_object_needs_the_rest(self, catalog: Catalog) -> None:
        assert self.invoice(catalog, {}) == ()
        (issue,) = self.invoice(catalog, {"data.language.code": "it"})
        assert issue.field == "data.language.name"
        whole = {"data.language.code": "it", "data.language.name": "Italiano"}
        assert self.invoice(catalog, whole) == ()

    def test_row_needs_its_vat_type(self, catalog: Catalog) -> None:
        (issue,) = self.invoice(catalog, {"data.items_list.name": ["A"]})
        assert issue.field == "data.items_list.vat.id"

    def test_optional_object_taken_whole_is_checked_when_applied(self, catalog: Catalog) -> None:
        node = catalog.node("fatture_in_cloud.create_issued_document")
        assert isinstance(node, Action)
        mapping = {
            "company_id": 1,
            "data.type": "invoice",
            "data.entity.name": "Rossi",
            "data.language": "{{ trigger.language }}",
        }
        compiled = compile_mapping(node, mapping, catalog=catalog).raise_for_errors()
        assert compiled.apply({"trigger": {"language": None}}).ok
        mapped = compiled.apply({"trigger": {"language": {"code": "it"}}})
        assert [issue.field for issue in mapped.issues] == ["data.language.name"]

    def test_built_in_catalogue_is_used_when_none_is_given(self, catalog: Catalog) -> None:
        node = catalog.node("perfex_crm.find_customer")
        assert isinstance(node, Search)
        mapping = {"vat": "{{ trigger.country | perfex_country }}"}
        mapped = compile_mapping(node, mapping).apply({"trigger": {"country": "IT"}})
        assert mapped.payload == {"vat": "109"}

    def test_whole_validation_finds_what_fields_cannot_say(self, tmp_path: Path) -> None:
        properties = {
            "tax_code": {"type": "string", "pattern": "^[A-Z]+$"},
            "age": {"type": "integer"},
        }
        schema = {"type": "object", "properties": properties}
        (tmp_path / "person.json").write_text(json.dumps(schema), "utf-8")
        catalog = Catalog({}, {}, SchemaStore([tmp_path]), {})
        node = Action(
            app="a",
            key="add",
            noun="Person",
            label="Add",
            description="Adds.",
            inputs=(SchemaRef(schema_name="person", prefix="data"),),
        )
        mapping = {"data.tax_code": "{{ trigger.code }}", "data.age": "{{ trigger.age }}"}
        compiled = compile_mapping(node, mapping, catalog=catalog).raise_for_errors()
        assert compiled.apply({"trigger": {"code": "ABC", "age": 1}}, validate=True).ok
        wrong = {"trigger": {"code": "abc", "age": 1}}
        assert compiled.apply(wrong).ok
        assert [issue.field for issue in compiled.apply(wrong, validate=True).issues] == [
            "data.tax_code"
        ]
        worse = compiled.apply({"trigger": {"code": "abc", "age": "x"}}, validate=True)
        assert [issue.field for issue in worse.issues] == ["data.age"]
        assert compiled.apply({"trigger": {"code": None, "age": None}}, validate=True).ok

    def test_whole_validation_needs_a_schema(self) -> None:
        with pytest.raises(MappingError, match="no JSON Schema"):
            compile_mapping((NAME,), {"data.name": "x"}).apply({}, validate=True)


class TestHostileKeys:
    @pytest.mark.parametrize("path", ["", ".", "data.", ".name", "data..name", 7, None])
    def test_what_is_no_path_is_said_so(self, path: Any) -> None:
        issues = compile_mapping((field("data.name"),), {path: "x"}).issues
        assert issues[0].message.endswith("is no field path.")

    def test_a_key_with_a_dot_is_one_key(self) -> None:
        one = field(r"data.a\.b")
        mapped = compile_mapping((one,), {r"data.a\.b": "x"}).apply({})
        assert mapped.payload == {"data": {"a.b": "x"}}

    def test_an_endless_key_is_not_repeated(self) -> None:
        issues = compile_mapping((NAME,), {"x" * 100_000: 1}).issues
        assert max(len(str(issue)) for issue in issues) < 3_000

    def test_lines_are_bounded(self) -> None:
        compiled = compile_mapping((NAME,), {f"k{number}": 1 for number in range(1001)})
        assert compiled.issues[0].message == "This mapping has 1001 lines; at most 1000 fit."

    @given(st.dictionaries(st.text(max_size=12), st.text(max_size=12), max_size=4))
    def test_no_mapping_makes_it_stumble(self, mapping: dict[str, str]) -> None:
        mapped = compile_mapping((NAME, *ROWS), mapping).apply({"trigger": {}})
        assert not mapped.ok

    @given(
        st.dictionaries(
            st.sampled_from(
                ["data", "data.name", "rows", "rows.a", "rows.0", "rows.0.b", "rows.1"]
            ),
            st.recursive(
                st.none()
                | st.booleans()
                | st.integers()
                | st.sampled_from(["x", "{{ trigger.x }}", "{{ [1] }}", "{{ {'a': 1} }}", "{{"]),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(
                        st.sampled_from(["for_each", "map", "as", "a", "b", "name"]),
                        inner,
                        max_size=3,
                    )
                ),
                max_leaves=4,
            ),
            max_size=4,
        )
    )
    def test_no_structure_makes_it_stumble(self, mapping: dict[str, Any]) -> None:
        compiled = compile_mapping((NAME, *ROWS), mapping)
        mapped = compiled.apply({"trigger": {"x": {"name": "n"}}})
        for one in mapped.report:
            assert (one.state in ("error", "dropped")) == (one.issue is not None)
        if mapped.ok:
            assert compiled.ok
