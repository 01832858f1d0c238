"""Filters on countries and people's names. Names of countries are Unicode CLDR's, by Babel."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.filter import need_text

_LONGEST: Final = 100
_NOT_COUNTRIES: Final = frozenset({"EU", "EZ", "UN", "QO", "XA", "XB", "ZZ"})
_OTHER_CODES: Final = {"EL": "GR", "UK": "GB"}  # the European Commission's spelling
_OTHER_NAMES: Final = {
    "america": "US",
    "bosnia": "BA",
    "cechia": "CZ",
    "gran bretagna": "GB",
    "great britain": "GB",
    "holland": "NL",
    "inghilterra": "GB",
    "england": "GB",
    "olanda": "NL",
    "repubblica ceca": "CZ",
    "czech republic": "CZ",
    "repubblica italiana": "IT",
    "stati uniti d america": "US",
    "united states of america": "US",
    "usa": "US",
    "vaticano": "VA",
    "vatican": "VA",
    "turkey": "TR",
}
_EU: Final = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"
_PARTICLES: Final = (
    "d da dal dalla de dei del della delle dello degli di der den la le li lo van von"
)


@lru_cache(maxsize=4)
def _territories(language: str) -> Mapping[str, str]:
    from babel import Locale

    return {
        code: name
        for code, name in Locale.parse(language).territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NOT_COUNTRIES
    }


@lru_cache(maxsize=1)
def _codes_by_name() -> Mapping[str, str]:
    known = dict(_OTHER_NAMES)
    for language in ("en", "it"):
        known |= {_folded(name): code for code, name in _territories(language).items()}
    return known


def load_countries() -> None:
    """Read the tables of countries."""
    _codes_by_name()


def _folded(name: str) -> str:
    """A name without accents, capitals and signs, for comparing."""
    bare = "".join(
        one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one)
    )
    return " ".join(re.findall(r"[^\W_]+", bare.casefold()))


def _short(value: object, what: str) -> str:
    text = need_text(value, what).strip()
    if len(text) > _LONGEST:
        raise ExpressionError(f"The {what} is longer than {_LONGEST} characters.")
    return text


def _code(text: str) -> str | None:
    code = text.upper()
    code = _OTHER_CODES.get(code, code)
    return code if code in _territories("en") else None


def _country_iso(value: object) -> str:
    """The ISO code of a country from its Italian or English name, or from a code.

    {{ 'Germania' | country_iso }} => "DE"
    """
    text = _short(value, "country")
    found = _code(text) or _codes_by_name().get(_folded(text))
    if found is None:
        raise ExpressionError(
            "The text is not a country's name or code.",
            remedy=" ".join(
                f"{name.title()}?"
                for name in paths.nearest(paths.join([_folded(text)]), _codes_by_name())
            ),
            value_type="text",
        )
    return found


def _country_name(value: object, lang: object = "it") -> str | None:
    """The name of a country from its ISO code, in Italian or another language.

    {{ 'DE' | country_name }} => "Germania"
    """
    language = need_text(lang, "lang")
    if language not in ("it", "en", "de", "fr"):
        raise ExpressionError("The language of a country's name is it, en, de or fr.")
    if value is None:
        # Who has no country in one app has none in the next.
        return None
    code = _code(_short(value, "country"))
    if code is None:
        raise _no_country()
    return _territories(language)[code]


def _vat_region(value: object, home: object = "IT") -> str:
    """Whether an ISO country code is domestic, eu or export for VAT.

    {{ 'DE' | vat_region }} => "eu"
    """
    code, own = _code(_short(value, "country")), _code(_short(home, "home country"))
    if code is None or own is None:
        raise _no_country()
    if code == own:
        return "domestic"
    members = _EU.split()
    return "eu" if code in members and own in members else "export"


def _no_country() -> ExpressionError:
    return ExpressionError(
        "The text is not an ISO country code of two letters.",
        remedy="Make one of a country's name with | country_iso.",
        value_type="text",
    )


# --- people ---------------------------------------------------------------------------------------


def _split_name(value: object) -> tuple[str, str]:
    """First and last name; the last one begins at a particle such as De, else it is one word."""
    text = _short(value, "name")
    if "," in text:
        last, _, first = text.partition(",")
        return first.strip(), last.strip()
    words = text.split()
    if len(words) < 2:
        return text, ""
    particles = _PARTICLES.split()
    start = next(
        (
            place
            for place, word in enumerate(words[1:-1], start=1)
            if word.lower().rstrip("'’") in particles
        ),
        len(words) - 1,
    )
    return " ".join(words[:start]), " ".join(words[start:])


def _first_name(value: object) -> str:
    """The first name of a person's whole name (`Rossi, Mario` is understood too).

    {{ 'Maria Grazia De Luca' | first_name }} => "Maria Grazia"
    """
    return _split_name(value)[0]


def _last_name(value: object) -> str:
    """The last name of a person's whole name; it begins at De, Di, Van … or is the last word.

    {{ 'Maria Grazia De Luca' | last_name }} => "De Luca"
    """
    return _split_name(value)[1]


def _slug(value: object) -> str:
    """Small letters, digits and hyphens only, for addresses and keys.

    {{ 'Caffè & Tè S.r.l.' | slug }} => "caffe-te-s-r-l"
    """
    text = unicodedata.normalize("NFKD", need_text(value)).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))


FILTERS: Final = {
    "country_iso": _country_iso,
    "country_name": _country_name,
    "vat_region": _vat_region,
    "first_name": _first_name,
    "last_name": _last_name,
    "slug": _slug,
}
PREPARE: Final = {
    "country_iso": load_countries,
    "country_name": load_countries,
    "vat_region": load_countries,
}
