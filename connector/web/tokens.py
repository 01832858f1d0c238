"""The API token: given by the settings, or made once and kept beside the database."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from connector.errors import ConnectorError
from connector.settings import Settings

SUFFIX = ".api.key"


class TokenCheck:
    """Compares presented tokens with ours in constant time; holds only a digest."""

    def __init__(self, token: str) -> None:
        self._digest = hashlib.sha256(token.encode()).digest()

    def accepts(self, presented: str) -> bool:
        """Whether it is our token."""
        digest = hashlib.sha256(presented.encode("utf-8", "surrogatepass")).digest()
        return hmac.compare_digest(digest, self._digest)


def token_file(settings: Settings) -> Path | None:
    """Where the token lies when the settings hold none; None without an SQLite file."""
    path = settings.database_path
    return path.with_suffix(SUFFIX) if path is not None else None


def api_token(settings: Settings) -> str:
    """The token of this installation, made on first use with mode 0600. Raises ConnectorError."""
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    path = token_file(settings)
    if path is None:
        raise ConnectorError(
            "The API has no token, and without an SQLite file there is no place to keep one.",
            remedy="Set CONNECTOR_API_TOKEN to at least 16 random characters.",
        )
    try:
        if not path.exists():
            _make(path)
        return _read(path)
    except OSError as error:
        raise ConnectorError(
            f"The API token file {path} cannot be used: {error.strerror or type(error).__name__}.",
            remedy="Make its folder writable for this user, or set CONNECTOR_API_TOKEN.",
        ) from None


def _make(path: Path) -> None:
    """Put the file there whole: a process that starts beside us never reads half a token."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise ConnectorError(
            f"Other users can read the API token file {path}.",
            remedy=f"Run: chmod 600 {path}. If others may have read it, delete it: "
            "the next start makes a new one.",
        )
    token = path.read_text(encoding="ascii", errors="replace").strip()
    if len(token) < 16:
        raise ConnectorError(
            f"The API token file {path} holds no token.",
            remedy="Delete it: the next start makes a new one.",
        )
    return token
