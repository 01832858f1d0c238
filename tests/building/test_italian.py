"""Everything that a form, a card or a sample says of a node has an Italian text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connector import Trigger
from connector.building import forms
from connector.building.words import TEXTS, Words, words_of
from connector.flow.document import read_document
from tests.loaded import the_catalog

CATALOG = the_catalog()
ROOTS = CATALOG.schemas.roots
UNSAID = "\0"


def said(words: Words) -> Words:
    """The same words, where what nobody translated is found."""

    class Strict(Words):
        def text(self, given: str, language: str) -> str:
            return self.texts.get(given, UNSAID) if given and language == "it" else given

    return Strict(**{name: getattr(words, name) for name in words.__dataclass_fields__})


def texts() -> Iterator[tuple[str, str, str]]:
    """Where a text stands, the text, and its Italian."""
    for node in CATALOG.nodes.values():
        words = said(words_of(node.app, ROOTS))
        name, line = words.node(node.key, UNSAID, node.description, "it")
        yield node.name, node.label, name
        yield node.name, node.description, line
        for schema, prefix, field in forms._inputs(CATALOG, node):
            inner = field.path.removeprefix(f"{prefix}.") if prefix else field.path
            place = f"{node.name} {field.path}"
            yield place, field.label, words.label(schema, inner, field.label, "it")
            yield place, field.help, words.help(schema, inner, field.help, "it")
            for one in field.choices or ():
                yield place, one.label, words.choice(one.label, "it")


def deeds() -> Iterator[tuple[str, str]]:
    """What can be done in emulated apps, with the app of each."""
    for app in CATALOG.apps.values():
        for one in app.deeds.values():
            yield app.key, one.label


def test_every_deed_is_italian() -> None:
    told = {label: said(words_of(app, ROOTS)).text(label, "it") for app, label in deeds()}
    assert len(told) == 10
    assert UNSAID not in told.values()


def test_every_label_help_choice_and_description_is_italian() -> None:
    missing = {text: place for place, text, told in texts() if UNSAID in told}
    assert missing == {}, "write them into schemas/<app>/italian.yaml"


def test_what_a_node_gives_has_italian_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms, "words_of", lambda app, roots: said(words_of(app, roots)))
    missing = {
        (node.name, path)
        for node in CATALOG.nodes.values()
        for kind in (None, *(node.outputs if isinstance(node, Trigger) else ()))
        for told in (forms.output_labels, forms.output_parts)
        for path, word in told(CATALOG, node, "it", kind).items()
        if word == UNSAID
    }
    assert missing == set()


FILES = sorted(path for root in ROOTS for path in root.glob(f"*/{TEXTS}"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parent.name)
def test_a_text_is_translated_once_and_is_still_said(path: Path) -> None:
    listed = read_document(path.read_text("utf-8"))[0].plain()
    given = [one for one, _ in listed]
    assert sorted(given) == sorted(set(given))
    assert all(told.strip() for _, told in listed)
    nodes = [node for node in CATALOG.nodes.values() if node.app == path.parent.name]
    known = {node.description for node in nodes}
    known |= {label for app, label in deeds() if app == path.parent.name}
    for node in nodes:
        kinds = (None, *(node.outputs if isinstance(node, Trigger) else ()))
        outputs = [field for kind in kinds for field in CATALOG.output_fields(node, kind)]
        for field in (*CATALOG.fields(node), *outputs):
            known |= {
                field.label,
                field.help,
                field.group,
                *(one.label for one in field.choices or ()),
            }
    assert set(given) - known == set(), "nothing says this any more"


def test_labels_of_an_output_are_those_of_its_record() -> None:
    node = CATALOG.node("fatture_in_cloud.find_issued_document")
    words = forms.output_labels(CATALOG, node, "it")
    assert words["record.amount_gross"] == "Totale documento"
    assert words["record.entity.name"] == "Ragione sociale o nome"
    trigger = CATALOG.node("fatture_in_cloud.enriched_event")
    words = forms.output_labels(CATALOG, trigger, "it", "entities.clients")
    assert words["resource.name"] == "Ragione sociale o nome"
