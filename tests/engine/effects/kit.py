"""What must hold of a write, whatever happened."""

from __future__ import annotations

from connector.store.rows import EffectRow
from tests.engine.driving import Driver, Story, only
from tests.engine.remote import TOKEN


async def check(driver: Driver, story: Story) -> EffectRow:
    """What must hold whatever happened; gives the effect."""
    row = await only(driver)
    assert row.state == story.end
    assert row.state in ("done", "refused", "parked")
    assert set(driver.remote.sent) <= {row.request}, "every attempt sends the stored bytes"
    assert TOKEN not in repr(row)
    if "create" in row.node:
        made = driver.remote.marked(row.marker)
        assert len(made) <= 1
        if story.end == "done":
            assert [str(one.id) for one in made] == [row.remote_id]
    return row
