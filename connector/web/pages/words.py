"""The languages of the pages: texts, dates, numbers and money as a reader expects them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from connector.building.words import well_set
from connector.web.pages.sentences import FILES, SUMMARIES, WORDS, Sentences

FOLDER = Path(__file__).parent / "locale"
LANGUAGES = {"en": "English", "it": "Italiano"}
SENTENCES = "%sentences"
"""Where the sentences that the code makes stand among the texts of a language."""
SOURCE = "en"
"""The language that the templates and modules are written in."""

SAID = frozenset({"message", "remedy", "detail", "note"})
"""Where an error, an issue or a problem holds a sentence."""
HOLDING = frozenset({"error", "issue", "issues", "fields", "problem"})
"""Where it holds others."""


def mark(text: str) -> str:
    """Mark a text for translation that is translated later, where a reader is known."""
    return text


class Words:
    """One language: call it with a text of the source, and it gives the reader's."""

    def __init__(
        self,
        language: str,
        texts: Mapping[Any, Any],
        region: str = "",
        zone: tzinfo | None = None,
    ) -> None:
        self.language = language
        self.zone = zone
        """Where the reader is; None is where the server is."""
        self.region = region or {"en": "en_GB", "it": "it_IT"}.get(language, language)
        self._texts = texts

    def in_zone(self, name: str) -> Words:
        """The same words with the times of another place; a name that is none changes nothing."""
        zone = zone_of(name)
        if zone is None:
            return self
        return Words(self.language, self._texts, self.region, zone)

    def __call__(self, text: str, **values: Any) -> str:
        """The text in this language, with its `%(name)s` filled in."""
        found: str = self._texts.get(text) or text
        return found % values if values else found

    def plural(self, one: str, many: str, count: int, **values: Any) -> str:
        """The form for a number; `%(count)s` is that number as it is written here."""
        forms = self._texts.get((one, many)) or (one, many)
        found: str = forms[0 if count == 1 else 1]
        return found % {"count": self.number(count), **values}

    def told(self, sentence: str) -> str:
        """A sentence that the code made, such as an error's; as it is where it is not known."""
        known: Sentences | None = self._texts.get(SENTENCES)
        return (known.told(sentence) if known is not None else None) or sentence

    def part(self, part: str) -> str:
        """A word or a note that the code puts beside a value; as it is where it is not known."""
        known: Sentences | None = self._texts.get(SENTENCES)
        told = (known.told(part) or known.part(part)) if known is not None else None
        return told or part

    def summary(self, text: str) -> str:
        """What a step says it did."""
        known: Sentences | None = self._texts.get(SUMMARIES)
        return (known.told(text) if known is not None else None) or text

    def told_data(self, value: Any) -> Any:
        """An error, its issues or a problem as data, with its sentences told."""
        if isinstance(value, list):
            return [self.told_data(one) for one in value]
        if not isinstance(value, dict) or SENTENCES not in self._texts:
            return value
        return {
            name: self.told(one)
            if name in SAID and isinstance(one, str)
            else self.told_data(one)
            if name in HOLDING
            else one
            for name, one in value.items()
        }

    def person(self, name: str) -> str:
        """A name; that of whoever has started the server, and gave none, is a word of ours."""
        _ = self
        return _("owner") if name == "owner" else name

    def number(self, value: float | Decimal) -> str:
        """A number with this language's separators."""
        from babel.numbers import format_decimal

        return format_decimal(value, locale=self.region)

    def exact(self, value: Decimal, least: int = 0) -> str:
        """A number with every digit that it has, and at least so many after the point."""
        from babel.numbers import format_decimal

        form = f"#,##0.{'0' * least}" if least else "#,##0.#"
        return format_decimal(value, form, locale=self.region, decimal_quantization=False)

    def percent(self, part: float) -> str:
        """A part of one as a percentage."""
        from babel.numbers import format_percent

        return format_percent(part, locale=self.region).replace(" ", "\N{NO-BREAK SPACE}")

    def money(self, amount: Decimal, currency: str = "EUR") -> str:
        """An amount with its currency."""
        from babel.numbers import format_currency

        return format_currency(amount, currency, locale=self.region)

    def date(self, when: float | date | datetime) -> str:
        """A day."""
        from babel.dates import format_date

        return format_date(self._moment(when), "medium", locale=self.region)

    def day(self, when: float) -> str:
        """A day in few letters, for a picture."""
        from babel.dates import format_skeleton

        return format_skeleton("MMMd", self._moment(when), locale=self.region)

    def when(self, when: float | datetime) -> str:
        """A day with its time, where the reader is."""
        from babel.dates import format_datetime

        return format_datetime(self._moment(when), "medium", locale=self.region)

    def on_the_wall(self, moment: datetime) -> str:
        """A day with its time as a clock showed it, nobody knows where."""
        from babel.dates import format_datetime

        return format_datetime(moment, "medium", locale=self.region)

    def time(self, when: float | datetime) -> str:
        """A time of day, where the reader is."""
        from babel.dates import format_time

        return format_time(self._moment(when), "medium", locale=self.region)

    def ago(self, when: float, now: float | None = None) -> str:
        """How long ago, or in how long, roughly."""
        from babel.dates import format_timedelta

        _ = self
        now = time.time() if now is None else now
        if round(when - now) == 0:
            return _("just now")
        return format_timedelta(round(when - now), add_direction=True, locale=self.region)

    def _moment(self, when: Any) -> Any:
        if isinstance(when, datetime):
            return when.astimezone(self.zone)
        if isinstance(when, date):
            return when
        return datetime.fromtimestamp(float(when), UTC).astimezone(self.zone)

    def span(self, seconds: float) -> str:
        """A length of time: exact below a minute, rough above."""
        from babel.dates import format_timedelta

        if seconds < 1:
            return f"{self.number(round(seconds * 1000))} ms"
        if seconds < 60:
            return f"{self.number(round(seconds, 1))} s"
        return format_timedelta(round(seconds), locale=self.region)


@lru_cache(maxsize=1_000)
def zone_of(name: str) -> tzinfo | None:
    """A time zone by its name; None for one that does not exist."""
    from zoneinfo import ZoneInfo, available_timezones

    return ZoneInfo(name) if name in available_timezones() else None


def choose(wanted: Iterable[str], accept: str) -> str:
    """The language of a reader: what was chosen before, else what the browser prefers."""
    for one in wanted:
        if one in LANGUAGES:
            return one
    ranked = []
    for place, part in enumerate(accept.split(",")[:20]):
        name, _, rest = part.partition(";")
        try:
            weight = float(rest.strip().removeprefix("q=") or 1)
        except ValueError:
            weight = 0.0
        ranked.append((-weight, place, name.strip().lower().partition("-")[0]))
    return next((name for _, _, name in sorted(ranked) if name in LANGUAGES), SOURCE)


@cache
def words_of(language: str) -> Words:
    """The words of a language, read once."""
    texts: dict[Any, Any] = {}
    sentences: dict[str, str] = {}
    words: dict[str, str] = {}
    summaries: dict[str, str] = {}
    for path in sorted((FOLDER / language).glob("*.po")):
        place = summaries if path.stem == SUMMARIES else texts
        if path.stem.startswith(FILES):
            place = words if path.stem == WORDS else sentences
        place.update(read_texts(path))
    if sentences:
        written = Words(language, {}).exact
        texts[SENTENCES] = Sentences(sentences, words, written)
        texts[SUMMARIES] = Sentences(summaries, words, written)
    return Words(language, texts)


def read_texts(path: Path) -> dict[Any, Any]:
    """The translated texts of one file: a text by itself, a plural by both of its forms."""
    from babel.messages.pofile import read_po

    with path.open("rb") as file:
        catalog = read_po(file)
    found: dict[Any, Any] = {}
    for message in catalog:
        if not message.id or message.fuzzy:
            continue
        key = tuple(message.id) if isinstance(message.id, list | tuple) else message.id
        given = message.string
        if given and all(given):
            found[key] = _set(given) if isinstance(given, str) else tuple(map(_set, given))
    return found


def _set(text: str) -> str:
    """A text as it is printed: an e-invoice and a percentage are not broken."""
    text = re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)
    return well_set(text).replace("e-fattur", "e\N{NON-BREAKING HYPHEN}fattur")
