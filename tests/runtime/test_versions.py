"""What a flow was before: every version, what changed, and going back."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import FlowError
from tests.runtime.kit import flow, story, world


@story
async def test_versions_are_kept_told_apart_and_gone_back_to(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow())
        first = (await w.runtime.get_flow("simple") or {})["document"]
        second = first.replace('"{{ trigger.resource.name }}"', '"{{ trigger.resource.code }}"')
        assert second != first
        await w.runtime.apply_flow(second, who="carla")
        versions = w.runtime.workshop.versions
        rows = await versions.list_all("simple") or []
        assert [(row["version"], row["present"]) for row in rows] == [(2, True), (1, False)]
        assert await versions.document("simple", 1) == first
        [sentence] = await versions.changes("simple", 1)
        assert "trigger.resource.code instead of trigger.resource.name" in sentence
        assert await versions.changes("simple", 2, 2) == []
        assert await versions.would_change("simple", first) != []
        back = await versions.roll_back("simple", 1, who="anna")
        assert (back["version"], back["document"], back["enabled"]) == (3, first, True)
        assert await versions.changes("simple", 1) == []
        await w.runtime.accounts.rename("perfex", "crm", who="bruno")
        by = {row["version"]: row["who"] for row in await versions.list_all("simple") or []}
        assert by == {1: "", 2: "carla", 3: "anna", 4: "bruno"}


@story
async def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        versions = w.runtime.workshop.versions
        assert await versions.list_all("nobody") is None
        assert await versions.document("nobody", 1) is None
        assert await versions.would_change("nobody", "flow: x") is None
        await w.follow(flow())
        for version, words in ((1, "is the present one"), (9, "has no version 9")):
            with pytest.raises(FlowError, match=words):
                await versions.roll_back("simple", version)
        with pytest.raises(FlowError, match="no flow"):
            await versions.changes("nobody", 1)
