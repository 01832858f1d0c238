"""Emulated apps of another program: only what stands on this machine, and says so, is used."""

from __future__ import annotations

from typing import Any

import pytest

from connector.model import Connection
from connector.web.pages.elsewhere import emulated


def connection(base_url: str, **changes: Any) -> Connection:
    given = {"id": "c", "app": "fatture_in_cloud", "name": "fatture", "base_url": base_url}
    return Connection(**{"settings": {"emulated": True}, **given, **changes})


@pytest.mark.parametrize("host", ["127.0.0.1:8421", "localhost:8421", "[::1]:8421"])
def test_an_emulated_app_of_this_machine_is_found(host: str) -> None:
    other = connection("http://127.0.0.1:1/api", app="perfex_crm", name="perfex")
    assert emulated([other, connection(f"http://{host}/")], "ours") == f"http://{host}"


@pytest.mark.parametrize(
    "one",
    [
        connection("https://api-v2.fattureincloud.it"),
        connection("http://127.0.0.1.example.it:8421"),
        connection("http://10.0.0.1:8421"),
        connection("http://127.0.0.1:8421", settings={}),
        connection("http://127.0.0.1:8421", name="ours"),
        connection("http://127.0.0.1:8421/api", app="perfex_crm"),
    ],
)
def test_nobody_else_is_sent_an_invented_client(one: Connection) -> None:
    assert emulated([one], "ours") is None
