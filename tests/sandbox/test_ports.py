"""The sandbox over real sockets, and as a program."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from connector.errors import NotSent, Unclear
from connector.http import HttpClient
from connector.model import Answer, HttpRequest
from connector.reach import REHEARSAL
from connector.sandbox import SandboxConfig, Served, serving

ROOT = Path(__file__).parents[2]


async def call(client: HttpClient, served: Served, **rest: Any) -> Answer:
    headers = (("Authorization", f"Bearer {served.sandbox.fic.manual_token}"),)
    body = json.dumps(rest["body"]).encode() if "body" in rest else b""
    url = f"{served.fic_url}/c/108061/entities/clients"
    method = "POST" if body else "GET"
    return await client.send(HttpRequest(method=method, url=url, headers=headers, body=body))


@pytest.mark.parametrize(
    ("kind", "writes"), [("reset_before", 0), ("reset_after", 1), ("truncated", 1)]
)
async def test_real_connection_is_cut(kind: str, writes: int) -> None:
    async with serving(SandboxConfig(seed=1)) as served, HttpClient(reach=REHEARSAL) as client:
        served.sandbox.fic.faults.add(kind=kind)
        with pytest.raises(Unclear):
            await call(client, served, body={"data": {"name": "Adda"}})
        assert served.sandbox.fic.ledger.writes["create clients"] == writes
        assert (await call(client, served)).json()["total"] == writes


async def test_webhook_goes_from_port_to_port() -> None:
    async with serving(SandboxConfig(seed=1)) as served, HttpClient(reach=REHEARSAL) as client:
        arrived = asyncio.Event()
        seen: list[bytes] = []

        async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            text = head.decode().lower()
            said = b"{}"
            if "x-fic-verification-challenge: " in text:
                secret = text.split("x-fic-verification-challenge: ")[1].split("\r\n")[0]
                said = json.dumps({"verification": secret}).encode()
            else:
                seen.append(head)
                if b"clients.create" in head:
                    arrived.set()
            writer.write(
                b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(said)
            )
            writer.write(said)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(receive, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            types = ["it.fattureincloud.webhooks.entities.clients.create"]
            body = {"data": {"sink": f"http://127.0.0.1:{port}/hook", "types": types}}
            headers = (("Authorization", f"Bearer {served.sandbox.fic.manual_token}"),)
            made = await client.send(
                HttpRequest(
                    method="POST",
                    url=f"{served.fic_url}/c/108061/subscriptions",
                    headers=headers,
                    body=json.dumps(body).encode(),
                )
            )
            assert made.json()["data"]["verified"] is True
            await call(client, served, body={"data": {"name": "Adda"}})
            async with asyncio.timeout(30):
                await arrived.wait()
        assert any(b"connection: close" in head.lower() for head in seen)


async def test_ports_are_free_again_afterwards() -> None:
    async with serving(SandboxConfig()) as served:
        url = served.fic_url
    async with HttpClient(reach=REHEARSAL) as client:
        with pytest.raises(NotSent):
            await client.send(HttpRequest(method="GET", url=url))


async def test_taken_port_is_an_os_error() -> None:
    async with serving(SandboxConfig()) as served:
        port = int(served.fic_url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"):
            async with serving(SandboxConfig(fic_port=port)):
                pass


async def test_seeds_are_there_at_start(tmp_path: Path) -> None:
    seeds = {
        "fatture_in_cloud": {"clients": [{"name": "Adda"}]},
        "perfex_crm": {"customers": [{"company": "Lariane"}]},
    }
    file = tmp_path / "seeds.json"
    file.write_text(json.dumps(seeds))
    async with (
        serving(SandboxConfig(seed_file=file)) as served,
        HttpClient(reach=REHEARSAL) as client,
    ):
        assert (await call(client, served)).json()["total"] == 1
        rows = served.sandbox.perfex.tables["customers"].rows
        assert rows["412"]["company"] == "Lariane"


async def program(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "connector.sandbox",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_program_prints_one_json_line_and_stops_cleanly(stop: signal.Signals) -> None:
    process = await program("--json", "--seed", "3", "--generation", "2.x")
    assert process.stdout is not None
    line = await process.stdout.readline()
    told = json.loads(line)
    assert told["generation"] == "2.x"
    assert {"fic", "perfex", "client_id", "client_secret", "authtoken", "public_key"} <= set(told)
    async with HttpClient(reach=REHEARSAL) as client:
        answer = await client.send(HttpRequest(method="GET", url=f"{told['fic']}/info/countries"))
        assert answer.status == 401
    process.send_signal(stop)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")


async def test_program_says_why_it_cannot_start(tmp_path: Path) -> None:
    process = await program("--signing-key", str(tmp_path / "absent.pem"))
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"cannot start" in errors
    assert b"Traceback" not in errors
