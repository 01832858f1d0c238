"""Generated attacks, each bounded by measuring: 250 ms of CPU, 64 MB of memory, 256 KiB of result.

`CONNECTOR_CHAOS_ATTACKS` says how many, `CONNECTOR_CHAOS_SEED` which. They run in children of
another process (see `attacker`), whose memory the kernel holds down and whose CPU time it counts;
so a busy machine does not matter. The same measure must catch an evaluator that checks nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import pytest

from connector.expressions import Budget
from connector.expressions.checks import checks
from connector.expressions.methods import METHOD_NAMES
from connector.plugins import build_plugins
from tests.expressions.attacker import MOST_MEMORY, attacked, clean_process, measured
from tests.expressions.mischief import Attack, attacks

SEED = int(os.environ.get("CONNECTOR_CHAOS_SEED", "20261121"))
COUNT = int(os.environ.get("CONNECTOR_CHAOS_ATTACKS", "500"))
CPU_SECONDS = 0.25
RESULT = 256 * 1024
LONGEST_ERROR = 2_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by Linux's own counts")


@pytest.mark.slow
@pytest.mark.timeout(3_600)
def test_no_attack_takes_more_than_its_bounds(root: Path) -> None:
    command = [sys.executable, "-m", "tests.expressions.attacker", str(SEED), str(COUNT)]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    *results, pause = map(json.loads, told.stdout.splitlines())

    print(summary(results, pause["seconds"]))
    assert len(results) >= COUNT
    assert [one for one in results if is_wrong(one)] == []
    assert pause["seconds"] < CPU_SECONDS  # of a task beside the hundred worst


def is_wrong(one: dict[str, Any]) -> bool:
    """Whether an attack took too much, gave something away, or ended in another way than ours."""
    most = RESULT if one.get("end") == "a value" else LONGEST_ERROR
    return (
        "broken" in one
        or one["leaked"]
        or bool(one.get("cause"))
        or one["cpu"] > CPU_SECONDS
        or one["memory"] > MOST_MEMORY
        or one["size"] > most
    )


def summary(results: list[dict[str, Any]], pause: float) -> str:
    """The figures of docs/guarantees.md."""
    ends = Counter(one.get("end", "broken") for one in results)
    kinds = Counter(one["kind"] for one in results)
    worst = max(results, key=lambda one: one["cpu"])
    memory = max(one["memory"] for one in results) / 1024**2
    size = max(one.get("size", 0) for one in results)
    return (
        f"seed {SEED}: {len(results)} attacks {dict(kinds)}, {dict(ends)}; "
        f"worst CPU {worst['cpu'] * 1000:.0f} ms ({worst['source'][:80]!a}), "
        f"memory {memory:.1f} MB, result {size} bytes, pause of the loop {pause * 1000:.0f} ms"
    )


def test_every_filter_test_and_method_is_attacked_and_a_seed_repeats_it_all() -> None:
    filters = dict(build_plugins(entry_points=False).filters())
    made = attacks(filters, SEED, 500)
    told = "\n".join(one.source for one in made)
    assert [name for name in filters if f"| {name}" not in told] == []
    assert [name for name in checks() if f" is {name}" not in told] == []
    assert [name for name in METHOD_NAMES if f").{name}(" not in told] == []
    kinds = Counter(one.kind for one in made)
    assert min(kinds[kind] for kind in ("operator", "growth", "escape", "syntax")) >= 40
    assert attacks(filters, SEED, 500) == made != attacks(filters, SEED + 1, 500)
    assert all(isinstance(one, Attack) for one in made)


# --- the proof of the proof -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean() -> Iterator[Pool]:
    with clean_process() as pool:
        yield pool


def spin(seconds: float) -> dict[str, Any]:
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass
    return FINE


def hold(size: int) -> dict[str, Any]:
    return {**FINE, "held": len(bytearray(size))}


def attacked_unchecked(names: tuple[str, ...], source: str, data: dict[str, Any]) -> dict[str, Any]:
    for name in names:
        setattr(Budget, name, lambda self, *rest: None)
    return attacked(source, data, None)


FINE = {"end": "a value", "leaked": False, "size": 1}


def test_the_measure_sees_cpu_time_and_memory_and_holds_memory_down(clean: Pool) -> None:
    def tried(work: Callable[..., Any], *given: Any) -> dict[str, Any]:
        found: dict[str, Any] = clean.apply(measured, (partial(work, *given),))
        return found

    assert not is_wrong(tried(spin, 0))
    hog = tried(hold, 30 * 1024**2)
    assert not is_wrong(hog)
    assert 29 * 1024**2 < hog["memory"] < 40 * 1024**2
    assert is_wrong(tried(spin, 0.3))
    assert "MemoryError" in tried(hold, 70 * 1024**2)["broken"]
    assert "broken" in tried(os._exit, 1)


@pytest.mark.parametrize(
    ("unchecked", "source"),
    [
        (("text", "alloc", "scan"), "{{ (text * 400) | length }}"),
        (("rows", "alloc", "entries"), "{{ ([0] * 9000000) | length }}"),
        (("step", "refill"), "{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}"),
    ],
)
def test_an_evaluator_that_checks_nothing_is_caught(
    unchecked: tuple[str, ...], source: str, clean: Pool
) -> None:
    data = {"text": "a" * 256 * 1024, "r": list(range(1_000))}
    for names in ((), unchecked):
        attack = partial(attacked_unchecked, names, source, data)
        assert is_wrong(clean.apply(measured, (attack,))) is bool(names)


@pytest.mark.parametrize(
    "changes",
    [
        {"leaked": True},
        {"cause": "KeyError"},
        {"size": RESULT + 1},
        {"end": "refused at run", "size": LONGEST_ERROR + 1},
        {"cpu": CPU_SECONDS + 0.01},
        {"memory": MOST_MEMORY + 1},
        {"broken": "TypeError"},
    ],
)
def test_each_bound_is_judged(changes: dict[str, Any]) -> None:
    fine = {"end": "a value", "leaked": False, "size": RESULT, "cpu": 0.1, "memory": 0}
    assert not is_wrong(fine)
    assert is_wrong({**fine, **changes})
