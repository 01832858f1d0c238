"""Events for flows of one step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.store.rows import EventRow, RunRow
from tests.engine.world import Flow, Step, Story, World, play as tell

ONE_STEP = [Step("one")]
FIFTY = tuple(str(number) for number in range(1, 51))


def play(path: Path, story: Story, *flows: Flow, **given: Any) -> World:
    """A story whose flows have one step where nothing else is said."""
    return tell(path, story, *(flows or (Flow("sync", ONE_STEP),)), **given)


async def again(world: World, event: EventRow) -> EventRow:
    stored = await world.store.event(event.id)
    assert stored is not None
    return stored


def by_item(runs: list[RunRow]) -> dict[str, RunRow]:
    items = {run.item_id: run for run in runs}
    assert len(items) == len(runs), "one run each"
    return items
