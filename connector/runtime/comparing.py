"""What we meant to write beside what an app shows, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from connector import paths
from connector.engine.proof import same
from connector.redaction import MASK, is_secret

DATA = "data."
MOST_FIELDS = 400


def compared(inputs: Mapping[str, Any], records: Sequence[Any]) -> list[dict[str, Any]]:
    """Each field that we meant to write: what was `meant`, and what each record has, `found`.

    Of a record: its `value` and whether it is the `same`; None where it is not shown.
    """
    meant = dict(flattened(inputs))
    own = {name: value for name, value in meant.items() if name.startswith(DATA)} or meant
    rows = []
    for name, value in list(own.items())[:MOST_FIELDS]:
        secret = is_secret(name.rpartition(".")[2])
        found = [_beside(name, value, one, secret) for one in records]
        rows.append({"field": name, "meant": MASK if secret else value, "found": found})
    return rows


def _beside(name: str, meant: Any, record: Any, secret: bool) -> dict[str, Any]:
    value = paths.get(record, name.removeprefix(DATA)) if record is not None else paths.ABSENT
    if secret or value is paths.ABSENT or isinstance(value, Mapping | list):
        return {"value": None, "same": None}
    return {"value": value, "same": same(meant, value)}


def masked(value: Any) -> Any:
    """The same without its secrets."""
    if isinstance(value, Mapping):
        return {
            name: MASK if is_secret(str(name)) else masked(inner) for name, inner in value.items()
        }
    return [masked(one) for one in value] if isinstance(value, list) else value


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
