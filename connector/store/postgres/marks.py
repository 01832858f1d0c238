"""From the marks of our statements to PostgreSQL's own."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import count

_MARK = re.compile(r"\?(\d*)")


@lru_cache(maxsize=512)
def translated(sql: str) -> str:
    """`?` and `?2` as `$1` and `$2`; our statements hold no question mark in quotes."""
    numbers = count(1)
    return _MARK.sub(lambda mark: f"${mark[1] or next(numbers)}", sql)
