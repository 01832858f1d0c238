"""The catalogue: lookups that help, fields and samples of every node, faults found at load."""

from __future__ import annotations

from typing import Any

import pytest

from connector.catalog import Catalog, load_catalog
from connector.errors import BundleError, SchemaError
from connector.model import Action, Field, Identity, Request, SchemaRef, Trigger, schema
from connector.plugins import build_plugins, hookimpl
from tests.loaded import the_catalog

EVENTS = "fatture_in_cloud.enriched_event"


class TestLookup:
    def test_unknown_node_offers_the_nearest(self, catalog: Catalog) -> None:
        with pytest.raises(BundleError) as caught:
            catalog.node("fatture_in_cloud.create_cliente")
        assert "'fatture_in_cloud.create_client'" in caught.value.remedy
        assert caught.value.who == "user"

    def test_node_of_another_app_is_found_by_its_key(self, catalog: Catalog) -> None:
        with pytest.raises(BundleError, match=r"'perfex_crm\.find_customer'"):
            catalog.node("perfex.find_customer")

    def test_unknown_app_lists_the_known(self, catalog: Catalog) -> None:
        with pytest.raises(BundleError, match="'fatture_in_cloud', 'perfex_crm'"):
            catalog.app("sdi")

    def test_trigger_is_no_step_and_the_reverse(self, catalog: Catalog) -> None:
        with pytest.raises(BundleError, match="is a trigger"):
            catalog.operation(EVENTS)
        with pytest.raises(BundleError, match="starts no flow"):
            catalog.trigger("perfex_crm.create_customer")
        assert catalog.trigger(EVENTS).enrich
        assert catalog.operation("perfex_crm.find_customer").kind == "search"

    def test_collections_are_sorted_and_only_read(self, catalog: Catalog) -> None:
        assert list(catalog.nodes) == sorted(catalog.nodes)
        assert {*catalog.actions, *catalog.searches, *catalog.triggers} == set(catalog.nodes)
        with pytest.raises(TypeError):
            catalog.nodes["x.y"] = catalog.node(EVENTS)  # type: ignore[index]
        with pytest.raises(TypeError):
            catalog.filters["x"] = str  # type: ignore[index]


class TestFields:
    def test_are_flattened_once(self, catalog: Catalog) -> None:
        node = catalog.node("fatture_in_cloud.create_issued_document")
        assert catalog.fields(node) is catalog.fields(node)

    def test_of_a_node_that_is_not_in_it(self, catalog: Catalog) -> None:
        mine = an_action(inputs=(Field(path="x", label="X"), schema("perfex_crm/customer", "data")))
        paths = [field.path for field in catalog.fields(mine)]
        assert paths[:3] == ["x", "data.userid", "data.company"]

    def test_input_twice_is_refused(self, catalog: Catalog) -> None:
        twice = an_action(inputs=(Field(path="x", label="X"), Field(path="x", label="Y")))
        with pytest.raises(BundleError, match="'x' twice"):
            catalog.fields(twice)

    @pytest.mark.parametrize("resource", ["entities.clients", "taxes", "received_documents"])
    def test_trigger_gives_the_fields_of_its_record(self, catalog: Catalog, resource: str) -> None:
        node = catalog.trigger(EVENTS)
        paths = [field.path for field in catalog.output_fields(node, resource)]
        assert {"event.operation", "id", "enrichment", "resource.id"} <= set(paths)
        assert "resource" not in paths
        record = catalog.schemas.fields(node.outputs[resource], output=True)
        told = [path.removeprefix("resource.") for path in paths if path.startswith("resource.")]
        assert told == [field.path for field in record]

    def test_trigger_without_a_kind_gives_the_record_whole(self, catalog: Catalog) -> None:
        paths = [field.path for field in catalog.output_fields(catalog.node(EVENTS))]
        assert "resource" in paths
        assert not any(path.startswith("resource.") for path in paths)

    def test_unknown_kind_offers_the_nearest(self, catalog: Catalog) -> None:
        with pytest.raises(BundleError, match=r"'entities\.clients'"):
            catalog.output_fields(catalog.node(EVENTS), "entities.client")


class TestSamples:
    @pytest.mark.parametrize("name", list(the_catalog().nodes))
    def test_are_complete_and_fit_their_schema(self, catalog: Catalog, name: str) -> None:
        node = catalog.node(name)
        assert node.output is not None
        assert catalog.schemas.issues(node.output, node.sample) == ()
        missing = [
            field.path
            for field in catalog.output_fields(node)
            if not holds(node.sample, field.path.split("."))
        ]
        assert missing == []

    def test_of_every_kind_of_record(self, catalog: Catalog) -> None:
        node = catalog.trigger(EVENTS)
        for resource, ref in node.outputs.items():
            sample = catalog.sample(node, resource)
            assert sample["event"]["resource"] == resource
            assert f".webhooks.{resource}." in sample["event"]["type"]
            assert sample["id"] == sample["resource"]["id"]
            assert catalog.schemas.issues(ref, sample["resource"]) == ()

    def test_are_json(self, catalog: Catalog) -> None:
        for node in catalog.nodes.values():
            assert type(node).model_validate_json(node.model_dump_json()).sample == node.sample


def holds(value: Any, path: list[str]) -> bool:
    """Whether every row of a sample has a key at this path (an empty list or object holds all)."""
    if not path or value is None:
        return True
    if isinstance(value, list):
        return all(holds(row, path) for row in value)
    return path[0] in value and holds(value[path[0]], path[1:])


def an_action(**more: Any) -> Action:
    given: dict[str, Any] = {
        "request": Request(method="POST", path="/customers", root="data"),
        "inputs": (schema("perfex_crm/customer", "data"),),
        **more,
    }
    return Action(
        app="perfex_crm", key="mine", noun="Mine", label="Mine", description="Mine.", **given
    )


class Adds:
    """A plugin that registers one node."""

    def __init__(self, node: Action | Trigger) -> None:
        self.node = node

    @hookimpl
    def register_nodes(self, register: Any) -> None:
        register(self.node)


class TestChecks:
    @pytest.mark.parametrize(
        ("more", "field", "says"),
        [
            ({"request": None}, "request", "needs a request"),
            ({"request": Request(method="POST", path="/x", root="date")}, "request", "'data'"),
            (
                {"request": Request(method="POST", path="/x", wrap=("data", "options"))},
                "request",
                "'options'",
            ),
            (
                {"request": Request(method="GET", path="/c/{customer_id}")},
                "request",
                "{customer_id}",
            ),
            (
                {"request": Request(method="GET", path="/c", query={"q": "{data.compani}"})},
                "request",
                "'data.company'",
            ),
            ({"identity": Identity(marker="data.subject")}, "identity", "'data.subject'"),
            ({"identity": Identity(natural_key=("data.vta",))}, "identity", "'data.vat'"),
            ({"identity": Identity(find="find_costumer")}, "identity.find", "'find_customer'"),
            (
                {"identity": Identity(find="find_customer", by={"vta": "data.vat"})},
                "identity.by",
                "'vta'",
            ),
        ],
    )
    def test_name_that_leads_nowhere_is_found_at_load(
        self, more: dict[str, Any], field: str, says: str
    ) -> None:
        plugins = build_plugins([Adds(an_action(**more))], entry_points=False)
        with pytest.raises(BundleError, match=r"perfex_crm\.mine is not valid") as caught:
            load_catalog(plugins)
        (issue,) = caught.value.issues
        assert issue.field == field
        assert says in str(issue)

    @pytest.mark.parametrize(
        "node",
        [
            an_action(inputs=(SchemaRef(schema_name="perfex_crm/custmer", prefix="data"),)),
            an_action(output=SchemaRef(schema_name="perfex_crm/custmer")),
            Trigger(
                app="perfex_crm",
                key="mine",
                noun="Mine",
                label="Mine",
                description="Mine.",
                output=schema("fatture_in_cloud/event"),
                sample={},
                outputs={"x": SchemaRef(schema_name="perfex_crm/custmer")},
            ),
        ],
    )
    def test_schema_that_is_not_there_is_found_at_load(self, node: Action | Trigger) -> None:
        with pytest.raises(SchemaError, match="'perfex_crm/customer'"):
            load_catalog(build_plugins([Adds(node)], entry_points=False))
