"""Every one of the vendor's 78 event types can start a flow, and a group its members' flows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.apps.fatture_in_cloud.resources import EVENTS, GROUPS, RESOURCES, operations
from connector.sandbox.fic.more import arrive
from tests.runtime.kit import World, flow, story, world

OFFERED = (*RESOURCES, "issued_documents.all", "entities.all")
TYPES = [f"{one}.{two}" for one in OFFERED for two in operations()[one]]
STEP = """\
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "{{ trigger.event.operation }} {{ trigger.id }}"
"""
ROW = {"name": "Canone", "qty": 1, "net_price": 100, "vat": {"id": 0}}
PAYMENT = {"amount": 122, "due_date": "2026-04-03", "status": "not_paid"}


def test_there_are_78() -> None:
    assert (len(EVENTS), len(TYPES)) == (71, 78)
    assert set(TYPES) - set(EVENTS) == {
        f"{group}.{two}" for group in ("issued_documents.all", "entities.all")
        for two in operations()[group]
    }  # fmt: skip


def record(w: World, resource: str) -> Any:
    """The id of a record that an event of this resource may be about."""
    if resource.startswith("issued_documents."):
        kind = RESOURCES[resource].type or "invoice"
        data = {
            "type": kind, "entity": {"name": "Adda"}, "items_list": [ROW],
            "payments_list": [PAYMENT],
        }  # fmt: skip
        return w.person.create("issued_documents", data)["id"]
    if resource not in RECORDS:
        return arrive(w.sandbox.fic.first_company, {"supplier_name": "Adda"})["id"]
    table, data = RECORDS[resource]
    account = w.sandbox.fic.first_company.tables["payment_accounts"].view()[0]["id"]
    data = {
        name: {"id": account} if name.startswith("payment_account") else value
        for name, value in data.items()
    }
    return w.person.create(table, data)["id"]


RECORDS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "entities.clients": ("clients", {"name": "Adda"}),
    "entities.suppliers": ("suppliers", {"name": "Adda"}),
    "products": ("products", {"name": "Toner"}),
    "received_documents": (
        "received_documents",
        {
            "type": "expense", "entity": {"name": "Adda"}, "date": "2026-03-02",
            "amount_net": 100, "amount_vat": 22, "payments_list": [PAYMENT],
        },
    ),
    "receipts": (
        "receipts",
        {
            "date": "2026-03-02", "type": "sales_receipt", "payment_account": {"id": 110},
            "items_list": [{"amount_net": 100, "category": "Vendite", "vat": {"id": 0}}],
        },
    ),
    "taxes": (
        "taxes", {"due_date": "2026-03-16", "status": "not_paid", "amount": 10, "description": "F"}
    ),
    "archive_documents": (
        "archive", {"date": "2026-03-02", "description": "Contratto", "category": "Contratti"}
    ),
    "cashbook": (
        "cashbook",
        {
            "date": "2026-03-02", "type": "out", "amount_out": 10, "kind": "cashbook",
            "description": "Cassa", "payment_account_out": {"id": 110},
        },
    ),
}  # fmt: skip


@story
async def test_each_starts_its_flow_and_the_flow_of_its_group(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        ids = {resource: str(record(w, resource)) for resource in RESOURCES}
        key = "x".join
        texts = [
            flow(
                key(("e", name.replace(".", "_"))),
                resource=name.rpartition(".")[0],
                types=f"[{name.rpartition('.')[2]}]",
                steps=STEP,
            )
            for name in TYPES
        ]
        await w.follow(*texts)
        for name in sorted(EVENTS):
            resource, _, operation = name.rpartition(".")
            gone = operation == "delete"
            w.person.emit(name, [900_001, 900_002, 900_003] if gone else [int(ids[resource])])
            await w.quiet()
        runs: dict[str, list[dict[str, Any]]] = {}
        for one in await w.runs():
            runs.setdefault(one["flow"], []).append(one)
        for name in TYPES:
            resource, _, operation = name.rpartition(".")
            members = [
                one for one in GROUPS.get(resource, (resource,))
                if operation in RESOURCES[one].operations
            ]  # fmt: skip
            expected = sorted(
                item
                for one in members
                for item in (
                    ("900001", "900002", "900003") if operation == "delete" else (ids[one],)
                )
            )
            mine = runs.get(key(("e", name.replace(".", "_"))), [])
            assert sorted(one["item_id"] for one in mine) == expected, name
            assert {one["state"] for one in mine} == {"succeeded"}, name
        for one in await w.runs():
            told = (await w.runtime.get_run(one["id"]))["trigger"]  # type: ignore[index]
            gone = told["event"]["operation"] == "delete"
            assert told["enrichment"] == ("gone" if gone else "ok"), one
            assert (told["resource"] is None) is gone


@story
async def test_raw_events_bring_every_id_and_read_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        texts = [
            flow(
                "raw_" + resource.replace(".", "_"),
                node="raw_event",
                resource=resource,
                types=f"[{', '.join(RESOURCES[resource].operations)}]",
                steps=STEP,
            )
            for resource in RESOURCES
        ]
        await w.follow(*texts)
        before = len(w.fic.calls)
        for name in sorted(EVENTS):
            w.person.emit(name, [900_001, 900_002])
        await w.quiet()
        runs = await w.runs()
        assert len(runs) == 2 * len(EVENTS)
        assert {one["state"] for one in runs} == {"succeeded"}
        assert len(w.fic.calls) == before


@story
async def test_the_status_of_an_e_invoice_comes_with_the_reason_of_a_rejection(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        resource = "issued_documents.e_invoices"
        await w.follow(flow(resource=resource, types="[status_update]", steps=STEP))
        one = record(w, resource)
        for status in ("sent", "discarded"):
            w.person.change("issued_documents", one, {"ei_status": status})
            await w.quiet()
        sent, discarded = [
            (await w.runtime.get_run(run["id"]))["trigger"]["resource"]  # type: ignore[index]
            for run in await w.runs()
        ]
        assert (sent["ei_status"], sent["ei_rejection"]) == ("sent", None)
        assert discarded["ei_status"] == "discarded"
        assert discarded["ei_rejection"]["code"] == "00305"
