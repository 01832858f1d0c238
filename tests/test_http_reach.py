"""connector.http: where a connection may lead, judged at the very moment it is made."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.caller import AppCaller
from connector.connections import exchange_code
from connector.errors import NotSent, Unclear
from connector.http import HttpClient, wire
from connector.model import App, Connection, HttpRequest
from connector.quota import Limiter
from connector.reach import Reach, parse_networks
from tests.connections.kit import Client
from tests.test_caller import FIC, PERFEX, Signer
from tests.tls import ANSWER, certificate, tls_server

PATIENCE = 20
ONLY_2 = "127.0.0.2"
"""On Linux all of 127.0.0.0/8 is there: one address for the good server, one for the bad."""


class Server:
    """Listens on every address of this machine, and counts."""

    def __init__(self) -> None:
        self.port = 0
        self.opened = 0
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(ANSWER)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def reach(self, networks: str = "") -> Reach:
        return Reach(networks=parse_networks(networks), ports=frozenset({self.port}))


@asynccontextmanager
async def served(host: str = "127.0.0.1") -> AsyncIterator[Server]:
    server = Server()
    running = await asyncio.start_server(server, host, 0)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()
        await asyncio.sleep(0)


class Names:
    """A resolver that answers in turn; the last answer stays."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[wire.Address]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [(socket.AF_INET, (one, port)) for one in answer]


async def get(http: HttpClient, port: int, host: str = "crm.example", **options: Any) -> int:
    request = HttpRequest(method="GET", url=f"http://{host}:{port}/api?key=s3cret")
    return (await http.send(request, timeout=PATIENCE, **options)).status


class TestTheNameThatChanges:
    async def test_a_good_answer_first_and_a_bad_one_when_it_is_called(self) -> None:
        names = Names(("8.8.8.8",), ("127.0.0.1",))
        async with served() as server, HttpClient(reach=server.reach(), resolve=names) as http:
            await http.vet(f"https://crm.example:{server.port}")
            with pytest.raises(NotSent, match="this machine") as caught:
                await get(http, server.port)
            assert server.opened == 0
        assert "s3cret" not in str(caught.value)

    async def test_a_bad_answer_for_the_next_connection(self) -> None:
        names = Names((ONLY_2,), ("127.0.0.1",))
        async with (
            served(ONLY_2) as good,
            HttpClient(reach=good.reach(ONLY_2), resolve=names) as http,
        ):
            assert await get(http, good.port, fresh=True) == 200
            with pytest.raises(NotSent, match="this machine"):
                await get(http, good.port, fresh=True)
            assert good.opened == 1

    async def test_it_is_asked_once_and_what_was_judged_is_what_is_called(self) -> None:
        names = Names((ONLY_2,), ("127.0.0.1",), ("127.0.0.1",))
        async with (
            served(ONLY_2) as good,
            HttpClient(reach=good.reach(ONLY_2), resolve=names) as http,
        ):
            assert await get(http, good.port) == 200
        assert names.asked == ["crm.example"]
        assert f"host: crm.example:{good.port}".encode() in good.heads[0].lower()

    @pytest.mark.parametrize("answer", [(ONLY_2, "127.0.0.1"), ("127.0.0.1", ONLY_2)])
    async def test_one_bad_answer_among_good_ones(self, answer: tuple[str, ...]) -> None:
        async with (
            served("0.0.0.0") as server,
            HttpClient(reach=server.reach(ONLY_2), resolve=Names(answer)) as http,
        ):
            with pytest.raises(NotSent, match="is not called"):
                await get(http, server.port)
            assert server.opened == 0

    async def test_a_name_without_an_address_was_not_reached(self) -> None:
        async with HttpClient(resolve=Names(())) as http:
            with pytest.raises(NotSent, match="could not be reached"):
                await get(http, 443)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "localhost",
     "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "[fe80::1%25lo]", "[::1%25lo]",
     "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1",
     "169.254.169.254", "metadata.localhost", "127.0.0.1.", "user@127.0.0.1", "a:b@127.0.0.1"],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_no_spelling_in_a_url_leads_to_this_machine(host: str, scheme: str) -> None:
    async with served("0.0.0.0") as server, HttpClient(reach=server.reach()) as http:
        request = HttpRequest(method="GET", url=f"{scheme}://{host}:{server.port}/")
        with pytest.raises(NotSent):
            await http.send(request, timeout=PATIENCE)
        with pytest.raises(NotSent):
            await http.vet(request.url)
        assert server.opened == 0


async def test_a_redirect_to_this_machine_is_not_followed() -> None:
    async def away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        place = f"location: http://127.0.0.1:{port}/".encode()
        writer.write(b"HTTP/1.1 302 Found\r\n" + place + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    running = await asyncio.start_server(away, ONLY_2, 0)
    port = running.sockets[0].getsockname()[1]
    reach = Reach(networks=parse_networks(ONLY_2), ports=frozenset({port}))
    async with running, served() as bad, HttpClient(reach=reach, resolve=Names((ONLY_2,))) as http:
        assert await get(http, port) == 302
        assert bad.opened == 0


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as proxy, served(ONLY_2) as good:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            for spelt in (name, name.lower()):
                monkeypatch.setenv(spelt, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert "no_proxy" not in os.environ
        async with HttpClient(reach=good.reach(ONLY_2), resolve=Names((ONLY_2,))) as http:
            assert await get(http, good.port) == 200
            request = HttpRequest(method="GET", url=f"https://crm.example:{good.port}/")
            with pytest.raises(NotSent):
                await http.send(request, timeout=PATIENCE)
        assert proxy.opened == 0


class TestAddresses:
    async def test_the_next_one_is_tried_when_one_refuses(self) -> None:
        names = Names(("127.0.0.3", ONLY_2))
        async with served(ONLY_2) as good, HttpClient(resolve=names) as http:
            assert await get(http, good.port, trusted=True) == 200

    async def test_a_silent_one_does_not_use_up_all_the_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wire, "FIRST_SECONDS", 0.01)
        connect = wire._connect

        async def some_are_silent(family: Any, address: Any) -> socket.socket:
            if address[0] != ONLY_2:
                await asyncio.Event().wait()
            return await connect(family, address)

        monkeypatch.setattr(wire, "_connect", some_are_silent)
        names = Names(("127.0.0.3", "127.0.0.4", ONLY_2))
        async with served(ONLY_2) as good, HttpClient(resolve=names) as http:
            assert await get(http, good.port, trusted=True) == 200


class TestTls:
    async def call(self, folder: Path, proves: str, asks: str) -> tuple[Any, Any]:
        context, authorities = certificate(folder, proves)
        async with tls_server(context) as server:
            reach = Reach(parse_networks("127.0.0.1"), frozenset({server.port}))
            names = Names(("127.0.0.1",))
            async with HttpClient(reach=reach, resolve=names, authorities=authorities) as http:
                url = f"https://{asks}:{server.port}/api"
                request = HttpRequest(method="POST", url=url, body=b"{}")
                try:
                    answer: Any = await http.send(request, timeout=PATIENCE)
                except (NotSent, Unclear) as error:
                    answer = error
                return answer, server

    async def test_the_name_is_kept_for_tls_and_for_the_host(self, tmp_path: Path) -> None:
        answer, server = await self.call(tmp_path, "crm.example", "crm.example")
        assert answer.status == 200
        assert server.names == ["crm.example"]
        assert f"host: crm.example:{server.port}".encode() in server.arrived[0].lower()

    async def test_a_server_that_proves_another_name_gets_no_byte(self, tmp_path: Path) -> None:
        answer, server = await self.call(tmp_path, "other.example", "crm.example")
        assert isinstance(answer, NotSent)
        assert "CERTIFICATE_VERIFY_FAILED" in str(answer)
        assert b"".join(server.arrived) == b""

    async def test_a_request_that_becomes_late_while_tls_is_made_leaves_no_byte(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        context, authorities = certificate(tmp_path, "crm.example")
        now, wrap = [0.0], wire.TLSStream.wrap

        async def slow(*given: Any, **options: Any) -> Any:
            made = await wrap(*given, **options)
            now[0] = 10.0
            return made

        monkeypatch.setattr(wire.TLSStream, "wrap", slow)
        names = Names(("127.0.0.1",))
        async with (
            tls_server(context) as server,
            HttpClient(resolve=names, authorities=authorities, clock=lambda: now[0]) as http,
        ):
            url = f"https://crm.example:{server.port}/api"
            request = HttpRequest(method="POST", url=url, body=b"{}")
            with pytest.raises(NotSent, match="held back"):
                await http.send(request, timeout=PATIENCE, trusted=True, not_after=5.0)
            async with asyncio.timeout(PATIENCE):
                await server.gone.wait()
            assert server.arrived == [b""]


class TestKeptConnections:
    async def test_one_that_was_not_judged_is_not_lent_to_who_must_be(self) -> None:
        async with served() as server, HttpClient(reach=server.reach()) as http:
            assert await get(http, server.port, "127.0.0.1", trusted=True) == 200
            with pytest.raises(NotSent):
                await get(http, server.port, "127.0.0.1")
            assert (server.opened, len(server.heads)) == (1, 1)

    async def test_both_kinds_are_kept_apart(self) -> None:
        async with served() as server, HttpClient(reach=server.reach("loopback")) as http:
            for _ in range(3):
                assert await get(http, server.port, "127.0.0.1", trusted=True) == 200
                assert await get(http, server.port, "127.0.0.1") == 200
            assert (server.opened, len(server.heads)) == (2, 6)


class TestWhoIsTrusted:
    def caller(self, app: App, address: str, http: HttpClient) -> AppCaller:
        connection = Connection(id="c", app=app.key, name="c", base_url=address)
        signer = Signer(app)
        return AppCaller(app, connection, http=http, signer=signer, limiter=Limiter(lambda: 0.0))

    async def send(self, app: App, address: str, http: HttpClient) -> int:
        request = HttpRequest(method="GET", url=f"{address}/x")
        return (await self.caller(app, address, http).send(request, write=False)).status

    async def test_an_address_that_stands_in_the_app_and_none_that_was_entered(self) -> None:
        async with served() as server, HttpClient(reach=server.reach()) as http:
            address = f"http://127.0.0.1:{server.port}"
            built_in = PERFEX.model_copy(update={"base_url": address})
            assert await self.send(built_in, address, http) == 200
            for app in (PERFEX, FIC):
                with pytest.raises(NotSent, match="this machine"):
                    await self.send(app, address, http)
            assert len(server.heads) == 1

    async def test_an_address_built_into_another_app_is_judged(self) -> None:
        async with served() as server, HttpClient(reach=server.reach()) as http:
            address = f"http://127.0.0.1:{server.port}"
            other = PERFEX.model_copy(update={"base_url": "http://erp.internal"})
            with pytest.raises(NotSent, match="this machine"):
                await self.send(other, address, http)

    async def test_tokens_are_fetched_by_the_same_rule(self) -> None:
        async with served() as server, HttpClient(reach=server.reach()) as http:
            with pytest.raises(NotSent, match="this machine"):
                await exchange_code(
                    http, FIC, Client(), base_url=f"http://127.0.0.1:{server.port}",
                    redirect_uri="https://hub.example/oauth/callback", code="c", now=0.0,
                    verifier=None,
                )  # fmt: skip
            assert server.opened == 0
