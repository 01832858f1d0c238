"""What a person does in an emulated app, as its App says it: a flow then has something to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict

Made = Callable[[Mapping[str, Any], date, Random], dict[str, Any]]
"""A record's values, from the newest record that it is `based_on`, the day, and chance."""


class Deed(BaseModel):
    """Something done below `/_sandbox/records`: it makes a record, or changes the newest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    records: str
    """The kind of record, as the emulated app's controls call it."""
    made: Made
    based_on: str = ""
    """Another kind of record: its newest is told to `made`, and made first where there is none."""
    changes: bool = False
    id_key: str = "id"
    """The key of the id in a record that is changed."""
