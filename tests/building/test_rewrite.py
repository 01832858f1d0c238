"""Documents are changed as data, and their text is kept."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from connector.building.rewrite import read_plain, rewrite

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
CLIENTS = next(path for path in EXAMPLES if path.name == "fic-client-to-perfex.yaml").read_text()


def comments(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("#")]


def plain() -> Any:
    return copy.deepcopy(read_plain(CLIENTS))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_does_not_change_keeps_every_character(path: Path) -> None:
    text = path.read_text()
    assert rewrite(text, read_plain(text)) == text


def test_a_changed_line_is_the_only_line_that_changes() -> None:
    data = plain()
    data["steps"][1]["map"]["data.vat"] = "{{ trigger.resource.tax_code }}"
    made = rewrite(CLIENTS, data)
    pairs = zip(CLIENTS.splitlines(), made.splitlines(), strict=True)
    assert [new.strip() for old, new in pairs if old != new] == [
        'data.vat: "{{ trigger.resource.tax_code }}"'
    ]


def test_steps_change_places_with_their_comments() -> None:
    data = plain()
    data["steps"].reverse()
    made = rewrite(CLIENTS, data)
    assert read_plain(made) == data
    assert sorted(comments(made)) == sorted(comments(CLIENTS))


def test_a_new_step_leaves_the_others_as_they_were() -> None:
    data = plain()
    data["steps"].insert(1, {"id": "new", "node": "perfex_crm.find_customer", "connection": "p"})
    made = rewrite(CLIENTS, data)
    assert read_plain(made) == data
    assert comments(made) == comments(CLIENTS)
    assert all(line in made.splitlines() for line in CLIENTS.splitlines())


def test_a_step_with_another_name_keeps_its_text() -> None:
    data = plain()
    data["steps"][2]["id"] = "change"
    made = rewrite(CLIENTS, data)
    assert made == CLIENTS.replace("id: update", "id: change")


def test_yes_and_one_are_two_things() -> None:
    assert read_plain(rewrite("a: true\n", {"a": 1})) == {"a": 1}
    assert rewrite("a: true\n", {"a": 1}) == "a: 1\n"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc.:#- {", min_size=1, max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = st.sampled_from(
    [("name",), ("when",), ("trigger", "with"), ("steps", 0, "map"), ("steps", 1, "when")]
)


@settings(max_examples=150, deadline=None)
@given(place=PLACES, value=VALUES)
def test_whatever_is_set_the_text_says_exactly_that(place: tuple[Any, ...], value: Any) -> None:
    data = plain()
    target = data
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    if any(not character.isprintable() for character in repr(value)):
        return
    made = rewrite(CLIENTS, data)
    assert read_plain(made) == data


@settings(max_examples=60, deadline=None)
@given(order=st.permutations([0, 1, 2]), gone=st.sets(st.sampled_from([0, 1, 2]), max_size=2))
def test_any_order_of_any_steps_is_said_exactly(order: list[int], gone: set[int]) -> None:
    data = plain()
    data["steps"] = [data["steps"][at] for at in order if at not in gone]
    assert read_plain(rewrite(CLIENTS, data)) == data
