"""The pages in a frame of another site: `localhost` shows what `127.0.0.1` serves."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.browser.conftest import LINK, SANDBOX
from tests.browser.kit import House
from tests.cli.kit import program

FRAME = 'sandbox="allow-scripts allow-forms allow-same-origin allow-popups'
FRAME += ' allow-popups-to-escape-sandbox"'
PLATFORM = {"x-platform-user": "Anna", "x-platform-role": "owner"}


@dataclass
class Platform:
    """Somebody's own site, which shows an address in a frame."""

    origin: str
    shown: str = "about:blank"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            body = f'<!doctype html><title>Platform</title><iframe {FRAME} name="hub"'
            body += f' width="1200" height="800" src="{found.shown}"></iframe>'
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    found = Platform(f"http://localhost:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, platform: Platform) -> Iterator[House]:
    """`connector run` that this platform may frame, and whose proxy says who is there."""
    folder = tmp_path_factory.mktemp("framed")
    given = {
        "CONNECTOR_FRAME_ORIGINS": platform.origin,
        "CONNECTOR_TRUSTED_PROXIES": "127.0.0.1/32",
        "CONNECTOR_USER_HEADER": "x-platform-user",
        "CONNECTOR_ROLE_HEADER": "x-platform-role",
    }
    with program("run", "--keep", str(folder), folder=folder, **given) as server:
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


def test_the_platform_says_who_is_there_and_a_consent_ends_in_the_frame(
    chromium: Any, hub: House, platform: Platform
) -> None:
    with chromium.new_context(extra_http_headers=PLATFORM) as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        platform.shown = f"{hub.address}/connections/new?app=fatture_in_cloud&name=fatture"
        page.goto(platform.origin)
        frame = page.frame(name="hub")
        frame.get_by_role("heading", name="Reconnect fatture").wait_for()
        assert "Anna" in frame.inner_text("header")
        before = hub.rows("SELECT version FROM connection WHERE name = 'fatture'")
        frame.get_by_role("button", name="Go on").click()
        with page.expect_popup() as small:
            frame.get_by_role("link", name="Go to Fatture in Cloud").click()
        frame.wait_for_url(re.compile(r"/connections/con_\w+(\?connected=1)?$"))
        frame.get_by_role("heading", name="fatture").wait_for()
        page.wait_for_timeout(300)
        assert small.value.is_closed()
        assert hub.rows("SELECT version FROM connection WHERE name = 'fatture'") != before
        assert wrong == []
        port = hub.address.rpartition(":")[2]
        kept = {one["name"] for one in context.cookies()}
        assert f"connector_{port}" not in kept, "no session is needed, and none is kept"


def test_without_the_platform_the_frame_says_where_to_log_in(
    chromium: Any, hub: House, platform: Platform
) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(20_000)
        platform.shown = f"{hub.address}/flows"
        page.goto(platform.origin)
        frame = page.frame(name="hub")
        frame.get_by_text("your browser does not keep a login").wait_for()
        assert frame.get_by_role("button", name="Log in").count() == 0
        with page.expect_popup() as own:
            frame.get_by_role("link", name="Open in a window of its own").click()
        own.value.get_by_role("heading", name="Log in").wait_for()
        # A link that is opened in the frame is not used up there.
        platform.shown = hub.link
        page.goto(platform.origin)
        frame = page.frame(name="hub")
        frame.get_by_role("button", name="Come in").click()
        frame.get_by_text("your browser does not keep a login").wait_for()
        own.value.goto(hub.link)
        own.value.get_by_role("button", name="Come in").click()
        own.value.wait_for_url(f"{hub.address}/")


def test_nobody_else_may_frame_it(chromium: Any, hub: House, platform: Platform) -> None:
    with chromium.new_context(extra_http_headers=PLATFORM) as context:
        page = context.new_page()
        platform.shown = f"{hub.address}/flows"
        page.goto(platform.origin.replace("localhost", "127.0.0.1"))
        page.wait_for_timeout(500)
        frame = page.frame(name="hub")
        assert frame.get_by_role("heading", name="Flows").count() == 0
