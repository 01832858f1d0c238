"""Which values could fill which fields: offered with a reason, never applied by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from connector.building.forms import form
from connector.building.meanings import ALIKE, WORDS, meaning, purpose
from connector.building.places import (
    CUSTOMER,
    DOCUMENT,
    LINE,
    PRODUCT,
    PURCHASE,
    SUPPLIER,
    Place,
    told_of,
)
from connector.fields.kinds import Told
from connector.model import Action, Field, Search
from connector.paths import split

if TYPE_CHECKING:
    from connector.catalog import Catalog

SURE: Final = 0.95
LIKELY: Final = 0.8
PERHAPS: Final = 0.6
_NUMBERS: Final = ("integer", "number")
_CONVERT: Final[Mapping[tuple[str, str, str], str]] = {
    ("perfex_crm", "", "country"): "perfex_country",
    ("perfex_crm", "", "language"): "perfex_language",
    ("fatture_in_cloud", "perfex_crm", "country"): "perfex_country_iso | country_name",
}
"""Filters that bring a meaning into an app's own form: to which app, from which (or any)."""
_OWN_FORM: Final = ("country", "language", "currency")
"""Meanings that each app writes in a way of its own."""
_OF_PAPER: Final = ("date", "due_date")
"""What a copy in another app shares with its original, and the next document here does not."""
_PARTS: Final[Mapping[tuple[str, ...], str]] = {
    ("currency", "id"): "currency",
    ("language", "code"): "language",
    ("vat", "id"): "vat_type",
}
"""What the last two keys of a path stand for together."""
_PARTIES: Final = (CUSTOMER, SUPPLIER, DOCUMENT, PURCHASE)
_NO_ROWS: Final = ("payments_list",)
"""Lists that are never taken over: what was paid there was not paid here."""
_UNTOLD: Final = ("stock", "in_dn")
"""Parts of a row that do something once, and must not do it again."""
_NEVER: Final = (
    "created_at",
    "updated_at",
    "type",
    "status",
    "total",
    "number",
    "numeration",
    "date",
    "year",
)
"""Keys that say something else of every record."""
_CUSTOMER_IDS: Final = ("clientid", "customer_id", "customerid")
_ROW_DEPTH: Final = 3
"""Keys of a part of a line: `data.items_list.name`."""
_WRAPS: Final = ("data", "resource", "record", "trigger", "item", "event")
"""Keys that only hold the record, and say nothing of whose value it is."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of a mapping that may be right."""

    path: str
    value: Any
    confidence: float
    reason: str

    def as_data(self) -> dict[str, Any]:
        """The suggestion as JSON."""
        return {
            "path": self.path,
            "value": self.value,
            "confidence": self.confidence,
            "reason": self.reason,
        }


def suggest(
    catalog: Catalog,
    node: Action | Search,
    places: Sequence[Place],
    mapped: Iterable[str] = (),
    language: str = "en",
) -> list[Suggestion]:
    """At most one suggestion for each field not mapped yet: required ones, then the surest."""
    done = set(mapped)
    found: list[Suggestion] = []
    told = told_of(catalog, node)
    usual = _usual(catalog, node, told)
    marker = node.identity.marker if isinstance(node, Action) else None
    fields = [
        one
        for one in catalog.fields(node)
        if not one.read_only and one.path in usual and one.path != marker
    ]
    judge = _Judge(node.app, language)
    singles = [one for one in places if one.array is None]
    for field in fields:
        if field.by_id or field.array is not None or _covered(field.path, done):
            continue
        best = judge.best(field, told.get(field.path, Told()), singles)
        if best is not None:
            place, filter_name, confidence, reason = best
            text = f"{place.path} | {filter_name}" if filter_name else place.path
            found.append(Suggestion(field.path, "{{ " + text + " }}", confidence, reason))
    found += _loops(fields, places, done, judge, told)
    needed = {one.path for one in fields if one.required}
    return sorted(found, key=lambda one: (one.path not in needed, -one.confidence))


def _usual(catalog: Catalog, node: Action | Search, told: Mapping[str, Told]) -> set[str]:
    """The fields that are common enough to be offered, or named like a kind of value we know."""
    return {
        one["path"]
        for one in form(catalog, node)["fields"]
        if one["common"]
        or one["required"]
        or purpose(split(one["path"])[-1])[0]
        or _is_plain(split(one["path"]), told.get(one["path"], Told()))
    }


def _is_plain(keys: Sequence[str], told: Told) -> bool:
    """Whether it says something of a customer or a line itself, and of nothing they hold."""
    kind, owner = told.kind, _owner(keys)
    what = meaning(keys[-1]) if told.means is None else told.means
    if not what:
        return False
    if kind == DOCUMENT:
        return not owner and what in _OWN_FORM
    return (kind == CUSTOMER and owner == "entity") or (kind == LINE and len(keys) == _ROW_DEPTH)


def _covered(path: str, done: set[str]) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in done)


class _Judge:
    """How sure it is that a place fills a field of an app, and why."""

    def __init__(self, app: str, language: str) -> None:
        self._app = app
        self.at = 1 if language == "it" else 0

    def best(
        self, field: Field, told: Told, places: Sequence[Place]
    ) -> tuple[Place, str, float, str] | None:
        """The surest place, the filter it needs, how sure it is, and why."""
        best: tuple[float, Place, str, str, float] | None = None
        for place in places:
            judged = self._judge(field, told, place)
            if judged is None:
                continue
            confidence, filter_name, reason = judged
            # What lies as deep as the field is meant rather than what only has its name.
            alike = bool(told.kind) and told.kind == place.kind
            apart = not alike and _owner(split(field.path)) != _owner(split(place.path))
            sure = round(confidence - (0.1 if apart else 0), 2)
            rank = sure - place.depth / 1000
            if sure >= PERHAPS and (best is None or rank > best[0]):
                best = (rank, place, filter_name, reason, sure)
        if best is None:
            return None
        _, place, filter_name, reason, confidence = best
        return place, filter_name, confidence, reason

    def _judge(self, field: Field, told: Told, place: Place) -> tuple[float, str, str] | None:
        """How sure it is that a place fills a field, the filter it needs, and why; None if not."""
        kind = told.kind
        own, theirs = split(field.path), split(place.path)
        key, source = own[-1], theirs[-1]
        named = self._named(own, theirs, place)
        if named:
            return SURE, "", named
        foreign = bool(place.app) and place.app != self._app
        copied = foreign and kind == place.kind == DOCUMENT
        paper = copied and meaning(key) in _OF_PAPER
        if told.same_document and not copied:
            # A payment has an amount too.
            return None
        if (key in _NEVER and not paper) or not _same_owner(own, theirs, kind, place.kind):
            return None
        if key == "id" or key.endswith("_id"):
            theirs_too = place.app == self._app and kind == place.kind and kind != ""
            if key == source and theirs_too and (key != "id" or _owner(own)):
                return SURE, "", self._both(key)
            if key == "id" or foreign:
                return None
        what, plain = purpose(key)
        wanted, given = meaning(plain) if told.means is None else told.means or None, _meant(place)
        if key == "vat_id" and kind == LINE:
            wanted = "vat_type"
        if wanted == "notes" and kind in _PARTIES and (foreign or place.kind != kind):
            # What is noted of a customer or a payment is not for print, nor for the next app.
            return None
        filter_name = "" if place.app == self._app else self._filter(wanted, key, place)
        if not filter_name and ((foreign and wanted in _OWN_FORM) or not _fits(field, place)):
            return None
        if key == source and place.means == told.means:
            sure = len(own) > 1 or wanted
            return (SURE if sure else LIKELY), filter_name, self._both(key)
        if wanted is None or given is None or key == "shipping_address":
            return None
        return self._by_meaning(wanted, given, what, purpose(source)[0], kind, place, filter_name)

    def _named(self, own: Sequence[str], theirs: Sequence[str], place: Place) -> str:
        """Why an id or number is the very one that is asked for; empty where it is not."""
        key, source = own[-1], theirs[-1]
        if place.noun and source == "id" and key == f"{place.noun}_id" and len(theirs) == 3:
            return (
                f"The {place.noun} that this step gives.",
                "È la scheda che il passo restituisce.",
            )[self.at]
        if key == "visible_subject" and source == "number" and place.kind == DOCUMENT:
            told = (
                "The number that it has there, to be printed.",
                "Il numero che ha là, da stampare.",
            )
            return told[self.at] if place.app not in ("", self._app) else ""
        if key == "customer_id" and source in _CUSTOMER_IDS and place.app == self._app != "":
            return (
                "The customer that this record names.",
                "È il cliente indicato in questa scheda.",
            )[self.at]
        return ""

    def _filter(self, wanted: str | None, key: str, place: Place) -> str:
        found = _CONVERT.get((self._app, "", wanted or ""))
        if found is None and wanted == key:
            found = _CONVERT.get((self._app, place.app, wanted or ""))
        return found or ""

    def _both(self, key: str) -> str:
        known = WORDS.get(meaning(key) or "")
        if known is not None:
            return (f"Both are the {known[0]}.", f"Stesso significato: {known[1]}.")[self.at]
        return (f"Both are called {key}.", f"Si chiamano entrambi {key}.")[self.at]

    def _by_meaning(
        self, wanted: str, given: str, what: str, of: str, kind: str, place: Place, filter_name: str
    ) -> tuple[float, str, str] | None:
        at, word = self.at, WORDS[wanted][self.at]
        if of:
            # An invoice of another app has the address that it was made out to.
            if of != "billing_" or what or (kind, place.kind) != (CUSTOMER, DOCUMENT):
                return None
            if wanted != given:
                return None
            said = (f"The {word} that it was billed to.", f"{_begun(word)} di fatturazione.")
            return LIKELY, filter_name, said[at]
        if wanted == given:
            if what:
                whose = (what.rstrip("_"), {"billing_": "fatturazione"}.get(what, "spedizione"))[at]
                said = (f"The {word}, for {whose} too.", f"{_begun(word)}, anche per {whose}.")
                return PERHAPS, filter_name, said[at]
            said = (f"Both are the {word}.", f"Stesso significato: {word}.")
            return 0.9 + (0.02 if place.key.endswith("_iso") else 0), filter_name, said[at]
        if frozenset({wanted, given}) in ALIKE and not what:
            other = WORDS[given][at]
            return LIKELY, "", (f"The {other} is the {word}.", f"{other} → {word}.")[at]
        return None


def _begun(word: str) -> str:
    """A word as a sentence begins: CAP stays CAP."""
    return word[:1].upper() + word[1:]


def _meant(place: Place) -> str | None:
    """What a place stands for, also where only its last two keys say so."""
    if place.means is not None:
        return place.means or None
    keys = split(place.path)
    return _PARTS.get(tuple(keys[-2:])) or meaning(purpose(keys[-1])[1])


def _owner(keys: Sequence[str]) -> str:
    """The object that a value describes, where it is not the record itself."""
    if keys[0] == "steps":
        keys = keys[2:]
    inner = [one for one in keys[:-1] if one not in _WRAPS]
    return inner[-1] if inner else ""


def _same_owner(own: Sequence[str], theirs: Sequence[str], kind: str, given: str) -> bool:
    """A bank's name is no customer's: what lies in an object must lie in one of that name."""
    one, other = _owner(own), _owner(theirs)
    if tuple(theirs[-2:]) in _PARTS and not one and kind == given in (DOCUMENT, LINE):
        return True
    if PRODUCT in (kind, given) and kind and given and kind != given:
        # What is sold is nobody's customer, and no document.
        return False
    if kind in _PARTIES and given in _PARTIES and kind != given:
        billed = (kind, given) == (CUSTOMER, DOCUMENT) and one == "entity" and not other
        return billed and bool(purpose(theirs[-1])[0])
    if kind == given == DOCUMENT and one == "payment" and not other:
        return own[-1] == "due_date"
    party = one == "entity" and not other and given not in ("product", "payment")
    return one == other or (not one and other == "entity") or party


def _fits(field: Field, place: Place) -> bool:
    if "any" in (field.type, place.type) or field.type == place.type:
        return True
    if field.type == "string":
        return place.type != "object"
    if field.type in _NUMBERS:
        return place.type in _NUMBERS
    return field.type in ("date", "datetime") and place.type in ("date", "datetime", "string")


def _loops(
    fields: Sequence[Field],
    places: Sequence[Place],
    done: set[str],
    judge: _Judge,
    told: Mapping[str, Told],
) -> list[Suggestion]:
    """For each list of objects: a list of the same meaning, row by row."""
    found = []
    arrays = {one.array for one in fields if one.array and one.array != one.path}
    sources = {one.array for one in places if one.array and one.array != one.path}
    for array in sorted(arrays):
        key = split(array)[-1]
        if key in _NO_ROWS or any(one == array or one.startswith(f"{array}.") for one in done):
            continue
        same = [
            one
            for one in sorted(sources, key=len)
            if split(one)[-1] == key or (meaning(key) and meaning(split(one)[-1]) == meaning(key))
        ]
        # What was paid for a thing is not what it is sold for.
        same = [one for one in same if not _is_bought(one, places)]
        if not same:
            continue
        rows = _rows(array, same[0], fields, places, judge, told)
        if rows:
            value = {"for_each": "{{ " + same[0] + " }}", "map": rows}
            reason = (
                f"A row for each of {split(same[0])[-1]}: {len(rows)} fields fit.",
                f"Una riga per ogni elemento di {split(same[0])[-1]}: {len(rows)} campi.",
            )[judge.at]
            found.append(Suggestion(array, value, LIKELY, reason))
    return found


def _is_bought(array: str, places: Sequence[Place]) -> bool:
    return any(one.array == array and one.kind == PURCHASE for one in places)


def _rows(
    array: str,
    source: str,
    fields: Sequence[Field],
    places: Sequence[Place],
    judge: _Judge,
    told: Mapping[str, Told],
) -> dict[str, str]:
    rows = {}
    inside = [
        replace(one, path=f"item.{one.path[len(source) + 1 :]}", array=None)
        for one in places
        if one.array == source and one.path != source
    ]
    for field in fields:
        key = split(field.path)[-1]
        if field.array != array or field.path == array or field.by_id or key in _UNTOLD:
            continue
        inner = field.path[len(array) + 1 :]
        says = replace(told.get(field.path, Told()), kind=LINE)
        best = judge.best(field.model_copy(update={"path": inner}), says, inside)
        if best is not None:
            rows[inner] = "{{ " + best[0].path + " | default(none) }}"
    if "net_price" in rows:
        rows.pop("gross_price", None)
    return rows
