"""Which drive a database asks for."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

from connector.engine.drive import Drive, LocalDrive, MakeEvents, Perform
from connector.engine.sharing import SharedDrive

if TYPE_CHECKING:
    from connector.runtime.parts import Parts


def worker_name() -> str:
    """This process, for people: several containers may have the same name and number."""
    return f"{platform.node()}:{os.getpid()}"


def make_drive(parts: Parts, perform: Perform, make_events: MakeEvents) -> Drive:
    """All of the work where one process does it, else this process's part."""
    claims, tuning = parts.database.claims, parts.tuning
    if claims is None:
        return LocalDrive(parts.database, perform, make_events, parts.clock, tuning.workers)
    return SharedDrive(
        claims,
        perform,
        make_events,
        parts.clock,
        tuning.workers,
        worker_name(),
        silent_seconds=tuning.silent_seconds,
        listen=tuning.listen,
    )
