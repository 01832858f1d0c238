"""The sample that a flow is shown with, and its tests: kept on the server, for everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from connector.building.forms import labels
from connector.engine.cases import Case, differences, record, write_cases
from connector.errors import ConnectorError, FlowError
from connector.flow import check_flow
from connector.paths import ABSENT
from connector.store.rows import GONE, MASKED, SampleRow

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.engine.retention import Retention
    from connector.engine.waits import Clock
    from connector.flow import CompiledFlow
    from connector.store.port import Store

Sample = Mapping[str, Any]
Item = Callable[[str, Sample | None], Awaitable[dict[str, Any]]]
"""Gives the event of a sample for the text of a flow."""
PINNED: Final = ""
"""The name under which the sample lies among the tests."""
LONGEST_NAME: Final = 80
MOST_TESTS: Final = 50


class Samples:
    """The pinned samples and the tests of one tenant's flows.

    A record of somebody is kept with the fields masked that runs mask, and no longer than what
    runs work on. The run that a sample names is not copied: it goes when the run's payload goes.
    """

    def __init__(
        self, catalog: Catalog, store: Store, clock: Clock, keeping: Retention, item: Item
    ) -> None:
        self._catalog = catalog
        self._store = store
        self._clock = clock
        self._keeping = keeping
        self._item = item

    # --- the sample ---------------------------------------------------------------------------

    async def pinned(self, flow: str) -> dict[str, Any] | None:
        """The sample that was chosen for a flow, by whom; `gone` when its run keeps no record."""
        rows = await self._store.samples(flow)
        row = next((one for one in rows if one.name == PINNED), None)
        if row is None:
            return None
        gone = "run" in row.content and not await self._is_kept(row.content["run"])
        return {"sample": row.content, "gone": gone, **self._view(row)}

    async def pin(self, flow: str, sample: Sample | None, *, who: str) -> None:
        """Choose the sample of a flow; without one, the made-up sample. Raises ConnectorError."""
        if sample is None:
            await self._store.drop_sample(flow, PINNED)
            return
        content = self._content(sample)
        if "run" in content and not await self._is_kept(content["run"]):
            raise ConnectorError(
                "What this run worked on is no longer kept.", remedy="Choose another sample."
            )
        await self._save(flow, PINNED, content, "record" in content, who)

    def _content(self, sample: Sample) -> dict[str, Any]:
        run, given = sample.get("run"), sample.get("record")
        if isinstance(given, Mapping):
            return {"record": self._hidden({"resource": given})["resource"]}
        if isinstance(run, int):
            return {"run": run}
        raise FlowError("This is no sample.", field="sample", who="developer")

    def _hidden(self, item: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self._keeping.hide({"trigger": item})["trigger"]
        return found

    async def _is_kept(self, run_id: int) -> bool:
        run = await self._store.run(run_id)
        return run is not None and not {GONE, MASKED} & set(run.context)

    # --- tests --------------------------------------------------------------------------------

    async def save(
        self, flow: str, text: str, name: str, sample: Sample | None, *, who: str
    ) -> dict[str, Any]:
        """Keep what the flow does now with a sample as its test of this name. Raises FlowError."""
        name = self._named(name)
        kept = [one.name for one in await self._tests(flow)]
        if name not in kept and len(kept) >= MOST_TESTS:
            raise FlowError(
                f"A flow has at most {MOST_TESTS} tests here.",
                field="name",
                remedy="Remove one, or keep them in a file: `connector test`.",
            )
        trigger = await self._item(text, sample)
        personal = bool(sample)
        if personal:
            trigger = self._hidden(trigger)
        now = datetime.fromtimestamp(self._clock(), UTC).replace(microsecond=0)
        return await self._record(flow, text, Case(name, trigger, now), personal, who)

    async def expect(self, flow: str, text: str, name: str, *, who: str) -> dict[str, Any]:
        """Take what the flow does now as what this test expects. Raises FlowError."""
        row = await self._test(flow, name)
        return await self._record(flow, text, _case(row), row.personal, who, row.saved_at)

    async def run(self, flow: str, text: str, language: str = "en") -> list[dict[str, Any]]:
        """Every test with what is otherwise than it expects. Raises FlowError when none can run."""
        rows = await self._tests(flow)
        compiled = self._compiled(text) if rows else None
        told = []
        for row in rows:
            assert compiled is not None
            found = differences(compiled, self._catalog, _case(row))
            listed = [
                {
                    "where": one.where,
                    "label": self._label(compiled, one.where, language),
                    "expected": None if one.expected is ABSENT else one.expected,
                    "found": None if one.found is ABSENT else one.found,
                    "text": str(one),
                }
                for one in found
            ]
            told.append({"name": row.name, "differences": listed, **self._view(row)})
        return told

    def _label(self, flow: CompiledFlow, where: str, language: str) -> str:
        """The words for the place of a difference; empty where it is no field of a step."""
        step = next(
            (one for one in flow.steps if where.startswith(f"steps.{one.id}.inputs.")), None
        )
        if step is None:
            return ""
        path = where.removeprefix(f"steps.{step.id}.inputs.")
        bare = ".".join(part for part in path.split(".") if not part.isdecimal())
        words = labels(self._catalog, self._catalog.node(step.node), language)
        return f"{step.id}: {words[bare]}" if bare in words else ""

    async def has(self, flow: str, name: str) -> bool:
        """Whether a flow has a test of this name."""
        return any(one.name == name for one in await self._tests(flow))

    async def remove(self, flow: str, name: str) -> bool:
        """Remove a test; tells whether it was there."""
        return await self._store.drop_sample(flow, self._named(name))

    async def as_file(self, flow: str) -> str:
        """The tests as the file that `connector test` runs beside the flow's own."""
        return write_cases([_case(row) for row in await self._tests(flow)])

    async def move(self, draft: str, flow: str) -> None:
        """Give what belongs to the draft of a new flow to the flow that it became."""
        for row in await self._store.samples(draft):
            await self._store.save_sample(
                SampleRow(flow, row.name, row.content, row.personal, row.who, row.saved_at)
            )
            await self._store.drop_sample(draft, row.name)

    async def _tests(self, flow: str) -> list[SampleRow]:
        return [one for one in await self._store.samples(flow) if one.name != PINNED]

    async def _test(self, flow: str, name: str) -> SampleRow:
        found = next((one for one in await self._tests(flow) if one.name == name), None)
        if found is None:
            raise FlowError(f"There is no test {name!r}.", remedy="It was removed meanwhile.")
        return found

    async def _record(
        self,
        flow: str,
        text: str,
        case: Case,
        personal: bool,
        who: str,
        saved_at: float | None = None,
    ) -> dict[str, Any]:
        done = record(self._compiled(text), self._catalog, case)
        await self._save(flow, case.name, done.as_data(), personal, who, saved_at)
        return {"name": done.name, "expect": dict(done.expect)}

    async def _save(
        self,
        flow: str,
        name: str,
        content: Any,
        personal: bool,
        who: str,
        saved_at: float | None = None,
    ) -> None:
        if await self._store.flow(flow) is None and await self._store.draft(flow) is None:
            raise FlowError(f"There is no flow {flow!r}.", remedy="It was deleted meanwhile.")
        # What is expected anew is no new record: it goes when it would have gone.
        at = self._clock() if saved_at is None else saved_at
        await self._store.save_sample(SampleRow(flow, name, content, personal, who, at))

    def _compiled(self, text: str) -> CompiledFlow:
        return check_flow(text, self._catalog).raise_for_errors()

    def _named(self, name: str) -> str:
        name = " ".join(name.split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise FlowError(
                "A test needs a name.",
                field="name",
                remedy=f"Say in at most {LONGEST_NAME} characters what it shows.",
            )
        return name

    def _view(self, row: SampleRow) -> dict[str, Any]:
        return {
            "who": row.who,
            "saved_at": row.saved_at,
            "until": self._keeping.until(row.saved_at) if row.personal else None,
        }


def _case(row: SampleRow) -> Case:
    given = row.content
    return Case(
        name=row.name,
        trigger=given["trigger"],
        now=datetime.fromisoformat(given["now"]),
        steps=given.get("steps", {}),
        expect=given["expect"],
    )
