"""Settings that are none: a misspelt variable would be ignored in silence, the default counts."""

from __future__ import annotations

import os

from connector.cli.output import say


def warn_of_misspelt() -> None:
    """Say on standard error which variables look like settings of ours and are none."""
    # Before anything is loaded for it: most commands are told nothing by the environment.
    if not any(name.upper().startswith("CONNECTOR_") for name in os.environ):
        return
    from connector.settings import unknown_variables

    if not unknown_variables(os.environ, ()):
        return
    # It may be the OAuth client of an app that a plugin brings.
    from connector.catalog import load_catalog

    for issue in unknown_variables(os.environ, load_catalog().apps):
        say(f"warning: {issue}")
