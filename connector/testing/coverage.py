"""How much of an app's interface the nodes offer: a table made from the catalogue.

A JSON file lists the operations of the app (`operation`, `verb`, `path`, and `why` where none shall
have a node). A node covers what its `operations` name, and what its request calls.

    python -m connector.testing.coverage docs/coverage/fatture_in_cloud.json > docs/coverage.md
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.catalog import Catalog, load_catalog
from connector.model import Action, Operation
from connector.plugins import build_plugins

_PLACE = re.compile(r"\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Row:
    """One operation of the app, the nodes that use it, and why there is none."""

    operation: str
    verb: str
    path: str
    nodes: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every operation of an app."""

    app: str
    version: str
    rows: tuple[Row, ...]
    unknown: tuple[str, ...]
    """What nodes name as operations and the table does not know."""

    @property
    def open(self) -> tuple[Row, ...]:
        """Those without a node and without a reason."""
        return tuple(row for row in self.rows if not row.nodes and not row.why)


def coverage(table: Mapping[str, Any], catalog: Catalog) -> Coverage:
    """What the nodes of an app cover of its operations."""
    app = str(table["app"])
    used: dict[str, dict[str, None]] = {}
    for node in catalog.nodes.values():
        if node.app == app and isinstance(node, Operation):
            for one in _uses(node):
                used.setdefault(one, {})[node.key] = None
    rows = []
    known = set()
    for given in table["operations"]:
        by_call = _call(given["verb"], given["path"])
        known |= {given["operation"], by_call}
        nodes = {**used.get(given["operation"], {}), **used.get(by_call, {})}
        rows.append(
            Row(
                given["operation"], given["verb"], given["path"],
                tuple(sorted(nodes)), "" if nodes else given.get("why", ""),
            )
        )  # fmt: skip
    named = {one for one in used if " " not in one}
    return Coverage(app, str(table["version"]), tuple(rows), tuple(sorted(named - known)))


def page(found: Coverage, title: str) -> str:
    """The table as a page of Markdown."""
    with_node = sum(bool(row.nodes) for row in found.rows)
    reasons = sum(bool(row.why) for row in found.rows)
    lines = [
        f"# What is covered of {title}",
        "",
        "Made by `make docs` from the catalogue: do not edit.",
        "",
        _summary(found, with_node, reasons),
        "",
        "| operation | call | nodes |",
        "|---|---|---|",
    ]
    for row in found.rows:
        nodes = ", ".join(f"`{one}`" for one in row.nodes)
        told = nodes or row.why or "There is no node for it yet."
        lines.append(f"| {row.operation} | {row.verb} `{row.path}` | {told} |")
    return "\n".join(lines) + "\n"


def _summary(found: Coverage, with_node: int, reasons: int) -> str:
    return (
        f"Version {found.version} of the interface has {len(found.rows)} operations. {with_node} of"
        f" them have a node, {reasons} have none for a reason, {len(found.open)} wait for one."
    )


def read(path: Path) -> Mapping[str, Any]:
    """A table of operations."""
    table: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return table


def _uses(node: Operation) -> Sequence[str]:
    used = list(node.operations)
    if node.request is not None:
        used.append(_call(node.request.method, node.request.path))
    if isinstance(node, Action) and node.identity.read is not None:
        used.append(_call(node.identity.read.method, node.identity.read.path))
    return used


def _call(verb: str, path: str) -> str:
    return f"{verb} {_PLACE.sub('{}', path)}"


def main() -> None:
    """Print the page of a table."""
    catalog = load_catalog(build_plugins(entry_points=False))
    found = coverage(read(Path(sys.argv[1])), catalog)
    sys.stdout.write(page(found, catalog.app(found.app).title))


if __name__ == "__main__":
    main()
