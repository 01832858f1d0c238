"""A flow that was checked and can run: what the engine holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from connector.errors import ExpressionError, FlowError, Issue
from connector.expressions import Expression
from connector.flow.model import Loops, Order
from connector.mapping import CompiledMapping
from connector.paths import kind

SKIPPED: Final[Mapping[str, Any]] = {"skipped": True}
"""What `steps.<id>` is when the step was skipped: it has no other key, so `default` works."""

Context = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Condition:
    """A `when`: it must give yes or no, and nothing counts as no."""

    expression: Expression
    flow: str
    where: str

    def holds(self, context: Context, now: datetime | None = None) -> bool:
        """Whether it holds. Raises FlowError when it cannot be told."""
        value = _evaluate(self.expression, context, now, self.flow, self.where)
        if isinstance(value, bool):
            return value
        if value is None:
            return False
        issue = Issue(
            message=f"The condition gives {kind(value)}, not yes or no.",
            remedy="Compare it: {{ … is not none }}, {{ … != '' }}, {{ … > 0 }}; "
            "and leave no text around the braces.",
            value_type=kind(value),
            where=self.where,
        )
        raise _fault(issue, self.flow, self.where)


@dataclass(frozen=True, slots=True)
class CompiledTrigger:
    """What starts the flow; `node` is the trigger's full name."""

    node: str
    connection: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """One step, ready to run; `node` is the operation's full name."""

    id: str
    node: str
    connection: str
    mapping: CompiledMapping
    flow: str
    condition: Condition | None = None
    key: Expression | None = None
    enabled: bool = True
    """One that is switched off is left out of every run, and nothing else of it counts."""

    def when(self, context: Context, now: datetime | None = None) -> bool:
        """Whether the step is to run. Raises FlowError when it cannot be told."""
        return self.condition is None or self.condition.holds(context, now)

    def business_key(self, context: Context, now: datetime | None = None) -> str | None:
        """The text that tells one business fact from another, if the step names one.

        Raises FlowError when it is empty: then two facts would be taken for one.
        """
        if self.key is None:
            return None
        where = f"steps.{self.id}.business_key"
        value = _evaluate(self.key, context, now, self.flow, where)
        is_key = isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))
        text = str(value).strip() if is_key else ""
        if text:
            return text
        issue = Issue(
            message=f"The business key is {'empty' if is_key or value is None else kind(value)}.",
            remedy="Choose a text or a whole number that every record has, such as its id.",
            value_type=kind(value),
            where=where,
        )
        raise _fault(issue, self.flow, where)


@dataclass(frozen=True, slots=True)
class CompiledFlow:
    """A checked flow: trigger, filter and steps."""

    key: str
    name: str
    order: Order
    loops: Loops
    trigger: CompiledTrigger
    condition: Condition | None
    steps: tuple[CompiledStep, ...]

    def filter(self, context: Context, now: datetime | None = None) -> bool:
        """Whether an event is for this flow. Raises FlowError when it cannot be told."""
        return self.condition is None or self.condition.holds(context, now)


def _evaluate(
    expression: Expression, context: Context, now: datetime | None, flow: str, where: str
) -> Any:
    try:
        return expression.evaluate(context, now=now)
    except ExpressionError as error:
        issue = Issue(
            message=error.message,
            remedy=error.remedy,
            field=error.field,
            value_type=error.value_type,
            where=where,
            who=error.who,
        )
        raise _fault(issue, flow, where) from error


def _fault(issue: Issue, flow: str, where: str) -> FlowError:
    return FlowError(
        f"In the flow {flow}: {issue.message}",
        remedy=issue.remedy,
        field=where,
        value_type=issue.value_type,
        who=issue.who,
        issues=(issue,),
    )
