"""Plugins: ours and anyone's join by the same hooks, and a faulty one is named."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector.catalog import load_catalog
from connector.errors import BundleError, Forbidden
from connector.expressions import Filter, evaluate
from connector.model import Action, App, Field, Request, Token
from connector.plugins import DEFAULT_PLUGINS, Plugins, build_plugins, hookimpl


def an_app(key: str = "shop") -> App:
    return App(
        key=key,
        title="Shop",
        auth=Token(header="x-key"),
        check=Request(method="GET", path="/me"),
        read_error=lambda answer: None,
    )


def an_action(app: str = "shop", key: str = "create_order", **more: Any) -> Action:
    given: dict[str, Any] = {
        "noun": "Order",
        "label": "Create Order",
        "description": "Orders something.",
        "inputs": (Field(path="data", label="Data", type="object"),),
        "request": Request(method="POST", path="/orders", root="data"),
        **more,
    }
    return Action(app=app, key=key, **given)


def plugin(**hooks: Callable[..., None]) -> object:
    """A plugin object that implements these hooks."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()})


def with_plugin(**hooks: Callable[..., None]) -> Plugins:
    return build_plugins([plugin(**hooks)], entry_points=False)


class TestBuiltIn:
    def test_are_registered_like_anyones(self) -> None:
        assert build_plugins(entry_points=False).names == DEFAULT_PLUGINS

    def test_bring_the_apps_and_the_bundle(self, root: Path) -> None:
        plugins = build_plugins(entry_points=False)
        assert set(plugins.apps()) == {"fatture_in_cloud", "perfex_crm"}
        assert plugins.bundles() == (root,)

    def test_manager_is_built_anew_each_time(self) -> None:
        assert "shop" in with_plugin(register_apps=lambda register: register(an_app())).apps()
        assert "shop" not in build_plugins(entry_points=False).apps()


class TestRegistering:
    def test_a_plugin_may_register_as_often_as_it_wants(self, tmp_path: Path) -> None:
        def register_filters(register: Any) -> None:
            register("shout", lambda value: value.upper())
            register(Filter("whisper", lambda value: value.lower()))

        plugins = with_plugin(
            register_apps=lambda register: register(an_app()),
            register_nodes=lambda register: register(an_action()),
            register_filters=register_filters,
            register_schemas=lambda register: register(tmp_path),
        )
        assert {"shout", "whisper"} <= set(plugins.filters())
        assert plugins.schemas() == (tmp_path,)
        catalog = load_catalog(plugins)
        assert catalog.app("shop").title == "Shop"
        assert catalog.node("shop.create_order").label == "Create Order"
        assert evaluate("{{ 'a' | shout }}", {}, filters=catalog.filters) == "A"
        assert evaluate("{{ 'a' | upper }}", {}, filters=catalog.filters) == "A"

    @pytest.mark.parametrize(
        ("hook", "call", "gather"),
        [
            ("register_apps", lambda register: register("shop"), Plugins.apps),
            ("register_nodes", lambda register: register(an_app()), Plugins.nodes),
            ("register_filters", lambda register: register("No-Name", len), Plugins.filters),
            ("register_filters", lambda register: register("size", 1), Plugins.filters),
            ("register_schemas", lambda register: register("schemas"), Plugins.schemas),
            ("register_bundles", lambda register: register(Path("nowhere")), Plugins.bundles),
            ("register_apps", lambda register: register(1 / 0), Plugins.apps),
        ],
    )
    def test_what_is_wrong_names_the_plugin(
        self, hook: str, call: Callable[..., None], gather: Callable[[Plugins], object]
    ) -> None:
        class Faulty:
            def __repr__(self) -> str:
                return "<faulty>"

        faulty = Faulty()
        setattr(faulty, hook, hookimpl(call))
        plugins = build_plugins([faulty], entry_points=False)
        with pytest.raises(BundleError, match=f"The plugin {plugins.names[-1]} "):
            gather(plugins)

    @pytest.mark.parametrize(
        ("hook", "thing", "gather"),
        [
            ("register_apps", (an_app("perfex_crm"),), Plugins.apps),
            ("register_filters", ("perfex_country", len), Plugins.filters),
        ],
    )
    def test_name_taken_twice_names_both_plugins(
        self, hook: str, thing: tuple[Any, ...], gather: Callable[[Plugins], object]
    ) -> None:
        plugins = with_plugin(**{hook: lambda register: register(*thing)})
        with pytest.raises(BundleError, match=r"connector\.apps\.perfex_crm") as caught:
            gather(plugins)
        assert plugins.names[-1] in caught.value.message

    def test_built_in_filter_cannot_be_replaced(self) -> None:
        plugins = with_plugin(register_filters=lambda register: register("upper", len))
        with pytest.raises(BundleError, match=r"filter upper .*connector\.expressions"):
            plugins.filters()

    def test_node_of_the_bundle_cannot_be_replaced(self) -> None:
        twin = an_action("perfex_crm", "create_customer")
        plugins = with_plugin(register_nodes=lambda register: register(twin))
        with pytest.raises(BundleError, match=r"perfex_crm\.create_customer .* exists already"):
            load_catalog(plugins)

    def test_node_of_an_unknown_app_is_refused(self) -> None:
        plugins = with_plugin(register_nodes=lambda register: register(an_action("perfex")))
        with pytest.raises(BundleError, match=r"perfex\.create_order .*'perfex_crm'"):
            load_catalog(plugins)


class TestValidity:
    def test_unknown_hook_is_caught(self) -> None:
        with pytest.raises(BundleError, match="register_app"):
            with_plugin(register_app=lambda register: None)

    def test_unknown_argument_is_caught(self) -> None:
        with pytest.raises(BundleError, match="add"):
            with_plugin(register_apps=lambda add: None)

    def test_objects_are_named_after_their_class(self) -> None:
        one, two = plugin(on_event=lambda: None), plugin(on_event=lambda: None)
        names = build_plugins([one, two], entry_points=False).names[-2:]
        assert names == ("types.SimpleNamespace", "types.SimpleNamespace#2")

    def test_plugin_joins_once(self) -> None:
        mine = plugin(on_event=lambda: None)
        with pytest.raises(BundleError, match="registered twice") as caught:
            build_plugins([mine, mine], entry_points=False)
        assert "apps" not in caught.value.message

    def test_class_is_no_plugin(self) -> None:
        with pytest.raises(BundleError, match="is a class"):
            build_plugins([type("Mine", (), {})], entry_points=False)

    def test_hooks_are_not_wrapped(self) -> None:
        def before_write(effect: Any) -> Any:
            yield

        wrapper = SimpleNamespace(before_write=hookimpl(wrapper=True)(before_write))
        with pytest.raises(BundleError, match="wraps before_write"):
            build_plugins([wrapper], entry_points=False)


class TestRunTime:
    def test_each_hook_gets_its_thing(self) -> None:
        seen: list[tuple[str, Any]] = []
        plugins = with_plugin(
            before_write=lambda effect: seen.append(("before", effect)),
            after_write=lambda effect: seen.append(("after", effect)),
            on_run_finished=lambda run: seen.append(("run", run)),
            on_event=lambda event: seen.append(("event", event)),
        )
        plugins.on_event(1)
        plugins.before_write(2)
        plugins.after_write(3)
        plugins.on_run_finished(4)
        assert seen == [("event", 1), ("before", 2), ("after", 3), ("run", 4)]

    def test_implementation_may_leave_its_argument_out(self) -> None:
        seen: list[int] = []
        with_plugin(on_event=lambda: seen.append(1)).on_event(object())
        assert seen == [1]

    def test_policy_forbids_a_write_by_its_error(self) -> None:
        def before_write(effect: Any) -> None:
            raise Forbidden("Not on Sundays.")

        with pytest.raises(Forbidden, match="Not on Sundays"):
            with_plugin(before_write=before_write).before_write(object())

    def test_broken_policy_forbids_too(self) -> None:
        plugins = with_plugin(before_write=lambda effect: effect.nothing)
        with pytest.raises(BundleError, match=plugins.names[-1]):
            plugins.before_write(object())

    @pytest.mark.parametrize("hook", ["after_write", "on_run_finished", "on_event"])
    def test_broken_observer_harms_nobody(
        self, hook: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[object] = []
        observers: dict[str, Callable[..., None]] = {
            "after_write": lambda effect: seen.append(effect),
            "on_run_finished": lambda run: seen.append(run),
            "on_event": lambda event: seen.append(event),
        }

        def fail() -> None:
            raise ZeroDivisionError

        good, broken = plugin(**{hook: observers[hook]}), plugin(**{hook: fail})
        plugins = build_plugins([good, broken], entry_points=False)
        with caplog.at_level(logging.ERROR):
            getattr(plugins, hook)("it")
        assert seen == ["it"]
        assert hook in caplog.text


class TestEntryPoint:
    """A package as pip leaves it in site-packages: a module and its dist-info."""

    MODULE = '''
        """A shop."""
        from pathlib import Path
        from connector import Action, Request, schema
        from connector.hookspecs import hookimpl
        from connector.model import App, Token

        @hookimpl
        def register_apps(register):
            register(App(key="shop", title="Shop", auth=Token(header="x-key"),
                         check=Request(method="GET", path="/me"), read_error=lambda answer: None))

        @hookimpl
        def register_schemas(register):
            register(Path(__file__).parent / "shop_schemas")

        @hookimpl
        def register_nodes(register):
            register(Action(app="shop", key="create_order", noun="Order", label="Create Order",
                            description="Orders.", inputs=(schema("shop/order", "data"),),
                            output=schema("shop/order"),
                            request=Request(method="POST", path="/orders", root="data")))

        @hookimpl
        def register_filters(register):
            register("shout", lambda value: value.upper())
    '''

    def install(self, folder: Path, module: str, entry: str = "shop = shop_plugin") -> None:
        (folder / "shop_plugin.py").write_text(textwrap.dedent(module), "utf-8")
        order = {"properties": {"sku": {"title": "Article", "type": "string", "examples": ["A1"]}}}
        (folder / "shop_schemas" / "shop").mkdir(parents=True)
        (folder / "shop_schemas" / "shop" / "order.json").write_text(json.dumps(order), "utf-8")
        info = folder / "shop_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop-plugin\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[connector]\n{entry}\n")

    def run(self, folder: Path, root: Path, code: str) -> subprocess.CompletedProcess[str]:
        path = f"import sys; sys.path[:0] = [{str(root)!r}, {str(folder)!r}]\n"
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", path + textwrap.dedent(code)],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def test_adds_an_app_with_a_node_and_a_filter(self, tmp_path: Path, root: Path) -> None:
        self.install(tmp_path, self.MODULE)
        done = self.run(
            tmp_path,
            root,
            """
            import json
            from connector import evaluate, load_catalog
            catalog = load_catalog()
            node = catalog.node("shop.create_order")
            print(json.dumps({
                "apps": sorted(catalog.apps),
                "fields": [(field.path, field.label) for field in catalog.fields(node)],
                "sample": node.sample,
                "filter": evaluate("{{ 'a' | shout }}", {}, filters=catalog.filters),
            }))
            """,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "apps": ["fatture_in_cloud", "perfex_crm", "shop"],
            "fields": [["data.sku", "Article"]],
            "sample": {"sku": "A1"},
            "filter": "A",
        }

    @pytest.mark.parametrize(
        ("module", "entry", "says"),
        [
            ("import nowhere_to_be_found", "shop = shop_plugin", "nowhere_to_be_found"),
            ("", "shop = shop_plugin:gone", "gone"),
            (
                MODULE.replace("def register_nodes", "def register_node"),
                "shop = shop_plugin",
                "node",
            ),
        ],
    )
    def test_faulty_one_is_named(
        self, tmp_path: Path, root: Path, module: str, entry: str, says: str
    ) -> None:
        self.install(tmp_path, module, entry)
        done = self.run(
            tmp_path, root, "from connector.catalog import load_catalog\nload_catalog()"
        )
        last = [line for line in done.stderr.splitlines() if line.startswith("connector.errors")]
        assert len(last) == 1
        assert "The plugin shop " in last[0]
        assert says in last[0]
