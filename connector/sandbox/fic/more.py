"""What is no plain register: the bin, pending documents, price lists, e-mails, totals by month."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from connector.sandbox.clock import stamp
from connector.sandbox.fic import seeds
from connector.sandbox.fic.call import Call, missing, single
from connector.sandbox.fic.crud import allow, event_of, found
from connector.sandbox.fic.fields import blank, clean
from connector.sandbox.fic.listing import listing, one
from connector.sandbox.fic.problem import Faults, answer, invalid, required
from connector.sandbox.fic.resources import Resource, resources
from connector.sandbox.fic.state import Company
from connector.sandbox.fic.totals import cents, number

Handler = Callable[[Call], Response]

# Which columns this list filters and sorts by is not documented; only what it shows is.
PENDING = Resource(
    key="pending",
    path="received_documents/pending",
    fields={},
    family="received_documents",
    columns={},
    sort=("id", "date"),
    first_id=88_001,
)
MAIL_SECONDS = 20
"""An e-mail is dated when it leaves, not when it was asked for."""
EMAILS = Resource(
    key="emails", path="emails", fields={}, family="emails", columns={}, sort=(), first_id=7_001
)
SOURCES = ("agyo", "mail", "browser")


def bin_list(key: str) -> Handler:
    """Deleted documents; the list has no pages."""

    def handler(call: Call) -> Response:
        rows = call.company.bin[key].values()
        return answer({"data": [one(call, resources()[key], row) for row in rows]})

    return handler


def bin_get(key: str) -> Handler:
    """One deleted document."""

    def handler(call: Call) -> Response:
        record = _binned(call, key)
        allow(call, resources()[key], "r", record.get("type"))
        return single(one(call, resources()[key], record))

    return handler


def bin_delete(key: str) -> Handler:
    """Gone for good: a second time it is a 404."""

    def handler(call: Call) -> Response:
        record = _binned(call, key)
        allow(call, resources()[key], "a", record.get("type"))
        del call.company.bin[key][str(record["id"])]
        return answer(None)

    return handler


def bin_recover(key: str) -> Handler:
    """Back among the documents, under its old id; the answer is empty."""

    def handler(call: Call) -> Response:
        record = _binned(call, key)
        allow(call, resources()[key], "a", record.get("type"))
        del call.company.bin[key][str(record["id"])]
        call.company.tables[key].put(record | {"updated_at": stamp(call.state.clock())})
        event = f"{event_of(resources()[key], record)}.create"
        call.state.webhooks.emit(call.company.id, event, [record["id"]])
        return answer(None)

    return handler


def _binned(call: Call, key: str) -> dict[str, Any]:
    record = call.company.bin[key].get(str(call.path["id"]))
    if record is None:
        raise missing()
    return record


def pending_list(call: Call) -> Response:
    """Pages of one source; without `type` it is a 422."""
    call.need("received_documents:r")
    if call.query.get("type") not in SOURCES:
        raise invalid({"type": [required("type")]})
    rows = [one for one in call.company.pending.values() if one["type"] == call.query["type"]]
    return answer(listing(call, PENDING, rows))


def pending_get(call: Call) -> Response:
    """One document that waits."""
    call.need("received_documents:r")
    record = call.company.pending.get(str(call.path["id"]))
    if record is None:
        raise missing()
    return single(record)


def arrive(company: Company, record: Mapping[str, Any]) -> dict[str, Any]:
    """A document arrives from outside; the key `emssion_date` is misspelt by the vendor too."""
    id_ = PENDING.first_id + company.arrived
    company.arrived += 1
    made = {"type": "agyo", "subject": "", "emssion_date": None, **record, "id": id_}
    company.pending[str(id_)] = made
    return made


def price_lists(call: Call) -> Response:
    """The price lists; no pages."""
    return answer({"data": [one["about"] for one in call.company.price_lists.values()]})


def price_list_items(call: Call) -> Response:
    """A map of product id to price, not a list."""
    found_ = call.company.price_lists.get(call.path["price_list_id"])
    if found_ is None:
        raise missing()
    return answer({"data": {key: {"price": price} for key, price in found_["items"].items()}})


def emails(call: Call) -> Response:
    """What was sent, page by page: late, dated only when it has left, and of no document."""
    call.need("emails:r")
    now, rows = call.state.clock(), []
    for asked, mail in call.company.emails:
        left, age = asked + timedelta(seconds=MAIL_SECONDS), (now - asked).total_seconds()
        gone = age >= MAIL_SECONDS
        told = {"status": "sent" if gone else "pending", "sent_date": stamp(left) if gone else None}
        if age >= call.lag:
            rows.append({**mail, **told})
    return answer(listing(call, EMAILS, rows))


def templates(call: Call) -> Response:
    """The templates of a company."""
    return answer({"data": list(seeds.TEMPLATES)})


def template(call: Call) -> Response:
    """One template."""
    for one_ in seeds.TEMPLATES:
        if str(one_["id"]) == str(call.path["template_id"]):
            return single(one_)
    raise missing()


def default_templates(call: Call) -> Response:
    """The vendor's own templates, of one type or all."""
    kind = call.query.get("type", "all")
    return answer({"data": [one for one in seeds.TEMPLATES if kind in ("all", one["type"])]})


def monthly_totals(call: Call) -> Response:
    """Twelve rows; `type` and `year` are mandatory."""
    call.need("receipts:r")
    faults: Faults = {
        name: [required(name)] for name in ("type", "year") if not call.query.get(name)
    }
    if faults:
        raise invalid(faults)
    rows: list[dict[str, Any]] = [
        {"net": Decimal(0), "gross": Decimal(0), "count": 0} for _ in range(12)
    ]
    for record in call.company.tables["receipts"]:
        year, month = record["date"][:4], int(record["date"][5:7])
        if record["type"] == call.query["type"] and year == call.query["year"]:
            row = rows[month - 1]
            row["net"] += number(record["amount_net"])
            row["gross"] += number(record["amount_gross"])
            row["count"] += 1
    return answer({"data": rows})


def received_totals(call: Call) -> Response:
    """Arithmetic only, though it wants the right to write."""
    resource = resources()["received_documents"]
    allow(call, resource, "a")
    before = found(call, resource) if "id" in call.path else blank(resource.fields)
    faults: Faults = {}
    sent = clean(resource.fields, call.data(), "data", faults, call.company)
    if faults:
        raise invalid(faults)
    record = copy.deepcopy(before) | sent
    net, vat = number(record.get("amount_net")), number(record.get("amount_vat"))
    held = number(record.get("amount_withholding_tax"))
    other = number(record.get("amount_other_withholding_tax"))
    payments = record.get("payments_list") or []
    paid = sum((number(one_.get("amount")) for one_ in payments), Decimal(0))
    return answer(
        {
            "data": {
                "amount_net": net,
                "amount_vat": vat,
                "amount_gross": net + vat,
                "amount_withholding_tax": held,
                "amount_other_withholding_tax": other,
                "amount_due": cents(net + vat - held - other),
                "payments_sum": paid,
            }
        }
    )
