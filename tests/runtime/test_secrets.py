"""Secrets stay sealed: not in the file, not in a log, not in anything that is told."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from connector.codec import decode, encode
from connector.errors import ConnectorError
from tests.runtime.kit import FATTURE, FIC, HUB, World, client, flow, story, world

PERFEX_FLOW = """\
flow: changed
trigger:
  node: perfex_crm.customer_updated
  connection: perfex
steps:
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map:
      company: "{{ trigger.id }}"
"""


def secrets_of(w: World) -> list[str]:
    """Every secret that was ever in this world."""
    fic = w.sandbox.fic
    return [
        fic.app.client_secret,
        fic.manual_token,
        w.sandbox.perfex.authtoken,
        *fic.tokens.codes,
        *fic.tokens.access,
        *fic.tokens.refreshes,
        *(one for one in [w.settings.api_token.get_secret_value()] if one),  # type: ignore[union-attr]
    ]


async def a_day(w: World) -> None:
    """Consent, events, a token that ends, a write in doubt, a refusal, a dead token."""
    await w.consent()
    await w.connect_perfex()
    await w.follow()
    w.person.create("clients", client())
    await w.quiet()
    w.sandbox.fic.tokens.expire_access()
    w.sandbox.perfex.faults.add(kind="reset_after", method="POST", path="*/customers")
    w.person.create("clients", client("Bianchi", "IT01234567890"))
    await w.quiet()
    w.sandbox.perfex.faults.add(kind="status", method="POST", path="*/customers", status=422)
    w.person.create("clients", client("Verdi", "IT11111111115"))
    await w.quiet()
    w.sandbox.fic.tokens.revoke_everything()
    w.person.create("clients", client("Neri", "IT22222222225"))
    await asyncio.sleep(900)


async def all_that_is_told(w: World) -> bytes:
    told: list[Any] = [
        [one.model_dump(mode="json") for one in await w.runtime.list_connections()],
        await w.events(),
        await w.runtime.list_flows(),
        [await w.runtime.get_run(one["id"]) for one in await w.runs()],
        [await w.runtime.get_event(one["id"]) for one in await w.events()],
        await w.runtime.reconcile(),
        await w.runtime.ready(),
        await w.runtime.list_parked(),
    ]
    return encode(told)


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def test_no_secret_leaves_its_place(
    tmp_path: Path, everything_logged: pytest.LogCaptureFixture
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            await a_day(w)
            states = {run["state"] for run in await w.runs()}
            assert {"succeeded", "failed"} <= states
            said = await all_that_is_told(w)
            secrets = secrets_of(w)
            assert len(secrets) > 7
            files = [one for one in tmp_path.iterdir() if one.suffix != ".key"]
            assert {one.name for one in files} >= {"connector.db", "connector.db-wal"}
            for secret in secrets:
                assert secret.encode() not in said, secret
                assert secret not in everything_logged.text
                for file in files:
                    assert secret.encode() not in file.read_bytes(), file.name

    told()


@story
async def test_no_request_of_a_run_shows_its_credentials(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        w.person.create("clients", client())
        await w.quiet()
        for effect in (await w.run())["effects"]:
            assert {name.lower() for name in effect["request"]["headers"]} == {"content-type"}


def test_a_token_that_is_refused_is_not_repeated(
    tmp_path: Path, everything_logged: pytest.LogCaptureFixture
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            for app, address in ((FATTURE, FIC), ("perfex_crm", "https://crm.example")):
                with pytest.raises(ConnectorError) as caught:
                    await w.runtime.connect_with_token(
                        app, "x", "hunter2-hunter2", {"address": address}
                    )
                assert "hunter2" not in f"{caught.value!s} {caught.value.as_data()}"
            begun = await w.runtime.start_connect(FATTURE, "x", {"address": FIC})
            page = await w.browse(f"{HUB}/oauth/callback?state={begun['state']}&code=hunter2")
            assert b"hunter2" not in page.body
            assert "hunter2" not in everything_logged.text
            assert begun["state"] not in everything_logged.text

    told()


@story
async def test_a_hook_is_named_in_logs_by_its_last_characters_only(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        handler = Kept()
        logging.getLogger("connector").addHandler(handler)
        try:
            (hook,) = w.subscriptions
            await w.call("POST", hook.sink, {"data": {}})
        finally:
            logging.getLogger("connector").removeHandler(handler)
        assert hook.sink.rpartition("/")[2] not in "\n".join(handler.lines)


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@story
async def test_the_key_of_one_installation_opens_no_other(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.close()
        (tmp_path / "connector.key").write_bytes((tmp_path / "connector.key").read_bytes()[::-1])
        with pytest.raises(ConnectorError) as caught:
            await w.another_process()
        assert caught.value.remedy
        w.settings = w.settings.model_copy(update={"database": f"sqlite:///{tmp_path / 'b.db'}"})
        await w.open()


@story
async def test_a_hook_secret_that_an_app_repeats_is_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With it, whoever reads a log could forge events."""
    caplog.set_level(logging.DEBUG)
    async with world(tmp_path) as w:
        real, sent = w.perfex.app, []

        async def repeats(scope: Any, receive: Any, send: Any) -> None:
            if not (scope["path"].endswith("/webhooks") and scope["method"] == "POST"):
                await real(scope, receive, send)
                return
            sent.append((await receive())["body"])
            told = encode({"status": False, "message": "cannot take " + sent[-1].decode()})
            kind = (b"content-type", b"application/json")
            await send({"type": "http.response.start", "status": 422, "headers": [kind]})
            await send({"type": "http.response.body", "body": told})

        w.perfex.app = repeats
        await w.runtime.apply_flow(PERFEX_FLOW, enable=True)
        await w.runtime.start()
        told = encode(await w.runtime.reconcile()).decode() + caplog.text
        secret = decode(sent[0])["secret"]
        assert len(secret) == 64
        assert "cannot take" in told, "the story has no point"
        assert secret not in told
