"""The credentials of connections while they are used: opened, renewed once for all, given up.

Many runs use one connection at once, and apps may revoke a whole consent when a refresh token is
used twice. So a refresh happens under a lock, on what the store holds at that moment.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pydantic import SecretStr

from connector.connections.oauth import (
    OAuthClient,
    Tokens,
    check_client_may_go,
    refresh_tokens,
)
from connector.connections.vault import Vault
from connector.errors import (
    ApiError,
    NotSent,
    StoreBusy,
    StoreError,
    Throttled,
    Unauthorized,
    Unclear,
)
from connector.model import App, OAuth2, Token
from connector.store.rows import ConnectionRow
from connector.store.sql.turns import Turns

if TYPE_CHECKING:
    from connector.http import HttpClient

Headers = tuple[tuple[str, str], ...]
FIELD = "tokens"
EARLY_SECONDS = (300.0, 900.0)
"""A token is renewed this long before its end, at a drawn moment: not all at the same."""
SAVE_AGAIN_SECONDS = (0.05, 0.5, 2.0)
AGAIN_SECONDS = 60.0
"""After an early renewal that failed while the old token still works."""


class ConnectionRows(Protocol):
    """The connections of one tenant, as the store keeps them."""

    tenant: str

    async def connection(self, id_or_name: str) -> ConnectionRow | None: ...

    async def save_secrets(self, connection_id: str, secrets: bytes, version: int) -> bool:
        """Replace the secrets if their version is still this one; tells whether it was."""
        ...

    async def set_connection_status(self, connection_id: str, status: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Held:
    tokens: Tokens
    renew_at: float


class Life(NamedTuple):
    """Until when tokens are good; None is for ever."""

    expires_at: float | None
    renews: bool


class Keyring:
    """All credentials of this process; `oauth_client` gives our own client of an app."""

    def __init__(
        self,
        vault: Vault,
        http: HttpClient,
        *,
        clock: Callable[[], float],
        oauth_client: Callable[[str], OAuthClient | None],
        draw: random.Random | None = None,
        turn: Callable[..., AbstractAsyncContextManager[object]] | None = None,
    ) -> None:
        self._vault = vault
        self._http = http
        self._clock = clock
        self._oauth_client = oauth_client
        self._draw = draw or random.Random()  # noqa: S311 - it only spreads refreshes over time
        self._held: dict[tuple[str, str], _Held] = {}
        self._turn = turn or Turns().take

    def seal(self, tokens: Tokens, *, tenant: str, connection_id: str) -> bytes:
        """The tokens as the `secrets` of a connection's row."""
        clear = tokens.pack()
        return self._vault.seal(clear, tenant=tenant, connection=connection_id, field=FIELD)

    def life_of(self, secrets: bytes, *, tenant: str, connection_id: str) -> Life:
        """How long a row's secrets are good, and whether they renew themselves."""
        clear = self._vault.open(secrets, tenant=tenant, connection=connection_id, field=FIELD)
        tokens = Tokens.unpack(clear)
        return Life(tokens.expires_at, renews=tokens.refresh_token is not None)

    def forget(self, tenant: str, connection_id: str) -> None:
        """Drop what is held in memory: the connection was renewed or removed."""
        self._held.pop((tenant, connection_id), None)

    def credentials(self, app: App, connection_id: str, rows: ConnectionRows) -> Credentials:
        """The credentials of one connection."""
        return Credentials(self, app, connection_id, rows)

    async def _current(self, app: App, connection_id: str, rows: ConnectionRows) -> Tokens:
        """Tokens good for now, renewed when their end is near. Raises an ApiError."""
        found = self._fresh(rows, connection_id)
        if found is not None:
            return found
        async with self._lock(rows, connection_id):
            held = self._held.get((rows.tenant, connection_id))
            found = self._fresh(rows, connection_id)
            if found is not None:
                return found
            row, tokens = await self._load(app, connection_id, rows)
            if held is None or held.tokens.access_token != tokens.access_token:
                self._hold(rows, connection_id, tokens)
                if self._fresh(rows, connection_id) is not None:
                    return tokens
            try:
                return await self._renew(app, rows, row, tokens)
            except (NotSent, Unclear, Throttled):
                now = self._clock()
                if tokens.expires_at is None or now >= tokens.expires_at:
                    raise
                # Early by design: the old one still works for a while, so ask again a bit later.
                later = min(now + AGAIN_SECONDS, tokens.expires_at)
                self._held[rows.tenant, connection_id] = _Held(tokens, later)
                return tokens

    async def _replace(
        self, app: App, connection_id: str, rows: ConnectionRows, used: Tokens
    ) -> Tokens:
        """Other tokens than `used`, which the app did not accept. Raises Unauthorized for good."""
        async with self._lock(rows, connection_id):
            row, tokens = await self._load(app, connection_id, rows)
            if tokens.access_token != used.access_token:
                return self._hold(rows, connection_id, tokens)
            return await self._renew(app, rows, row, tokens)

    async def _renew(
        self, app: App, rows: ConnectionRows, row: ConnectionRow, tokens: Tokens
    ) -> Tokens:
        client = self._oauth_client(app.key)
        if not isinstance(app.auth, OAuth2) or tokens.refresh_token is None or client is None:
            await self._give_up(rows, row.id)
            raise _reconnect(app, row, "its token cannot be renewed")
        check_client_may_go(app, client, row.base_url)
        # Written down first: should we fall silent in between, the old token may be dead.
        begun = tokens.model_copy(update={"refreshing": True})
        if not await self._save(rows, row, begun):
            return await self._theirs(app, rows, row)
        try:
            fresh = await refresh_tokens(
                self._http, app, client, tokens, base_url=row.base_url, now=self._clock()
            )
        except Unauthorized as error:
            return await self._lost(app, rows, row, tokens, error)
        # Held before it is stored: if storing fails, this process at least can go on with it.
        self._hold(rows, row.id, fresh)
        for delay in (*SAVE_AGAIN_SECONDS, None):
            try:
                if await self._save(rows, row, fresh, after=1):
                    return fresh
                break
            except StoreBusy:
                # The old refresh token is dead: only here is the new one known.
                if delay is None:
                    raise
                await asyncio.sleep(delay)
        return await self._theirs(app, rows, row)

    async def _lost(
        self,
        app: App,
        rows: ConnectionRows,
        row: ConnectionRow,
        tokens: Tokens,
        error: Unauthorized,
    ) -> Tokens:
        """The app refused the refresh token: another may have used it first, else it is over."""
        _, present = await self._load(app, row.id, rows)
        if present.access_token != tokens.access_token:
            return self._hold(rows, row.id, present)
        if error.who == "developer":
            # Our own client id is wrong: no owner can mend that by consenting again.
            raise error
        await self._give_up(rows, row.id)
        if tokens.refreshing:
            raise _reconnect(app, row, "an earlier renewal broke off unheard") from error
        raise error

    async def _theirs(self, app: App, rows: ConnectionRows, row: ConnectionRow) -> Tokens:
        """What somebody else stored in the meantime, which is newer than ours."""
        _, tokens = await self._load(app, row.id, rows)
        if tokens.refreshing:
            raise NotSent(f"The connection {row.name!r} is being renewed elsewhere; try again.")
        return self._hold(rows, row.id, tokens)

    async def _save(
        self, rows: ConnectionRows, row: ConnectionRow, tokens: Tokens, *, after: int = 0
    ) -> bool:
        sealed = self.seal(tokens, tenant=rows.tenant, connection_id=row.id)
        return await rows.save_secrets(row.id, sealed, row.version + after)

    async def _load(
        self, app: App, connection_id: str, rows: ConnectionRows
    ) -> tuple[ConnectionRow, Tokens]:
        row = await rows.connection(connection_id)
        if row is None or row.secrets is None or row.app != app.key:
            raise Unauthorized(
                f"There is no connection {connection_id!r} at {app.title}.",
                remedy="Connect an account.",
            )
        if row.status != "active":
            raise _reconnect(app, row, "its owner must renew it")
        clear = self._vault.open(row.secrets, tenant=rows.tenant, connection=row.id, field=FIELD)
        try:
            return row, Tokens.unpack(clear)
        except ValueError:
            raise StoreError(
                f"The secrets of the connection {row.name!r} cannot be read.",
                remedy="Connect the account again.",
                who="connection_owner",
            ) from None

    async def _give_up(self, rows: ConnectionRows, connection_id: str) -> None:
        self.forget(rows.tenant, connection_id)
        await rows.set_connection_status(connection_id, "reconnect")

    def _fresh(self, rows: ConnectionRows, connection_id: str) -> Tokens | None:
        held = self._held.get((rows.tenant, connection_id))
        return held.tokens if held is not None and self._clock() < held.renew_at else None

    def _hold(self, rows: ConnectionRows, connection_id: str, tokens: Tokens) -> Tokens:
        renew_at = float("inf")
        if tokens.expires_at is not None:
            life = tokens.expires_at - tokens.issued_at
            renew_at = tokens.expires_at - min(self._draw.uniform(*EARLY_SECONDS), life / 4)
        self._held[rows.tenant, connection_id] = _Held(tokens, renew_at)
        return tokens

    def _lock(
        self, rows: ConnectionRows, connection_id: str
    ) -> AbstractAsyncContextManager[object]:
        return self._turn(f"renew/{rows.tenant}/{connection_id}")


class Credentials:
    """How one connection's requests are signed."""

    def __init__(
        self, keyring: Keyring, app: App, connection_id: str, rows: ConnectionRows
    ) -> None:
        self._keyring = keyring
        self._app = app
        self._id = connection_id
        self._rows = rows

    async def get(self) -> Tokens:
        """The tokens to use now. Raises Unauthorized when the owner must reconnect."""
        return await self._keyring._current(self._app, self._id, self._rows)

    async def replace(self, used: Tokens) -> Tokens:
        """Others than these, which the app refused. Raises Unauthorized when there are none."""
        return await self._keyring._replace(self._app, self._id, self._rows, used)

    async def give_up(self) -> None:
        """Mark the connection as waiting for its owner."""
        await self._keyring._give_up(self._rows, self._id)

    def headers(self, tokens: Tokens) -> Headers:
        """The header that carries the token."""
        return auth_headers(self._app, tokens.access_token)


def auth_headers(app: App, token: SecretStr) -> Headers:
    """The header that carries a token at this app."""
    text = token.get_secret_value()
    if isinstance(app.auth, Token):
        return ((app.auth.header.lower(), f"{app.auth.prefix}{text}"),)
    return (("authorization", f"Bearer {text}"),)


def _reconnect(app: App, row: ConnectionRow, why: str) -> ApiError:
    return Unauthorized(
        f"The connection {row.name!r} to {app.title} does not work any more: {why}.",
        remedy="Its owner must connect the account again.",
    )
