"""The doors of this room: `compile_expression`, `Expression` and `evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from connector import paths
from connector.errors import ExpressionError
from connector.expressions.compiler import Compiler
from connector.expressions.filter import Filter
from connector.expressions.filters import builtin_filters
from connector.expressions.frames import Frame
from connector.expressions.limits import Budget, Purse
from connector.expressions.lookups import Key, at_once
from connector.expressions.statements import body
from connector.expressions.syntax import parse
from connector.expressions.values import clip
from connector.paths import ABSENT

_REMEMBERED: Final = 512  # compiled sources; a large one takes about 100 KB
_Work = Callable[[Frame], Any]


class Expression:
    """A text that was read and checked once, and can be evaluated many times, in any thread."""

    __slots__ = ("_path", "_roots", "_slots", "_work", "references", "source")

    def __init__(
        self,
        source: str,
        work: _Work | None = None,
        references: Mapping[str, int] | None = None,
        roots: Mapping[str, int] | None = None,
        slots: int = 0,
        path: tuple[Key, ...] | None = None,
    ) -> None:
        self.source = source
        self.references = tuple(references or ())
        """The places of the context that it reads, as dotted paths, in the order of the text."""
        self._work = work
        self._roots = dict(roots or {})
        self._slots = slots
        self._path = path

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"

    @property
    def is_literal(self) -> bool:
        """Whether it is a plain text without `{{` and `{%`, which stands for itself."""
        return self._work is None

    def evaluate(
        self,
        context: Mapping[str, Any],
        *,
        now: datetime | None = None,
        budget: Budget | None = None,
        purse: Purse | None = None,
    ) -> Any:
        """The value for this data: typed for a lone `{{ … }}`, else text.

        `now` is the recorded time of the run. Raises ExpressionError, and what the purse raises.
        """
        work = self._work
        if work is None:
            return self.source
        if self._path is not None and budget is None:
            value = at_once(context, self._path)
            if value is not ABSENT:
                return value
        if budget is None:
            budget = Budget() if purse is None else purse.budget()
        frame = Frame(context, budget, now, self._slots)
        try:
            return work(frame)
        except RecursionError:
            raise ExpressionError("The expression lies too deep inside other work.") from None

    def check_names(self, names: Collection[str]) -> None:
        """Raise ExpressionError when it begins a path with none of these names."""
        for root, offset in self._roots.items():
            if root not in names:
                raise ExpressionError(
                    f"There is nothing called '{clip(root)}' here.",
                    remedy=paths.did_you_mean(clip(root), names),
                    field=clip(root),
                    offset=offset,
                )


def evaluate(
    source: str,
    context: Mapping[str, Any],
    *,
    now: datetime | None = None,
    filters: Mapping[str, Filter] | None = None,
) -> Any:
    """The value of an expression for this data. Raises ExpressionError."""
    return compile_expression(source, filters=filters).evaluate(context, now=now)


def compile_expression(
    source: str,
    *,
    names: Collection[str] | None = None,
    filters: Mapping[str, Filter] | None = None,
) -> Expression:
    """Read an expression and check all that can be checked without data. Raises ExpressionError.

    `names` are the roots that will exist; `filters` replace the built-in ones.
    """
    if "{{" not in source and "{%" not in source:
        return Expression(source)
    made = _compiled(source, None if filters is None else tuple(filters.items()))
    if names is not None:
        made.check_names(names)
    return made


@lru_cache(maxsize=_REMEMBERED)
def _compiled(source: str, filters: tuple[tuple[str, Filter], ...] | None) -> Expression:
    tree = parse(source)
    compiler = Compiler(builtin_filters() if filters is None else dict(filters))
    lone = _lone(tree.body)
    work = _typed(compiler, lone) if lone is not None else _text(compiler, tree.body)
    names = compiler.names
    path = compiler.whole_path(lone) if lone is not None else None
    return Expression(
        source, work, _by_offset(names.references), _by_offset(names.roots), names.slots, path
    )


def _by_offset(found: dict[str, int]) -> dict[str, int]:
    return dict(sorted(found.items(), key=lambda item: item[1]))


def _lone(statements: list[Any]) -> Any | None:
    """The one expression of a source that holds nothing else but blanks around it."""
    if len(statements) != 1 or type(statements[0]).__name__ != "Output":
        return None
    parts = [
        one
        for one in statements[0].nodes
        if type(one).__name__ != "TemplateData" or one.data.strip()
    ]
    if len(parts) != 1 or type(parts[0]).__name__ == "TemplateData":
        return None
    return parts[0]


def _typed(compiler: Compiler, node: Any) -> _Work:
    value_of = compiler.strict(node)

    def typed(frame: Frame) -> Any:
        return frame.output.release(value_of(frame))

    return typed


def _text(compiler: Compiler, statements: list[Any]) -> _Work:
    write = body(compiler, statements)

    def text(frame: Frame) -> str:
        write(frame)
        return "".join(frame.parts)

    return text
