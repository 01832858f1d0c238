"""Keys: how one is written, where it is kept, and when a new one is made."""

from __future__ import annotations

import os
import sys
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector.connections import Vault, keys, load_keys, open_vault
from connector.connections.keys import MOST_BYTES, add_key, alone
from connector.errors import StoreBusy, StoreError
from tests.connections.kit import KEY, NEWER, PLACE


@pytest.mark.parametrize(
    "text",
    [
        KEY.hex(),
        KEY.hex().upper(),
        b64encode(KEY).decode(),
        urlsafe_b64encode(b"\xff" * 31 + b"\xfe").decode(),
        b64encode(KEY).decode().rstrip("=") + "\n",
    ],
)
def test_a_key_is_read_in_either_spelling(text: str) -> None:
    assert len(load_keys(SecretStr(text), None, may_create=False)[0]) == 32


@pytest.mark.parametrize("text", ["password", "a" * 63, "!" * 44, b64encode(b"x" * 16).decode()])
def test_a_text_that_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(StoreError) as caught:
        load_keys(SecretStr(text), None, may_create=True)
    assert text not in str(caught.value)


def test_a_first_start_makes_a_private_key_file(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    vault, canary = open_vault(key=None, key_file=path, canary=None, has_secrets=False)
    assert path.stat().st_mode & 0o777 == 0o600
    sealed = vault.seal(b"x", **PLACE)
    again, same = open_vault(key=None, key_file=path, canary=canary, has_secrets=True)
    assert same == canary
    assert again.open(sealed, **PLACE) == b"x"


@pytest.mark.parametrize(("canary", "has_secrets"), [(True, False), (False, True), (True, True)])
def test_no_new_key_is_made_where_something_was_sealed(
    tmp_path: Path, canary: bool, has_secrets: bool
) -> None:
    path = tmp_path / "connector.key"
    known = Vault([KEY]).canary() if canary else None
    with pytest.raises(StoreError, match="missing"):
        open_vault(key=None, key_file=path, canary=known, has_secrets=has_secrets)
    assert not path.exists()


def test_another_key_than_the_canarys_refuses_to_start() -> None:
    canary = Vault([KEY]).canary()
    with pytest.raises(StoreError, match="does not fit"):
        open_vault(key=SecretStr("00" * 32), key_file=None, canary=canary, has_secrets=True)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_key_file_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    path.write_text(KEY.hex())
    path.chmod(0o640)
    with pytest.raises(StoreError, match="read by others"):
        load_keys(None, path, may_create=False)
    path.chmod(0o600)
    assert load_keys(None, path, may_create=False) == [KEY]


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_key_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(KEY.hex())
    real.chmod(0o600)
    link = tmp_path / "connector.key"
    link.symlink_to(real)
    with pytest.raises(StoreError):
        load_keys(None, link, may_create=True)


def test_a_folder_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be made"):
        load_keys(None, tmp_path / "no" / "connector.key", may_create=True)


def test_without_any_key_there_is_no_vault() -> None:
    with pytest.raises(StoreError, match="no key"):
        open_vault(key=None, key_file=None, canary=None, has_secrets=False)


# --- at the edges: mutants found these places (`make mutate`) -----------------------------------


def test_a_database_with_secrets_and_no_canary_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    path.write_text(KEY.hex())
    path.chmod(0o600)
    vault, canary = open_vault(key=None, key_file=path, canary=None, has_secrets=True)
    vault.check(canary)
    Vault([KEY]).check(canary)


def read(text: str) -> list[bytes]:
    return load_keys(SecretStr(text), None, may_create=False)


def test_a_key_means_the_same_bytes_in_each_spelling() -> None:
    odd = b"\xfb\xff" * 16
    for key in (KEY, odd):
        for text in (
            key.hex(),
            key.hex().upper(),
            b64encode(key).decode(),
            b64encode(key).decode().rstrip("="),
            urlsafe_b64encode(key).decode(),
        ):
            assert read(text) == [key]
    both = f"{KEY.hex()},{NEWER.hex()}"
    assert read(both) == read(both.replace(",", "\n")) == read(f" {both} , ") == [KEY, NEWER]


@pytest.mark.parametrize(
    "text", [",", " ", "x", KEY.hex() + "0", KEY.hex()[:-1], "A" * 42, "A" * 44, "A" * 43 + "=="]
)
def test_what_is_no_key_is_refused_by_the_name_of_its_place(text: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^CONNECTOR_KEY does not hold a key") as caught:
        read(text)
    assert caught.value.who == "user"
    path = tmp_path / "connector.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StoreError, match=rf"^The key file {path} does not hold a key"):
        load_keys(None, path, may_create=True)
    assert path.read_text() == text


def test_an_empty_variable_is_none_and_a_set_one_comes_before_the_file(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    path.write_text(NEWER.hex())
    path.chmod(0o600)
    assert load_keys(SecretStr(""), path, may_create=False) == [NEWER]
    assert load_keys(SecretStr(KEY.hex()), path, may_create=False) == [KEY]
    for key in (None, SecretStr("")):
        with pytest.raises(StoreError, match="no key") as caught:
            load_keys(key, None, may_create=True)
        assert caught.value.who == "user"


def test_16_kib_of_a_key_file_are_read(tmp_path: Path) -> None:
    assert MOST_BYTES == 16 * 1024
    path = tmp_path / "connector.key"
    path.write_text("\n" * (MOST_BYTES - 64) + KEY.hex())
    path.chmod(0o600)
    assert load_keys(None, path, may_create=False) == [KEY]
    path.write_text("\n" * (MOST_BYTES - 63) + KEY.hex())
    with pytest.raises(StoreError):
        load_keys(None, path, may_create=False)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
@pytest.mark.parametrize("mode", [0o601, 0o602, 0o604, 0o610, 0o620, 0o640])
def test_no_right_of_anybody_else_is_let_pass(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "connector.key"
    path.write_text(KEY.hex())
    path.chmod(mode)
    with pytest.raises(StoreError, match="read by others") as caught:
        load_keys(None, path, may_create=True)
    assert caught.value.who == "user"
    assert f"chmod 600 {path}" in str(caught.value.remedy)


@pytest.mark.skipif(os.name != "posix", reason="links and folders")
def test_what_cannot_be_read_or_made_is_for_the_user(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nothing")
    with pytest.raises(StoreError, match="cannot be read") as caught:
        load_keys(None, link, may_create=True)
    assert caught.value.who == "user"
    with pytest.raises(StoreError, match="cannot be made") as caught:
        load_keys(None, tmp_path / "no" / "connector.key", may_create=True)
    assert caught.value.who == "user"
    with pytest.raises(StoreError, match="is missing") as caught:
        load_keys(None, tmp_path / "connector.key", may_create=False)
    assert caught.value.who == "user"
    (tmp_path / "connector.key").write_text(KEY.hex())
    (tmp_path / "connector.key").chmod(0o600)
    (tmp_path / "connector.key.new").mkdir()
    with pytest.raises(StoreError, match="cannot be replaced") as caught:
        add_key(tmp_path / "connector.key")
    assert caught.value.who == "user"
    assert load_keys(None, tmp_path / "connector.key", may_create=False) == [KEY]


def test_a_new_key_stands_first_and_what_a_broken_rotation_left_is_no_key(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    first = load_keys(None, path, may_create=True)
    (tmp_path / "connector.key.new").write_text("left here")
    add_key(path)
    held = load_keys(None, path, may_create=False)
    assert held[1:] == first
    assert held[0] != first[0]
    assert len(held[0]) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["connector.key"]
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.skipif(sys.platform != "linux", reason="what a handle is open for")
def test_file_and_folder_are_synced_before_a_key_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "connector.key"
    synced: list[str] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        place = Path(os.readlink(f"/proc/self/fd/{handle}"))
        synced.append(place.name)
        assert place.is_dir() or place.stat().st_size > 0, "synced before it was written"
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    handles = len(os.listdir("/proc/self/fd"))
    load_keys(None, path, may_create=True)
    assert synced == ["connector.key", tmp_path.name]
    add_key(path)
    assert synced[2:] == ["connector.key.new", tmp_path.name]
    with alone(path):
        pass
    assert len(os.listdir("/proc/self/fd")) == handles, "a handle was left open"


def test_a_key_that_another_process_makes_at_the_same_moment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "connector.key"
    real = keys._write_private

    def beaten(place: Path, content: bytes) -> None:
        real(place, KEY.hex().encode())
        real(place, content)

    monkeypatch.setattr(keys, "_write_private", beaten)
    assert load_keys(None, path, may_create=True) == [KEY]


@pytest.mark.skipif(os.name != "posix", reason="locks")
def test_one_process_at_a_time_changes_keys(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    with alone(path), pytest.raises(StoreBusy), alone(path):
        raise AssertionError("two at once")
    with alone(path):
        pass
