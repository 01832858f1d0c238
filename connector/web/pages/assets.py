"""The files a browser keeps: found once, named by a hash of all of them, sent compressed."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "static"
PREFIX = "/static/"
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
FOREVER = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    """One file as it is sent."""

    kind: str
    plain: bytes
    packed: bytes


class Assets:
    """All files of a folder under one hash, so that modules import each other by plain names."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._found: dict[str, Asset] = {}
        total = hashlib.sha256()
        for path in sorted(folder.rglob("*")):
            kind = KINDS.get(path.suffix)
            if kind is None:
                continue
            name, plain = path.relative_to(folder).as_posix(), path.read_bytes()
            total.update(f"{name}\0{len(plain)}\0".encode() + plain)
            self._found[name] = Asset(kind, plain, gzip.compress(plain, 9, mtime=0))
        self.version = total.hexdigest()[:16]

    def path(self, name: str) -> str:
        """The address of a file below the prefix that we are served under."""
        if name not in self._found:
            raise LookupError(f"There is no static file {name!r}.")
        return f"{PREFIX}{self.version}/{name}"

    def find(self, path: str) -> Asset | None:
        """The file at an address; none of an older hash."""
        version, _, name = path.removeprefix(PREFIX).partition("/")
        return self._found.get(name) if version == self.version else None
