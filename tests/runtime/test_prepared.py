"""What is prepared beside a flow: drafts of several people, the pinned sample, tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connector.engine.cases import differences, read_cases
from connector.errors import ConnectorError, FlowError
from connector.flow import check_flow
from connector.redaction import MASK
from connector.runtime import Tuning
from connector.runtime.samples import MOST_TESTS
from tests.runtime.kit import CREATE, HOUR, client, flow, long_story, story, world

DAY = 24 * HOUR
TEXT = flow(steps=CREATE)


@story
async def test_two_people_who_change_one_draft_notice_each_other(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        drafts = w.runtime.workshop.drafts
        first = await drafts.save("", "flow: mine", 0, 0, who="anna")
        name = first["flow"]
        assert name.startswith("~")
        assert (await drafts.save(name, "flow: hers", 1, 0, who="bea"))["version"] == 2
        late = await drafts.save(name, "flow: his", 1, 0, who="carlo")
        assert (late["other"]["who"], late["other"]["text"]) == ("bea", "flow: hers")
        assert (await drafts.save(name, "flow: his", 2, 0, who="carlo"))["version"] == 3
        assert (await drafts.discard(name, 2))["other"]["who"] == "carlo"
        (listed,) = await drafts.list_all()
        assert (listed["flow"], listed["name"], listed["version"]) == (name, "his", 3)
        assert await drafts.discard(name, 3) == {"flow": name, "other": None}
        assert await drafts.get(name) is None
        # Whoever still holds it learns that it is gone, and may keep it as a new one.
        assert (await drafts.save(name, "flow: his", 3, 0, who="carlo"))["other"] is None
        with pytest.raises(FlowError, match="no flow 'nobody'"):
            await drafts.save("nobody", "flow: x", 0, 0, who="carlo")


@story
async def test_a_pinned_run_is_no_copy_of_its_record(tmp_path: Path) -> None:
    async with world(tmp_path, tuning=Tuning(keep_payloads_days=HOUR / DAY)) as w:
        await w.follow(TEXT)
        w.person.create("clients", client("Anna Rossi"))
        await w.quiet()
        run, kept = (await w.run())["id"], w.runtime.workshop.kept
        await kept.pin("simple", {"run": run}, who="anna")
        told = await kept.pinned("simple")
        assert told is not None
        assert (told["sample"], told["gone"], told["until"]) == ({"run": run}, False, None)
        assert "Anna Rossi" not in repr(w.rows("SELECT * FROM flow_sample"))
        await asyncio.sleep(2 * HOUR + 600)
        told = await kept.pinned("simple")
        assert told is not None
        assert told["gone"] is True
        with pytest.raises(ConnectorError, match="no longer kept"):
            await kept.pin("simple", {"run": run}, who="anna")
        await kept.pin("simple", None, who="anna")
        assert await kept.pinned("simple") is None


@long_story
async def test_what_holds_a_record_is_masked_and_goes_when_payloads_go(tmp_path: Path) -> None:
    tuning = Tuning(keep_payloads_days=1, masked=("email",))
    async with world(tmp_path, tuning=tuning) as w:
        await w.runtime.apply_flow(TEXT)
        await w.runtime.start()
        kept = w.runtime.workshop.kept
        pasted = {"record": client("Anna Rossi", id=5, email="anna@rossi.it")}
        await kept.pin("simple", pasted, who="anna")
        await kept.save("simple", TEXT, "a pasted one", pasted, who="anna")
        await kept.save("simple", TEXT, "made up", None, who="anna")
        held = repr(w.rows("SELECT * FROM flow_sample"))
        assert "Anna Rossi" in held
        assert MASK in held
        assert "anna@rossi.it" not in held
        told = {one["name"]: one for one in await kept.run("simple", TEXT)}
        assert told["a pasted one"]["until"] == told["a pasted one"]["saved_at"] + DAY
        assert told["made up"]["until"] is None
        # What is expected anew lives no longer for it.
        await asyncio.sleep(12 * HOUR)
        await kept.expect("simple", TEXT, "a pasted one", who="bea")
        await asyncio.sleep(13 * HOUR)
        assert [one["name"] for one in await kept.run("simple", TEXT)] == ["made up"]
        assert "Anna Rossi" not in repr(w.rows("SELECT * FROM flow_sample"))
        assert await kept.pinned("simple") is None


@story
async def test_by_hand_they_go_with_the_payloads(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False, tuning=Tuning(keep_payloads_days=0)) as w:
        kept, purge = w.runtime.workshop.kept, w.runtime.retention.purge
        draft = (await w.runtime.workshop.drafts.save("", TEXT, 0, 0, who="anna"))["flow"]
        await kept.pin(draft, {"record": {"name": "Anna"}}, who="anna")
        await asyncio.sleep(600)
        assert (await purge(601 / DAY, "anna")).samples == 0
        assert (await purge(599 / DAY, "anna", really=False)).samples == 1
        assert (await purge(599 / DAY, "anna")).samples == 1
        assert await kept.pinned(draft) is None


@story
async def test_a_test_tells_the_field_that_differs_and_its_file_runs_unchanged(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await w.runtime.apply_flow(TEXT)
        kept, catalog = w.runtime.workshop.kept, w.runtime.catalog
        await kept.save("simple", TEXT, " a  new client ", None, who="anna")
        (told,) = await kept.run("simple", TEXT)
        assert (told["name"], told["differences"]) == ("a new client", [])
        other = TEXT.replace("{{ trigger.resource.name }}", "{{ trigger.resource.name | upper }}")
        (told,) = await kept.run("simple", other)
        (first, *_) = told["differences"]
        assert first["where"] == "steps.create.inputs.data.company"
        assert first["label"] == "create: Company"
        assert first["found"] == first["expected"].upper()
        # What `connector test` does with the file of it.
        (case,) = read_cases(await kept.as_file("simple"))
        compiled = [check_flow(one, catalog).raise_for_errors() for one in (TEXT, other)]
        assert differences(compiled[0], catalog, case) == []
        assert [str(one) for one in differences(compiled[1], catalog, case)] == [
            one["text"] for one in told["differences"]
        ]
        await kept.expect("simple", other, "a new client", who="bea")
        (told,) = await kept.run("simple", other)
        assert (told["differences"], told["who"]) == ([], "bea")
        assert await kept.remove("simple", "a new client")
        assert await kept.run("simple", "not a flow") == []
        with pytest.raises(FlowError, match="needs a name"):
            await kept.save("simple", TEXT, "  ", None, who="anna")
        with pytest.raises(FlowError, match="no flow 'nobody'"):
            await kept.save("nobody", TEXT, "x", None, who="anna")


@story
async def test_a_new_flow_takes_over_what_its_draft_had(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        drafts, kept = w.runtime.workshop.drafts, w.runtime.workshop.kept
        name = (await drafts.save("", TEXT, 0, 0, who="anna"))["flow"]
        await kept.pin(name, {"record": {"id": 1, "name": "Rossi"}}, who="anna")
        await kept.save(name, TEXT, "one", None, who="anna")
        await w.runtime.apply_flow(TEXT)
        await kept.move(name, "simple")
        assert await kept.pinned(name) is None
        assert (await kept.pinned("simple") or {})["sample"]["record"]["name"] == "Rossi"
        assert [one["name"] for one in await kept.run("simple", TEXT)] == ["one"]
        # Of a draft that is thrown away nothing is left.
        await kept.save(name, TEXT, "two", None, who="anna")
        await drafts.discard(name, 1)
        assert w.rows("SELECT flow FROM flow_sample WHERE flow <> 'simple'") == []


@story
async def test_there_is_an_end_to_tests(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.runtime.apply_flow(TEXT)
        kept = w.runtime.workshop.kept
        for number in range(MOST_TESTS):
            await kept.save("simple", TEXT, f"test {number}", None, who="anna")
        with pytest.raises(FlowError, match="at most"):
            await kept.save("simple", TEXT, "one more", None, who="anna")
        await kept.save("simple", TEXT, "test 3", None, who="anna")
