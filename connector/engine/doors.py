"""The ways to the apps: one door for each connection, as long as it stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from connector.caller import AppCaller
from connector.connections import Keyring, Tokens, auth_headers
from connector.engine.book import Book, as_connection
from connector.errors import Unauthorized
from connector.model import App, Connection, Json
from connector.quota import Limiter, Priority

if TYPE_CHECKING:
    from connector.connections.keyring import Headers
    from connector.engine.waits import Clock
    from connector.http import HttpClient
    from connector.store.port import Database
    from connector.store.rows import ConnectionRow


class Doors:
    """Opens doors with the tenant's own credentials and one limiter for all of them."""

    def __init__(
        self, book: Book, keyring: Keyring, database: Database, http: HttpClient, clock: Clock
    ) -> None:
        self._book = book
        self._keyring = keyring
        self._database = database
        self._http = http
        self._limiter = Limiter(clock, database)
        self._open: dict[str, tuple[ConnectionRow, dict[tuple[str, Priority], AppCaller]]] = {}

    async def open(
        self, tenant: str, connection: str, *, account: str = "", priority: Priority = "read"
    ) -> AppCaller:
        """The door of a connection by id or name. Raises NotConnected for an unknown one.

        `account` is whose quota is used (Fatture in Cloud: the company), `priority` that of reads.
        """
        row = await self._book.connection(tenant, connection)
        kept = self._open.get(row.id)
        if kept is None or kept[0] is not row:
            self._keyring.forget(tenant, row.id)
            kept = self._open[row.id] = (row, {})
        door = kept[1].get((account, priority))
        if door is None:
            app = await self._book.app(tenant, row.id)
            signer = self._keyring.credentials(app, row.id, self._database.tenant(tenant))
            door = kept[1][account, priority] = AppCaller(
                app,
                as_connection(row),
                http=self._http,
                signer=signer,
                limiter=self._limiter,
                account=account,
                priority=priority,
                hidden=await self._hook_secrets(tenant, row.id) if app.webhook else (),
            )
        return door

    async def _hook_secrets(self, tenant: str, connection_id: str) -> list[str]:
        """What the app was told to sign its events with."""
        rows = await self._database.tenant(tenant).hooks()
        hooks = [self._book.as_hook(one) for one in rows if one.connection_id == connection_id]
        return [one.secret for one in hooks if one.secret]

    async def prove(self, app: App, connection: Connection, tokens: Tokens) -> Mapping[str, Json]:
        """Call the app with credentials that are not stored yet. Raises ApiError.

        Gives what the installation says it can do, where the app asks for that.
        """
        door = AppCaller(
            app,
            connection,
            http=self._http,
            signer=_Unsaved(app, tokens),
            limiter=Limiter(lambda: 0.0),
        )
        await door.check()
        return {} if app.probe is None else await app.probe(door)


class _Unsaved:
    """The credentials of a connection that is only being tried."""

    def __init__(self, app: App, tokens: Tokens) -> None:
        self._app = app
        self._tokens = tokens

    async def get(self) -> Tokens:
        return self._tokens

    async def replace(self, used: Tokens) -> Tokens:
        raise Unauthorized(
            f"{self._app.title} does not accept this token.",
            remedy="Check that it was copied whole and has not expired.",
        )

    async def give_up(self) -> None:
        return None

    def headers(self, tokens: Tokens) -> Headers:
        return auth_headers(self._app, tokens.access_token)
