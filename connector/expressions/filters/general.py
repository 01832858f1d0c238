"""`default` and `tojson`: filters on values of any kind."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from connector.errors import ExpressionError
from connector.expressions.filter import need_int
from connector.expressions.limits import MAX_LEVELS, MAX_OUTPUT, Budget
from connector.expressions.values import Missing, Plain, decimal_text

_DEEPEST_INDENT: Final = 8
_CONTROLS: Final = tuple(map(chr, range(32)))


def _default(
    budget: Budget, value: Plain, default_value: Plain = "", boolean: Plain = False
) -> Plain:
    """Stands in for a place that does not exist; with true also for nothing, no, 0 and empty text.

    {{ trigger.nickname | default('none yet') }} => "none yet"
    """
    if type(value) is Missing or (boolean and not value):
        return default_value
    return value


class _Writer:
    """Writes JSON piece by piece, and knows its length before every piece."""

    def __init__(self, budget: Budget, indent: int | None) -> None:
        self.budget = budget
        self.indent = indent
        self.pieces: list[str] = []
        self.size = 0

    def add(self, piece: str) -> None:
        self.size += len(piece)
        if self.size > MAX_OUTPUT:
            raise ExpressionError(f"The JSON is larger than {MAX_OUTPUT // 1024} KiB.")
        self.pieces.append(piece)

    def write(self, value: Plain, level: int = 0) -> None:
        self.budget.step()
        kind = type(value)
        if kind is str:
            self._text(value)
        elif value is None:
            self.add("null")
        elif kind is bool:
            self.add("true" if value else "false")
        elif kind is Decimal:
            self.add(decimal_text(value))
        elif kind is int:
            self.add(str(value))
        elif level >= MAX_LEVELS:
            raise ExpressionError(f"The value has more than {MAX_LEVELS} levels.")
        elif kind is list:
            self._rows("[", "]", [(None, row) for row in self._sized(value)], level)
        else:
            self._rows("{", "}", list(self._sized(value).items()), level)

    def _sized(self, value: Any) -> Any:
        self.budget.alloc(64 * len(value))
        self.budget.step(len(value) // 8)
        return value

    def _text(self, value: str) -> None:
        import json

        length = len(value) + 2
        if 6 * length > MAX_OUTPUT:  # otherwise even \\u001f for every character would fit
            self.budget.scan(len(value) * len(_CONTROLS))
            length += value.count('"') + value.count("\\")
            length += 5 * sum(map(value.count, _CONTROLS))
        self.budget.text(length, not value.isascii())
        self.add(json.dumps(value, ensure_ascii=False))

    def _rows(self, opening: str, closing: str, rows: list[tuple[Any, Plain]], level: int) -> None:
        if not rows:
            return self.add(opening + closing)
        line = "" if self.indent is None else "\n" + " " * self.indent * (level + 1)
        self.add(opening)
        for number, (key, row) in enumerate(rows):
            separator = ", " if self.indent is None else ","
            self.add((separator if number else "") + line)
            if opening == "{":
                self._text(str(key))
                self.add(": ")
            self.write(row, level + 1)
        return self.add(closing if self.indent is None else line[: -self.indent or None] + closing)


def _tojson(budget: Budget, value: Plain, indent: Plain = None) -> str:
    """Any value as JSON text.

    {{ {'a': [1, 2.50]} | tojson }} => "{\\"a\\": [1, 2.50]}"
    """
    width = None if indent is None else need_int(indent, "indent", 0, _DEEPEST_INDENT)
    writer = _Writer(budget, width)
    writer.write(value)
    budget.text(writer.size, wide=True)
    return "".join(writer.pieces)


FILTERS: Final = {"default": _default, "d": _default, "tojson": _tojson}
