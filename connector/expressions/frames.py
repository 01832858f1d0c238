"""The state of one evaluation, and the shape of what is compiled to run on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from connector.errors import ExpressionError
from connector.expressions.limits import Budget
from connector.expressions.values import Copies, Output


class _Unset:
    """What a variable holds before it is set."""


UNSET: Final = _Unset()


class Frame:
    """Everything that changes while one expression is worked out."""

    __slots__ = ("budget", "context", "copies", "now", "output", "parts", "slots")

    def __init__(
        self, context: Mapping[str, Any], budget: Budget, now: datetime | None, slots: int
    ) -> None:
        self.context = context
        self.budget = budget
        self.now = now
        """The recorded time of the run."""
        self.slots: list[Any] = [UNSET] * slots
        """The variables of loops and `set`, by the number the compiler gave them."""
        self.copies: Copies = {}
        """Containers of the context that were read already, by id."""
        self.parts: list[str] = []
        self.output = Output(budget)

    def emit(self, text: str) -> None:
        """Append to the text that is being made."""
        self.output.add_text(text)
        self.parts.append(text)


Closure = Callable[[Frame], Any]
"""One compiled node: takes the frame, gives its value."""

Statement = Callable[[Frame], None]
"""One compiled statement: writes text or sets variables."""


def located(
    error: ExpressionError, offset: int | None, field: str | None = None
) -> ExpressionError:
    """The same error, told where it happened unless it knows that already."""
    if error.offset is None:
        error.offset = offset
    if error.field is None:
        error.field = field
    return error
