"""Compiling what looks like a call: filters, tests, methods, `now()` and slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.checks import checks
from connector.expressions.filter import Filter
from connector.expressions.frames import Closure, Frame, located
from connector.expressions.methods import METHOD_NAMES, METHODS
from connector.expressions.values import Missing, Plain, clip, fit_text

if TYPE_CHECKING:
    from jinja2 import nodes

    from connector.expressions.compiler import Compiler


def constant(node: Any) -> Any:
    """The value of a literal, a number with a sign included; None for everything else."""
    kind = type(node).__name__
    if kind == "Const":
        return node.value
    if kind == "Neg" and type(node.node).__name__ == "Const" and type(node.node.value) is int:
        return -node.node.value
    return None


# --- filters and tests ----------------------------------------------------------------------------


def filtered(compiler: Compiler, node: nodes.Filter, strict: bool) -> Closure:
    """`value | name(…)`."""
    assert node.node is not None  # the allow-list has no filter blocks
    chosen = _find("filter", node.name, compiler.filters, node.lineno)
    return _applied(compiler, node, chosen, strict)


def tested(compiler: Compiler, node: nodes.Test) -> Closure:
    """`value is name(…)`."""
    return _applied(compiler, node, _find("test", node.name, checks(), node.lineno), True)


def _find(word: str, name: str, known: Any, offset: int) -> Filter:
    found = known.get(name)
    if found is None:
        raise ExpressionError(
            f"There is no {word} called '{clip(name)}'.",
            remedy=paths.did_you_mean(clip(name), known),
            offset=offset,
        )
    assert isinstance(found, Filter)
    if found.prepare is not None:
        found.prepare()
    return found


def _applied(compiler: Compiler, node: Any, chosen: Filter, strict: bool) -> Closure:
    offset, field = node.lineno, compiler.source_path(node.node)
    keywords = [pair.key for pair in node.kwargs]
    if len(set(keywords)) < len(keywords):
        raise ExpressionError("An argument is given twice.", offset=offset)
    try:
        chosen.check_call(len(node.args), keywords)
        arguments = _arguments(compiler, node, chosen)
    except ExpressionError as error:
        raise located(error, offset) from None
    operand = compiler.soft(node.node) if chosen.accepts_missing else compiler.strict(node.node)
    named = [(pair.key, compiler.strict(pair.value)) for pair in node.kwargs]

    def apply(frame: Frame) -> Any:
        budget = frame.budget
        budget.step()
        value = operand(frame)
        args = [one(frame) for one in arguments] if arguments else ()
        options = {key: one(frame) for key, one in named} if named else {}
        try:
            result = chosen(budget, value, *args, **options)
            if strict and type(result) is Missing:
                raise result.error()
        except ExpressionError as error:
            raise located(error, offset, field) from error.__cause__
        return result

    return apply


def _arguments(compiler: Compiler, node: Any, chosen: Filter) -> list[Closure]:
    """The arguments; a filter or test that is given by its name is looked up here, at save time."""
    arguments = [compiler.strict(one) for one in node.args]
    if chosen.takes is None:
        return arguments
    word, position = chosen.takes
    if len(node.args) <= position:
        return arguments
    name = constant(node.args[position])
    if not isinstance(name, str):
        raise ExpressionError(
            f"The name of a {word} must be written out here.",
            remedy=f"It is written {chosen.signature}.",
        )
    known = compiler.filters if word == "filter" else checks()
    inner = _find(word, name, known, node.lineno)
    if inner.takes is not None:
        raise ExpressionError(f"'{name}' cannot be used inside of '{chosen.name}'.")
    keywords = [pair.key for pair in node.kwargs]
    inner.check_call(len(node.args) - position - 1, keywords)
    arguments[position] = lambda frame: inner
    return arguments


# --- methods and now() ----------------------------------------------------------------------------


def called(compiler: Compiler, node: nodes.Call, strict: bool) -> Closure:
    """`value.method(…)` from the fixed table, or `now()`."""
    target = node.node
    kind = type(target).__name__
    if kind == "Name" and target.name == "now" and compiler.names.find("now") is None:  # type: ignore[attr-defined] # by its kind
        return _now(node)
    if kind != "Getattr":
        raise ExpressionError(
            "Only now() and the methods of texts, lists and objects can be called.",
            remedy="Filters are written with a bar: value | filter.",
            offset=node.lineno,
        )
    return _method(compiler, node, target, strict)


def _now(node: nodes.Call) -> Closure:
    offset = node.lineno
    if node.args or node.kwargs:
        raise ExpressionError(
            "now() takes no arguments.", remedy="Use now() | date('%d/%m/%Y').", offset=offset
        )

    def now(frame: Frame) -> Plain:
        frame.budget.step()
        if frame.now is None:
            raise ExpressionError(
                "now() is only known while a flow runs.", who="developer", offset=offset
            )
        return frame.now.isoformat(timespec="seconds")

    return now


def _method(compiler: Compiler, node: nodes.Call, target: Any, strict: bool) -> Closure:
    name, offset = target.attr, node.lineno
    if name not in METHOD_NAMES:
        raise ExpressionError(
            f"There is no method called '{clip(name)}'.",
            remedy=paths.did_you_mean(clip(name), METHOD_NAMES),
            offset=offset,
        )
    if node.kwargs:
        raise ExpressionError(f".{name}() takes its arguments without names.", offset=offset)
    value_of, field = compiler.strict(target.node), compiler.source_path(target.node)
    arguments = [compiler.strict(one) for one in node.args]

    def call(frame: Frame) -> Any:
        budget = frame.budget
        budget.step()
        value = value_of(frame)
        args = [one(frame) for one in arguments]
        try:
            method = METHODS.get((type(value), name))
            if method is None:
                raise ExpressionError(
                    f"{paths.kind(value)} has no method '{name}'.".capitalize(),
                    value_type=paths.kind(value),
                )
            result = method(budget, value, *args)
            return fit_text(result) if type(result) is str else result
        except ExpressionError as error:
            raise located(error, offset, field) from None
        except TypeError:
            raise ExpressionError(
                f"The arguments of .{name}() do not fit.",
                offset=offset,
                field=field,
                value_type=paths.kind(value),
            ) from None

    return call


# --- slices ---------------------------------------------------------------------------------------


def cut(compiler: Compiler, node: Any) -> Closure:
    """`value[start:stop:step]` of a text or a list."""
    base, offset = compiler.strict(node.node), node.lineno
    field = compiler.source_path(node.node)
    bounds = [
        None if one is None else compiler.strict(one)
        for one in (node.arg.start, node.arg.stop, node.arg.step)
    ]

    def slice_of(frame: Frame) -> Plain:
        budget = frame.budget
        budget.step()
        value = base(frame)
        limits = [None if one is None else one(frame) for one in bounds]
        try:
            part = _slice(limits)
            if type(value) is str:
                budget.text(len(range(*part.indices(len(value)))), not value.isascii())
            elif type(value) is list:
                budget.rows(len(range(*part.indices(len(value)))))
            else:
                raise ExpressionError(
                    f"{paths.kind(value)} cannot be cut.".capitalize(),
                    value_type=paths.kind(value),
                )
            return value[part]
        except ExpressionError as error:
            raise located(error, offset, field) from None

    return slice_of


def _slice(limits: list[Plain]) -> slice:
    for limit in limits:
        if limit is not None and type(limit) is not int:
            raise ExpressionError(
                "The bounds of a slice must be whole numbers.", value_type=paths.kind(limit)
            )
    if limits[2] == 0:
        raise ExpressionError("The step of a slice cannot be zero.")
    return slice(*limits)
