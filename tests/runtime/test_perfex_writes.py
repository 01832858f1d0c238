"""Writes to Perfex in both generations, with every answer lost in turn: nothing twice, no mail.

A payment is money, so whatever cannot be proven waits for a person; a contact is sent again once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector.sandbox.perfex.app import add_row
from connector.sandbox.perfex.tables import kinds
from tests.runtime.kit import World, flow, story, world

GENERATIONS = ["2.x", "3.x"]
FAULTS: dict[str, dict[str, Any]] = {
    "none": {},
    "reset before it was applied": {"kind": "reset_before"},
    "reset after it was applied": {"kind": "reset_after"},
    "server error before it was applied": {"kind": "error_before"},
    "server error after it was applied": {"kind": "error_after"},
    "answer cut off": {"kind": "truncated"},
    "applied 40 seconds late": {"kind": "late_commit", "seconds": 40},
    "over the quota": {"kind": "status", "status": 429},
}
NOT_APPLIED = ("reset before it was applied", "server error before it was applied")

CONTACT = """\
  - id: person
    node: perfex_crm.create_contact
    connection: perfex
    map:
      customer_id: 412
      data.firstname: Ada
      data.lastname: "{{ trigger.resource.name }}"
      data.email: ada@officine.example
"""
PAYMENT = """\
  - id: pay
    node: perfex_crm.create_payment
    connection: perfex
    map:
      data.invoiceid: 51
      data.amount: 122
      data.paymentmode: Contanti
      data.note: Saldo
"""
ENSURE = """\
  - id: ensure
    node: perfex_crm.ensure_customer
    connection: perfex
    map:
      data.company: "{{ trigger.resource.name }}"
      data.vat: IT12345678903
      data.city: Bergamo
"""
INVOICE = """\
  - id: invoice
    node: perfex_crm.create_invoice
    connection: perfex
    map:
      data.clientid: 412
      data.number: 17
      data.date: "2026-03-04"
      data.currency: 1
      data.adminnote: "Order {{ trigger.id }}"
      data.newitems:
        - description: Work
          qty: 1
          rate: 100
          taxname: ["22%"]
"""


def seed(w: World) -> None:
    """A customer with an open invoice of 122.00, as people have entered them."""
    perfex = w.sandbox.perfex
    address = {"address": "Via Po 7", "city": "Bergamo"}
    add_row(perfex, kinds()["customers"], {"company": "Officine Adda", **address})
    bill = {"clientid": "412", "number": "16", "subtotal": "100.00", "total": "122.00"}
    add_row(perfex, kinds()["invoices"], bill)


def rows(w: World, path: str) -> list[dict[str, Any]]:
    return w.sandbox.perfex.tables[path].view()


async def write(w: World, steps: str, times: int = 1) -> dict[str, Any]:
    """One event (or more), and what became of the newest run."""
    await w.follow(flow(steps=steps, types="[create]"))
    for number in range(times):
        w.person.create("clients", {"name": f"Rossi {number}"})
    await w.quiet()
    return await w.run()


def told(path: Path, generation: str, script: Callable[[World], Any]) -> None:
    @story
    async def run() -> None:
        async with world(path, generation=generation) as w:
            seed(w)
            await script(w)

    run()


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("fault", FAULTS)
class TestEveryFault:
    def test_a_payment_is_entered_once_or_waits_for_a_person(
        self, tmp_path: Path, generation: str, fault: str
    ) -> None:
        async def script(w: World) -> None:
            # Somebody's own payment must not be taken for ours, however alike it is.
            other = {"invoiceid": "51", "amount": "122.00", "note": "Saldo"}
            add_row(w.sandbox.perfex, kinds()["payments"], other)
            if FAULTS[fault]:
                w.sandbox.perfex.faults.add(method="POST", path="/api/payments", **FAULTS[fault])
            run = await write(w, PAYMENT)
            state = "parked" if fault in NOT_APPLIED else "succeeded"
            assert run["state"] == state, run["error"]
            made = rows(w, "payments")[1:]
            assert len(made) == (0 if fault in NOT_APPLIED else 1)
            if made:
                (output,) = [step["output"] for step in run["steps"]]
                assert str(output["id"]) == "32"
                assert (made[0]["amount"], made[0]["paymentmode"]) == ("122", "2")
                assert rows(w, "invoices")[0]["status"] == "2"

        told(tmp_path, generation, script)

    def test_a_contact_is_made_once_and_gets_no_mail(
        self, tmp_path: Path, generation: str, fault: str
    ) -> None:
        async def script(w: World) -> None:
            if FAULTS[fault]:
                w.sandbox.perfex.faults.add(method="POST", path="/api/contacts", **FAULTS[fault])
            run = await write(w, CONTACT)
            assert run["state"] == "succeeded", run["error"]
            assert [one["email"] for one in rows(w, "contacts")] == ["ada@officine.example"]
            assert w.sandbox.perfex.mails == []

        told(tmp_path, generation, script)

    def test_an_invoice_is_made_once_or_waits_for_a_person(
        self, tmp_path: Path, generation: str, fault: str
    ) -> None:
        async def script(w: World) -> None:
            if FAULTS[fault]:
                w.sandbox.perfex.faults.add(method="POST", path="/api/invoices", **FAULTS[fault])
            run = await write(w, INVOICE)
            assert run["state"] == ("parked" if fault in NOT_APPLIED else "succeeded"), run["error"]
            made = [one for one in rows(w, "invoices") if one["number"] == "17"]
            assert len(made) == (0 if fault in NOT_APPLIED else 1)
            for one in made:
                assert (one["subtotal"], one["total"]) == ("100.00", "122.00")
                assert one["billing_street"] == "Via Po 7"

        told(tmp_path, generation, script)

    def test_an_ensured_customer_has_no_twin(
        self, tmp_path: Path, generation: str, fault: str
    ) -> None:
        async def script(w: World) -> None:
            if FAULTS[fault]:
                w.sandbox.perfex.faults.add(method="POST", path="/api/customers", **FAULTS[fault])
            run = await write(w, ENSURE)
            assert run["state"] == "succeeded", run["error"]
            assert len([one for one in w.customers if one["vat"]]) == 1

        told(tmp_path, generation, script)


@pytest.mark.parametrize("generation", GENERATIONS)
class TestRules:
    @pytest.mark.parametrize("step", [ENSURE, ENSURE.replace("ensure_customer", "create_customer")])
    def test_two_events_about_one_vat_number_make_one_customer(
        self, tmp_path: Path, generation: str, step: str
    ) -> None:
        async def script(w: World) -> None:
            steps = step.replace('"{{ trigger.resource.name }}"', "Rossi")
            run = await write(w, steps, times=2)
            assert run["state"] == "succeeded", run["error"]
            assert len([one for one in w.customers if one["vat"]]) == 1

        told(tmp_path, generation, script)

    def test_a_transaction_is_entered_once_for_an_invoice(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            run = await write(w, PAYMENT + "      data.transactionid: TRN-1\n", times=3)
            assert run["state"] == "succeeded", run["error"]
            assert len(rows(w, "payments")) == 1
            assert len(w.perfex.seen("POST", "/payments")) == 1

        told(tmp_path, generation, script)

    def test_a_transaction_with_another_amount_is_refused(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            paid = {"invoiceid": "51", "amount": "50.00", "transactionid": "trn-1", "note": ""}
            add_row(w.sandbox.perfex, kinds()["payments"], paid)
            run = await write(w, PAYMENT + "      data.transactionid: TRN-1\n")
            assert run["state"] == "failed"
            assert "as payment 31 of 50.00" in run["error"]["message"]
            assert len(rows(w, "payments")) == 1

        told(tmp_path, generation, script)

    def test_one_transaction_may_pay_two_invoices(self, tmp_path: Path, generation: str) -> None:
        async def script(w: World) -> None:
            paid = {"invoiceid": "50", "amount": "9.00", "transactionid": "TRN-1", "note": ""}
            add_row(w.sandbox.perfex, kinds()["payments"], paid)
            run = await write(w, PAYMENT + "      data.transactionid: TRN-1\n")
            assert run["state"] == "succeeded", run["error"]
            assert len(rows(w, "payments")) == 2

        told(tmp_path, generation, script)

    def test_a_mail_address_of_another_customer_is_refused_and_not_taken(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            perfex = w.sandbox.perfex
            add_row(perfex, kinds()["customers"], {"company": "Altri"})
            person = {"userid": "413", "email": "ada@officine.example", "lastname": "Altra"}
            add_row(perfex, kinds()["contacts"], person)
            run = await write(w, CONTACT)
            assert run["state"] == "failed"
            assert "unique" in str(run["error"])
            assert len(rows(w, "contacts")) == 1

        told(tmp_path, generation, script)

    def test_the_person_is_written_to_only_when_asked(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            run = await write(w, CONTACT + "      send_welcome_email: true\n")
            assert run["state"] == "succeeded", run["error"]
            assert [one["to"] for one in w.sandbox.perfex.mails] == ["ada@officine.example"]

        told(tmp_path, generation, script)

    def test_a_change_of_a_contact_takes_no_mark_away(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            person = {"userid": "412", "email": "a@b.example", "is_primary": "1"}
            person |= {"invoice_emails": "1", "task_emails": "0"}
            add_row(w.sandbox.perfex, kinds()["contacts"], person)
            change = (
                "  - id: change\n    node: perfex_crm.update_contact\n    connection: perfex\n"
                "    map:\n      customer_id: 412\n      contact_id: 91\n"
                "      data.title: Acquisti\n      clear: [phonenumber]\n"
            )
            run = await write(w, change)
            assert run["state"] == "succeeded", run["error"]
            (row,) = rows(w, "contacts")
            assert (row["title"], row["is_primary"], row["invoice_emails"]) == (
                "Acquisti",
                "1",
                "1",
            )
            assert row["task_emails"] == "0"

        told(tmp_path, generation, script)

    def test_a_number_that_is_taken_is_refused(self, tmp_path: Path, generation: str) -> None:
        async def script(w: World) -> None:
            run = await write(w, INVOICE.replace("number: 17", "number: 16"))
            assert run["state"] == "failed"
            assert "in use" in run["error"]["message"]

        told(tmp_path, generation, script)

    def test_an_invoice_mail_is_not_sent_again_when_unsure(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            person = {"userid": "412", "email": "a@b.example", "is_primary": "1"}
            add_row(w.sandbox.perfex, kinds()["contacts"], person)
            w.sandbox.perfex.faults.add(kind="reset_after", method="POST", path="/api/*/send")
            send = (
                "  - id: send\n    node: perfex_crm.send_invoice\n    connection: perfex\n"
                "    map:\n      invoice_id: 51\n"
            )
            run = await write(w, send)
            assert run["state"] == "parked"
            assert len(w.sandbox.perfex.mails) == 1

        told(tmp_path, generation, script)

    def test_two_customers_that_fit_are_not_touched(self, tmp_path: Path, generation: str) -> None:
        async def script(w: World) -> None:
            for name in ("Uno", "Due"):
                twin = {"company": name, "vat": "12345678903"}
                add_row(w.sandbox.perfex, kinds()["customers"], twin)
            run = await write(w, ENSURE)
            assert run["state"] == "failed"
            assert "413, 414" in run["error"]["message"]
            assert not w.perfex.seen("PUT") + w.perfex.seen("POST")

        told(tmp_path, generation, script)

    def test_an_ensured_customer_that_is_so_already_is_left_alone(
        self, tmp_path: Path, generation: str
    ) -> None:
        async def script(w: World) -> None:
            known = {"company": "Rossi 0", "vat": "IT12345678903", "city": "Bergamo"}
            add_row(w.sandbox.perfex, kinds()["customers"], known)
            run = await write(w, ENSURE)
            assert run["state"] == "succeeded", run["error"]
            assert run["steps"][0]["output"]["id"] == 413
            assert not w.perfex.seen("PUT") + w.perfex.seen("POST")

        told(tmp_path, generation, script)

    def test_what_is_gone_is_not_deleted_again(self, tmp_path: Path, generation: str) -> None:
        async def script(w: World) -> None:
            w.sandbox.perfex.faults.add(kind="reset_after", method="DELETE", path="/api/invoices/*")
            remove = (
                "  - id: remove\n    node: perfex_crm.delete_invoice\n    connection: perfex\n"
                "    map:\n      invoice_id: 51\n"
            )
            run = await write(w, remove)
            assert run["state"] == "succeeded", run["error"]
            assert run["steps"][0]["output"]["deleted"] is True
            assert len(w.perfex.seen("DELETE")) == 1

        told(tmp_path, generation, script)


def test_a_customer_whose_vat_number_is_known_is_used_whoever_makes_it(tmp_path: Path) -> None:
    create = ENSURE.replace("ensure_customer", "create_customer").replace("id: ensure", "id: make")

    async def script(w: World) -> None:
        run = await write(w, create + ENSURE, times=2)
        assert run["state"] == "succeeded", run["error"]
        assert len([one for one in w.customers if one["vat"]]) == 1

    told(tmp_path, "3.x", script)
