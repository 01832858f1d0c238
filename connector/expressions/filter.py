"""Filters as data: what stands behind the `|` of an expression.

Most filters are a pure function of small values. Such a filter is declared with its function alone:

    Filter("stars", lambda value, count=5: "*" * min(int(value), count),
           help="A rating as stars.", example="{{ 3 | stars }}", result="***")

The evaluator then sees to the bounds by itself: what goes in and what comes out may have at most
`limit` characters in all, and what comes out is copied as plain data.

A filter for large values says `budgeted=True`. Its function gets the Budget before the value, and
asks it for every text (`budget.text(length)`) and list (`budget.rows(count)`) before it makes them,
and for the steps of its work (`budget.step(count)`, `budget.scan(characters)`).

Either function gets only None, bool, int, Decimal, str, list and dict, which it must not change,
gives the same, and raises ExpressionError with a sentence for the user.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Final, Literal, Self

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.limits import Budget, show
from connector.expressions.values import Plain, clip, fit_text, plain

Function = Callable[..., Any]
_FORMS: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, eq=False)
class Filter:
    """One filter: its function, and the words that explain it; two filters are never equal."""

    word: ClassVar[str] = "filter"

    name: str
    function: Function
    help: str = ""
    """One sentence for a bookkeeper."""
    example: str = ""
    """An expression that shows it, such as `{{ 'rossi' | upper }}`."""
    result: Any = None
    """What the example gives."""
    group: str = "other"
    """The heading under which it is explained."""
    budgeted: bool = False
    """Whether the function gets the Budget as its first argument and bounds its work itself."""
    limit: int = 4_096
    """Characters that an unbudgeted function takes and gives at most, all values together."""
    prepare: Callable[[], object] | None = None
    """Run when an expression that uses it is compiled: heavy imports and tables, not work."""
    accepts_missing: bool = False
    """Built-in only: the function also sees places that do not exist."""
    trusted: bool = False
    """Built-in only: what a budgeted function gives is known to be plain, and not copied."""
    takes: tuple[Literal["filter", "test"], int] | None = None
    """Built-in only: the argument at this place names a filter or a test, and is given as one."""
    arguments: tuple[str, ...] = field(init=False)
    """The names of what may stand in brackets; those with a default end in `?`."""

    @classmethod
    def of(cls, function: Function, name: str = "", **rest: Any) -> Self:
        """A filter explained by the docstring of its function.

        Its first paragraph is the help; a last line `{{ … }} => JSON` is the example. Raises
        ValueError when that is no JSON.
        """
        name = name or function.__name__.strip("_")
        words, _, last = (inspect.getdoc(function) or "").rpartition("\n")
        example, arrow, written = last.partition(" => ")
        shown = bool(arrow) and last.startswith("{{")
        try:
            result = json.loads(written, parse_float=Decimal) if shown else None
        except ValueError:
            raise ValueError(f"the example of {name!r} does not end in JSON: {written}") from None
        return cls(
            name,
            function,
            help=" ".join((words if shown else f"{words}\n{last}").split("\n\n")[0].split()),
            example=example if shown else "",
            result=result,
            **rest,
        )

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name.startswith("_"):
            raise ValueError(f"{self.name!r} is not a name for a filter")
        parameters = list(inspect.signature(self.function).parameters.values())
        parameters = parameters[2 if self.budgeted else 1 :]
        object.__setattr__(self, "_parameters", parameters)
        object.__setattr__(self, "arguments", tuple(map(_argument_name, parameters)))

    @property
    def signature(self) -> str:
        """How it is written, for help and errors: `replace(old, new, count?)`."""
        return f"{self.name}({', '.join(self.arguments)})" if self.arguments else self.name

    def check_call(self, positional: int, keywords: Collection[str]) -> None:
        """Raise ExpressionError when these arguments do not fit."""
        parameters: list[inspect.Parameter] = getattr(self, "_parameters")  # noqa: B009
        kinds = {parameter.kind for parameter in parameters}
        plain_ones = [one for one in parameters if one.kind in _FORMS]
        named = {one.name for one in parameters if one.kind is not inspect.Parameter.VAR_POSITIONAL}
        given = {one.name for one in plain_ones[:positional]}
        too_many = positional > len(plain_ones) and inspect.Parameter.VAR_POSITIONAL not in kinds
        free = inspect.Parameter.VAR_KEYWORD in kinds
        unknown = [name for name in keywords if name in given or (not free and name not in named)]
        absent = [
            one.name
            for one in plain_ones[positional:]
            if one.default is inspect.Parameter.empty and one.name not in keywords
        ]
        if too_many or unknown or absent:
            wrong = f": '{clip(unknown[0])}' is not one of them" if unknown else ""
            raise ExpressionError(
                f"The arguments of the {self.word} '{self.name}' do not fit{wrong}.",
                remedy=f"It is written {self.signature}.",
            )

    def __call__(self, budget: Budget, value: Plain, *args: Plain, **kwargs: Plain) -> Plain:
        """Apply it to plain values within the budget. Raises ExpressionError."""
        try:
            if self.budgeted:
                return self._own(self.function(budget, value, *args, **kwargs), budget)
            measure = _Measure(budget, self)
            measure.add(value)
            for given in (*args, *kwargs.values()):
                measure.add(given)
            result = self.function(value, *args, **kwargs)
        except ExpressionError:
            raise
        except Exception as error:
            raise ExpressionError(
                f"The {self.word} '{self.name}' cannot work on this {paths.kind(value)}.",
                remedy=f"It is written {self.signature}.",
                value_type=paths.kind(value),
            ) from error
        return self._checked(result, budget)

    def _own(self, result: Any, budget: Budget) -> Plain:
        """A result of a budgeted function: of plugins it is copied, as any foreign data."""
        if self.trusted:
            return fit_text(result) if type(result) is str else result
        return plain(result, budget)

    def _checked(self, result: Any, budget: Budget) -> Plain:
        kind = type(result)
        if result is None or kind is bool:
            return result
        made = plain(result, budget)
        _Measure(budget, self).add(made)
        return made


def _argument_name(parameter: inspect.Parameter) -> str:
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return "…"
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        return "name=…"
    optional = parameter.default is not inspect.Parameter.empty
    return f"{parameter.name}?" if optional else parameter.name


class _Measure:
    """Adds up what an unbudgeted filter is given or gives."""

    __slots__ = ("budget", "filter", "size")

    def __init__(self, budget: Budget, of: Filter) -> None:
        self.budget = budget
        self.filter = of
        self.size = 0

    def add(self, value: Plain) -> None:
        """Count a value with everything in it. Raises ExpressionError above the limit."""
        kind = type(value)
        self.size += len(value) or 1 if kind is str else 8
        if self.size > self.filter.limit:
            raise ExpressionError(
                f"The {self.filter.word} '{self.filter.name}' is for at most "
                f"{show(self.filter.limit)} characters.",
                value_type=paths.kind(value),
            )
        if kind is list:
            self.budget.step(1 + len(value))
            for item in value:
                self.add(item)
        elif kind is dict:
            self.budget.step(1 + len(value))
            for key, item in value.items():
                self.add(key)
                self.add(item)


# --- what filters ask of their arguments ----------------------------------------------------------


def need_text(value: Plain, what: str = "value") -> str:
    """The value, when it is text."""
    if type(value) is str:
        return value
    raise _wrong(value, what, "text", "Make text of it with | string.")


def need_number(value: Plain, what: str = "value") -> int | Decimal:
    """The value, when it is a number."""
    if type(value) is int or type(value) is Decimal:
        return value
    remedy = "Make a number of it with | decimal or | parse_it_number."
    raise _wrong(value, what, "a number", remedy if isinstance(value, str) else "")


def need_list(value: Plain, what: str = "value") -> list[Plain]:
    """The value, when it is a list."""
    if type(value) is list:
        return value
    raise _wrong(value, what, "a list", "")


def need_int(value: Plain, what: str, lowest: int, highest: int) -> int:
    """The value, when it is a whole number between these two."""
    if type(value) is not int:
        raise _wrong(value, what, "a whole number", "")
    if not lowest <= value <= highest:
        raise ExpressionError(
            f"The {what} must lie between {show(lowest)} and {show(highest)}.", value_type="number"
        )
    return value


def _wrong(value: Plain, what: str, wanted: str, remedy: str) -> ExpressionError:
    return ExpressionError(
        f"The {what} must be {wanted}, but it is {paths.kind(value)}.",
        remedy=remedy,
        value_type=paths.kind(value),
    )
