"""The laws of the house, as tests: who may import whom, what stays small, what is never written."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import inspect
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

import connector
import connector.errors

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "connector"

# DESIGN §3. A room is a module of connector/, or a folder with all it holds.
FLOORS = {
    0: ("codec", "deeds", "demands", "derived", "errors", "model", "paths", "surprises"),
    1: ("apps", "building", "bundle", "catalog", "expressions", "fields", "finding", "flow",
        "forms", "hookspecs", "mapping", "plugins", "redaction", "rendering", "updating", "values"),
    2: ("caller", "choosing", "connections", "http", "quota", "reach", "settings", "store"),
    3: ("engine", "runtime"),
    4: ("__main__", "cli", "sandbox", "testing", "web"),
}  # fmt: skip
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}
SURFACE = ""  # connector/__init__.py: eager imports from floors 0 and 1 only

# Floors 0 and 1 need no store, no network and no event loop.
NOT_FOR_A_LIBRARY = (
    "asyncio", "fastapi", "httptools", "psycopg", "pydantic_settings", "rich", "socket", "sqlite3",
    "ssl", "starlette", "structlog", "subprocess", "threading", "typer", "uvicorn", "uvloop",
)  # fmt: skip

# Where a package may be imported; everything else asks the room that owns it.
OWNERS = {
    "httpx": ("http",),
    "psycopg": ("store",),
    "sqlite3": ("store",),
    "typer": ("cli",),
}

# What a node may use of the standard library: it computes, and reaches nothing.
PURE = ("__future__", "collections.abc", "datetime", "decimal", "re", "typing", "urllib.parse")

# What node files leave for the first use: each costs more than all of ours together.
HEAVY = ("authlib", "babel", "cryptography", "fastapi", "httpx", "jinja2", "joserfc",
         "jsonschema", "rich", "sqlite3", "starlette", "stdnum", "typer", "uvicorn")  # fmt: skip

# Declared, but imported by no file of ours: why we ask for them.
NEVER_IMPORTED = {
    "h11": "uvicorn and httpx bring it; we ask for one without request smuggling",
    "python-multipart": "starlette reads forms with it",
    "sniffio": "httpcore looks for it at every request, and does not remember a miss",
}

# Public names of floors 2 to 4: without the server extra they may say what to install.
ABOVE_THE_LIBRARY = {"Parts", "Runtime", "Settings", "Tuning", "open_runtime"}

MOST_LINES = 450
LONGER: dict[str, tuple[int, str]] = {
    "connector/model.py": (580, "the words of the product stand in one place"),
    "tests/browser/test_builder.py": (520, "one builder, and what drives it by mouse and by keys"),
    "tests/chaos/effects_world.py": (480, "one world, whose parts know each other"),
    "tests/expressions/test_against_jinja.py": (500, "one list of expressions"),
    "tests/expressions/test_hostile.py": (530, "lists of attacks, and four tests that try them"),
    "tests/nodes/fatture_in_cloud/test_rules_records.py": (470, "one class for each rule"),
    "tests/test_caller.py": (510, "one call, with a vendor and a door that every test needs"),
    "tests/test_fields.py": (500, "one class for each part of a schema"),
    "tests/test_house.py": (480, "all laws stand in one place"),
    "tests/web/test_server.py": (460, "one server, by its deadlines, limits and end"),
}


class Import(NamedTuple):
    """One import statement, wherever in the file it stands."""

    path: Path
    line: int
    module: str
    eager: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """The dotted module name of a file of the checkout."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Every module a file imports, in functions too, and by `import_module("…")`."""
    tree = ast.parse(path.read_text("utf-8"), filename=str(path))
    lazy = {id(inner) for node in ast.walk(tree) if runs_later(node) for inner in ast.walk(node)}
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    return tuple(
        Import(path, getattr(node, "lineno", 0), name, id(node) not in lazy)
        for node in ast.walk(tree)
        for name in _named(node, package)
    )


def runs_later(node: ast.AST) -> bool:
    """Whether importing the module leaves this part of it out."""
    for_types_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return for_types_only or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _named(node: ast.AST, package: list[str]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else []
        module = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            inner = f"{module}.{alias.name}"
            ours = module.split(".")[0] == "connector"
            yield inner if ours and is_module(inner) else module
    elif isinstance(node, ast.Call) and node.args:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        first = node.args[0]
        if isinstance(first, ast.JoinedStr):  # import_module(f"stdnum.{name}")
            first = first.values[0]
        if called in {"import_module", "__import__"} and isinstance(first, ast.Constant):
            yield str(first.value).rstrip(".")


def room_of(module: str) -> str:
    """The room of a module of ours; empty for the surface, connector/__init__.py."""
    return [*module.split("."), ""][1]


def imports_of_house() -> list[Import]:
    return [one for path in python_files("connector") for one in imports_of(path)]


class TestFloors:
    def test_every_room_has_a_floor(self) -> None:
        rooms = {room_of(name_of(path)) for path in python_files("connector")} - {SURFACE}
        assert rooms - set(FLOOR_OF) == set(), "give it a floor: DESIGN §3, FLOORS above"

    def test_no_floor_names_a_room_that_is_gone(self) -> None:
        rooms = {room_of(name_of(path)) for path in python_files("connector")}
        assert set(FLOOR_OF) - rooms == set()

    def test_imports_only_go_down(self) -> None:
        wrong = []
        for one in imports_of_house():
            own = room_of(name_of(one.path))
            if one.module.split(".")[0] != "connector" or own == SURFACE:
                continue
            target = room_of(one.module)
            if target == SURFACE or FLOOR_OF[target] > FLOOR_OF[own]:
                wrong.append(str(one))
        assert wrong == []

    def test_library_floors_need_no_store_network_or_loop(self) -> None:
        library = [
            one for one in imports_of_house() if FLOOR_OF.get(room_of(name_of(one.path)), 9) < 2
        ]
        assert library
        assert [str(one) for one in library if one.module.split(".")[0] in NOT_FOR_A_LIBRARY] == []

    @pytest.mark.parametrize("package", OWNERS)
    def test_package_is_imported_in_its_room_only(self, package: str) -> None:
        found = [one for one in imports_of_house() if one.module.split(".")[0] == package]
        assert found, f"nobody imports {package}: drop the rule"
        assert [
            str(one) for one in found if room_of(name_of(one.path)) not in OWNERS[package]
        ] == []

    def test_nodes_import_only_connector(self) -> None:
        found = [one for path in python_files("actions", "triggers") for one in imports_of(path)]
        assert found
        allowed = {"connector", *PURE, *(f"connector.{name}" for name in connector.__all__)}
        assert [str(one) for one in found if one.module not in allowed | shared_by(one)] == []

    def test_nobody_imports_a_node(self) -> None:
        found = [one for path in python_files("connector", "tests") for one in imports_of(path)]
        assert [
            str(one) for one in found if one.module.split(".")[0] in {"actions", "triggers"}
        ] == []


def shared_by(one: Import) -> set[str]:
    """What the nodes of one app have in common lies in the folder of that app."""
    app = f"connector.apps.{one.path.parent.name}"
    return {one.module} if one.module.startswith(f"{app}.") else set()


WITHOUT_SERVER = """
import sys

class Closed:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in CLOSED:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Closed())
import connector

for name in connector.__all__:
    try:
        getattr(connector, name)
    except ImportError as error:
        assert name in ABOVE, name
        assert "connector[server]" in str(error), error

assert connector.load_catalog().nodes
assert connector.evaluate("{{ a + 1 }}", {"a": 1}) == 2
"""


class TestImport:
    def seen(self, code: str) -> set[str]:
        """The modules loaded after some code ran in a fresh interpreter."""
        program = f"{code}\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return set(json.loads(done.stdout.splitlines()[-1]))

    def test_import_connector_loads_nothing_of_a_third_party(self) -> None:
        loaded = self.seen("import connector") - self.seen("pass")
        third_party = set(installed_modules()) - {"connector"}
        assert "connector" in loaded
        assert {name.split(".")[0] for name in loaded} & third_party == set()

    def test_declaring_a_node_loads_nothing_heavy(self) -> None:
        code = "from connector import Action, Search, Trigger, schema, finding, hookimpl"
        loaded = self.seen(code) - self.seen("pass")
        assert "connector.model" in loaded
        assert {name.split(".")[0] for name in loaded} & set(HEAVY) == set()

    def test_library_works_without_the_server_extra(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        server = {modules_of(one) for one in project["project"]["optional-dependencies"]["server"]}
        blocked = sorted({module for modules in server for module in modules})
        code = f"CLOSED = {blocked!r}\nABOVE = {sorted(ABOVE_THE_LIBRARY)!r}\n{WITHOUT_SERVER}"
        assert "connector.catalog" in self.seen(code)


class TestSurface:
    def test_public_names_are_sorted_and_exist(self) -> None:
        assert list(connector.__all__) == sorted(set(connector.__all__))
        for name in connector.__all__:
            assert getattr(connector, name) is not None

    def test_type_checkers_see_the_same_names(self) -> None:
        tree = ast.parse((HOUSE / "__init__.py").read_text("utf-8"))
        blocks = [node for node in tree.body if isinstance(node, ast.If) and runs_later(node)]
        imports = [node for block in blocks for node in block.body]
        assert all(isinstance(node, ast.ImportFrom) for node in imports)
        seen = [alias.asname for one in imports for alias in getattr(one, "names", ())]
        assert sorted(str(name) for name in seen) == list(connector.__all__)

    def test_every_public_name_has_a_docstring(self) -> None:
        bare = [".".join(name) for name, thing in self.documented() if not thing.__doc__]
        assert bare == []

    def documented(self) -> Iterator[tuple[tuple[str, ...], object]]:
        """Public classes and functions, and the methods that a public class of ours defines."""
        for name in connector.__all__:
            thing = getattr(connector, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield (name,), thing
            if not inspect.isclass(thing) or not thing.__module__.startswith("connector"):
                continue
            for key, value in vars(thing).items():
                made_by_us = getattr(value, "__module__", None) == thing.__module__
                if inspect.isfunction(value) and made_by_us and not key.startswith("_"):
                    yield (name, key), value

    def test_every_module_says_what_it_is(self) -> None:
        files = [*python_files("connector", "actions", "triggers", "bench")]
        trees = {path: ast.parse(path.read_text("utf-8")) for path in files}
        bare = [name_of(path) for path, tree in trees.items() if not ast.get_docstring(tree)]
        assert bare == []


class TestErrors:
    def test_tree_in_the_docstring_is_the_real_one(self) -> None:
        assert drawn(connector.errors.__doc__ or "") == list(real(connector.errors.ConnectorError))

    def test_every_error_class_of_the_module_is_in_the_tree(self) -> None:
        classes = {
            name
            for name, thing in vars(connector.errors).items()
            if inspect.isclass(thing) and issubclass(thing, BaseException)
        }
        assert classes == {name for _, name in real(connector.errors.ConnectorError)}


def drawn(text: str) -> list[tuple[int, str]]:
    """(depth, name) of each line of a tree drawn with box characters."""
    rows = []
    for line in text.splitlines():
        found = re.match(r"^([│├└─ ]*)([A-Z]\w+)(?:\s{2,}|$)", line)
        if found:
            rows.append((len(found[1]) // 4, found[2]))
    return rows


def real(top: type[Exception], depth: int = 0) -> Iterator[tuple[int, str]]:
    """(depth, name) of a class and what derives from it in its module, in the order written."""
    yield depth, top.__name__
    for child in top.__subclasses__():
        if child.__module__ == top.__module__:
            yield from real(child, depth + 1)


class TestSize:
    def test_no_module_is_long_without_a_reason(self) -> None:
        long = {}
        for path in python_files("connector", "actions", "triggers", "tests"):
            lines = len(path.read_text("utf-8").splitlines())
            if lines > LONGER.get(path.relative_to(ROOT).as_posix(), (MOST_LINES, ""))[0]:
                long[name_of(path)] = lines
        assert long == {}, "split it along a real seam, or enter it in LONGER with the reason"

    def test_no_reason_outlives_its_module(self) -> None:
        for name in LONGER:
            assert len((ROOT / name).read_text("utf-8").splitlines()) > MOST_LINES, name


def kept_files() -> list[Path]:
    """Every file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


# Written in two parts, so that this file does not hold what it forbids.
FORBIDDEN = {
    "a folder of one machine": r"(?<![\w.$}~/-])/(?:work|root|Users|home)" + r"/\w",
    "a package index": "index" + "-url",
    "a package registry": r"\bpypi\." + r"org|python" + r"hosted|registry\.npm" + "js",
}


class TestFiles:
    @pytest.mark.parametrize("what", FORBIDDEN)
    def test_no_file_holds(self, what: str) -> None:
        wanted = re.compile(FORBIDDEN[what])
        found = []
        for path in kept_files():
            text = path.read_bytes().decode("utf-8", "replace")
            for number, line in enumerate(text.splitlines(), 1):
                if wanted.search(line) and path.name != "Makefile":
                    found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
        assert found == []


@cache
def installed_modules() -> Mapping[str, list[str]]:
    """Top-level module → the distributions that install it."""
    return importlib.metadata.packages_distributions()


def modules_of(requirement: str) -> tuple[str, ...]:
    """The top-level modules that a requirement installs."""
    wanted = canonicalize_name(Requirement(requirement).name)
    found = [
        module
        for module, names in installed_modules().items()
        if wanted in {canonicalize_name(name) for name in names}
    ]
    return tuple(sorted(found))


class TestDependencies:
    def declared(self) -> dict[str, tuple[str, ...]]:
        """Distribution → its modules, of the base package and its extras."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        extras = project["optional-dependencies"].values()
        asked = [*project["dependencies"], *(one for extra in extras for one in extra)]
        parsed = [Requirement(one) for one in asked]
        here = [one for one in parsed if one.marker is None or one.marker.evaluate()]
        return {canonicalize_name(one.name): modules_of(str(one)) for one in here}

    def imported(self) -> dict[str, Import]:
        found = [
            one
            for path in python_files("connector", "actions", "triggers")
            for one in imports_of(path)
        ]
        tops = {one.module.split(".")[0]: one for one in found}
        return {top: one for top, one in tops.items() if top not in sys.stdlib_module_names}

    def test_every_declared_package_is_used(self) -> None:
        used = set(self.imported())
        unused = {name for name, modules in self.declared().items() if not used & set(modules)}
        assert unused == set(NEVER_IMPORTED) & set(self.declared())

    def test_every_imported_package_is_declared(self) -> None:
        known = {module for modules in self.declared().values() for module in modules}
        known |= {"connector"}
        assert [str(one) for top, one in self.imported().items() if top not in known] == []

    def test_library_floors_import_only_base_packages_eagerly(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        base = {module for one in project["dependencies"] for module in modules_of(one)}
        known = base | set(sys.stdlib_module_names) | {"connector"}
        library = [
            one for one in imports_of_house() if FLOOR_OF.get(room_of(name_of(one.path)), 9) < 2
        ]
        eager = [one for one in library if one.eager]
        assert [str(one) for one in eager if one.module.split(".")[0] not in known] == []


# The oldest version without a known hole that concerns us.
SAFE = {
    "cryptography": "44.0.1",
    "fastapi": "0.109.1",
    "h11": "0.16",
    "httpx": "0.27",
    "jinja2": "3.1.6",
    "joserfc": "1.8",
    "python-multipart": "0.0.18",
    "pyyaml": "5.4",
    "starlette": "0.49.1",
    "uvicorn": "0.34",
}


@pytest.mark.parametrize("package", SAFE)
class TestSafeVersions:
    def test_pinned(self, package: str) -> None:
        text = (ROOT / "requirements.txt").read_text("utf-8")
        found = re.search(rf"^{package}==(\S+)", text, re.MULTILINE)
        assert found, f"{package} is not pinned: drop it from SAFE"
        assert Version(found[1]) >= Version(SAFE[package])

    def test_installed(self, package: str) -> None:
        try:
            installed = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pytest.skip(f"{package} is not installed here")
        assert Version(installed) >= Version(SAFE[package])
