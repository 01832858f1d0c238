"""Settings that are none: a misspelt variable would be ignored in silence, the default counts."""

from __future__ import annotations

import os

from connector.cli.output import say


def warn_of_misspelt() -> None:
    """Say on standard error, in one line, which variables are settings of ours spelt wrong."""
    # Before anything is loaded for it: most commands are told nothing by the environment.
    if not any(name.upper().startswith("CONNECTOR_") for name in os.environ):
        return
    from connector.settings import misspelt_variables

    if not misspelt_variables(os.environ, ()):
        return
    # It may be the OAuth client of an app that a plugin brings.
    from connector.catalog import load_catalog

    found = misspelt_variables(os.environ, load_catalog().apps)
    if found:
        told = ", ".join(f"{name} (did you mean {meant}?)" for name, meant in found.items())
        say(f"warning: no setting, so ignored: {told}")
