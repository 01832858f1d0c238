"""What PyYAML says of faulty text, in plain sentences that point at the right place."""

from __future__ import annotations

from typing import Any

_QUOTES = 'Put the whole value in double quotes: "…".'


def explain(error: Any, text: str, quoted: tuple[int, int] | None) -> tuple[str, str, int]:
    """What is wrong, the remedy, and the index of the character where it is wrong.

    `quoted` is where the last text in quotes begins and ends, if it goes over several lines.
    """
    problem: str = error.problem or ""
    here: int = error.problem_mark.index if error.problem_mark else 0
    start: int = error.context_mark.index if error.context_mark else here
    character = text[here] if here < len(text) else ""
    if quoted is not None and "\n" not in text[quoted[1] : here]:
        # A forgotten mark is closed by the next one, which was meant to open another text.
        line = text.count("\n", 0, quoted[1]) + 1
        message = f"This quotation mark is closed on line {line} only."
        return message, "Close it on the same line.", quoted[0]
    if character == "\t":
        return "A tab is used to indent this line.", "Use spaces.", here
    if "expected ':'" in problem:
        return "There is no colon after this key.", "Write `key: value`.", start
    if "mapping values are not allowed" in problem:
        return "This value holds a colon followed by a space.", _QUOTES, here
    if "unexpected end of stream" in problem:
        return "This quotation mark is never closed.", "Close it on the same line.", start
    if "',' or" in problem:
        bracket = text[start] if start < len(text) else "["
        return (
            f"This {bracket} is not closed, or a comma is missing behind it.",
            "Check the brackets; text with brackets or commas goes in quotes.",
            start,
        )
    if "cannot start any token" in problem:
        return f"A value cannot begin with {character}.", _QUOTES, here
    if "unknown escape" in problem:
        return (
            "This text holds a backslash that means nothing.",
            "Write two backslashes, or use single quotes: '…'.",
            start,
        )
    if "comment or a line break" in problem or "comment or line break" in problem:
        return "Nothing may follow | or > on its line.", _QUOTES, start
    if _first_on_line(text, here):
        return (
            "This line is indented differently from those it belongs to.",
            "Lines of one object begin in the same column; list items begin with `- `.",
            here,
        )
    return "This cannot follow what stands before it on the line.", _QUOTES, here


def _first_on_line(text: str, index: int) -> bool:
    return not text[text.rfind("\n", 0, index) + 1 : index].strip(" -")
