"""What a run does with effects: try, wait, try again, start anew after a crash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from connector.engine import effects as effects_module
from connector.engine.effects import Effects
from connector.engine.looking import Intent
from connector.engine.waits import Park, Wait
from connector.errors import NotSent, Refused, StoreBusy, Throttled, Unauthorized, Unclear
from connector.model import Action
from connector.store.rows import EffectRow
from tests.engine.remote import Clock, Crash, Remote

INSTALLATION = b"installation key of this test"
MAX_TRIES = 80


def intent(action: Action, **changes: Any) -> Intent:
    given: dict[str, Any] = {
        "connection_id": "conn-1",
        "flow": "orders",
        "step": "write",
        "event_id": "event 1",
        "item_id": "7",
        "run_id": 1,
        "action": action,
        "inputs": {"data": {"name": "Rossi", "subject": "Order 7"}},
    }
    return Intent(**{**given, **changes})


@dataclass
class Story:
    """What became of an intent: its end, its output, and every try before it."""

    end: str = ""
    output: Any = None
    error: Any = None
    tries: list[str] = field(default_factory=list)


class Driver:
    """Performs intents as the engine does; a crash makes everything in memory new."""

    def __init__(
        self,
        clock: Clock,
        remote: Remote,
        store: Any,
        make: Callable[..., Effects] = Effects,
    ) -> None:
        self.clock = clock
        self.remote = remote
        self.store = store
        self._make = make
        self.effects = make(clock, INSTALLATION)

    async def once(self, what: Intent) -> Any:
        return await self.effects.perform(what, self.store, self.remote, self.remote.find)

    async def drive(self, what: Intent) -> Story:
        """Until an end; the clock goes on only as far as each wait asks for."""
        story = Story()
        for _ in range(MAX_TRIES):
            try:
                story.output = await self.once(what)
            except Crash:
                story.tries.append("crash")
                self.effects = self._make(self.clock, INSTALLATION)
                self.clock.now += 3
            except Wait as wait:
                story.tries.append(f"wait: {wait.reason}")
                self._pass(wait.due_at)
            except Park as park:
                story.end, story.error = "parked", park.cause
                return story
            except Throttled as error:
                story.tries.append("throttled")
                self.clock.now += error.retry_after
            except Unauthorized:
                story.tries.append("unauthorized")
                self.clock.now += 3600
            except Refused as error:
                story.end, story.error = "refused", error
                return story
            except (NotSent, Unclear) as error:
                story.tries.append(type(error).__name__)
                self.clock.now += 10
            except StoreBusy:
                story.tries.append("store busy")
                self.clock.now += 1
            else:
                story.end = "done"
                return story
        raise AssertionError(f"it does not end: {story.tries}")

    def _pass(self, due_at: float | None) -> None:
        assert due_at is not None
        assert due_at > self.clock(), "or the run would spin"
        self.clock.until(due_at)


async def only(driver: Driver) -> EffectRow:
    (row,) = await driver.store.effects()
    return row


SETTLE = effects_module.SETTLE_SECONDS
SECOND_LOOK = effects_module.SECOND_LOOK_SECONDS
