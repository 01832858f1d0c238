"""What a node needs of several inputs together, as data: of these, one must be filled."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Demand(BaseModel):
    """One need that no single field states: told at the first of its inputs, before anything runs.

    Inputs of a list's rows are asked of every row; those of a demand lie in one and the same list.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    one_of: tuple[str, ...]
    """Paths of inputs, or of what they lie in: one of them must be mapped."""
    message: str
    remedy: str
    when: str = ""
    """It counts only where this input is mapped."""
    of: tuple[str | bool, ...] = ()
    """It counts only where `when` is one of these fixed values."""
    severity: Literal["error", "warning"] = "error"
    """`error` is for what the app refuses for sure."""
