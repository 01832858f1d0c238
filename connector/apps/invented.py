"""Invented people and companies, for what is done in emulated apps."""

from __future__ import annotations

from importlib import import_module
from random import Random
from typing import Any, Final

_KINDS: Final = ("Officine", "Panificio", "Studio", "Trasporti", "Cantina", "Tipografia", "Vivai")
_NAMES: Final = ("Adda", "Brenta", "Chiese", "Dora", "Isonzo", "Lambro", "Oglio", "Ticino")
_TOWNS: Final = (("Bergamo", "BG", "24121"), ("Padova", "PD", "35121"), ("Cremona", "CR", "26100"))


def a_client(draw: Random) -> dict[str, Any]:
    """An invented client with a VAT number that could be one."""
    town, province, code = draw.choice(_TOWNS)
    # Its last three digits before the check digit name a tax office: 1 to 100.
    vat = vat_number(draw.randrange(1, 10**7) * 1_000 + draw.randint(1, 100))
    name = f"{draw.choice(_KINDS)} {draw.choice(_NAMES)}"
    return {
        "name": f"{name} S.r.l.",
        "type": "company",
        "vat_number": f"IT{vat}",
        "tax_code": vat,
        "address_street": f"Via Roma {draw.randint(1, 99)}",
        "address_postal_code": code,
        "address_city": town,
        "address_province": province,
        "country": "Italia",
        "country_iso": "IT",
        "phone": a_phone(draw),
        "email": f"info@{name.lower().replace(' ', '-')}.example",
    }


def a_phone(draw: Random) -> str:
    """An invented telephone number."""
    return f"+39 035 {draw.randint(100_000, 999_999)}"


def vat_number(number: int) -> str:
    """An Italian VAT number from ten digits."""
    digits = f"{number:010}"
    return digits + str(import_module("stdnum.luhn").calc_check_digit(digits))
