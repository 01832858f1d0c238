"""Watching runs, doing them again, and deciding what no machine may, in a real browser."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser.kit import House, Visit
from tests.cli.kit import PATIENCE, program, wait_for
from tests.runtime.kit import flow
from tests.runtime.test_writes import INVOICE

PERFEX_WRITES = {"method": "POST", "path": "/api/customers"}
INVOICES = {"method": "POST", "path": "/c/*/issued_documents"}
WORDS = {
    "en": {"replay": "Replay", "these": "Replay these …"},
    "it": {"replay": "Ripeti", "these": "Ripeti queste …"},
}


def ask(address: str, path: str, method: str = "POST", body: Any = None) -> Any:
    """One call of the control side of an emulated app."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/_sandbox{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or b"null")


def perfex(house: House) -> str:
    """The address of the emulated Perfex."""
    ((address,),) = house.rows("SELECT base_url FROM connection WHERE app = 'perfex_crm'")
    parts = urlsplit(str(address))
    return f"{parts.scheme}://{parts.netloc}"


def new_client(house: House, name: str) -> None:
    ask(house.sandbox, "/records/clients", body={"name": name, "country_iso": "IT"})


def states(house: House) -> list[str]:
    return [row[0] for row in house.rows("SELECT state FROM run ORDER BY id")]


def last_run(house: House) -> int:
    ((number,),) = house.rows("SELECT max(id) FROM run")
    return int(number)


def failed_runs(house: House, *names: str) -> None:
    """One run for each name, which must be new, that Perfex has refused."""
    before = len(states(house))
    for place, name in enumerate(names, 1):
        rule = {"kind": "status", "status": 403, "times": 1, **PERFEX_WRITES}
        ask(perfex(house), "/faults", body=rule)
        new_client(house, name)
        wait_for(lambda place=place: states(house)[before:] == ["failed"] * place)


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("it", 390)])
def test_a_run_is_watched_live_fails_and_is_replayed(
    played: House, visit: Callable[..., Visit], language: str, width: int
) -> None:
    one, words = visit(played, language=language, width=width), WORDS[language]
    last = last_run(played)
    one.go("/runs")
    new_client(played, f"Live & Loud {language}")
    # Nobody loads the page again.
    one.page.locator(f"[data-row='{last + 1}']").wait_for()
    one.page.get_by_text(f"Live & Loud {language}").wait_for()
    one.picture(f"runs-{language}-{width}")
    one.usable()
    failed_runs(played, f"Bruno {language}")
    one.page.locator(f"[data-row='{last + 2}'] .badge.bad").wait_for()
    one.go(f"/runs?state=failed&first={last + 1}")
    one.page.reload()
    assert "state=failed" in one.page.url
    assert one.page.locator("[data-row]").count() == 1
    one.page.get_by_role("link", name=f"{last + 2}", exact=True).click()
    one.picture(f"run-failed-{language}-{width}")
    one.usable()
    one.page.get_by_role("button", name=words["replay"], exact=True).click()
    one.page.wait_for_url(f"**/runs/{last + 3}")
    one.page.locator("h1 .badge.good").wait_for()
    assert states(played)[-1] == "succeeded"
    one.picture(f"run-replayed-{language}-{width}")
    one.go(f"/runs/{last + 2}")
    one.page.locator(f"a[href$='/runs/{last + 3}']").first.wait_for()


def test_a_lost_server_is_said_and_found_again(played: House, visit: Callable[..., Visit]) -> None:
    one, last = visit(played), last_run(played)
    one.expected.append("ERR_INTERNET_DISCONNECTED")
    one.expected.append("Failed to load resource")
    one.go("/runs")
    one.page.context.set_offline(True)
    one.page.locator(".live.off").wait_for()
    new_client(played, "While away")
    one.page.context.set_offline(False)
    one.page.locator(f"[data-row='{last + 1}']").wait_for()
    one.page.locator(".live.on").wait_for()
    wait_for(lambda: states(played)[-1] == "succeeded")


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("it", 390)])
def test_many_are_replayed_after_a_look_at_what_each_would_do(
    played: House, visit: Callable[..., Visit], language: str, width: int
) -> None:
    first, count = last_run(played) + 1, len(states(played))
    told = "SELECT who, what FROM audit WHERE what = 'replay'"
    before = played.rows(told)
    failed_runs(played, f"Uno {language}", f"Due {language}", f"Tre {language}")
    one, words = visit(played, language=language, width=width), WORDS[language]
    one.go(f"/runs?state=failed&first={first}")
    one.page.get_by_role("link", name=words["these"]).click()
    assert one.page.locator("input[name=run]:checked").count() == 3
    one.picture(f"bulk-{language}-{width}")
    one.usable()
    one.page.locator("input[name=run]").nth(0).uncheck()
    one.page.locator("main form button").click()
    one.page.wait_for_url("**/runs?replays=1*")
    wait_for(lambda: states(played)[count:] == [*["failed"] * 3, *["succeeded"] * 2])
    one.page.locator("tbody .badge.good").nth(1).wait_for()
    one.picture(f"bulk-done-{language}-{width}")
    one.go(f"/runs?state=mended&first={first}")
    assert one.page.locator("[data-row]").count() == 2
    one.go(f"/runs/replay?state=failed&first={first}")
    assert one.page.locator("input[name=run]:checked").count() == 1, "two are mended already"
    assert played.rows(told) == [*before, *[("owner", "replay")] * 2]


# From here on a second flow answers to each client: these two come last.


def parked_invoice(house: House, name: str) -> int:
    """An invoice of which nobody knows whether it arrived; gives its run."""
    if not house.rows("SELECT 1 FROM flow WHERE key = 'simple'"):
        path = house.folder / "invoice.yaml"
        path.write_text(flow(steps=INVOICE, types="[create]"), "utf-8")
        with program("flow", "apply", str(path), "--enable", folder=house.folder) as said:
            assert said.end().code == 0, said.err
    ask(house.sandbox, "/faults", body={"kind": "reset_before", **INVOICES})
    new_client(house, name)
    wait_for(lambda: "parked" in states(house))
    ((number,),) = house.rows("SELECT id FROM run WHERE state = 'parked'")
    return int(number)


def test_a_parked_invoice_is_adopted_by_mouse(played: House, visit: Callable[..., Visit]) -> None:
    run = parked_invoice(played, "Rossi")
    ((mark,),) = played.rows("SELECT marker FROM effect WHERE state = 'parked'")
    document = {
        "type": "invoice", "subject": f"Entered by hand {mark}", "entity": {"name": "Rossi"},
        "date": "2026-03-04",
        "items_list": [{"name": "Work", "qty": 1, "net_price": 90, "vat": {"id": 0}}],
        "payments_list": [{"amount": 109.8, "due_date": "2026-04-03", "status": "not_paid"}],
    }  # fmt: skip
    made = ask(played.sandbox, "/records/issued_documents", body=document)
    one = visit(played)
    one.go("/parked")
    one.picture("parked")
    one.usable()
    one.page.get_by_role("link", name="Look and decide").click()
    one.picture("parked-one")
    one.page.get_by_role("link", name="Look in the app now").click()
    one.page.locator("tr.differs").first.wait_for()
    one.picture("parked-looked")
    one.usable()
    one.page.get_by_role("button", name="Decide").click()
    one.page.wait_for_url(f"**/runs/{run}")
    one.page.locator("h1 .badge.good").wait_for()
    one.picture("parked-adopted")
    one.usable()
    (kept,) = played.rows("SELECT remote_id, state, sends FROM effect WHERE marker = ?", mark)
    number = made.get("id") or made["data"]["id"]
    assert kept == (str(number), "done", 1), "nothing was sent again"
    one.go("/parked")
    assert "owner" in one.page.inner_text("main")


def test_a_parked_invoice_is_sent_again_by_keyboard_in_italian(
    played: House, visit: Callable[..., Visit]
) -> None:
    run = parked_invoice(played, "Bianchi")
    one = visit(played, language="it", width=390)
    one.go("/parked")
    one.tab_to("Guarda e decidi")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url("**/parked/*")
    one.picture("parked-it-390")
    assert "Prezzo netto" in one.page.inner_text("main"), "fields are named in Italian"
    one.usable()
    one.tab_to("C’è: adottala")
    one.page.keyboard.press("ArrowDown")
    one.tab_to("Decidi")
    one.page.keyboard.press("Enter")
    one.page.get_by_text("Conferma prima").wait_for()
    assert states(played).count("parked") == 1, "it was not confirmed"
    one.expected.append("422")
    one.picture("parked-unsure-it-390")
    one.usable()
    # What was chosen is chosen still.
    one.tab_to("Ho guardato")
    one.page.keyboard.press("Space")
    one.tab_to("Decidi")
    one.page.keyboard.press("Enter")
    one.page.wait_for_url(f"**/runs/{run}")
    one.page.locator("h1 .badge.good").wait_for()
    one.picture("parked-sent-it-390")
    one.usable()
    assert played.rows("SELECT state, sends FROM effect WHERE run_id = ?", run) == [("done", 2)]
