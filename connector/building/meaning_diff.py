"""What changed between two versions of a flow, in sentences that a bookkeeper reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from connector.building.forms import labels, node_label
from connector.building.rewrite import read_plain
from connector.building.words import LANGUAGES
from connector.flow.document import DocumentFault

if TYPE_CHECKING:
    from connector.catalog import Catalog

MOST_SHOWN: Final = 80
_SAID: Final[Mapping[str, tuple[str, str]]] = {
    "unreadable": (
        "One of the two documents cannot be read: compare their text.",
        "Uno dei due documenti non si può leggere: confronta il testo.",
    ),
    "name": ("Is now called {new}.", "Ora si chiama {new}."),
    "description": ("Has another description.", "Ha un'altra descrizione."),
    "order_none": (
        "Runs about one record no longer wait for each other.",
        "Le esecuzioni sulla stessa scheda non si aspettano più.",
    ),
    "order_per_record": (
        "Runs about one record go one after the other again.",
        "Le esecuzioni sulla stessa scheda vanno di nuovo una dopo l'altra.",
    ),
    "loops_allow": (
        "Now also follows changes that it made itself.",
        "Ora segue anche le modifiche che ha fatto lui stesso.",
    ),
    "loops_ignore": (
        "No longer follows changes that it made itself.",
        "Non segue più le modifiche che ha fatto lui stesso.",
    ),
    "trigger_node": ("Is now started by: {new}.", "Ora parte con: {new}."),
    "trigger_connection": (
        "Now listens to the connection {new}, no longer to {old}.",
        "Ora ascolta il collegamento {new}, non più {old}.",
    ),
    "setting": (
        "{label} of the trigger: {new} instead of {old}.",
        "{label} dell'avvio: {new} invece di {old}.",
    ),
    "setting_new": ("{label} of the trigger is now {new}.", "{label} dell'avvio ora è {new}."),
    "setting_gone": ("{label} of the trigger is no longer set.", "{label} dell'avvio non c'è più."),
    "when_new": ("Now runs only if {new}.", "Ora parte solo se {new}."),
    "when_gone": ("No longer filters: {old}.", "Non filtra più: {old}."),
    "when": ("Filters by {new} instead of {old}.", "Filtra con {new} invece di {old}."),
    "step_new": ("New step '{step}': {new}.", "Nuovo passo '{step}': {new}."),
    "step_gone": ("Step '{step}' ({old}) is gone.", "Il passo '{step}' ({old}) non c'è più."),
    "step_renamed": (
        "Step '{old}' is now called '{step}'.",
        "Il passo '{old}' ora si chiama '{step}'.",
    ),
    "step_after": (
        "Step '{step}' now runs after '{old}'.",
        "Il passo '{step}' ora viene dopo '{old}'.",
    ),
    "step_first": ("Step '{step}' now runs first.", "Il passo '{step}' ora viene per primo."),
    "step_node": (
        "Step '{step}' now does: {new}; before: {old}.",
        "Il passo '{step}' ora fa: {new}; prima: {old}.",
    ),
    "step_off": (
        "Step '{step}' is switched off: it is left out.",
        "Il passo '{step}' è spento: viene saltato.",
    ),
    "step_on": ("Step '{step}' is switched on again.", "Il passo '{step}' è di nuovo acceso."),
    "step_connection": (
        "Step '{step}' now uses the connection {new}, no longer {old}.",
        "Il passo '{step}' ora usa il collegamento {new}, non più {old}.",
    ),
    "step_when_new": (
        "Step '{step}' now runs only if {new}.",
        "Il passo '{step}' ora parte solo se {new}.",
    ),
    "step_when_gone": (
        "Step '{step}' now always runs; before only if {old}.",
        "Il passo '{step}' ora parte sempre; prima solo se {old}.",
    ),
    "step_when": (
        "Step '{step}' runs if {new}; before if {old}.",
        "Il passo '{step}' parte se {new}; prima se {old}.",
    ),
    "step_key_new": (
        "Step '{step}' now writes once for each {new}.",
        "Il passo '{step}' ora scrive una volta per ogni {new}.",
    ),
    "step_key_gone": (
        "Step '{step}' no longer has a key of its own: two events may write twice.",
        "Il passo '{step}' non ha più una chiave propria: due eventi possono scrivere due volte.",
    ),
    "step_key": (
        "Step '{step}' writes once for each {new}; before for each {old}.",
        "Il passo '{step}' scrive una volta per ogni {new}; prima per ogni {old}.",
    ),
    "field_new": (
        "Step '{step}' will now also fill {label}: {new}.",
        "Il passo '{step}' ora compila anche {label}: {new}.",
    ),
    "field_gone": (
        "Step '{step}' no longer fills {label}.",
        "Il passo '{step}' non compila più {label}.",
    ),
    "field": (
        "Step '{step}' fills {label} with {new} instead of {old}.",
        "Il passo '{step}' compila {label} con {new} invece di {old}.",
    ),
    "rows": (
        "Step '{step}' makes the rows of {label} another way.",
        "Il passo '{step}' prepara in altro modo le righe di {label}.",
    ),
    "other": ("{label} has changed.", "{label} è cambiato."),
}
_KNOWN: Final = frozenset(
    {"flow", "name", "description", "order", "loops", "trigger", "when", "steps"}
)


def changes(catalog: Catalog, old: str, new: str, language: str = "en") -> list[str]:
    """Each difference in meaning, in the order of the flow; texts that mean the same have none."""
    telling = _Telling(catalog, language)
    try:
        before, after = read_plain(old), read_plain(new)
    except DocumentFault:
        return [] if old == new else [telling.say("unreadable")]
    if not isinstance(before, dict) or not isinstance(after, dict):
        return [] if before == after else [telling.say("unreadable")]
    telling.flow(before, after)
    return telling.told


class _Telling:
    def __init__(self, catalog: Catalog, language: str) -> None:
        self._catalog = catalog
        self._language = language
        self._at = LANGUAGES.index(language)
        self.told: list[str] = []

    def say(self, key: str, **values: str) -> str:
        """One sentence."""
        return _SAID[key][self._at].format_map(values)

    def _tell(self, key: str, **values: str) -> None:
        self.told.append(self.say(key, **values))

    def flow(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """Everything, from the name down to the last step."""
        if old.get("name") != new.get("name"):
            self._tell("name", new=_shown(new.get("name", new.get("flow", ""))))
        if old.get("description") != new.get("description"):
            self._tell("description")
        for key, usual in (("order", "per_record"), ("loops", "ignore")):
            before, after = old.get(key, usual), new.get(key, usual)
            if before != after:
                known = f"{key}_{after}"
                self._tell(known) if known in _SAID else self._tell("other", label=key)
        self._trigger(_object(old.get("trigger")), _object(new.get("trigger")))
        self._pair("when", old.get("when"), new.get("when"))
        self._steps(_steps(old), _steps(new))
        for key in {*old, *new} - _KNOWN:
            if old.get(key) != new.get(key):
                self._tell("other", label=str(key))

    def _pair(self, key: str, old: Any, new: Any, **more: str) -> None:
        """Something that may be there or not: new, gone, or another."""
        if _equal(old, new):
            return
        ending = "_new" if old is None else "_gone" if new is None else ""
        self._tell(f"{key}{ending}", old=_shown(old), new=_shown(new), **more)

    def _trigger(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if old.get("node") != new.get("node"):
            self._tell("trigger_node", new=self._node(new.get("node")))
        if old.get("connection") != new.get("connection"):
            self._tell(
                "trigger_connection",
                old=_shown(old.get("connection")),
                new=_shown(new.get("connection")),
            )
        words = self._labels(new.get("node"))
        before, after = _object(old.get("with")), _object(new.get("with"))
        for key in dict.fromkeys([*before, *after]):
            label = words.get(str(key), str(key))
            self._pair("setting", before.get(key), after.get(key), label=label)

    # --- steps --------------------------------------------------------------------------------

    def _steps(self, old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> None:
        before = {str(one.get("id")): one for one in old}
        after = {str(one.get("id")): one for one in new}
        former = _renamed(before, after)
        for name, one in before.items():
            if name not in after and name not in former.values():
                self._tell("step_gone", step=name, old=self._node(one.get("node")))
        names = list(after)
        stayed = [former.get(name, name) for name in names if former.get(name, name) in before]
        order = [name for name in before if name in stayed]
        moved = _moved(order, stayed)
        for at, (name, one) in enumerate(after.items()):
            then = before.get(former.get(name, name))
            if then is None:
                self._tell("step_new", step=name, new=self._node(one.get("node")))
                if one.get("enabled") is False:
                    self._tell("step_off", step=name)
                continue
            if name in former:
                self._tell("step_renamed", step=name, old=former[name])
            if former.get(name, name) in moved:
                if at:
                    self._tell("step_after", step=name, old=names[at - 1])
                else:
                    self._tell("step_first", step=name)
            self._step(name, then, one)

    def _step(self, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        if old.get("node") != new.get("node"):
            self._tell(
                "step_node",
                step=name,
                old=self._node(old.get("node")),
                new=self._node(new.get("node")),
            )
        if old.get("connection") != new.get("connection"):
            self._tell(
                "step_connection",
                step=name,
                old=_shown(old.get("connection")),
                new=_shown(new.get("connection")),
            )
        before, after = old.get("enabled", True), new.get("enabled", True)
        if before != after:
            self._tell("step_on" if after else "step_off", step=name)
        self._pair("step_when", old.get("when"), new.get("when"), step=name)
        self._pair("step_key", old.get("business_key"), new.get("business_key"), step=name)
        words = {**self._labels(old.get("node")), **self._labels(new.get("node"))}
        before, after = _object(old.get("map")), _object(new.get("map"))
        for path in dict.fromkeys([*before, *after]):
            label = words.get(str(path)) or self._array(new.get("node"), str(path)) or str(path)
            was, now = before.get(path), after.get(path)
            if isinstance(was, Mapping | list) and isinstance(now, Mapping | list):
                if not _equal(was, now):
                    self._tell("rows", step=name, label=label)
            else:
                self._pair("field", was, now, step=name, label=label)

    # --- words --------------------------------------------------------------------------------

    def _node(self, name: Any) -> str:
        node = self._catalog.nodes.get(str(name))
        if node is None:
            return _shown(name)
        title = self._catalog.app(node.app).title
        return f"{node_label(self._catalog, node, self._language)} ({title})"

    def _labels(self, name: Any) -> Mapping[str, str]:
        node = self._catalog.nodes.get(str(name))
        return labels(self._catalog, node, self._language) if node is not None else {}

    def _array(self, name: Any, path: str) -> str:
        """The word for a list, which is no field itself."""
        from connector.building.forms import form

        node = self._catalog.nodes.get(str(name))
        listed = form(self._catalog, node, self._language)["arrays"] if node is not None else ()
        return next((str(one["label"]) for one in listed if one["path"] == path), "")


def _equal(one: Any, other: Any) -> bool:
    """Equal also in type: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _renamed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """New ids of steps that are otherwise what a step that is gone was."""
    gone = [name for name in before if name not in after]
    former: dict[str, str] = {}
    for name, one in after.items():
        if name in before:
            continue
        bare = {key: value for key, value in one.items() if key != "id"}
        twin = next(
            (
                other
                for other in gone
                if other not in former.values()
                and {key: value for key, value in before[other].items() if key != "id"} == bare
            ),
            None,
        )
        if twin is not None:
            former[name] = twin
    return former


def _moved(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """The fewest names whose moving makes one order into the other: those off the longest run."""
    place = {name: at for at, name in enumerate(before)}
    runs: list[list[str]] = []
    for name in after:
        best = max((run for run in runs if place[run[-1]] < place[name]), key=len, default=[])
        runs.append([*best, name])
    kept = max(runs, key=len, default=[])
    return set(after) - set(kept)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _steps(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = data.get("steps")
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _shown(value: Any) -> str:
    """A value as a sentence shows it."""
    from connector.codec import encode_text

    if value is None:
        return "–"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ", ".join(value)
    text = value if isinstance(value, str) else encode_text(value)
    text = " ".join(text.split())
    if text.startswith("{{") and text.endswith("}}") and text.count("{{") == 1:
        text = text[2:-2].strip()
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
