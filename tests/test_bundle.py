"""Bundles: the manifest is closed and agrees with the apps; node files are where they should be."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from connector.bundle import Bundle, bundle_folder, read_bundle
from connector.catalog import load_catalog
from connector.errors import BundleError
from connector.model import App, Quota, Request, Token
from connector.plugins import DEFAULT_PLUGINS, build_plugins, hookimpl

MANIFEST: dict[str, Any] = {
    "name": "shop",
    "version": "1.0",
    "description": "A shop.",
    "apps": [{"key": "shop", "module": "tests_of_bundle.shop:build", "auth": "token"}],
}
NODE = """
    from connector import Action, Request
    create_order = Action(
        app="shop", key="create_order", noun="Order", label="Create Order", description="Orders.",
        request=Request(method="POST", path="/orders"),
    )
"""
TRIGGER = """
    from connector import Trigger
    order_placed = Trigger(
        app="shop", key="order_placed", noun="Order", label="Order Placed", description="New.",
    )
"""


def write(folder: Path, **files: str) -> Bundle:
    """A bundle on disk; double underscores in the names stand for slashes."""
    (folder / "manifest.yaml").write_text(yaml.safe_dump(MANIFEST), "utf-8")
    for name, content in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(content), "utf-8")
    return read_bundle(folder)


def build() -> App:
    return App(
        key="shop",
        title="Shop",
        auth=Token(header="x-key"),
        quotas=(Quota(calls=1, seconds=1),),
        check=Request(method="GET", path="/me"),
        read_error=lambda answer: None,
    )


class TestOurs:
    def test_folder_is_beside_the_package_in_a_checkout(self, root: Path) -> None:
        assert bundle_folder() == root

    def test_apps_of_the_manifest_come_from_plugins(self, root: Path) -> None:
        modules = [entry.module.partition(":")[0] for entry in read_bundle(root).manifest.apps]
        assert set(modules) < set(DEFAULT_PLUGINS)

    def test_every_app_has_a_node(self, root: Path) -> None:
        bundle = read_bundle(root)
        assert {node.app for node in bundle.nodes()} == {one.key for one in bundle.manifest.apps}


class TestManifest:
    def test_is_small_and_closed(self, tmp_path: Path) -> None:
        (tmp_path / "manifest.yaml").write_text(
            yaml.safe_dump({**MANIFEST, "colour": "red", "version": 1.0}), "utf-8"
        )
        with pytest.raises(BundleError, match=r"manifest\.yaml is not valid") as caught:
            read_bundle(tmp_path)
        assert {issue.field for issue in caught.value.issues} == {"colour", "version"}

    @pytest.mark.parametrize("content", ["name: [", "- a\n- b", ""])
    def test_must_be_a_yaml_object(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "manifest.yaml").write_text(content, "utf-8")
        with pytest.raises(BundleError, match=r"manifest\.yaml"):
            read_bundle(tmp_path)

    def test_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match=r"manifest\.yaml cannot be read"):
            read_bundle(tmp_path)

    def test_entry_that_leads_nowhere_is_named(self, tmp_path: Path) -> None:
        bundle = write(tmp_path)
        with pytest.raises(BundleError, match=r"app shop: tests_of_bundle\.shop:build"):
            bundle.app(bundle.manifest.apps[0])

    def test_entry_must_agree_with_its_app(self, tmp_path: Path) -> None:
        bundle = write(tmp_path)
        (entry,) = bundle.manifest.apps
        with pytest.raises(BundleError, match="key, auth or quotas differ"):
            bundle.check_app(entry, build())
        bundle.check_app(entry, build().model_copy(update={"quotas": ()}))


class TestNodes:
    def test_are_loaded_from_their_folders(self, tmp_path: Path) -> None:
        bundle = write(
            tmp_path,
            actions__shop__orders=NODE,
            actions__shop___helpers="broken because nobody loads it",
            triggers__shop__order_placed=TRIGGER,
        )
        assert [node.name for node in bundle.nodes()] == ["shop.create_order", "shop.order_placed"]

    @pytest.mark.parametrize(
        ("place", "content", "says"),
        [
            ("actions__shop__orders", "import nowhere", "ModuleNotFoundError"),
            ("actions__shop__orders", "create = (", "SyntaxError"),
            ("actions__shop__orders", "x = 1", "holds no node"),
            ("actions__shop__orders", NODE.replace("create_order =", "create ="), "must agree"),
            ("actions__shop__orders", NODE.replace('"shop"', '"post"'), "belongs to 'post'"),
            ("actions__shop__orders", NODE.replace("Action(", "Action(colour=1,"), "colour"),
            ("actions__shop__orders", TRIGGER, "must be an Action or a Search"),
            ("triggers__shop__orders", NODE, "must be a Trigger"),
            ("actions__post__orders", NODE, "names no app 'post'"),
        ],
    )
    def test_faulty_file_is_named_with_the_reason(
        self, tmp_path: Path, place: str, content: str, says: str
    ) -> None:
        bundle = write(tmp_path, **{place: content})
        with pytest.raises(BundleError, match=says) as caught:
            bundle.nodes()
        assert f"{place.replace('__', '/')}.py" in caught.value.message

    def test_two_files_may_have_one_name(self, tmp_path: Path) -> None:
        manifest = {**MANIFEST, "apps": [*MANIFEST["apps"], {**MANIFEST["apps"][0], "key": "post"}]}
        files = {
            "actions/shop/orders.py": NODE,
            "actions/post/orders.py": NODE.replace("shop", "post"),
        }
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text(textwrap.dedent(content), "utf-8")
        (tmp_path / "manifest.yaml").write_text(yaml.safe_dump(manifest), "utf-8")
        found = [node.name for node in read_bundle(tmp_path).nodes()]
        assert found == ["post.create_order", "shop.create_order"]


def test_bundle_of_another_brings_its_app_by_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tests_of_bundle").mkdir()
    (tmp_path / "tests_of_bundle" / "shop.py").write_text(
        textwrap.dedent(
            """
            from connector.model import App, Request, Token
            def build():
                return App(key="shop", title="Shop", auth=Token(header="x-key"),
                           check=Request(method="GET", path="/me"), read_error=lambda answer: None)
            """
        ),
        "utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "bundle"
    folder.mkdir()
    write(folder, actions__shop__orders=NODE)

    class Shop:
        @hookimpl
        def register_bundles(self, register: Any) -> None:
            register(folder)

    catalog = load_catalog(build_plugins([Shop()], entry_points=False))
    assert catalog.app("shop").title == "Shop"
    assert catalog.node("shop.create_order").noun == "Order"
