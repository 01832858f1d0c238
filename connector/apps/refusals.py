"""A refusal as a bookkeeper reads it: what was refused and why, then the app's own words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from connector.errors import Issue

MOST_NAMED = 4
NO_WORDS_REMEDY = (
    "Compare the exact request with a record that was entered there by hand, and try again with"
    " fewer fields filled in. If it stays, ask the support of the app, with the time of this run."
)
FIELDS_REMEDY = "Correct this in the flow, or in the record that it reads, and replay the run."

_SAYS_NOTHING = re.compile(
    r"unexpected error|unknown error|generic error|internal (server )?error|something went wrong"
    r"|errore (imprevisto|interno|generico|sconosciuto)|an? error (has )?occurred"
    r"|^\W*((invalid|bad) request|validation[ _]failed|unprocessable( \w+)?|error|forbidden"
    r"|not found|conflict|the given data was invalid|an error without words"
    r"|it refuses without words|some fields are wrong)\W*$"
    r"|\b(add|update|delete|create|insert)\w* fail(ed)?\W*$",
    re.IGNORECASE,
)
_REASONS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        # At its end: "must be greater than the required minimum" speaks of a value that is there.
        (r"\b(?:is|are) required\b|^\W*required\W*$|obbligatori\w?\W*$",
         "it is empty and must be filled in"),
        (r"can(?:'|no)t be (?:empty|blank|null)|must not be empty",
         "it is empty and must be filled in"),
        (r"already (?:been taken|exist|in use|used)|unique|gi[aà] (?:presente|us|esist)",
         "another record has this value already"),
        (r"valid e-?mail|e-?mail valid", "it is not an e-mail address"),
        (r"valid date|not a date|match the format|valid date format|data valida",
         "it is not a date as the app writes dates"),
        (r"valid url|be a url", "it is not a web address"),
        (r"integer|whole number|numero intero", "it must be a whole number"),
        (r"must be (?:a )?(?:number|numeric)|contain only numbers|not a number|essere numeric",
         "it must be a number"),
        (r"(?:exceed|greater|at most|longer|less than).*char|too long|troppo lung",
         "it is too long"),
        (r"at least.*char|too short|troppo cort", "it is too short"),
        (r"must be (?:at least|greater)", "it is too small"),
        (r"not be greater|not exceed|at most|must be less", "it is too large"),
        (r"selected .*invalid|one of\b|in the list", "it is not one of the values to choose from"),
        (r"must be an? (?:string|array|object|boolean)|true or false",
         "it is another kind of value than the app takes there"),
        (r"totale dei pagamenti non corrisponde",
         "the payments do not add up to the amount due"),
    )
)  # fmt: skip


def says_nothing(words: str) -> bool:
    """Whether an app's sentence tells no reason, such as "An unexpected error occurred"."""
    return not words.strip() or _SAYS_NOTHING.search(words) is not None


def reason_of(words: str) -> str:
    """Why a value was refused, in our words; nothing where the sentence is of no known kind."""
    return next((reason for pattern, reason in _REASONS if pattern.search(words)), "")


def quoted(sentence: str, words: str, figures: str = "") -> str:
    """A sentence of ours, and after it what the app said itself."""
    if figures and words:
        return f"{sentence} In its own words: “{words}” ({figures})"
    return f"{sentence} In its own words: “{words}”" if words else sentence


def refused_data(app: str, words: str, issues: Sequence[Issue], figures: str = "") -> str:
    """What an app did not take; a field is named by its path, for which pages put its name."""
    fields = list(dict.fromkeys(one.field for one in issues if one.field))
    if fields:
        # What is said of a field stands with it; what is said beside that must not be lost.
        known = says_nothing(words) or any(words in one.message for one in issues)
        own, more = ("", "") if known else (words, figures)
        return quoted(_refused_fields(app, fields, reason_of(issues[0].message)), own, more)
    if says_nothing(words):
        return quoted(f"{app} did not accept the record, and does not say why.", words)
    reason = reason_of(words)
    text = f"{app} did not accept the record: {reason}." if reason else ""
    return quoted(text or f"{app} did not accept the record.", words, figures)


def _refused_fields(app: str, fields: Sequence[str], reason: str) -> str:
    if len(fields) == 1:
        if reason:
            return f"{app} did not accept the field “{fields[0]}”: {reason}."
        return f"{app} did not accept the field “{fields[0]}”, and wrote nothing."
    named = ", ".join(f"“{one}”" for one in fields[:MOST_NAMED])
    named += ", …" if len(fields) > MOST_NAMED else ""
    return f"{app} did not accept {len(fields)} fields, and wrote nothing: {named}."


def refused_field(words: str) -> str:
    """Why an app did not take one field."""
    reason = reason_of(words)
    sentence = f"It was not accepted, because {reason}." if reason else "It was not accepted."
    return quoted(sentence, "" if says_nothing(words) else words)
