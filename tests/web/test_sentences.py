"""Sentences of the code, told in Italian with all that stands in them."""

from __future__ import annotations

import re

import pytest

from connector.web.pages.words import words_of
from tests.loaded import the_catalog

IT = words_of("it")
EN = words_of("en")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("This field takes a number, not a text.", "Questo campo vuole un numero, non un testo."),
        ("Text and number have no order.", "Testo e numero non si possono ordinare."),
        ("The flow invoices has 2 errors.", "Il flusso invoices ha 2 errori."),
        (
            "The connection 'x' was not granted cashbook:r, taxes:a.",
            (
                "Al collegamento 'x' non è stato concesso: Prima nota (leggere), "
                "Tributi (F24) (leggere e modificare)."
            ),
        ),
        (
            "Fatture in Cloud did not accept the field “data.name”: it is too long.",
            "Fatture in Cloud non ha accettato il campo “data.name”: è troppo lungo.",
        ),
        (
            "Line 2: It was not accepted, because it is too long. In its own words: “No.”",
            "Riga 2: Non è stato accettato, perché è troppo lungo. Con parole sue: “No.”",
        ),
        ("It was not accepted.", "Non è stato accettato."),
        (
            "Perfex CRM did not accept the field “a”, and wrote nothing. In its own words: “No.”",
            (
                "Perfex CRM non ha accettato il campo “a”, e non ha scritto niente. "
                "Con parole sue: “No.”"
            ),
        ),
        (
            "The record 7 is not the one that was written: run 1 of the flow f wrote it.",
            (
                "La scheda 7 non è quella che è stata scritta: l’ha scritta l’esecuzione 1 "
                "del flusso f."
            ),
        ),
        (
            (
                "Nothing was issued: this document comes to 1176.00 with VAT, and in the other app"
                " to 1180.50. The difference is -4.50."
            ),
            (
                "Non è stato emesso niente: questo documento arriva a 1.176,00 con IVA, nell’altra"
                " app a 1.180,50. La differenza è -4,50."
            ),
        ),
        (
            "The instalments come to 99.5 %, not to 100 %.",
            "Le rate fanno 99,5 %, non 100\N{NO-BREAK SPACE}%.",
        ),
        (
            (
                "Nothing was issued: Fatture in Cloud comes to other totals "
                "(net amount: ours 1176.00, theirs 1180.50; rivalsa: ours 22.00, theirs 22.01)."
            ),
            (
                "Non è stato emesso niente: a Fatture in Cloud risultano altri totali "
                "(imponibile: per noi 1.176,00, per loro 1.180,50; "
                "rivalsa: per noi 22,00, per loro 22,01)."
            ),
        ),
        # A number that is no amount stays as it is.
        ("This document has no instalment 17.50.", "Questo documento non ha la rata 17.50."),
        (
            "The lines come to a total of 176.00, not 180.5.",
            "Dalle righe risulta 176,00 (total), non 180,5.",
        ),
        ("The flow invoices has 1 error.", "Il flusso invoices ha 1 errore."),
        ("In the flow f: There is no step 'a'.", "Nel flusso f: Non c’è un passo 'a'."),
        (
            (
                "The credit note 42/A of 2026-03-04 is an e-invoice, and SDI has accepted it: "
                "it can no longer be deleted."
            ),
            (
                "Questo documento (nota di credito 42/A del 2026-03-04) è una "
                "e\N{NON-BREAKING HYPHEN}fattura, e lo SdI l’ha accettata: "
                "non può più essere eliminato."
            ),
        ),
    ],
)
def test_what_stands_in_a_sentence_is_told_too(said: str, told: str) -> None:
    assert IT.told(said) == told
    assert EN.told(said) == said


def test_what_people_wrote_stays_as_it_is() -> None:
    assert IT.told("There is no connection 'number'.") == "Non c’è un collegamento 'number'."
    assert IT.told("Nobody has said this.") == "Nobody has said this."
    # The form `… has …` needs both of its parts to be ours: this sentence is an app's.
    assert IT.told("The document has errors.") == "The document has errors."


def test_a_long_text_of_an_app_costs_nothing() -> None:
    text = "The " + "a: " * 200_000
    assert IT.told(text) is text


def test_data_is_told_where_it_holds_sentences_only() -> None:
    data = {
        "message": "The list is empty.",
        "payload": {"message": "The list is empty."},
        "issues": [{"message": "The text is empty.", "field": "data.message"}],
    }
    told = IT.told_data(data)
    assert told["message"] == "L’elenco è vuoto."
    assert told["payload"] == {"message": "The list is empty."}
    assert told["issues"] == [{"message": "Il testo è vuoto.", "field": "data.message"}]
    assert EN.told_data(data) == data


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Client 12: Rossi srl changed", "Cliente 12: Rossi srl, modificato"),
        ("3 found: Rossi srl", "Trovati: 3 (Rossi srl)"),
        ("invoice 42/A to Rossi srl", "fattura 42/A a Rossi srl"),
        ("Rossi srl", "Rossi srl"),
    ],
)
def test_a_summary_is_told(said: str, told: str) -> None:
    assert IT.summary(said) == told
    assert EN.summary(said) == said


def test_every_summary_of_a_node_is_told_in_italian() -> None:
    """What a summary says beside its values, with a value in each place."""
    missing = []
    for node in the_catalog().nodes.values():
        summary = str(getattr(node, "summary", "") or "")
        for text in _made_up(summary):
            if re.search(r"[a-z]{3}", text.replace("Rossi", "").replace("invoice", "")):
                missing += [(node.name, text)] if IT.summary(text) == text else []
    assert [one for one in missing if one[1] not in SAME] == []


SAME = {"invoice 7"}


def _made_up(summary: str) -> list[str]:
    """Both ways of a summary that has two."""
    ways = []
    for which in (1, 2):
        text = re.sub(
            r"\{\{ '([^']*)' if [\w.]+ else '([^']*)' \}\}", lambda two, at=which: two[at], summary
        )
        text = re.sub(r"\{\{ ': ' ~ [^}]*\}\}|\{\{ [\w.]+\.message \}\}", "", text)
        text = re.sub(r"\{\{ [\w.]*type \}\}", "invoice", text)
        text = re.sub(r"\{\{ [\w.]*(name|description|reason|email)\w* \}\}", "Rossi", text)
        ways.append(re.sub(r"\{\{ '?.*?\}\}", "7", text))
    return ways
