"""A mapping tried on values that the caller brings: nothing is stored, nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.building.forms import form
from connector.building.places import places_in
from connector.building.preview import preview
from connector.building.suggest import suggest

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.engine.waits import Clock


class Trying:
    """What an embedder's own form asks; every `node` that is unknown raises BundleError."""

    def __init__(self, catalog: Catalog, clock: Clock) -> None:
        self._catalog = catalog
        self._clock = clock

    def form(self, node: str, language: str = "en") -> dict[str, Any]:
        """The fields of a node in sections, with short words."""
        return form(self._catalog, self._catalog.node(node), language)

    def preview(
        self,
        node: str,
        mapping: Mapping[str, Any],
        context: Mapping[str, Any],
        only: str | None = None,
    ) -> dict[str, Any]:
        """Each field's exact value with its type, what is wrong, and the whole payload."""
        operation = self._catalog.operation(node)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return preview(self._catalog, operation, mapping, context, only=only, now=now)

    def suggest(
        self,
        node: str,
        mapping: Mapping[str, Any],
        context: Mapping[str, Any],
        language: str = "en",
    ) -> list[dict[str, Any]]:
        """Lines that may be right for the fields that have none, the surest first."""
        operation = self._catalog.operation(node)
        places = [
            place
            for root in ("trigger", "steps")
            for place in places_in(root, context.get(root, {}))
        ]
        found = suggest(self._catalog, operation, places, mapping, language)
        return [one.as_data() for one in found]
