"""Fatture in Cloud as an app: its table of events, and what its answers mean."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.apps.fatture_in_cloud import build
from connector.apps.fatture_in_cloud.answers import read_error
from connector.apps.fatture_in_cloud.resources import (
    EVENTS,
    GROUPS,
    RESOURCES,
    expand,
    id_filter,
    read_scopes,
    readers,
)
from connector.errors import (
    Conflict,
    Forbidden,
    Invalid,
    MappingError,
    Missing,
    Refused,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import Answer


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = tuple((name.replace("_", "-").lower(), value) for name, value in headers.items())
    return Answer(status=status, headers=named, body=raw)


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_that_of_the_facts(shared: Path) -> None:
    text = (shared / "facts" / "fatture-in-cloud.md").read_text()
    table = text[text.index("### 2.6") : text.index("## 3.")]
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([a-z_ ]+) \|", table, re.MULTILINE)
    found = {f"{resource}.{one}" for resource, ones in rows for one in ones.split()}
    assert found == EVENTS
    assert len(EVENTS) == 71


def test_groups_stand_for_their_members() -> None:
    assert expand(("entities.all.create",)) == (
        "entities.clients.create",
        "entities.suppliers.create",
    )
    mailed = expand(("issued_documents.all.email_sent", "issued_documents.invoices.email_sent"))
    assert len(mailed) == 11
    assert "issued_documents.e_invoices.email_sent" not in mailed
    assert "issued_documents.supplier_orders.email_sent" in mailed


def test_the_older_name_of_self_invoices_stands_for_both_families() -> None:
    assert expand(("issued_documents.self_invoices.create",)) == (
        "issued_documents.self_own_invoices.create",
        "issued_documents.self_supplier_invoices.create",
    )
    assert "issued_documents.self_invoices" in readers()


def test_scopes_are_the_fewest_that_do() -> None:
    assert read_scopes(("entities.clients.create", "entities.clients.update")) == (
        "entity.clients:r",
    )
    assert read_scopes(("issued_documents.e_invoices.status_update",)) == (
        "issued_documents.invoices:r",
        "issued_documents.credit_notes:r",
    )
    assert all(scope.endswith(":r") for one in RESOURCES.values() for scope in one.scopes)


@pytest.mark.parametrize("name", sorted(RESOURCES))
def test_every_resource_can_be_read(name: str) -> None:
    reader = readers()[name]
    assert reader.get.method == "GET"
    assert reader.get.path.startswith("/c/{company_id}/")
    assert reader.get.path.endswith("/{id}")
    assert reader.get.query["fieldset"] == "detailed"


def test_batches_exist_exactly_where_the_list_filters_by_id() -> None:
    batched = {name for name, one in readers().items() if one.batch is not None}
    assert batched == {"entities.clients", "entities.suppliers", "products", "received_documents"}
    received = readers()["received_documents"]
    assert received.batch_each["type"][0] == "expense"
    assert received.batch is not None
    assert received.batch.query["type"] == "{type}"


def test_documents_are_not_read_where_pending_ones_lie() -> None:
    assert readers()["received_documents.e_invoices"].get.path.endswith("/pending/{id}")


def test_the_id_filter_is_written_in_the_vendors_language() -> None:
    assert id_filter(("11",)) == "id = 11"
    assert id_filter(("11", "12", "13")) == "id = 11 or id = 12 or id = 13"


@pytest.mark.parametrize("bad", ["", "1 or 1=1", "x", "-1", "1.0", "'1'", "١"])
def test_only_numbers_get_into_the_id_filter(bad: str) -> None:
    with pytest.raises(MappingError):
        id_filter(("1", bad))


def test_the_app_says_what_all_its_nodes_share() -> None:
    app = build()
    assert (app.key, app.base_url) == ("fatture_in_cloud", "https://api-v2.fattureincloud.it")
    assert [(one.calls, one.seconds, one.window) for one in app.quotas] == [
        (300, 300, "sliding"),
        (1000, 3600, "calendar"),
        (40000, 31 * 24 * 3600, "calendar"),
    ]
    assert app.check.path == "/user/info"
    assert set(app.resource_groups) >= set(GROUPS)
    assert app.webhook is not None


# --- what answers mean --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "good",
    [
        answer(200, {"data": {"id": 1}}),
        answer(201, {"data": {}}),
        answer(200),
        answer(204),
        answer(200, b"<xml/>", content_type="text/xml; charset=utf-8"),
    ],
)
def test_successes(good: Answer) -> None:
    assert read_error(good) is None


@pytest.mark.parametrize(
    "odd",
    [
        answer(200, b'{"data":{"id":'),
        answer(200, b"<html>Welcome</html>", content_type="text/html"),
        answer(301),
        answer(302, {"error": {"message": "x"}}),
        answer(307),
        answer(408, {"error": {"message": "x"}}),
        answer(404, b"<html>nginx</html>"),
        answer(403, b"<html>WAF</html>"),
        answer(422, b""),
        answer(409, b"{}"),
        answer(400, b"[]"),
        answer(418, {"error": {"message": "x"}}),
        answer(500, {"error": {"message": "An unexpected error occurred."}}),
        answer(502, b"<html>Bad gateway</html>"),
        answer(503),
    ],
)
def test_what_the_api_has_not_said_itself_is_unclear(odd: Answer) -> None:
    error = read_error(odd)
    assert isinstance(error, Unclear)
    assert error.status == odd.status
    assert "<html>" not in str(error)


def test_field_errors_name_our_paths_and_lines() -> None:
    error = read_error(
        answer(
            422,
            {
                "error": {
                    "message": "Invalid request.",
                    "validation_result": {
                        "data.entity": ["The data.entity field is required."],
                        "data.items_list.0.vat.id": [
                            "The data.items_list.0.vat.id field is required.",
                            "The i dati field is required.",
                        ],
                        "data.payments_list.2.amount": ["Wrong."],
                    },
                }
            },
        )
    )
    assert isinstance(error, Invalid)
    empty = "It was not accepted, because it is empty and must be filled in. In its own words:"
    own = "“The data.items_list.0.vat.id field is required.”"
    assert [(issue.field, issue.message) for issue in error.issues] == [
        ("data.entity", f"{empty} “The data.entity field is required.”"),
        ("data.items_list.0.vat.id", f"Line 1: {empty} {own}"),
        ("data.items_list.0.vat.id", f"Line 1: {empty} “The i dati field is required.”"),
        (
            "data.payments_list.2.amount",
            "Payment 3: It was not accepted. In its own words: “Wrong.”",
        ),
    ]
    assert error.message == (
        "Fatture in Cloud did not accept 3 fields, and wrote nothing: "
        "“data.entity”, “data.items_list.0.vat.id”, “data.payments_list.2.amount”."
    )
    assert "replay" in error.remedy


def test_one_field_is_told_with_its_reason_in_the_first_sentence() -> None:
    found = {"data.name": ["The data.name may not be greater than 255 characters."]}
    error = read_error(
        answer(422, {"error": {"message": "Invalid request.", "validation_result": found}})
    )
    assert error is not None
    assert error.message == (
        "Fatture in Cloud did not accept the field “data.name”: it is too long."
    )


def test_what_the_app_says_beside_its_fields_is_not_lost() -> None:
    said = "The credit note must refer to an invoice."
    for found in ({"a": ["Wrong."]}, {"a": ["Wrong."], "b": ["It is too long."]}):
        error = read_error(answer(422, {"error": {"message": said, "validation_result": found}}))
        assert error is not None
        assert error.message.endswith(f". In its own words: “{said}”"), error.message
    # Where it only repeats what it says of a field, once is enough.
    told = {"error": {"message": "Wrong.", "validation_result": {"a": ["Wrong."]}}}
    error = read_error(answer(422, told))
    assert error is not None
    assert error.message == "Fatture in Cloud did not accept the field “a”, and wrote nothing."


@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_without_a_reason_says_so_and_what_can_be_tried(status: int) -> None:
    said = "An unexpected error occurred. Contact support for more information."
    error = read_error(answer(status, {"error": {"message": said}}))
    assert isinstance(error, Invalid)
    assert error.message == (
        "Fatture in Cloud did not accept the record, and does not say why. "
        f"In its own words: “{said}”"
    )
    assert "fewer fields" in error.remedy


def test_business_rules_show_the_vendors_figures_exactly() -> None:
    body = (
        b'{"error":{"message":"Il totale dei pagamenti non corrisponde al totale da pagare.",'
        b'"validation_result":null},"extra":{"totals":{"amount_due":610.10,"payments_sum":579.5,'
        b'"vat_list":{"22":{"amount_net":500}}}}}'
    )
    error = read_error(answer(422, body))
    assert isinstance(error, Invalid)
    assert "Il totale dei pagamenti" in error.message
    assert "amount_due 610.10" in error.message
    assert "payments_sum 579.5" in error.message
    assert error.issues == ()
    assert error.remedy


def test_faults_of_the_xml_are_listed() -> None:
    error = read_error(
        answer(
            422,
            {"error": {"message": "XML", "validation_result": {"xml_errors": ["a <b>", "c"]}}},
        )
    )
    assert isinstance(error, Invalid)
    assert [issue.message for issue in error.issues] == ["a", "c"]


def test_a_403_is_a_permission_without_and_a_quota_with_retry_after() -> None:
    body = {"error": {"message": "No permission.", "code": "NO_PERMISSION"}}
    plain = read_error(answer(403, body))
    assert isinstance(plain, Forbidden)
    assert plain.who == "connection_owner"
    quota = read_error(answer(403, body, retry_after="1800"))
    assert isinstance(quota, Throttled)
    assert quota.retry_after == 1800


def test_a_ban_of_webhooks_sends_to_the_vendor() -> None:
    message = "This app is not enabled to register webhooks"
    error = read_error(answer(403, {"error": {"message": message, "code": "NO_PERMISSION"}}))
    assert isinstance(error, Forbidden)
    assert "support" in error.remedy


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry_after": "17"}, 17),
        ({"retry_after": "0"}, 0),
        ({}, 60),
        ({"retry_after": "soon"}, 60),
        ({"retry_after": "-5"}, 60),
        ({"retry_after": "9" * 30}, 31 * 24 * 3600),
        (
            {
                "retry_after": "Wed, 04 Mar 2026 10:05:00 GMT",
                "date": "Wed, 04 Mar 2026 10:00:00 GMT",
            },
            300,
        ),
        ({"retry_after": "Wed, 04 Mar 2026 10:05:00 GMT"}, 60),
    ],
)
def test_a_429_says_how_long_to_wait(headers: dict[str, str], wait: float) -> None:
    error = read_error(answer(429, b"<html>", **headers))
    assert isinstance(error, Throttled)
    assert error.retry_after == wait


@pytest.mark.parametrize("body", [None, b"<html>", {"error": {"message": "Unauthenticated."}}])
def test_a_401_means_the_token_whatever_the_body(body: Any) -> None:
    assert isinstance(read_error(answer(401, body)), Unauthorized)


def test_oauth_errors_have_a_text_where_others_have_an_object() -> None:
    dead = {"error": "invalid_grant", "error_description": "The refresh token is invalid."}
    error = read_error(answer(400, dead))
    assert isinstance(error, Unauthorized)
    assert "refresh token is invalid" in error.message
    wrong = read_error(answer(400, {"error": "invalid_request", "error_description": "No code."}))
    assert isinstance(wrong, Invalid)
    assert "No code." in wrong.message


@pytest.mark.parametrize(
    ("status", "kind"), [(404, Missing), (409, Conflict), (405, Refused), (400, Invalid)]
)
def test_other_refusals(status: int, kind: type[Refused]) -> None:
    error = read_error(answer(status, {"error": {"message": "Numero già usato."}}))
    assert type(error) is kind
    assert "Numero già usato." in error.message
    assert error.status == status


def test_an_empty_404_is_a_missing_record() -> None:
    assert isinstance(read_error(answer(404)), Missing)


def test_long_and_strange_words_are_cut() -> None:
    text = "a\x00b\x1b[31m" + "é" * 5000
    error = read_error(answer(409, {"error": {"message": text}}))
    assert error is not None
    assert len(error.message) < 600
    assert error.message.isprintable()


def test_a_sentence_that_ends_with_a_dot_gets_no_second_one() -> None:
    error = read_error(Answer(status=503, body=b'{"error":{"message":"We are closed."}}'))
    assert error is not None
    assert error.message == "Fatture in Cloud answered 503: We are closed."


def test_a_failure_without_a_reason_says_so() -> None:
    body = b'{"error":{"message":"An unexpected error occurred."}}'
    error = read_error(Answer(status=500, body=body))
    assert isinstance(error, Unclear)
    assert error.message == (
        "Fatture in Cloud failed at this (500), and does not say why. "
        "In its own words: “An unexpected error occurred.”"
    )
    assert "look there before sending it again" in error.remedy
