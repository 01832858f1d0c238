"""Perfex CRM as an app: errors by their message, country numbers, language names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.apps.perfex_crm import build
from connector.apps.perfex_crm.answers import read_error
from connector.apps.perfex_crm.countries import ISO, country_id, country_iso, language_name
from connector.errors import (
    Conflict,
    ExpressionError,
    Forbidden,
    Invalid,
    Missing,
    Refused,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.expressions import evaluate
from connector.model import Answer
from connector.plugins import build_plugins


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    named = tuple((name.replace("_", "-").lower(), value) for name, value in headers.items())
    return Answer(status=status, headers=named, body=raw)


def no(message: str, **more: Any) -> dict[str, Any]:
    return {"status": False, "message": message, **more}


@pytest.mark.parametrize(
    "good",
    [
        answer(200, {"status": True, "message": "Client add successful.", "record_id": 412}),
        answer(201, {"status": True, "message": "ok"}),
        answer(200, [{"userid": "412"}]),
        answer(200, {"userid": "412", "company": "x"}),
        answer(200, {"data": [], "meta": {}}),
        answer(200, {"id": "7", "status": "2"}),
    ],
)
def test_successes(good: Answer) -> None:
    assert read_error(good) is None


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "Token is not defined."),
        (404, "Token is not defined."),
        (404, "Token is not found"),
        (404, "Token Time Expire."),
        (200, "Token is not found"),
        (401, "Unauthorized"),
    ],
)
def test_a_dead_token_is_told_by_its_message(status: int, message: str) -> None:
    assert isinstance(read_error(answer(status, no(message))), Unauthorized)


@pytest.mark.parametrize("status", [404, 200])
def test_no_data_is_a_missing_record(status: int) -> None:
    error = read_error(answer(status, no("No data were found")))
    assert isinstance(error, Missing)


def test_validation_of_old_releases_is_a_404_with_an_object() -> None:
    body = no(
        "<p>The Company field is required.</p>\n",
        error={"company": "The Company field is required.", "groups_in[]": "<b>Wrong.</b>"},
    )
    error = read_error(answer(404, body))
    assert isinstance(error, Invalid)
    assert "<p>" not in str(error)
    empty = "It was not accepted, because it is empty and must be filled in."
    assert [(issue.field, issue.message) for issue in error.issues] == [
        ("company", f"{empty} In its own words: “The Company field is required.”"),
        ("groups_in", "It was not accepted. In its own words: “Wrong.”"),
    ]


def test_validation_of_new_releases_is_a_422_with_errors() -> None:
    body = no("Invalid.", error="validation_failed", errors={"company": "Required."})
    error = read_error(answer(422, body))
    assert isinstance(error, Invalid)
    assert error.issues[0].field == "company"


def test_a_field_called_token_does_not_look_like_a_dead_token() -> None:
    body = no("The token field is required.", error={"token": "The token field is required."})
    assert isinstance(read_error(answer(404, body)), Invalid)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_an_error_that_holds_a_sentence_is_no_field_called_message(status: int) -> None:
    body = {"error": {"message": "An unexpected error occurred."}}
    error = read_error(answer(status, body))
    assert isinstance(error, Refused)
    assert error.issues == ()
    assert error.message == (
        "Perfex CRM did not accept the record, and does not say why. "
        "In its own words: “An unexpected error occurred.”"
    )
    assert "fewer fields" in error.remedy


def test_a_missing_permission_is_not_tried_again() -> None:
    text = "Your API token does not have the necesary permissions to perform this action."
    error = read_error(answer(403, no(text)))
    assert isinstance(error, Forbidden)
    assert "failed login" in error.remedy


def test_a_module_that_is_switched_off_needs_no_new_token() -> None:
    error = read_error(answer(401, no("API Module is not active")))
    assert isinstance(error, Forbidden)
    assert not isinstance(error, Unauthorized)


def test_what_something_else_does_not_find_is_no_proof_that_nobody_is_there() -> None:
    error = read_error(answer(404, {"error": {"message": "Not found."}}))
    assert type(error) is Unclear
    assert isinstance(read_error(answer(404, no("No data were found"))), Missing)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (409, "Number taken", Conflict),
        (406, "Data Not Acceptable OR Not Provided", Invalid),
        (404, "Client add fail.", Refused),
        (200, "Customer Update Fail.", Refused),
        (405, "Unknown method", Refused),
    ],
)
def test_other_refusals(status: int, message: str, kind: type[Refused]) -> None:
    error = read_error(answer(status, no(message)))
    assert type(error) is kind
    assert message in error.message


def test_a_200_that_says_no_is_no_success() -> None:
    assert isinstance(read_error(answer(200, {"status": False})), Refused)
    assert isinstance(read_error(answer(200, {"status": "false", "message": "x"})), Refused)


@pytest.mark.parametrize(
    "odd",
    [
        answer(200, b""),
        answer(200, b"<html>Login</html>"),
        answer(200, b'{"status":true,"rec'),
        answer(302, no("x")),
        answer(404, b"<h1>Not Found</h1>"),
        answer(404, b"[]"),
        answer(408, no("x")),
        answer(500, b"<html>Fatal error</html>"),
        answer(500, no("Token is not found")),
        answer(502),
    ],
)
def test_what_the_module_has_not_said_itself_is_unclear(odd: Answer) -> None:
    assert isinstance(read_error(odd), Unclear)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({}, 300),
        ({"retry_after": "9"}, 9),
        ({"x_ratelimit_reset": "120"}, 120),
        ({"x_ratelimit_reset": "soon"}, 300),
        ({"x_ratelimit_reset": "1772618700", "date": "Wed, 04 Mar 2026 10:00:00 GMT"}, 300),
        ({"x_ratelimit_reset": "1772618000", "date": "Wed, 04 Mar 2026 10:00:00 GMT"}, 1),
        ({"x_ratelimit_reset": "1772618700"}, 300),
    ],
)
def test_a_quota_says_how_long_to_wait(headers: dict[str, str], wait: float) -> None:
    error = read_error(answer(429, no("Rate limit exceeded"), **headers))
    assert isinstance(error, Throttled)
    assert error.retry_after == wait


def test_a_lock_after_failed_logins_is_the_owners_matter() -> None:
    error = read_error(answer(429, no("Too many failed authentication attempts. Try later")))
    assert isinstance(error, Throttled)
    assert (error.retry_after, error.who) == (900, "connection_owner")


# --- countries and languages --------------------------------------------------------------------


def test_the_country_table_is_that_of_the_facts(shared: Path) -> None:
    text = (shared / "facts" / "perfex-crm.md").read_text()
    table = text[text.index("## 10.") : text.index("## 11.")]
    pairs = re.findall(r"\b(\d+):([A-Z]{2})\b", table)
    assert [(int(number), iso) for number, iso in pairs] == list(enumerate(ISO, start=1))
    assert len(ISO) == len(set(ISO)) == 250


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("IT", 109),
        ("it", 109),
        (" Italia ", 109),
        ("ITALY", 109),
        ("San Marino", 192),
        ("Città del Vaticano", 241),
        ("Citta del vaticano", 241),
        ("Germania", 83),
        ("Germany", 83),
        ("Stati Uniti d'America", 236),
        ("USA", 236),
        ("Olanda", 155),
        ("Côte d’Ivoire", 54),
        ("Costa d'Avorio", 54),
        ("XK", 117),
        ("Kosovo", 117),
        (None, 0),
        ("", 0),
    ],
)
def test_countries_by_code_and_by_name(given: str | None, number: int) -> None:
    assert country_id(given) == number


@pytest.mark.parametrize("given", ["Atlantide", "ZZ", "109", 109, True, ["IT"], "x" * 5000])
def test_an_unknown_country_is_an_error_that_names_it(given: Any) -> None:
    with pytest.raises(ExpressionError) as caught:
        country_id(given)
    assert repr(given)[:20] in caught.value.message
    assert len(caught.value.message) < 200


def test_a_misspelt_country_gets_its_neighbour() -> None:
    with pytest.raises(ExpressionError, match="germania"):
        country_id("Germanja")


@pytest.mark.parametrize("iso", ISO)
def test_every_country_comes_back(iso: str) -> None:
    assert country_iso(country_id(iso)) == iso
    assert country_iso(str(country_id(iso))) == iso


@pytest.mark.parametrize("none", [None, "", "0", 0])
def test_no_country_is_nothing(none: Any) -> None:
    assert country_iso(none) is None


@pytest.mark.parametrize("bad", ["251", 251, -1, "x", 1.5, True, "٣", "9" * 50])
def test_an_unknown_country_number_is_an_error(bad: Any) -> None:
    with pytest.raises(ExpressionError):
        country_iso(bad)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("it", "italian"),
        ("IT", "italian"),
        ("it-IT", "italian"),
        ("en_GB", "english"),
        ("pt-BR", "portuguese_br"),
        ("pt", "portuguese"),
        ("italian", "italian"),
        ("", ""),
        (None, ""),
    ],
)
def test_languages_by_code(given: str | None, name: str) -> None:
    assert language_name(given) == name


@pytest.mark.parametrize("bad", ["xx", "klingon", 5])
def test_an_unknown_language_is_an_error(bad: Any) -> None:
    with pytest.raises(ExpressionError):
        language_name(bad)


# --- the app ------------------------------------------------------------------------------------


def test_the_app_lies_at_its_owners_address() -> None:
    app = build()
    assert app.base_url is None
    assert app.base_path == "/api"
    assert app.auth.kind == "token"
    assert app.auth.header == "authtoken"


def test_its_filters_are_registered_by_the_public_hook() -> None:
    plugins = build_plugins(entry_points=False)
    found = {name: one for name, one in plugins.filters().items() if name.startswith("perfex_")}
    assert set(found) == {"perfex_country", "perfex_country_iso", "perfex_language"}
    for one in found.values():
        assert one.help
        assert evaluate(one.example, {}, filters=plugins.filters()) == one.result


def test_an_unknown_country_in_an_expression_is_a_sentence_for_the_user() -> None:
    filters = build_plugins(entry_points=False).filters()
    with pytest.raises(ExpressionError, match="Atlantide"):
        evaluate("{{ x | perfex_country }}", {"x": "Atlantide"}, filters=filters)
