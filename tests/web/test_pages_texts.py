"""Every text of the pages has an Italian one that fits it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from connector.building.words import well_set
from connector.web.pages.sentences import FILES as ERRORS, SUMMARIES, WORDS
from connector.web.pages.telling import NOTES
from connector.web.pages.words import (
    FOLDER,
    LANGUAGES,
    SOURCE,
    Words,
    choose,
    read_texts,
    words_of,
)
from tests.loaded import the_catalog
from tests.web.sentences import code, holed, told_to_people, tree_of

PAGES = FOLDER.parent
TERMINAL = PAGES.parents[1] / "cli"
"""What a newcomer reads there has its words in the same files."""
KEYWORDS = {"_": None, "mark": None, "plural": (1, 2)}
FILES = sorted(FOLDER.glob("*/*.po"))
TEXTS = [one for one in FILES if not one.stem.startswith((ERRORS, SUMMARIES))]
SENTENCES = [one for one in FILES if one.stem.startswith(ERRORS) and one.stem != WORDS]


def texts() -> Iterator[tuple[str, Any]]:
    """Where a text stands, and the text: one, or both forms of a plural."""
    pages = [*PAGES.glob("*.py"), *PAGES.glob("templates/**/*.html")]
    for path in sorted([*pages, *TERMINAL.glob("*.py")]):
        name = path.relative_to(PAGES.parents[1]).as_posix()
        with path.open("rb") as file:
            if path.suffix == ".py":
                found = extract("python", file, KEYWORDS)
            else:
                options = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
                found = (
                    (line, _told(call, told), comments, None)
                    for line, call, told, comments in babel_extract(
                        file, list(KEYWORDS), [], options
                    )
                )
            for line, told, _, _ in found:
                if told:
                    yield f"{name}:{line}", told


def _told(call: str, told: Any) -> Any:
    """What is translated of a call: its texts, without what is filled in."""
    if not isinstance(told, tuple):
        return told
    return tuple(told[:2]) if call == "plural" else told[0]


def holes(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)[sd]", text))


def test_something_is_found() -> None:
    found = [text for _, text in texts()]
    assert "Log in" in found
    assert any(isinstance(one, tuple) for one in found)


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != SOURCE])
def test_every_text_is_translated(language: str) -> None:
    known = words_of(language)._texts
    missing = sorted({(text, place) for place, text in texts() if text not in known}, key=str)
    assert missing == [], "\n" + "\n".join(
        f'# {place}\nmsgid "{text}"\nmsgstr ""\n' for text, place in missing
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_translation_fits_its_text(path: Path) -> None:
    with path.open("rb") as file:
        catalog = read_po(file)
    for message in catalog:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple | list) else (message.id,)
        given = message.string if isinstance(message.string, tuple | list) else (message.string,)
        assert len(given) == len(ids), message.id
        assert all(text.strip() for text in given), f"{message.id!r} has no translation"
        for text in given:
            assert holes(text) <= holes(ids[-1]) | {"count"}, message.id
            if path in TEXTS:
                # Of a command at the shell, the Italian tells the page that does the same.
                assert holes(text) | {"count"} == holes(ids[-1]) | {"count"}, message.id


def test_files_of_one_language_agree() -> None:
    seen: dict[Any, tuple[str, Any]] = {}
    for path in FILES:
        with path.open("rb") as file:
            for message in read_po(file):
                key = (path.parent.name, str(message.id))
                before = seen.setdefault(key, (path.name, message.string))
                assert before[1] == message.string or not message.id, (
                    f"{message.id!r}: {before[0]} and {path.name}"
                )


def sentences() -> set[str]:
    """Every sentence in the code, with a hole where something is filled in."""
    return {
        text
        for path in code()
        for node in ast.walk(tree_of(path))
        for text in [holed(node)]
        if text
    }


def filters() -> list[str]:
    """What the builder says of filters."""
    listed = the_catalog().filters.values()
    return [text for one in listed if one.help for text in (one.help, one.group) if text]


def test_the_code_still_says_what_is_translated() -> None:
    known = sentences() | set(filters())
    gone = []
    for path in SENTENCES:
        told = read_texts(path)
        gone += [text for text in told if re.sub(r"%\(\w+\)s", "%", text) not in known]
    assert gone == []


# Sentences that no page shows, and why.
SAME = {"Perfex CRM"}
NOT_SHOWN = {
    "% runs its own code: it has no request.": "only a developer asks a node for what it lacks",
    "The HTTP client is closed.": "it is closed when Connector stops",
    "A form must be an object.": "a node's own request is malformed",
    "The node % is of an unknown app.": "found when a catalogue is loaded",
    "The node % of the bundle % exists already.": "found when a catalogue is loaded",
    "Rename one of them.": "found when a catalogue is loaded",
    "The node % has the input % twice.": "found when a catalogue is loaded",
}


@pytest.mark.parametrize("language", [one for one in LANGUAGES if one != SOURCE])
def test_every_sentence_of_an_error_is_translated(language: str) -> None:
    known = {
        re.sub(r"%\(\w+\)s", "%", text)
        for path in SENTENCES
        if path.parent.name == language
        for text in read_texts(path)
    }
    catalog = the_catalog()
    nodes = {node.description for node in catalog.nodes.values()}
    missing = {
        text: place
        for place, text in told_to_people()
        if text not in known | nodes | set(NOT_SHOWN)
        and not any(one.fullmatch(text.replace("%", "7")) for one, _ in NOTES)
    }
    assert missing == {}, "write them into locale/it/errors-….po, or say why they are not shown"


def test_every_filter_is_explained_in_italian() -> None:
    _ = words_of("it")
    assert [text for text in filters() if _.told(text) == text and text not in SAME] == []


def test_sentences_are_found_by_their_form() -> None:
    _ = words_of("it")
    told = _.told("There is no connection named 'a.b (c)'.")
    assert told == "Non c’è alcun collegamento di nome 'a.b (c)'."
    assert _.told("Nobody has said this.") == "Nobody has said this."
    assert words_of("en").told("The token is empty.") == "The token is empty."


def test_no_translation_is_left_over() -> None:
    used = {str(text) for _, text in texts()}
    left = []
    for path in TEXTS:
        with path.open("rb") as file:
            for message in read_po(file):
                key = tuple(message.id) if isinstance(message.id, list | tuple) else message.id
                if key and str(key) not in used:
                    left.append(f"{path.name}: {key}")
    assert left == []


@pytest.mark.parametrize(
    ("wanted", "accept", "language"),
    [
        ((), "", "en"),
        ((), "it-IT,it;q=0.9,en;q=0.8", "it"),
        ((), "de-DE,de;q=0.9", "en"),
        ((), "en;q=0.3,it;q=0.4", "it"),
        ((), "it;q=nonsense,en;q=0.1", "en"),
        (("it",), "en", "it"),
        (("xx",), "it", "it"),
    ],
)
def test_the_language_is_the_readers(wanted: tuple[str, ...], accept: str, language: str) -> None:
    assert choose(wanted, accept) == language


def test_numbers_dates_and_plurals_are_the_languages() -> None:
    english, italian = words_of("en"), words_of("it")
    assert english.number(40_000) == "40,000"
    assert italian.number(40_000) == "40.000"
    assert italian.money(1234) == "1.234,00\xa0€"
    assert english.plural("%(count)s run", "%(count)s runs", 1) == "1 run"
    assert english.plural("%(count)s run", "%(count)s runs", 2_000) == "2,000 runs"
    assert Words("it", {("a", "b"): ("uno", "%(count)s molti")}).plural("a", "b", 3) == "3 molti"
    assert italian.ago(0, 7_200) == "2 ore fa"
    assert italian.ago(0.4, 0) == "adesso"


def test_italian_is_spelt_and_worded_well() -> None:
    wrong = re.compile(r"quale è|[Nn]on è detto|era raggiungibile per un|rimediat[aei]\b")
    found = [text for path in FILES for text in wrong.findall(path.read_text("utf-8"))]
    assert found == []


def test_apostrophes_and_hyphens_are_those_of_print() -> None:
    """However a text was typed; a quoted value and the text of an expression stay."""
    italian = words_of("it")
    assert italian("Choose from the app") == "Scegli dall’app"
    assert well_set("l'app 'abc' d['x'] un po' {{ 'a' }}") == "l’app 'abc' d['x'] un po’ {{ 'a' }}"
    told = [text for text in italian._texts.values() if isinstance(text, str)]
    assert not any(re.search(r"[^\W\d_]'[^\W\d_]|e-fattur", text) for text in told)
