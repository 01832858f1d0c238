"""docs/sandbox.md names every control and every switch, and no other."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import get_args

from connector.sandbox import ManualClock, Sandbox, SandboxConfig
from connector.sandbox.faults import Fault, Faulty

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text("utf-8")


def controls(app: object) -> set[str]:
    assert isinstance(app, Faulty)
    routes = app.app.routes  # type: ignore[attr-defined]
    return {
        f"{method} {route.path}"
        for route in routes
        if route.path.startswith("/_sandbox")
        for method in route.methods - {"HEAD"}
    }


def test_page_lists_exactly_the_controls_there_are() -> None:
    sandbox = Sandbox(SandboxConfig(seed=1), clock=ManualClock())
    real = controls(sandbox.fic_app) | controls(sandbox.perfex_app)
    assert set(re.findall(r"\| `([A-Z]+ /_sandbox[^`]*)`", PAGE)) == real


def test_page_lists_exactly_the_faults_there_are() -> None:
    kinds = {
        kind
        for union in get_args(Fault.model_fields["kind"].annotation)
        for kind in get_args(union)
    }
    chapter = PAGE.split("## Break it")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", chapter, re.MULTILINE)) - {"kind"} == kinds


def test_every_setting_is_a_switch_of_the_page_or_of_the_command() -> None:
    chapter = PAGE.split("## Switches")[1].split("\n## ")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", chapter, re.MULTILINE)) - {"field"}
    started = {
        *("host", "fic_port", "perfex_port", "seed", "signing_key", "seed_file"),
        *("auto_approve", "generation"),
    }
    given = {"client_id", "client_secret", "app_id", "manual_token", "authtoken", "issuer"}
    assert listed | started | given == set(SandboxConfig.model_fields)
    assert not listed & (started | given)


def test_every_switch_of_the_command_is_on_the_page() -> None:
    from connector.sandbox.__main__ import make_parser

    parser: argparse.ArgumentParser = make_parser()
    options = {name for action in parser._actions for name in action.option_strings}
    chapter = PAGE.split("## Start it")[1].split("\n## ")[0]
    assert set(re.findall(r"`(--[\w-]+)", chapter)) == options - {"-h", "--help"}
