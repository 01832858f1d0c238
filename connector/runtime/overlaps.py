"""Two flows that make the same record of the same event, and nothing that tells it is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError, Issue
from connector.flow.checking import identified
from connector.flow.reading import parse_flow
from connector.model import Action

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.flow.model import Flow, Step
    from connector.store.rows import FlowRow


def overlaps(flow: Flow, rows: Sequence[FlowRow], catalog: Catalog) -> Iterator[Issue]:
    """A warning for each step whose record a stored flow, that is on, makes as well."""
    makes = [(at, step, _maker(step, catalog)) for at, step in enumerate(flow.steps)]
    if not any(node for _, _, node in makes):
        return
    others = [one for row in rows if row.enabled and row.key != flow.key for one in _read(row)]
    for other in others:
        if not _same_events(flow, other):
            continue
        for at, step, node in makes:
            twins = [one for one in other.steps if _alike(step, one) and _maker(one, catalog)]
            # Where both have conditions, these may keep them apart.
            if node and any(not (_held(flow, step) and _held(other, one)) for one in twins):
                keys = ", ".join(node.identity.natural_key)
                yield Issue(
                    message=f"The flow {other.key!r} makes a {node.noun.lower()} of the same event,"
                    " and nothing identifies it: there will be two.",
                    remedy=f"Map one of {keys} in both flows, or let one of them find it.",
                    where=f"steps.{at}.map",
                    severity="warning",
                )


def _maker(step: Step, catalog: Catalog) -> Action | None:
    """The node of a step that makes a record which nothing identifies."""
    node = catalog.nodes.get(step.node) if step.enabled else None
    return node if isinstance(node, Action) and not identified(node, step.map) else None


def _alike(one: Step, other: Step) -> bool:
    return (one.node, one.connection) == (other.node, other.connection)


def _held(flow: Flow, step: Step) -> bool:
    return bool(flow.when or step.when)


def _same_events(one: Flow, other: Flow) -> bool:
    mine, theirs = one.trigger, other.trigger
    if (mine.node, mine.connection) != (theirs.node, theirs.connection):
        return False
    # A setting that one of them leaves out may be anything.
    return all(
        _meet(mine.inputs[key], theirs.inputs[key]) for key in {*mine.inputs} & {*theirs.inputs}
    )


def _meet(one: Any, other: Any) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return bool(set(map(str, one)) & set(map(str, other)))
    return str(one) == str(other)


def _read(row: FlowRow) -> Iterator[Flow]:
    try:
        yield parse_flow(row.document)
    except ConnectorError:
        # It cannot run, so it makes nothing.
        return
