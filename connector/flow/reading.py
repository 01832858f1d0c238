"""From a document to a Flow: its keys are closed, and every fault is found in one reading."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

from connector.errors import FlowError, Issue, Lack
from connector.flow.document import DocumentFault, Value, read_document
from connector.flow.model import Flow, FlowTrigger, Loops, Order, Places, Step
from connector.mapping.findings import clip
from connector.paths import did_you_mean, kind

MAX_STEPS: Final = 100
MAX_ISSUES: Final = 200
_FLOW: Final = ("flow", "name", "description", "order", "loops", "trigger", "when", "steps")
_TRIGGER: Final = ("node", "connection", "with")
_STEP: Final = ("id", "node", "connection", "enabled", "when", "business_key", "map")
_KEY: Final = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_ID: Final = re.compile(r"[a-z][a-z0-9_]*")
_MAX_KEY: Final = 64
_EXPRESSION: Final = 'Write an expression: "{{ trigger.resource is not none }}".'


def parse_flow(text: str) -> Flow:
    """The flow in a YAML document; nodes, fields and expressions are left to `check_flow`.

    Raises FlowError with every fault of the document's shape, each with line and column.
    """
    flow, issues = read_flow(text)
    if issues:
        raise FlowError("The document is not a flow.", issues=shortened(issues))
    assert flow is not None
    return flow


def shortened(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """The issues as they are told: the first ones, and how many there are beside."""
    if len(issues) <= MAX_ISSUES:
        return tuple(issues)
    errors = [issue for issue in issues if issue.severity == "error"]
    first = (errors or list(issues))[:MAX_ISSUES]
    more = Issue(
        message=f"There are {len(issues) - len(first)} more errors and warnings.",
        remedy="Mend these first.",
        severity=first[0].severity,
    )
    return (*first, more)


def read_flow(text: str) -> tuple[Flow | None, list[Issue]]:
    """What can be read of a flow, and every fault; None when it is no document at all."""
    text = text.removeprefix("\ufeff")
    try:
        root, issues = read_document(text)
    except DocumentFault as fault:
        return None, [fault.issue]
    reader = _FlowReader(text, root, issues)
    return reader.flow(), reader.issues


class _FlowReader:
    def __init__(self, text: str, root: Value, issues: list[Issue]) -> None:
        self.issues = issues
        self.places = Places(text)
        self._root = root

    def flow(self) -> Flow | None:
        """The flow as far as it can be read."""
        root = self._root
        if not isinstance(root.data, dict):
            self._issue(
                root, "", f"A flow is an object with keys, not {_a(root)}.", "Begin with `flow: …`."
            )
            return None
        self._keys(root, "", _FLOW, ("flow", "trigger", "steps"))
        key = self._text(root, "", "flow")
        if key and not (_KEY.fullmatch(key) and len(key) <= _MAX_KEY):
            self._issue(
                root.data["flow"],
                "flow",
                f"{key!r} is no key of a flow.",
                "Use small letters, digits and dashes, at most "
                f"{_MAX_KEY}, beginning with a letter: new-clients.",
            )
        return Flow(
            key=key,
            name=self._text(root, "", "name"),
            description=self._text(root, "", "description"),
            order=self._word(root, "order", "order", Order, "per_record"),
            loops=self._word(root, "loops", "way with loops", Loops, "ignore"),
            trigger=self._trigger(root),
            when=self._text(root, "", "when", remedy=_EXPRESSION) or None,
            steps=self._steps(root),
            places=self.places,
        )

    def _word(self, root: Value, key: str, noun: str, words: Any, usual: str) -> Any:
        """One of the words of a Literal; the usual one where the document names none."""
        value = self._text(root, "", key) or usual
        if value not in get_args(words):
            self._issue(
                root.data[key],
                key,
                f"{value!r} is no {noun}.",
                f"Choose one of: {', '.join(get_args(words))}.",
            )
            return usual
        return value

    def _trigger(self, root: Value) -> FlowTrigger:
        value = root.data.get("trigger")
        if value is None or not self._is_object(value, "trigger"):
            return FlowTrigger(node="", connection="")
        self._keys(value, "trigger", _TRIGGER, _chosen(value))
        return FlowTrigger(
            node=self._text(value, "trigger", "node"),
            connection=self._text(value, "trigger", "connection"),
            inputs=self._object(value, "trigger", "with"),
        )

    def _steps(self, root: Value) -> tuple[Step, ...]:
        value = root.data.get("steps")
        if value is None:
            return ()
        if value.data is None or value.data == []:
            self._issue(
                value, "steps", "The flow has no step yet.", "Add what it should do.", "step"
            )
            return ()
        if not isinstance(value.data, list):
            self._issue(
                value, "steps", "`steps` is a list of at least one step.", "Begin each with `- `."
            )
            return ()
        if len(value.data) > MAX_STEPS:
            self._issue(value.data[MAX_STEPS], "steps", f"A flow has at most {MAX_STEPS} steps.")
        steps: list[Step] = []
        seen: dict[str, int] = {}
        for index, one in enumerate(value.data[:MAX_STEPS]):
            steps.append(self._step(one, index, seen))
        return tuple(steps)

    def _step(self, value: Value, index: int, seen: dict[str, int]) -> Step:
        """A step; without an id of its own it is told by its place in the list."""
        where = f"steps.{index}"
        if not self._is_object(value, where, f"Step {index + 1}"):
            return Step(id="", node="", connection="")
        given = value.data.get("id")
        name = given.data if given is not None else None
        if isinstance(name, str) and _ID.fullmatch(name) and name not in seen:
            seen[name] = index
            where = f"steps.{name}"
            self._remember(value, where)
        self._keys(value, where, _STEP, ("id", *_chosen(value)))
        identity = self._id(value, where, seen)
        return Step(
            id=identity,
            node=self._text(value, where, "node"),
            connection=self._text(value, where, "connection"),
            enabled=self._yes(value, where, "enabled"),
            when=self._text(value, where, "when", remedy=_EXPRESSION) or None,
            business_key=self._text(value, where, "business_key", remedy=_EXPRESSION) or None,
            map=self._object(value, where, "map"),
        )

    def _id(self, value: Value, where: str, seen: Mapping[str, int]) -> str:
        name = self._text(value, where, "id")
        if not name:
            return ""
        if not _ID.fullmatch(name) or len(name) > _MAX_KEY:
            self._issue(
                value.data["id"],
                f"{where}.id",
                f"{name!r} is no id of a step.",
                "Use small letters, digits and underscores, beginning with a letter: "
                "create_client.",
            )
            return ""
        if where != f"steps.{name}":
            self._issue(
                value.data["id"],
                f"{where}.id",
                f"Step {seen[name] + 1} is called {name!r} already.",
                "Give each step an id of its own.",
            )
            return ""
        return name

    # --- parts --------------------------------------------------------------------------------

    def _keys(
        self, value: Value, where: str, known: tuple[str, ...], required: tuple[str, ...]
    ) -> None:
        """Remember where the keys stand; report those that are unknown, and those missing."""
        self._remember(value, where)
        for key, spot in value.keys.items():
            if key not in known:
                self._add(
                    f"There is no key {key!r} here.",
                    _below(where, key),
                    did_you_mean(key, known),
                    (spot.line, spot.column),
                )
        for key in required:
            if key not in value.data:
                place = self.places.locate(where, key=True) if where else (1, 1)
                self._add(f"The key {key!r} is missing.", where, f"Add `{key}: …`.", place)

    def _remember(self, value: Value, where: str) -> None:
        self.places.values[where] = value
        if isinstance(value.data, dict):
            for key, one in value.data.items():
                inner = _below(where, key)
                self.places.keys[inner] = value.keys[key]
                self._remember(one, inner)
        elif isinstance(value.data, list):
            for index, one in enumerate(value.data):
                self._remember(one, _below(where, str(index)))

    def _text(self, value: Value, where: str, key: str, remedy: str = "") -> str:
        """The text at a key; empty when there is none, or when it is no text (reported)."""
        one = value.data.get(key)
        if one is None:
            return ""
        if isinstance(one.data, str) and one.data.strip():
            text: str = one.data
            return text
        written = remedy or "Put it in quotes if it is meant as text."
        blank = one.data is None or isinstance(one.data, str)
        if blank and key in ("node", "connection"):
            noun = ("trigger" if where == "trigger" else "action") if key == "node" else key
            problem = f"No {noun} is chosen: `{key}` is empty."
            self._issue(
                one, _below(where, key), problem, "Choose what is to stand there.", "choice"
            )
            return ""
        what = "empty" if blank else f"{_a(one)}, not text"
        self._issue(one, _below(where, key), f"`{key}` is {what}.", written)
        return ""

    def _yes(self, value: Value, where: str, key: str) -> bool:
        """Yes or no at a key; yes when there is none, or when it is something else (reported)."""
        one = value.data.get(key)
        if one is None or isinstance(one.data, bool):
            return one is None or bool(one.data)
        self._issue(
            one,
            _below(where, key),
            f"`{key}` is {_a(one)}, not yes or no.",
            "Write `true` or `false`; a condition belongs under `when`.",
        )
        return True

    def _object(self, value: Value, where: str, key: str) -> dict[str, Any]:
        one = value.data.get(key)
        if one is None or one.data is None:
            return {}
        if not self._is_object(one, _below(where, key)):
            return {}
        plain: dict[str, Any] = one.plain()
        return plain

    def _is_object(self, value: Value, where: str, name: str = "") -> bool:
        if isinstance(value.data, dict):
            return True
        name = name or f"`{where.rpartition('.')[2]}`"
        self._issue(
            value, where, f"{name} is {_a(value)}, not an object.", "Write `key: value` lines."
        )
        return False

    def _issue(
        self, value: Value, where: str, message: str, remedy: str = "", lacks: Lack | None = None
    ) -> None:
        self._add(message, where, remedy, (value.spot.line, value.spot.column), lacks)

    def _add(
        self,
        message: str,
        where: str,
        remedy: str,
        place: tuple[int, int] | None,
        lacks: Lack | None = None,
    ) -> None:
        self.issues.append(
            Issue(
                message=clip(message),
                remedy=remedy,
                where=clip(where) or None,
                line=place[0] if place else None,
                column=place[1] if place else None,
                lacks=lacks,
            )
        )


def _below(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _chosen(value: Value) -> tuple[str, ...]:
    """What must stand there: no connection is asked for before it is known to which app."""
    node = value.data.get("node")
    return ("node",) if node is not None and not node.data else ("node", "connection")


def _a(value: Value) -> str:
    words = {"text": "a text", "number": "a number", "list": "a list", "object": "an object"}
    given = kind(value.data)
    return words.get(given, given)
