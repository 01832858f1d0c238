"""Clients, products, registers and settings of the emulated Fatture in Cloud."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest


async def test_create_answers_200_and_the_whole_record(world: Any) -> None:
    answer = await world.fic("POST", "C/entities/clients", {"data": {"name": "Adda"}})
    record = answer.json()["data"]
    assert answer.status == 200
    assert record["id"] == 70_211
    assert record["country"] == "Italia"
    assert record["default_vat"] is None


async def test_times_are_italian_without_a_zone(world: Any) -> None:
    made = await world.client_record()
    assert made["created_at"] == "2026-03-04 09:15:02"  # 08:15:02 UTC, winter
    world.clock.advance(120 * 86_400)
    answer = await world.fic("PUT", f"C/entities/clients/{made['id']}", {"data": {"name": "B"}})
    assert answer.json()["data"]["updated_at"] == "2026-07-02 10:15:02"  # summer
    assert answer.json()["data"]["created_at"] == made["created_at"]


@pytest.mark.parametrize("body", [{"name": "Adda"}, {}, {"data": {}}, b"{not json", b""])
async def test_body_without_data_is_data_required(world: Any, body: Any) -> None:
    answer = await world.fic("POST", "C/entities/clients", body)
    assert answer.status == 422
    wrong = answer.json()["error"]
    assert wrong["validation_result"] == {"data": ["The data field is required."]}


async def test_missing_name_is_named_by_its_path(world: Any) -> None:
    answer = await world.fic("POST", "C/entities/clients", {"data": {"code": "x"}})
    sentence = "The data.name field is required."
    assert answer.json()["error"]["validation_result"] == {"data.name": [sentence]}


async def test_unknown_keys_are_tolerated_and_read_only_ones_ignored(world: Any) -> None:
    sent = {"agyo_id": 1, "id": 5, "created_at": "1999-01-01 00:00:00"}
    made = await world.client_record(**sent)
    assert made["id"] != 5
    assert made["created_at"].startswith("2026")
    assert "agyo_id" not in made


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("e_invoice", "yes"),
        ("default_payment_terms", "soon"),
        ("default_discount", "1.234,56"),
        ("intent_declaration_protocol_date", "04/03/2026"),
        ("type", "firm"),
        ("name", 5),
        ("default_discount", 101),
        ("default_discount", True),
    ],
)
async def test_wrong_type_is_a_422_on_its_field(world: Any, field: str, value: Any) -> None:
    body = {"data": {"name": "Adda", field: value}}
    answer = await world.fic("POST", "C/entities/clients", body)
    assert answer.status == 422
    assert list(answer.json()["error"]["validation_result"]) == [f"data.{field}"]


async def test_reference_by_id_is_filled_in_and_must_exist(world: Any) -> None:
    made = await world.client_record(default_vat={"id": 0})
    assert made["default_vat"]["value"] == 22
    body = {"data": {"name": "B", "default_payment_method": {"id": 9}}}
    answer = await world.fic("POST", "C/entities/clients", body)
    assert list(answer.json()["error"]["validation_result"]) == ["data.default_payment_method.id"]


@pytest.mark.parametrize("key", ["vat_number", "tax_code", "code"])
async def test_clashing_client_is_409_and_nothing_is_written(world: Any, key: str) -> None:
    await world.client_record(**{key: "X1"})
    again = await world.fic("POST", "C/entities/clients", {"data": {"name": "B", key: "X1"}})
    assert again.status == 409
    assert world.sandbox.fic.ledger.writes["create clients"] == 1


async def test_clashing_client_can_be_let_through(make_world: Any) -> None:
    world = make_world(refuse_duplicate_clients=False)
    await world.client_record(vat_number="X1")
    await world.client_record(vat_number="X1")
    assert world.sandbox.fic.ledger.by_key["create clients vat_number=X1"] == 2


async def test_modify_keeps_what_is_not_sent(world: Any) -> None:
    made = await world.client_record(email="a@b.example")
    path = f"C/entities/clients/{made['id']}"
    changed = (await world.fic("PUT", path, {"data": {"phone": "1"}})).json()["data"]
    assert (changed["email"], changed["phone"]) == ("a@b.example", "1")
    assert (await world.fic("PUT", path, {"data": {"name": None}})).status == 422


async def test_delete_is_200_and_empty_then_404(world: Any) -> None:
    made = await world.client_record()
    path = f"C/entities/clients/{made['id']}"
    answer = await world.fic("DELETE", path)
    assert (answer.status, answer.body) == (200, b"")
    gone = await world.fic("GET", path)
    assert gone.status == 404
    assert isinstance(gone.json()["error"], dict)


async def test_wrong_method_is_405_and_wrong_path_404(world: Any) -> None:
    assert (await world.fic("PUT", "C/entities/clients")).status == 405
    assert (await world.fic("GET", "C/nowhere")).status == 404


async def test_slim_gets_can_be_switched_on(make_world: Any) -> None:
    world = make_world(slim_gets=True)
    made = await world.client_record(notes="n")
    path = f"C/entities/clients/{made['id']}"
    assert "notes" not in (await world.fic("GET", path)).json()["data"]
    assert (await world.fic("GET", path, fieldset="detailed")).json()["data"]["notes"] == "n"


async def test_product_gets_the_other_price(world: Any) -> None:
    body = {"data": {"name": "Canone", "net_price": 80, "default_vat": {"id": 0}}}
    made = (await world.fic("POST", "C/products", body)).json()["data"]
    assert made["gross_price"] == Decimal("97.6")
    changed = {"data": {"stock_current": 9, "use_gross_price": True, "gross_price": 122}}
    path = f"C/products/{made['id']}"
    changed = (await world.fic("PUT", path, changed)).json()["data"]
    assert (changed["net_price"], changed["stock_current"]) == (100, None)


async def test_expense_payments_must_cover_the_gross(world: Any) -> None:
    data = {"type": "expense", "entity": {"name": "Serio"}, "amount_net": 100, "amount_vat": 22}
    answer = await world.fic("POST", "C/received_documents", {"data": data})
    assert answer.status == 422
    assert answer.json()["extra"]["totals"]["amount_gross"] == 122
    data["payments_list"] = [{"amount": 122, "due_date": "2026-03-31", "status": "not_paid"}]
    made = (await world.fic("POST", "C/received_documents", {"data": data})).json()["data"]
    assert (made["amount_gross"], made["next_due_date"]) == (122, "2026-03-31")


async def test_receipt_is_numbered_and_summed(world: Any) -> None:
    data = {
        "date": "2026-03-04",
        "type": "sales_receipt",
        "use_gross_prices": True,
        "payment_account": {"id": 555},
        "items_list": [{"amount_gross": 122, "category": "negozio", "vat": {"id": 0}}],
    }
    first = (await world.fic("POST", "C/receipts", {"data": data})).json()["data"]
    second = (await world.fic("POST", "C/receipts", {"data": data})).json()["data"]
    assert (first["number"], second["number"]) == (1, 2)
    assert (first["amount_net"], first["amount_vat"]) == (100, 22)


async def test_f24_list_adds_the_sum(world: Any) -> None:
    data = {"due_date": "2026-03-16", "amount": 840.36, "description": "IVA"}
    await world.fic("POST", "C/taxes", {"data": data})
    page = (await world.fic("GET", "C/taxes")).json()
    assert page["aggregated_data"] == {"amount": Decimal("840.36")}


async def test_payment_account_needs_settings_scope_to_write_only(world: Any) -> None:
    token = world.sandbox.fic.tokens.manual(world.sandbox.fic.app, frozenset({"settings:r"}))
    body = {"data": {"name": "Stripe", "type": "standard"}}
    refused = await world.fic("POST", "C/settings/payment_accounts", body, token=token)
    assert refused.status == 403
    made = (await world.fic("POST", "C/settings/payment_accounts", body)).json()["data"]
    path = f"C/settings/payment_accounts/{made['id']}"
    assert (await world.fic("GET", path, token=token)).json()["data"]["name"] == "Stripe"
    names = [
        row["name"] for row in (await world.fic("GET", "C/info/payment_accounts")).json()["data"]
    ]
    assert names == ["Cassa", "Banca Esempio", "Stripe"]


async def test_built_in_vat_types_cannot_be_changed(world: Any) -> None:
    path = "C/settings/vat_types/0"
    assert (await world.fic("PUT", path, {"data": {"description": "x"}})).status == 403
    body = {"data": {"value": 0, "description": "Non imp.", "ei_type": "N3.1"}}
    made = (await world.fic("POST", "C/settings/vat_types", body)).json()["data"]
    assert made["editable"] is True


async def test_attachment_goes_through_a_token_and_its_link_dies_after_7_days(world: Any) -> None:
    from connector.model import HttpRequest

    boundary = b"xx"
    parts = (
        b'--xx\r\nContent-Disposition: form-data; name="filename"\r\n\r\na.pdf\r\n'
        b'--xx\r\nContent-Disposition: form-data; name="attachment"; filename="a.pdf"\r\n'
        b"Content-Type: application/pdf\r\n\r\n%PDF\r\n--xx--\r\n"
    )
    headers = (
        ("Authorization", f"Bearer {world.token}"),
        ("Content-Type", f"multipart/form-data; boundary={boundary.decode()}"),
    )
    url = "http://fic.test/c/108061/archive/attachment"
    request = HttpRequest(method="POST", url=url, headers=headers, body=parts)
    token = (await world.client.send(request)).json()["data"]["attachment_token"]
    data = {"date": "2026-03-04", "description": "Contratto", "category": "C"}
    body = {"data": data | {"attachment_token": token}}
    made = (await world.fic("POST", "C/archive", body)).json()["data"]
    assert "attachment_token" not in made
    link = HttpRequest(method="GET", url=made["attachment_url"])
    assert (await world.client.send(link)).status == 200
    world.clock.advance(7 * 86_400)
    assert (await world.client.send(link)).status == 403
    assert (await world.fic("POST", "C/archive", body)).status == 422


async def test_info_lists_answer(world: Any) -> None:
    for path in (
        "/info/countries",
        "/info/detailed_countries",
        "/info/languages",
        "/info/currencies",
        "C/info/vat_types",
        "C/info/payment_methods",
        "C/company/info",
        "C/entities/clients/info",
        "C/receipts/info",
    ):
        answer = await world.fic("GET", path)
        assert answer.status == 200, path
        assert answer.json()["data"], path
    assert (await world.fic("GET", "C/company/plan_usage")).status == 422
    assert (await world.fic("GET", "C/issued_documents/info")).status == 422


@pytest.mark.parametrize(
    "body",
    [
        b'{"data":{"name":"A","default_discount":1e99999}}',
        b'{"data":{"name":"A","default_discount":NaN}}',
        b'{"data":{"name":"A","default_vat":[]}}',
        b'{"data":{"name":"A","default_vat":{"id":{}}}}',
        b'{"data":{"name":["A"]}}',
        b'{"data":[1]}',
        b"[]",
    ],
)
async def test_garbage_is_refused_not_crashed_on(world: Any, body: bytes) -> None:
    assert (await world.fic("POST", "C/entities/clients", body)).status == 422


@pytest.mark.parametrize("kind", [[], {}, 5, "nothing"])
async def test_garbage_type_is_refused(world: Any, kind: Any, invoice: Any) -> None:
    assert (await world.fic("POST", "C/issued_documents", invoice(type=kind))).status == 422


async def test_text_comes_back_as_it_was_sent(world: Any) -> None:
    made = await world.client_record(notes='caffè – ½ \U0001f600 / \\ " \n')
    answer = await world.fic("GET", f"C/entities/clients/{made['id']}")
    assert answer.json()["data"]["notes"] == 'caffè – ½ \U0001f600 / \\ " \n'
    assert answer.body.isascii()
