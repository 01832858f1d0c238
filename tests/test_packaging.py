"""What a user installs: a wheel that carries the bundle and works from anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

BUNDLE = ("actions", "triggers", "schemas", "examples")
LIST_NODES = """
import json, connector
from connector.catalog import load_catalog
print(json.dumps({
    "from": connector.__file__,
    "nodes": {name: node.model_dump(mode="json") for name, node in load_catalog().nodes.items()},
}))
"""

slow = [pytest.mark.slow, pytest.mark.timeout(300)]


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """The output of a program that ends well; its whole output is in the failure otherwise."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def dist(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist of this checkout, and the wheel built from that sdist."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, root, cwd=out)
    return out


@pytest.fixture(scope="session")
def wheel(dist: Path) -> Path:
    return next(dist.glob("*.whl"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip does it, in a folder of its own."""
    target = tmp_path_factory.mktemp("installed")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*pip, "--no-compile", "--target", target, wheel, cwd=target)
    return target


def pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", path.read_text("utf-8"), re.MULTILINE)
    return {name.lower(): version for name, version in found}


def names_of(asked: Iterable[object]) -> set[str]:
    """The packages that requirements name; a dependency group may also include another."""
    texts = [one for one in asked if isinstance(one, str)]
    return {re.split(r"[^A-Za-z0-9._-]", one)[0].lower() for one in texts}


def bundle_files(root: Path) -> set[str]:
    """Every tracked or new file of the bundle, as a path in the wheel."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *BUNDLE)
    listed = run(*command, cwd=root).split()
    return {f"connector/_bundle/{name}" for name in listed if (root / name).is_file()}


class TestWheel:
    pytestmark = slow

    def test_connector_is_its_only_top_level_name(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            tops = {name.split("/")[0] for name in archive.namelist()}
        assert {top for top in tops if not top.endswith(".dist-info")} == {"connector"}

    def test_bundle_holds_every_file_of_the_checkout(self, root: Path, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            held = {name for name in archive.namelist() if name.startswith("connector/_bundle/")}
        expected = bundle_files(root) | {"connector/_bundle/manifest.yaml"}
        assert held == expected
        for folder in BUNDLE:
            assert any(name.startswith(f"connector/_bundle/{folder}/") for name in held), folder

    def test_holds_every_file_of_the_package(self, root: Path, wheel: Path) -> None:
        command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "connector")
        expected = {name for name in run(*command, cwd=root).split() if (root / name).is_file()}
        with zipfile.ZipFile(wheel) as archive:
            assert expected - set(archive.namelist()) == set()
        assert "connector/py.typed" in expected

    def test_sdist_holds_what_the_wheel_is_built_from(self, dist: Path) -> None:
        with tarfile.open(next(dist.glob("*.tar.gz"))) as archive:
            held = {name.partition("/")[2] for name in archive.getnames()}
        assert {"manifest.yaml", "pyproject.toml", "connector/__init__.py"} <= held
        for folder in BUNDLE:
            assert any(name.startswith(f"{folder}/") for name in held), folder
        assert not any(name.startswith(("tests/", "connector/_bundle/")) for name in held)

    def test_extras_are_those_we_document(self, wheel: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
            metadata = archive.read(name).decode()
        extras = re.findall(r"^Provides-Extra: (.+)$", metadata, re.MULTILINE)
        assert sorted(extras) == ["postgres", "server", "testing"]


class TestInstalled:
    pytestmark = slow

    def nodes(self, cwd: Path, path: Path) -> Any:
        output = run(sys.executable, "-W", "error", "-c", LIST_NODES, cwd=cwd, PYTHONPATH=str(path))
        return json.loads(output)

    def test_lists_the_same_nodes_as_the_checkout(
        self, root: Path, installed: Path, tmp_path: Path
    ) -> None:
        there = self.nodes(tmp_path, installed)
        here = self.nodes(tmp_path, root)
        assert Path(there["from"]).is_relative_to(installed)
        assert Path(here["from"]).is_relative_to(root)
        assert there["nodes"]
        assert there["nodes"] == here["nodes"]

    def test_command_starts_from_another_folder(self, installed: Path, tmp_path: Path) -> None:
        path = str(installed)
        assert "Usage" in run(
            installed / "bin" / "connector", "--help", cwd=tmp_path, PYTHONPATH=path
        )
        listed = run(
            installed / "bin" / "connector", "nodes", "--json", cwd=tmp_path, PYTHONPATH=path
        )
        assert json.loads(listed)


class TestPins:
    def test_every_pin_has_a_hash(self, root: Path) -> None:
        for name in ("requirements.txt", "requirements-dev.txt"):
            text = (root / name).read_text("utf-8")
            entries = re.split(r"\n(?=\S)", text)
            bare = [one for one in entries if "==" in one and "--hash=sha256:" not in one]
            assert bare == [], name
            assert pins(root / name)

    def test_dev_pins_hold_the_run_pins(self, root: Path) -> None:
        run_pins, dev_pins = pins(root / "requirements.txt"), pins(root / "requirements-dev.txt")
        assert {name: dev_pins.get(name) for name in run_pins} == run_pins

    def test_every_dependency_is_pinned(self, root: Path) -> None:
        project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
        run_asked = [
            *project["build-system"]["requires"],
            *project["project"]["dependencies"],
            *project["project"]["optional-dependencies"]["server"],
            *project["dependency-groups"]["build"],
        ]
        extras = project["project"]["optional-dependencies"].values()
        groups = project["dependency-groups"].values()
        all_asked = [one for part in (run_asked, *extras, *groups) for one in part]
        assert names_of(run_asked) - set(pins(root / "requirements.txt")) == set()
        assert names_of(all_asked) - set(pins(root / "requirements-dev.txt")) == set()
