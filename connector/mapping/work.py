"""One application of a mapping: its report, its issues, and what it may use."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from connector.errors import ConnectorError, Issue
from connector.expressions.limits import ORDINARY, Allowance, Budget, show
from connector.expressions.values import text_size
from connector.mapping.report import FieldReport

if TYPE_CHECKING:
    pass


MAX_ROWS: Final = 5_000
"""Rows of all lists of one payload, together: loops in loops multiply."""
MAX_ISSUES: Final = 200


_CHUNK: Final = 256  # steps between two looks at the clock
_ERROR_STEPS: Final = 100  # near names are looked for, and sentences made
_PLAIN_BYTES: Final = 8  # of a number, yes/no or nothing


class Spent(Exception):
    """The allowance has run out: nothing more is worked out."""

    def __init__(self, path: str, limit: str, setting: str) -> None:
        super().__init__(path)
        self.issue = Issue(
            message=f"The mapping takes more than {limit} in all: it was stopped at this field.",
            remedy="Map fewer rows or less data, or split it over two steps. Who runs Connector "
            f"can allow more with CONNECTOR_MAPPING_{setting}.",
            field=path,
        )


class Work:
    """The state of one `apply`: made for each, never shared."""

    __slots__ = (
        "_allowance", "_budget", "_clock", "_empty", "_ends", "_granted", "_held", "_holder",
        "_left", "_of", "_output", "_steps", "_warned", "at", "failed", "issues", "more", "now",
        "origin", "report", "rows",
    )  # fmt: skip

    def __init__(
        self,
        now: datetime | None,
        origin: str,
        allowance: Allowance = ORDINARY,
        clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._allowance = allowance
        self._clock = clock
        self._ends: float | None = None  # most mappings never look at the clock
        self._left = self._granted = min(_CHUNK, allowance.steps)
        self._steps = 0
        self._output = allowance.output_bytes
        self._budget = Budget()
        self._held, self._holder = 0, ""
        self._of = ""
        self.at = ""
        """The field whose value is being worked out."""
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

    # --- what it may use ----------------------------------------------------------------------

    def budget(self) -> Budget:
        """See Purse: what the expression before has taken is counted now."""
        budget = self._budget
        self._left -= budget.steps
        if self._left < 0:
            self._refill(self._of)
        self._of = self.at
        budget.renew()
        return budget

    def hold(self, value: Any) -> None:
        """See Purse."""
        if self._holder is not self.at:
            self._holder, self._held = self.at, 0
        left = self._output
        self._measure(value)
        self._held += left - self._output
        self._output = left
        if self._held > left:
            raise self._too_large(self.at)

    def take(self, steps: int, path: str) -> None:
        """Count fields before they are filled, those of a row together. Raises Spent."""
        self._left -= steps
        if self._left < 0:
            self._refill(path)

    def put(self, path: str, value: Any, type_: str, source: str, note: str) -> None:
        """Note a value that is written into the payload. Raises Spent."""
        kind = type(value)
        if kind is str:
            self._output -= len(value) if value.isascii() else text_size(value)
        elif kind is dict or kind is list:
            self._measure(value)
        else:
            self._output -= _PLAIN_BYTES
        if self._output < 0:
            raise self._too_large(path)
        self.report.append(FieldReport(path, value, type_, source, "set", None, note))

    def stop(self, spent: Spent) -> None:
        """Note that the allowance has run out, beside however many other errors there are."""
        issue = spent.issue
        assert issue.field is not None
        self.failed.add(issue.field)
        self.issues.append(issue)
        self.report.append(FieldReport(issue.field, None, "any", "", "error", issue))

    def _refill(self, path: str) -> None:
        """Book the steps that are used up, look at the clock, and grant the next ones."""
        self._steps += self._granted - self._left
        self._left = self._granted = 0
        allowed = self._allowance
        if self._steps > allowed.steps:
            raise Spent(path, f"{show(allowed.steps)} steps", "STEPS")
        now = self._clock()
        if self._ends is None:
            self._ends = now + allowed.seconds
        if now > self._ends:
            raise Spent(path, f"{allowed.seconds:g} s of the processor", "SECONDS")
        self._left = self._granted = min(_CHUNK, allowed.steps - self._steps)

    def _measure(self, value: Any) -> None:
        """Count the bytes of a value: at once what is in it, so that it ends in time."""
        if isinstance(value, str):
            self._output -= text_size(value)
        elif not isinstance(value, dict | list):
            self._output -= _PLAIN_BYTES
        elif self._output >= 0:
            self._output -= 2 + 2 * len(value)
            self._left -= 1 + len(value) // 4
            parts = value if isinstance(value, list) else chain.from_iterable(value.items())
            for part in parts:
                self._measure(part)

    def _too_large(self, path: str) -> Spent:
        return Spent(path, f"{show(self._allowance.output_bytes)} bytes of values", "BYTES")

    # --- what became of it --------------------------------------------------------------------

    def fail(self, path: str, type_: str, source: str, where: str, issue: Issue) -> None:
        """Note an error on a field, in the issues and in the report."""
        issue = issue.model_copy(update={"where": self.place(where) or None, "field": path})
        self._keep(issue)
        self.failed.add(path)
        self.take(_ERROR_STEPS, path)
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
