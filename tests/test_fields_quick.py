"""connector.fields.quick: its yes is never wrong, and what our own nodes send gets one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st
from jsonschema import Draft202012Validator

from connector.catalog import Catalog
from connector.fields import SchemaStore
from connector.fields.quick import QuickChecks
from connector.model import SchemaRef, schema

CHECKER = Draft202012Validator.FORMAT_CHECKER
KEYS = ("a", "b", "c")
TYPES = ("null", "boolean", "integer", "number", "string", "object", "array")

numbers = st.integers(-3, 3) | st.sampled_from([0.5, 2.0, float("nan"), float("inf")])
numbers |= st.sampled_from([Decimal("1.50"), Decimal(2), Decimal("NaN"), Decimal("Infinity")])
texts = st.sampled_from(["", "a", "bb", "ccc", "2026-03-04", "2026-13-04", "x@y.example"])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.just((1, 2)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)


def words(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas of every word that is read, some that say nothing, and one that is not known."""
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(TYPES)
            | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
            "enum": st.lists(
                st.none() | st.booleans() | st.integers(0, 2) | texts, min_size=1, max_size=4
            ),
            "properties": st.dictionaries(st.sampled_from(KEYS), inner, max_size=3),
            "required": st.lists(st.sampled_from(KEYS), max_size=2, unique=True),
            "additionalProperties": st.booleans() | inner,
            "items": inner | st.booleans(),
            "minItems": st.integers(0, 2),
            "maxItems": st.integers(0, 2),
            "minLength": st.integers(0, 2),
            "maxLength": st.integers(0, 2),
            "format": st.sampled_from(["date", "email", "no-such-format"]),
            "minimum": st.integers(-2, 2),
            "maximum": st.integers(-2, 2),
            "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two", "#"]),
            "title": texts,
            "x-labels": st.just({}),
            "not": st.just({"type": "null"}),
        },
    )


schemas = st.recursive(words(st.just({})), words, max_leaves=5)


@settings(max_examples=600, deadline=None)
@given(top=schemas, one=schemas, value=values)
def test_a_yes_is_never_wrong(top: dict[str, Any], one: dict[str, Any], value: Any) -> None:
    document = {**top, "$defs": {"one": one, "two": {"type": ["string", "null"]}}}
    if QuickChecks({"doc": document}, CHECKER.conforms).check("doc")(value):
        assert list(Draft202012Validator(document, format_checker=CHECKER).iter_errors(value)) == []


def quick(document: Mapping[str, Any], value: Any) -> bool:
    return QuickChecks({"doc": document}, CHECKER.conforms).check("doc")(value)


OBJECT = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"], "maxLength": 3},
        "kind": {"type": ["string", "null"], "enum": ["a", "b", None]},
        "price": {"type": "number", "minimum": 0},
        "day": {"type": "string", "format": "date"},
        "rows": {"type": "array", "items": {"type": "integer"}, "maxItems": 2},
    },
    "required": ["name"],
}


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"kind": "a", "price": Decimal("1.50"), "day": "2026-03-04", "rows": [1, 2]}, True),
        ({"name": None, "kind": None, "unknown": object()}, True),
        ({"name": "long"}, False),
        ({"kind": "c"}, False),
        ({"price": Decimal("-0.01")}, False),
        ({"price": True}, False),
        ({"price": Decimal("NaN")}, False),
        ({"day": "2026-02-30"}, False),
        ({"rows": [1, "2"]}, False),
        ({"rows": [1, 2, 3]}, False),
        ({"rows": (1, 2)}, False),
    ],
)
def test_each_word_is_read(change: dict[str, Any], fits: bool) -> None:
    assert quick(OBJECT, {"name": "abc", **change}) is fits


def test_a_missing_required_key_gets_no_yes() -> None:
    assert not quick(OBJECT, {"kind": "a"})


def test_an_unknown_word_gets_no_yes_whatever_the_value() -> None:
    assert quick({"type": "string"}, "a")
    assert not quick({"type": "string", "pattern": "a"}, "a")


def test_references_are_followed_between_files_and_keep_their_siblings() -> None:
    files = {
        "app/order": {"properties": {"lines": {"items": {"$ref": "parts.json#/$defs/line"}}}},
        "app/parts": {"$defs": {"line": {"type": "object", "required": ["qty"]}}},
    }
    check = QuickChecks(files, CHECKER.conforms).check("app/order")
    assert check({"lines": [{"qty": 1}]})
    assert not check({"lines": [{}]})
    both = {"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a", "maxLength": 1}
    assert quick(both, "x")
    assert not quick(both, "xy")
    assert not quick(both, 1)


def test_a_reference_that_leads_nowhere_or_in_circles_gets_no_yes() -> None:
    assert not quick({"$ref": "gone.json"}, {})
    assert not quick({"$ref": "#/$defs/gone"}, {})
    assert not quick({"$ref": 7}, {})
    circle = {"properties": {"inner": {"$ref": "#"}}}
    assert quick(circle, {})
    assert not quick(circle, {"inner": {}})


def test_our_schemas_use_no_word_that_is_never_quick(catalog: Catalog) -> None:
    store = catalog.schemas
    checks = store._build_quick()
    slow = [
        (name, key)
        for name in store.names
        for key, value in (store.sample(schema(name)) or {}).items()
        if not checks.check(name)({key: value}) and not store.issues(schema(name), {key: value})
    ]
    assert slow == []


def test_faults_are_told_as_before(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "thing.json").write_text(json.dumps(OBJECT), "utf-8")
    store = SchemaStore([tmp_path])
    ref: SchemaRef = schema("app/thing", "data")
    assert store.issues(ref, {"name": "abc"}) == ()
    found = store.issues(ref, {"price": -1, "day": "x"})
    assert {(one.field, one.message) for one in found} == {
        ("data.name", "is missing."),
        ("data.price", "must be at least 0."),
        ("data.day", "is not a valid date."),
    }
