"""A visitor of the pages: a browser's page, and what must hold wherever it goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.kit import Program

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@dataclass(frozen=True)
class House:
    """A running server with one unused link into it."""

    address: str
    link: str
    folder: Path
    server: Program
    sandbox: str = ""
    """The address of the emulated Fatture in Cloud, where there is one."""
    session: list[dict[str, Any]] = field(default_factory=list)
    """The cookie of whoever has used the link."""

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """What its database holds."""
        with sqlite3.connect(self.folder / "connector.db") as file:
            return file.execute(sql, values).fetchall()


@dataclass
class Visit:
    """One person with one browser; `page` is Playwright's."""

    page: Any
    house: House
    pictures: Path
    complaints: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    """Parts of complaints that a test provokes on purpose."""

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._look)
        self.page.set_default_timeout(20_000)

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    def _look(self, request: Any) -> None:
        if "/csp-report" in request.url:
            self.complaints.append(f"policy: {request.post_data}")

    def go(self, path: str) -> Any:
        """Open one of our paths."""
        return self.page.goto(self.house.address + path)

    def enter(self) -> None:
        """Come in: with the session that there is, else the link of this server is used up."""
        if self.house.session:
            self.go("/")
            return
        self.page.goto(self.house.link)
        self.page.locator("main form button").click()
        self.page.wait_for_url(f"{self.house.address}/")

    def picture(self, name: str) -> Path:
        """A screenshot of the whole page."""
        path = self.pictures / f"{name}.png"
        # The head sticks to the top of what is seen, and would cover the middle of the picture.
        self.page.evaluate("scrollTo(0, 0)")
        self.page.screenshot(path=path, full_page=True)
        return path

    def usable(self) -> None:
        """Nobody is kept from using this page, as far as a machine can tell; nothing sticks out."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page, options={"runOnly": RULES})
        assert found.response["violations"] == [], found.generate_report()
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{self.page.url} is {wide} pixels wider than the screen"

    def tab_to(self, name: str, *, most: int = 80) -> None:
        """Press Tab until the thing with this accessible name has the focus, and can be seen."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            focused = self.page.evaluate(
                "(() => { const one = document.activeElement; return one ? "
                "(one.getAttribute('aria-label') || one.labels?.[0]?.innerText"
                " || one.innerText || '').trim() : '' })()"
            )
            if focused.startswith(name):
                return
        raise AssertionError(f"Tab never reaches {name!r} on {self.page.url}")

    def until(self, true: Callable[[], bool]) -> None:
        """Wait for what the page does not show."""
        for _ in range(200):
            if true():
                return
            self.page.wait_for_timeout(100)
        raise AssertionError("it never came to this")

    def check(self) -> None:
        """Fail for what the browser complained about."""
        left = [one for one in self.complaints if not any(part in one for part in self.expected)]
        assert left == []
