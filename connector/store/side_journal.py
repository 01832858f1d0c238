"""A file for what must not be forgotten while the database is away."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from connector.codec import decode_kept, encode
from connector.errors import StoreError


class SideJournal:
    """Entries in an append-only file of one process, each on the disk before `append` returns."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: list[dict[str, Any]] | None = None

    @property
    def entries(self) -> list[dict[str, Any]]:
        """What was appended since it was last cleared, by this process or the one before."""
        if self._entries is None:
            self._entries = self._read()
        return self._entries

    def append(self, entry: dict[str, Any]) -> None:
        """Keep one entry. Raises StoreError when this disk is full or away as well."""
        self.entries.append(entry)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            handle = os.open(self._path, flags, 0o600)
            try:
                # Begun on a new line, so that one torn before does not spoil this one.
                line = b"\n" + encode(entry) + b"\n"
                if os.write(handle, line) != len(line):
                    raise OSError("the disk is full")
                os.fsync(handle)
            finally:
                os.close(handle)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise StoreError(
                f"{self._path.name} cannot be written ({error.strerror or error}).",
                remedy="Check the disk.",
            ) from error

    def clear(self) -> None:
        """Forget all entries: they are in the database now. Raises StoreError."""
        try:
            with contextlib.suppress(FileNotFoundError):
                handle = os.open(self._path, os.O_WRONLY | os.O_CLOEXEC)
                try:
                    # To nothing, which happens at once or not at all; never to a part.
                    os.ftruncate(handle, 0)
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise StoreError(
                f"{self._path.name} cannot be emptied ({error.strerror}).", remedy="Check the disk."
            ) from error
        self._entries = []

    def _read(self) -> list[dict[str, Any]]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"{self._path.name} cannot be read ({error.strerror}).",
                remedy="It holds writes that the database does not know: give this user the file.",
                who="user",
            ) from error
        found = []
        for line in lines:
            # A line that a power cut has torn was never reported as kept.
            with contextlib.suppress(ValueError):
                found.append(decode_kept(line))
        return found


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
