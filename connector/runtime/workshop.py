"""Where flows are built: samples, previews, suggestions and dry runs of what is not stored yet."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from connector.building.contexts import context_for, labels_for, ranks_for, sample_item
from connector.building.forms import form, node_cards
from connector.building.places import places_seen
from connector.building.preview import preview
from connector.building.rewrite import read_plain, rewrite
from connector.building.suggest import suggest
from connector.engine.book import as_connection
from connector.engine.dry import dry_run
from connector.engine.waits import Clock
from connector.errors import ConnectorError, FlowError
from connector.flow import check_flow
from connector.flow.document import DocumentFault
from connector.model import Action, AnyNode, Search
from connector.runtime.drafts import Drafts
from connector.runtime.overlaps import overlaps
from connector.runtime.samples import Samples
from connector.runtime.scopes import not_granted
from connector.runtime.trying import Trying
from connector.runtime.versions import Apply, Versions
from connector.store.rows import GONE, MASKED, RunFilter

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.engine.retention import Retention
    from connector.store.port import Store

Document = Mapping[str, Any]
MOST_SAMPLES = 12


class Workshop:
    """Everything that a builder asks; it sends nothing, and stores what is prepared, no flow."""

    def __init__(
        self,
        catalog: Catalog,
        store: Store,
        clock: Clock,
        apply: Apply,
        keeping: Retention,
        draw: random.Random,
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self.trying = Trying(catalog, clock)
        self.versions = Versions(catalog, store, apply)
        self.drafts = Drafts(store, clock, draw)
        self.kept = Samples(catalog, store, clock, keeping, self._event_of)

    def cards(self, language: str) -> list[dict[str, Any]]:
        """Every node as one line to choose from."""
        return node_cards(self._catalog, language)

    def form(self, node: str, language: str) -> dict[str, Any]:
        """The fields of a node in sections. Raises BundleError."""
        return form(self._catalog, self._catalog.node(node), language)

    async def check(self, text: str) -> dict[str, Any]:
        """What a document says as data (None when it cannot be read), and all that is wrong."""
        rows = await self._store.connections()
        told = check_flow(text, self._catalog, {row.name: row.app for row in rows})
        issues = list(told.issues)
        if told.flow is not None and told.compiled is not None:
            issues += not_granted(told.flow, rows, self._catalog)
            issues += overlaps(told.flow, await self._store.flows(), self._catalog)
        try:
            data = read_plain(text)
        except DocumentFault:
            data = None
        return {
            "text": text,
            "data": data if isinstance(data, dict) else None,
            "ok": not any(issue.severity == "error" for issue in issues),
            "issues": [issue.model_dump(exclude_none=True) for issue in issues],
        }

    async def change(self, text: str, data: Document) -> dict[str, Any]:
        """The document changed so that it says `data`, its comments kept; then as `check`."""
        return await self.check(rewrite(text, data))

    async def samples(self, flow: str | None) -> list[dict[str, Any]]:
        """The last runs whose records can serve as samples: of a flow, else of any."""
        found = await self._store.look_up_runs(RunFilter(flow=flow), MOST_SAMPLES)
        return [
            {"run": line.id, "record": line.item_id, "at": line.created_at, "flow": line.flow}
            for line in found.rows
        ]

    async def sees(
        self, data: Document, step: int, sample: Mapping[str, Any] | None, language: str
    ) -> dict[str, Any]:
        """What a step's expressions see, and the words for it by path."""
        return {
            "context": await self._context(data, step, sample),
            "labels": labels_for(self._catalog, data, step, language),
            "ranks": ranks_for(self._catalog, data, step),
        }

    async def preview(
        self,
        data: Document,
        step: int,
        sample: Mapping[str, Any] | None,
        only: str | None = None,
    ) -> dict[str, Any]:
        """Each field's exact value with its type, what is wrong, and the whole payload."""
        node, mapping = self._step(data, step)
        if not isinstance(node, Action | Search):
            raise FlowError(f"{node.name} starts a flow: it is no step.", field="node")
        context = await self._context(data, step, sample)
        now = datetime.fromtimestamp(self._clock(), UTC)
        return preview(self._catalog, node, mapping, context, only=only, now=now)

    async def suggest(
        self, data: Document, step: int, sample: Mapping[str, Any] | None, language: str
    ) -> list[dict[str, Any]]:
        """Lines that may be right for the fields that have none."""
        node, mapping = self._step(data, step)
        if not isinstance(node, Action | Search):
            return []
        context = await self._context(data, step, sample)
        places = places_seen(self._catalog, data, step, context)
        found = suggest(self._catalog, node, places, mapping, language)
        return [one.as_data() for one in found]

    async def dry_run(self, text: str, sample: Mapping[str, Any] | None) -> dict[str, Any]:
        """Every request that a flow would send for a sample. Raises FlowError."""
        rows = await self._store.connections()
        told = check_flow(text, self._catalog, {row.name: row.app for row in rows})
        compiled = told.raise_for_errors()
        item = await self._item(read_plain(text), sample)
        found = {row.name: as_connection(row) for row in rows}
        now = datetime.fromtimestamp(self._clock(), UTC)
        done = dry_run(
            compiled,
            self._catalog,
            item,
            assumed={},
            connection_of=lambda name, app: found.get(name),
            now=now,
        )
        return {
            "passes": done.passes,
            "ok": done.ok,
            "error": done.error.as_data() if done.error else None,
            "steps": [one.as_data() for one in done.steps],
        }

    async def _context(
        self, data: Document, step: int, sample: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        item = await self._item(data, sample)
        return context_for(self._catalog, data, step, item)

    async def _event_of(self, text: str, sample: Mapping[str, Any] | None) -> dict[str, Any]:
        data = read_plain(text)
        return await self._item(data if isinstance(data, Mapping) else {}, sample)

    async def _item(self, data: Document, sample: Mapping[str, Any] | None) -> dict[str, Any]:
        """The event of a sample: of a run, with a pasted record, or made up."""
        given = sample or {}
        record = given.get("record")
        if isinstance(record, Mapping):
            return sample_item(self._catalog, data, record)
        if isinstance(given.get("run"), int):
            run = await self._store.run(given["run"])
            item = run.context.get("trigger") if run is not None else None
            if run is None or GONE in run.context or not isinstance(item, Mapping):
                raise ConnectorError(
                    "What this run worked on is no longer kept.", remedy="Choose another sample."
                )
            if MASKED in run.context:
                raise ConnectorError(
                    "What this run worked on is kept with masked fields only.",
                    remedy="Choose another sample.",
                )
            return dict(item)
        return sample_item(self._catalog, data)

    def _step(self, data: Document, step: int) -> tuple[AnyNode, Mapping[str, Any]]:
        steps = data.get("steps")
        found = steps[step] if isinstance(steps, list) and 0 <= step < len(steps) else None
        if not isinstance(found, Mapping):
            raise FlowError("There is no such step.", field="steps")
        mapping = found.get("map")
        node = self._catalog.node(str(found.get("node", "")))
        return node, mapping if isinstance(mapping, Mapping) else {}
