"""Changing the key of all stored secrets while they are used; it may stop anywhere and go on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from connector.connections.keyring import FIELD
from connector.connections.vault import CANARY_PLACE, ROOT_PLACE, Vault
from connector.errors import StoreError


class SecretRows(Protocol):
    """The sealed secrets of all tenants, as the database keeps them."""

    async def sealed(self) -> list[tuple[str, str, bytes]]:
        """Tenant, connection id and ciphertext of every connection that has one."""
        ...

    async def reseal(
        self, tenant: str, connection_id: str, secrets: bytes, instead_of: bytes
    ) -> bool:
        """Put one ciphertext in the place of another, if that is still there."""
        ...

    async def instance(self, name: str) -> bytes | None: ...

    async def set_instance(self, name: str, value: bytes) -> None: ...


@dataclass(slots=True)
class Rotation:
    """What became of the secrets; `unreadable` names connections whose secrets no key opens."""

    sealed: int = 0
    unreadable: list[str] = field(default_factory=list)


INSTANCE = (("root", ROOT_PLACE), ("canary", CANARY_PLACE))
"""Sealed values that are no connection's. The canary last: with it, all is done."""


async def is_unfinished(rows: SecretRows, vault: Vault) -> bool:
    """Whether anything that can be opened is still sealed with an older key than the first."""
    left = [((tenant, name, FIELD), secrets) for tenant, name, secrets in await rows.sealed()]
    for name, place in INSTANCE:
        value = await rows.instance(name)
        if value is not None:
            left.append((place, value))
    return any(not vault.is_newest(value) and vault.opens(value, place) for place, value in left)


async def rotate(rows: SecretRows, vault: Vault) -> Rotation:
    """Seal with the first key whatever an older one has sealed; what is left is read each time."""
    done = Rotation()
    while True:
        old = [
            one
            for one in await rows.sealed()
            if not vault.is_newest(one[2]) and one[1] not in done.unreadable
        ]
        if not old:
            break
        for tenant, connection_id, secrets in old:
            try:
                fresh = vault.reseal(secrets, (tenant, connection_id, FIELD))
            except StoreError:
                done.unreadable.append(connection_id)
                continue
            # Renewed meanwhile by a server: the next look sees what it has stored.
            done.sealed += await rows.reseal(tenant, connection_id, fresh, secrets)
    for name, place in INSTANCE:
        value = await rows.instance(name)
        if value is not None and not vault.is_newest(value):
            await rows.set_instance(name, vault.reseal(value, place))
    return done
