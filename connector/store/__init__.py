"""The durable rows: events, flows, runs, steps, effects, connections.

`open_database` chooses the back end by address. SQLite is the embedded default; what PostgreSQL
must offer to take its place is in `port`, and nothing above this floor may use more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.store.port import Database


def open_database(url: str) -> Database:
    """The store at `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://…`.

    Await its `open` before use. Raises StoreError when the file cannot be opened or the address is
    of another kind.
    """
    from pathlib import Path

    from connector.errors import StoreError

    if url.startswith(("postgresql://", "postgres://")):
        return _postgres(url)
    from connector.store.sqlite.database import Database

    scheme, _, place = url.partition(":///")
    if scheme != "sqlite" or not place:
        raise StoreError(
            # Only the kind is repeated: an address may hold a password.
            f"CONNECTOR_DATABASE must look like 'sqlite:///connector.db' or"
            f" 'postgresql://…', not '{url.partition(':')[0]}:…'.",
            remedy="Use three slashes and a path relative to this folder, or four for a full path.",
            who="user",
        )
    return Database(Path(place))


def _postgres(url: str) -> Database:
    from connector.errors import StoreError

    try:
        from connector.store.postgres.database import Database
    except ImportError as error:
        raise StoreError(
            "PostgreSQL needs more packages than are installed.",
            remedy="Install connector[postgres].",
            who="user",
        ) from error
    return Database(url)
