"""What changed between two versions of a flow, in sentences that a bookkeeper reads."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from connector.building.forms import labels, node_label
from connector.building.meaning_words import SAID
from connector.building.rewrite import read_plain
from connector.building.words import LANGUAGES
from connector.flow.document import DocumentFault

if TYPE_CHECKING:
    from connector.catalog import Catalog

MOST_SHOWN: Final = 80
_EACH: Final = "for_each"
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
        return SAID[key][self._at].format_map(values)

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
                self._tell(known) if known in SAID else self._tell("other", label=key)
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
        called = {**self._called(old), **self._called(new)}
        for name in before:
            if name not in after and name not in former.values():
                self._tell("step_gone", step=called[name])
        names = list(after)
        stayed = [former.get(name, name) for name in names if former.get(name, name) in before]
        order = [name for name in before if name in stayed]
        moved = _moved(order, stayed)
        for at, (name, one) in enumerate(after.items()):
            then = before.get(former.get(name, name))
            if then is None:
                self._tell("step_new", new=self._node(one.get("node")))
                if one.get("enabled") is False:
                    self._tell("step_off", step=called[name])
                continue
            if name in former:
                self._tell("step_renamed", step=name, old=former[name])
            if former.get(name, name) in moved:
                if at:
                    self._tell("step_after", step=called[name], old=called[names[at - 1]])
                else:
                    self._tell("step_first", step=called[name])
            self._step(called[name], then, one)

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
            if not self._rows(was, now, str(path), words, step=name, label=label):
                self._pair("field", was, now, step=name, label=label)

    # --- rows of lists ------------------------------------------------------------------------

    def _rows(self, old: Any, new: Any, path: str, words: Mapping[str, str], **about: str) -> bool:
        """What differs in the rows of a list; False where there are none."""
        if old is None and _is_loop(new):
            each, columns = _shown(new[_EACH]), self._columns(new.get("map"), path, words)
            self._tell("rows_new", new=each, columns=columns, **about)
        elif _is_loop(old) and _is_loop(new):
            if not _equal(old[_EACH], new[_EACH]):
                self._tell("rows_from", old=_shown(old[_EACH]), new=_shown(new[_EACH]), **about)
            self._cells("each", _cells(old), _cells(new), path, words, **about)
        elif isinstance(old or [], list) and isinstance(new, list) and _are_rows(new):
            self._numbered(old or [], new, path, words, **about)
        elif isinstance(old, Mapping | list) and isinstance(new, Mapping | list):
            if not _equal(old, new):
                self._tell("rows", **about)
        else:
            return False
        return True

    def _numbered(
        self, old: list[Any], new: list[Any], path: str, words: Mapping[str, str], **about: str
    ) -> None:
        for at in range(max(len(old), len(new))):
            number = str(at + 1)
            if at >= len(new):
                self._tell("row_removed", number=number, **about)
            elif at >= len(old):
                columns = self._columns(new[at], path, words)
                self._tell("row_added", number=number, columns=columns, **about)
            else:
                was, now = _cells({"map": old[at]}), _cells({"map": new[at]})
                self._cells("row", was, now, path, words, number=number, **about)

    def _cells(
        self,
        key: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        path: str,
        words: Mapping[str, str],
        **about: str,
    ) -> None:
        for name in dict.fromkeys([*old, *new]):
            inner = f"{path}.{name}" if name else path
            column = words.get(inner) or name or about["label"]
            was, now = old.get(name), new.get(name)
            within = {**about, "label": column}
            if not isinstance(was, list) and self._rows(was, now, inner, words, **within):
                continue
            self._pair(key, was, now, column=column, **about)

    def _columns(self, cells: Any, path: str, words: Mapping[str, str]) -> str:
        """The words of what a row fills."""
        found = _cells({"map": cells})
        return ", ".join(words.get(f"{path}.{name}") or name for name in found if name) or "–"

    # --- words --------------------------------------------------------------------------------

    def _node(self, name: Any) -> str:
        node = self._catalog.nodes.get(str(name))
        if node is None:
            return _shown(name)
        title = self._catalog.app(node.app).title
        return f"{node_label(self._catalog, node, self._language)} ({title})"

    def _called(self, steps: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What people call each step: by its node, and by its id too where two are called so."""
        found = {}
        for one in steps:
            node = self._catalog.nodes.get(str(one.get("node")))
            id_ = str(one.get("id"))
            found[id_] = node_label(self._catalog, node, self._language) if node else id_
        twins = Counter(found.values())
        return {id_: f"{one} ({id_})" if twins[one] > 1 else one for id_, one in found.items()}

    def _labels(self, name: Any) -> Mapping[str, str]:
        node = self._catalog.nodes.get(str(name))
        return labels(self._catalog, node, self._language) if node is not None else {}

    def _array(self, name: Any, path: str) -> str:
        """The word for a list, which is no field itself."""
        from connector.building.forms import form

        node = self._catalog.nodes.get(str(name))
        listed = form(self._catalog, node, self._language)["arrays"] if node is not None else ()
        return next((str(one["label"]) for one in listed if one["path"] == path), "")


def _are_rows(value: list[Any]) -> bool:
    return all(isinstance(one, Mapping) for one in value)


def _is_loop(value: Any) -> bool:
    return isinstance(value, Mapping) and _EACH in value


def _cells(rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a row fills, by path below it; however the row is called, it is `item` here."""
    alias = str(rows.get("as", "item"))
    given = rows.get("map")

    def plain(value: Any) -> Any:
        if isinstance(value, str) and alias != "item":
            return re.sub(rf"(?<![\w.]){re.escape(alias)}\b", "item", value)
        return value

    cells = _flat(given) if isinstance(given, Mapping) else {"": given}
    return {name: plain(value) for name, value in cells.items()}


def _flat(given: Mapping[str, Any]) -> dict[str, Any]:
    """Objects written out in full are the same as dotted paths."""
    found: dict[str, Any] = {}
    for key, value in given.items():
        if isinstance(value, Mapping) and value and not _is_loop(value):
            found.update({f"{key}.{name}": one for name, one in _flat(value).items()})
        else:
            found[str(key)] = value
    return found


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
