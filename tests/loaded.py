"""What is only read and costs half a second to load: once for all tests of a process."""

from __future__ import annotations

from functools import cache

from connector.catalog import Catalog, load_catalog
from connector.plugins import DEFAULT_PLUGINS, Plugins, build_plugins


@cache
def the_catalog() -> Catalog:
    """The catalogue of what comes with us."""
    return load_catalog(build_plugins(entry_points=False))


def load_once(plugins: Plugins | None = None) -> Catalog:
    """`load_catalog` for commands within this process: another one's plugins are loaded anew."""
    plugins = plugins or build_plugins()
    return the_catalog() if plugins.names == DEFAULT_PLUGINS else load_catalog(plugins)
