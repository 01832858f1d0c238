"""Connections and quota, in a real browser, against the emulated apps."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.browser.kit import House, Visit
from tests.cli.kit import program


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Both emulated apps as a program of their own."""
    folder = tmp_path_factory.mktemp("apps")
    with program("--json", "--auto-approve", folder=folder, module="connector.sandbox") as running:
        yield json.loads(running.line())


def connect(one: Visit, app: str, name: str, address: str, token: str) -> None:
    one.go(f"/connections/new?app={app}")
    form = one.page.locator("form[action$='/connections/token']")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Address").fill(address)
    form.get_by_label("Token").fill(token)
    one.picture(f"connect-{app}")
    one.usable()
    form.get_by_role("button").click()
    one.page.wait_for_url(re.compile(r"/connections/con_\w+$"))


def test_connect_choose_rename_remove(house: House, visit: Callable[..., Visit], apps: Any) -> None:
    one = visit(house)
    one.go("/connections")
    one.page.get_by_role("link", name="Connect an app").click()
    one.picture("connect")
    one.usable()
    connect(one, "perfex_crm", "crm", apps["perfex"], apps["authtoken"])
    assert "crm is connected" in one.page.inner_text("main")
    connect(one, "fatture_in_cloud", "books", apps["fic"], apps["manual_token"])
    one.page.get_by_role("link", name="Show the companies").click()
    one.page.get_by_text("through Studio Esempio").first.wait_for()
    assert "legacy" not in one.page.content()
    one.page.get_by_label("Officine Esempio").check()
    one.picture("companies")
    one.usable()
    one.page.get_by_role("button", name="Use this company").click()
    assert "108061" in one.page.inner_text("main")

    one.page.get_by_label("Name").fill("accounts of Adda")
    one.page.get_by_role("button", name="Rename").click()
    one.page.get_by_role("heading", name="accounts of Adda").wait_for()
    one.picture("connection")
    one.usable()
    one.page.get_by_role("button", name="Remove …").click()
    one.picture("remove")
    one.usable()
    one.page.get_by_role("button", name="Remove", exact=True).click()
    one.page.wait_for_url(f"{house.address}/connections")
    assert "accounts of Adda was removed" in one.page.inner_text("main")
    assert [row[0] for row in house.rows("SELECT name FROM connection")] == ["crm"]
    told = house.rows("SELECT who, what, subject FROM audit WHERE what LIKE '%connection%'")
    assert told == [
        ("owner", "rename_connection", "books"),
        ("owner", "remove_connection", "accounts of Adda"),
    ]


def test_a_wrong_token_says_what_to_do(
    house: House, visit: Callable[..., Visit], apps: Any
) -> None:
    before = house.rows("SELECT name FROM connection")
    one = visit(house)
    one.expected += ["401", "403", "422", "502", "409"]
    one.go("/connections/new?app=perfex_crm")
    one.page.get_by_label("Address").fill(apps["perfex"])
    one.page.get_by_label("Token").fill("no-such-token")
    one.page.get_by_role("button", name="Try it and connect").click()
    box = one.page.get_by_role("alert")
    box.wait_for()
    assert "no-such-token" not in one.page.content()
    one.picture("wrong-token")
    one.usable()
    assert house.rows("SELECT name FROM connection") == before


def test_played_connections_quota_and_a_lost_consent(
    played: House, visit: Callable[..., Visit]
) -> None:
    one = visit(played)
    one.go("/connections")
    one.picture("connections")
    one.usable()
    one.go("/quota")
    assert "this month" in one.page.inner_text("main")
    one.picture("quota")
    one.usable()
    one.go("/connections/new?app=fatture_in_cloud&name=fatture")
    one.page.get_by_role("button", name="Go on").click()
    one.page.get_by_text("This is asked for, and nothing else").wait_for()
    one.picture("consent")
    one.usable()
    with one.page.expect_popup() as small:
        one.page.get_by_role("link", name="Go to Fatture in Cloud").click()
    # The window goes to the app and back, and closes; this page has not been touched.
    one.page.wait_for_url(re.compile(r"/connections/con_\w+$"))
    one.page.wait_for_timeout(300)
    assert small.value.is_closed()
    assert "fatture is connected" in one.page.inner_text("main")
    one.picture("reconnected")
    one.usable()


def test_in_italian_on_a_telephone(played: House, visit: Callable[..., Visit]) -> None:
    one = visit(played, language="it", width=390)
    for name in ("connections", "connections/new", "connections/new?app=perfex_crm", "quota"):
        one.go(f"/{name}")
        one.picture("it-" + re.sub(r"\W", "-", name))
        one.usable()
    one.go("/connections")
    one.page.get_by_role("link", name="fatture").click()
    one.picture("it-connection")
    one.usable()
    # No room for a second window: the page itself goes to the app, and comes back.
    one.page.get_by_role("link", name="Ricollega").click()
    one.page.get_by_role("button", name="Avanti").click()
    one.picture("it-consent")
    one.usable()
    one.page.get_by_role("link", name="Vai a Fatture in Cloud").click()
    one.page.wait_for_url(re.compile(r"/connections/con_\w+$"))
    assert "fatture è collegat" in one.page.inner_text("main")
