"""Making a connection: consent or token, proven by a call before anything is stored."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from connector.connections import (
    Keyring,
    Tokens,
    base_url_of,
    begin_consent,
    exchange_code,
    is_built_in,
    take_consent,
)
from connector.engine.book import EMULATED_KEY, FORMER_NAMES, Book, as_connection
from connector.engine.doors import Doors
from connector.errors import ConnectorError, NotConnected, NotSent, Unclear
from connector.flow import parse_flow
from connector.model import App, OAuth2
from connector.runtime.scopes import fewest, needed_by, reading
from connector.runtime.watching import LOOK_SECONDS
from connector.store.rows import ConnectionRow

if TYPE_CHECKING:
    from connector.runtime.parts import Parts

CALLBACK_PATH = "/oauth/callback"
MAX_NAME = 60
ANSWER_SECONDS = 45.0
"""How long exchanging a code and proving an account may take once the browser is back."""
ACCOUNT = "account"
"""The setting that holds the account (the company) that was chosen for new flows."""
ACCOUNT_NAMES = "account_names"
"""The setting with what accounts are called, by their ids."""
KEPT = (FORMER_NAMES, ACCOUNT, ACCOUNT_NAMES)
EMULATED = ("emulated", EMULATED_KEY)


class Connect:
    """Adds and renews the connections of one tenant."""

    def __init__(self, book: Book, doors: Doors, keyring: Keyring, parts: Parts) -> None:
        self._book = book
        self._doors = doors
        self._keyring = keyring
        self._parts = parts
        self._store = parts.database.tenant(parts.tenant)

    async def start(
        self,
        app_key: str,
        name: str,
        settings: Mapping[str, Any],
        *,
        by: str = "",
        prefix: str = "",
    ) -> dict[str, Any]:
        """Begin a consent in the browser. Raises NotConnected when our own client is not set up.

        `by` is the only one who may end it, and `prefix` how its state begins (see `Consents`).
        """
        app = self._parts.catalog.app(app_key)
        if not isinstance(app.auth, OAuth2):
            raise NotConnected(
                f"{app.title} is connected with a token, not with a consent page.",
                remedy=f"Use `connector connect {app.key} --token …`.",
                who="user",
            )
        client = self._parts.oauth_client(app.key)
        if client is None:
            raise NotConnected(
                f"This installation has no OAuth client at {app.title}.",
                remedy=f"Register an app there with the redirect address {self._redirect()}, then "
                f"set CONNECTOR_{app.key.upper()}_CLIENT_ID and …_CLIENT_SECRET.",
                who="developer",
            )
        scopes = await self._scopes(app, checked_name(name), settings)
        consent = await begin_consent(
            self._store,
            app,
            client,
            base_url=await self._address(app, settings),
            redirect_uri=self._redirect(),
            scopes=scopes,
            request={"name": checked_name(name), "settings": dict(settings), "by": by},
            now=self._parts.clock(),
            draw=lambda: prefix + secrets.token_urlsafe(32),
        )
        return {"authorize_url": consent.url, "state": consent.state, "scopes": list(scopes)}

    async def finish(self, state: str, code: str) -> ConnectionRow:
        """End a consent. Raises NotConnected for a state that is unknown, used or too old."""
        kept = await self.take(state)
        if kept["request"].get("by"):
            raise NotConnected(
                "This consent belongs to a session of the pages.",
                remedy="Start connecting again.",
                who="user",
            )
        return await self.use(kept, code)

    async def take(self, state: str) -> dict[str, Any]:
        """What a state stands for, once. Raises NotConnected."""
        return await take_consent(self._store, state, self._parts.clock())

    async def use(self, kept: Mapping[str, Any], code: str) -> ConnectionRow:
        """Turn a consent's code into a connection that is proven and stored."""
        app = self._parts.catalog.app(kept["app"])
        client = self._parts.oauth_client(app.key)
        if client is None:
            raise NotConnected(
                f"The OAuth client of {app.title} is no longer set up.", who="developer"
            )
        tokens = await exchange_code(
            self._parts.http,
            app,
            client,
            base_url=kept["base_url"],
            redirect_uri=kept["redirect_uri"],
            code=code,
            now=self._parts.clock(),
            verifier=kept["verifier"],
        )
        told = kept["request"]
        # The answer does not say what was granted: keep what was asked for.
        settings = {**told["settings"], "scopes": kept["scopes"]}
        return await self._keep(app, told["name"], kept["base_url"], settings, tokens)

    async def ended(self, state: str, name: str, *, known_before: bool) -> ConnectionRow:
        """Wait until this consent has made (or renewed) the connection. Raises NotConnected."""
        known = await self._store.connection(name)
        version = known.version if known and known_before else -1
        patience = 0.0
        while patience < ANSWER_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            row = await self._store.connection(name)
            if row is not None and row.version != version:
                return row
            if not await self._store.has_consent(state):
                patience += LOOK_SECONDS
        raise NotConnected(
            "The consent did not end in a connection.", remedy="The page in the browser says why."
        )

    async def with_token(
        self, app_key: str, name: str, token: str, settings: Mapping[str, Any]
    ) -> ConnectionRow:
        """Store an account by its token. Raises Unauthorized when the app does not accept it."""
        app = self._parts.catalog.app(app_key)
        if isinstance(app.auth, OAuth2) and not app.auth.manual_token:
            raise NotConnected(f"{app.title} gives no tokens by hand.", who="user")
        if not token.strip():
            raise NotConnected("The token is empty.", field="token", value_type="text", who="user")
        tokens = Tokens(access_token=SecretStr(token.strip()))
        base_url = await self._address(app, settings)
        return await self._keep(app, checked_name(name), base_url, settings, tokens)

    async def _keep(
        self,
        app: App,
        name: str,
        base_url: str,
        settings: Mapping[str, Any],
        tokens: Tokens,
    ) -> ConnectionRow:
        known = await self._store.connection(name)
        if known is not None and known.app != app.key:
            raise NotConnected(
                f"The name {name!r} belongs to a connection of {known.app}.",
                remedy="Choose another name with --name.",
                who="user",
            )
        if known is None:
            await self._check_is_new(name)
        row = ConnectionRow(
            id=known.id if known else f"con_{secrets.token_hex(8)}",
            tenant=self._parts.tenant,
            app=app.key,
            name=name,
            base_url=base_url,
            settings={
                **_kept(known, base_url),
                **{key: one for key, one in settings.items() if key != "address"},
            },
            status="active",
            created_at=known.created_at if known else self._parts.clock(),
        )
        row = replace(row, settings={**row.settings, **await self._prove(app, row, tokens)})
        sealed = self._keyring.seal(tokens, tenant=row.tenant, connection_id=row.id)
        await self._store.save_connection(replace(row, secrets=sealed))
        self._keyring.forget(row.tenant, row.id)
        self._book.forget()
        return row

    async def _check_is_new(self, name: str) -> None:
        """Runs of older versions of a flow still find a connection by the name that it had."""
        for row in await self._store.connections():
            if name in row.settings.get(FORMER_NAMES, ()):
                raise NotConnected(
                    f"{name!r} was the name of the connection {row.name!r}, and its older runs "
                    "still go by it.",
                    field="name",
                    remedy="Choose another name.",
                    who="user",
                )

    async def _prove(self, app: App, row: ConnectionRow, tokens: Tokens) -> Mapping[str, Any]:
        try:
            return await self._doors.prove(app, as_connection(row), tokens)
        except (NotSent, Unclear) as error:
            # Whoever connects is waiting for the answer: nobody tries again for him.
            if error.field is None:
                error.remedy = f"Check the address {row.base_url}, and that the server there runs."
            raise
        except ConnectorError as error:
            error.remedy = error.remedy or f"Check the address {row.base_url} and the token."
            raise

    async def _scopes(self, app: App, name: str, settings: Mapping[str, Any]) -> tuple[str, ...]:
        """What was asked for by name, else what the stored flows need, else only to read."""
        given = settings.get("scopes")
        if isinstance(given, list | tuple):
            return tuple(str(one) for one in given)
        catalog = self._parts.catalog
        needed: list[str] = []
        for row in await self._store.flows():
            needed += needed_by(parse_flow(row.document), name, catalog)
        return fewest(needed) or reading(app, catalog)

    async def _address(self, app: App, settings: Mapping[str, Any]) -> str:
        http, given = self._parts.http, str(settings.get("address") or "")
        base_url = base_url_of(app, given, plain=bool(http.reach.networks))
        if not is_built_in(app, base_url):
            # Judged again at each call: what a name stands for changes.
            await http.vet(base_url)
        return base_url

    def _redirect(self) -> str:
        return self._parts.public_url + CALLBACK_PATH


def _kept(known: ConnectionRow | None, base_url: str) -> dict[str, Any]:
    """What stays of a connection that is renewed: what its owner said, and what its app is."""
    if known is None:
        return {}
    names = (*KEPT, *(EMULATED if known.base_url == base_url else ()))
    return {one: known.settings[one] for one in names if one in known.settings}


def names_of(row: ConnectionRow) -> dict[str, str]:
    """What the accounts of a connection are called, by their ids."""
    known = row.settings.get(ACCOUNT_NAMES)
    return {str(id_): str(name) for id_, name in known.items()} if isinstance(known, dict) else {}


def checked_name(name: str) -> str:
    clean = name.strip()
    if not clean or len(clean) > MAX_NAME:
        raise NotConnected(
            f"A connection's name has 1 to {MAX_NAME} characters.", field="name", who="user"
        )
    return clean
