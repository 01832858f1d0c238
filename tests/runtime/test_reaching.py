"""Which companies a flow names that its connections do not reach, whatever its text holds."""

from __future__ import annotations

import pytest

from connector.runtime.reaching import beyond
from tests.loaded import the_catalog

FOLLOWS = "trigger: {{node: fatture_in_cloud.enriched_event, connection: f, with: {given}}}"


@pytest.mark.parametrize(
    "text",
    [
        "just text", "[]", "- 1", "trigger: 5\nsteps: 7", "{",
        "trigger: {node: x}\nsteps: [1, {node: [1]}]", FOLLOWS.format(given="5"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_flow_names_none(text: str) -> None:
    assert beyond(text, the_catalog(), {"f": {"1": "Rossi"}}) == []


def test_another_company_is_named_and_an_own_one_is_not() -> None:
    text = FOLLOWS.format(given="{company_id: 2}")
    assert beyond(text, the_catalog(), {"f": {"1": "Rossi"}}) == [("f", "2")]
    assert beyond(text, the_catalog(), {"f": {"1": "Rossi", "2": "Bianchi"}}) == []
