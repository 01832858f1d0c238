"""What flows are called: their own names, which people gave them, and not their keys."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Any

from connector.building.rewrite import read_plain
from connector.flow.document import DocumentFault
from connector.web.pages.words import Words, mark
from connector.web.ports import Runtime

EXAMPLES = frozenset(
    {
        mark("New and changed clients go to Perfex, with the person behind them"),
        mark("A new order becomes an invoice"),
        mark("A new order becomes an e-invoice"),
        mark("What is paid in Fatture in Cloud is paid in Perfex"),
        mark("An invoice of Perfex becomes an invoice of Fatture in Cloud"),
        mark("New and changed clients go to Perfex"),
        mark("Sandbox · new and changed clients go to Perfex"),
    }
)
"""The names of flows of ours, which are told in a reader's language."""


@lru_cache(maxsize=1_000)
def name_in(document: str) -> str:
    """The name that a flow's text gives it, else its key; "" for a text that cannot be read."""
    data = plain(document)
    return str(data.get("name") or data.get("flow") or "")


def plain(document: str) -> dict[str, Any]:
    """A flow's text as data; nothing for a text that cannot be read."""
    try:
        data = read_plain(document)
    except DocumentFault:
        return {}
    return data if isinstance(data, dict) else {}


def told_name(document: str, words: Words) -> str:
    """The same for a reader."""
    name = name_in(document)
    return words(name) if name in EXAMPLES else name


def in_words(document: str, words: Words) -> str:
    """An example of ours, named in a language from the start."""
    name = name_in(document)
    return document.replace(f"name: {name}\n", f"name: {told_name(document, words)}\n", 1)


async def flow_names(runtime: Runtime, words: Words) -> dict[str, str]:
    """The names of all flows, by their keys."""
    flows = await runtime.list_flows()
    return {one["key"]: told_name(one["document"], words) or one["key"] for one in flows}


async def connection_names(runtime: Runtime) -> dict[str, str]:
    """What connections are called, by their ids: their app, and their name where it has several."""
    connections = list(await runtime.list_connections())
    count = Counter(one.app for one in connections)
    found = {}
    for one in connections:
        app = runtime.catalog.apps.get(one.app)
        title = app.title if app else one.app
        found[one.id] = title if count[one.app] == 1 else f"{title} · {one.name}"
    return found
