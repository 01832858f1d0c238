"""From a checked syntax tree to closures of ours; nothing of Jinja runs after this.

Every node becomes a function of the Frame. `strict` gives one that never returns Missing, `soft`
one that may; only lookups, and what passes a value through, differ between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from connector import paths
from connector.errors import ExpressionError
from connector.expressions import arithmetic, calls, lookups
from connector.expressions.filter import Filter
from connector.expressions.frames import UNSET, Closure, Frame, located
from connector.expressions.scopes import Names
from connector.expressions.values import Missing, Plain, fit_text, text_of

if TYPE_CHECKING:
    from jinja2 import nodes


class Compiler:
    """Turns the expressions of one source into closures."""

    def __init__(self, filters: Mapping[str, Filter]) -> None:
        self.filters = filters
        self.names = Names()
        self._nodes: dict[str, Callable[[Any, bool], Closure]] = {
            "Const": self._const,
            "Name": self._lookup,
            "Getattr": self._lookup,
            "Getitem": self._lookup,
            "List": self._list,
            "Tuple": self._list,
            "Dict": self._dict,
            "CondExpr": self._choice,
            "Filter": self._filter,
            "Test": self._test,
            "Call": self._call,
            "Concat": self._concat,
            "Compare": self._compare,
            "And": self._and,
            "Or": self._or,
            "Not": self._not,
            "Neg": self._sign,
            "Pos": self._sign,
        }

    def strict(self, node: nodes.Node) -> Closure:
        """The closure of a node whose value must exist."""
        return self._compile(node, True)

    def whole_path(self, node: Any) -> tuple[lookups.Key, ...] | None:
        """The keys of a node that is nothing but a path into the context, all known beforehand."""
        steps: list[lookups.Key] = []
        while type(node).__name__ in ("Getattr", "Getitem"):
            key = node.attr if type(node).__name__ == "Getattr" else calls.constant(node.arg)
            if type(key) is not str and type(key) is not int:
                return None
            steps.insert(0, key)
            node = node.node
        return (node.name, *steps) if type(node).__name__ == "Name" else None

    def soft(self, node: nodes.Node) -> Closure:
        """The closure of a node whose value may be Missing."""
        return self._compile(node, False)

    def _compile(self, node: nodes.Node, strict: bool) -> Closure:
        kind = type(node).__name__
        if kind in arithmetic.MATH:
            return self._math(kind, node)
        make = self._nodes.get(kind)
        if make is None:
            raise ExpressionError("This cannot stand here.", offset=node.lineno)
        return make(node, strict)

    # --- literals ---------------------------------------------------------------------------

    def _const(self, node: nodes.Const, strict: bool) -> Closure:
        value = node.value

        def const(frame: Frame) -> Plain:
            frame.budget.step()
            return value

        return const

    def _list(self, node: nodes.List | nodes.Tuple, strict: bool) -> Closure:
        items = [self.strict(item) for item in node.items]

        def make_list(frame: Frame) -> Plain:
            frame.budget.rows(len(items))
            frame.budget.step()
            return [item(frame) for item in items]

        return make_list

    def _dict(self, node: nodes.Dict, strict: bool) -> Closure:
        pairs = [
            (self.strict(pair.key), self.strict(pair.value), pair.lineno) for pair in node.items
        ]

        def make_dict(frame: Frame) -> Plain:
            frame.budget.entries(len(pairs))
            frame.budget.step()
            made = {}
            for key, value, offset in pairs:
                made[_located_key(key(frame), offset)] = value(frame)
            return made

        return make_dict

    # --- lookups ----------------------------------------------------------------------------

    def _lookup(self, node: Any, strict: bool) -> Closure:
        offset = node.lineno
        steps: list[lookups.Key | Closure] = []
        while type(node).__name__ in ("Getattr", "Getitem"):
            if type(node).__name__ == "Getitem" and type(node.arg).__name__ == "Slice":
                if not steps:
                    return calls.cut(self, node)
                break
            steps.insert(0, self._step(node))
            offset = node.lineno if type(node).__name__ == "Getitem" else offset
            node = node.node
        if type(node).__name__ != "Name":
            return lookups.from_anywhere(self.soft(node), steps, ("",), offset, strict)
        slot = self.names.find(node.name)
        if slot is not None:
            return self._variable(node.name, slot, steps, node.lineno, strict)
        return self._from_context([node.name, *steps], node.lineno, strict)

    def _step(self, node: Any) -> lookups.Key | Closure:
        if type(node).__name__ == "Getattr":
            return str(node.attr)
        value = calls.constant(node.arg)
        if type(value) is str or type(value) is int:
            return value
        return self.strict(node.arg)

    def _from_context(
        self, steps: list[lookups.Key | Closure], offset: int, strict: bool
    ) -> Closure:
        known: list[lookups.Key] = []
        for step in steps:
            if not isinstance(step, str | int):
                break
            known.append(step)
        self.names.read(tuple(known), offset)
        if len(known) == len(steps):
            return lookups.from_context(tuple(known), offset, strict)
        return lookups.from_anywhere(None, steps, (), offset, strict)

    def _variable(
        self, name: str, slot: int, steps: list[lookups.Key | Closure], offset: int, strict: bool
    ) -> Closure:
        def variable(frame: Frame) -> Any:
            frame.budget.step()
            value = frame.slots[slot]
            if value is not UNSET:
                return value
            missing = Missing(because=f"'{name}' was not set on this way.", offset=offset)
            if strict:
                raise missing.error()
            return missing

        if not steps:
            return variable
        return lookups.from_anywhere(variable, steps, (name,), offset, strict)

    # --- operators --------------------------------------------------------------------------

    def _math(self, kind: str, node: Any) -> Closure:
        left, right = self.strict(node.left), self.strict(node.right)
        work, offset = arithmetic.MATH[kind], node.lineno

        def math(frame: Frame) -> Plain:
            budget = frame.budget
            budget.step()
            one, two = left(frame), right(frame)
            try:
                return work(one, two, budget)
            except ExpressionError as error:
                raise located(error, offset) from None

        return math

    def _sign(self, node: Any, strict: bool) -> Closure:
        operand, offset = self.strict(node.node), node.lineno
        work = arithmetic.negative if type(node).__name__ == "Neg" else arithmetic.positive

        def sign(frame: Frame) -> Plain:
            frame.budget.step()
            value = operand(frame)
            try:
                return work(value)
            except ExpressionError as error:
                raise located(error, offset) from None

        return sign

    def _concat(self, node: nodes.Concat, strict: bool) -> Closure:
        parts, offset = [self.strict(part) for part in node.nodes], node.lineno

        def concat(frame: Frame) -> Plain:
            try:
                texts = [text_of(part(frame)) for part in parts]
                wide = not all(text.isascii() for text in texts)
                frame.budget.step()
                frame.budget.text(sum(map(len, texts)), wide)
                return fit_text("".join(texts))
            except ExpressionError as error:
                raise located(error, offset) from None

        return concat

    def _compare(self, node: nodes.Compare, strict: bool) -> Closure:
        # Jinja gives a comparison the place of its end.
        first, offset = self.strict(node.expr), node.expr.lineno
        rest = [(arithmetic.COMPARE[one.op], self.strict(one.expr)) for one in node.ops]

        def compare(frame: Frame) -> bool:
            budget = frame.budget
            left = first(frame)
            for work, operand in rest:
                budget.step()
                right = operand(frame)
                try:
                    if not work(left, right, budget):
                        return False
                except ExpressionError as error:
                    raise located(error, offset) from None
                left = right
            return True

        return compare

    def _and(self, node: nodes.And, strict: bool) -> Closure:
        left, right = self.strict(node.left), self._compile(node.right, strict)

        def both(frame: Frame) -> Any:
            frame.budget.step()
            return left(frame) and right(frame)

        return both

    def _or(self, node: nodes.Or, strict: bool) -> Closure:
        left, right = self.strict(node.left), self._compile(node.right, strict)

        def either(frame: Frame) -> Any:
            frame.budget.step()
            return left(frame) or right(frame)

        return either

    def _not(self, node: nodes.Not, strict: bool) -> Closure:
        operand = self.strict(node.node)

        def negate(frame: Frame) -> bool:
            frame.budget.step()
            return not operand(frame)

        return negate

    def _choice(self, node: nodes.CondExpr, strict: bool) -> Closure:
        test, offset = self.strict(node.test), node.lineno
        then = self._compile(node.expr1, strict)
        otherwise = self._compile(node.expr2, strict) if node.expr2 is not None else None

        def choose(frame: Frame) -> Any:
            frame.budget.step()
            if test(frame):
                return then(frame)
            if otherwise is not None:
                return otherwise(frame)
            missing = Missing(
                because="The condition does not hold, and there is no else.", offset=offset
            )
            if strict:
                raise missing.error()
            return missing

        return choose

    # --- filters, tests, calls ----------------------------------------------------------------

    def _filter(self, node: nodes.Filter, strict: bool) -> Closure:
        return calls.filtered(self, node, strict)

    def _test(self, node: nodes.Test, strict: bool) -> Closure:
        return calls.tested(self, node)

    def _call(self, node: nodes.Call, strict: bool) -> Closure:
        return calls.called(self, node, strict)

    def source_path(self, node: Any) -> str | None:
        """The place of the context that a chain of filters and lookups begins with."""
        keys: list[lookups.Key] = []
        while node is not None and type(node).__name__ != "Name":
            kind = type(node).__name__
            if kind == "Getattr":
                keys.insert(0, node.attr)
            elif kind == "Getitem" and isinstance(calls.constant(node.arg), str | int):
                keys.insert(0, calls.constant(node.arg))
            elif kind in ("Filter", "Getitem", "Test"):
                keys.clear()
            elif kind == "Call" and type(node.node).__name__ == "Getattr":
                keys.clear()
                node = node.node
            else:
                return None
            node = node.node
        if node is None or self.names.find(node.name) is not None:
            return None
        return paths.join([node.name, *keys])


def _located_key(value: Plain, offset: int) -> lookups.Key:
    if type(value) is str or type(value) is int:
        return value
    raise ExpressionError(
        "A key must be text or a whole number.", value_type=paths.kind(value), offset=offset
    )
