"""A rotation of the key over a database in memory: what is old, and what is left."""

from __future__ import annotations

import pytest

from connector.connections import Vault
from connector.connections.rotation import is_unfinished, rotate
from tests.connections.kit import KEY, NEWER


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
