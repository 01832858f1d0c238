"""Secrets at rest: AES-256-GCM under the installation's key, each ciphertext bound to its place."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from connector.codec import encode
from connector.errors import StoreError

KEY_BYTES = 32
NONCE_BYTES = 12
ID_BYTES = 8
FORM = b"\x01"
"""The layout: form, key id, nonce, ciphertext with its tag."""

CANARY = b"this key opens this database"
CANARY_PLACE = ("", "", "canary")

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{43}=?")


class Vault:
    """Seals with the first key and opens with any of them, so that keys can be changed."""

    def __init__(self, keys: Sequence[bytes], *, draw: Callable[[int], bytes] = os.urandom) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._keys = {_key_id(key): key for key in reversed(keys)}
        self._first = keys[0]
        self._draw = draw

    def __repr__(self) -> str:
        return f"<Vault with {len(self._keys)} key(s)>"

    def seal(self, plain: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """Encrypt for one place; moved to another row or field it does not open any more."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head = FORM + _key_id(self._first)
        nonce = self._draw(NONCE_BYTES)
        place = head + encode([tenant, connection, field])
        return head + nonce + AESGCM(self._first).encrypt(nonce, plain, place)

    def open(self, sealed: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """Decrypt what was sealed for this place. Raises StoreError for anything else."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head, rest = sealed[: 1 + ID_BYTES], sealed[1 + ID_BYTES :]
        key = self._keys.get(head[1:])
        if head[:1] != FORM or key is None or len(rest) < NONCE_BYTES + 16:
            raise _wrong_key()
        place = head + encode([tenant, connection, field])
        try:
            return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], place)
        except InvalidTag:
            raise StoreError(
                "A stored secret was changed, or moved from another connection.",
                remedy="Connect this account again.",
                who="connection_owner",
            ) from None

    def canary(self) -> bytes:
        """A ciphertext to keep beside the secrets, by which `check` knows the key again."""
        tenant, connection, field = CANARY_PLACE
        return self.seal(CANARY, tenant=tenant, connection=connection, field=field)

    def check(self, canary: bytes) -> None:
        """Raise StoreError when this key did not seal that canary."""
        tenant, connection, field = CANARY_PLACE
        try:
            told = self.open(canary, tenant=tenant, connection=connection, field=field)
        except StoreError:
            raise _wrong_key() from None
        if told != CANARY:
            raise _wrong_key()

    def derive(self, purpose: str) -> bytes:
        """Another key of 32 bytes, for one purpose only (markers, states)."""
        return hmac.new(self._first, f"connector/{purpose}".encode(), hashlib.sha256).digest()


def open_vault(
    *, key: SecretStr | None, key_file: Path | None, canary: bytes | None, has_secrets: bool
) -> tuple[Vault, bytes]:
    """The installation's vault, and the canary to keep beside its secrets.

    A key file is made only for a database without canary and secrets: a new key would turn what
    is stored into noise. Raises StoreError when the key is missing, unsafe or another one.
    """
    fresh = canary is None and not has_secrets
    vault = Vault([load_key(key, key_file, may_create=fresh)])
    if canary is None:
        return vault, vault.canary()
    vault.check(canary)
    return vault, canary


def load_key(key: SecretStr | None, key_file: Path | None, *, may_create: bool) -> bytes:
    """The key from CONNECTOR_KEY, else from a file only its owner can read."""
    if key is not None and key.get_secret_value():
        return _read_key(key.get_secret_value(), "CONNECTOR_KEY")
    if key_file is None:
        raise StoreError(
            "There is no key for the stored secrets.",
            remedy="Set CONNECTOR_KEY, or CONNECTOR_KEY_FILE.",
            who="user",
        )
    try:
        return _read_key(_read_private(key_file), f"The key file {key_file}")
    except FileNotFoundError:
        if may_create:
            return _make_key(key_file)
    raise StoreError(
        f"The key file {key_file} is missing, and this database holds secrets sealed with it.",
        remedy="Put the key back from your backup. No new one is made: it could open nothing.",
        who="user",
    )


def _read_key(text: str, source: str) -> bytes:
    text = text.strip()
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
        return file.read(4096)


def _make_key(path: Path) -> bytes:
    key = os.urandom(KEY_BYTES)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(b64encode(key) + b"\n")
            file.flush()
            os.fsync(handle)
        _sync_folder(path.parent)
    except FileExistsError:
        # Another process was faster by a moment: its key counts.
        return _read_key(_read_private(path), f"The key file {path}")
    except OSError as error:
        raise StoreError(
            f"The key file {path} cannot be made ({error.strerror}).",
            remedy="Choose another place with CONNECTOR_KEY_FILE, or set CONNECTOR_KEY.",
            who="user",
        ) from None
    return key


def _sync_folder(folder: Path) -> None:
    # Secrets sealed with a key whose file a power cut takes away would be lost.
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _key_id(key: bytes) -> bytes:
    return hmac.new(key, b"connector/key id", hashlib.sha256).digest()[:ID_BYTES]


def _wrong_key() -> StoreError:
    return StoreError(
        "The key does not fit the secrets in this database.",
        remedy="Start with the key the secrets were sealed with (CONNECTOR_KEY or its file).",
        who="user",
    )
