"""The hooks a plugin may implement; mark each function with `hookimpl`.

The `register_…` hooks are called once, when a catalogue is loaded, with a callback to be called as
often as wanted. The others are called while flows run: keep them short, they hold up the run.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from connector.model import AnyNode, App

if TYPE_CHECKING:
    from connector.expressions import Filter

PROJECT = "connector"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class RegisterFilter(Protocol):
    """Takes a Filter, or a name and a function of small values."""

    def __call__(self, filter: Filter | str, function: Callable[..., Any] | None = None) -> None:
        """Add one filter."""
        ...


@hookspec
def register_apps(register: Callable[[App], None]) -> None:
    """Add apps: `register(app)`."""


@hookspec
def register_nodes(register: Callable[[AnyNode], None]) -> None:
    """Add triggers, actions and searches made in code: `register(node)`."""


@hookspec
def register_filters(register: RegisterFilter) -> None:
    """Add what stands behind the `|` of expressions: `register("stars", function)`.

    The docstring of the function explains it to users. `register(Filter(…))` says more, for example
    that a filter is for large values.
    """


@hookspec
def register_schemas(register: Callable[[Path], None]) -> None:
    """Add a folder of schema files, `<app>/<noun>.json`: `register(folder)`."""


@hookspec
def register_bundles(register: Callable[[Path], None]) -> None:
    """Add a folder with a `manifest.yaml`, its nodes and its schemas: `register(folder)`."""


@hookspec
def before_write(effect: Any) -> None:
    """Before an effect is sent: raise a ConnectorError to forbid it; nothing has been written."""


@hookspec
def after_write(effect: Any) -> None:
    """After an effect reached its end, whether done, refused or uncertain."""


@hookspec
def on_run_finished(run: Any) -> None:
    """After a run ended, however it ended."""


@hookspec
def on_event(event: Any) -> None:
    """After an incoming event was stored, before any flow runs for it."""
