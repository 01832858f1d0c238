"""One application of a mapping: where its report and its issues are gathered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from connector.errors import ConnectorError, Issue
from connector.mapping.report import FieldReport

MAX_ROWS: Final = 5_000
"""Rows of all lists of one payload, together: loops in loops multiply."""
MAX_ISSUES: Final = 200


class Work:
    """The state of one `apply`: made for each, never shared."""

    __slots__ = ("_empty", "_warned", "failed", "issues", "more", "now", "origin", "report", "rows")

    def __init__(self, now: datetime | None, origin: str) -> None:
        self.now = now
        self.origin = origin
        self.report: list[FieldReport] = []
        self.issues: list[Issue] = []
        self.more = 0
        """Errors that were found when there were too many already."""
        self.rows = 0
        """Rows made so far, in all lists."""
        self.failed: set[str] = set()
        """Paths that have an error already, so that nothing is complained of twice."""
        self._empty: dict[str, tuple[int, str]] = {}
        """Which fields stayed empty: their place in the report, and where they are mapped."""
        self._warned: dict[str, Issue] = {}

    def fail(self, path: str, type_: str, source: str, where: str, issue: Issue) -> None:
        """Note an error on a field, in the issues and in the report."""
        issue = issue.model_copy(update={"where": self.place(where) or None, "field": path})
        self._keep(issue)
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

    def drop(self, path: str, type_: str, source: str, where: str, why: Issue, plain: str) -> None:
        """Note a value that is not sent; rows of one list are warned of once (`plain` path)."""
        issue = self._warned.get(plain)
        if issue is None:
            issue = why.model_copy(update={"where": self.place(where) or None, "field": path})
            self._warned[plain] = issue
            self._keep(issue)
        self.report.append(FieldReport(path, None, type_, source, "dropped", issue))

    def has_warned(self, plain: str) -> bool:
        """Whether `drop` was called for this path: then the reason need not be made again."""
        return plain in self._warned

    def leave(self, path: str, type_: str, source: str, where: str) -> None:
        """Note a field that is left out because its value is nothing."""
        self._empty[path] = (len(self.report), where)
        self.report.append(FieldReport(path, None, type_, source, "empty"))

    def require(self, path: str, type_: str, where: str, value_type: str) -> None:
        """Note that a required field has no value, also where it was noted as empty before."""
        issue = Issue(
            message="This field is required, but there is no value for it.",
            remedy="Map a value that is always there, or give another: {{ … | default('…') }}.",
            value_type=value_type,
        )
        if path not in self._empty:
            self.fail(path, type_, "", where, issue)
            return
        at, where = self._empty[path]
        self.fail(path, type_, self.report[at].source, where, issue)
        self.report[at] = self.report.pop()

    def finish(self) -> tuple[Issue, ...]:
        """Every issue, and how many more there were."""
        if not self.more:
            return tuple(self.issues)
        message = f"There are {self.more} more errors and warnings of the same run."
        return (*self.issues, Issue(message=message, remedy="Mend these first."))

    def _keep(self, issue: Issue) -> None:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(issue)
        else:
            self.more += 1

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
