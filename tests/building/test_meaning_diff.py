"""What changed between two versions, in plain words."""

from __future__ import annotations

import copy
import string
from pathlib import Path
from typing import Any

import pytest

from connector import load_catalog
from connector.building import meaning_diff
from connector.building.meaning_diff import changes
from connector.building.rewrite import read_plain, rewrite

CATALOG = load_catalog()
TEXT = (Path(__file__).parents[2] / "examples" / "fic-client-to-perfex.yaml").read_text()


def told(change: Any, language: str = "en") -> list[str]:
    data = copy.deepcopy(read_plain(TEXT))
    change(data)
    return changes(CATALOG, TEXT, rewrite(TEXT, data), language)


def create(data: Any) -> Any:
    return data["steps"][1]


@pytest.mark.parametrize(
    ("change", "english", "italian"),
    [
        (
            lambda data: create(data)["map"].update({"data.website": "x.example"}),
            "Step 'create' will now also fill Website: x.example.",
            "Il passo 'create' ora compila anche Sito web: x.example.",
        ),
        (
            lambda data: create(data).update(enabled=False),
            "Step 'create' is switched off: it is left out.",
            "Il passo 'create' è spento: viene saltato.",
        ),
        (
            lambda data: create(data)["map"].pop("data.vat"),
            "Step 'create' no longer fills VAT number.",
            "Il passo 'create' non compila più Partita IVA.",
        ),
        (
            lambda data: data.pop("when"),
            "No longer filters: trigger.resource is not none.",
            "Non filtra più: trigger.resource is not none.",
        ),
        (
            lambda data: data["steps"].reverse(),
            None,
            None,
        ),
        (
            lambda data: data["steps"].append(data["steps"].pop(0)),
            "Step 'find' now runs after 'update'.",
            "Il passo 'find' ora viene dopo 'update'.",
        ),
        (
            lambda data: data["steps"].pop(),
            "Step 'update' (Update Customer (Perfex CRM)) is gone.",
            "Il passo 'update' (Modifica cliente (Perfex CRM)) non c'è più.",
        ),
        (
            lambda data: create(data).update(id="make"),
            "Step 'create' is now called 'make'.",
            "Il passo 'create' ora si chiama 'make'.",
        ),
        (
            lambda data: create(data).update(connection="other"),
            "Step 'create' now uses the connection other, no longer perfex.",
            "Il passo 'create' ora usa il collegamento other, non più perfex.",
        ),
        (
            lambda data: data.update(loops="allow"),
            "Now also follows changes that it made itself.",
            "Ora segue anche le modifiche che ha fatto lui stesso.",
        ),
    ],
)
def test_a_change_is_one_sentence(change: Any, english: str | None, italian: str | None) -> None:
    if english is None:
        assert len(told(change)) == 2
        return
    assert told(change) == [english]
    assert told(change, "it") == [italian]


def test_comments_and_quotes_mean_nothing() -> None:
    other = TEXT.replace("# A client that was deleted", "# One that was deleted")
    assert changes(CATALOG, TEXT, other.replace("name: New and", "name: New and")) == []


def test_a_text_that_cannot_be_read_is_said_to_be_so() -> None:
    assert changes(CATALOG, TEXT, "flow: [") == [
        "One of the two documents cannot be read: compare their text."
    ]


def test_no_part_of_a_flow_changes_in_silence() -> None:
    for key in ("name", "description", "trigger", "when", "steps", "order", "loops", "unknown"):
        assert told(lambda data, key=key: data.update({key: "changed"})), key


def test_every_sentence_has_the_same_blanks_in_both_languages() -> None:
    for key, pair in meaning_diff._SAID.items():
        blanks = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in pair
        ]
        assert blanks[0] == blanks[1], key
