"""What must hold of every node beyond its types: each name it uses leads somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from connector.derived import DerivedTrigger
from connector.errors import BundleError, ExpressionError, Issue
from connector.expressions import compile_expression
from connector.model import Action, AnyNode, Operation, Trigger
from connector.paths import did_you_mean

if TYPE_CHECKING:
    from connector.catalog.catalog import Catalog

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")


def check_node(node: AnyNode, catalog: Catalog) -> None:
    """Raise a BundleError that lists everything in a node that leads nowhere."""
    issues = list(_issues(node, catalog))
    if issues:
        raise BundleError(f"The node {node.name} is not valid.", issues=issues)


def _issues(node: AnyNode, catalog: Catalog) -> Iterator[Issue]:
    inputs = [field.path for field in catalog.fields(node)]
    yield from _choice_issues(node, catalog)
    catalog.output_fields(node)
    if isinstance(node, Trigger):
        for resource in node.outputs:
            catalog.output_fields(node, resource)
        if isinstance(node, DerivedTrigger):
            yield from _derive_issues(node, catalog)
        return
    if node.request is None and node.run is None:
        yield _issue("request", "needs a request, or own code in `run`.")
    yield from _request_issues(node, inputs)
    for demand in node.demands:
        for path in (*demand.one_of, *((demand.when,) if demand.when else ())):
            if not any(one == path or one.startswith(f"{path}.") for one in inputs):
                yield _issue("demands", f"names the input {path!r}.", did_you_mean(path, inputs))
    if isinstance(node, Action):
        yield from _identity_issues(node, inputs, catalog)
        if node.removes is not None and node.removes not in inputs:
            yield _issue("removes", f"names the input {node.removes!r}.")
        if node.removes is not None and not node.destructive:
            yield _issue("destructive", "must be set where a record is removed.")
        if node.prepare is not None and (node.run is not None or node.request is None):
            yield _issue("prepare", "needs a request that it prepares, and no own code in `run`.")


def _choice_issues(node: AnyNode, catalog: Catalog) -> Iterator[Issue]:
    sources = catalog.app(node.app).choices
    for field in catalog.fields(node):
        if field.choices_from and field.choices_from not in sources:
            near = did_you_mean(field.choices_from, sources)
            yield _issue(field.path, f"is chosen from {field.choices_from!r}.", near)


def _request_issues(node: Operation, inputs: list[str]) -> Iterator[Issue]:
    request = node.request
    if request is None:
        return
    heads = {path.partition(".")[0] for path in inputs}
    for name in (*request.wrap, *((request.root,) if request.root else ())):
        if name not in heads:
            yield _issue("request", f"puts {name!r} in the body.", did_you_mean(name, heads))
    for template in (request.path, *request.query.values()):
        for name in _PLACEHOLDER.findall(template):
            if name not in inputs:
                yield _issue("request", f"uses {{{name}}}.", did_you_mean(name, inputs))


def _derive_issues(node: DerivedTrigger, catalog: Catalog) -> Iterator[Issue]:
    for place, text, names in node.texts():
        try:
            compile_expression(text, names=names, filters=catalog.filters)
        except ExpressionError as error:
            yield _issue(place, error.message, error.remedy)
    for name in ("made", "older"):
        given = getattr(node.derive, name)
        if given is not None and set(given) != set(node.derive.state):
            yield _issue(f"derive.{name}", "must name what `state` names, and nothing else.")


def _identity_issues(node: Action, inputs: list[str], catalog: Catalog) -> Iterator[Issue]:
    identity = node.identity
    keys = [place for key in identity.natural_key for place in key.split("+")]
    seen = identity.witness.values()
    named = [*keys, *identity.by.values(), *identity.alike.values(), *seen]
    for path in (*named, *((identity.marker,) if identity.marker else ())):
        if path not in inputs:
            yield _issue("identity", f"names the input {path!r}.", did_you_mean(path, inputs))
    if identity.read is not None:
        for name in _PLACEHOLDER.findall(identity.read.path):
            if name not in (*inputs, "id"):
                yield _issue("identity.read", f"uses {{{name}}}.", did_you_mean(name, inputs))
    if identity.shows is not None and not any(
        one.startswith(f"{identity.shows}.") for one in inputs
    ):
        yield _issue("identity.shows", f"names the input {identity.shows!r}.")
    if identity.find is None:
        return
    searches = {one.key: one for one in catalog.searches.values() if one.app == node.app}
    search = searches.get(identity.find)
    if search is None:
        near = did_you_mean(identity.find, searches)
        yield _issue("identity.find", f"names the search {identity.find!r}.", near)
        return
    known = [field.path for field in catalog.fields(search)]
    for path in (*identity.by, *identity.alike):
        if path not in known:
            yield _issue("identity.by", f"names {path!r} of the search.", did_you_mean(path, known))


def _issue(field: str, message: str, remedy: str = "") -> Issue:
    return Issue(field=field, message=message, remedy=remedy, who="developer")
