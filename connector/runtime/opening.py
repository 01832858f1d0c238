"""A runtime from the settings of an installation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from connector.catalog import Catalog, load_catalog
from connector.errors import ConnectorError
from connector.expressions.limits import Allowance
from connector.plugins import build_plugins
from connector.runtime.parts import Parts, Tuning
from connector.runtime.runtime import Runtime
from connector.runtime.unlocking import beside, unlock
from connector.store import open_database

if TYPE_CHECKING:
    from connector.engine.waits import Clock
    from connector.http import HttpClient
    from connector.plugins import Plugins
    from connector.settings import Settings


async def open_runtime(
    settings: Settings,
    *,
    tenant: str = "main",
    plugins: Plugins | None = None,
    catalog: Catalog | None = None,
    http: HttpClient | None = None,
    tuning: Tuning | None = None,
    clock: Clock = time.time,
) -> Runtime:
    """A runtime as the settings describe it; use it as an async context manager.

    `plugins` are the built-in and the installed ones unless given (see `build_plugins`).
    Raises StoreError when the database cannot be opened and ConnectorError when the key is not
    the one its secrets were sealed with.
    """
    from connector.http import HttpClient

    plugins = plugins or build_plugins()
    database = open_database(settings.database)
    try:
        await database.open()
        vault = await unlock(database, settings)
    except ConnectorError:
        await database.close()
        raise
    return Runtime(
        Parts(
            database=database,
            catalog=catalog or _configured(load_catalog(plugins), settings),
            vault=vault,
            http=http or HttpClient(reach=settings.reach),
            public_url=settings.base_url,
            oauth_client=settings.oauth_client,
            plugins=plugins,
            tenant=tenant,
            clock=clock,
            side_journal=settings.side_journal or beside(settings, ".effects"),
            tuning=tuning
            or Tuning(
                settle_seconds=settings.settle_seconds,
                second_look_seconds=settings.second_look_seconds,
                search_first=settings.search_first,
                sweep_seconds=settings.sweep_seconds,
                silent_seconds=settings.silent_seconds,
                workers=settings.runs_at_once,
                keep_payloads_days=settings.keep_payloads_days,
                keep_events_days=settings.keep_events_days,
                masked=settings.masked,
                chain_runs=settings.chain_runs,
            ),
        )
    )


def _configured(catalog: Catalog, settings: Settings) -> Catalog:
    """The catalogue with what the settings name: keys, application ids, a mapping's allowance."""
    from connector.apps import fatture_in_cloud

    allowance = Allowance(settings.mapping_steps, settings.mapping_seconds, settings.mapping_bytes)
    if allowance != catalog.allowance:
        catalog = catalog.with_allowance(allowance)
    keys = settings.fatture_in_cloud_public_keys()
    application = settings.fatture_in_cloud_application_id
    if not keys and not application:
        return catalog
    app = fatture_in_cloud.build(keys=keys, app_ids=(application,) if application else ())
    return catalog.with_app(app)
