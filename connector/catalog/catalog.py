"""The catalogue: every app, node, schema and filter there is, as one object that is only read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from connector.bundle import Bundle, read_bundle
from connector.catalog.checks import check_node
from connector.derived import DerivedTrigger
from connector.errors import BundleError
from connector.expressions.limits import ORDINARY, Allowance
from connector.fields import SchemaStore
from connector.model import Action, AnyNode, App, Field, SchemaRef, Search, Trigger
from connector.paths import did_you_mean
from connector.plugins import Plugins, build_plugins

if TYPE_CHECKING:
    from connector.expressions import Filter

_Node = TypeVar("_Node", Action, Search, Trigger)

RESOURCE = "resource"
"""The key of a trigger's output under which the record lies."""


class Catalog:
    """What all faces and the engine use; build it with `load_catalog`."""

    def __init__(
        self,
        apps: Mapping[str, App],
        nodes: Mapping[str, AnyNode],
        schemas: SchemaStore,
        filters: Mapping[str, Filter],
        allowance: Allowance = ORDINARY,
    ) -> None:
        self._apps = {key: apps[key] for key in sorted(apps)}
        self._nodes = {name: _with_sample(nodes[name], schemas) for name in sorted(nodes)}
        self._inputs: dict[str, tuple[Field, ...]] = {}
        self.schemas = schemas
        self.filters: Mapping[str, Filter] = MappingProxyType(dict(sorted(filters.items())))
        self.allowance = allowance
        """What each mapping that is compiled with it may use."""

    @property
    def apps(self) -> Mapping[str, App]:
        """Every app by key, sorted."""
        return MappingProxyType(self._apps)

    def with_app(self, app: App) -> Catalog:
        """The same catalogue with this app in the place of the one of its key."""
        apps = {**self._apps, app.key: app}
        return Catalog(apps, self._nodes, self.schemas, self.filters, self.allowance)

    def with_allowance(self, allowance: Allowance) -> Catalog:
        """The same catalogue for mappings that may use more, or less."""
        return Catalog(self._apps, self._nodes, self.schemas, self.filters, allowance)

    @property
    def nodes(self) -> Mapping[str, AnyNode]:
        """Every node by full name, sorted."""
        return MappingProxyType(self._nodes)

    @cached_property
    def actions(self) -> Mapping[str, Action]:
        """The nodes that write."""
        return _of(Action, self._nodes)

    @cached_property
    def searches(self) -> Mapping[str, Search]:
        """The nodes that read."""
        return _of(Search, self._nodes)

    @cached_property
    def triggers(self) -> Mapping[str, Trigger]:
        """The nodes that start flows."""
        return _of(Trigger, self._nodes)

    def app(self, key: str) -> App:
        """An app by key. Raises BundleError with the nearest keys."""
        if key not in self._apps:
            raise BundleError(
                f"There is no app {key!r}.", remedy=did_you_mean(key, self._apps), who="user"
            )
        return self._apps[key]

    def node(self, name: str) -> AnyNode:
        """A node by its full name, `app.key`. Raises BundleError with the nearest names."""
        if name not in self._nodes:
            raise BundleError(
                f"There is no node {name!r}.", remedy=did_you_mean(name, self._nodes), who="user"
            )
        return self._nodes[name]

    def operation(self, name: str) -> Action | Search:
        """A node that a step can run. Raises BundleError for a trigger or an unknown name."""
        node = self.node(name)
        if isinstance(node, Trigger):
            raise BundleError(
                f"{name!r} is a trigger: it starts a flow and is no step.",
                remedy=did_you_mean(name, [*self.actions, *self.searches]),
                who="user",
            )
        return node

    def trigger(self, name: str) -> Trigger:
        """A node that starts a flow. Raises BundleError for any other."""
        node = self.node(name)
        if not isinstance(node, Trigger):
            raise BundleError(
                f"{name!r} is a step and starts no flow.",
                remedy=did_you_mean(name, self.triggers),
                who="user",
            )
        return node

    def fields(self, node: AnyNode) -> tuple[Field, ...]:
        """A node's inputs in order, literal fields and those of its schemas."""
        if self._nodes.get(node.name) is not node:
            return input_fields(node, self.schemas)
        if node.name not in self._inputs:
            self._inputs[node.name] = input_fields(node, self.schemas)
        return self._inputs[node.name]

    def output_fields(self, node: AnyNode, resource: str | None = None) -> tuple[Field, ...]:
        """What a node gives; for a trigger, with the record's own fields when its kind is named."""
        if node.output is None:
            return ()
        fields = self.schemas.fields(node.output, output=True)
        resource = resource or _only_resource(node)
        if not isinstance(node, Trigger) or resource is None:
            return fields
        ref = _resource_schema(node, resource)
        if ref is None:
            return fields
        record = self.schemas.fields(ref.model_copy(update={"prefix": RESOURCE}), output=True)
        at = next(i for i, field in enumerate(fields) if field.path == RESOURCE)
        return (*fields[:at], *record, *fields[at + 1 :])

    def sample(self, node: AnyNode, resource: str | None = None) -> Any:
        """A node's made-up output; for a trigger, with a record of the named kind."""
        resource = resource or _only_resource(node)
        if not isinstance(node, Trigger) or resource is None or not node.sample:
            return node.sample
        ref = _resource_schema(node, resource)
        return node.sample if ref is None else _about(node.sample, resource, ref, self.schemas)


def load_catalog(plugins: Plugins | None = None) -> Catalog:
    """Gather all that the plugins register, and check every node once. Raises BundleError."""
    plugins = plugins or build_plugins()
    bundles = [read_bundle(folder) for folder in plugins.bundles()]
    apps = _apps(plugins, bundles)
    nodes = dict(plugins.nodes())
    for bundle in bundles:
        for node in bundle.nodes():
            if node.name in nodes:
                raise BundleError(
                    f"The node {node.name} of the bundle {bundle.manifest.name} exists already.",
                    remedy="Rename one of them.",
                )
            nodes[node.name] = node
    roots = [bundle.schemas for bundle in bundles if bundle.schemas is not None]
    schemas = SchemaStore([*roots, *plugins.schemas()])
    for node in nodes.values():
        if node.app not in apps:
            raise BundleError(
                f"The node {node.name} is of an unknown app.", remedy=did_you_mean(node.app, apps)
            )
    catalog = Catalog(apps, nodes, schemas, plugins.filters())
    for node in catalog.nodes.values():
        check_node(node, catalog)
    return catalog


def input_fields(node: AnyNode, schemas: SchemaStore) -> tuple[Field, ...]:
    """A node's inputs, flattened. Raises BundleError when two have one path."""
    fields: dict[str, Field] = {}
    for given in node.inputs:
        for field in schemas.fields(given) if isinstance(given, SchemaRef) else (given,):
            if field.path in fields:
                raise BundleError(f"The node {node.name} has the input {field.path!r} twice.")
            fields[field.path] = field
    return tuple(fields.values())


def _apps(plugins: Plugins, bundles: list[Bundle]) -> dict[str, App]:
    apps = dict(plugins.apps())
    for bundle in bundles:
        for entry in bundle.manifest.apps:
            if entry.key not in apps:
                apps[entry.key] = bundle.app(entry)
            bundle.check_app(entry, apps[entry.key])
    return apps


def _with_sample(node: AnyNode, schemas: SchemaStore) -> AnyNode:
    """A node that brings no sample gets one from the examples in its schema."""
    if node.sample is not None or node.output is None:
        return node
    sample = schemas.sample(node.output)
    if isinstance(node, Trigger) and node.outputs:
        resource, ref = next(iter(node.outputs.items()))
        sample = _about(sample, resource, ref, schemas)
    if isinstance(node, DerivedTrigger):
        operation = node.derive.operations[-1]
        head = str(sample["event"]["type"]).rpartition(".")[0]
        event = {**sample["event"], "operation": operation, "type": f"{head}.{operation}"}
        sample = {**sample, "event": event}
    return node.model_copy(update={"sample": sample})


def _about(sample: Any, resource: str, ref: SchemaRef, schemas: SchemaStore) -> Any:
    """A trigger's sample told of another resource."""
    record = schemas.sample(ref)
    event = dict(sample["event"])
    event["type"] = str(event["type"]).replace(str(event["resource"]), resource)
    event["resource"] = resource
    return {**sample, "event": event, "id": record.get("id"), RESOURCE: record}


def _of(kind: type[_Node], nodes: Mapping[str, AnyNode]) -> Mapping[str, _Node]:
    return MappingProxyType({name: one for name, one in nodes.items() if isinstance(one, kind)})


def _only_resource(node: AnyNode) -> str | None:
    """What a derived trigger is about when there is no choice."""
    return next(iter(node.outputs)) if isinstance(node, DerivedTrigger) and node.outputs else None


def _resource_schema(node: Trigger, resource: str) -> SchemaRef | None:
    if node.outputs and resource not in node.outputs:
        raise BundleError(
            f"{node.name} knows no resource {resource!r}.",
            remedy=did_you_mean(resource, node.outputs),
            who="user",
        )
    return node.outputs.get(resource)
