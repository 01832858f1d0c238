"""`python -m bench`: the table of figures; see bench/README.md for how to read it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Sequence

from bench.figures import FULL, QUICK, Row, Size, number

BENCHES = (
    "accepts",
    "acks",
    "runs",
    "calls",
    "limiter",
    "mapping",
    "composing",
    "enrich",
    "postgres",
    "startup",
)

LONG = ("status", "tenants")
"""Only when they are asked for: they fill a database first."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code is 0 also when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=(*BENCHES, *LONG), help="may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="smaller counts, fewer rounds")
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else FULL
    started = time.perf_counter()
    if not given.json:
        _say(_machine())
    rows: list[Row] = []
    for name in given.only or BENCHES:
        for row in run(name, size):
            rows.append(row)
            _say(json.dumps(row.as_data(), ensure_ascii=False) if given.json else line(row))
    if not given.json:
        missed = [row.what for row in rows if row.met is False]
        _say(f"{time.perf_counter() - started:.0f} s, {len(missed)} missed")
    return 0


def run(name: str, size: Size) -> list[Row]:
    """The rows of one benchmark."""
    rows: list[Row] = importlib.import_module(f"bench.{name}").measure(size)
    return rows


def line(row: Row) -> str:
    """A row as text: figure, reference, ratio, target, verdict."""
    told = f"{row.what:<58.58} {number(row.figure):>8} {row.unit:<7}"
    base = "" if row.reference is None else f"{number(row.reference):>8} {row.reference_what}"
    ratio = "" if row.ratio is None else f"{row.ratio:6.0%}"
    verdict = {True: "met", False: "MISSED", None: ""}[row.met]
    target = "" if row.target is None else str(row.target)
    text = f"{told} {ratio:>6} {target:>8} {verdict:<6} {base}".rstrip()
    return f"{text}\n    {row.note}" if row.note else text


def _machine() -> str:
    load = " ".join(f"{one:.2f}" for one in os.getloadavg()) if hasattr(os, "getloadavg") else "?"
    version = ".".join(map(str, sys.version_info[:3]))
    return f"Python {version}, {os.cpu_count()} cores, load {load} (judge only on an idle machine)"


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
