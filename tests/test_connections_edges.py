"""Vault, key file and keyring at their edges: the layout, each limit, what is tried and told.

Mutants found these places (`make mutate`): each test here is where a small fault went unnoticed.
"""

from __future__ import annotations

import os
import random
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.connections import Tokens, Vault, keys, load_keys, open_vault
from connector.connections.keyring import AGAIN_SECONDS, Keyring
from connector.connections.keys import MOST_BYTES, add_key, alone
from connector.connections.rotation import is_unfinished, rotate
from connector.connections.vault import CANARY_PLACE
from connector.errors import StoreBusy, StoreError, Throttled, Unauthorized
from tests.test_connections import (
    FIC,
    KEY,
    NOW,
    PERFEX,
    PLACE,
    Client,
    House,
    Rows,
    TokenServer,
    tokens,
)

NEWER = bytes(range(1, 33))
HEAD = "01d6e9b46e6f6d8dd96465666768696a6b6c6d6e6f"


def draw(count: int) -> bytes:
    return bytes(range(100, 100 + count))


@pytest.fixture
def house() -> House:
    return House(TokenServer())


# --- the vault ----------------------------------------------------------------------------------


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


def test_a_database_with_secrets_and_no_canary_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "connector.key"
    path.write_text(KEY.hex())
    path.chmod(0o600)
    vault, canary = open_vault(key=None, key_file=path, canary=None, has_secrets=True)
    vault.check(canary)
    Vault([KEY]).check(canary)


# --- keys ---------------------------------------------------------------------------------------


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


# --- rotation -----------------------------------------------------------------------------------


class Sealed:
    """A database of sealed secrets in memory; `changed` replaces one between look and write."""

    def __init__(self, rows: dict[tuple[str, str], bytes], **instance: bytes) -> None:
        self.rows = rows
        self.values = instance
        self.written: list[str] = []
        self.meanwhile: dict[tuple[str, str], bytes] = {}

    async def sealed(self) -> list[tuple[str, str, bytes]]:
        return [(*place, secrets) for place, secrets in self.rows.items()]

    async def reseal(self, tenant: str, name: str, secrets: bytes, instead_of: bytes) -> bool:
        self.rows.update(self.meanwhile)
        self.meanwhile = {}
        if self.rows[tenant, name] != instead_of:
            return False
        self.rows[tenant, name] = secrets
        self.written.append(name)
        return True

    async def instance(self, name: str) -> bytes | None:
        return self.values.get(name)

    async def set_instance(self, name: str, value: bytes) -> None:
        self.values[name] = value
        self.written.append(name)


def sealed_by(vault: Vault, name: str) -> bytes:
    return vault.seal(name.encode(), tenant="t", connection=name, field="tokens")


async def test_a_rotation_seals_what_is_old_once_and_names_what_no_key_opens() -> None:
    old, new, lost = Vault([KEY]), Vault([NEWER, KEY]), Vault([bytes(32)])
    rows = Sealed(
        {
            ("t", "a"): sealed_by(old, "a"),
            ("t", "b"): sealed_by(new, "b"),
            ("t", "c"): sealed_by(lost, "c"),
            ("t", "d"): sealed_by(old, "d"),
        },
        root=old.take_root(None),
        canary=old.canary(),
    )
    rows.meanwhile = {("t", "a"): sealed_by(old, "a")}  # a server has renewed it
    assert await is_unfinished(rows, new)
    done = await rotate(rows, new)
    assert (done.sealed, done.unreadable) == (2, ["c"])
    assert rows.written == ["d", "a", "root", "canary"]
    assert not await is_unfinished(rows, new)
    for name in "abd":
        assert new.is_newest(rows.rows["t", name])
        assert new.reseal(rows.rows["t", name], ("t", name, "tokens"))
    Vault([NEWER]).check(rows.values["canary"])
    again = await rotate(rows, new)
    assert (again.sealed, again.unreadable) == (0, ["c"])
    assert rows.written == ["d", "a", "root", "canary"]


@pytest.mark.parametrize("left", ["root", "canary", "a"])
async def test_a_rotation_is_unfinished_while_anything_is_old(left: str) -> None:
    old, new = Vault([KEY]), Vault([NEWER, KEY])
    which = {name: old if name == left else new for name in ("root", "canary", "a")}
    root = which["root"].seal(bytes(32), tenant="", connection="", field="root")
    rows = Sealed(
        {("t", "a"): sealed_by(which["a"], "a")}, root=root, canary=which["canary"].canary()
    )
    assert await is_unfinished(rows, new)
    await rotate(rows, new)
    assert rows.written == [left]
    assert not await is_unfinished(rows, new)
    assert not await is_unfinished(Sealed({}), new)


# --- the keyring --------------------------------------------------------------------------------


class Always(random.Random):
    """Draws the first or the last of what there is."""

    def __init__(self, last: bool) -> None:
        super().__init__(1)
        self.last = last

    def uniform(self, a: float, b: float) -> float:
        return b if self.last else a


@pytest.mark.parametrize(("last", "early"), [(False, 300), (True, 900)])
async def test_a_token_is_renewed_5_to_15_minutes_before_its_end(
    house: House, last: bool, early: int
) -> None:
    house.keyring = Keyring(
        house.vault,
        house.server.client(),
        clock=lambda: house.now,
        oauth_client=lambda app: Client(),
        draw=Always(last),
    )
    credentials = house.add(tokens())
    house.now = NOW + 86400 - early - 0.5
    await credentials.get()
    assert house.server.asked == []
    house.now = NOW + 86400 - early
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_a_short_token_is_renewed_after_three_quarters_of_its_life(house: House) -> None:
    short = tokens().model_copy(update={"issued_at": NOW, "expires_at": NOW + 400})
    credentials = house.add(short)
    await credentials.get()
    house.now = NOW + 299.5
    await credentials.get()
    assert house.server.asked == []
    house.now = NOW + 300
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_after_an_early_renewal_that_failed_it_asks_again_in_a_minute(house: House) -> None:
    assert AGAIN_SECONDS == 60
    house.server.answer = (503, b"")
    credentials = house.add(tokens(life=200))
    await credentials.get()
    house.now = NOW + 59.5
    await credentials.get()
    assert len(house.server.asked) == 1
    house.now = NOW + 60
    await credentials.get()
    assert len(house.server.asked) == 2
    house.now = NOW + 150  # the next minute would end after the token
    await credentials.get()
    house.now = NOW + 199.5
    await credentials.get()
    assert len(house.server.asked) == 3
    house.now = NOW + 200
    house.server.answer = (429, b"")
    with pytest.raises(Throttled):
        await credentials.get()


async def test_what_is_held_for_one_tenant_is_not_given_to_another(house: House) -> None:
    await house.add(tokens()).get()
    foreign = Rows("other")
    with pytest.raises(Unauthorized, match="no connection"):
        await house.keyring.credentials(FIC, "c1", foreign).get()
    house.keyring.forget("other", "c1")
    reads = house.rows.reads
    await house.keyring.credentials(FIC, "c1", house.rows).get()
    assert house.rows.reads == reads


async def test_a_connection_that_was_given_up_is_not_held_any_longer(house: House) -> None:
    credentials = house.add(tokens())
    await credentials.get()
    await credentials.give_up()
    assert house.rows.rows["c1"].status == "reconnect"
    with pytest.raises(Unauthorized, match="its owner must renew it"):
        await credentials.get()


async def test_without_our_client_or_a_refresh_token_only_the_owner_can_help(house: House) -> None:
    for client, refresh, app in (
        (None, "r/1", FIC),
        (Client(), None, FIC),
        (Client(), "r", PERFEX),
    ):
        house.keyring = Keyring(
            house.vault,
            house.server.client(),
            clock=lambda: house.now,
            oauth_client=lambda app, client=client: client,  # type: ignore[misc]
        )
        credentials = house.add(tokens(life=-1, refresh=refresh), app=app)
        with pytest.raises(Unauthorized, match="its token cannot be renewed") as caught:
            await credentials.get()
        assert caught.value.who == "connection_owner"
        assert "Acme" in caught.value.message
        assert house.rows.rows["c1"].status == "reconnect"
    assert house.server.asked == []


async def test_a_refused_token_that_was_renewed_elsewhere_is_only_read(house: House) -> None:
    credentials = house.add(tokens())
    used = await credentials.get()
    house.add(tokens(access="a/theirs"))
    assert (await credentials.replace(used)).access_token == SecretStr("a/theirs")
    reads = house.rows.reads
    assert (await credentials.get()).access_token == SecretStr("a/theirs")
    assert house.rows.reads == reads
    assert house.server.asked == []


async def test_secrets_that_are_no_tokens_are_for_the_owner(house: House) -> None:
    credentials = house.add(tokens())
    house.rows.rows["c1"].secrets = house.vault.seal(b"not tokens", **PLACE)
    with pytest.raises(StoreError, match="cannot be read") as caught:
        await credentials.get()
    assert caught.value.who == "connection_owner"


async def test_a_token_without_an_end_is_held_for_ever(house: House) -> None:
    endless: Any = Tokens(access_token=SecretStr("m"), refresh_token=SecretStr("r/1"))
    credentials = house.add(endless)
    await credentials.get()
    house.now += 10**9
    await credentials.get()
    assert house.rows.reads == 1
    assert house.server.asked == []
