"""Reading YAML with the place of every value, and with none of YAML's traps.

Only what a flow needs: objects, lists, text, numbers, true, false and null. `no` and `on` are text,
`00184` is text (a postcode), dates are text. Anchors, tags and second documents are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field as attribute
from decimal import Decimal
from typing import Any, Final

from connector.errors import Issue

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 20
MAX_VALUES: Final = 20_000
MAX_KEY: Final = 150

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,30})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,30})\.[0-9]{1,30}")
_WORDS: Final = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in the text; `line` and `column` count from 1, `index` from 0."""

    line: int
    column: int
    index: int = 0


@dataclass(slots=True)
class Value:
    """One value of the document: plain data, or for an object its entries with their keys."""

    data: Any
    spot: Spot
    keys: dict[str, Spot] = attribute(default_factory=dict)
    """Where each key of an object stands."""
    written: str = ""
    """A single value as it was written."""

    def plain(self) -> Any:
        """The value as plain data all the way down."""
        if isinstance(self.data, dict):
            return {key: one.plain() for key, one in self.data.items()}
        if isinstance(self.data, list):
            return [one.plain() for one in self.data]
        return self.data


class DocumentFault(Exception):
    """The text is no document that we read; carries the one issue that says why."""

    def __init__(self, message: str, spot: Spot | None = None, remedy: str = "") -> None:
        super().__init__(message)
        self.issue = Issue(
            message=message,
            remedy=remedy,
            line=spot.line if spot else None,
            column=spot.column if spot else None,
        )


def read_document(text: str, *, loader: Any = None) -> tuple[Value, list[Issue]]:
    """The document, with the keys that come twice as issues. Raises DocumentFault.

    `loader` is a loader class of PyYAML, by default its fast one where that is installed.
    """
    try:
        size = len(text) if len(text) > MAX_BYTES else len(text.encode())
    except UnicodeEncodeError as error:
        raise DocumentFault(
            "The text holds half a character (a lone surrogate).",
            spot_at(text, error.start),
            "Remove it.",
        ) from None
    if size > MAX_BYTES:
        raise DocumentFault(
            f"The document is larger than {MAX_BYTES // 1024} KiB.",
            remedy="A flow is a few hundred lines: look for data that was pasted in.",
        )
    import yaml

    from connector.flow.syntax import explain

    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=loader or _loader()):
            reader.take(event)
    except yaml.MarkedYAMLError as error:
        message, remedy, index = explain(error, text, reader.last_quoted)
        raise DocumentFault(message, spot_at(text, index), remedy) from None
    except yaml.reader.ReaderError as error:
        spot = spot_at(text, error.position)
        raise DocumentFault(
            "The text holds a character that YAML does not allow.", spot, "Remove it."
        ) from None
    if reader.root is None:
        raise DocumentFault("The document is empty.", Spot(1, 1), "Write a flow.")
    return reader.root, reader.issues


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Reader:
    """Builds values from the parser's events, with a stack instead of recursion."""

    def __init__(self) -> None:
        self.root: Value | None = None
        self.issues: list[Issue] = []
        self.last_quoted: tuple[int, int] | None = None
        """Where the last text in quotes begins and ends, when that is on two lines."""
        self._stack: list[tuple[Value, list[Any]]] = []
        self._count = 0

    def take(self, event: Any) -> None:
        """One event."""
        name = type(event).__name__
        if name in ("ScalarEvent", "MappingStartEvent", "SequenceStartEvent", "AliasEvent"):
            self._start(event, name)
        elif name in ("MappingEndEvent", "SequenceEndEvent"):
            value, _ = self._stack.pop()
            self._add(value)
        elif name == "DocumentStartEvent" and self.root is not None:
            raise DocumentFault(
                "A second document begins here.", _spot(event), "Keep one flow in each file."
            )

    def _start(self, event: Any, name: str) -> None:
        spot = _spot(event)
        if name == "AliasEvent" or event.anchor is not None:
            raise DocumentFault(
                "Anchors and aliases (& and *) are not used in flows.",
                spot,
                "Write the value out, or put text that begins with & or * in quotes.",
            )
        if event.tag is not None:
            raise DocumentFault(
                "Tags (a word after !) are not used in flows.",
                spot,
                "Leave it out, or put text that begins with ! in quotes.",
            )
        self._count += 1
        if self._count > MAX_VALUES:
            raise DocumentFault(f"The document has more than {MAX_VALUES} values.", spot)
        if name == "ScalarEvent":
            if event.style in ("'", '"'):
                start, end = event.start_mark, event.end_mark
                self.last_quoted = (start.index, end.index) if start.line < end.line else None
            self._add(Value(_scalar(event), spot, written=event.value))
            return
        if len(self._stack) >= MAX_DEPTH:
            raise DocumentFault(f"This is more than {MAX_DEPTH} levels deep.", spot)
        empty: Any = {} if name == "MappingStartEvent" else []
        self._stack.append((Value(empty, spot), []))

    def _add(self, value: Value) -> None:
        if not self._stack:
            self.root = value
            return
        parent, pending = self._stack[-1]
        if isinstance(parent.data, list):
            parent.data.append(value)
        elif not pending:
            pending.append(value)
        else:
            self._pair(parent, pending.pop(), value)

    def _pair(self, parent: Value, key: Value, value: Value) -> None:
        if isinstance(key.data, dict | list):
            raise DocumentFault(
                "A key must be text.",
                key.spot,
                'Put a value that begins with {{ in quotes: "{{ … }}".',
            )
        name = key.written
        if len(name) > MAX_KEY:
            raise DocumentFault(
                f"A key has at most {MAX_KEY} characters.", key.spot, "Look for a missing colon."
            )
        if name in parent.keys:
            self.issues.append(
                Issue(
                    message=f"The key {name!r} stands here twice; it is on line "
                    f"{parent.keys[name].line} already.",
                    remedy="Remove one of them.",
                    line=key.spot.line,
                    column=key.spot.column,
                )
            )
            return
        parent.data[name] = value
        parent.keys[name] = key.spot


def _scalar(event: Any) -> Any:
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    return text


def _spot(event: Any) -> Spot:
    mark = event.start_mark
    return Spot(mark.line + 1, mark.column + 1, mark.index)


def spot_at(text: str, index: int) -> Spot:
    """The place of the character with this index."""
    before = text[:index]
    return Spot(before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1, index)
