"""Why an app refused a value, told from its own sentence, and never a false reason."""

from __future__ import annotations

import pytest

from connector.apps.refusals import reason_of, says_nothing

EMPTY = "it is empty and must be filled in"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("The name field is required.", EMPTY),
        ("required", EMPTY),
        ("Il campo data.entity.name \u00e8 obbligatorio.", EMPTY),
        ("The amount must be greater than the required minimum.", "it is too small"),
        ("The VAT number has already been taken.", "another record has this value already"),
        ("I campi obbligatori sono stati compilati male", ""),
        ("The moon is full.", ""),
    ],
)
def test_a_sentence_is_told_in_our_words_or_not_at_all(words: str, reason: str) -> None:
    assert reason_of(words) == reason


def test_a_sentence_without_a_reason_is_known() -> None:
    assert says_nothing("An unexpected error occurred")
    assert not says_nothing("The VAT number is not valid.")
