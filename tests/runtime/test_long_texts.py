"""A text that no index of PostgreSQL holds is written all the same, on either database."""

from __future__ import annotations

import asyncio
import base64
import random
import string
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector.runtime import Tuning
from tests.runtime.kit import flow, story, world

ITEM = """\
  - id: item
    node: perfex_crm.ensure_item
    connection: perfex
    map:
      data.description: "{{ trigger.resource.notes }}"
      data.rate: 10
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_an_item_with_a_long_text_is_made_once(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    settings = {}
    if kind == "postgres":
        key = SecretStr(base64.b64encode(b"k" * 32).decode())
        settings = {"database": request.getfixturevalue("postgres_url"), "key": key}
    text = "".join(random.Random(3).choices(string.ascii_letters, k=6_000))

    @story
    async def follow() -> None:
        async with world(tmp_path, settings=settings, tuning=Tuning(listen=False)) as w:
            await w.follow(flow(types="[create]", steps=ITEM))
            for name in ("A", "B"):
                w.person.create("clients", {"name": name, "notes": text})
                await asyncio.sleep(1200)
            assert [run["state"] for run in await w.runs()] == ["succeeded"] * 2
            assert len(w.sandbox.perfex.tables["items"].view()) == 1

    follow()
