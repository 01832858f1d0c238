"""Triggers that no app sends: read off a record's states, each compared with the one before.

What is declared here is data; `connector.engine.deriving` works it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field as Attribute

from connector.model import Data, Json, Request, Trigger

FIRST_NAMES = ("record", "event", "input", "today", "since", "during")
"""What `proof` and `older` see; the other texts see more."""
STATE_NAMES = (*FIRST_NAMES, "before", "now")


class Baseline(Data):
    """The records whose state must be known when a flow is switched on: the list that names them.

    `{page}` in the request counts from 1; the trigger's inputs fill the rest.
    """

    request: Request
    result: str = "data"
    size: int = 100
    """How many records a full page has."""
    total: str | None = None
    """Where the list says how many there are: it is read again when that moved between pages."""


class Daily(Data):
    """A look once a day, for what time alone brings about.

    The records of the list are judged like those of an event with the operation `due`, as often as
    each of them has something to tell.
    """

    request: Request
    """As in Baseline; `{today}` is the date in the trigger's zone, `{from}` is `days` before."""
    days: int = 0
    each: Mapping[str, tuple[str, ...]] = {}
    """Inputs of `request` that take each of these values in turn."""
    result: str = "data"
    size: int = 100
    hour: int = 5
    """Not before this hour of the day."""


class Derive(Data):
    """What a derived trigger watches, and which change of it counts.

    All texts are expressions. They see `record`, `event` (`operation`, `time`), `input` (the
    trigger's settings), `today`, `since` (when the flow began to watch, on the app's own wall),
    `during` (whether the event happened while it began) and `before`, the state before. `state` is
    worked out in order and sees its earlier entries as `now`; `when` and `tell` see all of `now`.
    """

    resources: tuple[str, ...]
    operations: tuple[str, ...]
    state: Mapping[str, str] = {}
    """What is remembered of each record; empty when each event counts by itself."""
    when: str
    """Whether the change from `before` to `now` starts the flow."""
    tell: Mapping[str, str] = {}
    """What `trigger.change` says beside the new state."""
    made: Mapping[str, Json] | None = None
    """The state before a record was there; without it the first state of a record never counts."""
    proof: str | None = None
    """At first sight of an older record: whether its event proves that this very change was made
    now. Then `before` is `made`."""
    older: Mapping[str, str] | None = None
    """The state in which an older record is taken to have been when the flow began to watch;
    without it, the state in which it is seen first."""
    baseline: Baseline | None = None
    daily: Daily | None = None
    zone: str = "Europe/Rome"


class DerivedTrigger(Trigger):
    """A Trigger that starts a flow at a change of a record, told by `derive`."""

    derive: Derive = Attribute()

    def texts(self) -> Iterator[tuple[str, str, tuple[str, ...]]]:
        """Where each expression stands, its text, and the names that it may use."""
        one = self.derive
        yield "derive.when", one.when, STATE_NAMES
        if one.proof is not None:
            yield "derive.proof", one.proof, FIRST_NAMES
        for place, names in (("state", STATE_NAMES), ("tell", STATE_NAMES), ("older", FIRST_NAMES)):
            for key, text in (getattr(one, place) or {}).items():
                yield f"derive.{place}.{key}", text, names

    def events(self, inputs: Mapping[str, Json]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The resources and the operations that a flow with these settings follows."""
        chosen = inputs.get("resource")
        return ((str(chosen),) if chosen else self.derive.resources), self.derive.operations
