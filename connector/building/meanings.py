"""What a field stands for, told from its name: `vat`, `vat_number` and `partita_iva` are one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

SYNONYMS: Final[Mapping[str, tuple[str, ...]]] = {
    "vat_number": ("vat", "vat_number", "vat_no", "vatnumber", "vat_id", "partita_iva", "piva"),
    "tax_code": ("tax_code", "codice_fiscale", "fiscal_code", "cf"),
    "company_name": ("company", "company_name", "ragione_sociale", "business_name"),
    "name": ("name", "nome", "title"),
    "first_name": ("first_name", "firstname", "given_name"),
    "last_name": ("last_name", "lastname", "surname", "cognome"),
    "phone": ("phone", "phonenumber", "phone_number", "telephone", "telefono"),
    "email": ("email", "e_mail", "mail", "email_address"),
    "pec": ("certified_email", "pec", "pec_email"),
    "website": ("website", "url_site", "site", "sito"),
    "street": ("street", "address", "address_street", "indirizzo", "address_line_1", "address1"),
    "city": ("city", "address_city", "town", "citta", "comune"),
    "province": ("province", "address_province", "state", "provincia", "region"),
    "postal_code": ("zip", "zip_code", "postal_code", "address_postal_code", "postcode", "cap"),
    "country": ("country", "country_iso", "country_code", "paese", "nation"),
    "language": ("language", "default_language", "lingua"),
    "currency": ("currency", "default_currency", "valuta"),
    "description": ("description", "descrizione"),
    "notes": ("notes", "note", "description_long", "comment"),
    "quantity": ("qty", "quantity", "quantita"),
    "unit": ("measure", "unit", "uom"),
    "net_price": ("net_price", "price", "rate", "unit_price", "prezzo"),
    "gross_price": ("gross_price",),
    "discount": ("discount", "sconto", "discount_percent"),
    "date": ("date", "data", "document_date", "invoice_date"),
    "due_date": ("due_date", "duedate", "scadenza"),
    "amount": ("amount", "total", "importo", "amount_gross"),
    "number": ("number", "numero", "document_number"),
    "lines": ("items_list", "items", "lines", "rows", "line_items", "newitems"),
}
WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "vat_number": ("VAT number", "partita IVA"),
    "tax_code": ("tax code", "codice fiscale"),
    "company_name": ("company name", "ragione sociale"),
    "name": ("name", "nome"),
    "first_name": ("first name", "nome"),
    "last_name": ("last name", "cognome"),
    "phone": ("phone number", "telefono"),
    "email": ("e-mail address", "indirizzo e-mail"),
    "pec": ("certified e-mail", "PEC"),
    "website": ("website", "sito web"),
    "street": ("street", "indirizzo"),
    "city": ("city", "città"),
    "province": ("province", "provincia"),
    "postal_code": ("postal code", "CAP"),
    "country": ("country", "paese"),
    "language": ("language", "lingua"),
    "currency": ("currency", "valuta"),
    "description": ("description", "descrizione"),
    "notes": ("notes", "note"),
    "quantity": ("quantity", "quantità"),
    "unit": ("unit", "unità di misura"),
    "net_price": ("net price", "prezzo netto"),
    "gross_price": ("gross price", "prezzo lordo"),
    "discount": ("discount", "sconto"),
    "date": ("date", "data"),
    "due_date": ("due date", "scadenza"),
    "amount": ("amount", "importo"),
    "number": ("number", "numero"),
    "vat_type": ("VAT type", "aliquota IVA"),
    "lines": ("lines", "righe"),
}
ALIKE: Final = {frozenset({"company_name", "name"})}
"""Different meanings of which one is often written in the place of the other."""
PURPOSES: Final = ("billing_", "shipping_")
_OF: Final = {name: meaning for meaning, names in SYNONYMS.items() for name in names}


@lru_cache(maxsize=4096)
def meaning(key: str) -> str | None:
    """What a key stands for, as far as we know."""
    return _OF.get(key.lower())


def purpose(key: str) -> tuple[str, str]:
    """What an address is for (`billing_`), and the rest of its name."""
    for prefix in PURPOSES:
        if key.startswith(prefix):
            return prefix, key.removeprefix(prefix)
    return "", key
