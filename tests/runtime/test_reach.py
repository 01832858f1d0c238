"""A connection's address leads where the operator allows, and its owner hears why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from connector.errors import ConnectorError, NotConnected, NotSent
from connector.runtime import Runtime, open_runtime
from connector.sandbox import SandboxConfig
from connector.sandbox.ports import serving
from connector.settings import Settings
from tests.loaded import the_catalog

PUBLIC = "https://hub.example"


async def hub(folder: Path, **given: Any) -> Runtime:
    """An installation as its settings say, on the real network."""
    settings = Settings.load(
        database=f"sqlite:///{folder / 'connector.db'}",
        fatture_in_cloud_client_id="CID",
        fatture_in_cloud_client_secret=SecretStr("secret-of-ours"),
        **given,
    )
    return await open_runtime(settings, catalog=the_catalog())


async def connect(runtime: Runtime, address: str, token: str = "any-token") -> Any:
    return await runtime.connect_with_token("perfex_crm", "crm", token, {"address": address})


@pytest.mark.parametrize(
    "address",
    ["https://127.0.0.1", "https://localhost", "https://10.0.0.1", "https://169.254.169.254",
     "https://[::1]", "https://2130706433", "https://0x7f.1", "https://[::ffff:10.0.0.1]"],
)  # fmt: skip
async def test_a_server_that_others_reach_lets_nobody_look_inside(
    tmp_path: Path, address: str
) -> None:
    async with await hub(tmp_path, public_url=PUBLIC) as runtime:
        for attempt in (
            connect(runtime, address),
            runtime.start_connect("fatture_in_cloud", "fic", {"address": address}),
        ):
            with pytest.raises(NotSent) as caught:
                await attempt
            assert caught.value.field == "address"
            assert "CONNECTOR_ALLOWED_NETWORKS" in caught.value.remedy
            assert caught.value.who == "connection_owner"
        assert list(await runtime.list_connections()) == []


async def test_another_port_is_refused_by_its_own_setting(tmp_path: Path) -> None:
    async with await hub(tmp_path, public_url=PUBLIC) as runtime:
        with pytest.raises(NotSent, match="port 8443") as caught:
            await connect(runtime, "https://8.8.8.8:8443")
        assert "CONNECTOR_ALLOWED_PORTS" in caught.value.remedy


async def test_plain_http_is_refused_by_the_setting_that_would_allow_it(tmp_path: Path) -> None:
    async with await hub(tmp_path, public_url=PUBLIC) as runtime:
        with pytest.raises(NotConnected, match="not https") as caught:
            await connect(runtime, "http://crm.example")
        assert "CONNECTOR_ALLOWED_NETWORKS" in caught.value.remedy
    async with await hub(tmp_path, public_url=PUBLIC, allowed_networks="private") as runtime:
        with pytest.raises(NotSent, match="in clear"):
            await connect(runtime, "http://8.8.8.8")


async def test_what_the_operator_allows_is_connected(tmp_path: Path) -> None:
    async with serving(SandboxConfig(seed=1)) as served:
        address, token = served.perfex_url, served.sandbox.perfex.authtoken
        port = str(urlsplit(address).port)
        allowed = {"allowed_networks": "loopback", "allowed_ports": port}
        for missing in allowed:
            given = {key: value for key, value in allowed.items() if key != missing}
            async with await hub(tmp_path, public_url=PUBLIC, **given) as runtime:
                with pytest.raises(ConnectorError, match=r"not https|port|machine"):
                    await connect(runtime, address, token)
        async with await hub(tmp_path, public_url=PUBLIC, **allowed) as runtime:
            assert (await connect(runtime, address, token)).base_url.startswith(address)


async def test_a_rehearsal_on_one_machine_needs_no_setting(tmp_path: Path) -> None:
    async with (
        serving(SandboxConfig(seed=1)) as served,
        await hub(tmp_path) as runtime,
    ):
        await connect(runtime, served.perfex_url, served.sandbox.perfex.authtoken)
        assert [one.name for one in await runtime.list_connections()] == ["crm"]
