"""What flows are called: their own names, which people gave them, and not their keys."""

from __future__ import annotations

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
    try:
        data: Any = read_plain(document)
    except DocumentFault:
        return ""
    return str(data.get("name") or data.get("flow") or "") if isinstance(data, dict) else ""


def told_name(document: str, words: Words) -> str:
    """The same for a reader."""
    name = name_in(document)
    return words(name) if name in EXAMPLES else name


async def flow_names(runtime: Runtime, words: Words) -> dict[str, str]:
    """The names of all flows, by their keys."""
    flows = await runtime.list_flows()
    return {one["key"]: told_name(one["document"], words) or one["key"] for one in flows}
