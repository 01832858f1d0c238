"""The tests that may follow `is`."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar

from connector.expressions import arithmetic
from connector.expressions.filter import Filter, need_number
from connector.expressions.filters import identifiers
from connector.expressions.limits import Budget
from connector.expressions.values import Missing, Plain, is_number


class Check(Filter):
    """A test: a filter that gives yes or no and stands after `is`."""

    word: ClassVar[str] = "test"


def _kind(help_text: str, example: str, *types: type) -> tuple[Any, str, str]:
    return (lambda budget, value: type(value) in types), help_text, example


def _even(budget: Budget, value: Plain) -> bool:
    return need_number(value) % 2 == 0


def _odd(budget: Budget, value: Plain) -> bool:
    return need_number(value) % 2 == 1


def _divisible(budget: Budget, value: Plain, num: Plain) -> bool:
    return bool(arithmetic.MATH["Mod"](need_number(value), need_number(num), budget) == 0)


def _in(budget: Budget, value: Plain, seq: Plain) -> bool:
    return bool(arithmetic.COMPARE["in"](value, seq, budget))


def _compare(operator: str) -> Any:
    work = arithmetic.COMPARE[operator]
    return lambda budget, value, other: bool(work(value, other, budget))


def _valid(of: Any) -> Any:
    def check(budget: Budget, value: Plain) -> bool:
        budget.step(10)
        return type(value) is str and bool(of(value))

    return check


@lru_cache(maxsize=1)
def checks() -> Mapping[str, Check]:
    """All tests by their names."""
    table: dict[str, tuple[Any, str, str]] = {
        "none": (lambda budget, value: value is None, "It is nothing (null).", "none is none"),
        "string": _kind("It is text.", "'a' is string", str),
        "number": (lambda budget, value: is_number(value), "It is a number.", "1.5 is number"),
        "integer": _kind("It is a whole number.", "2 is integer", int),
        "decimal": _kind("It is a number with decimals.", "1.5 is decimal", Decimal),
        "float": _kind("The same as decimal.", "1.5 is float", Decimal),
        "boolean": _kind("It is yes or no.", "true is boolean", bool),
        "true": (lambda budget, value: value is True, "It is yes.", "true is true"),
        "false": (lambda budget, value: value is False, "It is no.", "false is false"),
        "mapping": _kind("It is an object.", "{'a': 1} is mapping", dict),
        "list": _kind("It is a list.", "[1] is list", list),
        "sequence": _kind("It is a list, an object or a text.", "[1] is sequence", list, dict, str),
        "iterable": _kind("A loop can go through it.", "[1] is iterable", list, dict, str),
        "even": (_even, "It divides by two.", "4 is even"),
        "odd": (_odd, "It leaves one when divided by two.", "3 is odd"),
        "divisibleby": (_divisible, "It divides by this number.", "9 is divisibleby(3)"),
        "in": (_in, "It is in this list, object or text.", "'a' is in(['a', 'b'])"),
        "vat_it": (
            _valid(identifiers.is_vat_it),
            "It is an Italian VAT number.",
            "'00743110157' is vat_it",
        ),
        "tax_code_it": (
            _valid(identifiers.is_tax_code_it),
            "It is an Italian tax code.",
            "'RCCMNL83S18D969H' is tax_code_it",
        ),
        "iban": (
            _valid(identifiers.is_iban),
            "It is an IBAN.",
            "'IT60X0542811101000000123456' is iban",
        ),
    }
    for names, operator, sentence, example in (
        (("eq", "equalto"), "eq", "Both are equal.", "1 is eq(1.0)"),
        (("ne",), "ne", "They differ.", "1 is ne(2)"),
        (("gt", "greaterthan"), "gt", "It is greater.", "2 is gt(1)"),
        (("ge",), "gteq", "It is greater or equal.", "2 is ge(2)"),
        (("lt", "lessthan"), "lt", "It is smaller.", "1 is lt(2)"),
        (("le",), "lteq", "It is smaller or equal.", "2 is le(2)"),
    ):
        table.update((name, (_compare(operator), sentence, example)) for name in names)
    heavy = {
        "vat_it": identifiers.load_vat_it,
        "tax_code_it": identifiers.load_tax_code_it,
        "iban": identifiers.load_iban,
    }
    made = {
        name: Check(
            name,
            function,
            help=sentence,
            example=f"{{{{ {example} }}}}",
            result=True,
            budgeted=True,
            trusted=True,
            prepare=heavy.get(name),
        )
        for name, (function, sentence, example) in table.items()
    }
    made |= {
        "defined": Check(
            "defined",
            lambda budget, value: type(value) is not Missing,
            help="The place exists (it may hold nothing).",
            example="{{ none is defined }}",
            result=True,
            budgeted=True,
            trusted=True,
            accepts_missing=True,
        ),
        "undefined": Check(
            "undefined",
            lambda budget, value: type(value) is Missing,
            help="The place does not exist.",
            example="{{ trigger.nickname is undefined }}",
            result=True,
            budgeted=True,
            trusted=True,
            accepts_missing=True,
        ),
    }
    return MappingProxyType(made)
