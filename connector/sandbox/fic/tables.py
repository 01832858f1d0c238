"""Records in memory, with enough of their past to show a list that lags behind."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connector.sandbox.clock import Clock

Record = dict[str, Any]
_PAST = 8
"""Versions of one record that are remembered."""


@dataclass
class _Row:
    versions: list[tuple[datetime, Record | None]] = field(default_factory=list)
    """When each version began; None from when it was deleted."""


class Table:
    """The records of one resource of one company."""

    def __init__(self, clock: Clock, first_id: int, *, text_ids: bool = False) -> None:
        self.clock = clock
        self.text_ids = text_ids
        self._next = first_id
        self._rows: dict[str, _Row] = {}

    def __iter__(self) -> Iterator[Record]:
        return iter(self.view())

    def fresh_id(self) -> int | str:
        """An id that was never used."""
        while str(self._next) in self._rows:
            self._next += 1
        self._next += 1
        return str(self._next - 1) if self.text_ids else self._next - 1

    def get(self, id_: Any) -> Record | None:
        """The present record, to be read only."""
        row = self._rows.get(str(id_))
        return None if row is None else row.versions[-1][1]

    def put(self, record: Record) -> None:
        """Store a new version under its `id`."""
        self._add(str(record["id"]), copy.deepcopy(record))

    def delete(self, id_: Any) -> None:
        """Remove a record that exists."""
        self._add(str(id_), None)

    def _add(self, key: str, record: Record | None) -> None:
        row = self._rows.setdefault(key, _Row())
        row.versions.append((self.clock(), record))
        del row.versions[:-_PAST]

    def view(self, lag: float = 0) -> list[Record]:
        """All records as they were `lag` seconds ago, by id."""
        if lag <= 0:
            present = (row.versions[-1][1] for row in self._rows.values())
            return [record for record in present if record is not None]
        moment = self.clock() - timedelta(seconds=lag)
        past = (_at(row, moment) for row in self._rows.values())
        return [record for record in past if record is not None]


def _at(row: _Row, moment: datetime) -> Record | None:
    for began, record in reversed(row.versions):
        if began <= moment:
            return record
    return None
