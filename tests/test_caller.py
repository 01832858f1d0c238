"""connector.caller: credentials, quota, one send, and a refused token renewed once."""

from __future__ import annotations

import asyncio
import re
import traceback
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from pydantic import SecretStr

from connector.apps import fatture_in_cloud, perfex_crm
from connector.caller import MOST_READS, AppCaller, Tally, counting_calls
from connector.codec import encode
from connector.connections import Tokens, auth_headers
from connector.errors import (
    Forbidden,
    Issue,
    MappingError,
    Missing,
    NotSent,
    StoreBusy,
    Throttled,
    Unauthorized,
    Unclear,
    Uncounted,
)
from connector.http import HttpClient, asgi_client
from connector.model import (
    Action,
    Answer,
    App,
    Connection,
    HttpRequest,
    Inbound,
    Request,
    Search,
)
from connector.quota import Limiter, MemoryLedger

BASE = "https://api.example"
FIC = fatture_in_cloud.build()
PERFEX = perfex_crm.build()
NOW = 1_772_600_000.0


@dataclass
class Vendor:
    """Answers in turn as told, and remembers what it was asked."""

    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    break_at: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        target = scope["path"] + ("?" + scope["query_string"].decode()).rstrip("?")
        self.asked.append((scope["method"], target, headers, message["body"]))
        if self.break_at == len(self.asked):
            raise ConnectionResetError
        status, body, more = self.answers.pop(0) if self.answers else (200, {"data": {}}, {})
        raw = [(name.encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        content = body if isinstance(body, bytes) else encode(body)
        await send({"type": "http.response.body", "body": content})


class Signer:
    """Credentials that can be renewed a number of times."""

    def __init__(self, app: App, *, spare: int = 0, fails: Exception | None = None) -> None:
        self.app = app
        self.spare = spare
        self.fails = fails
        self.number = 1
        self.gave_up = 0

    async def get(self) -> Tokens:
        if self.fails is not None and self.spare == 0:
            raise self.fails
        return Tokens(access_token=SecretStr(f"t{self.number}"))

    async def replace(self, used: Tokens) -> Tokens:
        if self.fails is not None:
            raise self.fails
        if self.number > self.spare:
            raise Unauthorized("no more")
        self.number += 1
        return await self.get()

    async def give_up(self) -> None:
        self.gave_up += 1

    def headers(self, tokens: Tokens) -> tuple[tuple[str, str], ...]:
        return auth_headers(self.app, tokens.access_token)


@dataclass
class Door:
    vendor: Vendor
    signer: Signer
    limiter: Limiter
    caller: AppCaller
    client: HttpClient


def door(
    *answers: tuple[int, Any] | tuple[int, Any, dict[str, str]],
    app: App = FIC,
    now: Callable[[], float] = lambda: NOW,
    **signer: Any,
) -> Door:
    vendor = Vendor([(one[0], one[1], one[2] if len(one) > 2 else {}) for one in answers])
    signing = Signer(app, **signer)
    limiter = Limiter(now)
    client = asgi_client({BASE: vendor})
    connection = Connection(
        id="c1", app=app.key, name="Acme", base_url=BASE, settings={"company_id": 7}
    )
    caller = AppCaller(app, connection, http=client, signer=signing, limiter=limiter)
    return Door(vendor, signing, limiter, caller, client)


POST = HttpRequest(method="POST", url=f"{BASE}/c/7/entities/clients", body=b'{"data":{}}')
DEAD = (401, {"error": {"message": "Unauthenticated."}})


async def test_stored_bytes_are_sent_with_credentials_that_were_never_stored() -> None:
    one = door((200, {"data": {"id": 5}}))
    answer = await one.caller.send(POST, write=True)
    assert answer.json() == {"data": {"id": 5}}
    method, path, headers, body = one.vendor.asked[0]
    assert (method, path, body) == ("POST", "/c/7/entities/clients", b'{"data":{}}')
    assert headers["authorization"] == "Bearer t1"
    assert not any(name == "authorization" for name, _ in POST.headers)


async def test_a_token_app_sends_its_own_header() -> None:
    one = door((200, []), app=PERFEX)
    await one.caller.request("GET", "/customers")
    headers = one.vendor.asked[0][2]
    assert headers["authtoken"] == "t1"
    assert "authorization" not in headers


async def test_a_refused_token_is_renewed_once_and_the_same_bytes_go_again() -> None:
    one = door(DEAD, (200, {"data": {"id": 5}}), spare=1)
    answer = await one.caller.send(POST, write=True)
    assert answer.status == 200
    assert [asked[2]["authorization"] for asked in one.vendor.asked] == ["Bearer t1", "Bearer t2"]
    assert [asked[3] for asked in one.vendor.asked] == [b'{"data":{}}'] * 2
    assert one.signer.gave_up == 0


async def test_a_second_refusal_gives_the_connection_up() -> None:
    one = door(DEAD, DEAD, (200, {}), spare=9)
    answer = await one.caller.send(POST, write=True)
    assert isinstance(one.caller.read_error(answer), Unauthorized)
    assert len(one.vendor.asked) == 2
    assert one.signer.gave_up == 1


async def test_a_token_that_cannot_be_renewed_ends_there() -> None:
    one = door(DEAD)
    with pytest.raises(Unauthorized):
        await one.caller.send(POST, write=True)
    assert len(one.vendor.asked) == 1


async def test_a_perfex_404_about_the_token_counts_as_a_refused_token() -> None:
    dead = (404, {"status": False, "message": "Token is not found"})
    one = door(dead, (200, {"status": True}), app=PERFEX, spare=1)
    assert await one.caller.request("PUT", "/customers/1", body={"a": 1}) == {"status": True}
    assert len(one.vendor.asked) == 2


@pytest.mark.parametrize("spare", [0, 1])
async def test_an_unclear_renewal_is_not_an_unclear_write(spare: int) -> None:
    """Else an invoice that never left would wait for a person."""
    one = door(DEAD, spare=spare, fails=Unclear("silence"))
    with pytest.raises(NotSent):
        await one.caller.send(POST, write=True)
    assert len(one.vendor.asked) == spare


async def test_other_errors_are_given_back_and_not_repeated() -> None:
    one = door((422, {"error": {"message": "no"}}))
    answer = await one.caller.send(POST, write=True)
    assert answer.status == 422
    assert len(one.vendor.asked) == 1


async def test_a_broken_connection_is_unclear_and_not_repeated() -> None:
    one = door()
    one.vendor.break_at = 1
    with pytest.raises(Unclear):
        await one.caller.send(POST, write=True)
    assert len(one.vendor.asked) == 1


async def test_writes_use_a_fresh_connection_and_reads_a_kept_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = door((200, {}), (200, {}))
    fresh: list[bool] = []
    real = one.client.send

    async def noticing(request: HttpRequest, **options: Any) -> Any:
        fresh.append(options["fresh"])
        return await real(request, **options)

    monkeypatch.setattr(one.client, "send", noticing)
    await one.caller.request("GET", "/user/info")
    await one.caller.request("POST", "/c/7/x", body={})
    assert fresh == [False, True]


async def test_reads_are_kept_as_they_may_be_shown_and_writes_are_not() -> None:
    one = door((200, {"data": {}}), (404, {"error": {"message": "none"}}), (200, {}))
    one.vendor.break_at = 4
    tally = Tally()
    with counting_calls(tally):
        for path in ("/c/7/x?q=Rossi&access_token=abcdefgh12", "/c/7/y"):
            await one.caller.send(HttpRequest(method="GET", url=BASE + path), write=False)
        await one.caller.send(POST, write=True)
        with pytest.raises(Unclear):
            await one.caller.send(HttpRequest(method="GET", url=f"{BASE}/z"), write=False)
        for _ in range(MOST_READS):
            await one.caller.send(HttpRequest(method="GET", url=f"{BASE}/more"), write=False)
    first, second, third, *more = tally.reads
    assert first == {
        "method": "GET", "url": f"{BASE}/c/7/x?q=Rossi&access_token=•••", "status": 200,
    }  # fmt: skip
    assert (second["status"], second["answer"]) == (404, '{"error":{"message":"none"}}')
    assert (third["url"], third["status"]) == (f"{BASE}/z", None)
    assert len(more) == MOST_READS - 3
    assert tally.calls == 4 + MOST_READS


# --- quota --------------------------------------------------------------------------------------


async def test_without_room_in_the_quota_nothing_is_sent() -> None:
    one = door()
    one.limiter.hear("fatture_in_cloud/c1", FIC.quotas, [], retry_after=30)
    with pytest.raises(Throttled) as caught:
        await one.caller.send(POST, write=True)
    assert caught.value.retry_after == 30
    assert one.vendor.asked == []


async def test_writes_have_room_when_reads_have_none() -> None:
    one = door()
    for _ in range(240):
        await one.caller.request("GET", "/user/info")
    with pytest.raises(Throttled):
        await one.caller.request("GET", "/user/info")
    await one.caller.request("POST", "/c/7/x", body={})
    assert len(one.vendor.asked) == 241


@pytest.mark.parametrize("status", [429, 403])
async def test_what_the_app_says_about_waiting_holds_everybody(status: int) -> None:
    one = door((status, {"error": {"message": "slow"}}, {"retry-after": "17"}))
    answer = await one.caller.send(POST, write=True)
    assert isinstance(one.caller.read_error(answer), Throttled)
    with pytest.raises(Throttled) as caught:
        await one.caller.request("GET", "/user/info")
    assert caught.value.retry_after == 17


async def test_without_the_count_nothing_is_sent() -> None:
    one = door()
    one.caller._limiter = Limiter(lambda: NOW, Away())
    with pytest.raises(Uncounted) as caught:
        await one.caller.send(POST, write=True)
    assert "cannot be counted" in str(caught.value)
    assert one.vendor.asked == []


class Away:
    """A store that is not there."""

    async def change_quota(self, key: str, change: Any) -> None:
        raise StoreBusy("The disk is full.")


async def test_an_answer_gets_through_while_what_it_tells_cannot_be_stored() -> None:
    one = door((200, {"data": {"id": 5}}, {"RateLimit-HourlyLimit": "7"}))
    ledger = MemoryLedger()

    class Leaves:
        async def change_quota(self, key: str, change: Any) -> None:
            await (Away() if ledger.accounts else ledger).change_quota(key, change)

    one.caller._limiter = Limiter(lambda: NOW, Leaves())
    assert (await one.caller.send(POST, write=True)).status == 200


async def test_each_send_takes_a_place_also_when_nothing_was_sent() -> None:
    ledger = MemoryLedger()
    one = door(DEAD, (200, {}), spare=2)
    one.caller._limiter = Limiter(lambda: NOW, ledger)
    await one.caller.send(POST, write=True)
    (account,) = ledger.accounts.values()
    assert account.used(FIC.quotas[0], NOW) == 2, "a renewed token is a second call"
    one.caller._http = asgi_client({})
    with pytest.raises(NotSent):
        await one.caller.send(POST, write=True)
    assert account.used(FIC.quotas[0], NOW) == 3


async def test_only_who_was_let_in_is_shown_the_account() -> None:
    ledger = MemoryLedger()
    one = door((403, {"error": {"message": "no", "code": "NO_PERMISSION"}}), (200, {}))
    one.caller._limiter = Limiter(lambda: NOW, ledger)
    for tenants in ([], ["main"]):
        await one.caller.send(POST, write=True)
        await asyncio.sleep(0.01)
        (account,) = ledger.accounts.values()
        assert account.tenants == tenants


async def test_an_app_without_quotas_is_not_counted() -> None:
    one = door(app=PERFEX)
    one.caller._limiter = Limiter(lambda: NOW, Away())
    assert (await one.caller.send(POST, write=True)).status == 200


async def test_a_missing_permission_holds_nobody() -> None:
    one = door((403, {"error": {"message": "no", "code": "NO_PERMISSION"}}))
    with pytest.raises(Forbidden):
        await one.caller.request("GET", "/c/7/x")
    assert await one.caller.request("GET", "/user/info") == {"data": {}}


async def test_the_apps_own_count_is_learned() -> None:
    left = {"RateLimit-HourlyRemaining": "0", "RateLimit-HourlyLimit": "1000"}
    one = door((200, {}, left))
    await one.caller.request("GET", "/user/info")
    with pytest.raises(Throttled):
        await one.caller.request("GET", "/user/info")


# --- reading and rendering ----------------------------------------------------------------------


async def test_a_request_gives_its_json_with_exact_numbers() -> None:
    one = door((200, b'{"data":{"net":68.18182}}'))
    told = await one.caller.request("GET", "/c/7/x", query={"q": "id = 1"})
    assert str(told["data"]["net"]) == "68.18182"
    assert one.vendor.asked[0][1] == "/c/7/x?q=id%20%3D%201"


async def test_an_empty_success_is_none() -> None:
    assert await door((200, b"")).caller.request("DELETE", "/c/7/x/1") is None


async def test_errors_of_a_request_are_raised() -> None:
    with pytest.raises(Missing):
        await door((404, {"error": {"message": "no"}})).caller.request("GET", "/c/7/x/1")


async def test_a_reader_is_rendered_from_inputs_and_settings() -> None:
    one = door((200, {"data": {"id": 5}}))
    reader = FIC.readers["entities.clients"]
    assert await one.caller.read(reader.get, {"id": "5"}) == {"data": {"id": 5}}
    assert one.vendor.asked[0][1] == "/c/7/entities/clients/5?fieldset=detailed"


async def test_a_check_passes_when_only_the_record_is_missing() -> None:
    await door((404, {"status": False, "message": "No data were found"}), app=PERFEX).caller.check()
    with pytest.raises(Unauthorized):
        await door((401, {"status": False, "message": "x"}), app=PERFEX).caller.check()
    with pytest.raises(Unclear):
        await door((404, b"<html>"), app=PERFEX).caller.check()


@pytest.mark.parametrize("kind", [Action, Search])
def test_a_node_is_rendered_without_credentials(kind: type[Action] | type[Search]) -> None:
    node = kind(
        app="fatture_in_cloud",
        key="x",
        noun="X",
        label="X",
        description="x",
        request=Request(method="POST", path="/c/{company_id}/x", wrap=("data",)),
    )
    got = door().caller.render(node, {"data": {"a": 1}})
    assert got.url == f"{BASE}/c/7/x"
    assert got.headers == (("content-type", "application/json"),)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/c/7/x",
        "https://api.example.evil.example/x",
        "https://api.example",
        "http://api.example/x",
        "https://api.example@evil.example/x",
    ],
)
async def test_credentials_go_to_the_connections_own_address_only(url: str) -> None:
    one = door()
    with pytest.raises(NotSent):
        await one.caller.send(HttpRequest(method="POST", url=url), write=True)
    assert one.vendor.asked == []


async def test_a_path_of_own_code_cannot_leave_the_api() -> None:
    one = door()
    with pytest.raises(MappingError):
        await one.caller.request("GET", "/c/7/../../admin")
    assert one.vendor.asked == []


# --- secrets --------------------------------------------------------------------------------------

TOKEN, REFRESH = "a/9f1+T0p Secret=", "r/77c-refresh"


class Holder(Signer):
    """Credentials worth hiding."""

    async def get(self) -> Tokens:
        return Tokens(access_token=SecretStr(TOKEN), refresh_token=SecretStr(REFRESH))


def forms(secret: str) -> list[str]:
    data = secret.encode()
    return [
        secret,
        quote(secret, safe=""),
        re.sub("%..", lambda found: found[0].lower(), quote(secret, safe="")),
        quote_plus(secret),
        secret.replace("/", "\\/"),
        *(b64encode(before + data + b":x").decode() for before in (b"", b"u", b"u:")),
        urlsafe_b64encode(data).decode().rstrip("="),
    ]


def core(form: str) -> str:
    """What of a form must not be seen: its ends depend on the neighbours in base64."""
    return form[3:-4]


@pytest.mark.parametrize("form", [*forms(TOKEN), *forms(REFRESH)])
@pytest.mark.parametrize("status", [422, 503])
async def test_a_token_that_the_app_repeats_is_in_no_error(form: str, status: int) -> None:
    raw = f'{{"error":{{"message":"Bad <{form}>","validation_result":{{"x":["{form}"]}}}}}}'
    one = door((status, raw.encode(), {"x-request-id": form}))
    one.caller._signer = Holder(FIC)
    answer = await one.caller.send(POST, write=True)
    assert core(form).encode() not in answer.body
    assert core(form) not in str(answer.headers)
    error = one.caller.read_error(answer)
    assert error is not None
    assert core(form) not in str(error.as_data())


async def test_a_token_that_the_transport_repeats_is_in_no_error_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = door()
    one.caller._signer = Holder(FIC)

    async def breaks(request: HttpRequest, **options: Any) -> Any:
        try:
            raise ValueError(f"Illegal header value b'Bearer {TOKEN}'")
        except ValueError as cause:
            issue = Issue(message=TOKEN, remedy=quote(TOKEN, safe=""))
            raise Unclear(str(cause), remedy=TOKEN, issues=[issue]) from cause

    monkeypatch.setattr(one.client, "send", breaks)
    with pytest.raises(Unclear) as caught:
        await one.caller.request("POST", "/c/7/x", body={})
    told = "".join(traceback.format_exception(caught.value)) + str(caught.value.as_data())
    assert "Bearer •••" in told
    assert "9f1" not in told


async def test_an_answer_without_secrets_is_left_as_it_came() -> None:
    body = '{"data":{"name":"Società •••"}}'.encode()
    one = door((200, body))
    one.caller._signer = Holder(FIC)
    assert (await one.caller.send(POST, write=False)).body == body


def test_the_print_of_a_request_or_an_answer_shows_no_header_and_no_body() -> None:
    header = (("authorization", "Bearer t0psecret"),)
    for one in (
        HttpRequest(method="GET", url=BASE, headers=header, body=b"t0psecret"),
        Answer(status=200, headers=header, body=b"t0psecret"),
        Inbound(method="POST", headers=header, query=header, body=b"t0psecret"),
    ):
        assert "t0psecret" not in repr(one)
        assert "t0psecret" not in str(one)
