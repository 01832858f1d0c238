"""Where a replay goes on: what was only read before the step that failed is read anew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from connector.errors import ConnectorError
from connector.runtime.decisions import begins_at


def run(text: str) -> tuple[list[Any], list[Any]]:
    """`find:done write:done* next:failed`; a star stands where something was written."""
    steps, effects = [], []
    for position, one in enumerate(text.split()):
        name, _, state = one.partition(":")
        steps.append(SimpleNamespace(id=name, position=position, state=state.rstrip("*")))
        if state.endswith("*"):
            effects.append(SimpleNamespace(step_id=name))
    return steps, effects


@pytest.mark.parametrize(
    ("text", "from_step", "begin"),
    [
        ("find:done create:failed", None, 0),
        ("find:done create:failed*", None, 0),
        ("write:done* create:failed", None, 1),
        ("write:done* find:done more:done create:failed", None, 1),
        # Whether a step is left out may hang on what is read anew.
        ("find:done create:skipped update:failed", None, 0),
        ("write:done* create:skipped update:failed", None, 1),
        ("find:done create:failed", "create", 0),
        # Who names a step means no other that writes.
        ("find:done create:skipped update:failed", "update", 2),
        ("find:done create:done*", "create", 1),
        ("find:done create:done* tell:failed", "create", 1),
        ("find:done create:done* tell:failed", "find", 0),
        ("", None, 0),
    ],
)
def test_it_begins(text: str, from_step: str | None, begin: int) -> None:
    assert begins_at(7, *run(text), from_step) == begin


def test_a_step_that_did_not_run_is_none_to_begin_at() -> None:
    with pytest.raises(ConnectorError, match="no step 'fnd'") as caught:
        begins_at(7, *run("find:done"), "fnd")
    assert caught.value.field == "from"
