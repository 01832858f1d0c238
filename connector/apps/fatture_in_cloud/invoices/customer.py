"""Whom a document is for: the vendor copies nothing from the customer, so that we do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.errors import Issue

_OF_CUSTOMER = (
    "code", "name", "type", "first_name", "last_name", "contact_person", "vat_number",
    "tax_code", "address_street", "address_postal_code", "address_city", "address_province",
    "address_extra", "country", "country_iso", "email", "certified_email", "phone", "fax",
    "bank_name", "bank_iban", "bank_swift_code", "shipping_address", "e_invoice", "ei_code",
    "has_intent_declaration", "intent_declaration_protocol_number",
    "intent_declaration_protocol_date",
)  # fmt: skip


def entity_of(
    given: Mapping[str, Any], record: Mapping[str, Any] | None
) -> tuple[dict[str, Any], list[Issue]]:
    """The entity of a document: the customer's record, with what is given here on top."""
    said = {key: value for key, value in given.items() if value not in (None, "")}
    found, issues = said, []
    if record is not None:
        copied = {key: record[key] for key in _OF_CUSTOMER if record.get(key) not in (None, "")}
        issues = _same(said, record)
        # What only found the record is as it is written there.
        other = {key: value for key, value in said.items() if not _alike(value, record.get(key))}
        found = {"id": record["id"], **copied, **other}
    if not found.get("name"):
        issues.append(
            Issue(
                field="data.entity.name",
                message="It is not said whom this document is for.",
                remedy="Give the customer's id, VAT number, tax code, code or e-mail, or the "
                "whole name.",
            )
        )
    return found, issues


def _alike(ours: Any, theirs: Any) -> bool:
    return _number(ours).casefold() == _number(theirs).casefold()


def _same(given: Mapping[str, Any], record: Mapping[str, Any]) -> list[Issue]:
    issues = []
    for key, words in (("vat_number", "VAT number"), ("tax_code", "tax code")):
        ours, theirs = (_number(one.get(key)) for one in (given, record))
        if ours and theirs and ours != theirs:
            issues.append(
                Issue(
                    field=f"data.entity.{key}",
                    message=f"The customer {record.get('name')!r} in Fatture in Cloud has "
                    f"another {words}.",
                    remedy="Choose the right customer, or correct the number in one of the two "
                    "places.",
                )
            )
    return issues


def _number(value: Any) -> str:
    text = "".join(str("" if value is None else value).split()).upper()
    digits = text.removeprefix("IT")
    return digits if len(digits) == 11 and digits.isdecimal() else text
