"""The filter language `q` (facts §3.5): a parser, and a match on one record in SQL's manner."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Columns = Mapping[str, tuple[str, ...]]
"""The places in a record that each column looks at."""
Test = Callable[[Any], bool]

_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>\d+(?:\.\d+)?)|(?P<word>[A-Za-z][A-Za-z_.]*)"
    r"|(?P<op><=|>=|<>|!=|=|<|>)|(?P<paren>[()]))"
)
_FIELD = re.compile(r"[a-z](?:[a-z_.]*[a-z])?\Z")
_KEYWORDS = {"and", "or", "not", "like", "contains", "starts", "ends", "with", "is", "null"}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)")


class FilterError(ValueError):
    """The filter cannot be read, or names a column this list does not filter by."""


@dataclass(frozen=True)
class Token:
    """One piece of the text: `kind` is string, number, field, op, paren, word or end."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """The pieces of a filter; keywords come in lower case."""
    found: list[Token] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise FilterError(f"unexpected text at {place}: {text[place : place + 12]!r}")
        found.append(_token(match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return [*found, Token("end", "")]


def _token(kind: str, piece: str) -> Token:
    if kind != "word":
        return Token(kind, piece)
    lower = piece.lower()
    if lower in _KEYWORDS and piece in (lower, piece.upper()):
        return Token("word", lower)
    if piece in ("true", "false"):
        return Token("bool", piece)
    if not _FIELD.match(piece):
        raise FilterError(f"{piece!r} is not a field")
    return Token("field", piece)


class _Parser:
    def __init__(self, text: str, columns: Columns) -> None:
        self.tokens = tokens(text)
        self.columns = columns
        self.place = 0

    def peek(self) -> Token:
        return self.tokens[self.place]

    def next(self) -> Token:
        token = self.tokens[self.place]
        self.place += 1
        return token

    def accept(self, kind: str, text: str) -> bool:
        if self.peek() == Token(kind, text):
            self.place += 1
            return True
        return False

    def expect(self, kind: str, text: str) -> None:
        if not self.accept(kind, text):
            raise FilterError(f"expected {text!r}, found {self.peek().text!r}")

    def whole(self) -> Test:
        test = self.either()
        if self.peek().kind != "end":
            raise FilterError(f"unexpected {self.peek().text!r}")
        return test

    def either(self) -> Test:
        test = self.both()
        while self.accept("word", "or"):
            test = _or(test, self.both())
        return test

    def both(self) -> Test:
        test = self.single()
        while self.accept("word", "and"):
            test = _and(test, self.single())
        return test

    def single(self) -> Test:
        if self.accept("paren", "("):
            test = self.either()
            self.expect("paren", ")")
            return test
        token = self.next()
        if token.kind != "field":
            raise FilterError(f"expected a field, found {token.text!r}")
        if token.text not in self.columns:
            raise FilterError(f"{token.text!r} is not a column to filter by")
        return _column(self.columns[token.text], self.condition())

    def condition(self) -> Test:
        token = self.next()
        if token.kind == "op":
            if self.accept("word", "null"):
                return self.nullness(token.text)
            return _compare(token.text, self.value())
        if token == Token("word", "is"):
            negated = self.accept("word", "not")
            self.expect("word", "null")
            return self.nullness("<>" if negated else "=")
        return self.pattern(token)

    def nullness(self, operator: str) -> Test:
        if operator not in ("=", "<>", "!="):
            raise FilterError(f"null cannot be compared by {operator!r}")
        wants_null = operator == "="
        return lambda value: (value is None) is wants_null

    def pattern(self, token: Token) -> Test:
        negated = token == Token("word", "not")
        if negated:
            token = self.next()
        kind = token.text if token.kind == "word" else ""
        if kind in ("starts", "ends") and not negated:
            self.expect("word", "with")
        elif kind not in ("like", "contains"):
            raise FilterError(f"unknown comparison {token.text!r}")
        piece = self.next()
        if piece.kind != "string":
            raise FilterError(f"{kind} needs a text in quotes")
        return _like(kind, _unquote(piece.text), negated)

    def value(self) -> Any:
        token = self.next()
        if token.kind == "string":
            return _unquote(token.text)
        if token.kind == "number":
            return Decimal(token.text)
        if token.kind == "bool":
            return token.text == "true"
        raise FilterError(f"expected a value, found {token.text!r}")


def compile_filter(text: str, columns: Columns) -> Test:
    """A test on records; raises FilterError for what the vendor refuses too."""
    return _Parser(text, columns).whole()


def _unquote(text: str) -> str:
    return text[1:-1].replace("''", "'")


def _or(left: Test, right: Test) -> Test:
    return lambda record: left(record) or right(record)


def _and(left: Test, right: Test) -> Test:
    return lambda record: left(record) and right(record)


def _column(places: tuple[str, ...], test: Test) -> Test:
    return lambda record: any(test(_look(record, place)) for place in places)


def _look(record: Any, place: str) -> Any:
    value = record
    for key in place.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _like(kind: str, text: str, negated: bool) -> Test:
    literal = re.escape(text)
    if kind == "like":
        literal = "".join(".*" if part == "%" else re.escape(part) for part in text)
    shapes = {"like": literal, "contains": f".*{literal}.*"}
    shapes |= {"starts": f"{literal}.*", "ends": f".*{literal}"}
    pattern = re.compile(shapes[kind], re.DOTALL | re.IGNORECASE)
    return lambda value: value is not None and (bool(pattern.fullmatch(str(value))) is not negated)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda left, right: bool(left == right),
    "<>": lambda left, right: bool(left != right),
    "!=": lambda left, right: bool(left != right),
    "<": lambda left, right: bool(left < right),
    "<=": lambda left, right: bool(left <= right),
    ">": lambda left, right: bool(left > right),
    ">=": lambda left, right: bool(left >= right),
}


def _compare(operator: str, wanted: Any) -> Test:
    apply = _OPERATORS[operator]

    def test(value: Any) -> bool:
        if value is None:
            return False
        left, right = _alike(value, wanted)
        return apply(left, right)

    return test


def _alike(value: Any, wanted: Any) -> tuple[Any, Any]:
    """Both sides in one type, numbers when both can be, else text without regard to case."""
    left, right = _number(value), _number(wanted)
    if left is not None and right is not None and not (_is_text(value) and _is_text(wanted)):
        return left, right
    return _folded(value), _folded(wanted)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return Decimal(int(value))
    if isinstance(value, int | Decimal):
        return Decimal(value)
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _folded(value: Any) -> str:
    """Moments lose their zone: the vendor compares its own local time with what it is given."""
    text = str(value)
    match = _MOMENT.match(text)
    return f"{match[1]} {match[2]}" if match else text.casefold()
