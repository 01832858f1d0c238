"""E-invoices: checks, sending once, and what the exchange system makes of them (facts §4.2)."""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any

from starlette.responses import Response

from connector.sandbox.clock import stamp
from connector.sandbox.fic.actions import readable
from connector.sandbox.fic.call import Call, single
from connector.sandbox.fic.crud import allow, found
from connector.sandbox.fic.problem import Problem, answer
from connector.sandbox.fic.resources import resources
from connector.sandbox.fic.rules import Record
from connector.sandbox.fic.state import Company, FicState

EVENT = "issued_documents.e_invoices.status_update"
STATIONS = ("pending", "sent")
"""Between "attempt" and the verdict."""
SENDABLE = (None, "not_sent", "discarded")
"""What SDI has discarded counts as never issued: it may be corrected and sent again."""
NO_CODE = "0000000"


def _xml_errors(record: Record) -> list[str]:
    entity = record.get("entity") or {}
    wrong = []
    if not (entity.get("vat_number") or entity.get("tax_code")):
        wrong.append("Manca la partita IVA o il codice fiscale del cliente.")
    if not (entity.get("ei_code") or entity.get("certified_email")):
        wrong.append("Manca il codice destinatario o la PEC del cliente.")
    if not (entity.get("address_street") and entity.get("country")):
        wrong.append("Manca l'indirizzo del cliente.")
    if not (record.get("ei_data") or {}).get("payment_method"):
        wrong.append("Manca la modalità di pagamento.")
    return wrong


def xml_verify(call: Call) -> Response:
    """Whether the e-invoice could be sent."""
    wrong = _xml_errors(readable(call))
    if wrong:
        problem = Problem(422, "XML non valido.", validation=None, extra={"errors": wrong})
        problem.body["error"]["validation_result"] = {"xml_errors": wrong}
        raise problem
    return answer({"data": {"success": True}})


def send(call: Call) -> Response:
    """Irreversible: the document is locked and goes its way; a dry run only checks."""
    resource = resources()["issued_documents"]
    record = copy.deepcopy(found(call, resource))
    allow(call, resource, "a", record["type"])
    if not record.get("e_invoice") or record.get("ei_status") not in SENDABLE:
        raise Problem(422, "Il documento non può essere inviato.", validation=None)
    xml_verify(call)
    options = call.body.get("options")
    if not (isinstance(options, dict) and options.get("dry_run")):
        call.state.ledger.write("send", "e_invoices", {"id": record["id"]})
        _move(call.state, call.company, record["id"], "attempt")
        _travel(call.state, call.company, record["id"], (*STATIONS, _verdict(record)))
    return answer({"data": {"name": "CARICATO", "date": stamp(call.state.clock())}})


def _verdict(record: Record) -> str:
    entity = record.get("entity") or {}
    number = str(entity.get("vat_number") or "").upper().removeprefix("IT")
    # By its check digit alone: an invented number need not be one of a real tax office.
    if number.isdecimal() and not import_module("stdnum.luhn").is_valid(number):
        return "discarded"
    if entity.get("ei_code") == NO_CODE and not entity.get("certified_email"):
        return "not_delivered"
    return "accepted"


def _travel(state: FicState, company: Company, id_: Any, stations: tuple[str, ...]) -> None:
    if state.config.sdi_seconds is None or not stations:
        return

    async def arrive() -> None:
        record = company.tables["issued_documents"].get(id_)
        # A person may have set the status, or deleted the document, meanwhile.
        if record is not None and record["ei_status"] in ("attempt", *STATIONS):
            _move(state, company, id_, stations[0])
            _travel(state, company, id_, stations[1:])

    state.agenda.after(state.config.sdi_seconds, arrive)


def _move(state: FicState, company: Company, id_: Any, status: str) -> None:
    table = company.tables["issued_documents"]
    record = table.get(id_) or {}
    # What was discarded may be corrected, so it is open again.
    changed = {"ei_status": status, "locked": status != "discarded"}
    table.put(record | changed | {"updated_at": stamp(state.clock())})
    state.webhooks.emit(company.id, EVENT, [id_])


def xml(call: Call) -> Response:
    """Text, not JSON."""
    record = readable(call)
    text = f'<?xml version="1.0"?><FatturaElettronica id="{record["id"]}"/>'
    return Response(text, media_type="text/xml")


def error_reason(call: Call) -> Response:
    """Why the exchange system refused it."""
    record = readable(call)
    return single(
        {
            "reason": "Partita IVA del cessionario non valida",
            "ei_status": record.get("ei_status"),
            "solution": "Correggere i dati del cliente e inviare di nuovo.",
            "code": "00305",
            "date": record["updated_at"],
        }
    )
