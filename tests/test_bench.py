"""Every benchmark still runs and yields its figures; no time is ever asserted here."""

from __future__ import annotations

import json
import math
from importlib import import_module

import pytest

from bench.__main__ import BENCHES, LONG, line, main
from bench.figures import Pairs, Row, Size, Target, in_pairs, percentile

TINY = Size(scale=0.002, rounds=1)

# What each benchmark measures, by unit: the rows of the table in bench/README.md.
UNITS = {
    "accepts": ["/s"],
    "acks": ["/s", "/s", "/s", "/s", "ms"],
    "runs": ["runs/s", "ms/run", "KB/run"],
    "calls": ["flows/s"],
    "limiter": ["/s", "/s", "calls"],
    "mapping": ["/s", "/s"],
    "composing": ["ms"],
    "enrich": ["calls"],
    "postgres": ["/s", "runs/s", "s", "ms"],
    "status": ["ms", "ms"],
    "tenants": ["runs/s", "/min", "ms"] * 2,
    "startup": ["s", "s", "MB"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*BENCHES, *LONG])
def test_benchmark_yields_its_figures(name: str) -> None:
    rows = import_module(f"bench.{name}").measure(TINY)
    assert [row.unit for row in rows] == UNITS[name]
    for row in rows:
        assert row.bench == name
        assert math.isfinite(row.figure)
        assert row.ratio is None or (row.reference or 0) > 0
        assert str(row.target or "") in line(row)
        json.dumps(row.as_data())


def test_enriching_counts_calls_and_meets_its_target() -> None:
    (row,) = import_module("bench.enrich").measure(TINY)
    assert row.figure == 2
    assert row.met


def test_command_prints_one_json_object_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "enrich", "--quick", "--json"]) == 0
    (told,) = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert told["bench"] == "enrich"
    assert told["met"] is True


@pytest.mark.parametrize(
    ("target", "figure", "ratio", "met"),
    [
        (Target("at least", 0.5, of="ratio"), 1.0, 0.5, True),
        (Target("at least", 0.5, of="ratio"), 9_000.0, 0.49, False),
        (Target("at least", 0.5, of="ratio"), 9_000.0, None, False),
        (Target("at least", 8_000), 8_000.0, None, True),
        (Target("at least", 8_000), 7_999.0, 2.0, False),
        (Target("at most", 25), 25.0, None, True),
        (Target("at most", 25), 25.1, None, False),
    ],
)
def test_target_judges_the_figure_or_the_ratio(
    target: Target, figure: float, ratio: float | None, met: bool
) -> None:
    row = Row(bench="b", what="w", figure=figure, unit="u", ratio=ratio, target=target)
    assert row.met is met
    assert ("MISSED" in line(row)) is not met


def test_ratio_is_the_median_of_pairs_and_not_of_columns() -> None:
    noisy = Pairs(subject=(50.0, 5.0, 40.0), reference=(100.0, 10.0, 100.0))
    assert noisy.ratio == 0.5
    assert noisy.figure == 40.0
    assert noisy.base == 100.0


def test_pairs_take_turns_in_coming_first() -> None:
    order: list[str] = []

    def told(name: str, value: float) -> float:
        order.append(name)
        return value

    pairs = in_pairs(3, lambda: told("ours", 1.0), lambda: told("base", 2.0))
    assert order == ["base", "ours", "ours", "base", "base", "ours"]
    assert pairs.ratio == 0.5


def test_percentile_takes_the_nearest_rank() -> None:
    values = [float(one) for one in range(100)]
    assert percentile(values, 0.5) == 50
    assert percentile(values, 0.99) == 99
    assert percentile([7.0], 0.99) == 7
