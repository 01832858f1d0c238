"""Fatture in Cloud (API v2): the app, its webhooks, and how its records are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from connector.apps.fatture_in_cloud.answers import read_error
from connector.apps.fatture_in_cloud.choices import company_names, sources
from connector.apps.fatture_in_cloud.deeds import DEEDS
from connector.apps.fatture_in_cloud.resources import (
    GROUPS,
    PREFIX,
    id_filter,
    operations,
    read_scopes,
    readers,
)
from connector.apps.fatture_in_cloud.webhooks import FattureWebhooks
from connector.hookspecs import hookimpl
from connector.model import App, OAuth2, Quota, Request

__all__ = ["FattureWebhooks", "build", "register_apps"]

KEY = "fatture_in_cloud"


def build(*, keys: Sequence[str] = (), app_ids: Iterable[str | int] = ()) -> App:
    """The app; `keys` and `app_ids` as FattureWebhooks takes them."""
    return App(
        key=KEY,
        title="Fatture in Cloud",
        docs_url="https://developers.fattureincloud.it/docs",
        base_url="https://api-v2.fattureincloud.it",
        auth=OAuth2(authorize_path="/oauth/authorize", token_path="/oauth/token"),  # noqa: S106
        quotas=(
            # All applications and users of a company share the first one.
            Quota(calls=300, seconds=300),
            Quota(calls=1_000, seconds=3_600, window="calendar"),
            Quota(calls=40_000, seconds=31 * 24 * 3_600, window="calendar"),
        ),
        choices=sources(),
        check=Request(method="GET", path="/user/info"),
        probe=company_names,
        read_error=read_error,
        webhook=FattureWebhooks(keys, app_ids),
        hook_bytes=64 * 1024,
        event_prefix=PREFIX,
        readers=readers(),
        operations=operations(),
        account_input="company_id",
        resource_groups=GROUPS,
        event_scopes=read_scopes,
        id_filter=id_filter,
        deeds=DEEDS,
    )


@hookimpl
def register_apps(register: Callable[[App], None]) -> None:
    """Add Fatture in Cloud with the vendor's published key."""
    register(build())
