"""A flow is built from nothing: by mouse, by keyboard, with rows, with mistakes, in Italian."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.kit import House, Visit
from tests.cli.kit import wait_for

CLIENT = "fatture_in_cloud.enriched_event"
WORDS = {
    "en": {
        "choose": "All triggers …", "add": "Add a step", "suggest": "Suggestions",
        "all": "Accept all", "publish": "Publish and switch on", "name": "Name",
        "insert": "Insert a value", "search": "Search fields", "what": "What happens to",
        "done": "Nothing is wrong.", "try": "Try it", "rows": "Make rows from a list",
        "wrong": "With errors", "mend": "What must be mended first",
        "whole": "Whole result (JSON)", "connection": "Connection", "todo": "Still to do",
    },
    "it": {
        "choose": "Tutti gli eventi …", "add": "Aggiungi un passo",
        "suggest": "Suggerimenti", "all": "Accetta tutti", "publish": "Pubblica e accendi",
        "name": "Nome", "insert": "Inserisci un dato", "search": "Cerca tra i campi",
        "what": "", "done": "Tutto a posto.", "try": "Prova",
        "rows": "Crea righe da un elenco", "wrong": "Con errori",
        "mend": "Da correggere prima", "whole": "Tutto il risultato (JSON)",
        "connection": "Connessione", "todo": "Ancora da completare",
    },
}  # fmt: skip


class Builder:
    """The builder as a person uses it."""

    def __init__(self, visit: Visit, language: str = "en") -> None:
        self.visit, self.page, self.words = visit, visit.page, WORDS[language]

    def begin(self, name: str = "") -> None:
        """A new flow; the key follows the name, and without one both say what the flow does."""
        self.visit.go("/flows/new")
        if name:
            self.page.get_by_label(self.words["name"], exact=True).fill(name)
        self.page.get_by_role("button", name=self.words["choose"]).click()
        self.pick_node("enriched_event")

    def pick_node(self, text: str) -> None:
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_role("searchbox").fill(text)
        dialog.locator("button.option").first.wait_for()
        dialog.get_by_role("searchbox").press("Enter")
        dialog.wait_for(state="hidden")

    def follow(self, resource: str, *operations: str) -> None:
        self.company()
        card = self.page.locator(".card.trigger")
        card.locator("select").nth(2).select_option(resource)
        for one in operations:
            self.page.locator(f".card.trigger .pick:has-text('{one}') input").check()

    def step(self, node: str) -> Any:
        self.page.locator("#add-step").click()
        self.pick_node(node)
        opened = self.page.locator("details.step[open]")
        opened.locator(".mapper").wait_for()
        return opened

    def company(self) -> None:
        """The company is chosen from those that the app knows."""
        card = self.page.locator(".card.trigger")
        card.locator("select[aria-label*='Compan'], select[aria-label*='Aziend']").select_option(
            label="Officine Esempio S.r.l."
        )

    def more(self, name: str) -> None:
        """What is wanted now and then."""
        self.page.locator(".menu.more summary").click()
        self.page.locator(".menu.more").get_by_text(name, exact=True).click()

    def fine(self) -> None:
        """Nothing keeps it from being published."""
        self.page.locator("button.main:enabled", has_text=self.words["publish"]).wait_for()

    def publish(self, key: str) -> None:
        """Publish; flows of other tests in this house may be worth a look before."""
        self.page.get_by_role("button", name=self.words["publish"]).click()
        arrived, sure = f"/flows/{key}?published=1", self.page.locator("dialog button.main")
        self.visit.until(lambda: self.page.url.endswith(arrived) or sure.count() > 0)
        if sure.count():
            sure.click()
        self.page.wait_for_url(f"**{arrived}")


def change_a_client(house: House, name: str, vat_number: str) -> None:
    import urllib.request

    data = json.dumps({"name": name, "vat_number": vat_number, "country_iso": "IT"})
    request = urllib.request.Request(
        f"{house.sandbox}/_sandbox/records/clients",
        data.encode(),
        {"content-type": "application/json"},
    )
    urllib.request.urlopen(request).close()


def ended(rows: list[Any]) -> bool:
    return bool(rows) and not any(state in ("queued", "waiting") for (state,) in rows)


@pytest.mark.parametrize("language", ["en", "it"])
def test_clients_to_perfex_from_nothing_by_mouse(
    played: House, visit: Callable[..., Visit], language: str
) -> None:
    one = visit(played, language=language, width=1280 if language == "en" else 390)
    build = Builder(one, language)
    key = {"en": "by-mouse", "it": "ricevi-evento-completo-perfex-crm-crea-cliente"}[language]
    build.begin({"en": "By mouse", "it": ""}[language])
    assert one.page.locator(".status .box.bad").count() == 0, "whoever begins did nothing wrong"
    one.page.get_by_text(build.words["todo"]).wait_for()
    build.follow("entities.clients", {"en": "Created", "it": "Creat"}[language])
    step = build.step("perfex_crm.create_customer")
    step.locator(".box.note button").click()
    dialog = one.page.get_by_role("dialog")
    assert "trigger.resource.vat_number" in dialog.inner_text()
    one.usable()
    dialog.get_by_role("button", name=build.words["all"]).click()
    build.fine()
    row = step.locator(".fieldrow[data-path='data.company']")
    row.locator(".exact", has_text="Officine Esempio S.r.l.").wait_for()
    one.usable()
    one.picture(f"builder-{language}")
    build.publish(key)
    one.page.locator(f".news .box.good a[href$='/runs?flow={key}']").wait_for()
    one.usable()
    number = {"en": "IT12345678903", "it": "IT00743110157"}[language]
    change_a_client(played, "Made in a browser S.p.A.", number)
    states = "SELECT run.state FROM run JOIN flow ON flow.id = run.flow_id WHERE flow.key = ?"
    wait_for(lambda: ended(played.rows(states, key)))
    assert played.rows(states, key) == [("succeeded",)]


def test_the_same_by_keyboard_alone(played: House, visit: Callable[..., Visit]) -> None:
    one = visit(played)
    keys, words = one.page.keyboard, WORDS["en"]
    one.go("/flows/new")
    one.tab_to(words["name"])
    keys.press("Control+A")
    keys.type("By keys")
    one.tab_to(words["choose"])
    keys.press("Enter")
    keys.type("enriched event")
    keys.press("ArrowDown")
    keys.press("Enter")
    one.page.get_by_role("dialog").wait_for(state="hidden")
    one.page.locator(".card.trigger .pick").first.wait_for()
    told = "document.activeElement.selectedOptions?.[0].label"
    one.until(lambda: one.page.evaluate(told) == "Choose …")
    keys.type("Officine")
    assert one.page.evaluate(told) == "Officine Esempio S.r.l.", "the list was there at once"
    one.tab_to(words["what"])
    keys.type("Clients")
    one.page.wait_for_timeout(1_000)
    assert one.page.evaluate(told) == "Clients", "the focus stays while the cards are drawn anew"
    one.page.locator(".card.trigger .pick").first.wait_for()
    one.tab_to("Created")
    keys.press("Space")
    one.tab_to("All steps …")
    keys.press("Enter")
    keys.type("create customer")
    keys.press("Enter")
    one.page.locator("details.step[open] .mapper").wait_for()
    one.tab_to("Company (required)")
    keys.type("{{")
    keys.type("resource.name")
    keys.press("ArrowDown")
    keys.press("Enter")
    keys.type(" (new)")
    row = one.page.locator(".fieldrow[data-path='data.company']")
    row.locator(".exact", has_text="Officine Esempio S.r.l. (new)").wait_for()
    one.page.locator("button.main:enabled", has_text=words["publish"]).wait_for()
    for _ in range(60):
        keys.press("Shift+Tab")
        if one.page.evaluate("document.activeElement.innerText") == words["publish"]:
            break
    keys.press("Enter")
    said = one.page.get_by_role("dialog").locator(".box.warn li")
    # A name identifies no customer; flows of the tests before may follow the same event.
    said.get_by_text("Nothing identifies this customer").wait_for()
    one.tab_to("Publish")
    keys.press("Enter")
    one.page.wait_for_url("**/flows/by-keys?published=1")


def test_an_invoice_with_rows_from_a_list(played: House, visit: Callable[..., Visit]) -> None:
    one = visit(played)
    build = Builder(one)
    build.begin("copy-lines")
    build.follow("issued_documents.quotes", "Created")
    step = build.step("fatture_in_cloud.create_issued_document")
    step.locator(".fieldrow[data-path='data.type'] select").select_option(label="Invoice")
    customer = step.locator(".fieldrow[data-path='data.entity.name'] .tokens")
    customer.click()
    one.page.keyboard.type("Rossi & C.")
    step.get_by_role("button", name=build.words["rows"]).first.click()
    lines = step.locator("fieldset.list").first
    lines.locator(".fieldrow").first.locator(".pill").wait_for()
    for path, leaf in (("name", "item.name"), ("qty", "item.qty"), ("net_price", "item.net_price")):
        row = lines.locator(f".fieldrow[data-path='data.items_list.{path}']")
        row.get_by_role("button", name=build.words["insert"]).click()
        dialog = one.page.get_by_role("dialog")
        dialog.get_by_role("searchbox").fill(leaf)
        dialog.locator("button.option", has=one.page.locator(f"code:text-is('{leaf}')")).click()
    vat = lines.locator(".fieldrow[data-path='data.items_list.vat.id'] select")
    vat.select_option(label="22%")
    lines.locator("table tbody tr").first.wait_for()
    step.locator(".fieldrow[data-path='data.date'] .tokens").click()
    one.page.keyboard.type("2026-03-04")
    step.locator(".fieldrow[data-path='data.date'] .kind", has_text="the same in every").wait_for()
    build.fine()
    one.usable()
    one.picture("builder-invoice")
    one.page.get_by_role("button", name=build.words["try"]).click()
    tried = one.page.get_by_role("dialog").locator("table.values").inner_text()
    assert "Mar 4, 2026" in tried
    assert "22% (" in tried, "a chosen id has its name, and the exact request the id"
    one.page.keyboard.press("Escape")
    step.get_by_role("button", name=build.words["whole"]).click()
    assert '"items_list": [' in one.page.get_by_role("dialog").inner_text()
    one.page.keyboard.press("Escape")
    build.more("Show as text (YAML)")
    area = one.page.get_by_label("YAML")
    text = area.input_value()
    assert "for_each:" in text
    assert "{{ item.name }}" in text
    # Both ways, side by side.
    name = one.page.get_by_role("textbox", name="Name", exact=True).first
    name.fill("From a card")
    one.until(lambda: "name: From a card" in area.input_value())
    area.fill("# A note\n" + area.input_value().replace("From a card", "From the text"))
    one.until(lambda: name.input_value() == "From the text")
    one.page.get_by_role("button", name="Switch off").click()
    one.until(lambda: "enabled: false" in area.input_value())
    assert area.input_value().startswith("# A note\n"), "comments stay"
    one.page.get_by_role("button", name="Switch on: Step 1").click()
    one.until(lambda: "enabled" not in area.input_value())
    one.usable()
    one.picture("builder-both")
    one.page.get_by_role("button", name="Hide the text").click()
    area.wait_for(state="detached")


def test_what_a_trigger_lacks_stands_beside_its_fields(
    played: House, visit: Callable[..., Visit]
) -> None:
    one = visit(played)
    Builder(one).begin("lacks-all")
    page = one.page
    page.locator(".trigger select[aria-label=Company]").wait_for()
    focused, todo = page.locator(":focus"), page.locator(".status .todo li button")
    page.get_by_label("Name", exact=True).focus()
    todo.filter(has_text="Company").click()
    one.until(lambda: focused.get_attribute("aria-label") == "Company")
    assert focused.get_attribute("aria-invalid") == "false", "nobody has wanted to publish it yet"
    page.get_by_label("Name", exact=True).focus()
    page.get_by_role("button", name="Publish and switch on").click()
    page.locator(".status .box.bad li", has_text="Choose from the list.").first.wait_for()
    one.until(lambda: focused.get_attribute("aria-label") == "Company")
    assert focused.get_attribute("aria-invalid") == "true"
    mistake = page.locator(f"#{focused.get_attribute('aria-describedby')}")
    assert mistake.inner_text() == "Choose from the list."
    one.usable()
    Builder(one).company()
    mistake.wait_for(state="hidden")


def only_the_first(route: Any) -> None:
    told = route.fetch().json()
    route.fulfill(json={**told, "options": told["options"][:1]})


def test_what_leaves_no_choice_is_chosen_and_can_be_taken_back(
    played: House, visit: Callable[..., Visit]
) -> None:
    one = visit(played)
    page = one.page
    page.route("**/flows/choices?*", only_the_first)
    Builder(one).begin("Only one")
    company = page.locator(".trigger select[aria-label=Company]")
    told = page.get_by_text("Officine Esempio S.r.l. is the only one there")
    told.wait_for()
    chosen = "one => one.selectedOptions[0].label"
    assert company.evaluate(chosen) == "Officine Esempio S.r.l."
    todo = page.locator(".status .todo")
    todo.filter(has_not_text="Company").wait_for()
    one.usable()
    company.select_option("")
    todo.filter(has_text="Company").wait_for()
    page.get_by_text("Draft saved, not published yet.").wait_for()
    page.unroute("**/flows/choices?*")
    page.reload()
    company.wait_for()
    one.until(lambda: company.locator("option").count() > 2)
    assert company.evaluate(chosen) == "Choose …", "of two none is chosen"
    assert told.count() == 0


def test_a_list_of_another_connection_is_left_alone(
    played: House, visit: Callable[..., Visit]
) -> None:
    one, held = visit(played), list[Any]()
    page = one.page

    def two(route: Any) -> None:
        answer = route.fetch()
        begin = re.search(r'id="begin">(.*?)</script>', answer.text(), re.DOTALL)
        assert begin is not None
        told = json.loads(begin[1])
        first = {"app": "fatture_in_cloud", "status": "ok", "settings": {"company_id": 1}}
        told["begin"]["connections"] = [{**first, "name": "first"}, {**first, "name": "second"}]
        route.fulfill(response=answer, body=answer.text().replace(begin[1], json.dumps(told)))

    def listed(route: Any) -> None:
        name = parse_qs(urlsplit(route.request.url).query)["connection"][0]
        option = {"value": {"first": 111, "second": 222}[name], "label": f"Of the {name}"}
        told = {"title": "", "note": "", "open": False, "read_at": None, "options": [option]}
        held.append(lambda: route.fulfill(json=told))
        if len(held) > 2:
            held[-1]()

    page.route("**/flows/new", two)
    page.route("**/flows/choices?*", listed)
    Builder(one).begin("Two of one app")
    connection, company = (
        page.locator(f".trigger select[aria-label={name}]") for name in ("Connection", "Company")
    )
    connection.select_option("first")
    one.until(lambda: len(held) == 1)
    connection.select_option("second")
    one.until(lambda: len(held) == 2)
    held[1]()
    chosen = "one => one.selectedOptions[0].label"
    page.get_by_text("Of the second is the only one there").wait_for()
    held[0]()
    assert company.evaluate(chosen) == "Of the second"
    step = Builder(one).step("fatture_in_cloud.create_client")
    field = step.locator(".fieldrow[data-path=company_id]")
    step.get_by_label("Connection", exact=True).select_option("first")
    field.locator("option", has_text="Of the first").wait_for(state="attached")
    assert field.locator("select").evaluate(chosen) == "222", "chosen before, and not of this one"
    step.get_by_label("Connection", exact=True).select_option("second")
    field.locator("option", has_text="Of the second").wait_for(state="attached")
    assert field.locator("select").evaluate(chosen) == "Of the second"


def test_three_mistakes_are_understood(played: House, visit: Callable[..., Visit]) -> None:
    one = visit(played)
    one.go("/flows/client-to-perfex")
    page = one.page
    page.locator(".step summary").nth(1).click()
    step = page.locator("details.step[open]")
    company = step.locator(".fieldrow[data-path='data.company']")
    # A click at the lower edge, below the pill, still puts the caret where it can be typed.
    box = company.locator(".tokens")
    box.scroll_into_view_if_needed()
    edge = box.bounding_box()
    page.mouse.click(edge["x"] + 40, edge["y"] + edge["height"] - 3)
    page.keyboard.type("!")
    value = "one => one.value"
    one.until(lambda: company.locator("token-field").evaluate(value).endswith("}}!"))
    page.keyboard.press("Backspace")
    company.get_by_role("button", name="Insert a value").click()
    offered = page.get_by_role("dialog").locator("button.option")
    assert "trigger.resource.name" in offered.nth(1).inner_text(), "what people know comes first"
    assert "Technical values" in offered.last.inner_text()
    page.keyboard.press("Escape")
    company.locator(".pill").click()
    page.get_by_role("textbox", name="Expression").fill("trigger.resource.nmae")
    page.keyboard.press("Enter")
    company.locator(".mistake", has_text="name").wait_for()

    company.locator(".pill").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    company.locator(".mistake", has_text="or write a fixed one.").wait_for()
    assert step.locator(".filled").inner_text() == "12 values", "counted as it is changed"

    phone = step.locator(".fieldrow[data-path='data.phonenumber']")
    phone.locator(".pill").click()
    page.get_by_role("textbox", name="Expression").fill("trigger.resource.phone | trimm")
    page.keyboard.press("Enter")
    phone.locator(".mistake", has_text="trim").wait_for()
    step.get_by_role("button", name="With errors").click()
    one.until(lambda: page.locator(".mapper .fieldrow").count() == 2)
    page.get_by_text("What must be mended first (1)").wait_for()
    page.get_by_text("Still to do (1)").wait_for()
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("What must be mended first (2)").wait_for()
    page.locator(".fieldrow.wrong[data-path='data.company']").wait_for()
    one.usable()
    one.picture("builder-mistakes")

    page.get_by_role("button", name="Switch off: Step 2").click()
    page.locator(".step.off .badge", has_text="off").wait_for()
    page.get_by_role("button", name="Switch on: Step 2").click()
    page.locator(".step.off").wait_for(state="detached")
    page.locator(".step summary").first.click()
    page.get_by_role("button", name="Switch off: Step 1").click()
    page.locator(".status .box.bad", has_text="'find' is switched off").wait_for()
    one.usable()
    one.picture("builder-off")

    # The same draft in another tab, on another device, at a colleague's: whoever is later is told.
    other = page.context.new_page()
    other.goto(page.url)
    other.locator(".step.off").wait_for()
    other.get_by_label("Name", exact=True).fill("Changed elsewhere")
    saved = "SELECT document FROM flow_draft WHERE flow = 'client-to-perfex'"
    one.until(lambda: "elsewhere" in one.house.rows(saved)[0][0])
    page.get_by_label("Name", exact=True).fill("Changed here")
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("You changed this draft elsewhere").wait_for()
    one.usable()
    one.picture("builder-two")
    dialog.get_by_role("button", name="Load the other one").click()
    name = page.get_by_label("Name", exact=True)
    one.until(lambda: name.input_value() == "Changed elsewhere")
    other.close()

    page.reload()
    page.get_by_text("not published yet").wait_for()
    Builder(one).more("Delete the draft")
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    page.get_by_text("This is the published version").wait_for()


STRINGS = (
    "<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "'\"><svg onload=alert(1)>",
    "javascript:alert(1)", "{{7*7}}", "</script><script>alert(1)</script>", "<!--", "]]>",
    "\u202eevil", "&lt;b&gt;", "${alert(1)}", "`;alert(1)//", "<iframe srcdoc='<script>alert(1)'>",
)  # fmt: skip


def test_foreign_text_is_only_text(played: House, visit: Callable[..., Visit]) -> None:
    one = visit(played)
    page = one.page
    page.on("dialog", lambda box: (one.complaints.append("a script ran"), box.dismiss()))
    one.go("/flows/client-to-perfex")
    record = {f"<b>{number}</b>": text for number, text in enumerate(STRINGS)}
    record |= {"name": STRINGS[0], "vat_number": STRINGS[2], "country_iso": "IT"}
    page.locator(".advanced > summary").click()
    page.get_by_role("button", name="Paste a record").click()
    page.get_by_role("dialog").locator("textarea").fill(json.dumps(record))
    page.get_by_role("dialog").get_by_role("button", name="Use it").click()
    page.get_by_role("button", name="Pin for everybody").click()
    page.get_by_text("It is kept until").wait_for()
    page.reload()
    page.locator(".advanced > summary").click()
    page.get_by_role("button", name="Unpin").wait_for()
    page.get_by_label("Sample", exact=True).select_option(label="Made-up sample")
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("dialog").get_by_text("Save as a test").click()
    page.get_by_role("dialog").get_by_label("What it shows").fill(STRINGS[0])
    one.usable()
    one.picture("builder-try")
    page.get_by_role("dialog").get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("Everything is as expected.").wait_for()
    one.usable()
    page.keyboard.press("Escape")
    page.get_by_label("Sample", exact=True).select_option(label="Pasted record (pinned)")
    page.locator(".step summary").nth(2).click()
    step = page.locator("details.step[open]")
    step.locator(".exact", has_text=STRINGS[0]).wait_for()
    step.get_by_role("button", name="Insert a value: Company").click()
    page.get_by_role("dialog").get_by_text(STRINGS[1]).first.wait_for()
    page.keyboard.press("Escape")
    for number, text in enumerate(STRINGS):
        page.get_by_label("Name", exact=True).fill(f"{text} {number}")
    # A flow of the tests before may make the same customer: then that is said instead.
    page.get_by_text("Nothing is wrong.").or_(page.get_by_text("Worth a look")).first.wait_for()
    row = step.locator(".fieldrow[data-path='data.company']")
    row.locator(".pill").click()
    page.get_by_role("textbox", name="Expression").fill("trigger.resource.name | upper")
    page.keyboard.press("Enter")
    row.locator(".exact", has_text=STRINGS[0].upper()).wait_for()
    Builder(one).more("Saved tests")
    page.get_by_text("Tests that differ from what is expected: 1 of 1.").wait_for()
    assert "update: Company" in page.get_by_role("dialog").inner_text()
    one.usable()
    one.picture("builder-tests")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("Tests that differ from what is expected now: 1.").wait_for()
    one.usable()
    page.keyboard.press("Escape")
    Builder(one).more("Saved tests")
    page.get_by_role("button", name="Take this as expected").click()
    page.get_by_text("Everything is as expected.").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Publish", exact=True).click()
    page.wait_for_url("**published=*")
    one.go("/flows")
    page.get_by_text(STRINGS[-1]).first.wait_for()
    page.get_by_role("link", name=f"Delete … {STRINGS[-1]}").click()
    page.get_by_text("Its pinned sample.").wait_for()
    one.usable()
    one.picture("flow-delete")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_text("The flow client-to-perfex is deleted.").wait_for()
    assert page.get_by_text("client-to-perfex", exact=True).count() == 0
