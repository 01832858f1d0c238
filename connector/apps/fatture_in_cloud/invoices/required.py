"""What an e-invoice must have, checked before anything is sent, in a bookkeeper's words.

Sources: facts §5.4.6 and the public rules of FatturaPA. Every fault is told at once, each with its
field, so that one look mends them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from connector.apps.fatture_in_cloud.invoices.totals import decimal_of
from connector.errors import Issue

KINDS = ("invoice", "credit_note", "self_own_invoice", "self_supplier_invoice")
"""The types of document that can be an e-invoice."""

_MEANS = re.compile(r"MP(0[1-9]|1\d|2[0-3])")
_NATURE = re.compile(r"N[1-7](\.\d)?")
_CODE = re.compile(r"[A-Z0-9]{7}", re.IGNORECASE)
_OFFICE_CODE = re.compile(r"[A-Z0-9]{6}", re.IGNORECASE)
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_CIG = re.compile(r"[A-Z0-9]{10}", re.IGNORECASE)
_CUP = re.compile(r"[A-Z0-9]{15}", re.IGNORECASE)
MOST_NAME = 80


def faults_of(document: Mapping[str, Any], *, without_cig: bool = False) -> list[Issue]:
    """Everything for which SDI or the vendor would refuse this e-invoice; empty when it may go."""
    entity = document.get("entity") or {}
    means = document.get("ei_data") or {}
    return [
        *_kind(document),
        *_customer(entity),
        *_address(entity),
        *_recipient(entity),
        *_lines(document),
        *_payment(document, means),
        *_taxes(document, means),
        *(_public_body(means, without_cig) if entity.get("type") == "pa" else ()),
        *_codes(means),
        *_reference(document, means),
    ]


def is_foreign(entity: Mapping[str, Any]) -> bool:
    """Whether the customer is abroad, by the country code, else by the country's name."""
    iso = str(entity.get("country_iso") or "").strip().upper()
    if iso:
        return iso != "IT"
    return str(entity.get("country") or "Italia").strip().casefold() not in (
        "italia",
        "italy",
        "it",
    )


def _kind(document: Mapping[str, Any]) -> Iterator[Issue]:
    kind = document.get("type")
    if kind not in KINDS:
        yield _issue(
            "type",
            f"A document of the type {kind!r} cannot be an e-invoice.",
            "Choose an invoice, a credit note or a self-invoice, or switch the e-invoice off.",
        )


def _customer(entity: Mapping[str, Any]) -> Iterator[Issue]:
    name, vat, tax = (_text(entity, key) for key in ("name", "vat_number", "tax_code"))
    if not name:
        yield _issue("entity.name", "The customer has no name.", "Give the company's or person's.")
    elif len(name) > MOST_NAME:
        yield _issue(
            "entity.name",
            f"The customer's name has {len(name)} characters; an e-invoice takes {MOST_NAME}.",
            "Shorten it.",
        )
    if is_foreign(entity):
        if not (vat or tax):
            yield _issue(
                "entity.vat_number",
                "A customer abroad needs an identification number.",
                "Give the VAT number, or any number by which the country knows the customer.",
            )
        return
    if not (vat or tax):
        yield _issue(
            "entity.vat_number",
            "The customer has neither a VAT number (partita IVA) nor a tax code (codice fiscale).",
            "Add one to the customer in Fatture in Cloud, or give it here.",
        )
        return
    if vat and not _is_vat(vat):
        yield _issue(
            "entity.vat_number",
            "This is no Italian VAT number: it needs 11 digits, and its last one must fit.",
            "Look it up and correct it: SDI would reject the invoice.",
        )
    if tax and not _is_tax_code(tax):
        yield _issue(
            "entity.tax_code",
            "This is no tax code: it needs 16 characters for a person, or 11 digits, that fit.",
            "Look it up and correct it: SDI would reject the invoice.",
        )


def _address(entity: Mapping[str, Any]) -> Iterator[Issue]:
    for key, words in (
        ("address_street", "street"),
        ("address_city", "city"),
        ("address_postal_code", "postal code (CAP)"),
    ):
        if not _text(entity, key):
            yield _issue(
                f"entity.{key}",
                f"The customer's address has no {words}.",
                "Complete the address: an e-invoice needs all of it.",
            )
    if not (_text(entity, "country") or _text(entity, "country_iso")):
        yield _issue("entity.country", "The customer's address has no country.", "Add it.")
    if is_foreign(entity):
        return
    code, province = _text(entity, "address_postal_code"), _text(entity, "address_province")
    if code and not re.fullmatch(r"\d{5}", code):
        yield _issue(
            "entity.address_postal_code", "An Italian postal code has 5 digits.", "Correct it."
        )
    if province and not re.fullmatch(r"[A-Za-z]{2}", province):
        yield _issue(
            "entity.address_province", "A province is written with its two letters.", "As in MI."
        )


def _recipient(entity: Mapping[str, Any]) -> Iterator[Issue]:
    code, mail = _text(entity, "ei_code"), _text(entity, "certified_email")
    if entity.get("type") == "pa":
        if not _OFFICE_CODE.fullmatch(code):
            yield _issue(
                "entity.ei_code",
                "A public body needs the 6-character code of its office (codice univoco ufficio).",
                "Look it up at indicepa.gov.it.",
            )
        return
    if code and not _CODE.fullmatch(code):
        known = "Six characters are the code of a public body." if len(code) == 6 else ""
        yield _issue(
            "entity.ei_code",
            f"The recipient code (codice destinatario) has 7 characters. {known}".strip(),
            "Correct it, or set the customer's type to public administration if it is one.",
        )
    if mail and not _MAIL.fullmatch(mail):
        yield _issue("entity.certified_email", "This is no e-mail address (PEC).", "Correct it.")
    if not code and not mail:
        yield _issue(
            "entity.ei_code",
            "The customer has neither a recipient code (codice destinatario) nor a PEC, so that "
            "the e-invoice would not be delivered.",
            "Add one to the customer in Fatture in Cloud, or give it here; 0000000 leaves it in "
            "the customer's tax drawer (cassetto fiscale).",
        )


def _lines(document: Mapping[str, Any]) -> Iterator[Issue]:
    rows = document.get("items_list") or ()
    if not rows:
        yield _issue("items_list", "The document has no lines.", "Add at least one.")
    for index, row in enumerate(rows):
        at, vat = f"items_list.{index}", row.get("vat") or {}
        if not (_text(row, "name") or _text(row, "description")):
            yield _issue(
                f"{at}.name", f"Line {index + 1} says nothing.", "Give a name or a description."
            )
        if not vat:
            # That none was found is told already.
            continue
        if vat.get("e_invoice") is False:
            yield _issue(
                f"{at}.vat",
                f"The VAT type of line {index + 1} is not meant for e-invoices.",
                "Choose another one.",
            )
        nature = str(vat.get("ei_type") or "").strip()
        if decimal_of(vat.get("value")) == 0 and not _NATURE.fullmatch(nature):
            yield _issue(
                f"{at}.vat",
                f"Line {index + 1} has 0 % VAT and does not say why (Natura, N1 to N7).",
                "Choose a VAT type with a Natura, or complete it in the settings of Fatture in "
                "Cloud.",
            )


def _payment(document: Mapping[str, Any], means: Mapping[str, Any]) -> Iterator[Issue]:
    way = _text(means, "payment_method")
    if not way:
        yield _issue(
            "ei_data.payment_method",
            "It is not said how it is paid (ModalitaPagamento).",
            "Choose a code, as in MP05 for a bank transfer, or complete the payment method in the "
            "settings of Fatture in Cloud.",
        )
    elif not _MEANS.fullmatch(way):
        yield _issue(
            "ei_data.payment_method",
            f"{way!r} is no ModalitaPagamento.",
            "Choose one of MP01 to MP23.",
        )
    iban = _text(means, "bank_iban").replace(" ", "")
    if iban and not re.fullmatch(r"[A-Za-z]{2}\d{2}[A-Za-z0-9]{11,30}", iban):
        yield _issue("ei_data.bank_iban", "This is no IBAN.", "Correct it.")


def _taxes(document: Mapping[str, Any], means: Mapping[str, Any]) -> Iterator[Issue]:
    split, kind = bool(document.get("use_split_payment")), means.get("vat_kind")
    if split != (kind == "S"):
        yield _issue(
            "ei_data.vat_kind",
            "Split payment needs both its switch and the VAT kind S; one of the two is set.",
            "Set both, or neither.",
        )
    for name, place, words in (
        ("cassa", "ei_cassa_type", "pension fund (cassa): TC01 to TC22"),
        ("cassa2", "ei_cassa2_type", "second pension fund (cassa): TC01 to TC22"),
        ("withholding_tax", "ei_withholding_tax_causal", "withholding tax: its causal, as in A"),
        (
            "other_withholding_tax",
            "ei_other_withholding_tax_type",
            "other withholding: RT03 to RT06",
        ),
    ):
        if decimal_of(document.get(name)) and not _text(document, place):
            yield _issue(place, f"An e-invoice must say the kind of the {words}.", "Choose it.")


def _public_body(means: Mapping[str, Any], without_cig: bool) -> Iterator[Issue]:
    if not without_cig and not (_text(means, "cig") or _text(means, "cup")):
        yield _issue(
            "ei_data.cig",
            "A public body may not pay an invoice without the tender code (CIG) or the project "
            "code (CUP).",
            "Give it, or say that this order has none (without_cig).",
        )


def _codes(means: Mapping[str, Any]) -> Iterator[Issue]:
    cig, cup = _text(means, "cig"), _text(means, "cup")
    if cig and not _CIG.fullmatch(cig):
        yield _issue("ei_data.cig", "A CIG has 10 letters and digits.", "Correct it.")
    if cup and not _CUP.fullmatch(cup):
        yield _issue("ei_data.cup", "A CUP has 15 letters and digits.", "Correct it.")
    if (cig or cup) and not (_text(means, "od_number") and means.get("original_document_type")):
        yield _issue(
            "ei_data.od_number",
            "CIG and CUP belong to an order, a contract or a convention, which is not named.",
            "Give its type and its number.",
        )


def _reference(document: Mapping[str, Any], means: Mapping[str, Any]) -> Iterator[Issue]:
    if document.get("type") != "credit_note":
        return
    for key, words in (("invoice_number", "number"), ("invoice_date", "date")):
        if not means.get(key):
            yield _issue(
                f"ei_data.{key}",
                f"The credit note does not say the {words} of the invoice that it corrects.",
                "Give number and date of the original invoice.",
            )


def _is_vat(text: str) -> bool:
    number = "".join(text.split()).upper().removeprefix("IT")
    # By its check digit alone: which tax offices there are changes with the years.
    return len(number) == 11 and number.isdecimal() and _luhn(number)


def _is_tax_code(text: str) -> bool:
    code = "".join(text.split()).upper()
    if len(code) == 11 and code.isdecimal():
        return _luhn(code)
    return bool(import_module("stdnum.it.codicefiscale").is_valid(code))


def _luhn(number: str) -> bool:
    return bool(import_module("stdnum.luhn").is_valid(number))


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return "" if value is None else str(value).strip()


def _issue(field: str, message: str, remedy: str) -> Issue:
    return Issue(field=f"data.{field}", message=message, remedy=remedy)
