"""Filters on texts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.filter import need_int, need_list, need_text
from connector.expressions.filters.numbers import rounded, to_decimal
from connector.expressions.limits import MAX_PADDING, MAX_ROWS, MAX_TEXT, Budget, show
from connector.expressions.lookups import attribute_keys, attribute_of, required
from connector.expressions.values import Plain, clip, decimal_text, text_of

_WORD: Final = re.compile(r"[^-\s({\[<]+")
_CONVERSION: Final = re.compile(
    r"%(?:\((\w{1,60})\))?([-+ 0]*)(\d{1,6})?(?:\.(\d{1,6}))?(.?)", re.DOTALL
)
_CHARACTERS_A_STEP: Final = 8  # when a text is worked on word by word
_LONGEST_SET: Final = 64  # characters to strip: each is compared with each
_LONGEST_PATTERN: Final = 10_000
_PIECE_BYTES: Final = 56


def _cased(budget: Budget, value: Plain, work: Callable[[str], str]) -> str:
    text = text_of(value)
    if text.isascii():
        budget.text(len(text))
    else:
        budget.text(len(text) * 3, wide=True)  # one character may become three: ﬃ → FFI
    return work(text)


def upper(budget: Budget, value: Plain) -> str:
    """In capitals.

    {{ 'Rossi' | upper }} => "ROSSI"
    """
    return _cased(budget, value, str.upper)


def lower(budget: Budget, value: Plain) -> str:
    """In small letters.

    {{ 'Rossi' | lower }} => "rossi"
    """
    return _cased(budget, value, str.lower)


def capitalize(budget: Budget, value: Plain) -> str:
    """The first letter in capitals, the rest small.

    {{ 'mario ROSSI' | capitalize }} => "Mario rossi"
    """
    return _cased(budget, value, str.capitalize)


def title(budget: Budget, value: Plain) -> str:
    """Every word with a capital.

    {{ 'mario rossi' | title }} => "Mario Rossi"
    """
    text = text_of(value)
    budget.step(len(text) // _CHARACTERS_A_STEP)
    return _cased(budget, text, lambda whole: _WORD.sub(_titled, whole))


def _titled(match: re.Match[str]) -> str:
    word = match[0]
    return word[0].upper() + word[1:].lower()


def stripped(
    budget: Budget, value: str, chars: Plain, work: Callable[[str, str | None], str]
) -> str:
    """The text without blanks, or without these characters, at one end or both."""
    if chars is not None and len(need_text(chars, "characters")) > _LONGEST_SET:
        raise ExpressionError(f"At most {_LONGEST_SET} characters can be stripped.")
    budget.text(len(value), not value.isascii())
    budget.scan(len(value) * (1 if chars is None else len(chars)))
    return work(value, chars)


def _trim(budget: Budget, value: Plain, chars: Plain = None) -> str:
    """Without blanks, or without these characters, at both ends.

    {{ '  Rossi ' | trim }} => "Rossi"
    """
    return stripped(budget, text_of(value), chars, str.strip)


def replace(budget: Budget, value: Plain, old: Plain, new: Plain, count: Plain = None) -> str:
    """With one part put in place of another.

    {{ 'a-b-c' | replace('-', '/') }} => "a/b/c"
    """
    text = text_of(value)
    before, after = need_text(old, "old text"), text_of(new)
    budget.scan(len(text) + len(before))
    times = text.count(before)
    if count is not None:
        times = min(times, need_int(count, "count", -1, MAX_TEXT) if count != -1 else times)
    wide = not (text.isascii() and after.isascii())
    budget.text(len(text) + times * (len(after) - len(before)), wide)
    return text.replace(before, after, times)


def joined(budget: Budget, texts: list[str], separator: str) -> str:
    """The texts in one; its length is known before it is made."""
    budget.step(len(texts) // 4)
    length = sum(map(len, texts)) + len(separator) * max(len(texts) - 1, 0)
    wide = not (separator.isascii() and all(text.isascii() for text in texts))
    budget.text(length, wide)
    return separator.join(texts)


def _join(budget: Budget, value: Plain, d: Plain = "", attribute: Plain = None) -> str:
    """The rows of a list as one text, with a separator between them.

    {{ ['Via Roma 1', 'Milano'] | join(', ') }} => "Via Roma 1, Milano"
    """
    rows = need_list(value)
    if attribute is not None:
        keys = attribute_keys(attribute)
        rows = [required(attribute_of(row, keys, budget)) for row in rows]
    return joined(budget, [text_of(row) for row in rows], text_of(d))


def split(budget: Budget, value: Plain, sep: Plain = None, maxsplit: Plain = -1) -> list[Plain]:
    """The parts of a text as a list; without a separator it is cut at blanks.

    {{ 'a;b' | split(';') }} => ["a", "b"]
    """
    text = text_of(value)
    most = need_int(maxsplit, "maxsplit", -1, MAX_TEXT)
    if sep is not None and not need_text(sep, "separator"):
        raise ExpressionError("The separator cannot be empty.")
    budget.scan(len(text))
    pieces = len(text) // 2 + 1 if sep is None else text.count(sep) + 1
    pieces = min(pieces, most + 1 if most >= 0 else pieces, MAX_ROWS)
    budget.rows(pieces)
    budget.alloc(pieces * _PIECE_BYTES + len(text) * (1 if text.isascii() else 4))
    parts = text.split(sep, most if 0 <= most < MAX_ROWS else MAX_ROWS)
    if len(parts) > MAX_ROWS:
        budget.rows(len(parts))
    return list(parts)


def split_lines(budget: Budget, value: Plain) -> list[Plain]:
    r"""The lines of a text as a list.

    {{ 'a\nb' | lines }} => ["a", "b"]
    """
    text = text_of(value)
    for end in ("\r\n", "\r"):
        budget.text(len(text), not text.isascii())
        text = text.replace(end, "\n")
    return split(budget, text.removesuffix("\n"), "\n") if text else []


def _truncate(
    budget: Budget,
    value: Plain,
    length: Plain = 255,
    killwords: Plain = False,
    end: Plain = "...",
    leeway: Plain = 5,
) -> str:
    """Cut to a length, at a blank unless killwords is true.

    {{ 'Consulenza informatica annuale' | truncate(22) }} => "Consulenza..."
    """
    text, tail = text_of(value), need_text(end, "end")
    most = need_int(length, "length", len(tail), MAX_TEXT)
    if len(text) <= most + need_int(leeway, "leeway", 0, MAX_PADDING):
        return text
    budget.text(most, not (text.isascii() and tail.isascii()))
    kept = text[: most - len(tail)]
    return (kept if killwords else kept.rsplit(" ", 1)[0]) + tail


def _indent(
    budget: Budget, value: Plain, width: Plain = 4, first: Plain = False, blank: Plain = False
) -> str:
    r"""Every line but the first moved to the right.

    {{ 'a\nb' | indent(2) }} => "a\n  b"
    """
    pad = " " * need_int(width, "width", 0, MAX_PADDING)
    rows = text_of(value)
    budget.scan(len(rows))
    budget.text(len(rows) + len(pad) * (rows.count("\n") + 1), not rows.isascii())
    lines = split(budget, rows, "\n")
    made = [
        pad + line if (line or blank) and (number or first) else line
        for number, line in enumerate(lines)
    ]
    return "\n".join(made)


def _center(budget: Budget, value: Plain, width: Plain = 80) -> str:
    """In the middle of a width.

    {{ 'ab' | center(6) }} => "  ab  "
    """
    text = text_of(value)
    need_int(width, "width", 0, MAX_PADDING)
    budget.text(max(len(text), width), not text.isascii())
    return text.center(width)


def _wordcount(budget: Budget, value: Plain) -> int:
    """How many words it has.

    {{ 'uno due tre' | wordcount }} => 3
    """
    text = text_of(value)
    budget.step(len(text) // _CHARACTERS_A_STEP)
    return sum(1 for _ in re.finditer(r"\w+", text))


def _string(budget: Budget, value: Plain) -> str:
    """As text.

    {{ 27 | string }} => "27"
    """
    return text_of(value)


def _digits(budget: Budget, value: Plain) -> str:
    """Only its digits.

    {{ '+39 02/1234' | digits }} => "39021234"
    """
    text = text_of(value)
    budget.step(len(text) // _CHARACTERS_A_STEP)
    budget.text(len(text))
    return re.sub(r"[^0-9]+", "", text)


# --- format ---------------------------------------------------------------------------------------


def _format(budget: Budget, value: Plain, *args: Plain, **kwargs: Plain) -> str:
    """Values put into a pattern with %s, %d and %.2f.

    {{ 'FT-%04d' | format(27) }} => "FT-0027"
    """
    pattern = need_text(value, "pattern")
    if len(pattern) > _LONGEST_PATTERN:
        raise ExpressionError(f"A pattern has at most {show(_LONGEST_PATTERN)} characters.")
    if args and kwargs:
        raise ExpressionError("Give the values by place or by name, not both.")
    waiting = iter(args)
    pieces: list[str] = []
    end = 0
    for match in _CONVERSION.finditer(pattern):
        budget.step()
        pieces.append(pattern[end : match.start()])
        pieces.append(_converted(budget, match, waiting, kwargs))
        end = match.end()
    if next(waiting, pieces) is not pieces:
        raise ExpressionError("There are more values than places in the pattern.")
    return joined(budget, [*pieces, pattern[end:]], "")


def _converted(
    budget: Budget, match: re.Match[str], waiting: Iterator[Plain], named: dict[str, Plain]
) -> str:
    name, flags, width, precision, kind = match.groups()
    if kind == "%":
        return "%"
    if kind not in ("s", "d", "i", "f"):
        raise ExpressionError(
            f"'{clip(match[0])}' is not a place for a value.",
            remedy="There are %s for text, %d for whole numbers, %.2f for decimals, %% for a %.",
        )
    sentinel = object()
    value = named.get(name, sentinel) if name else next(waiting, sentinel)
    if value is sentinel:
        raise ExpressionError(f"There is no value for '{clip(match[0])}' in the pattern.")
    wide = need_int(int(width or 0), "width", 0, MAX_PADDING)
    digits = need_int(int(precision or 0), "precision", 0, MAX_PADDING) if precision else None
    text = _placed(kind, value, flags, digits)
    if wide <= len(text):
        return text
    budget.text(wide, not text.isascii())
    if "-" in flags:
        return text.ljust(wide)
    if "0" in flags and kind != "s":
        return text.zfill(wide)
    return text.rjust(wide)


def _placed(kind: str, value: Plain, flags: str, digits: int | None) -> str:
    if kind == "s":
        text = text_of(value)
        return text if digits is None else text[:digits]
    if type(value) is not int and type(value) is not Decimal:
        raise ExpressionError(
            f"'%{kind}' needs a number, but the value is {paths.kind(value)}.",
            value_type=paths.kind(value),
        )
    if kind == "f":
        text = decimal_text(rounded(to_decimal(value), 6 if digits is None else digits))
    else:
        text = str(int(value))
    if text.startswith("-"):
        return text
    return "+" + text if "+" in flags else " " + text if " " in flags else text


FILTERS: Final = {
    "upper": upper,
    "lower": lower,
    "title": title,
    "capitalize": capitalize,
    "trim": _trim,
    "replace": replace,
    "join": _join,
    "split": split,
    "lines": split_lines,
    "truncate": _truncate,
    "format": _format,
    "indent": _indent,
    "center": _center,
    "wordcount": _wordcount,
    "string": _string,
    "digits": _digits,
}
