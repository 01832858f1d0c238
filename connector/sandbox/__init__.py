"""Emulated Fatture in Cloud and Perfex CRM, honest about the vendors' unpleasant sides.

`python -m connector.sandbox` serves both on loopback ports; `Sandbox` is the same in process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.sandbox.config import SandboxConfig

if TYPE_CHECKING:
    from connector.sandbox.clock import ManualClock
    from connector.sandbox.fic.app import build_fic_app
    from connector.sandbox.perfex.app import build_perfex_app
    from connector.sandbox.ports import Served, run, serve, serving
    from connector.sandbox.sandbox import Sandbox

__all__ = [
    "ManualClock",
    "Sandbox",
    "SandboxConfig",
    "Served",
    "build_fic_app",
    "build_perfex_app",
    "run",
    "serve",
    "serving",
]

_HOMES = {
    "ManualClock": "clock",
    "Sandbox": "sandbox",
    "Served": "ports",
    "build_fic_app": "fic.app",
    "build_perfex_app": "perfex.app",
    "run": "ports",
    "serve": "ports",
    "serving": "ports",
}


def __getattr__(name: str) -> Any:
    """The web server is imported only by who starts it."""
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
