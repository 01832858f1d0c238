"""The emulated Perfex CRM in both generations of its API module."""

from __future__ import annotations

from typing import Any

import pytest

PERFEX = "http://perfex.test"


@pytest.fixture
def old(make_world: Any) -> Any:
    return make_world(generation="2.x")


@pytest.fixture(params=["2.x", "3.x"])
def either(make_world: Any, request: Any) -> Any:
    return make_world(generation=request.param)


async def customer(world: Any, **fields: str) -> str:
    answer = await world.perfex("POST", "/customers", form={"company": "Adda"} | fields)
    assert answer.json()["status"] is True
    return max(world.sandbox.perfex.tables["customers"].rows, key=int)


# --- token


@pytest.mark.parametrize(("generation", "status"), [("2.x", 404), ("3.x", 401)])
async def test_wrong_token_is_404_on_old_and_401_on_new(
    make_world: Any, generation: str, status: int
) -> None:
    world = make_world(generation=generation)
    answer = await world.perfex("GET", "/customers/1", token="nope")
    assert answer.status == status
    assert answer.json() == {"status": False, "message": "Token is not found"}
    expired = await world.control(PERFEX, "POST", "/tokens", {"expired": True})
    answer = await world.perfex("GET", "/customers/1", token=expired["authtoken"])
    assert (answer.status, answer.json()["message"]) == (status, "Token Time Expire.")


async def test_missing_record_is_404_as_well(either: Any) -> None:
    answer = await either.perfex("GET", "/customers/1")
    assert answer.status == 404
    assert answer.json() == {"status": False, "message": "No data were found"}


async def test_twenty_failures_lock_the_address_for_a_quarter(either: Any) -> None:
    for _ in range(20):
        await either.perfex("GET", "/customers/1", token="nope")
    answer = await either.perfex("GET", "/customers/1")
    assert answer.status == 429
    assert "failed authentication" in answer.json()["message"]
    either.clock.advance(15 * 60)
    assert (await either.perfex("GET", "/customers/1")).status == 404


async def test_missing_permission_is_403_and_counts_as_failed_login(either: Any) -> None:
    told = await either.control(PERFEX, "POST", "/tokens", {"denied": ["customers:create"]})
    token = told["authtoken"]
    for _ in range(20):
        answer = await either.perfex("POST", "/customers", form={"company": "A"}, token=token)
        assert answer.status == 403
    locked = await either.perfex("POST", "/customers", form={"company": "A"}, token=token)
    assert locked.status == 429


async def test_module_switched_off_is_401(either: Any) -> None:
    await either.control(PERFEX, "POST", "/module", {"active": False})
    answer = await either.perfex("GET", "/customers/1")
    assert (answer.status, answer.json()["message"]) == (401, "API Module is not active")


async def test_clients_is_not_a_path(either: Any) -> None:
    assert (await either.perfex("GET", "/clients")).status == 404


# --- bodies


async def test_new_tells_the_record_id_and_old_does_not(world: Any, old: Any) -> None:
    new = (await world.perfex("POST", "/customers", form={"company": "Adda"})).json()
    assert new == {"status": True, "message": "Client add successful.", "record_id": 412}
    before = (await old.perfex("POST", "/customers", form={"company": "Adda"})).json()
    assert before == {"status": True, "message": "Customer add successful."}


async def test_record_is_all_text_under_userid(either: Any) -> None:
    id_ = await customer(either, vat="IT1", country="109", zip="00100")
    row = (await either.perfex("GET", f"/customers/{id_}")).json()
    assert "id" not in row
    assert (row["userid"], row["country"], row["zip"]) == (id_, "109", "00100")
    assert row["datecreated"] == "2026-03-04 09:15:02"
    assert row["active"] == "1"


async def test_json_post_is_ignored_on_old(make_world: Any) -> None:
    for says, status in (("error", 404), ("success", 200)):
        world = make_world(generation="2.x", json_post=says)
        answer = await world.perfex("POST", "/customers", body={"company": "Adda"})
        assert answer.status == status
        assert world.sandbox.perfex.tables["customers"].rows == {}


async def test_json_post_works_on_new(world: Any) -> None:
    answer = await world.perfex("POST", "/customers", body={"company": "Adda", "country": 109})
    assert answer.json()["record_id"] == 412
    assert world.sandbox.perfex.tables["customers"].rows["412"]["country"] == "109"


async def test_put_takes_json_and_old_breaks_on_a_form(either: Any) -> None:
    id_ = await customer(either)
    put = await either.perfex("PUT", f"/customers/{id_}", body={"vat": "IT2"})
    assert put.json() == {"status": True, "message": "Customers Update Successful."}
    form = await either.perfex("PUT", f"/customers/{id_}", form={"vat": "IT3"})
    old = either.sandbox.config.generation == "2.x"
    assert form.status == (500 if old else 200)
    assert (b"Parse_input_stream" in form.body) is old
    row = (await either.perfex("GET", f"/customers/{id_}")).json()
    assert row["vat"] == ("IT2" if old else "IT3")


async def test_empty_put_is_406(either: Any) -> None:
    id_ = await customer(either)
    answer = await either.perfex("PUT", f"/customers/{id_}", body={})
    assert (answer.status, answer.json()["message"]) == (
        406,
        "Data Not Acceptable OR Not Provided",
    )


async def test_unknown_field_on_put_breaks_old_only(either: Any) -> None:
    id_ = await customer(either)
    answer = await either.perfex("PUT", f"/customers/{id_}", body={"partnership_type": "x"})
    assert answer.status == (500 if either.sandbox.config.generation == "2.x" else 200)


async def test_unknown_field_on_post_is_dropped(either: Any) -> None:
    id_ = await customer(either, partnership_type="x")
    assert "partnership_type" not in (await either.perfex("GET", f"/customers/{id_}")).json()


async def test_brackets_nest(either: Any) -> None:
    id_ = await customer(either, **{"custom_fields[customers][3]": "CRM-778", "groups_in[]": "2"})
    row = (await either.perfex("GET", f"/customers/{id_}")).json()
    assert row["customfields"] == [{"id": "3", "label": "Codice esterno", "value": "CRM-778"}]


async def test_country_that_is_no_id_becomes_0(either: Any) -> None:
    id_ = await customer(either, country="IT")
    assert (await either.perfex("GET", f"/customers/{id_}")).json()["country"] == "0"


async def test_validation_is_404_on_old_and_422_on_new(world: Any, old: Any) -> None:
    sentence = "The Company field is required."
    before = await old.perfex("POST", "/customers", form={"vat": "1"})
    assert before.status == 404
    assert before.json() == {
        "status": False,
        "error": {"company": sentence},
        "message": f"<p>{sentence}</p>\n",
    }
    new = await world.perfex("POST", "/customers", form={"vat": "1"})
    assert new.status == 422
    assert new.json()["error"] == "validation_failed"
    assert new.json()["errors"] == {"company": sentence}


async def test_too_long_is_refused(either: Any) -> None:
    form = {"company": "A" * 192, "zip": "1" * 16}
    answer = await either.perfex("POST", "/customers", form=form)
    body = answer.json()
    assert set(body.get("errors") or body["error"]) == {"company", "zip"}


async def test_repeated_post_makes_a_twin(either: Any) -> None:
    await customer(either, vat="IT1")
    await customer(either, vat="IT1")
    assert len((await either.perfex("GET", "/customers")).json()) == 2


# --- reading


async def test_search_is_a_substring_and_empty_is_404(either: Any) -> None:
    first = await customer(either, vat="IT01234567890")
    await customer(either, company="Officine Lariane", vat="IT0123")
    found = (await either.perfex("GET", "/customers/search/it0123")).json()
    assert len(found) == 2
    found = (await either.perfex("GET", "/customers/search/567")).json()
    assert [row["userid"] for row in found] == [first]
    answer = await either.perfex("GET", "/customers/search/nobody")
    assert (answer.status, answer.json()["message"]) == (404, "No data were found")


async def test_search_looks_at_contacts_and_custom_fields_and_skips_inactive(world: Any) -> None:
    id_ = await customer(world, **{"custom_fields[customers][3]": "CRM-778"})
    form = {"customer_id": id_, "firstname": "Ada", "lastname": "Neri", "email": "ada@x.example"}
    await world.perfex("POST", "/contacts", form=form)
    for term in ("crm-778", "neri", "ada@x"):
        assert len((await world.perfex("GET", f"/customers/search/{term}")).json()) == 1
    await world.control(PERFEX, "PUT", f"/records/customers/{id_}", {"active": "0"})
    assert (await world.perfex("GET", "/customers/search/neri")).status == 404


async def test_search_by_query_is_new_only(world: Any, old: Any) -> None:
    await customer(world, company="A/B uno")
    await customer(old, company="A/B uno")
    assert len((await world.perfex("GET", "/customers/search?q=A%2FB+uno")).json()) == 1
    assert (await old.perfex("GET", "/customers/search?q=A%2FB+uno")).status == 404


async def test_list_is_bare_and_paged_on_new_only(either: Any) -> None:
    for number in range(30):
        await customer(either, company=f"C{number}")
    assert len((await either.perfex("GET", "/customers")).json()) == 30
    answer = (await either.perfex("GET", "/customers?page=2&per_page=25")).json()
    if either.sandbox.config.generation == "2.x":
        assert len(answer) == 30
    else:
        assert len(answer["data"]) == 5
        assert answer["meta"]["total_pages"] == 2
        assert answer["meta"]["has_more"] is False


async def test_empty_list_is_404(either: Any) -> None:
    assert (await either.perfex("GET", "/customers")).status == 404


async def test_new_lists_sort_and_pick_fields(world: Any) -> None:
    for name in ("B", "A"):
        await customer(world, company=name)
    rows = (await world.perfex("GET", "/customers?sort=company&fields=company")).json()
    assert rows == [{"company": "A"}, {"company": "B"}]


async def test_delete_both_ways(old: Any) -> None:
    for path in ("/customers/", "/delete/customers/"):
        id_ = await customer(old)
        assert (await old.perfex("DELETE", f"{path}{id_}")).json()["status"] is True
        assert (await old.perfex("DELETE", f"{path}{id_}")).status == 404


# --- rate and idempotency


async def test_new_shows_the_rate_and_both_refuse(make_world: Any) -> None:
    from connector.sandbox.config import Limits

    for generation in ("2.x", "3.x"):
        world = make_world(generation=generation, limits=Limits(perfex_hour=1))
        first = await world.perfex("GET", "/customers/1")
        second = await world.perfex("GET", "/customers/1")
        assert second.status == 429
        assert second.json()["message"] == "Rate limit exceeded"
        remaining = first.header("x-ratelimit-remaining")
        assert remaining == ("0" if generation == "3.x" else None)
        assert second.header("retry-after") is None
        world.clock.advance(3600)
        assert (await world.perfex("GET", "/customers/1")).status == 404


async def test_idempotency_key_replays_on_new_for_a_day(world: Any) -> None:
    key = (("Idempotency-Key", "k1"),)
    form = {"company": "Adda"}
    first = await world.perfex("POST", "/customers", form=form, headers=key)
    again = await world.perfex("POST", "/customers", form=form, headers=key)
    assert first.header("idempotency-replayed") is None
    assert again.header("idempotency-replayed") == "true"
    assert again.body == first.body
    world.clock.advance(86_400)
    await world.perfex("POST", "/customers", form=form, headers=key)
    assert world.sandbox.perfex.ledger.writes["create customers"] == 2


async def test_idempotency_key_replays_a_refusal_too(world: Any) -> None:
    key = (("Idempotency-Key", "k1"),)
    await world.perfex("POST", "/customers", form={"vat": "1"}, headers=key)
    again = await world.perfex("POST", "/customers", form={"company": "A"}, headers=key)
    assert (again.status, again.header("idempotency-replayed")) == (422, "true")


async def test_old_ignores_the_idempotency_key(old: Any) -> None:
    key = (("Idempotency-Key", "k1"),)
    for _ in range(2):
        await old.perfex("POST", "/customers", form={"company": "A"}, headers=key)
    assert old.sandbox.perfex.ledger.writes["create customers"] == 2


# --- other resources


async def test_contact_mail_is_sent_unless_declined_and_addresses_are_unique(world: Any) -> None:
    id_ = await customer(world)
    form = {"customer_id": id_, "firstname": "Ada", "lastname": "Neri", "email": "a@x.example"}
    await world.perfex("POST", "/contacts", form=form)
    assert (await world.perfex("POST", "/contacts", form=form)).status == 422
    quiet = form | {"email": "b@x.example", "donotsendwelcomeemail": "on"}
    await world.perfex("POST", "/contacts", form=quiet)
    mails = (await world.control(PERFEX, "GET", "/mails"))["mails"]
    assert [mail["to"] for mail in mails] == ["a@x.example"]
    assert len((await world.perfex("GET", f"/contacts/{id_}")).json()) == 2
    one = await world.perfex("GET", f"/contacts/{id_}/91")
    assert one.json()["email"] == "a@x.example"


async def test_invoice_number_is_used_once_and_payments_settle(world: Any) -> None:
    id_ = await customer(world)
    form = {
        "clientid": id_,
        "number": "7",
        "date": "2026-03-04",
        "currency": "1",
        "newitems[0][description]": "Canone",
        "newitems[0][qty]": "1",
        "newitems[0][taxname][]": "IVA|22.00",
        "subtotal": "100.00",
        "total": "122.00",
        "billing_street": "Via Po 7",
        "allowed_payment_modes[0]": "1",
    }
    made = (await world.perfex("POST", "/invoices", form=form)).json()
    again = await world.perfex("POST", "/invoices", form=form)
    assert again.status == 409
    path = f"/invoices/{made['record_id']}"
    row = (await world.perfex("GET", path)).json()
    assert row["items"][0]["taxname"] == ["IVA|22.00"]
    assert (row["status"], row["total_tax"]) == ("1", "22.00")
    for amount, status in (("22", "3"), ("100", "2")):
        pay = {"invoiceid": str(made["record_id"]), "amount": amount, "paymentmode": "1"}
        await world.perfex("POST", "/payments", form=pay)
        assert (await world.perfex("GET", path)).json()["status"] == status


async def test_custom_fields_and_common_lists_answer(either: Any) -> None:
    fields = (await either.perfex("GET", "/custom_fields/customers")).json()
    assert fields[0]["id"] == "3"
    assert (await either.perfex("GET", "/common/tax_data")).status == 200
    assert (await either.perfex("GET", "/common/countries")).status == 404


async def test_new_can_be_polled(world: Any, old: Any) -> None:
    await customer(world)
    assert (await world.perfex("GET", "/zapier/poll/customers")).json()["meta"]["count"] == 1
    world.clock.advance(2)
    since = int(world.clock().timestamp()) - 1
    later = await world.perfex("GET", f"/zapier/poll/customers?since={since}")
    assert later.json()["data"] == []
    assert (await old.perfex("GET", "/zapier/poll/customers")).status == 404


async def test_list_lag_hides_new_customers_from_search(either: Any) -> None:
    await either.control(PERFEX, "POST", "/list_lag", {"seconds": 5})
    id_ = await customer(either)
    assert (await either.perfex("GET", "/customers/search/Adda")).status == 404
    assert (await either.perfex("GET", f"/customers/{id_}")).status == 200
    either.clock.advance(5)
    assert (await either.perfex("GET", "/customers/search/Adda")).status == 200


# --- what a person enters


async def test_a_person_enters_an_invoice_with_its_lines(either: Any) -> None:
    lines = [{"description": "Consulenza", "qty": "2", "rate": "50.00"}, {"description": "Viaggio"}]
    client = await either.control(PERFEX, "POST", "/records/customers", {"company": "Adda"})
    asked = {"clientid": client["id"], "number": "7", "items": lines, "tags": "urgent"}
    made = await either.control(PERFEX, "POST", "/records/invoices", asked)
    read = (await either.perfex("GET", f"/invoices/{made['id']}")).json()
    assert [(one["description"], one["qty"], one["rate"]) for one in read["items"]] == [
        ("Consulenza", "2", "50.00"),
        ("Viaggio", "1", "0.00"),
    ]
    assert read["tags"] == "urgent"
    path = f"/records/invoices/{made['id']}"
    read = await either.control(PERFEX, "PUT", path, {"newitems": {"0": {"description": "Una"}}})
    assert [one["description"] for one in read["items"]] == ["Una"]


@pytest.mark.parametrize(
    ("host", "place", "body", "field", "hint"),
    [
        (PERFEX, "invoices", {"number": "7", "lines": []}, "lines", "Did you mean items?"),
        (PERFEX, "customers", {"compny": "Adda"}, "compny", "Did you mean company?"),
        (
            PERFEX,
            "customers",
            {"company": "Adda", "custom_fields": {"customers": {"99": "x"}}},
            "99",
            "custom_fields.customers have no field 99.",
        ),
        ("http://fic.test", "clients", {"nome": "Adda"}, "nome", "Did you mean name?"),
        (
            "http://fic.test",
            "issued_documents",
            {"items_list": [{"nane": "x"}]},
            "items_list.nane",
            "Did you mean items_list.name?",
        ),
    ],
)
async def test_what_there_is_no_field_for_is_refused_by_its_name(
    make_world: Any, host: str, place: str, body: dict[str, Any], field: str, hint: str
) -> None:
    world = make_world()
    told = await world.control(host, "POST", f"/records/{place}", body, status=422)
    assert hint in told["fields"][field]
    assert told["error"] == " ".join(told["fields"].values())


async def test_lines_that_are_no_lines_are_refused(either: Any) -> None:
    asked = {"number": "7", "items": "Consulenza"}
    told = await either.control(PERFEX, "POST", "/records/invoices", asked, status=400)
    assert "items is a list of objects" in told["error"]
