"""Schemas become fields: flattening, references, samples, validation, and faults with a place."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.errors import SchemaError
from connector.fields import SchemaStore
from connector.model import Choice, Field, schema

Make = Callable[..., SchemaStore]
TEXT = {"title": "Text", "type": ["string", "null"]}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """A store of one root whose files are given as `app/noun` → schema (or raw text)."""

    def build(**files: Any) -> SchemaStore:
        for name, content in files.items():
            path = tmp_path / "shop" / f"{name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return SchemaStore([tmp_path])

    return build


def an_object(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": ["object", "null"], "properties": properties, **more}


def fields(store: SchemaStore, name: str, prefix: str = "", **options: Any) -> dict[str, Field]:
    require = options.pop("require", ())
    found = store.fields(schema(f"shop/{name}", prefix, require=require), **options)
    return {field.path: field for field in found}


class TestLeaves:
    def test_come_depth_first_in_file_order(self, make: Make) -> None:
        store = make(
            thing=an_object({"z": TEXT, "a": an_object({"y": TEXT, "b": TEXT}), "c": TEXT})
        )
        assert list(fields(store, "thing", "data")) == ["data.z", "data.a.y", "data.a.b", "data.c"]

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ({"type": "string"}, "string"),
            ({"type": ["null", "integer"]}, "integer"),
            ({"type": ["number", "null"]}, "number"),
            ({"type": ["boolean", "null"]}, "boolean"),
            ({"type": ["string", "null"], "format": "date"}, "date"),
            ({"type": "string", "format": "date-time"}, "datetime"),
            ({"type": "string", "format": "email"}, "string"),
            ({"type": ["object", "null"]}, "object"),
            ({"type": ["string", "integer", "null"]}, "string"),
            ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer"),
            ({"oneOf": [{"type": "null"}, {"$ref": "#/$defs/day"}]}, "date"),
            ({}, "any"),
            (True, "any"),
        ],
    )
    def test_type_is_the_first_that_is_not_null(self, make: Make, written: Any, read: str) -> None:
        day = {"type": "string", "format": "date"}
        store = make(thing=an_object({"x": written}, **{"$defs": {"day": day}}))
        assert fields(store, "thing")["x"].type == read

    def test_all_that_a_schema_says_is_kept(self, make: Make) -> None:
        said = {
            "title": "Colour",
            "type": ["string", "null"],
            "description": "Of the box.",
            "enum": ["r", "g", None],
            "x-labels": {"r": "Red"},
            "x-choices-open": True,
            "maxLength": 9,
            "default": "r",
            "examples": ["g", "r"],
            "format": "colour",
            "readOnly": True,
        }
        store = make(box=an_object({"colour": said}, title="Box"))
        assert fields(store, "box")["colour"] == Field(
            path="colour",
            label="Colour",
            help="Of the box.",
            choices=(Choice(value="r", label="Red"), Choice(value="g", label="g")),
            open_choices=True,
            max_length=9,
            default="r",
            example="g",
            format="colour",
            read_only=True,
            group="Box",
        )

    def test_number_has_its_limits(self, make: Make) -> None:
        store = make(rate=an_object({"x": {"type": "number", "minimum": 0, "maximum": 100}}))
        field = fields(store, "rate")["x"]
        assert (field.minimum, field.maximum) == (0, 100)

    def test_without_a_title_is_named_after_its_key(self, make: Make) -> None:
        store = make(thing=an_object({"vat_number": {"type": "string"}}))
        assert fields(store, "thing", "data")["data.vat_number"].label == "Vat number"

    def test_key_with_a_dot_stays_one_key(self, make: Make) -> None:
        store = make(thing=an_object({"a.b": TEXT}))
        assert list(fields(store, "thing", "data")) == [r"data.a\.b"]

    def test_marks_of_an_object_hold_for_all_in_it(self, make: Make) -> None:
        inner = an_object({"x": TEXT})
        store = make(
            thing=an_object({"r": {**inner, "readOnly": True}, "w": {**inner, "writeOnly": True}})
        )
        found = fields(store, "thing")
        assert found["r.x"].read_only
        assert not found["r.x"].write_only
        assert found["w.x"].write_only

    def test_answers_are_remembered(self, make: Make) -> None:
        store = make(thing=an_object({"x": TEXT}))
        ref = schema("shop/thing", "data")
        assert store.fields(ref) is store.fields(schema("shop/thing", "data"))
        assert store.fields(ref) is not store.fields(schema("shop/thing"))


class TestKinds:
    def test_what_lies_within_has_the_kind_until_it_says_otherwise(self, make: Make) -> None:
        line = an_object({"text": {**TEXT, "x-means": "name"}, "vat": an_object({"id": TEXT})})
        party = an_object({"name": TEXT})
        order = an_object(
            {
                "no": TEXT,
                "who": {"$ref": "party.json", "x-kind": "customer"},
                "rows": {"type": "array", "items": {**line, "x-kind": "line"}},
            },
            **{"x-kind": "document"},
        )
        purchase = {"$ref": "order.json", "properties": {"who": {"x-kind": "supplier"}}}
        store = make(
            order=order, party=party, purchase=purchase, any={"$ref": "order.json", "x-kind": ""}
        )
        told = store.told(schema("shop/order", "data"))
        kinds = {path: one.kind for path, one in told.items()}
        assert kinds == {
            "data": "document", "data.no": "document", "data.who": "customer",
            "data.who.name": "customer", "data.rows": "document", "data.rows.text": "line",
            "data.rows.vat": "line", "data.rows.vat.id": "line",
        }  # fmt: skip
        assert (told["data.rows.text"].means, told["data.no"].means) == ("name", None)
        assert store.told(schema("shop/purchase"))["who.name"].kind == "supplier"
        assert store.told(schema("shop/any"))["no"].kind == ""
        assert fields(store, "purchase") == fields(store, "order"), "the fields are the same"


class TestLists:
    def test_rows_keep_the_plain_path(self, make: Make) -> None:
        row = an_object({"name": TEXT, "vat": an_object({"id": {"type": "integer"}})})
        store = make(bill=an_object({"lines": {"title": "Lines", "type": "array", "items": row}}))
        found = fields(store, "bill", "data")
        assert list(found) == ["data.lines.name", "data.lines.vat.id"]
        assert all(field.list and field.array == "data.lines" for field in found.values())
        assert found["data.lines.name"].group == "Lines"

    def test_innermost_list_counts(self, make: Make) -> None:
        inner = {"type": "array", "items": an_object({"x": TEXT})}
        store = make(bill=an_object({"a": {"type": "array", "items": an_object({"b": inner})}}))
        assert fields(store, "bill")["a.b.x"].array == "a.b"

    def test_list_of_plain_values_is_one_leaf(self, make: Make) -> None:
        ids = {"title": "Ids", "type": "array", "items": {"type": "integer", "enum": [1, 2]}}
        field = fields(make(bill=an_object({"ids": ids}, required=["ids"])), "bill")["ids"]
        assert (field.label, field.type, field.list, field.array) == ("Ids", "integer", True, "ids")
        assert [choice.value for choice in field.choices] == [1, 2]
        assert field.required

    def test_list_of_nothing_said_is_one_leaf(self, make: Make) -> None:
        field = fields(make(bill=an_object({"x": {"type": ["array", "null"]}})), "bill")["x"]
        assert (field.type, field.array) == ("any", "x")


class TestRequired:
    def test_leaf_of_an_optional_object_is_not_required(self, make: Make) -> None:
        inner = an_object({"code": TEXT}, required=["code"])
        optional = fields(make(thing=an_object({"in": inner})), "thing")
        assert not optional["in.code"].required

    def test_leaf_of_a_required_object_is(self, make: Make) -> None:
        inner = an_object({"code": TEXT}, required=["code"])
        assert fields(make(thing=an_object({"in": inner}, required=["in"])), "thing")[
            "in.code"
        ].required

    def test_row_speaks_of_every_row_there_is(self, make: Make) -> None:
        row = an_object({"name": TEXT, "note": TEXT}, required=["name"])
        found = fields(make(bill=an_object({"lines": {"type": "array", "items": row}})), "bill")
        assert found["lines.name"].required
        assert not found["lines.note"].required

    def test_node_may_ask_for_more(self, make: Make) -> None:
        store = make(thing=an_object({"a": TEXT, "b": TEXT}))
        found = fields(store, "thing", "data", require=("data.b",))
        assert [path for path, field in found.items() if field.required] == ["data.b"]

    def test_node_cannot_ask_for_what_is_not_there(self, make: Make) -> None:
        store = make(thing=an_object({"name": TEXT}))
        with pytest.raises(SchemaError, match=r"'data\.name'") as caught:
            fields(store, "thing", "data", require=("data.nam",))
        assert caught.value.field == "data.nam"


class TestOutput:
    def test_has_what_only_answers_hold_and_not_what_is_only_sent(self, make: Make) -> None:
        store = make(
            thing=an_object(
                {"a": TEXT, "b": {**TEXT, "x-output-only": True}, "c": {**TEXT, "writeOnly": True}},
                required=["a"],
            )
        )
        assert list(fields(store, "thing")) == ["a", "c"]
        answered = fields(store, "thing", output=True)
        assert list(answered) == ["a", "b"]
        assert not answered["a"].required


class TestById:
    PARTY = an_object(
        {"id": {"type": "integer"}, "name": TEXT, "bank": {"$ref": "bank.json", "x-by-id": "id"}}
    )
    BANK = an_object({"id": {"type": "integer"}, "iban": TEXT})

    def test_siblings_of_the_id_are_described_by_it(self, make: Make) -> None:
        store = make(
            bank=self.BANK,
            party=self.PARTY,
            bill=an_object({"party": {"$ref": "party.json", "x-by-id": "id"}}),
        )
        found = {path: field.by_id for path, field in fields(store, "bill", "data").items()}
        assert found == {
            "data.party.id": None,
            "data.party.name": "data.party.id",
            "data.party.bank.id": "data.party.id",
            "data.party.bank.iban": "data.party.bank.id",
        }

    def test_record_itself_is_not_chosen(self, make: Make) -> None:
        store = make(bank={**self.BANK, "x-by-id": "id"})
        assert fields(store, "bank", "data")["data.iban"].by_id is None

    def test_must_name_a_property(self, make: Make) -> None:
        store = make(bill=an_object({"bank": {**self.BANK, "x-by-id": "code"}}))
        with pytest.raises(SchemaError, match=r"shop/bill\.json#/properties/bank: .*'code'"):
            fields(store, "bill")


class TestReferences:
    def test_siblings_win_over_what_they_point_at(self, make: Make) -> None:
        store = make(
            money={"title": "Money", "type": "number", "description": "In euro."},
            bill=an_object({"net": {"$ref": "money.json", "title": "Net", "readOnly": True}}),
        )
        field = fields(store, "bill")["net"]
        assert (field.label, field.help, field.read_only) == ("Net", "In euro.", True)

    def test_lead_to_other_folders_places_and_files(self, make: Make, tmp_path: Path) -> None:
        (tmp_path / "bank").mkdir()
        (tmp_path / "bank" / "account.json").write_text(
            json.dumps({"$defs": {"a/b": {"title": "IBAN", "type": "string"}}}), "utf-8"
        )
        store = make(
            bill=an_object(
                {
                    "iban": {"$ref": "../bank/account.json#/$defs/a~1b"},
                    "own": {"$ref": "#/$defs/o"},
                },
                **{"$defs": {"o": {"title": "Own", "type": "integer"}}},
            )
        )
        assert {path: field.label for path, field in fields(store, "bill").items()} == {
            "iban": "IBAN",
            "own": "Own",
        }

    def test_all_of_joins_properties(self, make: Make) -> None:
        store = make(
            base=an_object({"id": {"type": "integer"}}, required=["id"]),
            thing=an_object({"name": TEXT}, allOf=[{"$ref": "base.json"}]),
        )
        found = fields(store, "thing")
        assert list(found) == ["id", "name"]
        assert found["id"].required

    def test_siblings_refine_properties(self, make: Make) -> None:
        store = make(
            rate=an_object({"id": {"title": "Id"}, "value": {"title": "Rate", "readOnly": True}}),
            bill=an_object(
                {"vat": {"$ref": "rate.json", "properties": {"value": {"title": "VAT rate"}}}}
            ),
        )
        found = fields(store, "bill")
        assert list(found) == ["vat.id", "vat.value"]
        assert (found["vat.value"].label, found["vat.value"].read_only) == ("VAT rate", True)

    def test_twice_in_different_places_is_no_circle(self, make: Make) -> None:
        store = make(
            bank=an_object({"id": {"type": "integer"}}),
            bill=an_object({"from": {"$ref": "bank.json"}, "to": {"$ref": "bank.json"}}),
        )
        assert list(fields(store, "bill")) == ["from.id", "to.id"]

    @pytest.mark.parametrize(
        "files",
        [
            {"a": an_object({"x": {"$ref": "#"}})},
            {"a": {"$ref": "b.json"}, "b": {"$ref": "a.json"}},
            {"a": an_object({"x": {"$ref": "b.json"}}), "b": an_object({"y": {"$ref": "a.json"}})},
            {"a": an_object({"x": {"type": "array", "items": {"$ref": "a.json"}}})},
        ],
    )
    def test_circle_is_found(self, make: Make, files: dict[str, Any]) -> None:
        with pytest.raises(SchemaError, match="leads back to itself"):
            fields(make(**files), "a", "data")


class TestFaults:
    def test_unknown_schema_offers_the_nearest(self, make: Make) -> None:
        with pytest.raises(SchemaError, match=r"'shop/clinet'.*'shop/client'"):
            fields(make(client=an_object({"x": TEXT})), "clinet")

    def test_unknown_reference_names_the_place_and_the_nearest(self, make: Make) -> None:
        store = make(bank=an_object({}), bill=an_object({"to": {"$ref": "bnak.json"}}))
        with pytest.raises(SchemaError, match=r"shop/bill\.json#/properties/to: .*'shop/bank'"):
            fields(store, "bill")

    def test_reference_never_leaves_the_roots(self, make: Make, tmp_path: Path) -> None:
        outside = tmp_path.parent / "outside.json"
        outside.write_text("{}", "utf-8")
        store = make(bill=an_object({"to": {"$ref": "../../outside.json"}}))
        with pytest.raises(SchemaError, match="leads to no file"):
            fields(store, "bill")

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("{\n  'a'", "line 2 column 3"),
            ("[]", "one JSON object"),
            ({"$schema": "http://json-schema.org/draft-07/schema#"}, "2020-12"),
            ({"type": "object", "properties": []}, "#: properties must be an object"),
            (an_object({"x": "text"}), "#/properties/x: a schema must be an object"),
            (an_object({"x": {"$ref": "#/$defs/no"}}), "#/properties/x: .* no place"),
            (an_object({"x": {"$ref": 1}}), "#/properties/x: .*must be text"),
            (an_object({"x": {"title": 1}}), "#/properties/x: label"),
            ({"title": "Only text", "type": "string"}, "without a prefix"),
        ],
    )
    def test_names_file_and_place(self, make: Make, content: Any, says: str) -> None:
        with pytest.raises(SchemaError, match=rf"(?s)shop/bad\.json.*{says}"):
            fields(make(bad=content), "bad")

    def test_name_in_two_roots_is_refused(self, make: Make, tmp_path: Path) -> None:
        make(thing=an_object({}))
        with pytest.raises(SchemaError, match=r"shop/thing\.json exists twice"):
            SchemaStore([tmp_path, tmp_path])

    def test_missing_root_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(SchemaError, match="no schema folder"):
            SchemaStore([tmp_path / "nowhere"])


class TestRoots:
    def test_files_refer_across_them(self, make: Make, tmp_path: Path) -> None:
        other = tmp_path / "second" / "extra"
        other.mkdir(parents=True)
        (other / "bill.json").write_text(
            json.dumps(an_object({"to": {"$ref": "../shop/bank.json"}})), "utf-8"
        )
        (tmp_path / "first").mkdir()
        make(bank=an_object({"iban": TEXT}))
        (tmp_path / "shop").rename(tmp_path / "first" / "shop")
        store = SchemaStore([tmp_path / "first", tmp_path / "second"])
        assert store.names == ("extra/bill", "shop/bank")
        assert [one.path for one in store.fields(schema("extra/bill"))] == ["to.iban"]
        errors = store.validator("extra/bill").iter_errors
        assert list(errors({"to": {"iban": "x"}})) == []
        assert len(list(errors({"to": {"iban": 1}}))) == 1


class TestSample:
    def test_is_put_together_from_examples(self, make: Make) -> None:
        row = an_object({"qty": {"type": "integer", "examples": [2]}})
        store = make(
            bill=an_object(
                {
                    "id": {"type": "integer"},
                    "kind": {"enum": ["a", "b"], "type": "string"},
                    "note": TEXT,
                    "paid": {"type": ["boolean", "null"], "default": False},
                    "lines": {"type": "array", "items": row},
                    "whole": an_object({"x": TEXT}, examples=[{"x": "y"}]),
                    "token": {**TEXT, "writeOnly": True},
                    "seen": {**TEXT, "readOnly": True, "examples": ["today"]},
                }
            )
        )
        answered = {
            "id": 1,
            "kind": "a",
            "note": None,
            "paid": False,
            "lines": [{"qty": 2}],
            "whole": {"x": "y"},
            "seen": "today",
        }
        ref = schema("shop/bill")
        assert store.sample(ref) == answered
        sent = {key: value for key, value in answered.items() if key != "seen"} | {"token": None}
        assert store.sample(ref, output=False) == sent


class TestValidation:
    STORE = an_object(
        {
            "name": {"type": "string", "maxLength": 3},
            "kind": {"enum": ["a", None]},
            "open": {"enum": ["a"], "x-choices-open": True},
            "rate": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
            "day": {"type": "string", "format": "date"},
            "rows": {
                "type": "array",
                "items": an_object({"x": TEXT, "y": TEXT}, required=["x", "y"]),
            },
        }
    )

    @pytest.mark.parametrize(
        ("value", "field", "says"),
        [
            ({"name": 1}, "data.name", "must be text"),
            ({"name": "four"}, "data.name", "longer than 3"),
            ({"kind": "beta"}, "data.kind", "must be a"),
            ({"rate": Decimal("100.01")}, "data.rate", "at most 100"),
            ({"rate": -1}, "data.rate", "at least 0"),
            ({"day": "4 marzo"}, "data.day", "not a valid date"),
        ],
    )
    def test_issue_names_field_and_rule(
        self, make: Make, value: dict[str, Any], field: str, says: str
    ) -> None:
        (issue,) = make(thing=self.STORE).issues(schema("shop/thing", "data"), value)
        assert issue.field == field
        assert says in issue.message
        assert str(next(iter(value.values()))) not in issue.message

    def test_every_missing_key_is_named_once(self, make: Make) -> None:
        found = make(thing=self.STORE).issues(schema("shop/thing", "data"), {"rows": [{}]})
        assert [one.field for one in found] == ["data.rows.0.x", "data.rows.0.y"]

    @pytest.mark.parametrize(
        ("least", "given", "says", "remedy"),
        [
            (1, 0, "too few rows: at least 1", "Add at least one row to data.lines."),
            (2, 1, "too few rows: at least 2", "Add at least 2 rows to data.lines."),
            (1, 4, "too many rows: at most 3", "Leave at most 3 rows in data.lines."),
        ],
    )
    def test_a_list_with_too_few_or_too_many_rows_is_told_what_to_do(
        self, make: Make, least: int, given: int, says: str, remedy: str
    ) -> None:
        lines = {"type": "array", "items": TEXT, "minItems": least, "maxItems": 3}
        store = make(thing=an_object({"lines": lines}))
        (issue,) = store.issues(schema("shop/thing", "data"), {"lines": ["x"] * given})
        assert (issue.field, issue.remedy) == ("data.lines", remedy)
        assert says in issue.message

    def test_good_values_and_unknown_ones_pass(self, make: Make) -> None:
        good = {"name": "abc", "kind": None, "open": "new", "rate": Decimal("22.5"), "more": 1}
        assert make(thing=self.STORE).issues(schema("shop/thing"), good) == ()


def test_flattening_needs_no_validator(root: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from connector.fields import SchemaStore\n"
        "from connector.model import schema\n"
        "SchemaStore([Path('schemas')]).fields(schema('fatture_in_cloud/client', 'data'))\n"
        "print([name for name in ('jsonschema', 'referencing') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
