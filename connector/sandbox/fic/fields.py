"""Field lists in short form, and the checks the vendor makes on them.

One field is written `name:kind=default!`; the default and the mark for read-only may be missing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol

from connector.sandbox import exact
from connector.sandbox.fic.problem import Faults, required

_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_FIELD = re.compile(
    r"(?P<name>\w+):(?P<kind>[a-z]+)(?:\((?P<choices>[^)]*)\))?(?:=(?P<default>[^!]*))?(?P<ro>!?)\Z"
)
_DIGITS = 15
"""Places before or after the point that a number may have."""


@dataclass(frozen=True)
class Leaf:
    """One field: i n s b d e (one of `choices`) o (object) l (list) or a reference by id."""

    kind: str
    default: Any = None
    read_only: bool = False
    choices: tuple[str, ...] = ()
    rows: Mapping[str, Leaf] | None = None
    """The fields of the object (o) or of each row of the list (l)."""


Spec = Mapping[str, Leaf]


class References(Protocol):
    """Finds what a record may point at; None when there is no such id."""

    def lookup(self, kind: str, id_: int) -> dict[str, Any] | None:
        """The VAT type (`vat`), payment account or payment method with this id."""
        ...


def spec(text: str, **rows: Spec) -> dict[str, Leaf]:
    """The field list a text describes; `rows` gives the inner fields of objects and lists."""
    found: dict[str, Leaf] = {}
    for piece in text.split():
        match = _FIELD.match(piece)
        if match is None:
            raise ValueError(f"bad field {piece!r}")
        default = match["default"]
        found[match["name"]] = Leaf(
            kind=match["kind"],
            default=None if default is None else exact.loads(default.encode()),
            read_only=bool(match["ro"]),
            choices=tuple((match["choices"] or "").split("|")) if match["choices"] else (),
            rows=rows.get(match["name"]),
        )
    return found


def blank(fields: Spec) -> dict[str, Any]:
    """A record with every field at its default."""
    return {name: copy.deepcopy(leaf.default) for name, leaf in fields.items()}


def clean(
    fields: Spec, data: Mapping[str, Any], path: str, faults: Faults, refs: References
) -> dict[str, Any]:
    """The writable, known fields of what was sent; what is wrong is noted in `faults`."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        leaf = fields.get(name)
        if leaf is None or leaf.read_only:
            continue
        place = f"{path}.{name}"
        found[name] = None if value is None else _value(leaf, value, place, faults, refs)
    return found


def _value(leaf: Leaf, value: Any, path: str, faults: Faults, refs: References) -> Any:
    if leaf.kind in ("vat", "account", "method"):
        return _reference(leaf.kind, value, path, faults, refs)
    if leaf.kind == "o":
        return _object(leaf, value, path, faults, refs)
    if leaf.kind == "l":
        return _list(leaf, value, path, faults, refs)
    try:
        return _SCALARS[leaf.kind](value, leaf)
    except ValueError as error:
        faults.setdefault(path, []).append(f"The {path} {error}")
        return None


def _object(leaf: Leaf, value: Any, path: str, faults: Faults, refs: References) -> Any:
    if not isinstance(value, Mapping):
        faults.setdefault(path, []).append(f"The {path} must be an array.")
        return None
    if leaf.rows is None:
        return dict(value)
    return blank(leaf.rows) | clean(leaf.rows, value, path, faults, refs)


def _list(leaf: Leaf, value: Any, path: str, faults: Faults, refs: References) -> Any:
    if not isinstance(value, list):
        faults.setdefault(path, []).append(f"The {path} must be an array.")
        return None
    if leaf.rows is None:
        return list(value)
    inner = Leaf("o", rows=leaf.rows)
    return [_object(inner, row, f"{path}.{index}", faults, refs) for index, row in enumerate(value)]


_NAME_OF = {"vat": "value", "account": "name", "method": "name"}


def _reference(kind: str, value: Any, path: str, faults: Faults, refs: References) -> Any:
    if not isinstance(value, Mapping):
        faults.setdefault(path, []).append(f"The {path} must be an array.")
        return None
    id_ = value.get("id")
    if id_ is None:
        need = f"{path}.{_NAME_OF[kind]}"
        if value.get(_NAME_OF[kind]) is None:
            faults.setdefault(need, []).append(required(need))
        return dict(value)
    try:
        found = refs.lookup(kind, _integer(id_, Leaf("i")))
    except ValueError:
        found = None
    if found is None:
        faults.setdefault(f"{path}.id", []).append(f"The selected {path}.id is invalid.")
    return found


def _text(value: Any, leaf: Leaf) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string.")
    return value


def _integer(value: Any, leaf: Leaf) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
        raise ValueError("must be an integer.")
    return int(str(value))


def _number(value: Any, leaf: Leaf) -> Any:
    try:
        if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
            number = Decimal(value)
            if number.is_finite() and abs(number.adjusted()) <= _DIGITS:
                return number if isinstance(value, str) else value
    except InvalidOperation:
        pass
    raise ValueError("must be a number.")


def _boolean(value: Any, leaf: Leaf) -> bool:
    if value in (True, 1, "1"):
        return True
    if value in (False, 0, "0"):
        return False
    raise ValueError("field must be true or false.")


def _day(value: Any, leaf: Leaf) -> str:
    try:
        if isinstance(value, str) and _DATE.match(value):
            date.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise ValueError("does not match the format Y-m-d.")


def _choice(value: Any, leaf: Leaf) -> Any:
    if value not in leaf.choices:
        raise ValueError("is not one of the allowed values.")
    return value


_SCALARS = {
    "s": _text,
    "i": _integer,
    "n": _number,
    "b": _boolean,
    "d": _day,
    "e": _choice,
}


def demand(data: Mapping[str, Any], path: str, names: tuple[str, ...], faults: Faults) -> None:
    """Note every name that is missing, null or empty text."""
    for name in names:
        if data.get(name) in (None, ""):
            faults.setdefault(f"{path}.{name}", []).append(required(f"{path}.{name}"))


def percentages(data: Mapping[str, Any], path: str, names: tuple[str, ...], faults: Faults) -> None:
    """Note every percentage outside 0–100."""
    for name in names:
        value = data.get(name)
        if isinstance(value, int | Decimal) and not 0 <= value <= 100:
            place = f"{path}.{name}"
            faults.setdefault(place, []).append(f"The {place} must be between 0 and 100.")
