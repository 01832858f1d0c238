"""The invented user, companies and settings a fresh sandbox starts with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

COMPANY_ID = 108_061
ACCOUNTANT_ID = 108_100
CONTROLLED_IDS = (108_101, 108_102)

USER: dict[str, Any] = {
    "id": 30_117,
    "name": "Anna Esempio",
    "first_name": "Anna",
    "last_name": "Esempio",
    "email": "anna@officine.example",
    "hash": "0d4f",
    "picture": "",
}

COMPANIES: tuple[dict[str, Any], ...] = (
    {
        "id": COMPANY_ID,
        "name": "Officine Esempio S.r.l.",
        "type": "company",
        "tax_code": "01234567890",
        "vat_number": "IT01234567890",
        "controlled": (),
    },
    {
        "id": ACCOUNTANT_ID,
        "name": "Studio Esempio",
        "type": "accountant",
        "tax_code": "09876543210",
        "vat_number": "IT09876543210",
        "controlled": CONTROLLED_IDS,
    },
    *(
        {
            "id": id_,
            "name": f"Cliente dello studio {number}",
            "type": "company",
            "tax_code": f"0111222333{number}",
            "vat_number": f"IT0111222333{number}",
            "controlled": (),
        }
        for number, id_ in enumerate(CONTROLLED_IDS, start=1)
    ),
)


def _vat(id_: int, value: int, description: str, nature: str | None = None) -> dict[str, Any]:
    return {
        "id": id_,
        "value": Decimal(value),
        "description": description,
        "ei_type": nature,
        "editable": False,
        "default": id_ == 0,
    }


VAT_TYPES = (
    _vat(0, 22, ""),
    _vat(3, 10, ""),
    _vat(4, 4, ""),
    _vat(6, 0, "Non imp. art. 8", "N3.1"),
    _vat(21, 0, "Escluso art. 15", "N1"),
)
OTHER_VAT_TYPES = (
    # Of every company but the first: other ids, one that is not used any more, and two of a name.
    _vat(0, 22, ""),
    _vat(107, 10, ""),
    _vat(108, 4, ""),
    _vat(131, 0, "Non imp. art. 8", "N3.1"),
    _vat(132, 0, "Escluso art. 15", "N1"),
    _vat(133, 0, "Escluso art. 15", "N1"),
    _vat(120, 21, "") | {"is_disabled": True},
)
ACCOUNTS = (
    {"id": 333, "name": "Cassa", "type": "standard"},
    {"id": 555, "name": "Banca Esempio", "type": "bank", "iban": "IT60X0542811101000000123456"},
)
METHODS = (
    {"id": 386_683, "name": "Bonifico", "is_default": True, "ei_payment_method": "MP05"},
    {"id": 386_684, "name": "Contanti", "ei_payment_method": "MP01"},
)
TEMPLATES: tuple[dict[str, Any], ...] = (
    {"id": 2821, "name": "New Standard", "type": "standard"},
    {"id": 2822, "name": "Classico", "type": "standard"},
    {"id": 2830, "name": "DDT", "type": "delivery_note"},
)
COUNTRIES = (
    ("Italia", "IT"),
    ("Austria", "AT"),
    ("Belgio", "BE"),
    ("Croazia", "HR"),
    ("Francia", "FR"),
    ("Germania", "DE"),
    ("Grecia", "EL"),
    ("Irlanda", "IE"),
    ("Paesi Bassi", "NL"),
    ("Polonia", "PL"),
    ("Portogallo", "PT"),
    ("Regno Unito", "GB"),
    ("Romania", "RO"),
    ("San Marino", "SM"),
    ("Slovenia", "SI"),
    ("Spagna", "ES"),
    ("Stati Uniti d'America", "US"),
    ("Svizzera", "CH"),
)
