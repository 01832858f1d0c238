"""A step that is switched off, through the whole product."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import FlowError
from tests.runtime.kit import CREATE, FIND, client, flow, story, world

OFF = CREATE.replace("    map:", "    enabled: false\n    map:")


@story
async def test_a_step_that_is_off_is_skipped_and_told(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow(steps=FIND + OFF))
        w.person.create("clients", client())
        await w.quiet()
        run = await w.run()
        assert run["state"] == "succeeded"
        told = [(step["id"], step["state"], step["off"]) for step in run["steps"]]
        assert told == [("find", "done", False), ("create", "skipped", True)]
        assert run["effects"] == []
        assert w.perfex.seen("POST") == []
        past = await w.runtime.past.run(run["id"])
        assert past is not None
        assert [one["enabled"] for one in past["plan"]] == [True, False]
        # On again, the same record can be run from there, and is written once.
        await w.runtime.apply_flow(flow(steps=FIND + CREATE))
        assert await w.runtime.replay(run["id"], "create") is not None
        await w.quiet()
        assert len(w.perfex.seen("POST", "/api/customers")) == 1


@story
async def test_a_flow_that_reads_a_step_that_is_off_is_not_stored(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        reads = CREATE.replace("trigger.resource.name", "steps.find.company")
        off = FIND.replace("    map:", "    enabled: false\n    map:")
        with pytest.raises(FlowError) as caught:
            await w.runtime.apply_flow(flow(steps=off + reads))
        assert "is switched off" in str(caught.value.issues)
        told = await w.runtime.workshop.dry_run(flow(steps=FIND + OFF), None)
        assert [(one["state"], one["off"]) for one in told["steps"]] == [
            ("would_run", False),
            ("skipped", True),
        ]
        seen = await w.runtime.workshop.sees(
            {"steps": [{"id": "find", "node": "perfex_crm.find_customer", "enabled": False}]},
            1, None, "en",
        )  # fmt: skip
        assert seen["context"]["steps"] == {"find": {"skipped": True}}
        assert not [path for path in seen["labels"] if path.startswith("steps.find")]
