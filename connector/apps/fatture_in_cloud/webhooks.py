"""Receiving notifications of Fatture in Cloud: the handshake, and events bound to their hook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from connector.apps.fatture_in_cloud.envelope import malformed, read_envelope
from connector.apps.fatture_in_cloud.subscriptions import subscribe, unsubscribe
from connector.apps.fatture_in_cloud.tokens import VENDOR_KEY, TokenReader, check_claims, refused
from connector.errors import HookRefused, HookUnsure
from connector.model import Caller, Delivery, Hook, Inbound, Json

CHALLENGE = "x-fic-verification-challenge"
_CHALLENGE = re.compile(r"[A-Za-z0-9._-]{16,256}")


class FattureWebhooks:
    """The vendor's webhooks, accepted only for our own hook, company and application.

    `keys` are public keys in PEM (none: the vendor's published one), `app_ids` the ids of our
    application there; without them any application's token for our address and company passes.
    """

    def __init__(self, keys: Sequence[str] = (), app_ids: Iterable[str | int] = ()) -> None:
        self._tokens = TokenReader(tuple(keys) or (VENDOR_KEY,))
        self._app_ids = frozenset(str(one) for one in app_ids)

    def challenge(self, hook: Hook, inbound: Inbound, now: datetime) -> Json:
        """The answer to a handshake that we asked for; None for an event. Raises HookRefused."""
        if inbound.method != "GET":
            return None
        asked = [value for name, value in inbound.headers if name == CHALLENGE]
        asked += [value for name, value in inbound.query if name == CHALLENGE]
        if not asked or len(set(asked)) != 1 or _CHALLENGE.fullmatch(asked[0]) is None:
            raise malformed("it asks for no verification")
        # Whoever registers our address at the vendor sends us a genuine handshake: answering one
        # that we did not ask for would let a stranger point his events at us.
        if hook.verify_until is None or now > hook.verify_until:
            raise HookRefused("No verification is expected now.", status=401)
        token = self._tokens.read(inbound)
        check_claims(token.claims, hook, now, self._app_ids, event=False)
        if not token.signed:
            raise _unknown_key()
        return {"verification": asked[0]}

    def receive(self, hook: Hook, inbound: Inbound, now: datetime) -> Delivery:
        """One verified event. Raises HookRefused: 401 token, 400 form, 503 for an unknown key."""
        if inbound.method != "POST":
            raise HookRefused("Events come by POST.", status=405)
        token = self._tokens.read(inbound)
        check_claims(token.claims, hook, now, self._app_ids, event=True)
        envelope = read_envelope(inbound)
        if token.claims["jti"] != envelope.delivery_id:
            raise refused("made for another event")
        if token.claims["sub"] != envelope.subject:
            raise refused("made for another subject")
        if not token.signed:
            raise _unknown_key()
        return Delivery(
            delivery_id=envelope.delivery_id,
            type=envelope.type,
            resource=envelope.resource,
            operation=envelope.operation,
            ids=envelope.ids,
            subject=envelope.subject,
            time=envelope.time,
            silent=not envelope.known,
        )

    def trusting(self, key: str) -> FattureWebhooks:
        """The same for an emulated app, which signs with a key of its own."""
        return FattureWebhooks((key,))

    async def subscribe(self, caller: Caller, hook: Hook, events: tuple[str, ...]) -> Json:
        """Make one shared subscription send these events to the hook; see `subscriptions`."""
        return await subscribe(caller, hook, events)

    async def unsubscribe(self, caller: Caller, hook: Hook) -> int:
        """Remove what sends to the hook; tells how many subscriptions that were."""
        return await unsubscribe(caller, hook)


def _unknown_key() -> HookUnsure:
    return HookUnsure(
        "The token says all the right things, but no known key has signed it.",
        remedy="If the vendor has changed its key, add the new one to "
        "CONNECTOR_FATTURE_IN_CLOUD_KEYS. Until then events are not taken; the next sweep finds"
        " what was changed.",
    )
