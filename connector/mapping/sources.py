"""Mapped values as sources: an expression, a literal, or literals with expressions inside."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.errors import ExpressionError
from connector.expressions import Expression, Filter, compile_expression
from connector.expressions.limits import Purse
from connector.mapping.findings import Findings, Located
from connector.mapping.ops import Source

MAX_TEXT: Final = 120


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal."""

    value: Any

    def evaluate(
        self, context: Mapping[str, Any], *, now: datetime | None = None, purse: Purse | None = None
    ) -> Any:
        """The literal itself."""
        return self.value


@dataclass(frozen=True, slots=True)
class Template:
    """A literal object or list with expressions somewhere inside."""

    parts: Mapping[Any, Source] | list[Source]

    def evaluate(
        self, context: Mapping[str, Any], *, now: datetime | None = None, purse: Purse | None = None
    ) -> Any:
        """The same structure with every expression replaced by its value."""

        def value_of(part: Source) -> Any:
            value = part.evaluate(context, now=now, purse=purse)
            if purse is not None and not isinstance(part, Template):
                purse.hold(value)
            return value

        if isinstance(self.parts, list):
            return [value_of(part) for part in self.parts]
        return {key: value_of(part) for key, part in self.parts.items()}


@dataclass(frozen=True, slots=True)
class Scope:
    """What expressions may use at one place: the names, and the loops they come from."""

    names: frozenset[str]
    filters: Mapping[str, Filter] | None
    loops: Mapping[str, Expression]

    def inner(self, alias: str, rows: Expression) -> Scope:
        """The scope of a loop's rows."""
        return Scope(self.names | {alias, "index"}, self.filters, {**self.loops, alias: rows})


def outer_scope(names: Collection[str], filters: Mapping[str, Filter] | None) -> Scope:
    """The scope of a whole mapping."""
    return Scope(frozenset(names), filters, {})


def read_source(value: Any, scope: Scope, found: Findings, where: str) -> Source | None:
    """The source of a mapped value; None when an expression in it is faulty (and reported)."""
    if isinstance(value, str):
        return _read_text(value, scope, found, where)
    if isinstance(value, Mapping):
        parts = {
            key: read_source(one, scope, found, f"{where}.{key}") for key, one in value.items()
        }
        return _gather(value, parts)
    if isinstance(value, list):
        rows = {
            index: read_source(one, scope, found, f"{where}.{index}")
            for index, one in enumerate(value)
        }
        return _gather(value, rows)
    return Constant(value)


def _read_text(text: str, scope: Scope, found: Findings, where: str) -> Source | None:
    expression = read_expression(text, scope, found, where)
    if expression is None:
        return None
    return Constant(text) if expression.is_literal else expression


def read_expression(text: str, scope: Scope, found: Findings, where: str) -> Expression | None:
    """An expression, kept among the findings; None when it is faulty (and reported)."""
    try:
        expression = compile_expression(text, names=scope.names, filters=scope.filters)
    except ExpressionError as error:
        found.caught(error, where=where)
        return None
    if not expression.is_literal:
        found.expressions.append(Located(where, expression, scope.loops))
    return expression


def _gather(whole: Any, parts: Mapping[Any, Source | None]) -> Source | None:
    sources: dict[Any, Source] = {}
    for key, part in parts.items():
        if part is None:
            return None
        sources[key] = part
    if all(isinstance(part, Constant) for part in sources.values()):
        return Constant(whole)
    return Template(list(sources.values()) if isinstance(whole, list) else sources)


def text_of(value: Any) -> str:
    """A mapped value as one short line, for reports."""
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
