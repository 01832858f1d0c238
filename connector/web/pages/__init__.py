"""The pages for people: everything that is looked at and clicked in a browser.

A feature is a module with `routes(site)`, its templates, and its texts in `locale/it/`.
"""

from __future__ import annotations

from connector.settings import Settings
from connector.web.pages.site import Site
from connector.web.ports import Asgi, Runtime


def make_pages(runtime: Runtime, settings: Settings) -> Asgi:
    """The pages as one ASGI app, behind their own door."""
    from connector.web.pages.door import Door

    return Door(make_site(runtime, settings))


def make_site(runtime: Runtime, settings: Settings) -> Site:
    """What the pages stand on, with the routes of every feature."""
    from connector.web.pages import (
        connections,
        consent,
        flows,
        home,
        inbox,
        login,
        parked,
        pictures,
        play,
        prepared,
        quota,
        runs,
    )

    site = Site(runtime, settings)
    features = (
        home,
        login,
        play,
        prepared,
        flows,
        runs,
        inbox,
        parked,
        pictures,
        connections,
        consent,
        quota,
    )
    for feature in features:
        site.routes += feature.routes(site)
    return site
