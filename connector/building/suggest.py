"""Which values could fill which fields: offered with a reason, never applied by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from connector.building.forms import form
from connector.building.meanings import ALIKE, WORDS, meaning, purpose
from connector.model import Action, Field, Search
from connector.paths import join, split

if TYPE_CHECKING:
    from connector.catalog import Catalog

SURE: Final = 0.95
LIKELY: Final = 0.8
PERHAPS: Final = 0.6
_NUMBERS: Final = ("integer", "number")
_CONVERT: Final[Mapping[tuple[str, str], str]] = {
    ("perfex_crm", "country"): "perfex_country",
    ("perfex_crm", "language"): "perfex_language",
}
"""Filters that bring a meaning into an app's own form."""
_NEVER: Final = (
    "created_at",
    "updated_at",
    "type",
    "status",
    "number",
    "numeration",
    "date",
    "year",
)
"""Keys that say something else of every record."""
_WRAPS: Final = ("data", "resource", "record", "trigger", "item", "event")
"""Keys that only hold the record, and say nothing of whose value it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A value that a mapping may read: its whole path, its key and its type."""

    path: str
    type: str = "string"
    array: str | None = None
    depth: int = 0
    app: str = ""
    noun: str = ""
    """What the step or trigger gives, as its node calls it."""

    @property
    def key(self) -> str:
        """The last key of its path."""
        return split(self.path)[-1]


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


def places_of(root: str, fields: Iterable[Field], app: str = "", noun: str = "") -> list[Place]:
    """The places that the fields of an output stand for, below a root such as `trigger`."""
    return [
        Place(
            f"{root}.{one.path}",
            one.type,
            f"{root}.{one.array}" if one.array else None,
            len(split(one.path)),
            app,
            noun.lower().replace(" ", "_"),
        )
        for one in fields
    ]


def places_in(root: str, value: Any, depth: int = 0) -> list[Place]:
    """The same from a sample, where no schema tells."""
    if isinstance(value, Mapping) and depth < 6:
        found = []
        for key, inner in value.items():
            found += places_in(f"{root}.{join([str(key)])}", inner, depth + 1)
        return found
    kind = "any"
    if isinstance(value, bool):
        kind = "boolean"
    elif isinstance(value, str):
        kind = "string"
    elif value is not None and not isinstance(value, Mapping | list):
        kind = "number"
    return [Place(root, kind, root if isinstance(value, list) else None, depth)]


def suggest(
    catalog: Catalog,
    node: Action | Search,
    places: Sequence[Place],
    mapped: Iterable[str] = (),
    language: str = "en",
) -> list[Suggestion]:
    """At most one suggestion for each field that is not mapped yet, the surest first."""
    done = set(mapped)
    found: list[Suggestion] = []
    usual = _usual(catalog, node)
    fields = [one for one in catalog.fields(node) if not one.read_only and one.path in usual]
    singles = [one for one in places if one.array is None]
    for field in fields:
        if field.by_id or field.array is not None or _covered(field.path, done):
            continue
        best = _best(field, singles, node.app, language)
        if best is not None:
            place, filter_name, confidence, reason = best
            text = f"{place.path} | {filter_name}" if filter_name else place.path
            found.append(Suggestion(field.path, "{{ " + text + " }}", confidence, reason))
    found += _loops(fields, places, done, node.app, language)
    return sorted(found, key=lambda one: -one.confidence)


def _usual(catalog: Catalog, node: Action | Search) -> set[str]:
    """The fields that are common enough to be offered, or named like a kind of value we know."""
    return {
        one["path"]
        for one in form(catalog, node)["fields"]
        if one["common"] or one["required"] or purpose(split(one["path"])[-1])[0]
    }


def _covered(path: str, done: set[str]) -> bool:
    return any(path == one or path.startswith(f"{one}.") for one in done)


def _best(
    field: Field, places: Sequence[Place], app: str, language: str
) -> tuple[Place, str, float, str] | None:
    best: tuple[float, Place, str, str, float] | None = None
    for place in places:
        judged = _judge(field, place, app, language)
        if judged is None:
            continue
        confidence, filter_name, reason = judged
        # What lies as deep as the field is meant rather than what only has its name.
        apart = _owner(split(field.path)) != _owner(split(place.path))
        rank = confidence - place.depth / 1000 - (0.1 if apart else 0)
        if best is None or rank > best[0]:
            best = (rank, place, filter_name, reason, round(confidence - (0.1 if apart else 0), 2))
    if best is None:
        return None
    _, place, filter_name, reason, confidence = best
    return place, filter_name, confidence, reason


def _judge(field: Field, place: Place, app: str, language: str) -> tuple[float, str, str] | None:
    """How sure it is that a place fills a field, the filter it needs, and why; None if not."""
    own, theirs = split(field.path), split(place.path)
    key, source = own[-1], theirs[-1]
    at = 1 if language == "it" else 0
    if place.noun and source == "id" and key == f"{place.noun}_id" and len(theirs) == 3:
        said = (
            f"The {place.noun} that this step gives.",
            "È la scheda che il passo restituisce.",
        )
        return SURE, "", said[at]
    if key in _NEVER or not _same_owner(own, theirs):
        return None
    if key == "id" and (place.app != app or not _owner(own)):
        return None
    what, plain = purpose(key)
    wanted, given = meaning(plain), meaning(source)
    filter_name = _CONVERT.get((app, wanted or ""), "")
    if not filter_name and not _fits(field, place):
        return None
    if key == source:
        reason = (f"Both are called {key}.", f"Si chiamano entrambi {key}.")[at]
        return (SURE if len(own) > 1 or wanted else LIKELY), filter_name, reason
    if wanted is None or given is None or purpose(source)[0] != "":
        return None
    word = WORDS[wanted][at]
    if wanted == given:
        if what:
            kind = (what.rstrip("_"), {"billing_": "fatturazione"}.get(what, "spedizione"))[at]
            reason = (f"The {word}, for {kind} too.", f"{word.capitalize()}, anche per {kind}.")[at]
            return PERHAPS, filter_name, reason
        reason = (f"Both are the {word}.", f"È in entrambi i casi: {word}.")[at]
        return 0.9 + (0.02 if source.endswith("_iso") else 0), filter_name, reason
    if frozenset({wanted, given}) in ALIKE and not what:
        reason = (f"The {WORDS[given][at]} is the {word}.", f"{WORDS[given][at]} → {word}.")[at]
        return LIKELY, "", reason
    return None


def _owner(keys: Sequence[str]) -> str:
    """The object that a value describes, where it is not the record itself."""
    if keys[0] == "steps":
        keys = keys[2:]
    inner = [one for one in keys[:-1] if one not in _WRAPS]
    return inner[-1] if inner else ""


def _same_owner(own: Sequence[str], theirs: Sequence[str]) -> bool:
    """A bank's name is no customer's: what lies in an object must lie in one of that name."""
    one, other = _owner(own), _owner(theirs)
    return one == other or (not one and other == "entity") or (one == "entity" and not other)


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
    app: str,
    language: str,
) -> list[Suggestion]:
    """For each list of objects: a list of the same meaning, row by row."""
    found = []
    arrays = {one.array for one in fields if one.array and one.array != one.path}
    sources = {one.array for one in places if one.array and one.array != one.path}
    at = 1 if language == "it" else 0
    for array in sorted(arrays):
        if any(one == array or one.startswith(f"{array}.") for one in done):
            continue
        key = split(array)[-1]
        same = [
            one
            for one in sorted(sources, key=len)
            if split(one)[-1] == key or (meaning(key) and meaning(split(one)[-1]) == meaning(key))
        ]
        if not same:
            continue
        rows = _rows(array, same[0], fields, places, app, language)
        if rows:
            value = {"for_each": "{{ " + same[0] + " }}", "map": rows}
            reason = (
                f"A row for each of {split(same[0])[-1]}: {len(rows)} fields fit.",
                f"Una riga per ogni elemento di {split(same[0])[-1]}: {len(rows)} campi.",
            )[at]
            found.append(Suggestion(array, value, LIKELY, reason))
    return found


def _rows(
    array: str,
    source: str,
    fields: Sequence[Field],
    places: Sequence[Place],
    app: str,
    language: str,
) -> dict[str, str]:
    rows = {}
    inside = [
        Place(f"item.{one.path[len(source) + 1 :]}", one.type, None, one.depth, one.app)
        for one in places
        if one.array == source and one.path != source
    ]
    for field in fields:
        if field.array != array or field.path == array or field.by_id:
            continue
        inner = field.path[len(array) + 1 :]
        best = _best(field.model_copy(update={"path": inner}), inside, app, language)
        if best is not None and best[2] >= PERHAPS:
            rows[inner] = "{{ " + best[0].path + " | default(none) }}"
    return rows
