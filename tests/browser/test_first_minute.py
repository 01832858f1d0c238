"""The first minute: from the printed link to a run of the example flow, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.browser.kit import House, Visit


def test_from_the_link_to_a_run_by_keyboard_alone(
    fresh: House, visit: Callable[..., Visit]
) -> None:
    one = visit(fresh, enter=False)
    one.page.goto(fresh.link)
    one.picture("link")
    one.usable()
    one.tab_to("Come in")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url(f"{fresh.address}/")
    one.picture("welcome")
    one.usable()
    other = visit(fresh, enter=False)
    other.expected.append("403")
    other.page.goto(fresh.link)
    assert "used already" in other.page.inner_text("main")
    other.picture("link-used")
    other.usable()

    one.page.keyboard.press("Tab")
    assert one.page.evaluate("document.activeElement.className") == "skip"
    one.page.keyboard.press("Enter")
    one.tab_to("Play with the sandbox")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url(re.compile(r"/runs/\d+$"))
    assert "nothing left this machine" in one.page.inner_text("main")
    one.picture("first-run")
    assert fresh.rows("SELECT state FROM run") == [("succeeded",)]
    assert fresh.rows("SELECT who, what FROM audit WHERE what = 'play'") == [("owner", "play")]
    one.go("/play")
    assert "Everything here is invented" in one.page.inner_text("main")
    one.usable()
    one.page.get_by_role("button", name="Create a test client").first.click()
    one.page.wait_for_url(re.compile(r"/runs/\d+$"))
    one.go("/play")
    assert one.page.locator("section:nth-of-type(2) tbody tr").count() == 2
    one.picture("play")
    one.go("/")
    one.picture("start")
    one.usable()


def test_in_italian_on_a_telephone_in_the_dark(fresh: House, visit: Callable[..., Visit]) -> None:
    one = visit(fresh, language="it", width=390, dark=True)
    one.picture("it-welcome")
    one.usable()
    one.page.get_by_role("button", name="Prova con le app simulate").click()
    one.page.wait_for_url(re.compile(r"/runs/\d+$"))
    ((flow,),) = fresh.rows("SELECT key FROM flow")
    event = fresh.rows("SELECT max(id) FROM event")[0][0]
    of_one = (f"inbox/{event}", f"flows/{flow}", f"flows/{flow}/versions", f"flows/{flow}/delete")
    plain = ("", "play", "flows", "runs", "inbox", "parked", "connections", "quota", "people")
    for name in (*plain, "pictures", "pictures?period=week", "runs?q=nobody", *of_one):
        assert one.go(f"/{name}").status == 200, name
        one.picture(f"it-{name.partition('?')[0].replace('/', '-') or 'start'}")
        one.usable()
    one.page.get_by_role("link", name="EN English").click()
    assert one.page.locator("html").get_attribute("lang") == "en"


def test_apps_that_another_program_emulates_can_be_played_with(
    played: House, visit: Callable[..., Visit]
) -> None:
    one = visit(played)
    one.page.get_by_role("link", name="The sandbox").click()
    rows = one.page.locator("main tbody tr")
    before = rows.count()
    one.usable()
    one.picture("play-elsewhere")
    # The same button stands on the start page, on the flow's card, and where it was published.
    for place in ("/flows/client-to-perfex?published=1", "/flows", "/"):
        one.go(place)
        one.page.get_by_role("button", name="Create a test client in Fatture in Cloud").click()
        one.page.wait_for_url(re.compile(r"/runs/\d+$"))
        assert "This is the run that followed" in one.page.inner_text("main")
    one.go("/play")
    assert rows.count() == before + 6, "three clients, and three customers"
