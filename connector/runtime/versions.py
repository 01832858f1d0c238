"""What a flow was before: its versions, what changed between them, and going back to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from connector.building.meaning_diff import changes
from connector.errors import FlowError

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.store.port import Store
    from connector.store.rows import FlowRow


class Apply(Protocol):
    """Stores a flow's document (`Runtime.apply_flow`)."""

    async def __call__(self, text: str, *, who: str) -> dict[str, Any]: ...


class Versions:
    """The stored documents of one tenant's flows; none is ever changed or lost."""

    def __init__(self, catalog: Catalog, store: Store, apply: Apply) -> None:
        self._catalog = catalog
        self._store = store
        self._apply = apply

    async def list_all(self, key: str) -> list[dict[str, Any]] | None:
        """Every version of a flow, the newest first; None where there is no such flow."""
        flow = await self._store.flow(key)
        if flow is None:
            return None
        return [
            {
                "version": row.version,
                "created_at": row.created_at,
                "who": row.who,
                "present": row.version == flow.version,
            }
            for row in await self._store.flow_versions(key)
        ]

    async def document(self, key: str, version: int) -> str | None:
        """The text of one version; None where there is none."""
        flow = await self._store.flow(key)
        return None if flow is None else await self._store.flow_document(flow.id, version)

    async def changes(
        self, key: str, old: int, new: int | None = None, language: str = "en"
    ) -> list[str]:
        """What differs in meaning from one version to another, or to the present one.

        Raises FlowError for a flow or version that does not exist.
        """
        flow = await self._flow(key)
        after = flow.document if new is None else await self._text(flow, new)
        return changes(self._catalog, await self._text(flow, old), after, language)

    async def would_change(self, key: str, text: str, language: str = "en") -> list[str] | None:
        """What storing this text would change in meaning; None where there is no such flow yet."""
        flow = await self._store.flow(key)
        return None if flow is None else changes(self._catalog, flow.document, text, language)

    async def roll_back(self, key: str, version: int, *, who: str = "") -> dict[str, Any]:
        """Make an old version the present one again, as the next version.

        Raises FlowError when it does not exist, or cannot run any more.
        """
        flow = await self._flow(key)
        if version == flow.version:
            raise FlowError(
                f"Version {version} of {key!r} is the present one.", remedy="Name an older one."
            )
        return await self._apply(await self._text(flow, version), who=who)

    async def _flow(self, key: str) -> FlowRow:
        flow = await self._store.flow(key)
        if flow is None:
            raise FlowError(
                f"There is no flow {key!r}.", remedy="`connector flow list` names them."
            )
        return flow

    async def _text(self, flow: FlowRow, version: int) -> str:
        text = await self._store.flow_document(flow.id, version)
        if text is None:
            raise FlowError(
                f"The flow {flow.key!r} has no version {version}.",
                remedy=f"It has 1 to {flow.version}.",
            )
        return text
