"""Everything the emulated Fatture in Cloud knows; nothing is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

from connector.sandbox.agenda import Agenda
from connector.sandbox.asgi import Send
from connector.sandbox.clock import Clock
from connector.sandbox.config import SandboxConfig
from connector.sandbox.faults import FaultBook
from connector.sandbox.fic import seeds
from connector.sandbox.fic.fields import blank
from connector.sandbox.fic.quota import Quotas
from connector.sandbox.fic.resources import resources
from connector.sandbox.fic.scopes import SCOPES
from connector.sandbox.fic.tables import Table
from connector.sandbox.fic.tokens import AppRecord, TokenStore
from connector.sandbox.fic.webhooks import Webhooks
from connector.sandbox.ledger import Ledger

_LOOKUPS = {"vat": "vat_types", "account": "payment_accounts", "method": "payment_methods"}


@dataclass(frozen=True)
class Stored:
    """A file behind a link."""

    name: str
    content: bytes
    dies: datetime


@dataclass
class Company:
    """One company and its records."""

    id: int
    about: Mapping[str, Any]
    tables: dict[str, Table]
    attachments: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Name and content by attachment token, until a record takes them."""
    bin: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: {"issued_documents": {}, "received_documents": {}}
    )
    """Deleted documents by kind and id."""
    pending: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Documents that arrived and are not registered."""
    arrived: int = 0
    price_lists: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By id: `about`, and `items` with the price of each product."""
    emails: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)
    """What was sent, and when it was asked for."""

    def lookup(self, kind: str, id_: int) -> dict[str, Any] | None:
        """A setting that records refer to by id."""
        return self.tables[_LOOKUPS[kind]].get(id_)


class FicState:
    """One emulated installation: one user, its companies, apps, tokens and subscriptions."""

    def __init__(
        self, config: SandboxConfig, *, clock: Clock, random: Random, agenda: Agenda, send: Send
    ) -> None:
        self.config = config
        self.clock = clock
        self.random = random
        self.agenda = agenda
        self.ledger = Ledger()
        self.faults = FaultBook()
        self.quotas = Quotas(clock, config.limits, public_app=config.public_app)
        self.tokens = TokenStore(clock, random, config.reuse_revokes_family)
        self.list_lag = config.list_lag
        self.files: dict[str, Stored] = {}
        """What lies behind each link, by its token."""
        self.user = dict(seeds.USER)
        self.companies = {one["id"]: self._company(one) for one in seeds.COMPANIES}
        self.webhooks = Webhooks(
            config, clock=clock, random=random, agenda=agenda, send=send, faults=self.faults
        )
        secret = config.client_secret or self.tokens.secret()
        self.app = self.add_app(
            config.app_id, config.client_id, secret, redirect_uris=config.redirect_uris
        )
        self.manual_token = self.tokens.manual(self.app, SCOPES, config.manual_token)

    def add_app(
        self, id_: int, client_id: str, secret: str, *, redirect_uris: tuple[str, ...] = ()
    ) -> AppRecord:
        """Register one more application."""
        app = AppRecord(id_, client_id, secret, redirect_uris)
        self.tokens.apps[client_id] = app
        return app

    def _company(self, about: Mapping[str, Any]) -> Company:
        tables = {
            key: Table(self.clock, resource.first_id, text_ids=key == "cashbook")
            for key, resource in resources().items()
        }
        company = Company(about["id"], about, tables)
        first = about["id"] == seeds.COMPANY_ID
        for key, rows in (
            ("vat_types", seeds.VAT_TYPES if first else seeds.OTHER_VAT_TYPES),
            ("payment_accounts", seeds.ACCOUNTS),
            ("payment_methods", seeds.METHODS),
        ):
            for row in rows:
                tables[key].put(blank(resources()[key].fields) | dict(row))
        account = tables["payment_accounts"].get(seeds.ACCOUNTS[1]["id"])
        method = tables["payment_methods"].get(seeds.METHODS[0]["id"])
        if method is not None:
            tables["payment_methods"].put(method | {"default_payment_account": account})
        return company

    @property
    def first_company(self) -> Company:
        """The company that control calls mean when they name none."""
        return next(iter(self.companies.values()))
