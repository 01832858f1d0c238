"""The public door of mapping: compile once, apply many times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self

from connector.errors import Issue, MappingError
from connector.expressions import Filter
from connector.expressions.limits import ORDINARY, Allowance
from connector.mapping import shape as shapes
from connector.mapping.compiler import Compiler
from connector.mapping.entries import read_entries
from connector.mapping.findings import Findings, Locate, Located, nowhere
from connector.mapping.ops import Plan
from connector.mapping.report import Mapped, Named, names_of, raise_for_errors
from connector.mapping.shape import Shape
from connector.mapping.sources import outer_scope
from connector.mapping.work import Spent, Work
from connector.model import Action, Field, SchemaRef, Search
from connector.paths import ABSENT, get

if TYPE_CHECKING:
    from connector.catalog import Catalog

NAMES: Final = ("trigger", "steps", "flow", "run")
"""What an expression in a mapping may name; inside a `for_each` also `item` and `index`."""

Validate = Callable[[Mapping[str, Any]], Iterable[Issue]]


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A mapping that was checked against an action's fields, ready to be applied."""

    plan: Plan
    issues: tuple[Issue, ...]
    expressions: tuple[Located, ...]
    title: str
    origin: str
    validate: Validate | None
    names: tuple[Named, ...] = ()
    """The names that stand where ids belong, as they are written; `path` is their field's."""
    allowance: Allowance = ORDINARY

    @property
    def ok(self) -> bool:
        """Whether compiling found nothing but warnings."""
        return not any(issue.severity == "error" for issue in self.issues)

    def raise_for_errors(self) -> Self:
        """Itself; raises MappingError with every error when there is one."""
        raise_for_errors(self.title, self.issues)
        return self

    def apply(
        self, context: Mapping[str, Any], *, now: datetime | None = None, validate: bool = False
    ) -> Mapped:
        """The payload for this context, with a report on every field; never raises for bad data.

        `now` is the recorded time of the run. `validate` also checks the whole payload against
        the action's JSON Schemas. When the allowance runs out there is no payload, and an issue
        on the field at which it did.
        """
        work = Work(now, self.origin, self.allowance)
        try:
            payload = self.plan.build(work, context, "")
        except Spent as spent:
            payload = {}
            work.stop(spent)
        named = names_of(work.report)
        if validate:
            if self.validate is None:
                raise MappingError(
                    "There is no JSON Schema to validate against.",
                    remedy="Compile the mapping of a node, with the catalogue it is from.",
                    who="developer",
                )
            if not work.failed:
                places = {one.path for one in named}
                work.issues += (one for one in self.validate(payload) if one.field not in places)
        found = [issue for issue in self.issues if issue.severity == "error"]
        return Mapped(payload, tuple(work.report), (*found, *work.finish()), self.title, named)


def compile_mapping(
    action: Action | Search | tuple[Field, ...],
    mapping: Mapping[str, Any],
    *,
    catalog: Catalog | None = None,
    names: Collection[str] = NAMES,
    filters: Mapping[str, Filter] | None = None,
    where: str = "",
    origin: str = "",
    locate: Locate = nowhere,
) -> CompiledMapping:
    """Check a mapping against the inputs of an action (or plain fields), once and for all uses.

    Nothing is raised for a faulty mapping: see `issues` and `raise_for_errors`. `where` is put
    before the place of every issue, `origin` names the flow in errors that come up later, and
    `locate` finds lines and columns. Without a catalogue the built-in one is loaded.
    """
    if catalog is None and not isinstance(action, tuple) and _needs_schemas(action):
        from connector.catalog import load_catalog

        catalog = load_catalog()
    tree, title, check = _target(action, catalog)
    if filters is None and catalog is not None:
        filters = catalog.filters
    found = Findings(locate)
    entries = read_entries(mapping, found, where)
    demands = () if isinstance(action, tuple) else action.demands
    finders = _finders(action, catalog) if isinstance(action, Action) and catalog else {}
    plan = Compiler(found, tree, demands, finders).plan(
        tree, entries, outer_scope(names, filters), where
    )
    title = f"The mapping to {title}" if title else "The mapping"
    if origin:
        title = f"{title} ({origin}{f', {where}' if where else ''})"
    return CompiledMapping(
        plan,
        tuple(found.issues),
        tuple(found.expressions),
        title,
        origin,
        check,
        tuple(found.names),
        ORDINARY if catalog is None else catalog.allowance,
    )


def _finders(action: Action, catalog: Catalog) -> dict[str, str]:
    """The name of the Search that finds one of a list of the action's app, by the list's key."""
    lists = catalog.app(action.app).choices if action.app in catalog.apps else {}
    return {key: f"{action.app}.{one.found_by}" for key, one in lists.items() if one.found_by}


def _target(
    action: Action | Search | tuple[Field, ...], catalog: Catalog | None
) -> tuple[Shape, str, Validate | None]:
    """The tree of fields to map to, the name of what has them, and how to validate a payload."""
    if isinstance(action, tuple):
        return shapes.build(action), "", None
    if catalog is None:
        fields = [one for one in action.inputs if isinstance(one, Field)]
        return shapes.build(fields), action.name, None
    refs = [one for one in action.inputs if isinstance(one, SchemaRef)]
    store = catalog.schemas
    tree = shapes.build(catalog.fields(action))
    shapes.mark_inner_needs(tree, ((ref.prefix, store.validator(ref.schema_name)) for ref in refs))

    def validate(payload: Mapping[str, Any]) -> Iterable[Issue]:
        for ref in refs:
            value = get(payload, ref.prefix) if ref.prefix else payload
            if value is not ABSENT:
                yield from store.issues(ref, value)

    return tree, action.name, validate


def _needs_schemas(action: Action | Search) -> bool:
    return any(isinstance(one, SchemaRef) for one in action.inputs)
