"""Bundles: a folder with a manifest, nodes and schemas. Our own is the first of them.

Node files are loaded by path, as pytest loads its conftest: nobody imports a node.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field as Attribute, ValidationError

from connector.errors import BundleError, Issue
from connector.hookspecs import hookimpl
from connector.model import Action, AnyNode, App, Key, Quota, Search, Trigger

MANIFEST = "manifest.yaml"


class _Closed(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ManifestApp(_Closed):
    """One app of a bundle; `auth` and `quotas` say in short what its App object says."""

    key: Key
    module: str = Attribute(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """Where the App is, or the function that builds it: `package.module:name`."""
    auth: Literal["oauth2", "token"]
    quotas: tuple[Quota, ...] = ()


class Folders(_Closed):
    """Where a bundle keeps its parts, relative to its manifest."""

    actions: str = "actions"
    triggers: str = "triggers"
    schemas: str = "schemas"


class Manifest(_Closed):
    """What a bundle offers."""

    name: str = Attribute(pattern=r"^[a-z][a-z0-9_-]*$")
    version: str
    description: str
    apps: tuple[ManifestApp, ...]
    folders: Folders = Folders()


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle folder with its manifest read and checked."""

    folder: Path
    manifest: Manifest

    @property
    def schemas(self) -> Path | None:
        """Its schema folder, if it has one."""
        folder = self.folder / self.manifest.folders.schemas
        return folder if folder.is_dir() else None

    def app(self, entry: ManifestApp) -> App:
        """The App that a manifest entry names."""
        module, _, name = entry.module.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
            app = found if isinstance(found, App) else found()
        except Exception as error:
            # Foreign code: whatever it raises, say which entry of which manifest.
            raise self._fault(
                f"app {entry.key}: {entry.module} cannot be loaded: {error}"
            ) from error
        if not isinstance(app, App):
            raise self._fault(f"app {entry.key}: {entry.module} gives no App.")
        return app

    def check_app(self, entry: ManifestApp, app: App) -> None:
        """Refuse a manifest entry that says something else than the App object."""
        said = (entry.key, entry.auth, entry.quotas)
        if said != (app.key, app.auth.kind, app.quotas):
            raise self._fault(
                f"app {entry.key}: key, auth or quotas differ from those of {entry.module}."
            )

    def nodes(self) -> tuple[AnyNode, ...]:
        """Load every node file. Raises BundleError with the file and the reason."""
        folders = self.manifest.folders
        return (
            *self._load(self.folder / folders.actions, (Action, Search), "an Action or a Search"),
            *self._load(self.folder / folders.triggers, (Trigger,), "a Trigger"),
        )

    def _load(self, folder: Path, kinds: tuple[type[Any], ...], wanted: str) -> Iterator[AnyNode]:
        apps = {entry.key for entry in self.manifest.apps}
        for path in sorted(folder.glob("*/*.py")):
            if path.name.startswith("_"):
                continue
            if path.parent.name not in apps:
                raise _file_fault(path, f"the manifest names no app {path.parent.name!r}.")
            for node in _nodes_of(path):
                if not isinstance(node, kinds):
                    raise _file_fault(path, f"{node.key} must be {wanted} in this folder.")
                yield node

    def _fault(self, message: str) -> BundleError:
        return BundleError(f"{self.folder / MANIFEST}: {message}", remedy="Mend the manifest.")


def bundle_folder() -> Path:
    """The folder of our own bundle: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    packed = package / "_bundle"
    return packed if packed.is_dir() else package.parent


def examples_folder() -> Path:
    """The folder of the example flows that come with us."""
    return bundle_folder() / "examples"


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle's manifest. Raises BundleError with every fault in it."""
    path = folder / MANIFEST
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise BundleError(f"{path} is not YAML: {error}", remedy="Mend the manifest.") from error
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        issues = [
            Issue(
                message=one["msg"], field=".".join(str(key) for key in one["loc"]), who="developer"
            )
            for one in error.errors()
        ]
        raise BundleError(f"{path} is not valid.", issues=issues) from None
    return Bundle(folder, manifest)


def _nodes_of(path: Path) -> Iterator[AnyNode]:
    app = path.parent.name
    count = 0
    for name, node in vars(_module(path)).items():
        if name.startswith("_") or not isinstance(node, Action | Search | Trigger):
            continue
        count += 1
        if node.key != name:
            raise _file_fault(path, f"{name} has the key {node.key!r}; they must agree.")
        if node.app != app:
            raise _file_fault(path, f"{name} belongs to {node.app!r}, the folder to {app!r}.")
        yield node
    if not count:
        raise _file_fault(path, "it holds no node; helpers start with an underscore.")


def _module(path: Path) -> ModuleType:
    """Run a node file under a name of its own, so that two apps may name a file alike."""
    mark = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    name = f"connector_node_{path.parent.name}_{path.stem}_{mark}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise _file_fault(path, "it is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # annotations and tracebacks look it up there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        # Anything can go wrong in a file that is code: say which file, keep the cause.
        del sys.modules[name]
        raise _file_fault(path, f"{type(error).__name__}: {error}") from error
    return module


def _file_fault(path: Path, reason: str) -> BundleError:
    place = Path(path.parent.parent.name, path.parent.name, path.name)
    return BundleError(f"{place}: {reason}", remedy=f"Mend {path}.")


@hookimpl
def register_bundles(register: Callable[[Path], None]) -> None:
    """Our own bundle joins by the hook that anyone's uses."""
    register(bundle_folder())
