"""Why a list is empty, and what to do about it: nothing set up, switched off, or waiting."""

from __future__ import annotations

from typing import NamedTuple

from connector.errors import ConnectorError
from connector.flow import parse_flow
from connector.web.pages.site import Site


class Situation(NamedTuple):
    """What keeps runs and events away; `kind` is "" where nothing does."""

    kind: str = ""
    """no_connection, no_flow, unknown_flow, flow_off, flow_broken, all_off, connection"""
    name: str = ""
    """The flow's key, or the connection's name."""
    id: str = ""
    """The connection's."""


async def situation(site: Site, flow: str | None = None) -> Situation:
    """How things stand for all flows, or for one of them."""
    connections = list(await site.runtime.list_connections())
    flows = list(await site.runtime.list_flows())
    if not connections:
        return Situation("no_connection")
    if not flows:
        return Situation("no_flow")
    asked = flows if flow is None else [one for one in flows if one["key"] == flow]
    if not asked:
        return Situation("unknown_flow", str(flow))
    on = [one for one in asked if one["enabled"]]
    if not on:
        return Situation("all_off") if flow is None else Situation("flow_off", str(flow))
    broken = next((str(one["key"]) for one in on if one["problem"]), None)
    if broken is not None and len(on) == 1:
        return Situation("flow_broken", broken)
    used = {name for one in on for name in _used(str(one["document"]))}
    dead = next((one for one in connections if one.status != "active" and one.name in used), None)
    return Situation() if dead is None else Situation("connection", dead.name, dead.id)


def _used(document: str) -> set[str]:
    try:
        flow = parse_flow(document)
    except ConnectorError:
        return set()
    return {flow.trigger.connection, *(step.connection for step in flow.steps)}
