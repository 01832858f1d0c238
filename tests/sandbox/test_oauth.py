"""Consent, codes and tokens of the emulated Fatture in Cloud."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from connector.model import Answer, HttpRequest

FIC = "http://fic.test"
BACK = "http://localhost:8420/oauth/callback"


async def consent(world: Any, **changes: str) -> Answer:
    query = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "scope": "entity.clients:r settings:r",
        "state": "s1",
        "auto": "1",
    } | changes
    url = f"{FIC}/oauth/authorize?{urlencode({k: v for k, v in query.items() if v})}"
    answer: Answer = await world.client.send(HttpRequest(method="GET", url=url))
    return answer


def callback(answer: Answer) -> dict[str, str]:
    location = answer.header("location") or ""
    assert location.startswith(BACK + "?")
    return {key: value[0] for key, value in parse_qs(urlsplit(location).query).items()}


async def exchange(world: Any, *, form: bool = False, **values: str) -> Answer:
    import json

    values = {
        "client_id": "sandbox-client",
        "client_secret": world.sandbox.fic.app.client_secret,
    } | values
    body = urlencode(values).encode() if form else json.dumps(values).encode()
    answer: Answer = await world.client.send(
        HttpRequest(method="POST", url=f"{FIC}/oauth/token", body=body)
    )
    return answer


async def code_for(world: Any, **changes: str) -> str:
    return callback(await consent(world, **changes))["code"]


async def by_code(world: Any, code: str, **rest: Any) -> Answer:
    rest = {"redirect_uri": BACK} | rest
    return await exchange(world, grant_type="authorization_code", code=code, **rest)


async def test_consent_page_asks_and_names_every_scope(world: Any) -> None:
    answer = await consent(world, auto="", state='"><script>')
    page = answer.body.decode()
    assert answer.status == 200
    assert "entity.clients:r" in page
    assert "Approve" in page
    assert "<script>" not in page


async def test_deny_comes_back_as_an_error_with_the_state(world: Any) -> None:
    values = {
        "response_type": "code",
        "client_id": "sandbox-client",
        "redirect_uri": BACK,
        "scope": "settings:r",
        "state": "s1",
        "decision": "deny",
    }
    answer = await world.client.send(
        HttpRequest(method="POST", url=f"{FIC}/oauth/authorize", body=urlencode(values).encode())
    )
    assert callback(answer)["error"] == "access_denied"
    assert callback(answer)["state"] == "s1"


async def test_unregistered_redirect_is_told_on_the_page_only(make_world: Any) -> None:
    world = make_world(redirect_uris=(BACK,))
    for uri in (BACK + "/", "https://evil.example/cb"):
        answer = await consent(world, redirect_uri=uri)
        assert answer.status == 400
        assert answer.header("location") is None
    assert (await consent(world)).status == 303


async def test_bare_issued_documents_scope_is_refused(world: Any) -> None:
    answer = await consent(world, scope="issued_documents:r")
    assert callback(answer)["error"] == "invalid_scope"


@pytest.mark.parametrize("form", [True, False])
async def test_code_is_exchanged_once(world: Any, form: bool) -> None:
    code = await code_for(world)
    first = await by_code(world, code, form=form)
    pair = first.json()
    assert set(pair) == {"token_type", "access_token", "refresh_token", "expires_in"}
    assert pair["access_token"].startswith("a/")
    assert pair["expires_in"] == 86_400
    assert (await world.fic("GET", "/user/info", token=pair["access_token"])).status == 200
    again = await by_code(world, code, form=form)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")


async def test_code_dies_after_a_minute(world: Any) -> None:
    code = await code_for(world)
    world.clock.advance(60)
    assert (await by_code(world, code)).json()["error"] == "invalid_grant"


async def test_exchange_needs_the_very_same_redirect(world: Any) -> None:
    code = await code_for(world)
    answer = await by_code(world, code, redirect_uri=BACK + "/")
    assert answer.json()["error"] == "invalid_grant"


async def test_challenge_sent_at_consent_must_be_answered(world: Any) -> None:
    verifier = "v" * 43
    digest = hashlib.sha256(verifier.encode()).digest()
    challenge = urlsafe_b64encode(digest).rstrip(b"=").decode()
    code = await code_for(world, code_challenge=challenge)
    assert (await by_code(world, code, code_verifier="wrong")).status == 400
    code = await code_for(world, code_challenge=challenge)
    assert (await by_code(world, code, code_verifier=verifier)).status == 200


async def test_wrong_secret_gets_the_string_error_shape(world: Any) -> None:
    answer = await by_code(world, await code_for(world), client_secret="wrong")
    assert answer.status == 400
    assert answer.json()["error"] == "invalid_client"
    assert isinstance(answer.json()["error_description"], str)


async def test_missing_grant_type_is_invalid_request(world: Any) -> None:
    assert (await exchange(world)).json()["error"] == "invalid_request"


async def test_refresh_rotates_and_a_second_use_ends_the_family(world: Any) -> None:
    old = (await by_code(world, await code_for(world))).json()
    new = (
        await exchange(world, grant_type="refresh_token", refresh_token=old["refresh_token"])
    ).json()
    assert new["refresh_token"] != old["refresh_token"]
    assert (await world.fic("GET", "/user/info", token=new["access_token"])).status == 200
    again = await exchange(world, grant_type="refresh_token", refresh_token=old["refresh_token"])
    assert again.json()["error"] == "invalid_grant"
    assert (await world.fic("GET", "/user/info", token=new["access_token"])).status == 401


async def test_access_token_dies_after_a_day_and_the_manual_one_never(world: Any) -> None:
    pair = (await by_code(world, await code_for(world))).json()
    world.clock.advance(86_400)
    assert (await world.fic("GET", "/user/info", token=pair["access_token"])).status == 401
    world.clock.advance(10 * 365 * 86_400)
    assert (await world.fic("GET", "/user/info")).status == 200


async def test_scope_is_checked_and_full_includes_read(world: Any) -> None:
    pair = (await by_code(world, await code_for(world, scope="entity.clients:a"))).json()
    token = pair["access_token"]
    assert (await world.fic("GET", "C/entities/clients", token=token)).status == 200
    refused = await world.fic("GET", "C/info/vat_types", token=token)
    assert refused.status == 403
    assert refused.json()["error"]["code"] == "NO_PERMISSION"
    assert refused.header("retry-after") is None


async def test_accountants_clients_are_companies_too_and_legacy_tokens_show(world: Any) -> None:
    answer = await world.fic("GET", "/user/companies")
    companies = answer.json()["data"]["companies"]
    below = [inner for one in companies for inner in one["controlled_companies"]]
    assert len(companies) == 2
    assert len(below) == 2
    assert all("access_token" in one for one in [*companies, *below])
    path = f"/c/{below[0]['id']}/entities/clients"
    assert (await world.fic("GET", path)).json()["total"] == 0


async def test_unknown_company_is_404_and_missing_token_401(world: Any) -> None:
    assert (await world.fic("GET", "/c/1/entities/clients")).status == 404
    answer = await world.fic("GET", "/user/info", token="nope")
    assert answer.status == 401
    assert isinstance(answer.json()["error"], dict)
