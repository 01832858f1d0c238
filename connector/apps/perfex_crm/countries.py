"""Perfex's country numbers and language names. Source: facts on Perfex CRM §10, §4."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

from connector.errors import ExpressionError
from connector.paths import did_you_mean, kind

# The order of the table that Perfex is installed with; the first is number 1.
_TABLE = """
AF AX AL DZ AS AD AO AI AQ AG AR AM AW AU AT AZ BS BH BD BB BY BE BZ BJ BM BT BO BQ BA BW
BV BR IO BN BG BF BI KH CM CA CV KY CF TD CL CN CX CC CO KM CG CK CR CI HR CU CW CY CZ CD
DK DJ DM DO EC EG SV GQ ER EE ET FK FO FJ FI FR GF PF TF GA GM GE DE GH GI GR GL GD GP GU
GT GG GN GW GY HT HM HN HK HU IS IN ID IR IQ IE IM IL IT JM JP JE JO KZ KE KI XK KW KG LA
LV LB LS LR LY LI LT LU MO MK MG MW MY MV ML MT MH MQ MR MU YT MX FM MD MC MN ME MS MA MZ
MM NA NR NP NL NC NZ NI NE NG NU NF KP MP NO OM PK PW PS PA PG PY PE PH PN PL PT PR QA RE
RO RU RW BL SH KN LC MF PM VC WS SM ST SA SN RS SC SL SG SX SK SI SB SO ZA GS KR SS ES LK
SD SR SJ SZ SE CH SY TW TJ TZ TH TL TG TK TO TT TN TR TM TC TV UG UA AE GB US UM UY UZ VU
VA VE VN VG VI WF EH YE ZM ZW
"""
ISO = tuple(_TABLE.split())
NO_COUNTRY = 0

# Everyday names that the tables of names do not hold.
_EVERYDAY = {
    "usa": "US",
    "stati uniti d america": "US",
    "united states of america": "US",
    "uk": "GB",
    "gran bretagna": "GB",
    "great britain": "GB",
    "inghilterra": "GB",
    "england": "GB",
    "scozia": "GB",
    "olanda": "NL",
    "holland": "NL",
    "repubblica ceca": "CZ",
    "czech republic": "CZ",
    "repubblica slovacca": "SK",
    "vaticano": "VA",
    "repubblica di san marino": "SM",
    "macedonia": "MK",
    "turkey": "TR",
    "corea": "KR",
    "emirati arabi": "AE",
    "birmania": "MM",
}

# The folders of Perfex's translations, by the code of the language.
LANGUAGES = {
    "bg": "bulgarian",
    "ca": "catalan",
    "cs": "czech",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fr": "french",
    "id": "indonesia",
    "it": "italian",
    "ja": "japanese",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "pt_br": "portuguese_br",
    "ro": "romanian",
    "ru": "russian",
    "sk": "slovak",
    "sv": "swedish",
    "tr": "turkish",
    "uk": "ukrainian",
    "vi": "vietnamese",
    "zh": "chinese",
}


def country_id(value: Any) -> int:
    """Perfex's number of a country given by ISO code or by its Italian or English name.

    Nothing and empty text are 0, Perfex's "none". Raises ExpressionError for anything unknown.
    """
    if value is None or value == "":
        return NO_COUNTRY
    if not isinstance(value, str):
        raise _unknown("country", value, "Give its two-letter code, such as IT, or its name.")
    code = _numbers().get(value.strip().upper())
    if code is None:
        iso = names().get(_simple(value))
        code = _numbers().get(iso) if iso else None
    if code is None:
        near = did_you_mean(_simple(value), names())
        raise _unknown("country", value, f"{near} Its two-letter code works, too.")
    return code


def country_iso(value: Any) -> str | None:
    """The ISO code of a country number as Perfex gives it (`109` or `"109"`); None for 0."""
    text = "" if value is None else str(value).strip()
    if text in ("", "0"):
        return None
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text[:6]) <= len(ISO):
        raise _unknown("country number", value, f"Perfex numbers them from 1 to {len(ISO)}.")
    return ISO[int(text) - 1]


def language_name(value: Any) -> str:
    """Perfex's name of a language given by code (`it`, `it-IT`); its own names stay as they are."""
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise _unknown("language", value, "Give its code, such as it.")
    code = value.strip().lower().replace("-", "_")
    if code in LANGUAGES.values():
        return code
    found = LANGUAGES.get(code) or LANGUAGES.get(code.partition("_")[0])
    if found is None:
        raise _unknown("language", value, did_you_mean(code, LANGUAGES))
    return found


@cache
def names() -> dict[str, str]:
    """ISO codes by Italian and English names, in small letters without accents."""
    from babel import Locale

    known = frozenset(ISO)
    found: dict[str, str] = {}
    for language in ("en", "it"):
        for iso, name in Locale(language).territories.items():
            if iso in known:
                found[_simple(name)] = iso
    return {**found, **_EVERYDAY}


@cache
def _numbers() -> dict[str, int]:
    return {iso: number for number, iso in enumerate(ISO, start=1)}


def _simple(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text[:100].casefold())
    kept = (char if char.isalnum() else " " for char in plain if not unicodedata.combining(char))
    return " ".join("".join(kept).split())


def _unknown(what: str, value: Any, remedy: str) -> ExpressionError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "…"
    return ExpressionError(
        f"Perfex has no {what} {shown}.", remedy=remedy.strip(), value_type=kind(value)
    )
