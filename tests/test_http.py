"""connector.http: what is sent, and what each failure means, on real loopback sockets."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from connector.errors import NotSent, Unclear
from connector.http import HttpClient, asgi_client
from connector.model import HttpRequest
from connector.reach import REHEARSAL

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(behave: Behave) -> AsyncIterator[str]:
    """A loopback server that treats every connection as `behave` says; gives its base URL."""
    tasks: set[asyncio.Task[Any]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    running = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset instead of a goodbye."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers, b"", body]
    return b"\r\n".join(lines)


async def send(base: str, **options: Any) -> Any:
    async with HttpClient(reach=REHEARSAL) as http:
        request = HttpRequest(method="POST", url=f"{base}/c/1/things?secret=x", body=b"{}")
        return await http.send(request, **options)


async def test_sends_the_bytes_as_given_and_gives_the_whole_answer() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer(b'{"a":1}', b"X-Twice: 1", b"X-Twice: 2"))
        await writer.drain()

    async with server(behave) as base, HttpClient(reach=REHEARSAL) as http:
        got = await http.send(
            HttpRequest(
                method="POST",
                url=f"{base}/p%2Fq?x=a%20b",
                headers=(("Content-Type", "application/json"), ("X-Key", "k")),
                body='{"è":1.10}'.encode(),
            )
        )
    head, body = seen[0]
    assert head.startswith(b"POST /p%2Fq?x=a%20b HTTP/1.1\r\n")
    assert body == '{"è":1.10}'.encode()
    lower = head.lower()
    assert b"x-key: k" in lower
    assert b"user-agent: connector/" in lower
    assert b"content-length: 11" in lower
    assert (got.status, got.body) == (200, b'{"a":1}')
    assert [v for k, v in got.headers if k == "x-twice"] == ["1", "2"]
    assert got.header("X-TWICE") == "1"


async def test_a_refused_connection_means_nothing_was_sent() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NotSent) as caught:
        await send(f"http://127.0.0.1:{port}")
    assert "secret" not in str(caught.value)
    assert "things" not in str(caught.value)


async def test_an_unknown_host_means_nothing_was_sent() -> None:
    with pytest.raises(NotSent):
        await send("http://does-not-exist.invalid")


async def test_a_plain_port_behind_https_means_nothing_was_sent() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer(b"{}"))
        await writer.drain()

    async with server(behave) as base:
        with pytest.raises(NotSent):
            await send(base.replace("http://", "https://"))


async def test_a_reset_before_the_request_was_read_is_unclear() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    async with server(behave) as base:
        with pytest.raises(Unclear):
            await send(base)


async def test_a_reset_after_the_request_was_read_is_unclear() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reset(writer)

    async with server(behave) as base:
        with pytest.raises(Unclear) as caught:
            await send(base)
    assert "secret" not in str(caught.value)


async def test_a_silent_goodbye_is_unclear() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    async with server(behave) as base:
        with pytest.raises(Unclear):
            await send(base)


async def test_a_truncated_answer_is_unclear() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b'{"data":{"id":1}}')[:-5])
        await writer.drain()

    async with server(behave) as base:
        with pytest.raises(Unclear):
            await send(base)


async def test_silence_is_unclear_when_the_time_is_over() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await asyncio.Event().wait()

    async with server(behave) as base:
        with pytest.raises(Unclear):
            await send(base, timeout=0.2)


async def test_a_dripping_answer_ends_with_the_whole_time_not_with_each_byte() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(behave) as base:
        with pytest.raises(Unclear):
            await send(base, timeout=0.3)


async def test_an_answer_over_the_limit_is_unclear() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b"x" * 1001))
        await writer.drain()

    async with server(behave) as base:
        with pytest.raises(Unclear, match="longer than 1000 bytes"):
            await send(base, max_body=1000)
        assert len((await send(base, max_body=1001)).body) == 1001


async def test_a_zip_bomb_stops_at_the_limit() -> None:
    packed = gzip.compress(b"\0" * 5_000_000)

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(packed, b"content-encoding: gzip"))
        await writer.drain()

    async with server(behave) as base:
        with pytest.raises(Unclear, match="longer than"):
            await send(base, max_body=100_000)
        assert (await send(base)).body == b"\0" * 5_000_000


async def test_a_zipped_answer_that_is_cut_off_is_unclear() -> None:
    packed = gzip.compress(b'{"data":{"id":1}}')[:-9]

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(packed, b"content-encoding: gzip"))
        await writer.drain()

    async with server(behave) as base:
        with pytest.raises(Unclear, match="cut off"):
            await send(base)


async def test_redirects_are_given_back_not_followed() -> None:
    asked: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head, _ = await read_request(reader)
        asked.append(head)
        writer.write(answer(b"", b"location: /other", status=b"307 Temporary Redirect"))
        await writer.drain()

    async with server(behave) as base:
        assert (await send(base)).status == 307
    assert len(asked) == 1


async def test_fresh_never_reuses_a_kept_connection_and_reads_do() -> None:
    connections: list[int] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        while True:
            await read_request(reader)
            writer.write(answer(b"{}"))
            await writer.drain()

    async def wait_for(count: int) -> None:
        while len(connections) < count:
            await asyncio.sleep(0)

    async with server(behave) as base, HttpClient(reach=REHEARSAL) as http:
        for _ in range(3):
            await http.send(HttpRequest(method="GET", url=base))
        await wait_for(1)
        assert len(connections) == 1
        for _ in range(3):
            await http.send(HttpRequest(method="POST", url=base, body=b"{}"), fresh=True)
        assert len(connections) == 4


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b"{}"))
        await writer.drain()

    async with server(behave) as base:
        assert (await send(base)).status == 200


@pytest.mark.parametrize(
    "url", ["ftp://example.it/x", "file:///etc/passwd", "http:///x", "https://u:p@example.it/", "x"]
)
async def test_addresses_that_are_not_plain_http_are_not_sent(url: str) -> None:
    async with HttpClient(reach=REHEARSAL) as http:
        with pytest.raises(NotSent) as caught:
            await http.send(HttpRequest(method="GET", url=url))
    assert caught.value.who == "connection_owner"


@pytest.mark.parametrize(("name", "value"), [("x-a", "1\r\nx-b: 2"), ("x\n", "1"), ("x", "\0")])
async def test_headers_cannot_smuggle_other_headers(name: str, value: str) -> None:
    async with HttpClient(reach=REHEARSAL) as http:
        with pytest.raises(NotSent) as caught:
            await http.send(
                HttpRequest(method="GET", url="http://127.0.0.1:1", headers=((name, value),))
            )
    assert caught.value.who == "developer"


async def test_no_url_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b'{"ok":true}'))
        await writer.drain()

    with caplog.at_level(logging.DEBUG):
        async with server(behave) as base, HttpClient(reach=REHEARSAL) as http:
            got = await http.send(HttpRequest(method="GET", url=f"{base}/?token=t0ps"))
    assert got.json() == {"ok": True}
    assert "t0ps" not in caplog.text


async def test_an_app_in_memory_stands_in_for_its_base_url_and_nothing_else_is_reachable() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        body = f'{{"path":"{scope["path"]}"}}'.encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with asgi_client({"https://api.example": app}) as http:
        got = await http.send(HttpRequest(method="GET", url="https://api.example/a/b"))
        assert got.json() == {"path": "/a/b"}
        with pytest.raises(NotSent):
            await http.send(HttpRequest(method="GET", url="https://other.example/a"))


async def test_an_app_in_memory_that_breaks_has_an_unclear_outcome() -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        raise ConnectionResetError("gone")

    async with asgi_client({"https://api.example": app}) as http:
        with pytest.raises(Unclear):
            await http.send(HttpRequest(method="POST", url="https://api.example/a"))


async def test_a_closed_client_sends_nothing() -> None:
    http = HttpClient(reach=REHEARSAL)
    await http.aclose()
    with pytest.raises(NotSent):
        await http.send(HttpRequest(method="GET", url="http://127.0.0.1:1"))


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO])
async def test_no_header_and_no_body_is_logged_however_much_the_log_shall_tell(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(b'{"a":"t0psecret"}', b"Set-Cookie: s=t0psecret"))
        await writer.drain()

    with caplog.at_level(level):
        async with server(behave) as base, HttpClient(reach=REHEARSAL) as http:
            header = (("Authorization", "Bearer t0psecret"),)
            request = HttpRequest(method="POST", url=base, headers=header, body=b"t0psecret")
            await http.send(request)
    assert not [one for one in caplog.records if one.name.startswith(("httpcore", "httpx"))]
    assert "t0psecret" not in caplog.text


def test_an_own_stricter_level_for_the_log_of_httpcore_is_left() -> None:
    log = logging.getLogger("httpcore")
    before = log.level
    try:
        log.setLevel(logging.CRITICAL)
        HttpClient(reach=REHEARSAL)
        assert log.level == logging.CRITICAL
    finally:
        log.setLevel(before)
