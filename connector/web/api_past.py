"""The part of the API that looks back: runs by filter, sums of the inbox, replays of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from connector.codec import encode
from connector.store.rows import RunFilter
from connector.web import shapes
from connector.web.ports import Runtime

Text = Annotated[str | None, Query(max_length=200)]
Number = Annotated[int | None, Query(ge=1, le=2**63 - 1)]
Moment = Annotated[
    datetime | None, Query(description="A time with its zone; without one it is UTC.")
]


class Exact(Response):
    """JSON that keeps every digit of a Decimal."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content)


def seconds(moment: datetime | None) -> float | None:
    """Seconds since 1970."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def asked_for(
    state: str | None,
    flow: str | None,
    record: str | None,
    event: int | None,
    since: datetime | None,
    until: datetime | None,
    text: str | None,
) -> RunFilter:
    """The runs that an address means."""
    return RunFilter(
        state=state, flow=flow, record=record, event_id=event, since=seconds(since),
        until=seconds(until), text=text,
    )  # fmt: skip


def add_past(router: APIRouter, runtime: Runtime, who: str) -> None:
    """Add these routes; those of one run come after, since `replay` is no number."""

    @router.get("/inbox", tags=["events"], response_model=shapes.Account)
    async def get_inbox(since: Moment = None, until: Moment = None) -> Response:
        """Where every event of a time ended: sums that add up; of the last day, unless told."""
        end = seconds(until) or runtime.clock() + 1
        begin = seconds(since)
        told = await runtime.past.account(end - 86_400 if begin is None else begin, end)
        return Exact(told)

    @router.post("/runs/replay/preview", tags=["runs"], response_model=shapes.Preview)
    async def preview_replay(asked: shapes.ReplayMany) -> Response:
        """What a replay of the runs that fit would do; nothing is done."""
        found = RunFilter(
            state=asked.state, flow=asked.flow, since=seconds(asked.since),
            until=seconds(asked.until), text=asked.text,
            ids=None if asked.runs is None else tuple(asked.runs),
        )  # fmt: skip
        return Exact(await runtime.past.replaying.preview(found, asked.from_step))

    @router.post("/runs/replay", tags=["runs"], status_code=202, response_model=shapes.ReplayedMany)
    async def replay_runs(asked: shapes.ReplayRuns) -> Response:
        """Replay these runs, the oldest first; `refused` says which were not, and why."""
        done: Mapping[str, Sequence[Any]] = await runtime.past.replaying.many(
            asked.runs, asked.from_step, who=who
        )
        return Exact(done, 202)
