"""What checks, previews and dry runs found, told in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.web.pages.words import Words

Found = dict[str, Any]


def issue_told(one: Mapping[str, Any], words: Words) -> Found:
    """An issue, or an error or a problem with its issues."""
    told = {
        **one,
        **{
            name: words.told(one[name])
            for name in ("message", "detail", "remedy")
            if isinstance(one.get(name), str)
        },
    }
    for name in ("issues", "fields"):
        if one.get(name):
            told[name] = [issue_told(inner, words) for inner in one[name]]
    return told


def check_told(found: Mapping[str, Any], words: Words) -> Found:
    """What a check or a preview found: its issues, and those of single fields."""
    told = {**found, "issues": [issue_told(one, words) for one in found["issues"]]}
    if "fields" in found:
        told["fields"] = {
            path: {**one, "issue": issue_told(one["issue"], words)} if "issue" in one else one
            for path, one in found["fields"].items()
        }
    return told


def run_told(found: Mapping[str, Any], words: Words) -> Found:
    """What a dry run came to: its error, and the errors and warnings of its steps."""
    steps = [
        {
            **one,
            "error": one["error"] and issue_told(one["error"], words),
            "warnings": [words.told(text) for text in one["warnings"]],
        }
        for one in found["steps"]
    ]
    return {**found, "error": found["error"] and issue_told(found["error"], words), "steps": steps}
