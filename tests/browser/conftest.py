"""A real server, a real browser: what every walk through the pages needs.

`house` is an installation, `played` one whose tour has run on emulated apps: each serves all tests
of a module, which count from what they find. `fresh` is empty, for one test alone. `visit` opens
pages. Every page fails its test for an error on its console and for what its policy forbade.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.kit import House, Visit
from tests.cli.kit import program

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
LINK = re.compile(r"http://127\.0\.0\.1:\d+/login/\S+")
SANDBOX = re.compile(r"curl -X PUT (http://[^/]+)/_sandbox")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A walk takes its time, and is part of every run all the same."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """The distribution's Chromium; it ends with the module, so that async tests find no loop."""
    sync_api = pytest.importorskip("playwright.sync_api")
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine (Debian, Ubuntu: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextlib.contextmanager
def served(folder: Path) -> Iterator[House]:
    """`connector serve` on an empty database."""
    with program("serve", "--json", "--port", "0", folder=folder) as server:
        told = json.loads(server.line())
        yield House(told["public_url"], told["login_url"], folder, server)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[House]:
    """An empty installation, whose link is unused, for this test alone."""
    with served(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An installation that begins empty, for all tests of the module."""
    with served(tmp_path_factory.mktemp("house")) as one:
        yield one


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """`connector run`: both apps connected, the example flow on, one run that succeeded.

    It does not wait long before it looks whether a write has arrived.
    """
    folder = tmp_path_factory.mktemp("played")
    quick = {"CONNECTOR_SETTLE_SECONDS": "0.2", "CONNECTOR_SECOND_LOOK_SECONDS": "0.2"}
    with program("run", "--keep", str(folder), folder=folder, **quick) as server:
        text = ""
        while not LINK.search(text):
            line = server.line()
            assert line, f"the tour ended:\n{text}\n{server.err}"
            text += line
        link, sandbox = LINK.search(text), SANDBOX.search(text)
        assert link is not None
        assert sandbox is not None
        address = link[0].partition("/login/")[0]
        yield House(address, link[0], folder, server, sandbox[1])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: CONNECTOR_CHAOS_PICTURES names a folder that outlives the test."""
    folder = Path(os.environ.get("CONNECTOR_CHAOS_PICTURES") or tmp_path / "pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def visit(chromium: Any, pictures: Path) -> Iterator[Callable[..., Visit]]:
    """Open a browser of its own: `visit(house, language="it", width=390)`.

    The first one uses up the link of its house; those after it have the same session.
    """
    with contextlib.ExitStack() as opened:

        def begin(
            house: House, *, language: str = "en", width: int = 1280, height: int = 860,
            dark: bool = False, enter: bool = True,
        ) -> Visit:  # fmt: skip
            context = chromium.new_context(
                viewport={"width": width, "height": height},
                locale={"en": "en-GB", "it": "it-IT"}[language],
                color_scheme="dark" if dark else "light",
                has_touch=width < 600,
            )
            if enter:
                context.add_cookies(house.session)
            opened.callback(context.close)
            one = Visit(context.new_page(), house, pictures)
            opened.callback(one.check)
            if enter:
                one.enter()
                house.session[:] = [
                    cookie for cookie in context.cookies()
                    if cookie["name"] == f"connector_{urlsplit(house.address).port}"
                ]  # fmt: skip
            return one

        yield begin
