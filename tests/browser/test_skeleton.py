"""Getting in, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.kit import House, Visit


def test_the_link_lets_in_once(house: House, visit: Callable[..., Visit]) -> None:
    one = visit(house)
    one.picture("start")
    one.usable()
    other = visit(house, enter=False)
    other.expected.append("403")
    other.page.goto(house.link)
    other.page.get_by_role("button", name="Come in").click()
    assert "used already" in other.page.inner_text("main")
    other.picture("used")
    other.usable()


def test_every_page_of_the_menu(house: House, visit: Callable[..., Visit]) -> None:
    one = visit(house, language="it", width=390)
    for name in ("flows", "runs", "inbox", "parked", "connections", "quota", "people"):
        one.go(f"/{name}")
        one.picture(f"menu-{name}")
        one.usable()
