"""Fitting whole values into places: a field, a list of values, an object, a list of objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from connector.errors import Issue, MappingError
from connector.mapping.report import FieldReport, named_in
from connector.mapping.shape import Shape, needs
from connector.mapping.work import MAX_ROWS, Work, below
from connector.model import Field
from connector.paths import ABSENT, did_you_mean, join, kind, split
from connector.values import Ambiguous, coercer, is_blank

UNKNOWN_CHOICE: Final = "not one of the known choices"
READ_ONLY: Final = "This field is read-only: the app fills it itself, so it is not sent."
REMOVE: Final = "Remove it from the mapping."
_READ_ONLY: Final = Issue(message=READ_ONLY, remedy=REMOVE, severity="warning")


class Fitter(Protocol):
    """Makes a value fit one place of the payload."""

    type: str

    def fit(self, work: Work, value: Any, path: str, source: str, where: str) -> Any:
        """What to send, or ABSENT; reports what it did, and never raises."""
        ...


class LeafFitter:
    """One value for one field."""

    __slots__ = ("_coerce", "_keeps_blank", "choices_from", "known", "type")

    def __init__(self, field: Field, *, needed: bool = False) -> None:
        self.type: str = field.type
        self._coerce = coercer(field)
        self.choices_from = field.choices_from if field.type == "integer" else ""
        """The list of the app whose names stand for ids here."""
        text = field.type in ("string", "any") and not field.choices
        self._keeps_blank = text and not (needed or field.required)
        self.known: frozenset[str] | None = None
        """The choices of a field that takes others, too."""
        if field.open_choices:
            self.known = frozenset(str(choice.value) for choice in field.choices)

    def fit(self, work: Work, value: Any, path: str, source: str, where: str) -> Any:
        """See Fitter; nothing leaves the field out, and so does blank text where text is no use."""
        if value is None or (not self._keeps_blank and is_blank(value)):
            work.leave(path, self.type, source, where)
            return ABSENT
        try:
            fitted = self._coerce(value)
        except MappingError as error:
            if self.choices_from and isinstance(value, str):
                name, note = value.strip(), named_in(self.choices_from)
                work.put(path, name, self.type, source, note)
                return name
            if isinstance(error, Ambiguous) and not source:
                # Somebody typed it: no filter is needed to say it clearly.
                error.remedy = error.typed
            work.caught(path, self.type, source, where, error)
            return ABSENT
        note = "" if fitted is value else self._note(value, fitted)
        if self.known is not None and str(fitted) not in self.known:
            note = UNKNOWN_CHOICE
        work.put(path, fitted, self.type, source, note)
        return fitted

    def _note(self, value: Any, fitted: Any) -> str:
        if isinstance(fitted, dict | list):
            return "" if isinstance(value, dict | list) else f"{kind(value)} read as {self.type}"
        if type(value) is type(fitted):
            return "" if value == fitted else f"read as {fitted}"
        return f"{kind(value)} read as {self.type}"


class ValuesFitter:
    """A list of plain values, such as tags or ids."""

    __slots__ = ("_item", "type")

    def __init__(self, field: Field) -> None:
        self.type: str = field.type
        self._item = LeafFitter(field)

    def fit(self, work: Work, value: Any, path: str, source: str, where: str) -> Any:
        """See Fitter; rows that are nothing are left out."""
        rows = as_rows(work, value, path, self.type, source, where)
        if rows is None:
            return ABSENT
        fitted = [
            self._item.fit(work, row, f"{path}.{index}", source, where)
            for index, row in enumerate(rows)
        ]
        return [one for one in fitted if one is not ABSENT]


class ReadOnlyFitter:
    """A field that the app fills itself."""

    __slots__ = ("_plain", "type")

    def __init__(self, field: Field) -> None:
        self.type: str = field.type
        self._plain = field.path

    def fit(self, work: Work, value: Any, path: str, source: str, where: str) -> Any:
        """See Fitter; never sends anything."""
        work.drop(path, self.type, source, where, _READ_ONLY, self._plain)
        return ABSENT


class ObjectFitter:
    """An object whose keys are checked one by one."""

    __slots__ = ("_children", "_plain", "type")

    def __init__(self, shape: Shape) -> None:
        self.type = "object"
        self._plain = shape.path
        self._children = {key: fitter_for(child) for key, child in shape.children.items()}

    def fit(self, work: Work, value: Any, path: str, source: str, where: str) -> Any:
        """See Fitter; unknown keys are dropped with a warning."""
        if value is None:
            work.leave(path, self.type, source, where)
            return ABSENT
        if not isinstance(value, Mapping):
            work.fail(path, self.type, source, where, _no_object(value))
            return ABSENT
        fitted: dict[str, Any] = {}
        work.take(1 + len(value), path)
        for key, item in value.items():
            inner = below(path, join([str(key)]))
            child = self._children.get(key)
            if child is None:
                self._unknown(work, str(key), inner, source, where)
                continue
            one = child.fit(work, item, inner, source, where)
            if one is not ABSENT:
                fitted[key] = one
        return fitted or ABSENT

    def _unknown(self, work: Work, key: str, path: str, source: str, where: str) -> None:
        plain = below(self._plain, join([key]))
        why = _READ_ONLY
        if not work.has_warned(plain):
            why = Issue(
                message="The app has no such field here, so it is not sent.",
                remedy=did_you_mean(key, self._children),
                severity="warning",
            )
        work.drop(path, "any", source, where, why, plain)


class RowsFitter:
    """A list of objects, each checked key by key."""

    __slots__ = ("_needs", "_row", "type")

    def __init__(self, shape: Shape) -> None:
        self.type = "list"
        self._row = ObjectFitter(shape)
        self._needs = Needs(shape)

    def fit(self, work: Work, value: Any, path: str, source: str, where: str) -> Any:
        """See Fitter; an empty row stays a row, so that rows keep their numbers."""
        rows = as_rows(work, value, path, self.type, source, where)
        if rows is None:
            return ABSENT
        fitted = []
        for index, row in enumerate(rows):
            place = f"{path}.{index}"
            one = self._row.fit(work, row, place, source, where)
            sent: dict[str, Any] = {} if one is ABSENT else one
            if place not in work.failed:
                self._needs.check(work, sent, place, where)
            fitted.append(sent)
        return fitted


@dataclass(frozen=True, slots=True)
class Need:
    """One required field of an object or row, by the keys below it."""

    keys: tuple[str, ...]
    path: str
    type: str
    chooser: tuple[str, ...] | None
    """The id that makes it superfluous."""
    inside: tuple[str, ...] | None
    """The optional object that it is required in."""
    missing: Issue | None
    """The error, when compiling found already that nothing is mapped to it."""


class Needs:
    """The required fields of one object or row, as they are looked up in what will be sent."""

    __slots__ = ("_all",)

    def __init__(self, scope: Shape, missing: Mapping[str, Issue] | None = None) -> None:
        depth = len(scope.keys)
        self._all = tuple(
            Need(
                keys=leaf.keys[depth:],
                path=join(leaf.keys[depth:]),
                type=leaf.field.type,
                chooser=split(leaf.field.by_id)[depth:] if leaf.field.by_id else None,
                inside=None if leaf.field.required else leaf.keys[depth:-1],
                missing=(missing or {}).get(leaf.path),
            )
            for leaf in needs(scope)
            if leaf.field is not None
        )

    def check(self, work: Work, sent: dict[str, Any], base: str, where: str) -> None:
        """Report every required field that has no value and is not chosen by an id."""
        for need in self._all:
            value = _look(sent, need.keys)
            if value is not ABSENT and value != []:
                continue
            if need.chooser and _look(sent, need.chooser) is not ABSENT:
                continue
            if need.inside is not None and _look(sent, need.inside) is ABSENT:
                continue
            path = below(base, need.path)
            if path in work.failed:
                continue
            if need.missing is not None:
                work.failed.add(path)
                work.report.append(FieldReport(path, None, need.type, "", "error", need.missing))
            else:
                work.require(path, need.type, where, kind(None if value is ABSENT else value))


def fitter_for(shape: Shape) -> Fitter:
    """The fitter of any place of the tree."""
    if shape.children:
        return RowsFitter(shape) if shape.is_list else ObjectFitter(shape)
    assert shape.field is not None
    if shape.field.read_only:
        return ReadOnlyFitter(shape.field)
    if shape.is_list:
        return ValuesFitter(shape.field)
    return LeafFitter(shape.field, needed=shape.inner_need)


def row_fitter(shape: Shape) -> Fitter:
    """The fitter of one row of a list."""
    if shape.children:
        return ObjectFitter(shape)
    assert shape.field is not None
    return ReadOnlyFitter(shape.field) if shape.field.read_only else LeafFitter(shape.field)


def as_rows(
    work: Work, value: Any, path: str, type_: str, source: str, where: str
) -> Sequence[Any] | None:
    """The rows of a list, or None (reported) when it is nothing or no list of bearable length."""
    if value is None:
        work.leave(path, type_, source, where)
        return None
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray):
        work.rows += len(value)
        work.take(len(value), path)
        if work.rows <= MAX_ROWS:
            return value
        message = f"This makes more than {MAX_ROWS} rows in one payload."
        remedy = "Take fewer rows, or split them over several runs."
    else:
        message = f"A list is needed here, not {_a(kind(value))}."
        remedy = "Choose a list, or put square brackets around the value: {{ [ … ] }}."
    issue = Issue(message=message, remedy=remedy, value_type=kind(value))
    work.fail(path, type_, source, where, issue)
    return None


def _no_object(value: Any) -> Issue:
    return Issue(
        message=f"An object is needed here, not {_a(kind(value))}.",
        remedy="Choose an object, or map its fields one by one.",
        value_type=kind(value),
    )


def _a(given: str) -> str:
    return {"object": "an object", "yes/no": "yes/no"}.get(given, f"a {given}")


def _look(sent: dict[str, Any], keys: Sequence[str]) -> Any:
    place: Any = sent
    for key in keys:
        if not isinstance(place, dict) or key not in place:
            return ABSENT
        place = place[key]
    return place
