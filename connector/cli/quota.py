"""`quota`: what is used of the apps' quotas, and where that leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from connector.cli.history import local
from connector.cli.offline import with_runtime
from connector.cli.output import JsonOption, console, show_json, show_table


def add(app: typer.Typer) -> None:
    """Add this command."""
    app.command("quota")(quota)


def quota(json: JsonOption = False) -> None:
    """Show what is used of the apps' quotas.

    An app lets an account make so many calls in some minutes, an hour, a month. Calls are counted
    before they are made, by all processes together; what finds no room waits and goes by itself.
    Reads wait from 80 % on and writes from 90 %: the last tenth is kept for finding out whether a
    write has arrived.
    """
    rows = with_runtime(lambda runtime: runtime.quotas())
    if json:
        show_json(rows)
        return
    show_table(
        ("account", "window", "used", "of", "", "room for reads", "at this pace"),
        [_line(row, window) for row in rows for window in row["windows"]],
        empty="No call was counted yet. Only apps with quotas are counted (such as Fatture in "
        "Cloud): switch on a flow of one with `connector flow enable`, and keep `connector serve` "
        "running.",
    )
    for row in rows:
        if row["blocked_until"] is not None:
            console().print(
                f"{row['title']} has asked us to send nothing for {row['account']} until "
                f"{local(row['blocked_until'])}.",
                markup=False,
                style="yellow",
            )


def _line(row: Mapping[str, Any], window: Mapping[str, Any]) -> tuple[Any, ...]:
    waits = window["reads_wait_until"]
    return (
        f"{row['app']} {row['account']}",
        window["name"],
        f"{window['used']:,}",
        f"{window['limit']:,}",
        f"{window['used'] / max(window['limit'], 1):.0%}",
        "now" if waits is None else f"from {local(waits)}",
        _pace(window["forecast"]),
    )


def _pace(forecast: Mapping[str, Any] | None) -> str:
    """Where the month leads, in words."""
    if forecast is None:
        return ""
    if forecast["state"] == "unknown":
        return "not known yet: it takes a day of calls to tell"
    if forecast["state"] == "lasts":
        return f"it lasts: about {forecast['expected']:,} by its end"
    told = f"reads wait from {local(forecast['reads_wait_from'])[:10]}"
    writes = forecast["writes_wait_from"]
    return told if writes is None else f"{told}, writes from {local(writes)[:10]}"
