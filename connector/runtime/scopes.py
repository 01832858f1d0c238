"""Least privilege: the fewest scopes that a connection's flows need."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from connector import paths
from connector.derived import DerivedTrigger
from connector.errors import Issue
from connector.mapping import compile_mapping
from connector.model import App, Node, Trigger

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.flow import Flow
    from connector.store.rows import ConnectionRow


def needed_by(flow: Flow, connection: str, catalog: Catalog) -> tuple[str, ...]:
    """What a flow needs of one connection: its events, their records, and its steps."""
    scopes: list[str] = []
    if flow.trigger.connection == connection:
        trigger = catalog.trigger(flow.trigger.node)
        app = catalog.app(trigger.app)
        scopes += trigger.scopes
        if app.event_scopes is not None:
            scopes += app.event_scopes(events_of(flow, trigger))
    for step in flow.steps:
        if step.connection == connection and step.enabled:
            node = catalog.operation(step.node)
            scopes += narrowed(node, step.map)
            # Names must be looked up: the lists they are in have scopes of their own.
            lists = catalog.app(node.app).choices
            for name in compile_mapping(node, step.map, catalog=catalog).names:
                scopes += lists[name.choices_from].scopes
    return fewest(scopes)


def narrowed(node: Node, given: Mapping[str, Any]) -> list[str]:
    """The scopes of a node, without those that only other values of a fixed input would need."""
    by = node.scopes_by
    value = None if by is None else given.get(by.input, paths.get(given, by.input))
    if by is None or not isinstance(value, str) or value not in by.of:
        return list(node.scopes)
    others = set(by.of.values()) - {by.of[value]}
    return [scope for scope in node.scopes if scope not in others]


def reading(app: App, catalog: Catalog) -> tuple[str, ...]:
    """What is asked for before there is a flow: to read, and nothing else."""
    scopes: list[str] = []
    for node in catalog.searches.values():
        if node.app == app.key:
            # A preview may need the right to write: that waits for the flow that uses it.
            scopes += [scope for scope in node.scopes if not scope.endswith(":a")]
    if app.event_scopes is not None:
        scopes += app.event_scopes(tuple(f"{one}.update" for one in app.readers))
    return fewest(scopes)


def events_of(flow: Flow, trigger: Trigger) -> tuple[str, ...]:
    """The events that a flow follows, as `resource.operation`."""
    if isinstance(trigger, DerivedTrigger):
        resources, kinds = trigger.events(flow.trigger.inputs)
        return tuple(f"{one}.{two}" for one in resources for two in kinds)
    given = flow.trigger.inputs.get("event_types", ())
    operations = (given,) if isinstance(given, str) else tuple(str(one) for one in given)
    return tuple(f"{flow.trigger.inputs.get('resource', '')}.{one}" for one in operations)


def fewest(scopes: Iterable[str]) -> tuple[str, ...]:
    """Each once, sorted, without those that a wider one covers (`:a` covers `:r`)."""
    every = set(scopes)
    return tuple(sorted(one for one in every if not covered(one, every - {one})))


def covered(scope: str, granted: Iterable[str]) -> bool:
    """Whether what was granted includes this scope."""
    family, _, level = scope.rpartition(":")
    held = set(granted)
    return scope in held or (level == "r" and f"{family}:a" in held)


def not_granted(flow: Flow, rows: Iterable[ConnectionRow], catalog: Catalog) -> list[Issue]:
    """Warnings for connections whose owner agreed to less than the flow needs."""
    issues = []
    for row in rows:
        granted = row.settings.get("scopes")
        if not isinstance(granted, list):
            continue
        missing = [
            scope for scope in needed_by(flow, row.name, catalog) if not covered(scope, granted)
        ]
        if missing:
            again = f"`connector connect {row.app} --name {row.name}`"
            issues.append(
                Issue(
                    message=f"The connection {row.name!r} was not granted {', '.join(missing)}.",
                    remedy=f"Ask its owner again: under Connections, or by {again}.",
                    severity="warning",
                    who="connection_owner",
                )
            )
    return issues
