"""The methods that may be called: (exact type of the value, name) → our own function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from connector.expressions.filter import need_int, need_list, need_text
from connector.expressions.filters import lists, text
from connector.expressions.limits import MAX_PADDING, Budget
from connector.expressions.lookups import child, key_of
from connector.expressions.values import Plain, same, text_of
from connector.paths import ABSENT

Method = Callable[..., Plain]


def _strip(work: Callable[[str, str | None], str]) -> Method:
    def strip(budget: Budget, value: str, chars: Plain = None) -> str:
        return text.stripped(budget, value, chars, work)

    return strip


def _starts(budget: Budget, value: str, prefix: Plain) -> bool:
    budget.scan(len(need_text(prefix, "prefix")))
    return value.startswith(prefix)


def _ends(budget: Budget, value: str, suffix: Plain) -> bool:
    budget.scan(len(need_text(suffix, "suffix")))
    return value.endswith(suffix)


def _without_prefix(budget: Budget, value: str, prefix: Plain) -> str:
    need_text(prefix, "prefix")
    budget.text(len(value), not value.isascii())
    return value.removeprefix(prefix)


def _without_suffix(budget: Budget, value: str, suffix: Plain) -> str:
    need_text(suffix, "suffix")
    budget.text(len(value), not value.isascii())
    return value.removesuffix(suffix)


def _find(budget: Budget, value: str, sub: Plain) -> int:
    budget.scan(len(value) + len(need_text(sub, "part")))
    return value.find(sub)


def _count_text(budget: Budget, value: str, sub: Plain) -> int:
    budget.scan(len(value) + len(need_text(sub, "part")))
    return value.count(sub)


def _join(budget: Budget, value: str, rows: Plain) -> str:
    return text.joined(budget, [text_of(row) for row in need_list(rows, "list")], value)


def _is(work: Callable[[str], bool]) -> Method:
    def check(budget: Budget, value: str) -> bool:
        budget.scan(len(value))
        return work(value)

    return check


def _pad(work: Callable[[str, int, str], str]) -> Method:
    def pad(budget: Budget, value: str, width: Plain, fill: Plain = " ") -> str:
        need_int(width, "width", 0, MAX_PADDING)
        wide = not (value.isascii() and need_text(fill, "fill").isascii())
        budget.text(max(len(value), width), wide)
        return work(value, width, fill[:1] or " ")

    return pad


def _zfill(budget: Budget, value: str, width: Plain) -> str:
    need_int(width, "width", 0, MAX_PADDING)
    budget.text(max(len(value), width), not value.isascii())
    return value.zfill(width)


def _lines(budget: Budget, value: str) -> Plain:
    return text.split_lines(budget, value)


def _get(budget: Budget, value: Any, key: Plain, default: Plain = None) -> Plain:
    found = child(value, key_of(key))
    return default if found is ABSENT else found


def _count_list(budget: Budget, value: list[Plain], row: Plain) -> int:
    total = 0
    for item in value:
        budget.step()
        total += same(item, row, budget)
    return total


def _index(budget: Budget, value: list[Plain], row: Plain) -> int:
    for place, item in enumerate(value):
        budget.step()
        if same(item, row, budget):
            return place
    return -1


_TEXT: Final[dict[str, Method]] = {
    "upper": text.upper,
    "lower": text.lower,
    "title": text.title,
    "capitalize": text.capitalize,
    "strip": _strip(str.strip),
    "lstrip": _strip(str.lstrip),
    "rstrip": _strip(str.rstrip),
    "replace": text.replace,
    "split": text.split,
    "splitlines": _lines,
    "startswith": _starts,
    "endswith": _ends,
    "removeprefix": _without_prefix,
    "removesuffix": _without_suffix,
    "find": _find,
    "count": _count_text,
    "join": _join,
    "isdigit": _is(str.isdigit),
    "isdecimal": _is(str.isdecimal),
    "isalpha": _is(str.isalpha),
    "isalnum": _is(str.isalnum),
    "isupper": _is(str.isupper),
    "islower": _is(str.islower),
    "isspace": _is(str.isspace),
    "ljust": _pad(str.ljust),
    "rjust": _pad(str.rjust),
    "center": _pad(str.center),
    "zfill": _zfill,
}
_LIST: Final[dict[str, Method]] = {"count": _count_list, "index": _index}
_OBJECT: Final[dict[str, Method]] = {
    "get": _get,
    "items": lists.items,
    "keys": lists.keys,
    "values": lists.values,
}

METHODS: Final[dict[tuple[type, str], Method]] = {
    (kind, name): method
    for kind, table in ((str, _TEXT), (list, _LIST), (dict, _OBJECT))
    for name, method in table.items()
}
METHOD_NAMES: Final = frozenset(name for _, name in METHODS)
