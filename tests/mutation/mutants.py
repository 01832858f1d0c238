"""Small faults put into a module on purpose: what a test suite must notice.

A mutant is one change of the syntax tree: another comparison, a condition turned round, a number
one off, a statement or an argument left out, nothing returned. Sentences for people, annotations
and docstrings are left alone: whether a text reads well is not what tests are for.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

COMPARE: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Pow: ast.Mult,
}
PAIRS = {"min": "max", "max": "min", "any": "all", "all": "any"}
FOR_PEOPLE = frozenset({"remedy", "help", "help_text"})
"""Keywords whose values are sentences."""


@dataclass(frozen=True)
class Mutant:
    """One change: the field of a node, and what to put there."""

    owner: ast.AST
    field: str
    place: int | None
    new: Any
    line: int
    function: str
    before: str
    after: str
    text: str
    """The line of the source."""

    @property
    def key(self) -> tuple[str, str, str]:
        """By which it is known again while the code around it changes."""
        return self.function, self.text, f"{self.before} -> {self.after}"


class Module:
    """The source of a module, and all its mutants."""

    def __init__(self, source: str, path: str = "<module>") -> None:
        self.path = path
        self.tree = ast.parse(source)
        self._lines = source.splitlines()
        self.mutants = [one for one in self._walk(self.tree, "") if one.before != one.after]

    def code(self, mutant: Mutant) -> CodeType:
        """The module compiled with this one change."""
        content = getattr(mutant.owner, mutant.field)
        kept = list(content) if mutant.place is not None else content
        if mutant.place is None:
            setattr(mutant.owner, mutant.field, mutant.new)
        elif mutant.new is None:
            del content[mutant.place]
        else:
            content[mutant.place] = mutant.new
        try:
            return compile(ast.fix_missing_locations(self.tree), self.path, "exec")
        finally:
            setattr(mutant.owner, mutant.field, kept)

    def _walk(self, node: ast.AST, function: str) -> Iterator[Mutant]:
        for field, place, child in _children(node):
            if _is_left_alone(node, field, child):
                continue
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{function}.{child.name}".lstrip(".")
            for new in _instead(node, field, child):
                yield self._mutant(node, field, place, child, new, inner)
            yield from self._walk(child, inner)
        yield from self._arguments(node, function)

    def _arguments(self, node: ast.AST, function: str) -> Iterator[Mutant]:
        """A call without one of its arguments."""
        if not isinstance(node, ast.Call):
            return
        for place, keyword in enumerate(node.keywords):
            if keyword.arg not in FOR_PEOPLE:
                yield self._mutant(node, "keywords", place, keyword, None, function)
        if len(node.args) > 1 and not isinstance(node.args[-1], ast.Starred):
            last = len(node.args) - 1
            yield self._mutant(node, "args", last, node.args[last], None, function)

    def _mutant(
        self, owner: Any, field: str, place: int | None, old: Any, new: Any, function: str
    ) -> Mutant:
        line = getattr(old, "lineno", getattr(owner, "lineno", 0))
        return Mutant(
            owner, field, place, new, line, function, _short(old), _short(new),
            self._lines[line - 1].strip(),
        )  # fmt: skip


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, Any]]:
    for field, content in ast.iter_fields(node):
        if isinstance(content, list):
            yield from (
                (field, place, one) for place, one in enumerate(content) if isinstance(one, ast.AST)
            )
        elif isinstance(content, ast.AST):
            yield field, None, content


def _is_left_alone(owner: ast.AST, field: str, node: Any) -> bool:
    if field in ("annotation", "returns", "decorator_list", "ctx", "type_params", "bases"):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True  # a docstring, or `...`
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.ClassDef) and any("Protocol" in ast.unparse(b) for b in node.bases):
        return True
    if isinstance(node, ast.JoinedStr | ast.Import | ast.ImportFrom | ast.Assert):
        return True
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("__all__", "__slots__"):
        return True
    return isinstance(node, ast.keyword) and node.arg in FOR_PEOPLE


def _instead(owner: ast.AST, field: str, node: Any) -> Iterator[Any]:
    """What may stand in the place of a node; None leaves a statement out."""
    if isinstance(node, ast.Constant):
        # `[0]` and `[-1]` are the same place of a list of one, which most of them are.
        is_first = field == "slice" and node.value == 0
        yield from [*_constants(node)][: 1 if is_first else None]
    elif isinstance(node, ast.Compare):
        yield from _comparisons(node)
    elif isinstance(node, ast.BoolOp):
        yield from _conditions(node)
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        yield _with(node, op=ARITHMETIC[type(node.op)]())
    elif isinstance(node, ast.UnaryOp):
        yield node.operand
    elif isinstance(node, ast.Name) and node.id in PAIRS and field == "func":
        yield _with(node, id=PAIRS[node.id])
    elif isinstance(node, ast.stmt):
        yield from _statements(node)
    is_test = field == "test" or (field == "ifs" and isinstance(owner, ast.comprehension))
    if is_test and not isinstance(node, ast.Compare | ast.UnaryOp):
        yield ast.UnaryOp(ast.Not(), node)


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
        yield ast.Constant(value - 1)
    elif isinstance(value, str) and " " not in value.strip():
        yield ast.Constant(f"x{value}")
    elif isinstance(value, bytes):
        yield ast.Constant(b"x" + value)


def _comparisons(node: ast.Compare) -> Iterator[ast.AST]:
    for place, one in enumerate(node.ops):
        for other in COMPARE[type(one)]:
            yield _with(node, ops=[*node.ops[:place], other(), *node.ops[place + 1 :]])


def _conditions(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for place in range(len(node.values)):
        rest = [*node.values[:place], *node.values[place + 1 :]]
        yield rest[0] if len(rest) == 1 else _with(node, values=rest)


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, ast.Return):
        nothing = isinstance(node.value, ast.Constant) and node.value.value is None
        if node.value is not None and not nothing:
            yield _with(node, value=ast.Constant(None))
    elif isinstance(node, ast.Expr | ast.AugAssign | ast.Raise | ast.Delete):
        yield ast.Pass()
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.Break):
        yield ast.Continue()
    elif isinstance(node, ast.Assign) and not isinstance(node.targets[0], ast.Name):
        yield ast.Pass()


def _with(node: Any, **changes: Any) -> Any:
    made = copy.copy(node)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def _short(node: Any) -> str:
    if node is None:
        return "left out"
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 160 else f"{text[:159]}…"
