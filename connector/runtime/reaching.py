"""Which companies a flow names that its connections are not known to reach; no app is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from connector.flow.document import DocumentFault, read_document

if TYPE_CHECKING:
    from connector.catalog import Catalog


def beyond(
    document: str, catalog: Catalog, reached: Mapping[str, Mapping[str, str]]
) -> list[tuple[str, str]]:
    """Each connection of a flow with a company that is not one of its own.

    `reached` has the companies by connection, as they were told when it was made or looked at; of
    one that knows none, nothing is said.
    """
    found: dict[tuple[str, str], None] = {}
    for part in _parts(document):
        node = catalog.nodes.get(str(part.get("node")))
        name = catalog.apps[node.app].account_input if node is not None else None
        connection = str(part.get("connection"))
        known = reached.get(connection)
        for holder in (part.get("with"), part.get("map")) if name and known else ():
            account = str(holder.get(name, "")) if isinstance(holder, dict) else ""
            if known and account.isdecimal() and account not in known:
                found[connection, account] = None
    return list(found)


def _parts(document: str) -> Iterator[dict[str, Any]]:
    """The trigger and the steps, as far as the text can be read."""
    try:
        data = read_document(document)[0].plain()
    except DocumentFault:
        return
    if not isinstance(data, dict):
        return
    steps = data.get("steps")
    parts = [data.get("trigger"), *(steps if isinstance(steps, list) else [])]
    yield from (one for one in parts if isinstance(one, dict) and one.get("enabled") is not False)
