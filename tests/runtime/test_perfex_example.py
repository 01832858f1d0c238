"""The example that keeps customers and their people like the clients of Fatture in Cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runtime.kit import EXAMPLES, World, client, story, world

FLOW = (EXAMPLES / "fic-client-and-person-to-perfex.yaml").read_text("utf-8")
ADA = {"first_name": "Ada", "last_name": "Esempio", "email": "ada@officine.example"}


def people(w: World) -> list[dict[str, Any]]:
    return w.sandbox.perfex.tables["contacts"].view()


@pytest.mark.parametrize("generation", ["2.x", "3.x"])
def test_customer_and_person_follow_the_client(tmp_path: Path, generation: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, generation=generation) as w:
            await w.follow(FLOW)
            made = w.person.create("clients", client(**ADA))
            await w.quiet()
            run = await w.run()
            assert run["state"] == "succeeded", run["error"]
            assert [one["company"] for one in w.customers] == ["Officine Adda S.r.l."]
            (person,) = people(w)
            assert (person["userid"], person["email"]) == ("412", ADA["email"])
            w.person.change("clients", made["id"], {"first_name": "Augusta"})
            await w.quiet()
            run = await w.run()
            assert run["state"] == "succeeded", run["error"]
            assert [one["firstname"] for one in people(w)] == ["Augusta"]
            assert (len(w.customers), w.sandbox.perfex.mails) == (1, [])

    told()


def test_a_client_without_a_person_is_a_customer_alone(tmp_path: Path) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path) as w:
            await w.follow(FLOW)
            w.person.create("clients", client())
            await w.quiet()
            run = await w.run()
            assert run["state"] == "succeeded", run["error"]
            assert (len(w.customers), people(w)) == (1, [])

    told()
