"""What expressions are tried on, and how one is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector.errors import ExpressionError
from connector.expressions import Budget, compile_expression, evaluate

CONTEXT: dict[str, Any] = {
    "trigger": {
        "resource": {
            "id": 12,
            "name": "Rossi",
            "vat_number": "00743110157",
            "note": None,
            "net": Decimal("10.10"),
            "lines": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}],
            "a.b": "dotted",
        }
    }
}
NOW = datetime(2026, 7, 31, 12, 30, tzinfo=UTC)


def error_of(source: str, context: Any = None, **rest: Any) -> ExpressionError:
    """The error that a source raises; raises AssertionError when it gives a value."""
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, CONTEXT if context is None else context, **rest)
    return caught.value


def refused(source: str, context: dict[str, Any] | None, match: str) -> None:
    # Without the deadline, which may come first where the tests themselves are measured.
    with pytest.raises(ExpressionError, match=match):
        compile_expression(source).evaluate(context or {}, budget=Budget(clock=lambda: 0.0))


def refused_at_save(source: str, match: str) -> None:
    with pytest.raises(ExpressionError, match=match):
        compile_expression(source)


def wrapped(inner: str) -> str:
    return "{{ " + inner + " }}"


class Clock:
    """A clock that moves by itself, a little with every look."""

    def __init__(self, seconds_a_look: float) -> None:
        self.now = 0.0
        self.looks = 0
        self._moves = seconds_a_look

    def __call__(self) -> float:
        self.looks += 1
        self.now += self._moves
        return self.now
