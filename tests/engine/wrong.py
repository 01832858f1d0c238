"""Engines that are wrong in one way each: stories that are worth something find every one."""

from __future__ import annotations

from typing import Any

from connector.engine.effects import Effects
from connector.engine.looking import Intent
from connector.errors import Invalid, NotSent, Unclear
from connector.store.rows import EffectRow


class RetriesAfterTimeout(Effects):
    """What retry libraries do by default."""

    async def _judge(self, *given: Any) -> None:
        if isinstance(given[-1], Unclear):
            await self._save(given[1], given[2], "planned")
            raise NotSent("It timed out: once more.")
        await super()._judge(*given)


class LooksAtOnce(Effects):
    """Searches immediately, and sends again when it finds nothing."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more, settle_seconds=0.5, second_look_seconds=0.5)


class SendsBeforeStoring(Effects):
    """Writes down that it sends only in memory."""

    async def _save(self, effect: EffectRow, store: Any, state: Any) -> None:
        if state != "sending":
            await super()._save(effect, store, state)


class ForgetsItWasSending(Effects):
    """After a restart it begins anew."""

    async def _doubt(self, effect: EffectRow, store: Any, *why: Any) -> None:
        await self._save(effect, store, "planned")


class TakesServerErrorsForNo(Effects):
    """A server error is taken for a refusal."""

    async def _judge(self, *given: Any) -> None:
        *rest, error = given
        if isinstance(error, Unclear):
            error = Invalid("The server does not want it.")
        await super()._judge(*rest, error)


class ParkedIsNoEnd(Effects):
    """A replay sends what a person should look at."""

    async def _perform(self, key: str, intent: Intent, store: Any, *rest: Any) -> Any:
        effect = await store.effect(key)
        if effect is not None and effect.state == "parked":
            await self._save(effect, store, "planned")
        return await super()._perform(key, intent, store, *rest)
