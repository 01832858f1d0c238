"""The pages of a search: what bears its words as an id comes first, then what mentions them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from connector.store.past import Part

EXACT = 1 << 52
"""Added to the cursor of a page that ends among the exact ones; a JSON number still holds it."""
BLOCK = 200
"""So many numbers fit into one question."""


class Numbered(Protocol):
    """A row with a number."""

    @property
    def id(self) -> int: ...


Row = TypeVar("Row", bound=Numbered)
Fetch = Callable[[Sequence[int], int], Awaitable[list[Row]]]
Rest = Callable[[int | None, int], Awaitable[tuple[list[Row], int | None]]]


async def exact_first(
    exact: Sequence[int], fetch: Fetch[Row], rest: Rest[Row], limit: int, before: int | None
) -> Part[Row]:
    """One page: no row is skipped and none shown twice, however old an exact one is.

    `fetch` gives those of some numbers that fit, newest first; `rest` those before a number that
    are not exact, with where it stopped when it did not look at all.
    """
    rows: list[Row] = []
    if before is None or before > EXACT:
        under = EXACT if before is None else before - EXACT
        left = sorted((number for number in exact if number < under), reverse=True)
        for start in range(0, len(left), BLOCK):
            rows += await fetch(left[start : start + BLOCK], limit + 1)
            if len(rows) > limit:
                return Part(rows[:limit], EXACT + rows[limit - 1].id)
        before = None
    room = limit - len(rows)
    more, looked = await rest(before, room + 1)
    if len(more) <= room:
        return Part(rows + more, None, looked)
    following = more[room - 1].id if room else EXACT + rows[-1].id
    return Part(rows + more[:room], following)
