"""What changed between two versions, in plain words."""

from __future__ import annotations

import copy
import string
from pathlib import Path
from typing import Any

import pytest

from connector.building import meaning_words
from connector.building.meaning_diff import changes
from connector.building.rewrite import read_plain, rewrite
from tests.loaded import the_catalog

CATALOG = the_catalog()
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
            "Step 'Create Customer' will now also fill Website: x.example.",
            "Il passo 'Crea cliente' ora compila anche Sito web: x.example.",
        ),
        (
            lambda data: create(data).update(enabled=False),
            "Step 'Create Customer' is switched off: it is left out.",
            "Il passo 'Crea cliente' è spento: viene saltato.",
        ),
        (
            lambda data: create(data)["map"].pop("data.vat"),
            "Step 'Create Customer' no longer fills VAT number.",
            "Il passo 'Crea cliente' non compila più Partita IVA.",
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
            "Step 'Find Customer' now runs after 'Update Customer'.",
            "Il passo 'Trova cliente' ora viene dopo 'Modifica cliente'.",
        ),
        (
            lambda data: data["steps"].pop(),
            "Step 'Update Customer' is gone.",
            "Il passo 'Modifica cliente' non c’è più.",
        ),
        (
            lambda data: create(data).update(id="make"),
            "Step 'create' is now called 'make'.",
            "Il passo 'create' ora si chiama 'make'.",
        ),
        (
            lambda data: create(data).update(connection="other"),
            "Step 'Create Customer' now uses the connection other, no longer perfex.",
            "Il passo 'Crea cliente' ora usa il collegamento other, non più perfex.",
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
    for key, pair in meaning_words.SAID.items():
        blanks = [
            {name for _, name, _, _ in string.Formatter().parse(text) if name} for text in pair
        ]
        assert blanks[0] == blanks[1], key


LINES = """flow: a
trigger:
  node: fatture_in_cloud.enriched_event
steps:
  - id: invoice
    node: fatture_in_cloud.compose_invoice
    map:
      data.items_list:
        for_each: "{{ trigger.resource.items_list }}"
        map:
          name: "{{ item.name }}"
          vat_id: "{{ item.vat.id }}"
      data.payment.instalments:
        - days: 30
"""
STEP = "Step 'Compose Invoice'"


@pytest.mark.parametrize(
    ("old", "new", "english"),
    [
        (
            'vat_id: "{{ item.vat.id }}"',
            'vat: "{{ item.vat.value }}%"',
            [
                f"{STEP}, in each row of Lines: no longer fills VAT type id.",
                f"{STEP}, in each row of Lines: now also fills VAT with {{{{ item.vat.value }}}}%.",
            ],
        ),
        (
            'name: "{{ item.name }}"',
            'name: "{{ item.description }}"',
            [
                (
                    f"{STEP}, in each row of Lines: fills Name with item.description instead of "
                    "item.name."
                )
            ],
        ),
        (
            "resource.items_list }}",
            "resource.rows }}",
            [
                (
                    f"{STEP} makes a row of Lines for each of trigger.resource.rows, no longer of "
                    "trigger.resource.items_list."
                )
            ],
        ),
        (
            "        - days: 30\n",
            "        - days: 60\n        - percent: 40\n",
            [
                f"{STEP}, row 1 of Instalments: fills Instalment days with 60 instead of 30.",
                f"{STEP} has a new row 2 of Instalments; it fills Instalment per cent.",
            ],
        ),
        ("        - days: 30\n", "        []\n", [f"{STEP} no longer has row 1 of Instalments."]),
        # Another name for the row, or the same fields written as an object, mean the same.
        (
            'map:\n          name: "{{ item.name }}"\n          vat_id: "{{ item.vat.id }}"',
            (
                'as: line\n        map:\n          name: "{{ line.name }}"\n          vat_id: '
                '"{{ line.vat.id }}"'
            ),
            [],
        ),
    ],
)
def test_changes_inside_rows_are_told(old: str, new: str, english: list[str]) -> None:
    assert old in LINES
    assert changes(CATALOG, LINES, LINES.replace(old, new)) == english


def test_rows_that_are_new_say_what_they_fill() -> None:
    start = LINES.index("      data.items_list")
    bare = LINES[:start] + "      data.notes: x\n"
    told = changes(CATALOG, bare, LINES, "it")[1:]
    assert told == [
        (
            "Il passo 'Componi fattura' ora prepara anche Righe, una riga per ogni elemento di "
            "trigger.resource.items_list; compila Nome prodotto, ID dell’aliquota IVA."
        ),
        "Il passo 'Componi fattura' ha una nuova riga 1 di Rate; compila Giorni della rata.",
    ]


def test_two_steps_that_are_called_the_same_are_told_apart() -> None:
    def twice(data: Any) -> None:
        data["steps"].append({**copy.deepcopy(create(data)), "id": "again", "enabled": False})

    assert told(twice) == [
        "New step: Create Customer (Perfex CRM).",
        "Step 'Create Customer (again)' is switched off: it is left out.",
    ]
