"""Times as somebody types them: `2h`, `3d`, a day, or a day with its time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer

_AGO = re.compile(r"(\d{1,6})\s*(m|h|d|w)")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}


def moment(text: str | None, option: str, now: float) -> float | None:
    """Seconds since 1970. Raises BadParameter, which names the option."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - int(ago[1]) * _SECONDS[ago[2]]
    try:
        told = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no time: say 30m, 2h, 3d or 1w ago, 2026-03-04, or 2026-03-04T09:30",
            param_hint=option,
        ) from None
    # Without a zone it is this machine's, as all times that we print.
    return (told if told.tzinfo else told.astimezone()).astimezone(UTC).timestamp()
