"""What one expression may use, the budget that counts it, and what a whole mapping may use.

A template is a program of somebody unknown and its data comes from outside. So every size is
checked before the work is done, by these limits; none of them can be raised by an expression.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from connector.errors import ExpressionError

KIB: Final = 1024

# While reading an expression
MAX_SOURCE: Final = 8 * KIB  # bytes of UTF-8
MAX_NESTING: Final = 40  # brackets, signs and blocks inside each other: Jinja's parser recurses
MAX_TOKENS: Final = 2_500  # more cannot be meant by so many nodes, and would only cost time
MAX_NODES: Final = 500
MAX_DEPTH: Final = 80
MAX_LOOPS: Final = 2  # loops inside each other

# While working it out
MAX_STEPS: Final = 20_000
MAX_SECONDS: Final = 0.2  # of the processor
MAX_ALLOCATED: Final = 4 * KIB * KIB  # bytes, counted and never given back
MAX_TEXT: Final = 256 * KIB
MAX_ROWS: Final = 20_000  # of a list, or entries of an object
MAX_BITS: Final = 256  # of a whole number
MAX_DIGITS: Final = 100  # of a decimal, and of its exponent
MAX_PADDING: Final = 1_000  # widths, indents and precisions that a template asks for
MAX_LEVELS: Final = 64  # of lists and objects inside each other
MAX_OUTPUT: Final = 256 * KIB

ROW_BYTES: Final = 16
ENTRY_BYTES: Final = 64
BYTES_A_STEP: Final = KIB  # native work on texts (comparing, searching) as steps
ROWS_A_STEP: Final = 16  # native work on lists as steps
_CHUNK: Final = 64  # steps between two looks at the clock

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one application of a mapping may use in all, beside the limits of each expression.

    A field costs a step, and an expression its own steps: so many fields and rows, each of them
    harmless, cannot take the server's time together.
    """

    steps: int = 250_000
    seconds: float = 1.0
    """Of the processor."""
    output_bytes: int = 4 * 1024**2
    """Of all values that are written, as UTF-8."""


ORDINARY: Final = Allowance()


def show(number: int) -> str:
    """A limit as people read it: `20,000`."""
    return f"{number:,}"


class Budget:
    """Counts the steps, bytes and seconds of one evaluation; every excess is an ExpressionError.

    `left` is what remains of the present chunk of steps. The compiled expression lowers it by
    itself and calls `refill` below zero, because a method call for each step would double the time
    of a small expression.
    """

    __slots__ = ("_allocated", "_clock", "_ends", "_granted", "_seconds", "_steps", "left")

    # The processor's time, not the wall's: on a busy machine a good expression must not fail.
    def __init__(self, *, clock: Clock = time.thread_time, seconds: float = MAX_SECONDS) -> None:
        self.left = self._granted = _CHUNK
        self._steps = 0
        self._allocated = 0
        self._clock = clock
        self._seconds = seconds
        self._ends: float | None = None  # most expressions never look at the clock

    def renew(self) -> None:
        """Begin anew, for another expression: cheaper than to make another one."""
        self.left = self._granted = _CHUNK
        self._steps = self._allocated = 0
        self._ends = None

    @property
    def steps(self) -> int:
        """Steps taken so far."""
        return self._steps + self._granted - self.left

    @property
    def allocated(self) -> int:
        """Bytes asked for so far."""
        return self._allocated

    def step(self, count: int = 1) -> None:
        """Take steps: one is about a microsecond of work, or a kilobyte looked through."""
        self.left -= count
        if self.left < 0:
            self.refill()

    def refill(self) -> None:
        """Book the chunk of steps that is used up, look at the clock, and grant the next one."""
        self._steps += self._granted - self.left
        self.left = self._granted = 0
        if self._steps > MAX_STEPS:
            raise ExpressionError(
                f"The expression takes more than {show(MAX_STEPS)} steps.",
                remedy="Use it on less data, or split it into several fields.",
            )
        now = self._clock()
        if self._ends is None:
            self._ends = now + self._seconds
        if now > self._ends:
            raise ExpressionError(
                f"The expression takes more than {self._seconds * 1000:.0f} ms.",
                remedy="Use it on less data, or split it into several fields.",
            )
        self.left = self._granted = min(_CHUNK, MAX_STEPS - self._steps)

    def alloc(self, size: int) -> None:
        """Ask for bytes before they are used."""
        self._allocated += size
        if self._allocated > MAX_ALLOCATED:
            raise ExpressionError(
                f"The expression needs more than {MAX_ALLOCATED // KIB**2} MB of memory.",
                remedy="Use it on less data, or split it into several fields.",
            )

    def scan(self, size: int) -> None:
        """Take the steps of looking through so many characters."""
        self.step(size // BYTES_A_STEP)

    def text(self, length: int, wide: bool = False) -> None:
        """Ask for a text of so many characters before it is made.

        `wide` says that it holds more than ASCII: then four bytes of memory are counted for each,
        and the finished text is measured in UTF-8 once more by the evaluator.
        """
        if length > MAX_TEXT:
            raise ExpressionError(
                f"The text would be longer than {show(MAX_TEXT)} characters.",
                remedy="Shorten it, for example with truncate.",
            )
        self.alloc(length * 4 if wide else length)
        self.step(length // BYTES_A_STEP)

    def rows(self, count: int) -> None:
        """Ask for a list of so many rows before it is made."""
        if count > MAX_ROWS:
            raise ExpressionError(
                f"The list would have more than {show(MAX_ROWS)} rows.",
                remedy="Work on a part of it.",
            )
        self.alloc(count * ROW_BYTES)
        self.step(count // ROWS_A_STEP)

    def entries(self, count: int) -> None:
        """Ask for an object of so many entries before it is made."""
        self.rows(count)
        self.alloc(count * (ENTRY_BYTES - ROW_BYTES))


class Purse(Protocol):
    """What several expressions share: each takes the budget for its work from it."""

    def budget(self) -> Budget:
        """A budget that nothing was taken from; raises when there is none left."""
        ...

    def hold(self, value: Any) -> None:
        """Count a value that waits for others; raises when they are too much."""
        ...
