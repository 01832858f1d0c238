"""The conformance kit: it passes what is right, however strange, and names what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from connector import Catalog, Identity, Request, load_catalog, paths
from connector.catalog import Catalog as Whole
from connector.codec import decode
from connector.mapping import compile_mapping
from connector.model import OAuth2
from connector.plugins import build_plugins
from connector.rendering import render_request
from connector.testing import Kit, Recording, Replay, conformance
from connector.testing.checks import CHECKS
from connector.testing.subject import Subject
from tests.testing.hostile import MANY, hostile, hostile_schema, make_thing

NAMES = [*CHECKS, "fields_are_stable", "exchange_is_replayed"]


def load(plugin: object) -> Catalog:
    return load_catalog(build_plugins([plugin], entry_points=False))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The hostile plugin, recorded and written down."""
    folder = tmp_path_factory.mktemp("hostile")
    plugin = hostile(folder / "schemas")
    catalog = load(plugin)
    node = catalog.node("hostile.make_thing")
    subject = Subject(node, catalog, folder, {})
    sent = subject.inputs()
    (folder / "hostile").mkdir()
    recording = {
        "input": sent,
        "exchanges": [
            {
                "request": {"method": "POST", "path": "/things", "json": sent},
                "answer": {"status": 200, "json": {"data": {"id": 9, **sent["data"]}}},
            }
        ],
        "output": {"id": 9, **sent["data"]},
        "summary": "Thing 9",
    }
    (folder / "hostile" / "make_thing.json").write_text(json.dumps(recording), "utf-8")
    for check in Kit(catalog, ["hostile"], folder, write=True).checks():
        if check.name == "fields_are_stable":
            check()
    return SimpleNamespace(plugin=plugin, catalog=catalog, node=node, folder=folder)


class TestHostile:
    @pytest.mark.parametrize("name", NAMES)
    def test_passes(self, world: Any, name: str) -> None:
        checks = Kit(world.catalog, ["hostile"], world.folder).checks()
        (check,) = [one for one in checks if one.name == name]
        check()

    def test_every_key_is_a_field(self, world: Any) -> None:
        fields = {field.path: field for field in world.catalog.fields(world.node)}
        assert len(fields) == MANY + 16
        for path in ("data.vat\\.number", "data.a\\.b\\.c.d\\.e", "data.a\\.b\\.c.0"):
            assert fields[path].type == "string"
        assert fields["data.rows[].2nd"].array == "data.rows[]"
        assert fields["data.data[]"].list
        assert fields["data.😀"].example == "🍕"

    def test_every_field_can_be_mapped_and_is_sent_where_it_belongs(self, world: Any) -> None:
        wanted = {
            field.path: f"{{{{ source['{number}'] }}}}"
            for number, field in enumerate(world.catalog.fields(world.node))
            if field.type == "string" and not field.array
        }
        compiled = compile_mapping(
            world.node, wanted, catalog=world.catalog, names=("source",)
        ).raise_for_errors()
        numbers = [text.split("'")[1] for text in wanted.values()]
        found = compiled.apply({"source": {one: f"value {one}" for one in numbers}})
        request = render_request(
            world.catalog.app("hostile"),
            Subject(world.node, world.catalog, world.folder, {}).connection,
            world.node.request,
            found.payload,
        )
        body = decode(request.body)
        for path, text in wanted.items():
            assert paths.get(body, path) == f"value {text.split(chr(39))[1]}"


def with_node(world: Any, tmp_path: Path, change: dict[str, Any], raw: Any = None) -> Catalog:
    """The hostile app with its node, and perhaps its schema, changed."""
    folder = tmp_path / "schemas"
    plugin = hostile(folder)
    if raw is not None:
        (folder / "hostile" / "thing.json").write_text(json.dumps(raw), "utf-8")
    catalog = load(plugin)
    nodes = {**catalog.nodes, "hostile.make_thing": make_thing(**change)}
    app = change.get("_app")
    apps = {**catalog.apps, "hostile": app} if app else catalog.apps
    return Whole(apps, nodes, catalog.schemas, catalog.filters)


def changed_schema(change: Callable[[dict[str, Any]], object]) -> Any:
    raw = hostile_schema()
    change(raw["properties"])
    return raw


CLOSED = changed_schema(
    lambda fields: fields.update(kind={"title": "Kind", "enum": ["a", "b"], "examples": ["a"]})
)
FAULTS: list[tuple[str, dict[str, Any], Any, str]] = [
    ("schemas_are_valid", {}, changed_schema(lambda f: f["2fast"].update(type="txt")), "no valid"),
    (
        "schemas_are_valid",
        {},
        changed_schema(lambda f: f["2fast"].update({"x-lables": {}})),
        "no word",
    ),
    (
        "schemas_are_valid",
        {},
        changed_schema(lambda f: f["2fast"].update({"x-labels": []})),
        "type",
    ),
    (
        "schemas_are_valid",
        {},
        changed_schema(lambda f: f["2fast"].update({"x-kind": "costumer"})),
        "one of customer",
    ),
    (
        "schemas_are_valid",
        {},
        changed_schema(lambda f: f["2fast"].update({"x-means": "speed"})),
        "one of vat_number",
    ),
    ("fields_are_labelled", {}, changed_schema(lambda f: f["2fast"].update(title="fast:")), "stop"),
    (
        "fields_are_labelled",
        {},
        changed_schema(lambda f: f["2fast"].update(title="fast")),
        "capital",
    ),
    ("words_are_in_style", {"label": "Make thing"}, None, "title case"),
    ("words_are_in_style", {"description": "Makes a thing"}, None, "full stop"),
    ("words_are_in_style", {"description": "makes a thing."}, None, "capital"),
    ("words_are_in_style", {"noun": " "}, None, "noun"),
    ("words_are_in_style", {"key": "make"}, None, "verb_noun"),
    ("words_are_in_style", {"key": "find_thing"}, None, "Search"),
    ("documentation_is_named", {"docs_url": "http://hostile.example"}, None, "https"),
    ("scopes_are_named", {"scopes": ("a", "a")}, None, "twice"),
    ("scopes_are_named", {"scopes": ("a b",)}, None, "cannot be asked"),
    ("destruction_is_marked", {"key": "delete_thing"}, None, "destructive"),
    (
        "destruction_is_marked",
        {"request": Request(method="DELETE", path="/t")},
        None,
        "destructive",
    ),
    ("identity_is_declared", {"identity": None}, None, "no Identity"),
    (
        "identity_is_declared",
        {"identity": Identity(when_unsure="resend_once")},
        None,
        "needs a Search",
    ),
    (
        "identity_is_declared",
        {"key": "create_thing", "identity": Identity(when_unsure="repeat")},
        None,
        "twins",
    ),
    ("identity_is_declared", {"identity": Identity(find="find_thing")}, None, "what to look for"),
    ("sample_is_valid", {"sample": {"id": "nine"}}, None, "does not fit"),
    ("sample_is_valid", {"output": None}, None, "neither"),
    ("future_is_survived", {}, CLOSED, "tomorrow"),
    (
        "future_is_survived",
        {},
        {**hostile_schema(), "additionalProperties": False},
        "tomorrow",
    ),
    (
        "request_renders",
        {},
        changed_schema(lambda f: f["2fast"].update(examples=[2])),
        "do not fit",
    ),
    (
        "request_renders",
        {"request": Request(method="POST", path="/t/{data.nowhere}")},
        None,
        "request",
    ),
    ("summary_is_one_line", {"summary": ""}, None, "no summary"),
    ("summary_is_one_line", {"summary": "{{ output.nowhere }}"}, None, "cannot be made"),
    ("summary_is_one_line", {"summary": " "}, None, "one short line"),
    ("prints_as_json", {"sample": {"id": {9, 10}}}, None, "JSON"),
]


class TestFaults:
    @pytest.mark.parametrize(("check", "change", "raw", "says"), FAULTS)
    def test_are_found(
        self, world: Any, tmp_path: Path, check: str, change: dict[str, Any], raw: Any, says: str
    ) -> None:
        if change.get("identity", ()) is None:
            whole = make_thing().model_dump(exclude={"identity", "kind"})
            node = type(make_thing()).model_validate(whole)
            catalog = world.catalog
        else:
            catalog = with_node(world, tmp_path, change, raw)
            node = catalog.nodes["hostile.make_thing"]
        found = list(CHECKS[check](Subject(node, catalog, tmp_path, {})))
        assert any(says in one for one in found), found

    def test_of_scopes_are_found_where_people_consent(self, world: Any, tmp_path: Path) -> None:
        auth = OAuth2(authorize_path="/a", token_path="/t")
        app = world.catalog.app("hostile").model_copy(update={"auth": auth})
        catalog = world.catalog.with_app(app)
        node = catalog.node("hostile.make_thing")
        check = CHECKS["scopes_are_named"]
        assert list(check(Subject(node, catalog, tmp_path, {})))
        assert not list(check(Subject(node, catalog, tmp_path, {"make_thing": "anyone may"})))

    def test_of_fields_are_found(self, world: Any, tmp_path: Path) -> None:
        catalog = with_node(world, tmp_path, {}, changed_schema(lambda f: f.pop("2fast")))
        checks = Kit(catalog, ["hostile"], world.folder).checks()
        (stable,) = [one for one in checks if one.name == "fields_are_stable"]
        with pytest.raises(AssertionError, match=r"gone: 2fast string[\s\S]*GOLDEN=write"):
            stable()

    def test_a_node_without_a_recording_is_found_unless_a_reason_is_given(
        self, world: Any, tmp_path: Path
    ) -> None:
        def play(**reasons: Any) -> None:
            kit = Kit(world.catalog, ["hostile"], tmp_path, **reasons)
            (check,) = [one for one in kit.checks() if one.name == "exchange_is_replayed"]
            check()

        with pytest.raises(AssertionError, match="no recorded exchange"):
            play()
        play(not_recorded={"make_thing": "nobody can"})


def recorded(world: Any, **changed: Any) -> Recording:
    path = world.folder / "hostile" / "make_thing.json"
    case = {**json.loads(path.read_text("utf-8")), **changed}
    return Recording(world.node, case)


class TestRecordings:
    async def test_a_changed_request_is_shown_beside_the_recorded_one(self, world: Any) -> None:
        one = recorded(world, input={"data": {"2fast": "other"}})
        with pytest.raises(AssertionError, match="sends another request"):
            await one.play(world.catalog)

    async def test_a_changed_output_is_shown(self, world: Any) -> None:
        with pytest.raises(AssertionError, match="output differs"):
            await recorded(world, output={"id": 10}).play(world.catalog)

    async def test_what_was_not_asked_is_shown(self, world: Any) -> None:
        exchanges = recorded(world).case["exchanges"]
        with pytest.raises(AssertionError, match="did not ask"):
            await recorded(world, exchanges=[*exchanges, *exchanges]).play(world.catalog)

    async def test_one_request_too_many_is_shown(self, world: Any) -> None:
        replay = Replay(world.catalog.app("hostile"), [])
        with pytest.raises(AssertionError, match="asks more"):
            await replay.request("GET", "/things")

    def test_a_place_without_a_field_is_shown(self, world: Any) -> None:
        with pytest.raises(AssertionError, match="no such fields"):
            recorded(world, input={"data": {"colour": "red"}}).fit(world.catalog)
        with pytest.raises(AssertionError, match="no field names"):
            recorded(world, output={"colour": "red"}).fit(world.catalog)

    def test_another_summary_is_shown(self, world: Any) -> None:
        with pytest.raises(AssertionError, match="summary differs"):
            recorded(world, summary="Thing 8").sums_up()


def test_conformance_is_one_parametrised_test(world: Any) -> None:
    test = conformance(app="hostile", folder=world.folder, plugins=[world.plugin])
    (mark,) = test.pytestmark
    names = [str(check) for check in mark.args[1]]
    assert names == [f"hostile.make_thing-{name}" for name in NAMES]
    for check in mark.args[1]:
        test(check)
