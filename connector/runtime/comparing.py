"""What we meant to write beside what an app shows, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector import paths
from connector.engine.proof import same
from connector.redaction import MASK, is_secret

DATA = "data."
MOST_FIELDS = 400


def compared(inputs: Mapping[str, Any], record: Any) -> list[dict[str, Any]]:
    """Each field that we meant to write: `meant`, `found`, `same`; None where it is not shown."""
    meant = dict(flattened(inputs))
    own = {name: value for name, value in meant.items() if name.startswith(DATA)} or meant
    rows = []
    for name, value in list(own.items())[:MOST_FIELDS]:
        found = paths.get(record, name.removeprefix(DATA)) if record is not None else paths.ABSENT
        shown = found is not paths.ABSENT and not isinstance(found, Mapping | list)
        if is_secret(name.rpartition(".")[2]):
            value, found, shown = MASK, None, False
        rows.append(
            {
                "field": name,
                "meant": value,
                "found": found if shown else None,
                "same": same(value, found) if shown else None,
            }
        )
    return rows


def flattened(value: Any, trail: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its dotted path, in order."""
    if isinstance(value, Mapping) and (value or not trail):
        for name, inner in value.items():
            yield from flattened(inner, f"{trail}.{name}" if trail else str(name))
    elif isinstance(value, list) and value:
        for place, inner in enumerate(value):
            yield from flattened(inner, f"{trail}.{place}")
    else:
        yield trail, value
