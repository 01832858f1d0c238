"""A whole document from what a person knows: customer, lines, terms. Pure: everything it needs of
the vendor was read before, and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from connector.apps.fatture_in_cloud.invoices import choosing, customer, required, terms
from connector.apps.fatture_in_cloud.invoices.totals import (
    HUNDRED,
    ZERO,
    Totals,
    decimal_of,
    to_cents,
    totals_of,
)
from connector.errors import Issue, MappingError

FROM_SUPPLIERS = ("supplier_order", "self_supplier_invoice")
"""Types whose other party is a supplier."""
MUST_BE_PAID = (
    "invoice",
    "receipt",
    "credit_note",
    "proforma",
    "self_own_invoice",
    "self_supplier_invoice",
)
"""Types that must say when they are paid."""
STAMP = "Imposta di bollo"
NOBODY, ABROAD = "0000000", "XXXXXXX"
"""The recipient codes of those who have none: private people, and customers abroad."""

_OF_PRODUCT = ("code", "name", "description", "measure", "category")
_OF_LINE = (
    "qty",
    "discount",
    "discount_highlight",
    "not_taxable",
    "apply_withholding_taxes",
    "in_dn",
    "stock",
)
_AS_GIVEN = (
    "number", "numeration", "subject", "visible_subject", "notes", "rc_center", "rivalsa",
    "cassa", "cassa_taxable", "amount_cassa_taxable", "cassa2", "cassa2_taxable",
    "amount_cassa2_taxable", "withholding_tax", "withholding_tax_taxable",
    "other_withholding_tax", "stamp_duty", "use_split_payment", "ei_cassa_type",
    "ei_cassa2_type", "ei_withholding_tax_causal", "ei_other_withholding_tax_type",
    "ei_other_withholding_tax_causal", "show_totals", "show_payments", "show_payment_method",
)  # fmt: skip
_BANK = ("bank_name", "bank_iban", "bank_beneficiary")


@dataclass(frozen=True, slots=True)
class Ground:
    """What was read of the vendor: the choices of this company, the customer, the products."""

    info: Mapping[str, Any]
    customer: Mapping[str, Any] | None = None
    products: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By `id:331` and by `code:ass-01`."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A document as it is sent, and what it comes to."""

    data: dict[str, Any]
    totals: Totals


def compose(given: Mapping[str, Any], ground: Ground, *, due: Decimal | None = None) -> Composed:
    """The document that is meant. Raises MappingError with everything that is wrong with it.

    `due` is what the payments come to instead of our own total.
    """
    work = _Work(given, ground)
    composed = work.document(due)
    if work.issues:
        raise MappingError(
            "This document cannot be issued as it is.",
            issues=work.issues,
            remedy="Nothing was sent." if len(work.issues) > 1 else "",
        )
    return composed


def product_key(kind: str, value: Any) -> str:
    """Under which name a product is found."""
    return f"{kind}:{choosing.plain(value)}"


class _Work:
    """One document in the making, and what is wrong with it so far."""

    def __init__(self, given: Mapping[str, Any], ground: Ground) -> None:
        self.given = given
        self.ground = ground
        self.issues: list[Issue] = []
        self.kind = str(given.get("type") or "invoice")

    def document(self, due: Decimal | None = None) -> Composed:
        given = self.given
        entity = self._entity()
        electronic = self._is_electronic(entity)
        gross = self._is_gross()
        rows = [self._row(index, row, gross) for index, row in enumerate(self._lines())]
        data = {name: given[name] for name in _AS_GIVEN if given.get(name) is not None}
        data |= {"type": self.kind, "date": str(given.get("date") or ""), "entity": entity}
        data |= {"use_gross_prices": gross, "e_invoice": electronic}
        if given.get("discount_amount"):
            data["amount_due_discount"] = -abs(decimal_of(given["discount_amount"]))
        if electronic and given.get("charge_stamp_duty") and decimal_of(given.get("stamp_duty")):
            rows.append(self._stamp(gross))
        self._language(data)
        self._currency(data)
        method = self._method()
        if method is not None:
            data["payment_method"] = {"id": method["id"], "name": method.get("name")}
        if electronic:
            data["ei_data"] = self._e_invoice_data(method)
        data["items_list"] = rows
        totals = totals_of(data)
        data["payments_list"] = self._payments(totals.amount_due if due is None else due, method)
        if electronic:
            self.issues += required.faults_of(data, without_cig=bool(given.get("without_cig")))
        return Composed(_as_sent(data), totals)

    def fault(self, place: str, message: str, remedy: str) -> None:
        self.issues.append(Issue(field=f"data.{place}", message=message, remedy=remedy))

    # --- whom it is for -----------------------------------------------------------------------

    def _entity(self) -> dict[str, Any]:
        found, issues = customer.entity_of(self.given.get("entity") or {}, self.ground.customer)
        self.issues += issues
        return found

    def _is_electronic(self, entity: dict[str, Any]) -> bool:
        wanted = self.given.get("e_invoice")
        if wanted is None:
            wanted = bool(entity.get("e_invoice")) and self.kind in required.KINDS
        if wanted and not entity.get("ei_code"):
            private = entity.get("type") == "person" and not entity.get("vat_number")
            if required.is_foreign(entity):
                entity["ei_code"] = ABROAD
            elif private and not entity.get("certified_email"):
                entity["ei_code"] = NOBODY
        return bool(wanted)

    # --- what it is about ---------------------------------------------------------------------

    def _lines(self) -> Sequence[Mapping[str, Any]]:
        rows = self.given.get("items_list") or ()
        if not rows:
            self.fault("items_list", "The document has no lines.", "Give at least one.")
        return rows

    def _is_gross(self) -> bool:
        """Whether prices hold the VAT: as it is said, else as the lines themselves are priced."""
        said = self.given.get("use_gross_prices")
        rows = self.given.get("items_list") or ()
        if said is not None:
            return bool(said)
        gross = [
            row.get("gross_price") is not None and row.get("net_price") is None for row in rows
        ]
        net = [row.get("net_price") is not None for row in rows]
        if any(gross) and any(net):
            self.fault(
                f"items_list.{gross.index(True)}.gross_price",
                "Some lines have a price with VAT, others one without.",
                "Price all lines in one way, or say which of the two counts (use_gross_prices).",
            )
        return any(gross) and not any(net)

    def _row(self, index: int, given: Mapping[str, Any], gross: bool) -> dict[str, Any]:
        at = f"items_list.{index}"
        product = self._product(given, at)
        row: dict[str, Any] = {"product_id": product["id"]} if product else {}
        for name in _OF_PRODUCT:
            value = given.get(name)
            value = (product or {}).get(name) if value in (None, "") else value
            if value not in (None, ""):
                row[name] = value
        row |= {name: given[name] for name in _OF_LINE if given.get(name) is not None}
        row.setdefault("qty", 1)
        price = "gross_price" if gross else "net_price"
        row[price] = self._price(given, product, price, at, index)
        row["vat"] = self._vat(given, product, at, index)
        discount = decimal_of(row.get("discount"))
        if not ZERO <= discount <= HUNDRED:
            self.fault(
                f"{at}.discount",
                f"The discount of line {index + 1} is a per cent from 0 to 100, not {discount}.",
                "For a fixed amount use the discount of the whole document (discount_amount).",
            )
        return row

    def _product(self, given: Mapping[str, Any], at: str) -> Mapping[str, Any] | None:
        for kind, name in (("id", "product_id"), ("code", "product_code")):
            value = given.get(name)
            if value in (None, ""):
                continue
            found = self.ground.products.get(product_key(kind, value))
            if found is None:
                self.fault(
                    f"{at}.{name}",
                    f"Fatture in Cloud has no product with the {kind} {value!r}.",
                    "Correct it, or leave it out and give the line a name and a price.",
                )
            return found
        return None

    def _price(
        self,
        given: Mapping[str, Any],
        product: Mapping[str, Any] | None,
        price: str,
        at: str,
        index: int,
    ) -> Any:
        value = given.get(price)
        held = "with" if price == "gross_price" else "without"
        other = "net_price" if price == "gross_price" else "gross_price"
        if value is None and given.get(other) is not None:
            # The product's price must not stand for the one that was agreed.
            if self.given.get("use_gross_prices") is not None:
                # Else it is told already that the lines are priced in two ways.
                self.fault(
                    f"{at}.{other}",
                    f"Line {index + 1} is not priced {held} VAT, as this document is.",
                    f"Give {price}, or change which of the two counts (use_gross_prices).",
                )
            return None
        if value is None and product is not None:
            value = product.get(price)
        if value is None:
            self.fault(
                f"{at}.{price}",
                f"Line {index + 1} has no price {held} VAT.",
                "Give it, or choose a product that has one.",
            )
        return value

    def _vat(
        self, given: Mapping[str, Any], product: Mapping[str, Any] | None, at: str, index: int
    ) -> Mapping[str, Any]:
        """As the line says, else as the product, the customer, the company have it."""
        id_, asked = given.get("vat_id"), given.get("vat")
        if id_ is None and asked in (None, ""):
            defaults = (
                (product or {}).get("default_vat"),
                (self.ground.customer or {}).get("default_vat"),
                (self.ground.info.get("items_default_values") or {}).get("vat"),
            )
            id_ = next((one["id"] for one in defaults if one and one.get("id") is not None), None)
        if id_ is None and asked in (None, ""):
            self.fault(
                f"{at}.vat",
                f"Line {index + 1} has no VAT type.",
                "Give a rate, as in 22%, or the name or id of a VAT type.",
            )
            return {}
        place = "vat" if given.get("vat_id") is None else "vat_id"
        types = self.ground.info.get("vat_types_list") or ()
        found, issue = choosing.vat_type(types, asked, id_, f"data.{at}.{place}")
        if issue is not None:
            self.issues.append(issue)
        return found or {}

    def _stamp(self, gross: bool) -> dict[str, Any]:
        """The line by which the customer gives back the stamp that the issuer bears."""
        types = self.ground.info.get("vat_types_list") or ()
        usable = [one for one in types if not one.get("is_disabled") and one.get("ei_type") == "N1"]
        if not usable:
            self.fault(
                "charge_stamp_duty",
                "The stamp needs a VAT type of 0 % that is out of scope (Natura N1, art. 15).",
                "Add one in the settings of Fatture in Cloud.",
            )
        return {
            "name": STAMP,
            "qty": 1,
            "gross_price" if gross else "net_price": decimal_of(self.given.get("stamp_duty")),
            "vat": usable[0] if usable else {},
            "not_taxable": True,
            "apply_withholding_taxes": False,
        }

    def _language(self, data: dict[str, Any]) -> None:
        code = self.given.get("language")
        if not code:
            return
        known = self.ground.info.get("languages_list") or ()
        wanted = choosing.plain(code)
        for one in known:
            if wanted in (choosing.plain(one.get("code")), choosing.plain(one.get("name"))):
                data["language"] = {"code": one["code"], "name": one["name"]}
                return
        codes = ", ".join(str(one.get("code")) for one in known)
        self.fault("language", f"There is no language {code!r}.", f"There are {codes}.")

    def _currency(self, data: dict[str, Any]) -> None:
        code = self.given.get("currency")
        if not code:
            return
        known = self.ground.info.get("currencies_list") or ()
        for one in known:
            if choosing.plain(one.get("id")) == choosing.plain(code):
                data["currency"] = {key: one[key] for key in ("id", "symbol", "exchange_rate")
                                    if one.get(key) is not None}  # fmt: skip
                rate = self.given.get("exchange_rate")
                if rate not in (None, ""):
                    data["currency"]["exchange_rate"] = str(rate)
                return
        codes = ", ".join(str(one.get("id")) for one in known)
        self.fault("currency", f"There is no currency {code!r}.", f"There are {codes}.")

    # --- how it is paid -----------------------------------------------------------------------

    def _method(self) -> Mapping[str, Any] | None:
        plan = self.given.get("payment") or {}
        methods = self.ground.info.get("payment_methods_list") or ()
        if plan.get("method_id") is not None or plan.get("method"):
            place = "method_id" if plan.get("method_id") is not None else "method"
            found, issue = choosing.by_name(
                methods,
                plan.get("method"),
                plan.get("method_id"),
                "payment method",
                f"data.payment.{place}",
            )
            if issue is not None:
                self.issues.append(issue)
            return found
        usual = (self.ground.customer or {}).get("default_payment_method") or {}
        company = (self.ground.info.get("default_values") or {}).get("payment_method") or {}
        id_ = usual.get("id", company.get("id"))
        return next((one for one in methods if one.get("id") == id_), None)

    def _e_invoice_data(self, method: Mapping[str, Any] | None) -> dict[str, Any]:
        means = {key: value for key, value in (self.given.get("ei_data") or {}).items()
                 if value not in (None, "")}  # fmt: skip
        if method is not None:
            # What the settings know of the way of payment; what is given here goes first.
            known = {"payment_method": method.get("ei_payment_method")}
            known |= {name: method.get(name) for name in _BANK}
            means = {name: value for name, value in known.items() if value} | means
        if self.given.get("use_split_payment"):
            means.setdefault("vat_kind", "S")
        return means

    def _account(self, method: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        plan = self.given.get("payment") or {}
        accounts = self.ground.info.get("payment_accounts_list") or ()
        if plan.get("account_id") is not None or plan.get("account"):
            place = "account_id" if plan.get("account_id") is not None else "account"
            found, issue = choosing.by_name(
                accounts,
                plan.get("account"),
                plan.get("account_id"),
                "payment account",
                f"data.payment.{place}",
            )
            if issue is not None:
                self.issues.append(issue)
            return found
        return (method or {}).get("default_payment_account")

    def _payments(self, due: Decimal, method: Mapping[str, Any] | None) -> list[dict[str, Any]]:
        plan = self.given.get("payment") or {}
        issued = self._day()
        wanted = (
            self.kind in MUST_BE_PAID or plan.get("instalments") or plan.get("days") is not None
        )
        if not wanted or issued is None or due == 0:
            return []
        if due < 0:
            self.fault(
                "items_list",
                f"This document comes to {to_cents(due)}: less than nothing.",
                "Check prices and discount, or issue a credit note.",
            )
            return []
        parts = plan.get("instalments") or [self._usual_terms(plan)]
        rows, issues = terms.instalments(due, parts, issued, at="data.payment.instalments")
        self.issues += issues
        account = self._account(method)
        if plan.get("paid") and not (account or {}).get("id"):
            self.fault(
                "payment.account_id",
                "What is paid needs the account on which the money came in.",
                "Choose a payment account, or give the payment method one in the settings.",
            )
        for row in rows:
            row["status"] = "paid" if plan.get("paid") else "not_paid"
            if account is not None and account.get("id") is not None:
                row["payment_account"] = {"id": account["id"], "name": account.get("name")}
            if plan.get("paid"):
                row["paid_date"] = str(plan.get("paid_date") or issued.isoformat())
        return rows

    def _usual_terms(self, plan: Mapping[str, Any]) -> dict[str, Any]:
        """As it is said, else as agreed with this customer, else at once."""
        agreed = self.ground.customer or {}
        days, month = plan.get("days"), plan.get("end_of_month")
        if days is None:
            days = agreed.get("default_payment_terms") or 0
            usual = agreed.get("default_payment_terms_type") == "end_of_month"
            month = usual if month is None else month
        return {"days": days, "end_of_month": bool(month), "due_date": plan.get("due_date")}

    def _day(self) -> date | None:
        try:
            return date.fromisoformat(str(self.given.get("date") or ""))
        except ValueError:
            self.fault("date", "The document needs its date.", "As in 2026-03-04.")
            return None


def _as_sent(data: dict[str, Any]) -> dict[str, Any]:
    """VAT types are chosen by their id alone."""
    rows = [{**row, "vat": {"id": (row["vat"] or {}).get("id")}} for row in data["items_list"]]
    return {**data, "items_list": rows}
