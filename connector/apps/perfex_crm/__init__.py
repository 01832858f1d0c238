"""Perfex CRM through the Themesic REST API module, and the filters that speak its numbers."""

from __future__ import annotations

from collections.abc import Callable

from connector.apps.perfex_crm import countries
from connector.apps.perfex_crm.answers import read_error
from connector.apps.perfex_crm.choices import sources
from connector.apps.perfex_crm.deeds import DEEDS
from connector.apps.perfex_crm.events import OPERATIONS, readers
from connector.apps.perfex_crm.webhooks import TOLERANCE, PerfexWebhooks, probe
from connector.hookspecs import RegisterFilter, hookimpl
from connector.model import App, Request, Token

__all__ = ["build", "register_apps", "register_filters"]

KEY = "perfex_crm"
GROUP = "Perfex CRM"


def build(*, tolerance: float = TOLERANCE) -> App:
    """The app; each owner has an own address, and the API lies under `/api`.

    `tolerance` is how many seconds the clock of an installation may differ from ours.
    """
    return App(
        key=KEY,
        title="Perfex CRM",
        docs_url="https://perfexcrm.themesic.com/apiguide/",
        base_path="/api",
        auth=Token(
            header="authtoken",
            help="In Perfex: API → API Management → New. Tick the resources the flows use.",
        ),
        choices=sources(),
        # The cheapest read there is: that no such customer exists proves the token, too.
        check=Request(method="GET", path="/customers/1"),
        check_may_miss=True,
        read_error=read_error,
        probe=probe,
        webhook=PerfexWebhooks(tolerance),
        readers=readers(),
        operations=OPERATIONS,
        deeds=DEEDS,
    )


@hookimpl
def register_apps(register: Callable[[App], None]) -> None:
    """Add Perfex CRM."""
    register(build())


@hookimpl
def register_filters(register: RegisterFilter) -> None:
    """Add `perfex_country`, `perfex_country_iso` and `perfex_language`."""
    from connector.expressions import Filter

    register(
        Filter(
            "perfex_country",
            countries.country_id,
            help="Perfex's number of a country: from its code, or its Italian or English name.",
            example="{{ 'IT' | perfex_country }}",
            result=109,
            group=GROUP,
            prepare=countries.names,
        )
    )
    register(
        Filter(
            "perfex_country_iso",
            countries.country_iso,
            help="The two-letter code of one of Perfex's country numbers.",
            example="{{ '109' | perfex_country_iso }}",
            result="IT",
            group=GROUP,
        )
    )
    register(
        Filter(
            "perfex_language",
            countries.language_name,
            help="Perfex's name of a language, from its code.",
            example="{{ 'it' | perfex_language }}",
            result="italian",
            group=GROUP,
        )
    )
