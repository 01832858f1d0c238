"""An empty folder for each command, a sandbox for all, and what one tour has left."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import Outside, Said, copy_of, program, settings_of


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and an environment that says nothing but the database."""
    for name in os.environ:
        if name.startswith("CONNECTOR_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name, value in settings_of(folder / "connector.db").items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """Emulated apps as a program of their own, for all tests that subscribe to nothing."""
    with emulated(tmp_path_factory.mktemp("outside")) as apps:
        yield apps


@pytest.fixture
def own_outside(tmp_path: Path) -> Iterator[Outside]:
    """Emulated apps for one test alone: the vendor sends each event to one address only."""
    folder = tmp_path / "outside"
    folder.mkdir()
    with emulated(folder) as apps:
        yield apps


@contextlib.contextmanager
def emulated(folder: Path) -> Iterator[Outside]:
    words = ("--json", "--auto-approve", "--until-eof")
    with program(*words, folder=folder, module="connector.sandbox") as running:
        yield Outside(json.loads(running.line()))


@dataclass(frozen=True)
class Tour:
    """The tour that was taken once, and the installation that it left."""

    folder: Path
    said: Said


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Tour:
    """`connector run --once --json --keep FOLDER`, in earnest."""
    folder = tmp_path_factory.mktemp("tour")
    with program("run", "--once", "--json", "--keep", "kept", folder=folder) as running:
        return Tour(folder / "kept", running.end())


@pytest.fixture
def toured(tour: Tour, place: Path) -> Any:
    """What the tour left, in this test's own folder; its apps are no longer there."""
    copy_of(tour.folder, place)
    return tour.said.json
