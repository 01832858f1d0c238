"""The fields of an action with their values, in a reader's words: labels, dates, numbers, money."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.building.forms import form, labels
from connector.codec import encode_text
from connector.errors import ConnectorError
from connector.web.pages.words import Words

_MONEY = re.compile(r"(^|_)(amount|price|total|subtotal|net|gross|balance|stamp_duty)(_|$)")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?")


class Plainly:
    """One action's fields for one reader; an action that is gone has no words, and values only."""

    def __init__(self, catalog: Any, node: str, words: Words) -> None:
        self._ = words
        self._labels: Mapping[str, str] = {}
        self._fields: dict[str, Mapping[str, Any]] = {}
        self._lists: dict[str, str] = {}
        try:
            found = catalog.node(node)
        except ConnectorError:
            return
        self._labels = labels(catalog, found, words.language)
        told = form(catalog, found, words.language)
        self._fields = {one["path"]: one for one in told["fields"]}
        self._lists = {one["path"]: one["label"] for one in told["arrays"]}

    def names(self, paths: list[str]) -> dict[str, tuple[str, str]]:
        """The label of each field, with its row; and its path, where the label does not tell."""
        known = {path: self._name(path) for path in paths}
        twice = {name for name, count in Counter(known.values()).items() if count > 1}
        return {
            path: (name, path if not name or name in twice else "") for path, name in known.items()
        }

    def _name(self, path: str) -> str:
        label = self._labels.get(_plain(path), "")
        rows = []
        keys = path.split(".")
        for place, key in enumerate(keys):
            if key.isdecimal():
                of = self._lists.get(_plain(".".join(keys[:place])), keys[place - 1])
                rows.append(self._("%(list)s, no. %(row)s", list=of, row=int(key) + 1))
        return " · ".join([*rows, label]) if label else ""

    def value(self, path: str, value: Any, currency: str = "") -> str:
        """A value as the reader writes such a thing; empty where there is nothing."""
        if value is None or value in ("", [], {}):
            return ""
        if isinstance(value, bool):
            return self._("Yes") if value else self._("No")
        field = self._fields.get(_plain(path), {})
        for one in field.get("choices", ()):
            if str(one["value"]) == str(value):
                return str(one["label"])
        if isinstance(value, Mapping | list):
            return encode_text(value)
        if field.get("type") == "number" or field.get("format") == "decimal":
            return self._number(path, value, currency)
        if isinstance(value, Decimal | float):
            return self._.exact(Decimal(str(value)))
        return self._moment(str(value))

    def _number(self, path: str, value: Any, currency: str) -> str:
        try:
            number = Decimal(str(value))
        except InvalidOperation:
            return str(value)
        if not number.is_finite():
            return str(value)
        if not _MONEY.search(path.rpartition(".")[2]):
            return self._.exact(number)
        return f"{self._.exact(number, 2)}{f' {currency}' if currency else ''}"

    def _moment(self, text: str) -> str:
        try:
            if _DAY.fullmatch(text):
                return self._.date(date.fromisoformat(text))
            if _MOMENT.fullmatch(text):
                moment = datetime.fromisoformat(text)
                return self._.when(moment) if moment.tzinfo else self._.on_the_wall(moment)
        except ValueError:
            return text
        return text


def currency_of(values: Any) -> str:
    """In which currency a record's amounts are, where it says so."""
    inner = values.get("data", values) if isinstance(values, Mapping) else {}
    said = inner.get("currency") if isinstance(inner, Mapping) else None
    code = said.get("id") if isinstance(said, Mapping) else said
    return code if isinstance(code, str) and re.fullmatch(r"[A-Z]{3}", code) else ""


def currency_in(rows: Iterable[Mapping[str, Any]]) -> str:
    """The same of single values with their `field`."""
    known = {str(one["field"]).removeprefix("data."): one["value"] for one in rows}
    return currency_of({"currency": known.get("currency.id") or known.get("currency")})


def _plain(path: str) -> str:
    return ".".join(key for key in path.split(".") if not key.isdecimal())
