"""The plugin manager: built in a function, handed on, never global."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pluggy

from connector import hookspecs
from connector.errors import BundleError, ConnectorError
from connector.hookspecs import PROJECT, hookimpl
from connector.model import Action, AnyNode, App, Search, Trigger
from connector.surprises import log_surprise

if TYPE_CHECKING:
    from connector.expressions import Filter

__all__ = ["DEFAULT_PLUGINS", "Plugins", "build_plugins", "hookimpl"]

DEFAULT_PLUGINS = (
    "connector.apps.fatture_in_cloud",
    "connector.apps.perfex_crm",
    "connector.bundle",
)
"""The built-in plugins, registered like anyone's."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Implementation:
    plugin: str
    function: Callable[..., Any]
    arguments: tuple[str, ...]

    def call(self, **given: Any) -> None:
        self.function(*(given[name] for name in self.arguments))


class _Registry(Generic[_T]):
    """Things by name, with the plugin that registered each."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._owners: dict[str, str] = {}
        self.items: dict[str, _T] = {}

    def add(self, plugin: str, name: str, thing: _T) -> None:
        """Keep it, unless the name is taken."""
        if name in self.items:
            raise BundleError(
                f"The {self._kind} {name} is registered by {self._owners[name]} and by {plugin}.",
                remedy="Rename one of them.",
            )
        self._owners[name] = plugin
        self.items[name] = thing


class Plugins:
    """The registered plugins, with one typed method for each hook."""

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager
        # Looked up once: the run-time hooks lie on the hot path and mostly have no plugin.
        self._implementations = {name: tuple(_each(manager, name)) for name in _hook_names()}

    @property
    def names(self) -> tuple[str, ...]:
        """The plugins in the order they were registered."""
        return _names(self._manager)

    # --- when a catalogue is loaded -----------------------------------------------------------

    def apps(self) -> Mapping[str, App]:
        """Every app by key. Raises BundleError for a wrong object or a key taken twice."""
        found = _Registry[App]("app")
        for one in self._implementations["register_apps"]:

            def register(app: App, plugin: str = one.plugin) -> None:
                _demand(isinstance(app, App), plugin, f"registers {app!r}, which is not an App")
                found.add(plugin, app.key, app)

            _ask(one, register)
        return found.items

    def nodes(self) -> Mapping[str, AnyNode]:
        """Every node made in code, by full name."""
        found = _Registry[AnyNode]("node")
        for one in self._implementations["register_nodes"]:

            def register(node: AnyNode, plugin: str = one.plugin) -> None:
                good = isinstance(node, Trigger | Action | Search)
                _demand(good, plugin, f"registers {node!r}, which is not a node")
                found.add(plugin, node.name, node)

            _ask(one, register)
        return found.items

    def filters(self) -> Mapping[str, Filter]:
        """Every filter by name, the built-in ones among them."""
        from connector.expressions import Filter, default_filters

        found = _Registry[Filter]("filter")
        for built_in in default_filters().values():
            found.add("connector.expressions", built_in.name, built_in)
        for one in self._implementations["register_filters"]:

            def register(filter: Any, function: Any = None, plugin: str = one.plugin) -> None:
                if not isinstance(filter, Filter):
                    _demand(callable(function), plugin, f"registers {filter!r} without a function")
                    filter = Filter.of(function, filter)
                found.add(plugin, filter.name, filter)

            _ask(one, register)
        return found.items

    def schemas(self) -> tuple[Path, ...]:
        """Every schema folder that stands outside a bundle."""
        return self._folders("register_schemas")

    def bundles(self) -> tuple[Path, ...]:
        """Every bundle folder."""
        return self._folders("register_bundles")

    def _folders(self, hook: str) -> tuple[Path, ...]:
        found: list[Path] = []
        for one in self._implementations[hook]:

            def register(folder: Any, plugin: str = one.plugin) -> None:
                good = isinstance(folder, Path) and folder.is_dir()
                _demand(good, plugin, f"registers {str(folder)!r}, which is not a folder (a Path)")
                found.append(folder)

            _ask(one, register)
        return tuple(found)

    # --- while flows run ----------------------------------------------------------------------

    def before_write(self, effect: Any) -> None:
        """Ask every plugin whether an effect may be sent; what it raises forbids the write."""
        for one in self._implementations["before_write"]:
            try:
                one.call(effect=effect)
            except ConnectorError:
                raise
            except Exception as error:
                # A policy that breaks is no permission.
                raise _fault(one.plugin, "failed in before_write", error) from error

    def after_write(self, effect: Any) -> None:
        """Tell every plugin that an effect reached its end."""
        self._tell("after_write", effect=effect)

    def on_run_finished(self, run: Any) -> None:
        """Tell every plugin that a run ended."""
        self._tell("on_run_finished", run=run)

    def on_event(self, event: Any) -> None:
        """Tell every plugin that an event was stored."""
        self._tell("on_event", event=event)

    def _tell(self, hook: str, **given: Any) -> None:
        for one in self._implementations[hook]:
            try:
                one.call(**given)
            except Exception as error:  # noqa: BLE001  it must not undo what it only observes
                log_surprise(_log, f"plugin {one.plugin} failed in {hook}", error)


def build_plugins(extra: Sequence[object] = (), *, entry_points: bool = True) -> Plugins:
    """Register the built-in plugins, the installed ones (entry point group "connector"), `extra`.

    Raises BundleError that names the plugin: it cannot be imported, or implements a hook that does
    not exist.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    for name in DEFAULT_PLUGINS:
        _register(manager, importlib.import_module(name), name)
    for point in importlib.metadata.entry_points(group=PROJECT) if entry_points else ():
        _register(manager, _load(point), point.name)
    for plugin in extra:
        _register(manager, plugin, _name_of(manager, plugin))
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise _fault(manager.get_name(error.plugin), "is not valid", error) from error
    return Plugins(manager)


def _load(point: importlib.metadata.EntryPoint) -> object:
    try:
        plugin: object = point.load()
    except Exception as error:
        # Foreign code: whatever it raises, the user must learn which package to mend or remove.
        raise _fault(point.name, f"cannot be imported from {point.value}", error) from error
    return plugin


def _name_of(manager: pluggy.PluginManager, plugin: object) -> str:
    """A name by which a user recognises an object in an error: its module's or its class's."""
    kind = type(plugin)
    name = str(getattr(plugin, "__name__", f"{kind.__module__}.{kind.__qualname__}"))
    count = sum(one == name or one.startswith(f"{name}#") for one in _names(manager))
    return f"{name}#{count + 1}" if count else name


def _names(manager: pluggy.PluginManager) -> tuple[str, ...]:
    return tuple(name for name, plugin in manager.list_name_plugin() if plugin is not None)


def _register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    if isinstance(plugin, type):
        raise BundleError(
            f"The plugin {plugin.__qualname__} is a class.",
            remedy="Register an instance of it, or a module.",
        )
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        raise _fault(name, "is not valid", error) from error
    except ValueError as error:
        # pluggy's own words list every plugin there is.
        raise BundleError(
            f"The plugin {name} is registered twice.", remedy="Name it once."
        ) from error


def _each(manager: pluggy.PluginManager, hook: str) -> Iterator[_Implementation]:
    # pluggy's own order: the latest plugin first, unless it asked for `tryfirst` or `trylast`.
    for one in reversed(getattr(manager.hook, hook).get_hookimpls()):
        if one.wrapper or one.hookwrapper:
            raise BundleError(f"The plugin {one.plugin_name} wraps {hook}; hooks are not wrapped.")
        yield _Implementation(one.plugin_name, one.function, tuple(one.argnames))


def _hook_names() -> tuple[str, ...]:
    marked = f"{PROJECT}_spec"
    return tuple(name for name, value in vars(hookspecs).items() if hasattr(value, marked))


def _ask(one: _Implementation, register: Callable[..., None]) -> None:
    try:
        one.call(register=register)
    except BundleError:
        raise
    except Exception as error:
        # Foreign code again: name the plugin, keep the cause.
        raise _fault(one.plugin, "failed while registering", error) from error


def _demand(good: bool, plugin: str, what: str) -> None:
    if not good:
        raise BundleError(f"The plugin {plugin} {what}.")


def _fault(plugin: str | None, what: str, error: Exception) -> BundleError:
    return BundleError(
        f"The plugin {plugin} {what}: {type(error).__name__}: {error}",
        remedy="Mend the plugin or uninstall it.",
    )
