"""A flow that is switched on, as the matching of events sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from connector.engine.deriving import Derived
from connector.model import Trigger
from connector.store.rows import HEALED, EventRow, FlowRow

if TYPE_CHECKING:
    from connector.flow import CompiledFlow


@dataclass(frozen=True, slots=True)
class ActiveFlow:
    """An enabled flow ready to run, and which events it follows."""

    row: FlowRow
    flow: CompiledFlow
    trigger: Trigger
    connection_id: str
    account: str | None
    resources: frozenset[str]
    operations: frozenset[str]
    derived: Derived | None = None

    def wants(self, event: EventRow) -> bool:
        """Whether this flow follows this event."""
        if event.delivery_id.startswith(HEALED) and not (self.derived and self.derived.remembers):
            # The app sent its own event of this, most likely; only a state tells them apart.
            return False
        return (
            event.connection_id == self.connection_id
            and event.operation in self.operations
            and event.resource in self.resources
            and (self.account is None or event.account == self.account)
        )
