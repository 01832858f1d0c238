"""The installation's keys: where they come from, how a first and a newer one are made."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr

from connector.errors import StoreBusy, StoreError

KEY_BYTES = 32
MOST_BYTES = 16 * 1024
"""Of a key file: hundreds of keys."""

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")


def load_keys(key: SecretStr | None, key_file: Path | None, *, may_create: bool) -> list[bytes]:
    """The keys from CONNECTOR_KEY, else from a file only its owner can read; the newest first."""
    if key is not None and key.get_secret_value():
        return _read_keys(key.get_secret_value(), "CONNECTOR_KEY")
    if key_file is None:
        raise StoreError(
            "There is no key for the stored secrets.",
            remedy="Set CONNECTOR_KEY, or CONNECTOR_KEY_FILE.",
            who="user",
        )
    try:
        return _read_keys(_read_private(key_file), f"The key file {key_file}")
    except FileNotFoundError:
        if may_create:
            return _make_key(key_file)
    raise StoreError(
        f"The key file {key_file} is missing, and this database holds secrets sealed with it.",
        remedy="Put the key back from your backup. No new one is made: it could open nothing.",
        who="user",
    )


def add_key(key_file: Path) -> None:
    """Put a new key before those in the file: whole or not at all. Raises StoreError."""
    lines = b64encode(os.urandom(KEY_BYTES)) + b"\n" + _read_private(key_file).encode("ascii")
    fresh = key_file.with_name(f"{key_file.name}.new")
    try:
        # What a rotation before left here when it was cut off was never a key of anything.
        fresh.unlink(missing_ok=True)
        _write_private(fresh, lines)
        fresh.replace(key_file)
        _sync_folder(key_file.parent)
    except OSError as error:
        raise StoreError(
            f"The key file {key_file} cannot be replaced ({error.strerror}).",
            remedy="Its folder must be writable for this user.",
            who="user",
        ) from None


@contextlib.contextmanager
def alone(key_file: Path) -> Iterator[None]:
    """While no other process changes the keys in this folder. Raises StoreBusy."""
    import fcntl

    handle = os.open(key_file.parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise StoreBusy("The keys are being changed by another process.") from None
    finally:
        os.close(handle)


def _read_keys(text: str, source: str) -> list[bytes]:
    return [_read_key(one, source) for one in text.replace(",", " ").split() or [""]]


def _read_key(text: str, source: str) -> bytes:
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    if _BASE64.fullmatch(text):
        # Both alphabets of base64 are common in copied keys.
        plain = text.rstrip("=").translate(str.maketrans("+/", "-_"))
        return urlsafe_b64decode(plain + "=")
    raise StoreError(
        f"{source} does not hold a key.",
        remedy=f"A key is {KEY_BYTES} random bytes in base64 or hexadecimal.",
        who="user",
    )


def _read_private(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(
            f"The key file {path} cannot be read ({error.strerror}).",
            remedy="It must be a plain file that this user may read.",
            who="user",
        ) from None
    with os.fdopen(handle, "r", encoding="ascii", errors="replace") as file:
        if os.name == "posix" and stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
            raise StoreError(
                f"The key file {path} can be read by others.",
                remedy=f"Run: chmod 600 {path}",
                who="user",
            )
        return file.read(MOST_BYTES)


def _make_key(path: Path) -> list[bytes]:
    key = os.urandom(KEY_BYTES)
    try:
        _write_private(path, b64encode(key) + b"\n")
        _sync_folder(path.parent)
    except FileExistsError:
        # Another process was faster by a moment: its key counts.
        return _read_keys(_read_private(path), f"The key file {path}")
    except OSError as error:
        raise StoreError(
            f"The key file {path} cannot be made ({error.strerror}).",
            remedy="Choose another place with CONNECTOR_KEY_FILE, or set CONNECTOR_KEY.",
            who="user",
        ) from None
    return [key]


def _write_private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)


def _sync_folder(folder: Path) -> None:
    # Secrets sealed with a key whose file a power cut takes away would be lost.
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
