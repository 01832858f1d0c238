"""Reading YAML: the places of values, the traps that are closed, the sentences for faults."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from connector.errors import Issue
from connector.flow.document import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_KEY,
    MAX_VALUES,
    DocumentFault,
    read_document,
    spot_at,
)

LOADERS = [yaml.SafeLoader]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(yaml.CSafeLoader)

both = pytest.mark.parametrize("loader", LOADERS, ids=lambda one: one.__name__)


def data(text: str, loader: Any = None) -> Any:
    value, issues = read_document(text, loader=loader)
    assert not issues
    return value.plain()


def fault(text: str, loader: Any = None) -> Issue:
    with pytest.raises(DocumentFault) as caught:
        read_document(text, loader=loader)
    return caught.value.issue


class TestValues:
    @both
    @pytest.mark.parametrize(
        ("written", "wanted"),
        [
            ("12", 12),
            ("-12", -12),
            ("12.50", Decimal("12.50")),
            ("true", True),
            ("False", False),
            ("null", None),
            ("~", None),
            ("", None),
            ("no", "no"),
            ("on", "on"),
            ("Y", "Y"),
            ("00184", "00184"),
            ("+390612345", "+390612345"),
            ("1_000", "1_000"),
            ("0x10", "0x10"),
            ("1e3", "1e3"),
            ("12:30", "12:30"),
            (".5", ".5"),
            (".inf", ".inf"),
            (".nan", ".nan"),
            ("1.234,56", "1.234,56"),
            ("2026-12-31", "2026-12-31"),
            ("=", "="),
            ("<<", "<<"),
            ("'12'", "12"),
            ('"true"', "true"),
            ("9" * 32, "9" * 32),
        ],
    )
    def test_plain_text_means_what_it_looks_like(
        self, written: str, wanted: Any, loader: Any
    ) -> None:
        got = data(f"a: {written}", loader)["a"]
        assert (type(got), got) == (type(wanted), wanted)

    @both
    def test_keys_are_text(self, loader: Any) -> None:
        assert data("1: a\ntrue: b\nnull: c\nno: d\n", loader) == {
            "1": "a",
            "true": "b",
            "null": "c",
            "no": "d",
        }

    @both
    def test_merge_key_is_a_key_like_any(self, loader: Any) -> None:
        assert data("<<: {a: 1}", loader) == {"<<": {"a": 1}}

    @both
    def test_block_texts(self, loader: Any) -> None:
        assert data("a: |\n  x\n  y\nb: >-\n  x\n  y\n", loader) == {"a": "x\ny\n", "b": "x y"}


class TestPlaces:
    TEXT = 'flow: a\nsteps:\n  - id: "x"\n    map: {data.name: "{{ y }}"}\n'

    @both
    def test_every_value_and_key_knows_its_place(self, loader: Any) -> None:
        root, _ = read_document(self.TEXT, loader=loader)
        step = root.data["steps"].data[0]
        line = step.data["map"]
        assert (root.keys["steps"].line, root.keys["steps"].column) == (2, 1)
        assert (step.data["id"].spot.line, step.data["id"].spot.column) == (3, 9)
        assert (line.keys["data.name"].line, line.keys["data.name"].column) == (4, 11)
        spot = line.data["data.name"].spot
        assert self.TEXT[spot.index :].startswith('"{{ y }}"')

    @both
    def test_columns_count_characters(self, loader: Any) -> None:
        root, _ = read_document("{à: è, ü: x}", loader=loader)
        assert root.data["ü"].spot.column == 11

    @given(st.text("ab\n", max_size=30))
    def test_place_of_an_index(self, text: str) -> None:
        for index in range(len(text)):
            spot = spot_at(text, index)
            line = text.split("\n")[spot.line - 1]
            assert text[index] == (line + "\n")[spot.column - 1]

    @both
    def test_key_that_comes_twice(self, loader: Any) -> None:
        root, issues = read_document("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", loader=loader)
        assert root.plain() == {"a": 1, "b": {"c": 1}}
        assert [(one.line, one.column) for one in issues] == [(4, 3), (5, 1)]
        assert issues[0].message == "The key 'c' stands here twice; it is on line 3 already."


FAULTS = [
    ("flow: a\nsteps:\n\t- id: x\n", 3, 1, "A tab is used to indent"),
    ("flow: a\nname b\nsteps: c\n", 2, 1, "There is no colon after this key."),
    ("flow: a\nname: New: clients\n", 2, 10, "holds a colon followed by a space"),
    ('flow: a\nname: "abc\nsteps: x\n', 2, 7, "quotation mark is never closed"),
    ('a: "{{ x }}\nb: c\nd: "{{ y }}"\n', 1, 4, "closed on line 3 only"),
    ("flow: a\nsteps: [a, b\n", 2, 8, "This [ is not closed"),
    ("flow: a\nmap: {a: 1\n", 2, 6, "This { is not closed"),
    ("flow: a\nsteps:\n  - id: x\n   node: y\n", 4, 4, "indented differently"),
    ("steps:\n    - id: a\n  - id: b\n", 3, 3, "indented differently"),
    ("a: @b\n", 1, 4, "cannot begin with @"),
    ("a: `b`\n", 1, 4, "cannot begin with `"),
    ("a: %b\n", 1, 4, "cannot begin with %"),
    ('a: "\\q"\n', 1, 4, "backslash that means nothing"),
    ('a: "x" y\n', 1, 8, "cannot follow what stands before it"),
    ("a: | b\n", 1, 4, "Nothing may follow | or >"),
    ("flow: a\nwhen: {{ trigger.x }}\n", 2, 8, "A key must be text."),
    ("a: *b\n", 1, 4, "Anchors and aliases"),
    ("a: &b c\n", 1, 4, "Anchors and aliases"),
    ("a: ! 12\n", 1, 4, "Tags"),
    ("a: !!python/object:os.system x\n", 1, 4, "Tags"),
    ("a: 1\n---\nb: 2\n", 2, 1, "A second document"),
    ("a: \x01\n", 1, 4, "a character that YAML does not allow"),
    ("a: 1\nb: \ud800\n", 2, 4, "half a character"),
    ("", 1, 1, "The document is empty."),
    ("# only a comment\n", 1, 1, "The document is empty."),
]


class TestFaults:
    @both
    @pytest.mark.parametrize(
        ("text", "line", "column", "words"), FAULTS, ids=[one[3][:30] for one in FAULTS]
    )
    def test_is_told_in_plain_words_at_its_place(
        self, text: str, line: int, column: int, words: str, loader: Any
    ) -> None:
        issue = fault(text, loader)
        assert words in issue.message
        assert (issue.line, issue.column) == (line, column)
        assert issue.remedy

    @both
    @given(st.text("ab: -[]{}\"'\n#|>&*!%@`,?\t\\\u00e0", max_size=40))
    def test_any_text_is_read_or_refused(self, loader: Any, text: str) -> None:
        try:
            root, _ = read_document(text, loader=loader)
        except DocumentFault:
            return
        root.plain()


class TestBounds:
    """What costs too much is refused before it does."""

    def test_size(self) -> None:
        assert "larger than 1024 KiB" in fault("#" * (MAX_BYTES + 1)).message
        assert "larger than 1024 KiB" in fault("à" * (MAX_BYTES // 2 + 1)).message

    @both
    @pytest.mark.parametrize("opening", ["[", "{", "- ", "? "])
    def test_depth(self, opening: str, loader: Any) -> None:
        assert f"more than {MAX_DEPTH} levels" in fault(opening * 50_000, loader).message

    @both
    def test_number_of_values(self, loader: Any) -> None:
        text = "[" + "a," * (MAX_VALUES + 1) + "]"
        assert f"more than {MAX_VALUES} values" in fault(text, loader).message

    @both
    def test_length_of_a_key(self, loader: Any) -> None:
        assert data("k" * MAX_KEY + ": 1", loader)
        assert "at most 150 characters" in fault("k" * (MAX_KEY + 1) + ": 1", loader).message

    @both
    def test_aliases_multiply_nothing(self, loader: Any) -> None:
        text = "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(20))
        assert "Anchors" in fault(text, loader).message
