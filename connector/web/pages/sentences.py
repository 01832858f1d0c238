"""Sentences that the code makes, found by their form and told in a reader's language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

FILES: Final = "errors"
"""What the names of the files of sentences begin with; `errors-words` are parts of sentences."""
WORDS: Final = "errors-words"
PART: Final = "part_"
"""A place for a word of ours, such as "a number": it is told as well."""
TOLD: Final = "told_"
"""A place for a part that must be ours: where it is not, the sentence is somebody else's."""
NUMBER: Final = "n_"
"""A place for a number, or for what begins with one."""
AMOUNT: Final = "amount_"
"""A place for an amount or a rate, written as the reader writes numbers; else as a `part_`."""
_AMOUNT: Final = re.compile(r"-?\d{1,20}(?:\.(\d{1,10}))?", re.ASCII)
SUMMARIES: Final = "summaries"
"""The file of what steps say they did."""
_HOLE: Final = re.compile(r"%\((\w+)\)s")
LIST: Final = ", "
SEVERAL: Final = "; "
MOST_READ: Final = 2_000
DEEPEST: Final = 4


class Form:
    """What a sentence looks like, whatever stands in its places; compiled when it is needed."""

    __slots__ = ("_pattern", "_source", "literal", "longest", "start", "text")

    def __init__(self, source: str, text: str) -> None:
        parts = _HOLE.split(source)[::2]
        self._source, self.text = source, text
        self._pattern: re.Pattern[str] | None = None
        self.start, self.longest = parts[0], max(parts, key=len)
        self.literal = sum(map(len, parts))

    def values(self, sentence: str) -> dict[str, str] | None:
        """What stands in the places of a sentence of this form."""
        if not sentence.startswith(self.start) or self.longest not in sentence:
            return None
        if self._pattern is None:
            self._pattern = form(self._source)
        found = self._pattern.fullmatch(sentence)
        return found.groupdict() if found else None


class Sentences:
    """All that is known of one language: what says the most is tried first."""

    def __init__(
        self,
        told: Mapping[str, str],
        words: Mapping[str, str],
        written: Callable[[Decimal, int], str],
    ) -> None:
        """`written` writes a number with at least so many digits after its sign."""
        self._written = written
        self._whole = {one: text for one, text in told.items() if not _HOLE.search(one)}
        self._forms = _sorted(told)
        self._words = {one: text for one, text in words.items() if not _HOLE.search(one)}
        self._parts = _sorted(words)

    def told(self, sentence: str, deep: int = 0) -> str | None:
        """A sentence in this language; None where it is not known."""
        whole = self._whole.get(sentence)
        if whole is not None:
            return whole
        if len(sentence) > MOST_READ or deep > DEEPEST:
            return None
        return self._filled(self._forms, sentence, deep)

    def part(self, part: str, deep: int = 0) -> str | None:
        """A part of a sentence in this language; None where it is not known."""
        found = self._words.get(part)
        if found is None and part[:1].isupper():
            found = self._words.get(part[:1].lower() + part[1:])
            found = found and found[:1].upper() + found[1:]
        if found is not None or deep > DEEPEST:
            return found
        return self._filled(self._parts, part, deep)

    def _filled(self, forms: Iterable[Form], sentence: str, deep: int) -> str | None:
        for one in forms:
            values = one.values(sentence)
            if values is None:
                continue
            told = {name: self._place(name, value, deep + 1) for name, value in values.items()}
            if not any(value is None for value in told.values()):
                return _HOLE.sub(lambda hole: str(told[hole[1]]), one.text)  # noqa: B023
        return None

    def _place(self, name: str, value: str, deep: int) -> str | None:
        """What stands in a place: a word or a sentence of ours is told, all else stays."""
        text = value.strip()
        found = self._each(text, deep) if SEVERAL in text else None
        if found is None and " " in text:
            found = self.told(text, deep)
        if found is None and name.startswith(AMOUNT):
            found = self._amount(text)
        if found is None and name.startswith((PART, TOLD, AMOUNT)):
            found = self.part(text, deep) or self._listed(text, deep)
        if found is None:
            return None if name.startswith(TOLD) else value
        return value.replace(text, found, 1)

    def _each(self, text: str, deep: int) -> str | None:
        """Several sentences of ours, one after the other."""
        told = [self.told(one, deep) for one in text.split(SEVERAL)]
        known = [one for one in told if one is not None]
        return SEVERAL.join(known) if len(known) == len(told) else None

    def _amount(self, text: str) -> str | None:
        """A number of ours, which has a point."""
        found = _AMOUNT.fullmatch(text)
        return self._written(Decimal(text), len(found[1] or "")) if found else None

    def _listed(self, text: str, deep: int) -> str | None:
        """Several words of ours, one after the other."""
        words = [self.part(one, deep) for one in text.split(LIST)] if LIST in text else []
        known = [one for one in words if one is not None]
        return LIST.join(known) if known and len(known) == len(words) else None


def form(text: str) -> re.Pattern[str]:
    """What a sentence looks like, whatever stands in its places."""
    parts = _HOLE.split(text)
    named = (_group(one) if place % 2 else re.escape(one) for place, one in enumerate(parts))
    return re.compile("".join(named), re.DOTALL)


def _group(name: str) -> str:
    found = r"-?\d[\w.,/-]*" if name.startswith(NUMBER) else ".+?"
    return f"(?P<{name}>{found})"


def _sorted(texts: Mapping[str, str]) -> list[Form]:
    forms = (Form(one, text) for one, text in texts.items() if _HOLE.search(one))
    return sorted(forms, key=lambda one: -one.literal)
