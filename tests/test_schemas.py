"""The schema files of the bundle: well formed, in our words, true to what the apps say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connector.apps.fatture_in_cloud.resources import GROUPS, RESOURCES, SELF_INVOICES
from connector.catalog import Catalog
from connector.fields.files import DIALECT
from connector.model import Field, schema

ROOT = Path(__file__).parents[1] / "schemas"
FILES = sorted(ROOT.rglob("*.json"))


def no_float(text: str) -> Any:
    raise AssertionError(f"{text}: write it as a whole number or as text, never as a float")


def places(value: Any, pointer: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every schema object below a schema, with its pointer."""
    yield pointer, value
    for key, inner in value.get("properties", {}).items():
        yield from places(inner, f"{pointer}/properties/{key}")
    if "items" in value:
        yield from places(value["items"], f"{pointer}/items")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
class TestEveryFile:
    def read(self, path: Path) -> Any:
        return json.loads(path.read_text("utf-8"), parse_float=no_float)

    def test_is_a_schema_of_2020_12_with_a_title(self, path: Path) -> None:
        found = self.read(path)
        Draft202012Validator.check_schema(found)
        assert found["$schema"] == DIALECT
        assert found["title"]

    def test_choices_and_their_words_agree(self, path: Path) -> None:
        for pointer, place in places(self.read(path)):
            choices = place.get("enum", [])
            assert set(place.get("x-labels", {})) <= set(choices), pointer
            assert ("null" in place.get("type", ())) == (None in choices) or not choices, pointer

    def test_examples_fit(self, catalog: Catalog, path: Path) -> None:
        name = path.relative_to(ROOT).with_suffix("").as_posix()
        ref = schema(name, "data")
        assert catalog.schemas.issues(ref, catalog.schemas.sample(ref)) == ()
        assert catalog.schemas.issues(ref, catalog.schemas.sample(ref, output=False)) == ()

    def test_is_used(self, catalog: Catalog, path: Path) -> None:
        nodes = catalog.nodes.values()
        refs = [one for node in nodes for one in (*node.inputs, node.output) if one is not None]
        refs += [ref for node in catalog.triggers.values() for ref in node.outputs.values()]
        used = {ref.schema_name for ref in refs if not isinstance(ref, Field)}
        waiting = list(used)
        while waiting:
            name = waiting.pop()
            for _, place in places(catalog.schemas.schema(name)):
                if "$ref" in place:
                    target = f"{name.rpartition('/')[0]}/{place['$ref'].removesuffix('.json')}"
                    waiting += [target] if target not in used else []
                    used.add(target)
        assert path.relative_to(ROOT).with_suffix("").as_posix() in used


def every_field(catalog: Catalog) -> Iterator[Field]:
    for node in catalog.nodes.values():
        yield from catalog.fields(node)
        yield from catalog.output_fields(node)
    for trigger in catalog.triggers.values():
        for resource in trigger.outputs:
            yield from catalog.output_fields(trigger, resource)


class TestWords:
    def test_labels_are_short_titles(self, catalog: Catalog) -> None:
        bad = {
            field.label
            for field in every_field(catalog)
            if not field.label or field.label.endswith(".") or "[" in field.label
        }
        assert bad == set()

    def test_help_is_a_sentence_that_adds_something(self, catalog: Catalog) -> None:
        fields = [field for field in every_field(catalog) if field.help]
        assert [field.path for field in fields if not field.help.endswith((".", ")"))] == []
        assert [field.path for field in fields if field.help.rstrip(".") == field.label] == []

    def test_every_choice_has_words(self, catalog: Catalog) -> None:
        for field in every_field(catalog):
            assert all(choice.label for choice in field.choices), field.path


class TestTruth:
    def trigger_choice(self, catalog: Catalog, path: str) -> list[Any]:
        node = catalog.trigger("fatture_in_cloud.enriched_event")
        found = next(field for field in catalog.fields(node) if field.path == path)
        assert all(choice.label != choice.value for choice in found.choices)
        return [choice.value for choice in found.choices]

    def test_trigger_offers_the_23_resources_and_their_operations(self, catalog: Catalog) -> None:
        resources = self.trigger_choice(catalog, "resource")
        assert len(resources) == 23
        assert set(resources) == {*RESOURCES, *GROUPS} - {SELF_INVOICES}
        operations = {one for resource in RESOURCES.values() for one in resource.operations}
        assert set(self.trigger_choice(catalog, "event_types")) == operations

    def test_enriched_event_knows_every_record_it_may_give(self, catalog: Catalog) -> None:
        node = catalog.trigger("fatture_in_cloud.enriched_event")
        assert set(node.outputs) == set(self.trigger_choice(catalog, "resource"))
        assert all(
            resource in {*node.outputs, *GROUPS} for resource in catalog.app(node.app).readers
        )

    def test_both_triggers_ask_the_same(self, catalog: Catalog) -> None:
        names = ("enriched_event", "raw_event")
        asked = [catalog.fields(catalog.node(f"fatture_in_cloud.{one}")) for one in names]
        assert asked[0] == asked[1]
        assert [field.path for field in asked[0]] == ["company_id", "resource", "event_types"]
        assert all(field.required for field in asked[0])
        assert asked[0][2].list

    def test_customer_has_the_columns_and_limits_of_the_crm(self, catalog: Catalog) -> None:
        limits = {
            "company": 191, "vat": 50, "phonenumber": 30, "website": 150, "default_language": 40,
            "address": 191, "city": 100, "state": 50, "zip": 15, "billing_street": 200,
            "billing_city": 100, "billing_state": 100, "billing_zip": 100, "shipping_street": 200,
            "shipping_city": 100, "shipping_state": 100, "shipping_zip": 100,
        }  # fmt: skip
        node = catalog.node("perfex_crm.create_customer")
        fields = {field.path.removeprefix("data."): field for field in catalog.fields(node)}
        found = {path: field.max_length for path, field in fields.items() if field.max_length}
        assert found == limits
        whole = [path for path, field in fields.items() if field.type == "integer"]
        assert {"country", "billing_country", "shipping_country", "default_currency"} <= set(whole)
        assert (fields["groups_in"].list, fields["groups_in"].type) == (True, "integer")
        assert fields["custom_fields.customers"].type == "object"
        assert [path for path, field in fields.items() if field.required] == ["company"]

    def test_customer_may_be_changed_without_its_name(self, catalog: Catalog) -> None:
        node = catalog.node("perfex_crm.update_customer")
        assert [one.path for one in catalog.fields(node) if one.required] == ["customer_id"]

    def test_legal_documents_are_never_sent_again_by_a_machine(self, catalog: Catalog) -> None:
        identity = catalog.actions["fatture_in_cloud.create_issued_document"].identity
        assert identity.when_unsure == "park"
        assert identity.marker == identity.by["subject"] == "data.subject"
