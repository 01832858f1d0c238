"""Compiling what stands between `{%` and `%}`, and the text around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.compiler import Compiler
from connector.expressions.frames import UNSET, Closure, Frame, Statement, located
from connector.expressions.scopes import RESERVED
from connector.expressions.values import Plain, clip, text_of

if TYPE_CHECKING:
    from jinja2 import nodes

Bind = Callable[[Frame, Plain], None]


def body(compiler: Compiler, statements: list[nodes.Node]) -> Statement:
    """Statements one after the other."""
    made = [_statement(compiler, one) for one in statements]

    def run(frame: Frame) -> None:
        for one in made:
            one(frame)

    return run if len(made) != 1 else made[0]


def _statement(compiler: Compiler, node: Any) -> Statement:
    kinds: dict[str, Callable[[Compiler, Any], Statement]] = {
        "Output": _output,
        "If": _if,
        "For": _for,
        "Assign": _assign,
    }
    make = kinds.get(type(node).__name__)
    if make is None:
        raise ExpressionError("This cannot stand here.", offset=node.lineno)
    return make(compiler, node)


def _output(compiler: Compiler, node: nodes.Output) -> Statement:
    def data(text: str) -> Closure:
        return lambda frame: text

    parts: list[tuple[Closure, int]] = [
        (
            data(str(one.data)) if type(one).__name__ == "TemplateData" else compiler.strict(one),  # type: ignore[attr-defined] # by its kind
            one.lineno,
        )
        for one in node.nodes
    ]

    def write(frame: Frame) -> None:
        for part, offset in parts:
            frame.budget.step()
            value = part(frame)
            try:
                frame.emit(text_of(value))
            except ExpressionError as error:
                raise located(error, offset) from None

    return write


def _if(compiler: Compiler, node: nodes.If) -> Statement:
    ways = [(compiler.strict(one.test), body(compiler, one.body)) for one in (node, *node.elif_)]
    otherwise = body(compiler, node.else_)

    def choose(frame: Frame) -> None:
        for test, way in ways:
            frame.budget.step()
            if test(frame):
                return way(frame)
        return otherwise(frame)

    return choose


def _assign(compiler: Compiler, node: nodes.Assign) -> Statement:
    value = compiler.strict(node.node)
    target: Any = node.target
    if type(target).__name__ != "Name":
        raise ExpressionError("{% set %} makes one name at a time.", offset=node.lineno)
    name, offset = target.name, target.lineno
    slot = compiler.names.assign(name, offset)

    def assign(frame: Frame) -> None:
        frame.budget.step()
        if name in frame.context:
            raise ExpressionError(
                f"'{clip(name)}' is taken: {{% set %}} can only make new names.",
                remedy="Choose another name.",
                offset=offset,
            )
        frame.slots[slot] = value(frame)

    return assign


# --- loops ----------------------------------------------------------------------------------------


def _for(compiler: Compiler, node: nodes.For) -> Statement:
    rows_of = compiler.strict(node.iter)
    field = compiler.source_path(node.iter)
    names = compiler.names
    otherwise = body(compiler, node.else_)
    first = names.enter()
    bind = _target(compiler, node.target)
    keep = None if node.test is None else compiler.strict(node.test)
    loop = names.bind("loop")
    run = body(compiler, node.body)
    names.leave()
    last, offset = names.slots, node.lineno
    uses_loop = any(one.name == "loop" for one in node.find_all(_name_class()))

    def repeat(frame: Frame) -> None:
        budget, slots = frame.budget, frame.slots
        value = rows_of(frame)
        try:
            rows = _rows(value, frame)
        except ExpressionError as error:
            raise located(error, offset, field) from None
        if keep is not None:
            rows = _kept(rows, bind, keep, frame)
        for index, row in enumerate(rows):
            budget.step()
            slots[first:last] = [UNSET] * (last - first)
            bind(frame, row)
            if uses_loop:
                budget.entries(7)
                slots[loop] = _loop(index, len(rows))
            run(frame)
        if not rows:
            otherwise(frame)

    return repeat


def _name_class() -> Any:
    from jinja2 import nodes

    return nodes.Name


def _rows(value: Plain, frame: Frame) -> list[Plain]:
    if type(value) is list:
        return value
    if type(value) is dict:
        frame.budget.rows(len(value))
        return list(value)
    if type(value) is str:
        frame.budget.rows(len(value))
        return list(value)
    raise ExpressionError(
        f"{paths.kind(value)} cannot be gone through row by row.".capitalize(),
        value_type=paths.kind(value),
    )


def _kept(rows: list[Plain], bind: Bind, keep: Closure, frame: Frame) -> list[Plain]:
    frame.budget.rows(len(rows))
    kept = []
    for row in rows:
        frame.budget.step()
        bind(frame, row)
        if keep(frame):
            kept.append(row)
    return kept


def _loop(index: int, length: int) -> dict[str, Plain]:
    return {
        "index": index + 1,
        "index0": index,
        "first": index == 0,
        "last": index == length - 1,
        "length": length,
        "revindex": length - index,
        "revindex0": length - index - 1,
    }


def _target(compiler: Compiler, node: Any) -> Bind:
    """What puts a row into the loop's variables, taking lists apart where there are several."""
    if type(node).__name__ == "Name":
        if node.name in RESERVED:
            raise ExpressionError(f"'{node.name}' is taken.", offset=node.lineno)
        slot = compiler.names.bind(node.name)

        def bind(frame: Frame, row: Plain) -> None:
            frame.slots[slot] = row

        return bind
    if type(node).__name__ != "Tuple":
        raise ExpressionError("A loop needs names to put its rows into.", offset=node.lineno)
    targets, offset = [_target(compiler, one) for one in node.items], node.lineno

    def unpack(frame: Frame, row: Plain) -> None:
        if type(row) is not list or len(row) != len(targets):
            rows = f"a list of {len(row)}" if type(row) is list else paths.kind(row)
            raise ExpressionError(
                f"The loop has {len(targets)} names, but a row is {rows}.",
                offset=offset,
                value_type=paths.kind(row),
            )
        for target, part in zip(targets, row, strict=True):
            target(frame, part)

    return unpack
