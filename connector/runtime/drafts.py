"""What somebody is building: kept on the server, and two people who change it notice each other."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any, Final

from connector.building.rewrite import read_plain
from connector.errors import FlowError
from connector.flow.document import DocumentFault
from connector.store.rows import DraftRow

if TYPE_CHECKING:
    from connector.engine.waits import Clock
    from connector.store.port import Store

NEW: Final = "~"
"""Begins the name of a draft that belongs to no stored flow; no key can begin so."""
_NEW_NAME: Final = re.compile(r"~[0-9a-z]{4,20}")
LONGEST: Final = 500_000


class Drafts:
    """The drafts of one tenant: one for each flow, for everybody who builds."""

    def __init__(self, store: Store, clock: Clock, draw: random.Random) -> None:
        self._store = store
        self._clock = clock
        self._draw = draw

    async def list_all(self) -> list[dict[str, Any]]:
        """Every draft without its text, the newest first."""
        return [
            {**_view(row), "name": _name_in(row.document)} for row in await self._store.drafts()
        ]

    async def get(self, flow: str) -> dict[str, Any] | None:
        """The draft of a flow, or the one of this name, with its `text`."""
        row = await self._store.draft(flow)
        return None if row is None else {**_view(row), "text": row.document}

    async def save(
        self, flow: str, text: str, version: int, base: int, *, who: str
    ) -> dict[str, Any]:
        """Store a draft; without `flow` it is that of a new one, and gets a name.

        Gives its new `flow` and `version`; or, when somebody changed it since `version`, how it is
        now as `other` (None: it was published or thrown away). Raises FlowError.
        """
        flow = flow or f"{NEW}{self._draw.getrandbits(48):012x}"
        await self._check(flow, text)
        row = DraftRow(flow, text, max(version, 0), base, who, self._clock())
        if await self._store.save_draft(row):
            return {"flow": flow, "version": row.version + 1}
        return {"flow": flow, "other": await self.get(flow)}

    async def discard(self, flow: str, version: int) -> dict[str, Any]:
        """Throw a draft away; when somebody changed it since, it stays and is given as `other`."""
        done = await self._store.drop_draft(flow, version)
        return {"flow": flow, "other": None if done else await self.get(flow)}

    async def _check(self, flow: str, text: str) -> None:
        if len(text) > LONGEST:
            raise FlowError("The draft is too long.", field="text", remedy="Make it shorter.")
        known = _NEW_NAME.fullmatch(flow) or await self._store.flow(flow) is not None
        if not known:
            raise FlowError(
                f"There is no flow {flow!r}.",
                remedy="It was deleted meanwhile. Copy the text into a new flow.",
            )


def _view(row: DraftRow) -> dict[str, Any]:
    return {
        "flow": row.flow,
        "version": row.version,
        "base": row.base,
        "who": row.who,
        "saved_at": row.saved_at,
        "new": row.flow.startswith(NEW),
    }


def _name_in(text: str) -> str:
    try:
        data = read_plain(text)
    except DocumentFault:
        return ""
    return str(data.get("name") or data.get("flow") or "") if isinstance(data, dict) else ""
