"""What happened, in a reader's words: states, reasons, and the story of a write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from connector.codec import decode, encode
from connector.web.pages.words import Words, mark

TONES = {
    "succeeded": "good", "done": "good", "matched": "good", "active": "good",
    "failed": "bad", "refused": "bad",
    "parked": "warn", "uncertain": "warn",
    "mended": "note", "used": "note",
    "waiting": "note", "queued": "note", "received": "note", "sending": "note", "planned": "note",
}  # fmt: skip
STATES = {
    "queued": mark("queued"),
    "waiting": mark("waiting"),
    "succeeded": mark("succeeded"),
    "filtered": mark("filtered"),
    "failed": mark("failed"),
    "mended": mark("failed, mended by replay"),
    "parked": mark("parked"),
    "done": mark("done"),
    "skipped": mark("skipped"),
    "received": mark("received"),
    "matched": mark("matched"),
    "unmatched": mark("unmatched"),
    "silent": mark("silent"),
    # An event does not fail: its records could not be read, or one of its runs failed.
    "unread": mark("could not be read"),
}
Plural = Callable[[str, str, int], str]
COUNTED: Mapping[str, Callable[[Plural, int], str]] = {
    "queued": lambda plural, n: plural("%(count)s queued", "%(count)s queued", n),
    "waiting": lambda plural, n: plural("%(count)s waiting", "%(count)s waiting", n),
    "succeeded": lambda plural, n: plural("%(count)s succeeded", "%(count)s succeeded", n),
    "filtered": lambda plural, n: plural("%(count)s filtered", "%(count)s filtered", n),
    "failed": lambda plural, n: plural("%(count)s failed", "%(count)s failed", n),
    "mended": lambda plural, n: plural(
        "%(count)s failed and mended", "%(count)s failed and mended", n
    ),
    "unread": lambda plural, n: plural(
        "%(count)s could not be read", "%(count)s could not be read", n
    ),
    "parked": lambda plural, n: plural("%(count)s parked", "%(count)s parked", n),
    "received": lambda plural, n: plural("%(count)s received", "%(count)s received", n),
    "matched": lambda plural, n: plural("%(count)s matched", "%(count)s matched", n),
    "unmatched": lambda plural, n: plural("%(count)s unmatched", "%(count)s unmatched", n),
    "silent": lambda plural, n: plural("%(count)s silent", "%(count)s silent", n),
}
WRITES = {
    "planned": mark("not sent yet"),
    "sending": mark("being sent"),
    "done": mark("written"),
    "used": mark("used, not written"),
    "refused": mark("not written"),
    "uncertain": mark("not known whether it arrived"),
    "parked": mark("waits for a decision"),
}
DONE = {
    "create": mark("record created"),
    "update": mark("record changed"),
    "delete": mark("record deleted"),
}
MEANINGS = {
    "queued": mark("It has not begun, or is at work."),
    "waiting": mark("It goes on by itself; nothing is lost."),
    "succeeded": mark("Every step is done, or was left out by its own condition."),
    "filtered": mark("Nothing was to be done for this record."),
    "failed": mark("Something is wrong that waiting does not mend. Correct it, then replay."),
    "mended": mark("It failed; a replay has done since what it did not. Nothing is left to do."),
    "parked": mark("It is not known whether a write arrived: a person decides."),
}
WHY = {
    "retry": mark("An app could not be reached, or was unclear: it is asked again."),
    "quota": mark("The app's quota has no room at the moment."),
    "database": mark("Connector's own database was away for a moment."),
    "unsure": mark("It is not known whether a write arrived: we look in the app before going on."),
    "connection": mark("Its connection must be reconnected; then it goes on."),
}

# What the engine notes beside a write, so that a reader of any language understands it.
NOTES: Sequence[tuple[re.Pattern[str], str]] = [
    (re.compile(pattern), text)
    for pattern, text in (
        (r"found in the app as (?P<id>.+) and adopted",
         mark("Found in the app as %(id)s: adopted.")),
        (r"looked for in the app: it is not there yet",
         mark("Looked in the app: it is not there yet.")),
        (r"it cannot be looked for now: (?P<why>.+)", mark("The app could not be asked: %(why)s")),
        (r"searched twice, not found: sent once more",
         mark("Looked twice, not found: sent once more.")),
        (r"it was there already as (?P<id>.+): (?:used, not made again|nothing was sent)",
         mark("It was there already as %(id)s: used, not written again.")),
        (r"another event made it as (?P<id>.+): used",
         mark("Another event has made it as %(id)s: used.")),
        (r"searched first: it was written as (?P<id>.+) in the past",
         mark("Looked first: it was written as %(id)s in the past.")),
        (r"read back from (?P<id>.+): it shows what was written",
         mark("Read back from %(id)s: it shows what was written.")),
        (r"it shows otherwise: (?P<fields>.+); sent once more",
         mark("The app shows other values (%(fields)s): sent once more.")),
        (r"The app shows otherwise: (?P<fields>.+)\.",
         mark("The app shows other values: %(fields)s.")),
        (r"It is not known whether this write arrived\.",
         mark("It is not known whether this write arrived.")),
        (r"It was sent and cannot be found in the app\.",
         mark("It was sent and cannot be found in the app.")),
        (r"The record that was written cannot be found\.",
         mark("The record that was written cannot be found.")),
        (r"It cannot be found, but made since then and alike: (?P<id>.+)\.",
         mark("It cannot be found, but these were made since and look alike: %(id)s.")),
        (r"(?P<count>\d+) records in the app match: (?P<id>.+)\.",
         mark("Several records in the app match: %(id)s.")),
        (r"(?P<count>\d+) records have this key already: (?P<id>.+)\.",
         mark("Several records have this key already: %(id)s.")),
        (r"Searched first: it may have been written as (?P<id>.+)\.",
         mark("Looked first: it may have been written as %(id)s.")),
        (r"Another write of this very record waits for a person\.",
         mark("Another write of this very record waits for a decision.")),
        (r"it stopped before the answer was stored",
         mark("Connector stopped before the answer was stored.")),
        (r"the answer is not complete JSON",
         mark("The answer was cut off, or came from something in between.")),
        (r"the answer names no record",
         mark("The app said yes, but did not say which record it made.")),
        (r"adopted as (?P<id>\S+), decided by (?P<who>.+)",
         mark("%(who)s decided: it is the record %(id)s.")),
        (r"adopted as (?P<id>\S+) against this: (?P<why>.+), decided by (?P<who>.+)",
         mark("%(who)s decided: it is the record %(id)s, although %(why)s.")),
        (r"sent again, decided by (?P<who>.+)", mark("%(who)s decided: send it again.")),
        (r"dropped, decided by (?P<who>.+)", mark("%(who)s decided: it shall not be written.")),
    )
]  # fmt: skip
CONSEQUENCES = {
    "adopt": mark(
        "The record that is there counts as this write. Nothing is sent; the run goes on with it."
    ),
    "send_again": mark(
        "The same request is sent once more, with the same values. If the first one did arrive, "
        "there are two."
    ),
    "drop": mark("It is not written, now or by a replay. The run ends as failed."),
}


def end_of(run: Mapping[str, Any]) -> str:
    """The state of a run for people: one that failed may be mended since."""
    return "mended" if run.get("mended_by") else str(run["state"])


class Telling:
    """One reader's words for what the engine has stored."""

    def __init__(self, words: Words, catalog: Any = None) -> None:
        self._ = words
        self.language = words.language
        self._catalog = catalog

    def state(self, state: str) -> str:
        """A state of a run, a step or an event."""
        return self._(STATES[state]) if state in STATES else state

    def states(self, state: str, count: int) -> str:
        """A number of runs or events in a state, such as `2 failed`, in the form that fits it."""
        return COUNTED[state](self._.plural, count) if state in COUNTED else f"{count} {state}"

    def event(self, state: str) -> str:
        """A state of an event."""
        return self.state("unread" if state == "failed" else state)

    def events(self, state: str, count: int) -> str:
        """A number of events in a state."""
        return self.states("unread" if state == "failed" else state, count)

    def about(self, resource: str, operation: str) -> str:
        """What an event is about and what happened to it, as triggers name them."""
        known = kinds_of(self._catalog, self.language) if self._catalog is not None else {}
        kind = known.get(resource) or self._.part(resource)
        if operation in DONE:
            # A kind is a plural of any gender; a record is one.
            return f"{kind[:1].upper()}{kind[1:]}: {self._(DONE[operation])}"
        return f"{kind[:1].upper()}{kind[1:]} · {known.get(operation) or self._.part(operation)}"

    def kind(self, resource: str) -> str:
        """A kind of records, as triggers name it."""
        known = kinds_of(self._catalog, self.language) if self._catalog is not None else {}
        return known.get(resource) or self._.part(resource)

    def swept(self, told: Mapping[str, Any]) -> str:
        """What a look for lost changes has shown."""
        _ = self._
        if told.get("waits"):
            return _("The quota has no room for it now.")
        if told.get("error"):
            return _("The app could not be asked: %(why)s", why=_.told(str(told["error"])))
        if told.get("unheard"):
            return _.plural(
                "%(count)s record changed without an event. If none comes by %(time)s, it is run.",
                "%(count)s records changed without an event. If none comes by %(time)s, they are"
                " run.",
                told["unheard"],
                time=_.time(told["judged_at"]),
            )
        if told.get("recovered"):
            return _.plural(
                "%(count)s lost change found: it is in the list as recovered.",
                "%(count)s lost changes found: they are in the list as recovered.",
                told["recovered"],
            )
        if told.get("first"):
            return _("It noted where things stand.")
        if told.get("changed"):
            return _.plural(
                "%(count)s changed record, known already. Nothing was lost.",
                "%(count)s changed records, all known already. Nothing was lost.",
                told["changed"],
            )
        return _("Nothing changed, nothing was lost.") if told else ""

    def subject(self, subject: str) -> str:
        """What somebody decided about."""
        kind, _space, number = subject.partition(" ")
        if number.isdecimal() and kind == "run":
            return self._("Run %(run)s", run=number)
        if number.isdecimal() and kind == "event":
            return self._("Event %(event)s", event=number)
        return subject

    def write(self, state: str) -> str:
        """A state of a write."""
        return self._(WRITES[state]) if state in WRITES else state

    def tone(self, state: str) -> str:
        """The look of a state."""
        return TONES.get(state, "quiet")

    def meaning(self, state: str) -> str:
        """What a run's state means for a person."""
        return self._(MEANINGS[state]) if state in MEANINGS else ""

    def why(self, reason: str | None) -> str:
        """Why a run waits."""
        name = (reason or "").partition(":")[0]
        return self._(WHY[name]) if name in WHY else reason or ""

    def note(self, message: str) -> str:
        """What the engine noted; what apps say stays in their own words."""
        for pattern, text in NOTES:
            found = pattern.fullmatch(message)
            if found:
                values = found.groupdict()
                if "why" in values:
                    values["why"] = self._.part(values["why"])
                return self._(text, **values) if values else self._(text)
        return self._.told(message)

    def error(self, error: Mapping[str, Any]) -> dict[str, Any]:
        """What a run's error says, with the names of fields instead of their paths."""
        issues = [one for one in error.get("issues") or () if isinstance(one, dict)]
        fields = [str(one["field"]) for one in [error, *issues] if one.get("field")]
        names: Mapping[str, str] = {}
        if self._catalog is not None and fields and error.get("node"):
            names = field_names(self._catalog, str(error["node"]), fields, self.language)
        message = self.note(str(error["message"]))
        remedy = self._.told(str(error.get("remedy") or ""))
        for path, name in names.items():
            message = message.replace(f"“{path}”", f"“{name}”")
            remedy = remedy.replace(path, f"“{name}”")
        error = {**error, "name": names.get(str(error.get("field"))), "remedy": remedy}
        told = [
            {**one, "message": self.note(one["message"]), "name": names.get(one.get("field") or "")}
            for one in issues
        ]
        if error.get("kind") == "MappingError" and len(told) == 1 and told[0].get("field"):
            # It names the mapping of a flow, where one value is what a person looks for.
            only = told[0]
            message = f"{only['name'] or only['field']}: {only['message']}"
            return {**error, **only, "message": message, "kind": error["kind"], "issues": []}
        return {**error, "message": message, "issues": told}

    def step(self, error: Mapping[str, Any]) -> str:
        """The step in which an error lies: what it does, and its name in the flow."""
        if self._catalog is None or not error.get("node"):
            return str(error["step"])
        return (
            f"{labels(self._catalog, str(error['node']), self.language)['label']} ({error['step']})"
        )

    def consequence(self, choice: str) -> str:
        """What follows from a decision."""
        return self._(CONSEQUENCES[choice])

    def story(self, effect: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A write as a list of moments: sent, looked for, how it ended."""
        _ = self._
        told: list[dict[str, Any]] = []
        if effect["sent_at"]:
            count = effect["sends"]
            text = _("Sent.") if count < 2 else _("Sent, for the %(count)s. time.", count=count)
            told.append({"at": float(effect["sent_at"]), "text": text, "foreign": False})
        for one in effect["evidence"]:
            text = self.note(one["message"])
            times = int(one.get("look", 1))
            if times > 1:
                text += " " + _("(%(count)s times)", count=times)
            known = text != one["message"]
            told.append({"at": float(one["at"]), "text": text, "foreign": not known})
        told.sort(key=lambda one: one["at"])
        if effect["state"] == "done" and effect["remote_id"]:
            told.append({"at": None, "text": _("It is the record %(id)s.", id=effect["remote_id"]),
                         "foreign": False})  # fmt: skip
        if effect["state"] == "uncertain" and effect["due_at"]:
            told.append({"at": float(effect["due_at"]), "text": _("We look in the app next."),
                         "foreign": False})  # fmt: skip
        return told


def pretty(value: Any) -> str:
    """JSON for reading, every digit as it is stored."""
    import msgspec

    return msgspec.json.format(encode(value), indent=2).decode()


def body_text(body: Any, headers: Mapping[str, str]) -> str:
    """A request's or an answer's body for reading: a form line by line, JSON indented."""
    if not isinstance(body, str):
        return pretty(body) if body is not None else ""
    kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    if "form-urlencoded" in kind:
        pairs = parse_qsl(body, keep_blank_values=True)
        return "\n".join(f"{name} = {value}" for name, value in pairs)
    try:
        return pretty(decode(body))
    except ValueError:
        return body


@lru_cache(maxsize=8)
def kinds_of(catalog: Any, language: str) -> Mapping[str, str]:
    """What triggers call the kinds of records and what happens to them."""
    from connector.building.words import words_of

    found: dict[str, str] = {}
    for node in catalog.nodes.values():
        if node.kind == "trigger":
            words = words_of(node.app, catalog.schemas.roots)
            for one in (one for field in catalog.fields(node) for one in field.choices or ()):
                found.setdefault(str(one.value), words.choice(one.label, language))
    return found


def field_names(catalog: Any, node: str, fields: Iterable[str], language: str) -> dict[str, str]:
    """The names of inputs of a node, by their paths, which may name a place in a list."""
    from connector.building.forms import labels as field_words
    from connector.errors import ConnectorError

    try:
        known = field_words(catalog, catalog.node(node), language)
    except ConnectorError:
        return {}
    plain = {one: ".".join(p for p in one.split(".") if not p.isdecimal()) for one in fields}
    # An app may name a field without the part that our inputs put before it.
    found = {one: known.get(path) or known.get(f"data.{path}") for one, path in plain.items()}
    return {one: name for one, name in found.items() if name}


def labels(catalog: Any, node: str, language: str) -> dict[str, Any]:
    """The names of a node for people, also of one that is gone."""
    from connector.building.forms import node_words
    from connector.errors import ConnectorError

    try:
        found = catalog.node(node)
    except ConnectorError:
        return {"label": node, "node": node, "legal": True, "known": False}
    identity = getattr(found, "identity", None)
    return {
        "label": node_words(catalog, found, language)[0],
        "node": node,
        "legal": identity is not None and identity.when_unsure == "park",
        "known": True,
    }
