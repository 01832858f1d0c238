"""How an error that nobody foresaw is logged: its words may hold a secret or personal data."""

from __future__ import annotations

import logging
import traceback
from itertools import islice
from pathlib import PurePath

DEEPEST = 6
"""How many places of a traceback are told, from where it broke outwards."""


def log_surprise(log: logging.Logger, what: str, error: BaseException) -> None:
    """Log by class and places alone: never the error's words, nor a line of its traceback."""
    log.error("%s: %s", what, _told(error))


def _told(error: BaseException) -> str:
    told = f"{type(error).__name__} at {_places(error) or 'an unknown place'}"
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told if cause is None else f"{told} (after {type(cause).__name__})"


def _places(error: BaseException) -> str:
    frames = reversed(traceback.extract_tb(error.__traceback__))
    return " < ".join(
        f"{'/'.join(PurePath(frame.filename).parts[-2:])}:{frame.lineno} {frame.name}"
        for frame in islice(frames, DEEPEST)
    )
