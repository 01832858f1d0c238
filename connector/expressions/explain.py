"""What docs/expressions.md says of filters, tests, methods and limits, written from the code.

`python -m connector.expressions.explain docs/expressions.md` renews it in the page.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from connector.expressions import limits
from connector.expressions.checks import checks
from connector.expressions.filter import Filter
from connector.expressions.filters import builtin_filters
from connector.expressions.limits import show
from connector.expressions.methods import METHODS
from connector.expressions.values import decimal_text

_KINDS = {str: "text", list: "list", dict: "object"}


def pages() -> dict[str, str]:
    """Markdown by the name of its place in the page."""
    return {
        "filters": _filters(),
        "tests": _table(("test", "holds when", "for example"), _tests()),
        "methods": _table(("of a", "methods"), _methods()),
        "limits": _table(("what", "at most"), _limits()),
    }


def renew(page: str) -> str:
    """The page with every generated part put between its two marks."""
    for name, text in pages().items():
        before, mark, rest = page.partition(f"<!-- generated: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        if mark and end:
            page = f"{before}{mark}{text}{end}{after}"
    return page


def _filters() -> str:
    known = builtin_filters().values()
    parts = []
    for group, some in groupby(known, key=lambda one: one.group):
        rows = [(_code(one.signature), one.help, *_example(one)) for one in some]
        heading = group[0].upper() + group[1:]
        parts.append(f"### {heading}\n\n{_table(('filter', 'gives', 'example', 'result'), rows)}")
    return "\n".join(parts)


def _example(one: Filter) -> tuple[str, str]:
    return _code(one.example), _code(written(one.result))


def _tests() -> Iterator[tuple[str, str, str]]:
    for one in checks().values():
        yield _code(one.signature), one.help, _code(one.example)


def _methods() -> Iterator[tuple[str, str]]:
    for kind, word in _KINDS.items():
        names = [name for owner, name in METHODS if owner is kind]
        yield word, ", ".join(_code(f"{name}()") for name in names)


def _limits() -> Iterator[tuple[str, str]]:
    kib = limits.KIB
    yield "An expression, as it is written", f"{limits.MAX_SOURCE // kib} KiB"
    yield "Its parts (names, values, operators …)", show(limits.MAX_NODES)
    yield "Brackets, signs or blocks inside each other", show(limits.MAX_NESTING)
    yield "Loops inside each other", show(limits.MAX_LOOPS)
    yield "Steps while it is worked out", show(limits.MAX_STEPS)
    yield "Processor time while it is worked out", f"{limits.MAX_SECONDS * 1000:.0f} ms"
    yield "Memory while it is worked out", f"{limits.MAX_ALLOCATED // kib**2} MiB"
    yield "A text", f"{limits.MAX_TEXT // kib} KiB"
    yield "Rows of a list, entries of an object", show(limits.MAX_ROWS)
    yield "Lists and objects inside each other", show(limits.MAX_LEVELS)
    yield "A whole number", f"{limits.MAX_BITS} bits"
    yield "Digits of a number with decimals", show(limits.MAX_DIGITS)
    yield "A width, an indent", show(limits.MAX_PADDING)
    yield "The result", f"{limits.MAX_OUTPUT // kib} KiB"


def written(value: Any) -> str:
    """A result as JSON with exact decimals."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{written(key)}: {written(one)}' for key, one in value.items())}}}"
    return json.dumps(value, ensure_ascii=False)


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = Path(name)
        path.write_text(renew(path.read_text("utf-8")), "utf-8")
