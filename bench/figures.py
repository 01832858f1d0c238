"""A figure, the reference it is judged by, and how rounds become one number."""

from __future__ import annotations

import gc
import statistics
import tempfile
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """How much work a benchmark does: `scale` multiplies its own counts, `rounds` repeats it."""

    scale: float
    rounds: int

    def of(self, count: int) -> int:
        """So much of a benchmark's own count, at least 2."""
        return max(2, round(count * self.scale))


FULL = Size(scale=1.0, rounds=5)
QUICK = Size(scale=0.25, rounds=2)


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked of a row: of its figure or of its ratio."""

    bound: Literal["at least", "at most"]
    value: float
    of: Literal["figure", "ratio"] = "figure"

    def met(self, figure: float, ratio: float | None) -> bool:
        """Whether the measured row is good enough."""
        told = figure if self.of == "figure" else ratio
        if told is None:
            return False
        return told >= self.value if self.bound == "at least" else told <= self.value

    def __str__(self) -> str:
        sign = "≥" if self.bound == "at least" else "≤"
        return f"{sign} {self.value:.0%}" if self.of == "ratio" else f"{sign} {number(self.value)}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `ratio` is that of the figure to its reference."""

    bench: str
    what: str
    figure: float
    unit: str
    reference: float | None = None
    reference_what: str = ""
    ratio: float | None = None
    target: Target | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None when there is none."""
        return None if self.target is None else self.target.met(self.figure, self.ratio)

    def as_data(self) -> dict[str, Any]:
        """The row as JSON."""
        return {
            "bench": self.bench,
            "what": self.what,
            "figure": round(self.figure, 4),
            "unit": self.unit,
            "reference": None if self.reference is None else round(self.reference, 4),
            "reference_what": self.reference_what,
            "ratio": None if self.ratio is None else round(self.ratio, 4),
            "target": None if self.target is None else str(self.target),
            "met": self.met,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Pairs:
    """Rounds of a subject beside its reference, each pair measured one after the other."""

    subject: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def figure(self) -> float:
        """The subject's median."""
        return statistics.median(self.subject)

    @property
    def base(self) -> float:
        """The reference's median."""
        return statistics.median(self.reference)

    @property
    def ratio(self) -> float:
        """The median of the ratios of each pair: noise of the machine hits both of a pair."""
        pairs = zip(self.subject, self.reference, strict=True)
        return statistics.median(one / other for one, other in pairs)


def in_pairs(rounds: int, subject: Callable[[], float], reference: Callable[[], float]) -> Pairs:
    """Measure both, alternating which one comes first."""
    told: list[float] = []
    base: list[float] = []
    for turn in range(rounds):
        gc.collect()
        if turn % 2:
            told.append(subject())
            base.append(reference())
        else:
            base.append(reference())
            told.append(subject())
    return Pairs(tuple(told), tuple(base))


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as the server's own process does."""
    from connector.web.server import run

    return run(main)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for database files, removed afterwards.

    Beside the checkout and not in the usual place, which may be memory: there nothing is durable.
    """
    home = Path(__file__).parent
    with tempfile.TemporaryDirectory(prefix=".files-", dir=home) as made:
        yield Path(made)


def number(value: float) -> str:
    """A figure with as many digits as it deserves."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.3g}"
