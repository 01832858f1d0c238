"""Perfex CRM through the Themesic REST API module, and the filters that speak its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from connector.apps.perfex_crm.answers import read_error
from connector.apps.perfex_crm.countries import country_id, country_iso, language_name
from connector.hookspecs import hookimpl
from connector.model import App, Request, Token

__all__ = ["build", "register_apps", "register_filters"]

KEY = "perfex_crm"


def build() -> App:
    """The app; each owner has an own address, and the API lies under `/api`."""
    return App(
        key=KEY,
        title="Perfex CRM",
        base_path="/api",
        auth=Token(
            header="authtoken",
            help="In Perfex: API → API Management → New. Tick the resources the flows use.",
        ),
        # The cheapest read there is: that no such customer exists proves the token, too.
        check=Request(method="GET", path="/customers/1"),
        read_error=read_error,
    )


@hookimpl
def register_apps(register: Callable[[App], None]) -> None:
    """Add Perfex CRM."""
    register(build())


@hookimpl
def register_filters(register: Callable[..., Any]) -> None:
    """Add `perfex_country`, `perfex_country_iso` and `perfex_language`."""
    register("perfex_country", country_id)
    register("perfex_country_iso", country_iso)
    register("perfex_language", language_name)
