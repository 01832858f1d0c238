"""Adopting a record by its id: it is read first, and must be the one that the write meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from connector import paths
from connector.engine.looking import output_of
from connector.engine.proof import (
    alike_of,
    carries,
    criteria_of,
    ids_of,
    kin_of,
    record_of,
    unlike,
)
from connector.engine.runs import read
from connector.engine.witness import against, known_of
from connector.errors import ApiError, BundleError, ConnectorError, Missing, NotConnected
from connector.model import Action, Search
from connector.store.rows import EffectRow

if TYPE_CHECKING:
    from connector.caller import AppCaller
    from connector.catalog import Catalog
    from connector.engine.doors import Doors


MOST_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Testimony:
    """What later steps will see of a record, and what speaks against it when it was forced."""

    output: dict[str, Any]
    doubt: str = ""


class Unproven(ConnectorError):
    """A record was not adopted, since nothing proves that it is the one; a person may insist."""


class Witness:
    """Reads records through the connection that a write went through."""

    def __init__(self, catalog: Catalog, doors: Doors) -> None:
        self._catalog = catalog
        self._doors = doors

    async def read(
        self, effect: EffectRow, remote_id: str, *, force: bool, doubt: str = ""
    ) -> Testimony:
        """The record with this id; `doubt` is what speaks against it already.

        Raises ConnectorError when it does not fit, unless forced.
        """
        number = int(remote_id) if remote_id.isdecimal() else remote_id
        try:
            action = self._action(effect)
            record = await self._record(action, effect, number)
        except (ApiError, BundleError, NotConnected) as error:
            if not force:
                raise _refusal(error, remote_id) from error
            return Testimony(output_of(None, number), doubt or error.message)
        doubt = doubt or unlike(action, effect.inputs, effect.marker, record, remote_id)
        keyed = effect.natural_key and not action.identity.witness
        if not doubt and not action.identity.marker and not keyed:
            doubt = "it was written without a mark and without a key, so nothing tells that it is"
        if doubt and not force:
            raise Unproven(
                f"The record {remote_id} is not the one that was written: {doubt}.",
                field="remote_id",
                remedy="Check the id.",
            )
        return Testimony(output_of(record, number), doubt)

    async def candidates(self, effect: EffectRow) -> list[dict[str, Any]]:
        """What the app shows now that may be this write, the likeliest first. Raises ApiError.

        `marked` bears our mark; `doubt` is what speaks against it.
        """
        node = self._catalog.node(effect.node)
        if not isinstance(node, Action) or not node.identity.find:
            return []
        search = self._catalog.node(f"{node.app}.{node.identity.find}")
        assert isinstance(search, Search)
        door = await self._door(node, effect)
        seen: dict[str, dict[str, Any]] = {}
        for criteria in (
            criteria_of(node, known_of(node, effect), effect.marker),
            alike_of(node, effect.inputs),
        ):
            found = await read(search, criteria, door) if criteria else {}
            for one in ids_of(found)[:MOST_CANDIDATES]:
                record = record_of(found, one)
                seen.setdefault(
                    one,
                    {
                        "id": one,
                        "record": record,
                        "marked": carries(node, record, effect.marker),
                        "before": one in effect.known,
                        "doubt": unlike(node, effect.inputs, effect.marker, record, one)
                        or against(node, effect, record),
                    },
                )
        return sorted(seen.values(), key=lambda one: (not one["marked"], bool(one["doubt"])))

    def kin(self, effect: EffectRow) -> list[str]:
        """The actions that write records of this kind."""
        node = self._catalog.node(effect.node)
        return kin_of(node) if isinstance(node, Action) else [effect.node]

    async def show(self, effect: EffectRow, remote_id: str) -> Any:
        """The record with this id, as the app shows it now. Raises ConnectorError."""
        number = int(remote_id) if remote_id.isdecimal() else remote_id
        return await self._record(self._action(effect), effect, number)

    def _action(self, effect: EffectRow) -> Action:
        node = self._catalog.node(effect.node)
        if not isinstance(node, Action) or node.identity.read is None:
            raise BundleError(f"{effect.node} does not say how its records are read.")
        return node

    async def _door(self, action: Action, effect: EffectRow) -> AppCaller:
        app = self._catalog.app(action.app)
        account = str(effect.inputs.get(app.account_input, "")) if app.account_input else ""
        return await self._doors.open(
            effect.tenant, effect.connection_id, account=account, priority="proof"
        )

    async def _record(self, action: Action, effect: EffectRow, number: Any) -> Any:
        door = await self._door(action, effect)
        assert action.identity.read is not None
        answer = await door.read(action.identity.read, {**effect.inputs, "id": number})
        record = paths.get(answer, action.result) if action.result else answer
        # Some releases wrap a single record and others do not.
        return answer if record is paths.ABSENT else record


def _refusal(error: ConnectorError, remote_id: str) -> ConnectorError:
    if isinstance(error, Missing):
        message, remedy = f"The app has no record {remote_id}.", "Check the id."
    else:
        message = f"The record {remote_id} cannot be read, so nobody knows whether it is the one: "
        message += error.message
        remedy = error.remedy or "Try again later."
    return Unproven(message, field="remote_id", remedy=remedy, who=error.who)
