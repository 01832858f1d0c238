"""What a person decides: parked writes, and doing things again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from connector.engine.packing import unpack
from connector.engine.waits import Clock
from connector.errors import ConnectorError, FlowError
from connector.runtime.adopting import Witness
from connector.runtime.comparing import compared, masked
from connector.runtime.views import effect_view
from connector.store.rows import GONE, MASKED, EffectRow, FlowRow, RunRow, StepRow

if TYPE_CHECKING:
    from connector.engine.book import Book
    from connector.store.port import Store

Choice = Literal["adopt", "send_again", "drop"]
MOST_BESIDE = 3
"""So many records have room beside what was meant."""


class Decisions:
    """Carries out and records choices that no machine may make; every one is audited."""

    def __init__(
        self,
        store: Store,
        book: Book,
        witness: Witness,
        clock: Clock,
        go_on: Callable[[RunRow], None],
    ) -> None:
        self._store = store
        self._witness = witness
        self._book = book
        self._clock = clock
        self._go_on = go_on

    async def parked(self) -> list[dict[str, Any]]:
        """The writes that wait for a person, with all that is known of them."""
        return [
            {
                **effect_view(effect),
                "run": effect.run_id,
                "connection_id": effect.connection_id,
                "created_at": effect.created_at,
            }
            for effect in await self._store.effects(state="parked")
        ]

    async def meant(self, key: str) -> dict[str, Any]:
        """What a parked write was to have: its fields as `compared`, and all of it as `inputs`."""
        inputs = (await self._parked(key)).inputs
        return {"compared": compared(inputs, []), "inputs": masked(inputs)}

    async def look(self, key: str, remote_id: str | None = None) -> dict[str, Any]:
        """Look in the app now: `candidates` for a parked write, and up to three of them beside it.

        `shown` are those that `compared` holds: the one with `remote_id`, else the likeliest.
        `offered` is the only one, where nothing speaks against it. A candidate's `writer` is
        another run of ours that wrote it. Raises ConnectorError when the app cannot be asked.
        """
        effect = await self._parked(key)
        candidates = await self._witness.candidates(effect)
        writers = await self._writers(effect, [one["id"] for one in candidates] + [remote_id or ""])
        for one in candidates:
            one["writer"] = writers.get(one["id"])
        shown = candidates[:MOST_BESIDE]
        if remote_id is not None:
            listed = next((one for one in candidates if one["id"] == remote_id), None)
            record = await self._shown(effect, remote_id, listed)
            shown = [{"id": remote_id, "record": record, "writer": writers.get(remote_id)}]
        only = candidates[0] if len(candidates) == 1 else None
        against = ("writer", "before", "doubt")
        return {
            "at": self._clock(),
            "candidates": candidates,
            "offered": only["id"] if only and not any(map(only.get, against)) else None,
            "shown": [{**one, "record": masked(one["record"])} for one in shown],
            "compared": compared(effect.inputs, [one["record"] for one in shown]),
            "inputs": masked(effect.inputs),
        }

    async def _shown(self, effect: EffectRow, remote_id: str, listed: Any) -> Any:
        """A record whole, which a list may show in part; as it was listed when it cannot be."""
        try:
            return await self._witness.show(effect, remote_id)
        except ConnectorError:
            if listed is None:
                raise
            return listed["record"]

    async def _writers(self, effect: EffectRow, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Which other runs of ours wrote these records, with their flows.

        Of a change nothing is told about the record that it changes: others may have as well.
        """
        found: dict[str, dict[str, Any]] = {}
        ids = [one for one in ids if one != changed_by(effect)]
        flows = await self._store.flow_keys()
        for node in self._witness.kin(effect):
            claimed = await self._store.claimed_ids(effect.connection_id, node, ids)
            for one, number in claimed.items():
                run = await self._store.run(number)
                flow = flows.get(run.flow_id) if run else None
                found.setdefault(one, {"run": number, "flow": flow, "kept": run is not None})
        return found

    async def _another_wrote(self, effect: EffectRow, remote_id: str) -> str:
        """What speaks against a record that another run of ours wrote; empty when none did."""
        writer = (await self._writers(effect, [remote_id])).get(remote_id)
        if writer is None:
            return ""
        flow = f" of the flow {writer['flow']}" if writer["flow"] else ""
        return f"run {writer['run']}{flow} wrote it"

    async def resolve(
        self,
        key: str,
        choice: Choice,
        *,
        who: str,
        remote_id: str | None = None,
        force: bool = False,
    ) -> dict[str, Any]:
        """Decide a parked write: `adopt` the record with `remote_id`, send again, or drop it.

        Its run goes on. Raises ConnectorError when it is not parked, and, unless forced, when the
        record that is adopted cannot be read, is not the one that was written, or is another run's.
        """
        effect = await self._parked(key)
        doubt = ""
        if choice == "adopt":
            if not remote_id:
                raise ConnectorError(
                    "Adopting needs the id of the record in the app.", field="remote_id"
                )
            doubt = await self._another_wrote(effect, remote_id)
            told = await self._witness.read(effect, remote_id, force=force, doubt=doubt)
            effect.state, effect.remote_id = "done", remote_id
            effect.output, doubt = told.output, told.doubt
        elif choice == "send_again":
            effect.state, effect.searches = "planned", 0
        else:
            effect.state = "refused"
        adopted = f"adopted as {remote_id}{f' against this: {doubt}' if doubt else ''}"
        said = {"adopt": adopted, "send_again": "sent again", "drop": "dropped"}
        now = self._clock()
        effect.updated_at = now
        note: dict[str, Any] = {"at": now, "message": f"{said[choice]}, decided by {who}"}
        if choice == "send_again":
            note |= {"again": True}
        if choice == "drop":
            note |= {"dropped": True, "remedy": "It is not written, by a replay neither."}
        effect.evidence.append(note)
        details = {"run": effect.run_id, "node": effect.node, "remote_id": remote_id}
        if doubt:
            details["forced"] = doubt
        free: Sequence[str] = ()
        if choice == "adopt" and not force and remote_id != changed_by(effect):
            # Once more with the commit: another write may have been given it a moment ago.
            free = self._witness.kin(effect)
        freed = await self._store.decide(effect, now, who, choice, details, free)
        # Its own as well where an answer of the database was lost.
        for number in sorted({effect.run_id, *freed}):
            run = await self._store.run(number)
            if run is not None and run.finished_at is None:
                self._go_on(run)
        return {**effect_view(effect), "run": effect.run_id}

    async def _parked(self, key: str) -> EffectRow:
        found = [one for one in await self._store.effects(state="parked") if one.key == key]
        if not found:
            known = [one.key for one in await self._store.effects(state="parked")]
            raise ConnectorError(
                f"No parked write has the key {key!r}.",
                remedy="`connector parked` lists them." if known else "Nothing is parked.",
            )
        return found[0]

    async def replay_run(self, run_id: int, from_step: str | None = None) -> RunRow | None:
        """One more run with the present flow, from its first step that is not done, or from one.

        What was done before is taken over, not done again; writes keep their effect keys. Raises
        FlowError when the present flow is faulty, or does not want this record.
        """
        checked = await self.check_replay(run_id, from_step)
        if checked is None:
            return None
        old, flow = checked
        steps = await self._store.steps(run_id)
        effects = await self._store.effects(run_id=run_id)
        before = begins_at(run_id, steps, effects, from_step)
        new = RunRow(
            tenant=self._store.tenant,
            flow_id=old.flow_id,
            flow_version=flow.version,
            event_id=old.event_id,
            item_id=old.item_id,
            state="queued",
            context=old.context,
            created_at=self._clock(),
            ordered=old.ordered,
        )
        return await self._store.add_run(new, copy_of=run_id, before=before)

    async def check_replay(
        self, run_id: int, from_step: str | None
    ) -> tuple[RunRow, FlowRow] | None:
        """The run and its present flow, when it may be done again; None when one is not there.

        Raises FlowError and ConnectorError as `replay_run`, and changes nothing.
        """
        old = await self._store.run(run_id)
        if old is None:
            return None
        self._refuse_reduced(old)
        flow = next((one for one in await self._store.flows() if one.id == old.flow_id), None)
        if flow is None:
            key = (await self._store.flow_keys()).get(old.flow_id, "")
            raise FlowError(
                f"Run {run_id} cannot be replayed: its flow {key!r} was deleted.",
                remedy="Make a flow with this key again; what it wrote is not written twice.",
            )
        await self._check_filter(flow, old)
        if from_step is None and old.state == "succeeded":
            raise ConnectorError(
                f"Run {run_id} succeeded: there is nothing to do again.",
                field="from",
                remedy="Name the step to start from, if you want to repeat it all the same.",
            )
        return old, flow

    def _refuse_reduced(self, old: RunRow) -> None:
        """Values that are masked or gone must never be written anywhere."""
        what = {GONE: "is no longer kept", MASKED: "is kept with masked fields only"}
        told = next((words for name, words in what.items() if name in old.context), None)
        if told is not None:
            raise ConnectorError(
                f"Run {old.id} cannot be replayed: what it worked on {told}.",
                remedy="CONNECTOR_KEEP_PAYLOADS_DAYS and CONNECTOR_MASK_FIELDS say what is kept. "
                "Change the record in the app: then it comes again.",
            )

    async def _check_filter(self, flow: FlowRow, old: RunRow) -> None:
        """A run that its filter stopped, or failed in, has no steps: nothing else would hold it."""
        compiled = await self._book.compiled(flow.tenant, flow.id, flow.version)
        if not compiled.filter(old.context, datetime.fromtimestamp(self._clock(), UTC)):
            raise FlowError(
                f"The flow {flow.key!r} does not want this record: its filter (`when`) is false.",
                field="when",
                remedy="Change the filter and apply the flow, then replay.",
            )

    async def replay_event(self, event_id: int) -> bool:
        """Match an event once more: flows that had no run for it get one, the others do not."""
        return await self._store.reopen_event(event_id)


def changed_by(effect: EffectRow) -> str:
    """The id of the record that a write changes or deletes; empty where it makes one."""
    if effect.request is None:
        return ""
    request = unpack(effect.request)
    return "" if request.method == "POST" else urlsplit(request.url).path.rsplit("/", 1)[-1]


def begins_at(
    run_id: int, steps: Sequence[StepRow], effects: Sequence[EffectRow], from_step: str | None
) -> int:
    """Before which position the steps of a run are taken over. Raises ConnectorError.

    What was only read right before is read anew: a search that found nothing then may find what
    somebody has made since, and the record must not be made twice.
    """
    anew = {"done"}
    if from_step is None:
        begin = next((one.position for one in steps if one.state == "failed"), len(steps))
        anew.add("skipped")
    else:
        named = next((one for one in steps if one.id == from_step), None)
        if named is None:
            raise ConnectorError(
                f"Run {run_id} has no step {from_step!r} that ran.",
                field="from",
                remedy="The page of the run, and `connector run-show`, list its steps.",
            )
        if named.state == "done":
            # Its own key knows what it wrote; on another footing it would be another write.
            return named.position
        begin = named.position
    wrote = {effect.step_id for effect in effects}
    before = {one.position: one for one in steps}
    while (one := before.get(begin - 1)) and one.state in anew and one.id not in wrote:
        begin -= 1
    return begin
