"""What a compiled mapping consists of: small operations that build a payload in order."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from connector.errors import ConnectorError, Issue
from connector.expressions.limits import Purse
from connector.mapping.fitting import Fitter, Needs, as_rows
from connector.mapping.report import FieldReport
from connector.mapping.work import Work, below, write
from connector.paths import ABSENT, kind

Context = Mapping[str, Any]


class Source(Protocol):
    """Where a value comes from: an expression, or plain data with expressions in it."""

    def evaluate(
        self, context: Context, *, now: datetime | None = None, purse: Purse | None = None
    ) -> Any:
        """The value; raises ExpressionError, and what the purse raises."""
        ...


class Op(Protocol):
    """One part of a payload; `base` is the path of the row it stands in."""

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """Write it into the target, or report why not; never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an operation writes and where it was written down."""

    parents: tuple[str, ...]
    last: str
    path: str
    """Below the row it stands in."""
    text: str
    where: str


@dataclass(frozen=True, slots=True)
class Put:
    """An evaluated value, fitted into its place."""

    spot: Spot
    source: Source
    fitter: Fitter

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op."""
        spot = self.spot
        path = below(base, spot.path)
        try:
            work.at = path
            value = self.source.evaluate(context, now=work.now, purse=work)
        except ConnectorError as error:
            work.caught(path, self.fitter.type, spot.text, spot.where, error)
            return
        fitted = self.fitter.fit(work, value, path, spot.text, spot.where)
        if fitted is not ABSENT:
            write(target, spot.parents, spot.last, fitted)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A literal that was fitted when the mapping was compiled; None leaves the field out."""

    spot: Spot
    type: str
    value: Any
    note: str

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op."""
        spot = self.spot
        path = below(base, spot.path)
        value = self.value
        if value is None:
            work.leave(path, self.type, spot.text, spot.where)
            return
        if isinstance(value, dict | list):
            value = copy.deepcopy(value)
        work.put(path, value, self.type, spot.text, self.note)
        write(target, spot.parents, spot.last, value)


@dataclass(frozen=True, slots=True)
class Broken:
    """A place whose mapping could not be compiled: reported with the error found then."""

    spot: Spot
    type: str
    issue: Issue

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op; the issue itself is among the compiled mapping's."""
        path = below(base, self.spot.path)
        work.failed.add(path)
        work.report.append(FieldReport(path, None, self.type, self.spot.text, "error", self.issue))


@dataclass(frozen=True, slots=True)
class Dropped:
    """A read-only field that somebody mapped."""

    spot: Spot
    fitter: Fitter

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op."""
        path = below(base, self.spot.path)
        self.fitter.fit(work, None, path, self.spot.text, self.spot.where)


@dataclass(frozen=True, slots=True)
class Plan:
    """All operations on one object or row, then the check that nothing required is missing."""

    ops: tuple[Op, ...]
    needs: Needs
    where: str

    def build(self, work: Work, context: Context, base: str) -> dict[str, Any]:
        """The object."""
        target: dict[str, Any] = {}
        work.take(len(self.ops), base)
        for op in self.ops:
            op.run(work, context, target, base)
        self.needs.check(work, target, base, self.where)
        return target


@dataclass(frozen=True, slots=True)
class Single:
    """One row that is a plain value, or an object taken whole."""

    source: Source
    fitter: Fitter
    needs: Needs | None
    text: str
    where: str

    def build(self, work: Work, context: Context, base: str) -> Any:
        """The row, or ABSENT."""
        try:
            work.at = base
            value = self.source.evaluate(context, now=work.now, purse=work)
        except ConnectorError as error:
            work.caught(base, self.fitter.type, self.text, self.where, error)
            return ABSENT
        fitted = self.fitter.fit(work, value, base, self.text, self.where)
        if self.needs is None:
            return fitted
        row = {} if fitted is ABSENT else fitted
        if base not in work.failed:
            self.needs.check(work, row, base, self.where)
        return row


Row = Plan | Single


@dataclass(frozen=True, slots=True)
class ForEach:
    """One row of the payload for each row of a source list."""

    spot: Spot
    source: Source
    alias: str
    row: Row

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op."""
        spot = self.spot
        path = below(base, spot.path)
        try:
            work.at = path
            value = self.source.evaluate(context, now=work.now, purse=work)
        except ConnectorError as error:
            work.caught(path, "list", spot.text, spot.where, error)
            return
        rows = as_rows(work, value, path, "list", spot.text, spot.where)
        if rows is None:
            return
        scope = dict(context)
        made = []
        for index, item in enumerate(rows):
            scope[self.alias] = item
            scope["index"] = index + 1
            row = self.row.build(work, scope, f"{path}.{index}")
            if row is not ABSENT:
                made.append(row)
        write(target, spot.parents, spot.last, made)


@dataclass(frozen=True, slots=True)
class Indexed:
    """Rows that are written down one by one."""

    spot: Spot
    rows: tuple[Row, ...]

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op."""
        path = below(base, self.spot.path)
        made = [row.build(work, context, f"{path}.{index}") for index, row in enumerate(self.rows)]
        sent = [row for row in made if row is not ABSENT]
        write(target, self.spot.parents, self.spot.last, sent)


@dataclass(frozen=True, slots=True)
class Column:
    """One field of every row, given as a list or as one value for all."""

    spot: Spot
    source: Source
    fitter: Fitter


@dataclass(frozen=True, slots=True)
class Parallel:
    """Rows made by zipping columns: lists side by side, single values repeated."""

    spot: Spot
    columns: tuple[Column, ...]
    needs: Needs

    def run(self, work: Work, context: Context, target: dict[str, Any], base: str) -> None:
        """See Op."""
        spot = self.spot
        path = below(base, spot.path)
        values = self._evaluate(work, context, path)
        if values is None:
            return
        length = self._length(work, values, path)
        if length is None or as_rows(work, range(length), path, "list", "", spot.where) is None:
            return
        rows: list[dict[str, Any]] = [{} for _ in range(length)]
        for column, value in zip(self.columns, values, strict=True):
            self._fill(work, rows, column, value, path)
        for index, row in enumerate(rows):
            self.needs.check(work, row, f"{path}.{index}", spot.where)
        if rows or any(_is_list(value) for value in values):
            write(target, spot.parents, spot.last, rows)

    def _fill(
        self, work: Work, rows: list[dict[str, Any]], column: Column, value: Any, path: str
    ) -> None:
        spot = column.spot
        many = _is_list(value)
        work.take(len(rows), path)
        for index, row in enumerate(rows):
            one = value[index] if many else value
            place = f"{path}.{index}.{spot.path}"
            fitted = column.fitter.fit(work, one, place, spot.text, spot.where)
            if fitted is not ABSENT:
                write(row, spot.parents, spot.last, fitted)

    def _evaluate(self, work: Work, context: Context, path: str) -> list[Any] | None:
        values = []
        failed = False
        for column in self.columns:
            place = f"{path}.{column.spot.path}"
            try:
                work.at = place
                values.append(column.source.evaluate(context, now=work.now, purse=work))
            except ConnectorError as error:
                failed = True
                spot = column.spot
                work.caught(place, column.fitter.type, spot.text, spot.where, error)
        return None if failed else values

    def _length(self, work: Work, values: Sequence[Any], path: str) -> int | None:
        """How many rows there are; None (reported) when the lists do not agree."""
        lists = [
            (column, len(value))
            for column, value in zip(self.columns, values, strict=True)
            if _is_list(value)
        ]
        if not lists:
            # Single values only make one row, unless they are all nothing.
            return int(any(value is not None for value in values))
        first, length = lists[0]
        for other, count in lists[1:]:
            if count != length:
                self._unequal(work, (first, length), (other, count), path)
                return None
        return length

    def _unequal(
        self, work: Work, one: tuple[Column, int], two: tuple[Column, int], path: str
    ) -> None:
        (first, length), (other, count) = one, two
        issue = Issue(
            message=f"The lists have different lengths: {path}.{first.spot.path} has {length}, "
            f"{path}.{other.spot.path} has {count}.",
            remedy=f"Take both from the same list, or write `for_each` under {path}.",
            value_type="list",
        )
        place = f"{path}.{other.spot.path}"
        work.fail(place, other.fitter.type, other.spot.text, other.spot.where, issue)


def _is_list(value: Any) -> bool:
    return kind(value) == "list"
