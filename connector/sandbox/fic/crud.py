"""Create, list, read, modify and delete: the same for every resource but for its rules."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from connector.sandbox.clock import stamp
from connector.sandbox.fic import rules
from connector.sandbox.fic.call import Call, missing, single
from connector.sandbox.fic.documents import issued
from connector.sandbox.fic.fields import blank, clean, demand
from connector.sandbox.fic.files import link, with_links
from connector.sandbox.fic.listing import listing, one
from connector.sandbox.fic.problem import Faults, answer, invalid, required
from connector.sandbox.fic.resources import Resource, resources
from connector.sandbox.fic.rules import Record, Rule, Write
from connector.sandbox.fic.scopes import ISSUED, issued_family
from connector.sandbox.fic.totals import number

RULES: Mapping[str, Rule] = {
    "clients": rules.client,
    "products": rules.product,
    "issued_documents": issued,
    "received_documents": rules.received,
    "receipts": rules.receipt,
    "taxes": rules.f24,
    "archive": rules.archive,
    "cashbook": rules.cashbook,
    "payment_methods": rules.method,
    "vat_types": rules.vat_type,
}


def allow(call: Call, resource: Resource, level: str, type_: Any = None) -> None:
    """Check the scopes; those of issued documents go by the document's type."""
    if resource.key == "issued_documents":
        call.need(f"{issued_family(type_)}:{level}")
        return
    call.need(*(f"{family}:{level}" for family in (resource.family, *resource.also)))


def _document_type(call: Call, given: Any, path: str) -> str:
    if given is None:
        faults = {path: [required(path)]}
        if path == "data.type":
            demand(call.data(), "data", ("entity",), faults)
        raise invalid(faults)
    if not isinstance(given, str) or given not in ISSUED:
        raise invalid({path: [f"The selected {path} is invalid."]})
    return given


def create(call: Call, resource: Resource) -> Response:
    """POST: 200 with the whole record."""
    type_ = None
    if resource.key == "issued_documents":
        type_ = _document_type(call, call.data().get("type"), "data.type")
    allow(call, resource, "a", type_)
    force: dict[str, Any] = {}
    pending = call.body.get("pending_id") if resource.key == "received_documents" else None
    if pending is not None:
        if str(pending) not in call.company.pending:
            raise invalid({"pending_id": ["The selected pending_id is invalid."]})
        force = {"is_from_pending_expenses": True}
    record = store(call, resource, call.data(), None, force=force)
    if pending is not None:
        del call.company.pending[str(pending)]
    return single(one(call, resource, record))


def modify(call: Call, resource: Resource) -> Response:
    """PUT: what is not sent stays; lists that are sent replace the old ones whole."""
    before = found(call, resource)
    allow(call, resource, "a", before.get("type"))
    record = store(call, resource, call.data(), before)
    return single(one(call, resource, record))


def store(
    call: Call,
    resource: Resource,
    data: Mapping[str, Any],
    before: Any,
    *,
    force: Mapping[str, Any] | None = None,
    notify: bool = True,
) -> Record:
    """Check, compute and write one record, and notify; raises Problem.

    `force` are read-only fields that only the control side may set.
    """
    faults: Faults = {}
    sent = clean(resource.fields, data, "data", faults, call.company)
    needed = resource.required if before is None else tuple(set(resource.required) & set(data))
    demand(data, "data", needed, faults)
    record = (blank(resource.fields) if before is None else copy.deepcopy(before)) | sent
    write = Write(call, sent, record, before, faults)
    rule = RULES.get(resource.key)
    if rule is not None and not (faults and resource.key != "issued_documents"):
        rule(write)
    if faults:
        raise invalid(faults)
    _take_attachment(call, sent, record)
    return _save(call, resource, record | dict(force or {}), before, notify)


def _take_attachment(call: Call, sent: Mapping[str, Any], record: Record) -> None:
    token = sent.get("attachment_token")
    if token is not None:
        name, content = call.company.attachments.pop(token)
        record["attachment_url"] = link(call, name, content)


def _save(call: Call, resource: Resource, record: Record, before: Any, notify: bool) -> Record:
    now = stamp(call.state.clock())
    table = call.company.tables[resource.key]
    if before is None:
        record["id"] = table.fresh_id()
        if "created_at" in resource.fields:
            record["created_at"] = now
    if "updated_at" in resource.fields:
        record["updated_at"] = now
    table.put(record)
    _note(call, resource, record, "create" if before is None else "update", notify)
    return record


def _note(
    call: Call, resource: Resource, record: Record, operation: str, notify: bool = True
) -> None:
    """Count a write and notify the subscribers."""
    marks = {name: record.get(name) for name in resource.marks}
    if resource.key == "issued_documents":
        marks["number"] = f"{record['type']}/{record['number']}{record['numeration']}"
    call.state.ledger.write(operation, resource.key, marks)
    event = event_of(resource, record)
    if event and notify:
        call.state.webhooks.emit(call.company.id, f"{event}.{operation}", [record["id"]])


def event_of(resource: Resource, record: Mapping[str, Any]) -> str:
    """The event resource of a record; settings have none."""
    if resource.key == "issued_documents":
        return f"issued_documents.{ISSUED[record['type']]}"
    return resource.event


def found(call: Call, resource: Resource) -> Record:
    """The record in the path, or 404."""
    record = call.company.tables[resource.key].get(call.path["id"])
    if record is None:
        raise missing()
    return record


def read(call: Call, resource: Resource) -> Response:
    """GET of one record."""
    if resource.key == "issued_documents":
        record = found(call, resource)
        allow(call, resource, "r", record["type"])
    else:
        if resource.family != "settings":
            allow(call, resource, "r")
        record = found(call, resource)
    return single(one(call, resource, with_links(call, resource.key, record)))


def delete(call: Call, resource: Resource) -> Response:
    """DELETE: 200 with an empty body."""
    if resource.key == "issued_documents":
        record = found(call, resource)
        allow(call, resource, "a", record["type"])
    else:
        allow(call, resource, "a")
        record = found(call, resource)
    erase(call, resource, record)
    return answer(None)


def erase(call: Call, resource: Resource, record: Record) -> None:
    """Remove a record and notify; documents go to the bin."""
    if resource.key in call.company.bin:
        call.company.bin[resource.key][str(record["id"])] = copy.deepcopy(record)
    call.company.tables[resource.key].delete(record["id"])
    _note(call, resource, record, "delete")


def list_(call: Call, resource: Resource) -> Response:
    """GET of a page; issued and received documents need their `type`."""
    records: list[Record] = call.company.tables[resource.key].view(call.lag)
    if resource.key == "issued_documents":
        type_ = _document_type(call, call.query.get("type"), "type")
        allow(call, resource, "r", type_)
        records = [record for record in records if record["type"] == type_]
    else:
        allow(call, resource, "r")
    if resource.key == "received_documents":
        if "type" not in call.query:
            raise invalid({"type": [required("type")]})
        records = [record for record in records if record["type"] == call.query["type"]]
    page = listing(call, resource, records)
    if resource.key == "taxes":
        total = sum((number(record["amount"]) for record in records), number(None))
        page["aggregated_data"] = {"amount": total}
    return answer(page)


def list_cashbook(call: Call) -> Response:
    """The one register without pages: both dates are mandatory."""
    resource = resources()["cashbook"]
    allow(call, resource, "r")
    faults = {
        name: [required(name)] for name in ("date_from", "date_to") if not call.query.get(name)
    }
    if faults:
        raise invalid(faults)
    kind = call.query.get("type", "all")
    account = call.query.get("payment_account_id")
    rows = [
        record
        for record in call.company.tables["cashbook"].view(call.lag)
        if call.query["date_from"] <= record["date"] <= call.query["date_to"]
        and kind in ("all", record["type"])
        and (account is None or account in _accounts(record))
    ]
    return answer({"data": [one(call, resource, record) for record in rows]})


def _accounts(record: Record) -> set[str]:
    sides = (record.get("payment_account_in"), record.get("payment_account_out"))
    return {str(side.get("id")) for side in sides if side}
