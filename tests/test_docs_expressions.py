"""docs/expressions.md: its examples are true, and its generated parts are those of the code.

A `json context` block is the data of the page. A `text expression` block holds examples: a source
of one or more lines, then `=> ` and the result as JSON, or `=> error: ` and how the error begins.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from connector.errors import ExpressionError
from connector.expressions import default_filters, evaluate
from connector.expressions.checks import checks
from connector.expressions.explain import renew
from connector.expressions.methods import METHOD_NAMES

PAGE = Path(__file__).parents[1] / "docs" / "expressions.md"
TEXT = PAGE.read_text("utf-8")
NOW = datetime(2026, 7, 31, 12, 30, tzinfo=UTC)


class Example(NamedTuple):
    """One source of the page and what it says of the result."""

    source: str
    result: str


def blocks(info: str) -> list[str]:
    return re.findall(rf"^```{info}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def examples() -> list[Example]:
    found = []
    for block in blocks("text expression"):
        parts = re.findall(r"(.+?)\n=> (.+?)\n(?:\n|\Z)", block, re.DOTALL)
        assert "".join(f"{source}\n=> {result}\n\n" for source, result in parts) == f"{block}\n"
        found += [Example(*part) for part in parts]
    return found


CONTEXT = json.loads(blocks("json context")[0], parse_float=Decimal)


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.source[:60])
def test_example_gives_what_the_page_says(example: Example) -> None:
    if example.result.startswith("error: "):
        with pytest.raises(ExpressionError) as caught:
            evaluate(example.source, CONTEXT, now=NOW)
        told = f"{caught.value.message} {caught.value.remedy}"
        assert told.startswith(example.result.removeprefix("error: "))
        return
    value: Any = evaluate(example.source, CONTEXT, now=NOW)
    expected = json.loads(example.result, parse_float=Decimal)
    assert value == expected
    assert type(value) is type(expected)


def test_the_page_has_examples() -> None:
    assert len(examples()) > 30


def test_generated_parts_are_those_of_the_code() -> None:
    assert renew(TEXT) == TEXT, (
        "renew them: python -m connector.expressions.explain docs/expressions.md"
    )


def test_every_filter_test_and_method_is_on_the_page() -> None:
    for one in (*default_filters().values(), *checks().values()):
        assert f"| `{one.signature}` | {one.help} |" in TEXT
    for name in METHOD_NAMES:
        assert f"`{name}()`" in TEXT
