"""Issues as they are gathered while a mapping is compiled, each with its place in the text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field as attribute
from typing import Final, Protocol

from connector.errors import ConnectorError, ExpressionError, Issue, Lack, Severity, Who
from connector.expressions import Expression
from connector.mapping.report import Named

MAX_SHOWN: Final = 400


def clip(text: str) -> str:
    """A text as an issue may show it: a document can hold keys of any length."""
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


class Locate(Protocol):
    """Finds the line and column of a place in the document a mapping was read from."""

    def __call__(
        self, where: str, *, key: bool = False, offset: int | None = None
    ) -> tuple[int, int] | None:
        """Of the value there, of its key, or of a character of its text."""
        ...


def nowhere(where: str, *, key: bool = False, offset: int | None = None) -> None:
    """The Locate of mappings that come from no document."""


@dataclass(frozen=True, slots=True)
class Located:
    """An expression and its place; `loops` are the names of the loops around it.

    Each loop name has the expression that its rows come from.
    """

    where: str
    expression: Expression
    loops: Mapping[str, Expression]


@dataclass(slots=True)
class Findings:
    """Everything that compiling finds: issues, and the expressions that were read."""

    locate: Locate = nowhere
    issues: list[Issue] = attribute(default_factory=list)
    expressions: list[Located] = attribute(default_factory=list)
    names: list[Named] = attribute(default_factory=list)

    def add(
        self,
        message: str,
        *,
        where: str,
        field: str | None = None,
        remedy: str = "",
        value_type: str | None = None,
        severity: Severity = "error",
        who: Who = "user",
        key: bool = False,
        offset: int | None = None,
        lacks: Lack | None = None,
    ) -> Issue:
        """Keep one issue; `key` points at the key of the place instead of its value."""
        at = self.locate(where, key=key, offset=offset)
        issue = Issue(
            message=clip(message),
            remedy=clip(remedy),
            field=clip(field) if field else None,
            value_type=value_type,
            where=clip(where) or None,
            line=at[0] if at else None,
            column=at[1] if at else None,
            who=who,
            severity=severity,
            lacks=lacks,
        )
        self.issues.append(issue)
        return issue

    def caught(self, error: ConnectorError, *, where: str, field: str | None = None) -> Issue:
        """Keep an error that was raised, as the issue of this place."""
        return self.add(
            error.message,
            where=where,
            field=field,
            remedy=error.remedy,
            value_type=error.value_type,
            who=error.who,
            offset=error.offset if isinstance(error, ExpressionError) else None,
        )
