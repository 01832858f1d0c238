"""Pictures as plain numbers: where bars and lines of an SVG stand; a template draws them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DAY = 86_400
ENDS = ("succeeded", "filtered", "failed", "parked")


@dataclass(frozen=True)
class Axis:
    """One direction of a picture: values between `low` and `high` stand between two places."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """Where a value stands."""
        low, high, told = self.low, self.high, value
        if self.log:
            low, high, told = math.log10(low), math.log10(high), math.log10(max(value, self.low))
        part = (told - low) / (high - low) if high > low else 0.0
        return round(self.start + part * (self.end - self.start), 1)


@dataclass(frozen=True)
class Frame:
    """The size of a picture, and the room for words around it."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    feet: int
    """Under how many bars at most their time is told."""

    def upright(self, high: float, *, low: float = 0.0, log: bool = False) -> Axis:
        """The axis of values, from the bottom to the top."""
        return Axis(low, high, self.height - self.bottom, self.top, log)

    def across(self, low: float, high: float) -> Axis:
        """The axis of time, from left to right."""
        return Axis(low, high, self.left, self.width - self.right)

    @property
    def inner(self) -> int:
        """How wide the picture is without the words at its side."""
        return self.width - self.left - self.right


WIDE = Frame(width=720, height=262, left=72, right=12, top=14, bottom=46, feet=8)
NARROW = Frame(width=330, height=240, left=52, right=6, top=12, bottom=38, feet=4)
"""For a telephone: drawn as large as it is shown, so that its words can be read."""


def nice(most: float) -> float:
    """The next round number, so that the lines of a picture stand at round numbers."""
    if most <= 4:
        return 4.0
    step = 10.0 ** math.floor(math.log10(most / 4))
    return next(one * step * 4 for one in (1, 2, 2.5, 5, 10) if one * step * 4 >= most)


def ticks(high: float, count: int = 4) -> list[float]:
    """Where the lines stand, from zero."""
    return [high * place / count for place in range(count + 1)]


def bars(spans: Sequence[Mapping[str, Any]], frame: Frame = WIDE) -> dict[str, Any]:
    """Runs by their ends, one on the other, with a line of the accepted events."""
    totals = [sum(one["ends"].get(end, 0) for end in ENDS) for one in spans]
    high = nice(max([*totals, *(one["accepted"] for one in spans), 0]))
    axis = frame.upright(high)
    wide = frame.inner / max(len(spans), 1)
    blocks, line = [], []
    for place, one in enumerate(spans):
        left, below = frame.left + place * wide, 0
        for end in ENDS:
            count = one["ends"].get(end, 0)
            if count:
                top = axis.at(below + count)
                blocks.append(
                    {
                        "end": end,
                        "x": round(left + wide * 0.14, 1),
                        "y": top,
                        "width": round(wide * 0.72, 1),
                        "height": round(axis.at(below) - top, 1),
                    }
                )
                below += count
        line.append((round(left + wide / 2, 1), axis.at(one["accepted"])))
    return {
        "frame": frame,
        "blocks": blocks,
        "line": points(line),
        "grid": [(axis.at(one), one) for one in ticks(high)],
        "foot": foot(spans, wide, frame),
        "total": sum(totals),
    }


def latency(spans: Sequence[Mapping[str, Any]], frame: Frame = WIDE) -> dict[str, Any]:
    """Three lines of how long runs took, on a scale that shows a second beside an hour."""
    told = [value for one in spans if one["seconds"] for value in one["seconds"].values()]
    low = 10.0 ** math.floor(math.log10(max(min(told, default=0.1), 0.001)))
    high = 10.0 ** math.ceil(math.log10(max(max(told, default=1.0), low * 10)))
    axis = frame.upright(high, low=low, log=True)
    wide = frame.inner / max(len(spans), 1)
    lines: dict[str, list[list[tuple[float, float]]]] = {"p50": [], "p95": [], "p99": []}
    for name, parts in lines.items():
        run: list[tuple[float, float]] = []
        for place, one in enumerate(spans):
            if one["seconds"] is None:
                run = []
                continue
            if not run:
                parts.append(run)
            run.append((round(frame.left + (place + 0.5) * wide, 1), axis.at(one["seconds"][name])))
    steps = round(math.log10(high / low))
    return {
        "frame": frame,
        "lines": {name: [points(part) for part in parts] for name, parts in lines.items()},
        "dots": {name: [part[0] for part in parts if len(part) == 1]
                 for name, parts in lines.items()},
        "grid": [(axis.at(low * 10.0**one), low * 10.0**one) for one in range(steps + 1)],
        "foot": foot(spans, wide, frame),
        "empty": not told,
    }  # fmt: skip


def burn_down(
    window: Mapping[str, Any], now: float, start: float, frame: Frame = WIDE
) -> dict[str, Any] | None:
    """What is left of a month's calls: so far, and where it leads if it goes on like this."""
    end, limit = window["resets_at"], window["limit"]
    if end is None or not limit:
        return None
    axis, time = frame.upright(float(limit)), frame.across(start, end)
    left = max(0, limit - window["used"])
    forecast = window["forecast"] or {}
    leads = forecast.get("expected")
    expected = max(0.0, float(limit - leads)) if leads is not None else None
    return {
        "frame": frame,
        "used": points(_burnt(window, now, start, axis, time)),
        "forecast": points([(time.at(now), axis.at(left)), (time.at(end), axis.at(expected))])
        if expected is not None
        else "",
        # Reads stop at four fifths of a quota, writes at nine tenths: proofs have the rest.
        "reads": axis.at(limit * 0.2),
        "writes": axis.at(limit * 0.1),
        "now": time.at(now),
        "grid": [(axis.at(one), one) for one in ticks(float(limit))],
        "start": start,
        "end": end,
        "left": left,
        "expected": expected,
    }


def _burnt(
    window: Mapping[str, Any], now: float, start: float, axis: Axis, time: Axis
) -> list[tuple[float, float]]:
    """What was left at the end of each day; a straight line where the days are not known."""
    limit = float(window["limit"])
    line = [(time.at(start), axis.at(limit))]
    days = window.get("days") or []
    # What the days do not tell was used before the first of them, at no time that is known.
    gone = max(0, window["used"] - sum(one["calls"] for one in days))
    for one in days:
        line.append((time.at(max(one["start"], start)), axis.at(max(0.0, limit - gone))))
        gone += one["calls"]
        line.append((time.at(min(one["start"] + DAY, now)), axis.at(max(0.0, limit - gone))))
    line.append((time.at(now), axis.at(max(0.0, limit - window["used"]))))
    return list(dict.fromkeys(line))


def foot(
    spans: Sequence[Mapping[str, Any]], wide: float, frame: Frame
) -> list[tuple[float, float]]:
    """Under which bars their time is told: as many as have room."""
    every = max(1, math.ceil(len(spans) / frame.feet))
    return [
        (round(frame.left + (place + 0.5) * wide, 1), one["since"])
        for place, one in enumerate(spans)
        if place % every == 0
    ]


def points(line: Iterable[tuple[float, float]]) -> str:
    """The points of a polyline."""
    return " ".join(f"{x},{y}" for x, y in line)
