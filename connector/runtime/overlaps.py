"""Two flows that make the same record, and nothing that tells it is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from connector.errors import ConnectorError, Issue
from connector.flow.checking import mapped
from connector.flow.reading import parse_flow
from connector.model import Action, Trigger

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
        same_events = _same_events(flow, other)
        if not same_events and not _same_records(flow, other, catalog):
            continue
        for at, step, node in makes:
            twins = [one for one in other.steps if node and one.enabled and _alike(node, step, one)]
            # Where both have conditions, these may keep them apart.
            twins = [one for one in twins if not (_held(flow, step) and _held(other, one))]
            if node and any(_same_key(step, one) for one in twins):
                yield _kept_apart(other.key, node, at)
            elif node and twins and same_events:
                yield _unidentified(other.key, node, at)


def _unidentified(other: str, node: Action, at: int) -> Issue:
    keys = ", ".join(_joining(node))
    remedy = (
        f"Map one of {keys} in both flows, or let one of them find it."
        if keys
        else "Switch one of them off, or give both a condition that keeps them apart."
    )
    return Issue(
        message=f"The flow {other!r} makes this record ({node.noun.lower()}) of the"
        " same event, and nothing identifies it: there will be two.",
        remedy=remedy,
        where=f"steps.{at}.map",
        severity="warning",
    )


def _kept_apart(other: str, node: Action, at: int) -> Issue:
    return Issue(
        message=f"The flow {other!r} makes this record ({node.noun.lower()}) with the same"
        " business_key, which counts within one flow only: there may be two.",
        remedy="Switch one of them off, or give both a condition that keeps them apart.",
        where=f"steps.{at}.business_key",
        severity="warning",
    )


def _same_key(one: Step, other: Step) -> bool:
    return one.business_key is not None and one.business_key == other.business_key


def _maker(step: Step, catalog: Catalog) -> Action | None:
    """The node of a step that makes a new record."""
    node = catalog.nodes.get(step.node) if step.enabled else None
    if not isinstance(node, Action) or node.identity.when_unsure == "repeat":
        return None
    return node if node.identity.record_id else None


def _joining(node: Action) -> tuple[str, ...]:
    """The keys by which a second flow finds what the first has made.

    A mark does not: it is of one write. Nor does a key that only tells what became of that one.
    """
    identity = node.identity
    looks = identity.find and identity.when_unsure == "resend_once" and not identity.marker
    joins = looks or identity.ensures or node.check
    # What is not of the new record names one that is there, and that is used up.
    return tuple(one for one in identity.natural_key if joins or not one.startswith("data."))


def _alike(node: Action, one: Step, other: Step) -> bool:
    """Whether both may make the same record, without one of them finding the other's."""
    if (one.node, one.connection) != (other.node, other.connection):
        return False
    for key in _joining(node):
        if all(mapped(one.map, part) and mapped(other.map, part) for part in key.split("+")):
            return False
    identity = node.identity
    telling = {*identity.by.values(), *identity.alike.values()} - {identity.marker}
    return not any(
        _written(one.map[place])
        and _written(other.map[place])
        # Other companies, types of documents or names that are written in the flows.
        and str(one.map[place]) != str(other.map[place])
        for place in {*one.map} & {*other.map}
        if place in telling or not place.startswith("data.")
    )


def _written(value: Any) -> bool:
    """Whether a value is the same for each event."""
    return isinstance(value, str | int | float) and "{" not in str(value)


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


def _same_records(one: Flow, other: Flow, catalog: Catalog) -> bool:
    """Whether both may be about one record, though not of one event."""
    mine, theirs = one.trigger, other.trigger
    if mine.connection != theirs.connection:
        return False
    node = catalog.nodes.get(mine.node)
    account = catalog.app(node.app).account_input if node else ""
    accounts = [one.inputs[account] for one in (mine, theirs) if account and account in one.inputs]
    if len(accounts) > 1 and not _meet(*accounts):
        return False
    return bool(_resources(one, catalog) & _resources(other, catalog))


def _resources(flow: Flow, catalog: Catalog) -> set[str]:
    chosen = flow.trigger.inputs.get("resource")
    if chosen:
        return {*map(str, _listed(chosen))}
    node = catalog.nodes.get(flow.trigger.node)
    return {*node.outputs} if isinstance(node, Trigger) else set()


def _meet(one: Any, other: Any) -> bool:
    return bool({*map(str, _listed(one))} & {*map(str, _listed(other))})


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _read(row: FlowRow) -> Iterator[Flow]:
    try:
        yield parse_flow(row.document)
    except ConnectorError:
        # It cannot run, so it makes nothing.
        return
