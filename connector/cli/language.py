"""The language of whoever sits at this terminal, for what a newcomer reads there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.web.pages.words import Words

NAMES = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Where the language stands, the strongest first."""


def words_here(environment: Mapping[str, str] = os.environ) -> Words:
    """The words of the pages, in the language that the environment names."""
    from connector.web.pages.words import choose, words_of

    named = next((environment[one] for one in NAMES if environment.get(one)), "")
    return words_of(choose((named.partition(".")[0].partition("_")[0].lower(),), ""))
