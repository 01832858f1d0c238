"""The sentences that the code makes, read from its text."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Sentences that no reader of a page meets, by who reads them.
OTHERS = {
    "the one who starts Connector": (
        "bundle.py", "catalog/checks.py", "connections/keyring.py", "connections/keys.py",
        "connections/vault.py", "expressions/filter.py", "fields", "building/words.py",
        "plugins.py", "runtime/runtime.py", "runtime/unlocking.py", "settings.py", "store",
        "__init__.py", "__main__.py", "reach.py",
    ),
    "the one at the shell": (
        "cli", "engine/cases.py", "expressions/checks.py", "sandbox", "testing",
    ),
    "other programs": (
        "apps/fatture_in_cloud/envelope.py", "apps/fatture_in_cloud/tokens.py",
        "apps/fatture_in_cloud/webhooks.py", "apps/perfex_crm/webhooks.py", "web/api.py",
        "web/api_past.py", "web/api_prepared.py", "web/app.py", "web/building.py",
        "web/consent.py", "web/gate.py",
        "web/hooks.py", "web/protocol.py", "web/server.py", "web/shapes.py", "web/tokens.py",
    ),
    "a developer": ("hookspecs.py", "http/memory.py", "mapping/compiled.py", "surprises.py"),
    "a reader, by a table of their own": (
        "building/meaning_diff.py", "building/meaning_words.py", "building/suggest.py", "web/pages",
    ),
}  # fmt: skip
# Texts that only look like sentences of an error, and calls whose texts are told elsewhere.
NOT_TOLD = ("Field", "Query", "Path", "Header", "Scope", "example", "getLogger", "mark", "_",
            "debug", "info", "warning", "error", "exception")  # fmt: skip
ELSEWHERE = ("label", "description", "help", "title", "docs", "summary", "docs_url")
SENTENCE = re.compile(r"[A-Z`'*%].*[a-z}`'%…)]{2}[.?]", re.DOTALL)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def code() -> list[Path]:
    """Every file of ours that runs."""
    return sorted(
        path
        for name in ("connector", "actions", "triggers")
        for path in (ROOT / name).rglob("*.py")
    )


def holed(node: ast.AST) -> str:
    """The text of a literal, with a hole where something is filled in."""
    if isinstance(node, ast.JoinedStr):
        parts = (one.value if isinstance(one, ast.Constant) else "%" for one in node.values)
        return "".join(map(str, parts))
    told = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if told and isinstance(node, ast.Constant) else ""


def told_to_people() -> Iterator[tuple[str, str]]:
    """Where a sentence stands that a page may show, and the sentence with holes."""
    others = tuple(f"connector/{one}" for each in OTHERS.values() for one in each)
    for path in code():
        place = path.relative_to(ROOT).as_posix()
        if place in others or place.startswith(tuple(f"{one}/" for one in others)):
            continue
        tree = tree_of(path)
        left_out = set(_left_out(tree))
        for node in ast.walk(tree):
            text = holed(node)
            bare = text.replace("%", "").strip()
            if text and id(node) not in left_out and " " in bare and SENTENCE.fullmatch(text):
                yield f"{place}:{getattr(node, 'lineno', 0)}", text


def _left_out(tree: ast.Module) -> Iterator[int]:
    """What is a docstring, a part of a longer text, or told elsewhere."""
    for node in ast.walk(tree):
        inner: list[ast.AST] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            inner = [node.value]
        elif isinstance(node, ast.JoinedStr):
            inner = list(node.values)
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            inner = [one.value for one in node.keywords if one.arg in ELSEWHERE]
            if name in NOT_TOLD:
                inner += [*node.args, *(one.value for one in node.keywords)]
        for one in inner:
            yield from (id(each) for each in ast.walk(one))
