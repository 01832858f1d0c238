"""What all fields of one mapping may use together, attacked by mappings drawn from a seed.

Each attack is applied in a child whose memory the kernel holds down and whose processor time it
counts; the clock of the allowance is switched off, so that its counts alone must hold.
"""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Iterator, Mapping
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import pytest

from connector.errors import MappingError
from connector.expressions.limits import Allowance
from connector.flow import check_flow
from connector.mapping import Mapped, compile_mapping
from connector.mapping.work import MAX_ISSUES, Spent, Work
from connector.model import Field
from connector.runtime import open_runtime
from connector.settings import Settings
from tests.expressions.attacker import MOST_MEMORY, clean_process, measured, size_of
from tests.loaded import the_catalog

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
COUNT = int(os.environ.get("CONNECTOR_CHAOS_ATTACKS", "500")) // 25
NEVER = 1e9
SMALL = Allowance(steps=20_000, seconds=NEVER, output_bytes=256 * 1024)
CPU_SECONDS = 0.35
"""What so small an allowance takes, and one expression beyond it."""

FLAT = [Field(path=f"f{n}", label="") for n in range(500)]
ROWS = [Field(path=f"rows.c{n}", label="", list=True, array="rows") for n in range(40)]
FIELDS = (*FLAT, *ROWS, Field(path="open", label="", type="any"))

TEXTS = (
    "{{ trigger.long }}",
    "{{ trigger.wide }}",
    "{{ trigger.long ~ trigger.wide[:99] }}",
    "{{ trigger.long | replace('a', 'bb') }}",
    "{{ trigger.words | join(trigger.long[:200]) }}",
    "{% for a in trigger.words %}{{ a }}{{ trigger.long[:300] }}{% endfor %}",
    "{% for a in trigger.words %}{% for b in trigger.words %}{% endfor %}{% endfor %}x",
    "{{ trigger.numbers | sum }}",
    "{{ trigger.words[7] }}",
    "{{ trigger.many.nix }}",
    "{{ trigger.long | length * trigger.words | length }}",
)
WHOLES = ("{{ trigger.many }}", "{{ trigger.words }}", "{{ trigger.deep }}", "{{ trigger.long }}")
LISTS = ("{{ trigger.words }}", "{{ trigger.numbers }}", "{{ trigger.lines }}")


def hostile_data() -> dict[str, Any]:
    deep: Any = "x"
    for _ in range(40):
        deep = [deep, {"a": "b" * 50}]
    return {
        "long": "a" * 60_000,
        "wide": "\U0001f600" * 50_000,
        "words": [f"w{n}" for n in range(900)],
        "numbers": list(range(4_000)),
        "lines": [{"a": f"{n}", "b": "x" * 20} for n in range(900)],
        "many": {f"key{n}": n for n in range(3_000)},
        "deep": deep,
    }


CATALOG = the_catalog()
CONTEXT: Mapping[str, Any] = {"trigger": hostile_data()}


def drawn(draw: random.Random) -> dict[str, Any]:
    """A mapping that grows with its data, through many fields or many rows."""
    few = draw.sample(TEXTS, 3)
    columns = {f"c{n}": draw.choice(few) for n in range(draw.randrange(1, 40))}
    loop = draw.choice(LISTS)
    return draw.choice(
        (
            lambda: {f"f{n}": draw.choice(few) for n in range(draw.randrange(200, 500))},
            lambda: {f"open.x{n}": draw.choice(WHOLES) for n in range(300)},
            lambda: {"open": {"deep": [draw.choice(WHOLES) for _ in range(300)]}},
            lambda: {"rows": {"for_each": loop, "map": columns}},
            lambda: {"rows": {"for_each": loop, "map": draw.choice(WHOLES)}},
            lambda: {"rows.c0": loop, **{f"rows.{name}": text for name, text in columns.items()}},
            lambda: {f"rows.{n}": dict(columns) for n in range(60)},
            lambda: {f"f{n}": "{{ trigger.nothing }}" for n in range(500)},
        )
    )()


def applied(mapping: Mapping[str, Any], allowance: Allowance) -> Mapped:
    compiled = compile_mapping(FIELDS, mapping, catalog=CATALOG.with_allowance(allowance))
    return compiled.apply(CONTEXT)


def attacked(mapping: Mapping[str, Any], allowance: Allowance) -> dict[str, Any]:
    compiled = compile_mapping(FIELDS, mapping, catalog=CATALOG.with_allowance(allowance))
    assert not [one for one in compiled.issues if one.severity == "error"]

    def work() -> dict[str, Any]:
        mapped = compiled.apply(CONTEXT)
        stopped = [one for one in mapped.issues if "in all: it was stopped" in one.message]
        return {
            "size": size_of(mapped.payload),
            "fields": len(mapped.report),
            "stopped": stopped[0].field if stopped else None,
            "told": stopped[0].message if stopped else "",
            "ok": mapped.ok,
        }

    return measured(work)


@pytest.fixture(scope="module")
def clean() -> Iterator[Pool]:
    with clean_process() as pool:
        yield pool


def is_wrong(one: dict[str, Any], allowance: Allowance) -> bool:
    keys = sum(len(field.path) for field in FIELDS) * 1_000
    return (
        "broken" in one
        or one["cpu"] > CPU_SECONDS
        or one["memory"] > MOST_MEMORY
        or one["size"] > allowance.output_bytes + keys
        or one["fields"] > allowance.steps + 1
        or (one["stopped"] is not None and (one["ok"] or one["size"] > 0))
    )


@pytest.mark.skipif(sys.platform != "linux", reason="measured by Linux's own counts")
def test_no_drawn_mapping_takes_more_than_its_allowance(clean: Pool) -> None:
    print(f"seed {SEED}")
    draw = random.Random(SEED)
    ends: dict[str, int] = {}
    for _ in range(COUNT):
        mapping = drawn(draw)
        one = clean.apply(attacked, (mapping, SMALL))
        if one.get("cpu", 0) > CPU_SECONDS:  # neighbours cost time, too: the best of three
            again = [clean.apply(attacked, (mapping, SMALL)) for _ in range(2)]
            one["cpu"] = min(other["cpu"] for other in again)
        assert not is_wrong(one, SMALL), (one, str(mapping)[:300])
        kind = one["told"].split(" in all")[0] or ("fine" if one["ok"] else "errors")
        ends[kind] = ends.get(kind, 0) + 1
    print(ends)
    # Both counts were met, and neither stops everything.
    assert {one.split("than ")[-1] for one in ends} >= {"20,000 steps", "262,144 bytes of values"}


@pytest.mark.skipif(sys.platform != "linux", reason="measured by Linux's own counts")
@pytest.mark.parametrize("counts", ["steps", "output_bytes"])
def test_an_allowance_that_does_not_count_is_caught(counts: str, clean: Pool) -> None:
    endless = {"steps": SMALL.steps, "output_bytes": SMALL.output_bytes, counts: 10**12}
    broken = Allowance(seconds=NEVER, **endless)
    slow = {f"f{n}": TEXTS[6].replace("x", "") + "{{ 1 }}" for n in range(500)}
    large = {f"open.x{n}": "{{ trigger.long }}{{ trigger.long }}" for n in range(300)}
    mapping = slow if counts == "steps" else large
    assert is_wrong(clean.apply(attacked, (mapping, broken)), SMALL)
    assert not is_wrong(clean.apply(attacked, (mapping, SMALL)), SMALL)


def more(work: Work) -> None:
    for _ in range(257):
        work.take(1, "f2")


class TestWhereItRunsOut:
    def test_the_field_is_named_and_what_to_do(self) -> None:
        lines = {"for_each": "{{ trigger.lines }}", "map": {"c1": "{{ item.a | upper }}"}}
        mapped = applied({"f1": "x", "rows": lines}, Allowance(steps=4_000))
        (issue,) = mapped.issues
        assert not mapped.ok
        assert mapped.payload == {}
        assert re.fullmatch(r"rows\.\d+(\.c1)?", issue.field or "")
        assert issue.message.startswith("The mapping takes more than 4,000 steps in all")
        assert "CONNECTOR_MAPPING_STEPS" in (issue.remedy or "")
        assert (mapped.report[-1].path, mapped.report[-1].state) == (issue.field, "error")

    def test_however_many_errors_there_are_it_is_told(self) -> None:
        mapped = applied(
            {"rows": {"for_each": "{{ trigger.lines }}", "map": {"c1": "{{ item.nix }}"}}},
            Allowance(steps=100 * MAX_ISSUES + 9_000),
        )
        assert "in all: it was stopped" in mapped.issues[MAX_ISSUES].message
        assert len(mapped.report) < 900

    @pytest.mark.parametrize(("steps", "good"), [(2, False), (3, True)])
    def test_steps_count_to_the_last_one(self, steps: int, good: bool) -> None:
        mapped = applied({f"f{n}": "{{ trigger.words[7] }}" for n in range(1)}, Allowance())
        assert mapped.ok
        three = {f"f{n}": "x" for n in range(3)}
        assert applied(three, Allowance(steps=steps)).ok is good

    @pytest.mark.parametrize(("most", "good"), [(9, False), (10, True)])
    def test_bytes_count_to_the_last_one(self, most: int, good: bool) -> None:
        mapping = {"f1": "{{ 'aé' }}", "f2": "bc", "open": ["d"]}  # 3 + 2 + (4 + 1)
        assert applied(mapping, Allowance(output_bytes=most)).ok is good

    def test_the_parts_of_one_field_count_before_it_is_whole(self) -> None:
        parts = {"open": ["{{ trigger.long ~ 'x' }}" for _ in range(9)], "f1": "x"}
        mapped = applied(parts, Allowance(output_bytes=200_000))
        assert [one.field for one in mapped.issues] == ["open"]
        loops = {"open": [TEXTS[5] for _ in range(9)]}
        assert not applied(loops, Allowance(steps=2_500)).ok

    def test_time_counts_too(self) -> None:
        ticks = iter([0.0, 0.9, 1.0, 1.1])
        work = Work(None, "", Allowance(seconds=1.0), clock=lambda: next(ticks))
        for _ in range(3 * 256 + 3):
            work.take(1, "f1")
        with pytest.raises(Spent) as caught:
            more(work)
        assert caught.value.issue.field == "f2"
        assert "1 s of the processor" in caught.value.issue.message

    def test_a_literal_that_is_too_large_is_found_when_it_is_saved(self) -> None:
        literal = {"open": ["x" * 1000] * 5_000}
        compiled = compile_mapping(FIELDS, literal)
        assert [one.field for one in compiled.issues] == ["open"]
        assert not compiled.apply({}).ok


def test_ordinary_mappings_of_many_rows_fit() -> None:
    lines = [{"a": f"{n}", "b": "x" * 20} for n in range(2_000)]
    columns = {f"c{n}": "{{ item.b | upper }} {{ item.a }}" for n in range(8)}
    mapping = {"rows": {"for_each": "{{ trigger.lines }}", "map": columns}}
    mapped = compile_mapping(FIELDS, mapping).apply({"trigger": {"lines": lines}})
    assert mapped.ok, mapped.issues
    assert len(mapped.payload["rows"]) == 2_000


class TestSettings:
    def test_the_defaults_are_the_ordinary_allowance(self) -> None:
        told = Settings()
        assert Allowance(told.mapping_steps, told.mapping_seconds, told.mapping_bytes) == (
            CATALOG.allowance
        )

    async def test_previews_and_flows_obey_them(self, tmp_path: Path) -> None:
        settings = Settings(
            database=f"sqlite:///{tmp_path / 'c.db'}", key_file=tmp_path / "key", mapping_bytes=1024
        )
        node, long = "fatture_in_cloud.create_client", {"name": "x" * 2_000}
        async with await open_runtime(settings) as runtime:
            told = runtime.workshop.trying.preview(
                node, {"company_id": 1, "data.name": "{{ trigger.name }}"}, {"trigger": long}
            )
            assert not told["ok"]
            assert told["payload"] == {}
            assert "CONNECTOR_MAPPING_BYTES" in told["fields"]["data.name"]["issue"]["remedy"]
            flow = check_flow(FLOW, runtime.catalog, {"fic": "fatture_in_cloud"})
            step = flow.raise_for_errors().steps[0]
            with pytest.raises(MappingError) as caught:
                step.mapping.apply({"trigger": {"resource": long}}).raise_for_errors()
            assert caught.value.field == "data.name"


FLOW = """
flow: long
trigger:
  node: fatture_in_cloud.enriched_event
  connection: fic
  with: {company_id: 1, resource: entities.clients, event_types: [create]}
steps:
  - id: make
    node: fatture_in_cloud.create_client
    connection: fic
    map: {company_id: 1, data.name: "{{ trigger.resource.name }}"}
"""
