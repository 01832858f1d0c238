"""All checks over all nodes of an app, as one parametrised test."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from connector.catalog import Catalog, load_catalog
from connector.model import AnyNode, Operation
from connector.plugins import build_plugins
from connector.testing import golden
from connector.testing.checks import CHECKS
from connector.testing.recorded import Recording
from connector.testing.subject import Subject

WRITE = "GOLDEN"
"""Set to `write`, the field lists are written down as they are now."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one node; calling it raises AssertionError with every complaint."""

    name: str
    node: str
    complaints: Callable[[], Iterable[str]] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.node}-{self.name}"

    def __call__(self) -> None:
        found = list(self.complaints())
        if found:
            listed = "\n  - ".join(found)
            raise AssertionError(f"{self.node}, {self.name}:\n  - {listed}")


@dataclass(frozen=True, slots=True)
class Kit:
    """What is judged: the nodes of these apps, with what `folder` holds about them.

    `folder/<app>/<key>.json` are recorded exchanges, `folder/fields/` the written-down field lists.
    `not_recorded` and `no_scopes` say, by key, why a node has none.
    """

    catalog: Catalog
    apps: Sequence[str]
    folder: Path
    not_recorded: Mapping[str, str] = field(default_factory=dict)
    no_scopes: Mapping[str, str] = field(default_factory=dict)
    write: bool = False
    """Whether field lists are written down as they are now, instead of compared."""

    def nodes(self) -> list[AnyNode]:
        """The nodes that are judged, by name."""
        return [node for node in self.catalog.nodes.values() if node.app in self.apps]

    def checks(self) -> Iterator[Check]:
        """Every check of every node."""
        for node in self.nodes():
            subject = Subject(node, self.catalog, self.folder, self.no_scopes)
            for name, check in CHECKS.items():
                yield Check(name, node.name, partial(check, subject))
            yield Check("fields_are_stable", node.name, partial(self._stable, subject))
            if isinstance(node, Operation):
                yield Check("exchange_is_replayed", node.name, partial(self._play, subject))

    def _stable(self, subject: Subject) -> list[str]:
        folder, texts = self.folder / "fields", golden.fields_text(subject)
        if self.write:
            golden.write(folder, texts)
        found = golden.differences(folder, texts)
        remedy = f"If that is meant, run once with {WRITE}=write and look at the difference."
        return [*found, remedy] if found else []

    def _play(self, subject: Subject) -> Iterator[str]:
        node, reason = subject.node, self.not_recorded.get(subject.node.key)
        if not subject.recording.is_file():
            if not reason:
                yield f"there is no recorded exchange {node.app}/{node.key}.json."
            return
        if reason:
            yield f"it is recorded, although not_recorded says: {reason}"
        recording = Recording.read(subject.recording, self.catalog.operation(node.name))
        parts: tuple[Callable[[], None], ...] = (
            lambda: asyncio.run(recording.play(self.catalog)),
            lambda: asyncio.run(recording.play(self.catalog, strange=True)),
            lambda: asyncio.run(recording.ask(self.catalog)),
            lambda: recording.fit(self.catalog),
            recording.sums_up,
        )
        for part in parts:
            try:
                part()
            except AssertionError as error:
                yield str(error)


def conformance(
    *,
    app: str | Sequence[str],
    folder: Path,
    plugins: Sequence[object] = (),
    catalog: Catalog | None = None,
    not_recorded: Mapping[str, str] | None = None,
    no_scopes: Mapping[str, str] | None = None,
) -> Any:
    """A test function for pytest, with one case for each check of each node.

    `plugins` are those under test; the rest is as Kit takes it. Raises BundleError when they cannot
    be loaded at all.
    """
    import pytest

    apps = [app] if isinstance(app, str) else list(app)
    loaded = catalog or load_catalog(build_plugins(plugins, entry_points=False))
    writing = os.environ.get(WRITE) == "write"
    kit = Kit(loaded, apps, folder, not_recorded or {}, no_scopes or {}, writing)

    @pytest.mark.parametrize("check", list(kit.checks()), ids=str)
    def test_node(check: Check) -> None:
        check()

    return test_node
