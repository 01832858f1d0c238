"""Filters on VAT numbers, tax codes and bank accounts: rules by python-stdnum."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any, Final

from connector.errors import ExpressionError
from connector.expressions.filter import need_text

_LONGEST: Final = 60


@lru_cache(maxsize=8)
def _rules(name: str) -> Any:
    """A module of python-stdnum; it is heavy, so it is loaded when an expression needs it."""
    return import_module(f"stdnum.{name}")


def load_vat_it() -> None:
    """Load the rules of Italian VAT numbers."""
    _rules("it.iva")


def load_tax_code_it() -> None:
    """Load the rules of Italian tax codes."""
    _rules("it.codicefiscale")


def load_iban() -> None:
    """Load the rules of IBANs."""
    _rules("iban")


def _valid(rules: str, text: str) -> str | None:
    if len(text) > _LONGEST or not text.isascii():
        return None
    module = _rules(rules)
    try:
        return str(module.validate(text))
    except module.ValidationError:
        return None


def _checked(rules: str, value: object, what: str) -> str:
    found = _valid(rules, need_text(value))
    if found is None:
        raise ExpressionError(
            f"The text is not {what}: its length, its characters or its check digit are wrong.",
            value_type="text",
        )
    return found


def is_vat_it(value: object) -> bool:
    """Whether it is an Italian VAT number with a right check digit.

    {{ 'IT00743110157' | is_vat_it }} => true
    """
    return type(value) is str and _valid("it.iva", value) is not None


def is_tax_code_it(value: object) -> bool:
    """Whether it is an Italian tax code, of a person or a company."""
    return type(value) is str and _valid("it.codicefiscale", value) is not None


def is_iban(value: object) -> bool:
    """Whether it is an IBAN of its country's form with right check digits."""
    return type(value) is str and _valid("iban", value) is not None


def vat_it(value: object) -> str:
    """An Italian VAT number as its 11 digits, without IT and blanks; a wrong one is an error.

    {{ 'IT 00743110157' | vat_it }} => "00743110157"
    """
    return _checked("it.iva", value, "an Italian VAT number")


def tax_code_it(value: object) -> str:
    """An Italian tax code in capitals without blanks; a wrong one is an error.

    {{ 'rccmnl83s18d969h' | tax_code_it }} => "RCCMNL83S18D969H"
    """
    return _checked("it.codicefiscale", value, "an Italian tax code")


def iban(value: object) -> str:
    """An IBAN in capitals without blanks; a wrong one is an error.

    {{ 'IT60 X054 2811 1010 0000 0123 456' | iban }} => "IT60X0542811101000000123456"
    """
    return _checked("iban", value, "an IBAN")


FILTERS: Final = {
    "vat_it": vat_it,
    "is_vat_it": is_vat_it,
    "tax_code_it": tax_code_it,
    "iban": iban,
}
PREPARE: Final = {
    "vat_it": load_vat_it,
    "is_vat_it": load_vat_it,
    "tax_code_it": load_tax_code_it,
    "iban": load_iban,
}
