"""Secrets at rest: AES-256-GCM under the installation's key, each ciphertext bound to its place."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import SecretStr

from connector.codec import encode
from connector.connections.keys import KEY_BYTES, load_keys
from connector.errors import StoreError

NONCE_BYTES = 12
ID_BYTES = 8
FORM = b"\x01"
"""The layout: form, key id, nonce, ciphertext with its tag."""

CANARY = b"this key opens this database"
CANARY_PLACE = ("", "", "canary")
ROOT_PLACE = ("", "", "root")
Place = tuple[str, str, str]
"""Tenant, connection and field that a ciphertext is for."""


class Vault:
    """Seals with the first key and opens with any of them, so that keys can be changed.

    `source` gives the keys as they are now: another process may have added a newer one.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        *,
        draw: Callable[[int], bytes] = os.urandom,
        source: Callable[[], Sequence[bytes]] | None = None,
    ) -> None:
        self._draw = draw
        self._source = source
        self._take(keys)
        self._root = keys[0]

    def _take(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._keys = {_key_id(key): key for key in reversed(keys)}
        self._first = keys[0]

    def _look(self) -> None:
        if self._source is not None:
            # What cannot be read now was read at the start: go on with that.
            with contextlib.suppress(StoreError):
                self._take(self._source())

    def __repr__(self) -> str:
        return f"<Vault with {len(self._keys)} key(s)>"

    def seal(self, plain: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """Encrypt for one place; moved to another row or field it does not open any more."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._look()
        head = FORM + _key_id(self._first)
        nonce = self._draw(NONCE_BYTES)
        place = head + encode([tenant, connection, field])
        return head + nonce + AESGCM(self._first).encrypt(nonce, plain, place)

    def open(self, sealed: bytes, *, tenant: str, connection: str, field: str) -> bytes:
        """Decrypt what was sealed for this place. Raises StoreError for anything else."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head, rest = sealed[: 1 + ID_BYTES], sealed[1 + ID_BYTES :]
        if head[1:] not in self._keys:
            self._look()
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

    def is_newest(self, sealed: bytes) -> bool:
        """Whether a ciphertext was sealed with the first key."""
        return sealed[: 1 + ID_BYTES] == FORM + _key_id(self._first)

    def opens(self, sealed: bytes, place: Place) -> bool:
        """Whether any of the keys opens this ciphertext in this place."""
        tenant, connection, field = place
        try:
            self.open(sealed, tenant=tenant, connection=connection, field=field)
        except StoreError:
            return False
        return True

    def reseal(self, sealed: bytes, place: Place) -> bytes:
        """The same secret for the same place, sealed with the first key. Raises StoreError."""
        tenant, connection, field = place
        plain = self.open(sealed, tenant=tenant, connection=connection, field=field)
        return self.seal(plain, tenant=tenant, connection=connection, field=field)

    def take_root(self, sealed: bytes | None) -> bytes:
        """Derive from this root from now on, or from a first one; gives it, sealed, to be kept.

        So what is derived stays the same when the keys change: marks in the apps among others.
        """
        tenant, connection, field = ROOT_PLACE
        if sealed is None:
            root = self.derive("root")
            sealed = self.seal(root, tenant=tenant, connection=connection, field=field)
        self._root = self.open(sealed, tenant=tenant, connection=connection, field=field)
        return sealed

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
        return hmac.new(self._root, f"connector/{purpose}".encode(), hashlib.sha256).digest()


def open_vault(
    *, key: SecretStr | None, key_file: Path | None, canary: bytes | None, has_secrets: bool
) -> tuple[Vault, bytes]:
    """The installation's vault, and the canary to keep beside its secrets.

    A key file is made only for a database without canary and secrets: a new key would turn what
    is stored into noise. Raises StoreError when the key is missing, unsafe or another one.
    """
    fresh = canary is None and not has_secrets
    keys = load_keys(key, key_file, may_create=fresh)
    vault = Vault(keys, source=lambda: load_keys(key, key_file, may_create=False))
    if canary is None:
        return vault, vault.canary()
    vault.check(canary)
    return vault, canary


def _key_id(key: bytes) -> bytes:
    return hmac.new(key, b"connector/key id", hashlib.sha256).digest()[:ID_BYTES]


def _wrong_key() -> StoreError:
    return StoreError(
        "The key does not fit the secrets in this database.",
        remedy="Start with the key the secrets were sealed with (CONNECTOR_KEY or its file).",
        who="user",
    )
