"""The OAuth client is the installation's: no tenant can have its secret sent where he likes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.errors import NotConnected
from connector.http.memory import asgi_client
from connector.settings import Settings
from tests.runtime.kit import FATTURE, FIC, HUB, World, story, world

EVIL = "https://evil.example"


class Thief:
    """A server that keeps all it is sent, and refuses it."""

    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.got.append((await receive()).get("body", b""))
        kind = (b"content-type", b"application/json")
        await send({"type": "http.response.start", "status": 400, "headers": [kind]})
        await send({"type": "http.response.body", "body": b'{"error":"x"}'})


async def beside(w: World, thief: Thief) -> None:
    await w.close()
    await w.open(http=asgi_client({EVIL: thief, FIC: w.fic, HUB: w.hub}))


@story
async def test_no_consent_begins_at_an_address_that_somebody_entered(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        thief = Thief()
        await beside(w, thief)
        with pytest.raises(NotConnected, match="OAuth client") as caught:
            await w.runtime.start_connect(FATTURE, "mine", {"address": EVIL})
        assert (caught.value.field, caught.value.who) == ("address", "developer")
        assert thief.got == []


@story
async def test_no_code_is_exchanged_at_such_an_address(tmp_path: Path) -> None:
    """A consent of before, when the address was still named."""
    async with world(tmp_path, connected=False) as w:
        thief = Thief()
        w.settings = w.settings.model_copy(update={"oauth_addresses": EVIL})
        await beside(w, thief)
        begun = await w.runtime.start_connect(FATTURE, "mine", {"address": EVIL})
        w.settings = w.settings.model_copy(update={"oauth_addresses": FIC})
        await beside(w, thief)
        answer = await w.browse(f"{HUB}/oauth/callback?state={begun['state']}&code=anything")
        assert answer.status >= 400
        assert thief.got == []
        assert list(await w.runtime.list_connections()) == []


@story
async def test_no_token_is_renewed_at_such_an_address(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.consent()
        thief = Thief()
        await beside(w, thief)
        store = w.runtime._parts.database.tenant(w.runtime._parts.tenant)
        row = next(one for one in await store.connections() if one.app == FATTURE)
        await store.save_connection(replace(row, base_url=EVIL))
        app = w.runtime._parts.catalog.app(FATTURE)
        signer = w.runtime._keyring.credentials(app, row.id, store)
        with pytest.raises(NotConnected, match="OAuth client"):
            await signer.replace(await signer.get())
        assert thief.got == []


@pytest.mark.parametrize(
    ("given", "address", "may"),
    [
        ({"public_url": HUB}, EVIL, False),
        ({"public_url": HUB, "allowed_networks": "loopback"}, "http://127.0.0.1:8431", False),
        ({"public_url": HUB, "oauth_addresses": "https://fic.example:443"}, FIC + "/a", True),
        ({"public_url": HUB, "oauth_addresses": FIC}, "http://fic.example", False),
        ({"public_url": HUB, "oauth_addresses": FIC}, FIC + ":8443", False),
        ({"public_url": HUB, "oauth_addresses": FIC}, FIC + ".evil.example", False),
        ({}, "http://127.0.0.1:8431", True),
        ({}, EVIL, False),
        ({"trusted_proxies": "127.0.0.1"}, "http://127.0.0.1:8431", False),
    ],
)
def test_where_the_secret_may_go(given: dict[str, str], address: str, may: bool) -> None:
    client = Settings.load(
        fatture_in_cloud_client_id="CID",
        fatture_in_cloud_client_secret=SecretStr("canary-of-the-client"),
        **given,
    ).oauth_client(FATTURE)
    assert client is not None
    assert client.may_go_to(address) is may
