"""The loop guard: what our own writes lead to is known, ends, and stops nobody else's changes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from connector.engine import origins
from tests.runtime.kit import COMPANY, FIND, OTHER_COMPANY, World, flow, story, world


def copies(company: int, more: str = " copy") -> str:
    """A step that writes what it sees into a company."""
    return f"""\
  - id: copy
    node: fatture_in_cloud.create_client
    connection: fatture
    map:
      company_id: {company}
      data.name: "{{{{ trigger.resource.name }}}}{more}"
"""


def names(w: World, company: int) -> list[str]:
    return sorted(one["name"] for one in w.sandbox.fic.companies[company].tables["clients"].view())


async def told(w: World) -> list[tuple[str, str, Any]]:
    """Each run: its flow, its state, and why it was turned away."""
    return [(one["flow"], one["state"], one["reason"]) for one in await w.runs()]


@story
async def test_two_flows_that_answer_each_other_end(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(
            flow("there", types="[create]", steps=copies(OTHER_COMPANY)),
            flow("back", types="[create]", company=OTHER_COMPANY, steps=copies(COMPANY)),
        )
        first, second = names(w, COMPANY), names(w, OTHER_COMPANY)
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert names(w, COMPANY) == sorted([*first, "A", "A copy copy"])
        assert names(w, OTHER_COMPANY) == sorted([*second, "A copy"])
        there, back, again = await w.runs()
        assert [(one["flow"], one["state"]) for one in (there, back, again)] == [
            ("there", "succeeded"),
            ("back", "succeeded"),
            ("there", "filtered"),
        ]
        assert again["reason"] == (
            f"This change was caused by our own write, of run {back['id']}, which this flow led to."
        )
        shown = await w.runtime.get_run(back["id"])
        assert shown is not None
        assert shown["cause"] == {"run": there["id"], "depth": 2, "sure": True}


@story
async def test_flows_that_allow_loops_end_at_the_fifth(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        head = "loops: allow"
        await w.follow(
            flow("there", types="[create]", head=head, steps=copies(OTHER_COMPANY)),
            flow("back", types="[create]", head=head, company=OTHER_COMPANY, steps=copies(COMPANY)),
        )
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        runs = await w.runs()
        assert [one["state"] for one in runs] == [*["succeeded"] * 5, "filtered"]
        assert f"of run {runs[4]['id']}: the last of 5 runs" in runs[5]["reason"]


@story
async def test_a_chain_of_different_flows_goes_through(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(
            flow("first", types="[create]", steps=copies(OTHER_COMPANY)),
            flow("second", types="[create]", company=OTHER_COMPANY),
        )
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A copy"]


@story
async def test_a_persons_edit_of_what_we_wrote_is_followed(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("self", types="[create, update]", steps=copies(COMPANY)))
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        states = [one for _, one, _ in await told(w)]
        assert states == ["succeeded", "filtered"]
        copy = next(
            one
            for one in w.sandbox.fic.first_company.tables["clients"].view()
            if one["name"] == "A copy"
        )
        await asyncio.sleep(5)
        w.person.change("clients", copy["id"], {"name": "B"})
        await w.quiet()
        assert [one for _, one, _ in await told(w)] == [*states, "succeeded", "filtered"]
        assert "B copy" in names(w, COMPANY)
        edited = await w.run(-2)
        assert edited["cause"] is None


@story
async def test_many_at_once_each_end_by_themselves(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(
            flow("there", types="[create]", steps=copies(OTHER_COMPANY)),
            flow("back", types="[create]", company=OTHER_COMPANY, steps=copies(COMPANY)),
        )
        w.person.import_clients([{"name": f"Cliente {one}"} for one in range(20)])
        await w.quiet()
        states = [(one, state) for one, state, _ in await told(w)]
        assert sorted(states) == sorted(
            [
                *[("there", "succeeded")] * 20,
                *[("back", "succeeded")] * 20,
                *[("there", "filtered")] * 20,
            ]
        )


@story
async def test_an_echo_that_comes_before_the_answer_waits_for_it(tmp_path: Path) -> None:
    """The app commits, tells, and answers only then."""
    async with world(tmp_path) as w:
        await w.follow(flow("self", types="[create]", steps=copies(COMPANY)))
        plain, slow = w.fic.app, [True]

        async def late(scope: Any, receive: Any, send: Any) -> None:
            async def answer(message: Any) -> None:
                if scope["method"] == "POST" and message["type"] == "http.response.start":
                    await asyncio.sleep(8 if slow.pop() else 0)
                    slow.append(False)
                await send(message)

            await plain(scope, receive, answer)

        w.fic.app = late
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one for _, one, _ in await told(w)] == ["succeeded", "filtered"]


@story
async def test_an_echo_that_only_a_sweep_tells_of_is_known(tmp_path: Path) -> None:
    async with world(tmp_path, settings={"sweep_seconds": 1_200}) as w:
        await w.follow(flow("self", types="[create]", steps=copies(COMPANY)))
        await asyncio.sleep(30)
        w.sandbox.fic.faults.add(kind="drop", skip=1)
        w.person.create("clients", {"name": "A"})
        await asyncio.sleep(3_000)
        await w.quiet()
        assert [one for _, one, _ in await told(w)] == ["succeeded", "filtered"]
        assert [one["recovered"] for one in await w.events() if one["ids"]] == [False, True]


@story
async def test_it_is_known_in_the_next_process(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("self", types="[create]", steps=copies(COMPANY)))
        w.sandbox.fic.faults.add(kind="drop", skip=1)
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        lost = next(one for one in w.deliveries if one.state == "lost")
        await w.restart()
        await asyncio.sleep(7_200)
        w.sandbox.fic.webhooks._schedule(lost)
        await w.quiet()
        assert [one for _, one, _ in await told(w)] == ["succeeded", "filtered"]


@story
async def test_what_was_there_already_was_not_made_by_us(tmp_path: Path) -> None:
    """It is used and not written: the person's event about it is a person's."""
    async with world(tmp_path) as w:
        steps = copies(OTHER_COMPANY, "") + '      data.vat_number: "IT09876543217"\n'
        await w.follow(
            flow("there", types="[create]", steps=steps),
            flow("seen", types="[create]", company=OTHER_COMPANY, steps=FIND),
        )
        w.sandbox.fic.webhooks.pause()
        w.person.create("clients", {"name": "A", "vat_number": "IT09876543217"}, OTHER_COMPANY)
        await asyncio.sleep(60)
        w.sandbox.fic.webhooks.resume()
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert w.rows("SELECT * FROM origin") == []
        assert [one["cause"] for one in [await w.run(0), await w.run(1)]] == [None, None]


@story
async def test_without_the_guard_they_would_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from connector.engine import making

    assert origins.CHAIN == 5
    monkeypatch.setattr(making, "cause_of", lambda *told: None)
    async with world(tmp_path) as w:
        await w.follow(flow("self", types="[create]", steps=copies(COMPANY)))
        w.person.create("clients", {"name": "A"})
        await w.until(lambda: _many(w))
        await w.runtime.enable_flow("self", False)


async def _many(w: World) -> bool:
    return len(await w.runs(state="succeeded")) > 10
