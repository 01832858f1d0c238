"""Names where ids belong, through the whole product: what is listed, found, refused and kept."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ApiError, ConnectorError, FlowError, MappingError
from connector.flow import check_flow
from connector.runtime.scopes import needed_by
from tests.runtime.kit import COMPANY, HUB, OTHER_COMPANY, World, client, flow, story, world

NODE = "fatture_in_cloud.create_issued_document"
VAT = "data.items_list.vat.id"
METHOD = "data.payment_method.id"
LISTS = "/info/vat_types"


def invoice(
    vat: str = "22%", company: Any = COMPANY, method: str = "Bonifico", amount: int = 122
) -> str:
    """A flow that issues an invoice for each new client, by names."""
    return flow(
        key="by_name",
        types="[create]",
        steps=f"""\
  - id: issue
    node: {NODE}
    connection: fatture
    map:
      company_id: {company}
      data.type: invoice
      data.subject: Order
      data.entity.name: "{{{{ trigger.resource.name }}}}"
      data.payment_method.id: "{method}"
      data.items_list.0.name: Work
      data.items_list.0.qty: 1
      data.items_list.0.net_price: 100
      data.items_list.0.vat.id: "{vat}"
      data.payments_list.0.amount: {amount}
      data.payments_list.0.due_date: "2026-04-03"
""",
    )


def values(told: dict[str, Any]) -> dict[Any, str]:
    return {one["value"]: one["label"] for one in told["options"]}


async def listed(w: World, company: Any = COMPANY, field: str = VAT, search: str = "") -> Any:
    return await w.runtime.choices(NODE, field, "fatture", search, {"company_id": company})


async def issued(w: World, text: str) -> dict[str, Any]:
    await w.follow(text)
    w.person.create("clients", client())
    await w.quiet()
    return await w.run()


@story
async def test_each_company_has_its_own_vat_types(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        first, other = await listed(w), await listed(w, OTHER_COMPANY)
        assert values(first)[3] == "10%"
        assert values(other)[107] == "10%"
        assert 3 not in values(other)
        assert 120 not in values(other), "it is not used any more"


@story
async def test_a_name_is_sent_as_its_id_and_the_run_says_so(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        run = await issued(w, invoice("10 %", method="bonifico", amount=110))
        assert run["state"] == "succeeded", run["error"]
        (document,) = w.documents
        assert document["items_list"][0]["vat"]["id"] == 3
        assert document["payment_method"]["id"] == 386_683
        chosen = {one["field"]: (one["name"], one["value"]) for one in run["steps"][0]["chosen"]}
        assert chosen == {
            "data.items_list.0.vat.id": ("10 %", 3),
            "data.payment_method.id": ("bonifico", 386_683),
        }


@story
async def test_what_is_wrong_with_a_written_name_is_found_before_anything_runs(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(invoice("23%", method="Bonifco"), enable=True)
        assert [str(one) for one in caught.value.issues] == UNKNOWN
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(invoice("0%", company=OTHER_COMPANY), enable=True)
        assert [str(one) for one in caught.value.issues] == AMBIGUOUS


@story
async def test_a_name_that_is_unknown_when_it_runs_fails_the_step_and_writes_nothing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        run = await issued(w, invoice("{{ trigger.resource.name }}"))
        assert run["state"] == "failed"
        assert run["error"]["field"] == "data.items_list.0.vat.id"
        assert run["error"]["message"] == "None of the VAT types is named 'Officine Adda S.r.l.'."
        assert w.documents == []


@story
async def test_a_list_is_read_once_for_many_and_again_when_it_is_old(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await listed(w)
        await listed(w, search="10")
        assert len(w.fic.seen("GET", LISTS)) == 1
        w.sandbox.fic.first_company.tables["vat_types"].put({"id": 9, "value": 5, "name": ""})
        assert 9 not in values(await listed(w))
        await _later(601)
        assert 9 in values(await listed(w))
        assert len(w.fic.seen("GET", LISTS)) == 2


@story
async def test_what_was_read_is_given_with_a_note_while_the_app_is_away(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        before = await listed(w)
        await _later(601)
        w.fic.plugged = False
        told = await listed(w)
        assert told["options"] == before["options"]
        assert told["read_at"] == before["read_at"]
        assert told["note"].startswith("As it was before: ")


@story
async def test_a_name_that_was_added_lately_is_found_though_the_list_is_kept(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await listed(w)
        methods = w.sandbox.fic.first_company.tables["payment_methods"]
        await listed(w, field=METHOD)
        methods.put({"id": 77, "name": "PayPal"})
        await _later(31)
        run = await issued(w, invoice(method="PayPal"))
        assert run["state"] == "succeeded", run["error"]
        assert w.documents[0]["payment_method"]["id"] == 77


@story
async def test_a_scope_that_is_missing_is_named(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.connect(scopes={"entity.clients:r", "issued_documents.invoices:a"})
        with pytest.raises(ApiError) as caught:
            await listed(w)
        assert caught.value.message == (
            "The connection may not read the VAT types. It needs settings:r."
        )
        assert caught.value.who == "connection_owner"


@story
async def test_many_clients_are_searched_at_the_app_and_never_listed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for name in ("Rossi", "Rossi & Figli", "D'Angelo"):
            w.person.create("clients", client(name, vat=""))
        field = "data.entity.id"
        assert (await listed(w, field=field))["options"] == []
        told = await listed(w, field=field, search="rossi")
        assert sorted(values(told).values()) == ["Rossi", "Rossi & Figli"]
        quoted = await listed(w, field=field, search="D'Angelo")
        assert list(values(quoted).values()) == ["D'Angelo"]


@story
async def test_of_two_clients_with_one_name_none_is_taken(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for number in range(130):
            w.person.create("clients", client(f"Rossi {number}", vat="", code=f"R{number}"))
        w.person.create("clients", client("Rossi 7", vat="", code="later page"))
        text = invoice().replace("data.subject: Order", "data.entity.id: Rossi 7")
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(text)
        (issue,) = caught.value.issues
        assert issue.message.startswith("This text is the name of 2 of the clients: id ")
        assert "Rossi" not in str(issue), "clients are people"


@story
async def test_what_a_write_was_planned_with_stays(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.sandbox.fic.faults.add(
            kind="status", method="POST", path="/c/*/issued_documents", status=503, times=1
        )
        methods = w.sandbox.fic.first_company.tables["payment_methods"]
        await w.follow(invoice())
        w.person.create("clients", client())
        await w.until(lambda: _sent(w))
        methods.put({"id": 386_683, "name": "Renamed"})
        await w.restart()
        await w.quiet(within=100 * 3_600)
        run = await w.run()
        assert run["state"] != "failed", run["error"]
        (effect,) = run["effects"]
        assert effect["request"]["body"]["data"]["payment_method"]["id"] == 386_683


@story
async def test_another_tenant_sees_nothing_of_it(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await listed(w)
        other = await w.another_process(tenant="other")
        try:
            with pytest.raises(ConnectorError):
                await other.choices(NODE, VAT, "fatture", "", {"company_id": COMPANY})
        finally:
            await other.__aexit__(None, None, None)


@story
async def test_what_says_which_list_is_meant_must_be_given(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(MappingError, match="only when company_id is known"):
            await w.runtime.choices(NODE, VAT, "fatture")
        with pytest.raises(MappingError, match="is not chosen from a list"):
            await w.runtime.choices(NODE, "data.subject", "fatture")


@story
async def test_an_accountants_companies_are_chosen_and_their_old_tokens_stay_out(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        told = await w.runtime.choices(NODE, "company_id", "fatture")
        assert {COMPANY, OTHER_COMPANY} <= set(values(told))
        assert "legacy" not in str(told)


@story
async def test_countries_of_perfex_go_by_name_and_code(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        for given in ("Italia", "italy", "it"):
            found = await w.runtime.choices(
                "perfex_crm.create_customer", "data.country", "perfex", given
            )
            assert 109 in values(found)
        steps = """\
  - id: create
    node: perfex_crm.create_customer
    connection: perfex
    map:
      data.company: "{{ trigger.resource.name }}"
      data.vat: "{{ trigger.resource.vat_number }}"
      data.country: Italia
"""
        await w.follow(flow(types="[create]", steps=steps))
        w.person.create("clients", client())
        await w.quiet()
        assert [one["country"] for one in w.customers] == ["109"]


@story
async def test_a_trigger_takes_no_names(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(flow(company="Officine Esempio S.r.l."))  # type: ignore[arg-type]
        assert [one.field for one in caught.value.issues] == ["company_id"]


@story
async def test_a_company_may_be_named_and_its_lists_are_used(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        run = await issued(w, invoice(company='"IT01234567890"', vat="10%", amount=110))
        assert run["state"] == "succeeded", run["error"]
        assert next(one["value"] for one in run["steps"][0]["chosen"]) == COMPANY


@story
async def test_what_was_chosen_goes_with_the_payloads(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        run = await issued(w, invoice())
        assert run["steps"][0]["chosen"]
        await _later(1)
        await w.runtime.retention.purge(0, "test")
        assert (await w.run())["steps"][0]["chosen"] == []


@story
async def test_a_flow_that_names_a_vat_type_needs_to_read_them(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        catalog = w.runtime.catalog
        by_name = check_flow(invoice(), catalog).flow
        by_id = check_flow(invoice().replace('"22%"', "0"), catalog).flow
        assert by_name is not None
        assert by_id is not None
        assert "settings:r" in needed_by(by_name, "fatture", catalog)
        assert "settings:r" not in needed_by(by_id, "fatture", catalog)


@story
async def test_a_list_waits_where_writes_do_not(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await listed(w)
        await _later(5)
        (used,) = await w.runtime.quotas()
        assert {one["used"] for one in used["windows"]} == {1}, "it is counted as the company's"
        door = await w.runtime.doors.open("main", "fatture", account=str(COMPANY))
        for _ in range(int(300 * 0.8) - 1):
            await door.request("GET", "/user/info")
        with pytest.raises(ApiError, match="no room for this call now"):
            await listed(w, field=METHOD)
        assert (await listed(w))["options"], "what is known costs nothing"


@story
async def test_the_api_lists_what_can_be_chosen(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = [("authorization", "Bearer a token of sixteen and more")]
        asked = f"node={NODE}&field={VAT}&connection=fatture"
        answer = await w.call(
            "GET", f"{HUB}/api/v1/choices?{asked}&with=company_id={COMPANY}&search=10", None, head
        )
        assert answer.status == 200
        told = answer.json()
        assert told["title"] == "VAT types"
        assert told["options"] == [{"value": 3, "label": "10%"}]
        answer = await w.call("GET", f"{HUB}/api/v1/choices?{asked}", None, head)
        assert answer.status == 422
        assert answer.json()["fields"][0]["field"] == "company_id"


@story
async def test_an_app_that_is_away_keeps_no_flow_from_being_stored(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        w.fic.plugged = False
        told = await w.runtime.apply_flow(invoice("23%", method="Bonifco"))
        (warning,) = told["issues"]
        assert warning["severity"] == "warning"
        assert warning["message"].startswith("'Bonifco' could not be looked up now: ")


@story
async def test_a_customer_of_perfex_goes_by_name_or_vat_number_and_never_by_a_part(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        tables = w.sandbox.perfex.tables["customers"]
        for name, vat in (("Rossi & Figli", "IT1"), ("Rossi", "IT01234567890"), ("Rossi", "IT3")):
            await perfex_customer(w, name, vat)
        node, field = "perfex_crm.create_project", "data.clientid"
        told = await w.runtime.choices(node, field, "perfex", "rossi")
        assert sorted(values(told).values()) == ["Rossi", "Rossi", "Rossi & Figli"]
        assert (await w.runtime.choices(node, field, "perfex", "nobody"))["options"] == []
        for name, wrong in (
            ("Rossi & Figli", []),
            ("IT01234567890", []),
            ("Rossi", [field]),
            ("Ross", [field]),
        ):
            issues = (await w.runtime.check_flow(project(name)))["issues"]
            assert [one["field"] for one in issues if one["severity"] == "error"] == wrong, name
        assert len(tables.view()) == 3


async def perfex_customer(w: World, name: str, vat: str) -> None:
    door = await w.runtime.doors.open("main", "perfex")
    body = {"company": name, "vat": vat}
    await door.request("POST", "/customers", body=body, encoding="form")


def project(customer: str) -> str:
    return flow(
        steps=f"""\
  - id: project
    node: perfex_crm.create_project
    connection: perfex
    map:
      data.name: Work
      data.clientid: "{customer}"
      data.rel_type: customer
      data.billing_type: 1
      data.start_date: "2026-03-04"
      data.status: 1
"""
    )


async def _later(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _sent(w: World) -> bool:
    return bool(w.fic.seen("POST", "/issued_documents"))


UNKNOWN = [
    (
        "steps.issue.map · data.payment_method.id: None of the payment methods is named 'Bonifco'."
        " Did you mean 'Bonifico'?"
    ),
    (
        "steps.issue.map · data.items_list.vat.id: None of the VAT types is named '23%'."
        " Did you mean '22%'?"
    ),
]
AMBIGUOUS = [
    (
        "steps.issue.map · data.items_list.vat.id: '0%' is the name of 3 of the VAT types:"
        " 0% Non imp. art. 8 (id 131); 0% Escluso art. 15 (id 132); 0% Escluso art. 15 (id 133)."
        " Give the id of the one that is meant."
    )
]


@story
async def test_where_a_name_is_asked_for_the_name_is_chosen(tmp_path: Path) -> None:
    compose = "fatture_in_cloud.compose_invoice"
    async with world(tmp_path) as w:

        async def offered(field: str) -> dict[Any, str]:
            told = await w.runtime.choices(
                compose, f"data.{field}", "fatture", "", {"company_id": COMPANY}
            )
            return values(told)

        vat = await offered("items_list.vat")
        # Several types have 0 %: they are told apart by their names, and the rate is not offered.
        assert {"22%", "10%", "Non imp. art. 8"} <= set(vat)
        assert "0%" not in vat
        assert (await offered("items_list.vat_id"))[3] == "10%"
        assert "Bonifico" in await offered("payment.method")
        assert (await offered("payment.method_id"))[386_683] == "Bonifico"
        by_id = await offered("payment.account_id")
        assert set(await offered("payment.account")) == set(by_id.values())
