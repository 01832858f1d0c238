"""The vault of an installation: opened at each start, and its key changed on demand."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from connector.connections import Vault, open_vault
from connector.connections.keys import add_key, alone
from connector.connections.rotation import Rotation, is_unfinished, rotate
from connector.errors import ConnectorError

if TYPE_CHECKING:
    from connector.settings import Settings
    from connector.store.port import Database


def beside(settings: Settings, suffix: str) -> Path | None:
    """A file beside an SQLite database; other kinds have no such place."""
    path = settings.database_path
    return None if path is None else path.with_suffix(suffix)


async def unlock(database: Database, settings: Settings) -> Vault:
    """The vault of this database. Raises ConnectorError when the key is not its own."""
    known = await database.instance("canary")
    vault, canary = open_vault(
        key=settings.key,
        key_file=settings.key_file or beside(settings, ".key"),
        canary=known,
        has_secrets=await database.has_secrets(),
    )
    if known is None:
        await database.set_instance("canary", canary)
    root = await database.instance("root")
    kept = vault.take_root(root)
    if root is None:
        await database.set_instance("root", kept)
    return vault


async def rotate_keys(settings: Settings) -> Rotation:
    """Make a new key and seal every secret with it, or finish what was begun.

    Raises ConnectorError when the keys come from CONNECTOR_KEY and it holds no newer one.
    """
    from connector.store import open_database

    given = settings.key is not None and bool(settings.key.get_secret_value())
    key_file = settings.key_file or beside(settings, ".key")
    database = open_database(settings.database)
    try:
        await database.open()
        vault = await unlock(database, settings)
        with contextlib.nullcontext() if given or key_file is None else alone(key_file):
            if not given and key_file is not None:
                # Read again, alone: another process may have begun in the meantime.
                vault = await unlock(database, settings)
            if not await is_unfinished(database, vault):
                if given or key_file is None:
                    raise ConnectorError(
                        "CONNECTOR_KEY holds no newer key.",
                        remedy="Set it to the new key, a comma and the present one; restart every "
                        "server with it, then do this again.",
                    )
                add_key(key_file)
                vault = await unlock(database, settings)
            return await rotate(database, vault)
    finally:
        await database.close()
