"""One application of a mapping: where its report and its issues are gathered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connector.errors import ConnectorError, Issue
from connector.mapping.report import FieldReport


class Work:
    """The state of one `apply`: made for each, never shared."""

    __slots__ = ("empty_at", "failed", "issues", "now", "origin", "report", "warned")

    def __init__(self, now: datetime | None, origin: str) -> None:
        self.now = now
        self.origin = origin
        self.report: list[FieldReport] = []
        self.issues: list[Issue] = []
        self.failed: set[str] = set()
        """Paths that have an error already, so that nothing is complained of twice."""
        self.empty_at: dict[str, str] = {}
        """Where the fields that stayed empty are mapped, in case one is required after all."""
        self.warned: set[str] = set()

    def fail(self, path: str, type_: str, source: str, where: str, issue: Issue) -> None:
        """Note an error on a field, in the issues and in the report."""
        issue = issue.model_copy(update={"where": self.place(where) or None, "field": path})
        self.issues.append(issue)
        self.failed.add(path)
        self.report.append(FieldReport(path, None, type_, source, "error", issue))

    def caught(self, path: str, type_: str, source: str, where: str, error: ConnectorError) -> None:
        """The same for an error that was raised."""
        issue = Issue(
            message=error.message,
            remedy=error.remedy,
            value_type=error.value_type,
            who=error.who,
        )
        self.fail(path, type_, source, where, issue)

    def drop(
        self, path: str, type_: str, source: str, where: str, *, why: str, remedy: str, plain: str
    ) -> None:
        """Note a value that is not sent; rows of one list are warned of once (`plain` path)."""
        issue = Issue(
            message=why,
            remedy=remedy,
            field=path,
            where=self.place(where) or None,
            severity="warning",
        )
        if plain not in self.warned:
            self.warned.add(plain)
            self.issues.append(issue)
        self.report.append(FieldReport(path, None, type_, source, "dropped", issue))

    def leave(self, path: str, type_: str, source: str, where: str) -> None:
        """Note a field that is left out because its value is nothing."""
        self.empty_at[path] = where
        self.report.append(FieldReport(path, None, type_, source, "empty"))

    def require(self, path: str, type_: str, where: str, value_type: str) -> None:
        """Turn what was noted of a required field into the error that it has no value."""
        old = next((one for one in self.report if one.path == path), None)
        if old is not None:
            self.report.remove(old)
        issue = Issue(
            message="This field is required, but there is no value for it.",
            remedy="Map a value that is always there, or give another: {{ … | default('…') }}.",
            value_type=value_type,
        )
        source = old.source if old is not None else ""
        self.fail(path, type_, source, self.empty_at.get(path, where), issue)

    def place(self, where: str) -> str:
        """A place in the mapping, with the flow it belongs to."""
        return f"{self.origin} · {where}" if self.origin and where else where


def below(base: str, path: str) -> str:
    """The path of something inside a row or an object."""
    if not base:
        return path
    return f"{base}.{path}" if path else base


def write(target: dict[str, Any], parents: tuple[str, ...], last: str, value: Any) -> None:
    """Set a key some objects down, making the objects on the way."""
    for key in parents:
        target = target.setdefault(key, {})
    target[last] = value
