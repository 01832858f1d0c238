"""Sealed secrets: each opens in its own place only, and only with a key that is known."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest

from connector.connections import Vault, open_vault
from connector.connections.keys import add_key
from connector.connections.vault import CANARY_PLACE
from connector.errors import StoreError
from tests.connections.kit import KEY, NEWER, PLACE

HEAD = "01d6e9b46e6f6d8dd96465666768696a6b6c6d6e6f"


def draw(count: int) -> bytes:
    return bytes(range(100, 100 + count))


def test_what_is_sealed_opens_in_its_place() -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"a/token", **PLACE)
    assert b"a/token" not in sealed
    assert vault.open(sealed, **PLACE) == b"a/token"
    assert sealed != vault.seal(b"a/token", **PLACE)


@pytest.mark.parametrize("name", ["tenant", "connection", "field"])
def test_a_ciphertext_copied_to_another_place_does_not_open(name: str) -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"x", **PLACE)
    with pytest.raises(StoreError):
        vault.open(sealed, **{**PLACE, name: "other"})


def test_places_are_not_confused_by_their_spelling() -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"x", tenant="a", connection="b,c", field="d")
    with pytest.raises(StoreError):
        vault.open(sealed, tenant="a,b", connection="c", field="d")


@pytest.mark.parametrize("position", [0, 1, 8, 9, 20, 21, -1])
def test_a_changed_ciphertext_does_not_open(position: int) -> None:
    vault = Vault([KEY])
    sealed = bytearray(vault.seal(b"secret", **PLACE))
    sealed[position] ^= 1
    with pytest.raises(StoreError):
        vault.open(bytes(sealed), **PLACE)


@pytest.mark.parametrize("length", [0, 1, 9, 21, 36])
def test_a_cut_ciphertext_does_not_open(length: int) -> None:
    vault = Vault([KEY])
    with pytest.raises(StoreError):
        vault.open(vault.seal(b"secret", **PLACE)[:length], **PLACE)


def test_an_older_key_still_opens_and_the_first_one_seals() -> None:
    old, new = Vault([KEY]), Vault([bytes(32), KEY])
    assert new.open(old.seal(b"x", **PLACE), **PLACE) == b"x"
    with pytest.raises(StoreError):
        old.open(new.seal(b"x", **PLACE), **PLACE)


def test_keys_do_not_show() -> None:
    vault = Vault([KEY])
    assert KEY.hex() not in repr(vault)
    assert repr(KEY) not in repr(vault)


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, KEY[:-1]]])
def test_a_key_has_32_bytes(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(keys)


def test_derived_keys_differ_by_purpose_and_key() -> None:
    found = {
        Vault([KEY]).derive("a"),
        Vault([KEY]).derive("b"),
        Vault([bytes(32)]).derive("a"),
        KEY,
    }
    assert len(found) == 4
    assert Vault([KEY]).derive("a") == Vault([KEY]).derive("a")


# --- at the edges: mutants found these places (`make mutate`) -----------------------------------


def test_the_layout_is_that_of_every_release() -> None:
    """What one version has sealed, the next one opens; what one derives, the next one derives."""
    vault = Vault([KEY], draw=draw)
    sealed = vault.seal(b"a secret", **PLACE)
    assert sealed.hex() == HEAD + "293bad031a9b33ea2f2af55f20d7df3bca6234106c14efc4"
    assert vault.canary().hex() == HEAD + (
        "3c73b715598233e71e0d2f8db4164a892aab752aef0d8713c5b0df2d1314a7459529813c608f79b6072044ae"
    )
    assert vault.take_root(None).hex() == HEAD + (
        "938c3e1ecab8a229cd6d7f9c79fcd99cc5cde47002c1eed590e6485b2453544a5288db8bdcbe6fa17c4bb7997e"
        "a1b1e4"
    )
    derived = "2a5b8f62e8cf3d114edb2c3500a9b06560db8f7064c2990aee12f005b73ed8cc"
    assert vault.derive("marker").hex() == derived
    assert Vault([KEY]).open(sealed, **PLACE) == b"a secret"


def test_an_empty_secret_is_the_shortest_ciphertext() -> None:
    vault = Vault([KEY])
    sealed = vault.seal(b"", **PLACE)
    assert vault.open(sealed, **PLACE) == b""
    with pytest.raises(StoreError, match="does not fit") as caught:
        vault.open(sealed[:-1], **PLACE)
    assert caught.value.who == "user"


def test_a_moved_secret_is_for_its_owner_to_connect_again() -> None:
    vault = Vault([KEY])
    with pytest.raises(StoreError, match="changed, or moved") as caught:
        vault.open(vault.seal(b"x", **PLACE), **{**PLACE, "tenant": "other"})
    assert caught.value.who == "connection_owner"


def test_the_source_is_asked_before_sealing_and_for_a_key_that_is_not_known() -> None:
    asked: list[int] = []
    held = [KEY]

    def source() -> list[bytes]:
        asked.append(len(held))
        return held

    vault = Vault([KEY], source=source)
    mine = vault.seal(b"x", **PLACE)
    assert asked == [1]
    assert vault.open(mine, **PLACE) == b"x"
    assert asked == [1]
    theirs = Vault([NEWER]).seal(b"y", **PLACE)
    held.insert(0, NEWER)
    assert vault.open(theirs, **PLACE) == b"y"
    assert asked == [1, 2]
    assert vault.is_newest(theirs)
    assert not vault.is_newest(mine)
    assert vault.open(mine, **PLACE) == b"x"
    assert vault.is_newest(vault.seal(b"z", **PLACE))
    with pytest.raises(StoreError, match="does not fit"):
        vault.open(Vault([bytes(32)]).seal(b"x", **PLACE), **PLACE)


def test_a_source_that_fails_changes_nothing() -> None:
    def source() -> list[bytes]:
        raise StoreError("the file is away")

    vault = Vault([KEY], source=source)
    assert vault.open(vault.seal(b"x", **PLACE), **PLACE) == b"x"


def test_a_canary_that_says_something_else_is_refused() -> None:
    tenant, connection, field = CANARY_PLACE
    vault = Vault([KEY])
    vault.check(vault.canary())
    wrong = vault.seal(b"another song", tenant=tenant, connection=connection, field=field)
    for canary in (wrong, Vault([NEWER]).canary(), vault.seal(b"x", **PLACE)):
        with pytest.raises(StoreError, match="does not fit"):
            vault.check(canary)


def test_the_root_stays_when_the_key_changes_and_other_keys_have_others() -> None:
    old, new = Vault([KEY]), Vault([NEWER, KEY])
    assert old.derive("a") != new.derive("a")
    root = old.take_root(None)
    before = old.derive("a")
    assert before != Vault([KEY]).derive("a")
    assert new.take_root(root) == root
    assert new.derive("a") == before
    assert new.opens(root, ("", "", "root"))
    assert not new.opens(root, ("", "", "canary"))


def test_an_opened_vault_follows_its_key_file(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    vault, canary = open_vault(key=None, key_file=path, canary=None, has_secrets=False)
    first = path.read_text()
    assert len(b64decode(first)) == 32
    assert first.endswith("=\n")
    assert vault.is_newest(canary)
    add_key(path)
    assert vault.is_newest(vault.seal(b"x", **PLACE))
    assert not vault.is_newest(canary)
    path.unlink()
    assert vault.open(vault.seal(b"x", **PLACE), **PLACE) == b"x"
    assert not path.exists()
