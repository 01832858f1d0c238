"""Which values of a record people look for first, and which only machines read."""

from __future__ import annotations

import re
from typing import Final

from connector.building.meanings import meaning
from connector.model import FieldType
from connector.paths import split

FIRST, ORDINARY, TECHNICAL = 0, 1, 2
_RECORDS: Final = (
    "resource",
    "record",
    "records",
    "entity",
    "items_list",
    "items",
    "payments_list",
)
_MACHINE: Final = re.compile(
    r"(.*_)?(id|uuid|hash|token|url|raw|index)|(?!paid$|trip$)[a-z]{2,}(?<!pa)id|.*_at|.*_(by|from)"
    r"|date(created|added|recorded|send)|lastcontact|addedfrom|active|enrichment|skipped|locked"
    r"|editable|is_disabled|latitude|longitude|registration_confirmed|show_.*|[hv]_margins"
    r"|seen_date|html_symbol|already_gone|transactionid|customfields|recurring|sale_agent"
)
"""Keys by which apps keep their books."""
_CODES: Final = ("tax_id", "vat_id", "transaction_id")
_MONEY: Final = re.compile(r".*(amount|total|price|rate|qty|quantity|discount).*")


def usefulness(path: str, type_: FieldType) -> int:
    """How soon a value is offered: names, numbers, money and dates first, technical ones last."""
    keys = split(path)
    last, around = keys[-1], keys[:-1]
    inner = [key for key in around if key not in _RECORDS]
    if any(key in ("event", "before", "change", "extra_data") or key.endswith("template")
           for key in around):  # fmt: skip
        return TECHNICAL
    if _MACHINE.fullmatch(last) and last not in _CODES and meaning(last) is None:
        return TECHNICAL
    if inner:
        return ORDINARY
    if meaning(last) is not None or type_ == "date" or last in ("code", "description", "subject"):
        return FIRST
    return FIRST if type_ == "number" and _MONEY.fullmatch(last) else ORDINARY
