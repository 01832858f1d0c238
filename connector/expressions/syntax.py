"""From text to a checked syntax tree: Jinja2's parser, and a list of what is allowed.

Nothing is computed here. The tree is Jinja's own, with two changes made in the lexer: numbers with
a dot become Decimal with every digit kept, and the line number of each node is in truth its offset
in the source.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from connector.errors import ExpressionError
from connector.expressions.limits import (
    MAX_DEPTH,
    MAX_LOOPS,
    MAX_NESTING,
    MAX_NODES,
    MAX_SOURCE,
    MAX_TOKENS,
)
from connector.expressions.values import clip, fit_decimal, fit_int

if TYPE_CHECKING:
    from jinja2 import Environment, nodes
    from jinja2.lexer import Token

_STATEMENTS: Final = "Template Output TemplateData If For Assign"
_EXPRESSIONS: Final = (
    "Name Const List Tuple Dict Pair Getattr Getitem Slice CondExpr Filter Test Call Keyword "
    "Concat Compare Operand And Or Not Neg Pos Add Sub Mul Div FloorDiv Mod"
)
_ALLOWED: Final = frozenset(f"{_STATEMENTS} {_EXPRESSIONS}".split())
_REFUSED: Final = {
    "Pow": "'**' is not available.",
    "Macro": "Macros are not available.",
    "CallBlock": "{% call %} is not available.",
    "FilterBlock": "{% filter %} is not available; use | on a value.",
    "AssignBlock": "{% set %} needs a value on the same line: {% set name = … %}.",
    "NSRef": "{% set %} can only make new names.",
    "FromImport": "{% from %} is not available.",
    "Scope": "{% autoescape %} is not available.",
    "With": "{% with %} is not available; use {% set %}.",
}
_ESCAPE: Final = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_SIMPLE_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_LONGEST_NUMBER: Final = 300
_OPENS: Final = frozenset("([{")
_CLOSES: Final = frozenset(")]}")


def parse(source: str) -> nodes.Template:
    """The checked syntax tree of a source. Raises ExpressionError."""
    from jinja2 import TemplateSyntaxError
    from jinja2.parser import Parser

    _check_source(source)
    try:
        tree = Parser(_environment(), source).parse()
    except TemplateSyntaxError as error:
        at_end = "end of template" in (error.message or "").lower()
        raise _syntax_error(source, len(source) if at_end else error.lineno) from None
    except RecursionError:
        raise _nested() from None
    check(tree)
    return tree


def _check_source(source: str) -> None:
    try:
        size = len(source) if len(source) > MAX_SOURCE else len(source.encode())
    except UnicodeEncodeError as error:
        raise ExpressionError(
            "The expression holds half a character (a lone surrogate).", offset=error.start
        ) from None
    if size > MAX_SOURCE:
        raise ExpressionError(
            f"The expression is longer than {MAX_SOURCE // 1024} KiB.",
            remedy="Split it into several fields or steps.",
        )


def _nested(offset: int | None = None) -> ExpressionError:
    return ExpressionError(
        f"Brackets, signs or blocks lie more than {MAX_NESTING} levels inside each other.",
        remedy="Make the expression simpler.",
        offset=offset,
    )


def _too_many_parts() -> ExpressionError:
    return ExpressionError(
        f"The expression has more than {MAX_NODES} parts.",
        remedy="Split it into several fields or steps.",
    )


def _syntax_error(source: str, offset: int) -> ExpressionError:
    """Our own sentence for what Jinja's parser stumbled over, by the place alone."""
    offset = min(max(offset, 0), len(source))
    rest = source[offset:].split(maxsplit=1)
    if not rest:
        return ExpressionError(
            "The expression ends too early.",
            remedy="A closing }}, %}, bracket, quote or {% end… %} is missing.",
            offset=offset,
        )
    return ExpressionError(
        f"The expression cannot be read at '{clip(rest[0])}'.",
        remedy="Look for a missing bracket, quote, comma or operator before it.",
        offset=offset,
    )


# --- lexer ----------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """A Jinja environment that only parses."""
    from jinja2 import Environment
    from jinja2.lexer import Lexer, Token

    class ExactLexer(Lexer):
        """Keeps offsets and every digit, and counts the nesting before the parser recurses."""

        def wrap(
            self,
            stream: Iterable[tuple[int, str, str]],
            name: str | None = None,
            filename: str | None = None,
        ) -> Iterator[Token]:
            nesting = _Nesting()
            for offset, kind, text in _with_offsets(stream):
                nesting.see(offset, kind, text)
                if kind in _OWN_TOKENS:
                    yield Token(offset, kind, _OWN_TOKENS[kind](text, offset))
                else:
                    yield from super().wrap([(offset, kind, text)], name, filename)

    class ParsingEnvironment(Environment):
        """An environment whose lexer is ours."""

        @property
        def lexer(self) -> Lexer:
            return lexer

    environment = ParsingEnvironment(autoescape=False, keep_trailing_newline=True)
    lexer = ExactLexer(environment)
    return environment


def _with_offsets(stream: Iterable[tuple[int, str, str]]) -> Iterator[tuple[int, str, str]]:
    """The raw tokens with their offset instead of their line.

    Whitespace and comments are tokens as well, so the lengths add up to the place, but for line
    ends (Jinja makes one character of two) and blanks that `{%-` removes. There the offset may be
    a few characters too small; it only serves error messages.
    """
    from jinja2 import TemplateSyntaxError

    offset = 0
    try:
        for _line, kind, text in stream:
            yield offset, kind, text
            offset += len(text)
    except TemplateSyntaxError as error:
        error.lineno = offset
        raise


class _Nesting:
    """Counts what makes Jinja's parser call itself."""

    def __init__(self) -> None:
        self.tokens = 0
        self.brackets = 0
        self.blocks = 0
        self.signs = 0
        self.elses = 0
        self.block_name = False

    def see(self, offset: int, kind: str, text: str) -> None:
        """Take note of one token; raises when it lies too deep."""
        if kind == "whitespace":
            return
        self.tokens += 1
        if self.tokens > MAX_TOKENS:
            raise _too_many_parts()
        if kind == "operator" and text in _OPENS:
            self.brackets += 1
        elif kind == "operator" and text in _CLOSES:
            self.brackets -= 1
        elif kind in ("variable_begin", "block_begin"):
            self.elses = 0
        elif self.block_name and text in ("if", "for"):
            self.blocks += 1
        elif self.block_name and text in ("endif", "endfor"):
            self.blocks -= 1
        self.elses += kind == "name" and text == "else" and not self.block_name
        is_sign = (kind == "operator" and text in "+-") or (kind == "name" and text == "not")
        self.signs = self.signs + 1 if is_sign else 0
        self.block_name = kind == "block_begin"
        if max(self.brackets, self.blocks, self.signs, self.elses) > MAX_NESTING:
            raise _nested(offset)


def _name(text: str, offset: int) -> str:
    if not text.isidentifier():
        raise ExpressionError(f"'{clip(text)}' is not a name.", offset=offset)
    return text


def _string(text: str, offset: int) -> str:
    """A quoted text with its escapes resolved; unknown escapes stay as they are written."""

    def resolve(match: re.Match[str]) -> str:
        code = match[1] or match[2] or match[3]
        if code is None:
            return _SIMPLE_ESCAPES.get(match[4], match[0] if match[4] != "\n" else "")
        number = int(code, 16)
        if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise ExpressionError(f"'\\{clip(code)}' is not a character.", offset=offset)
        return chr(number)

    return _ESCAPE.sub(resolve, text[1:-1])


def _integer(text: str, offset: int) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ExpressionError("A whole number is too long.", offset=offset)
    return fit_int(int(text.replace("_", ""), 0))


def _decimal(text: str, offset: int) -> Decimal:
    if len(text) > _LONGEST_NUMBER:
        raise ExpressionError("A number is too long.", offset=offset)
    return fit_decimal(Decimal(text.replace("_", "")))


_OWN_TOKENS: Final[dict[str, Any]] = {
    "name": _name,
    "string": _string,
    "integer": _integer,
    "float": _decimal,
}


# --- allow-list -----------------------------------------------------------------------------------


def check(tree: nodes.Template) -> None:
    """Refuse every tree that is too large, too deep, or holds what is not on the list."""
    count = 0
    waiting: list[tuple[nodes.Node, int, int]] = [(tree, 1, 0)]
    while waiting:
        node, depth, loops = waiting.pop()
        kind = type(node).__name__
        count += 1
        loops += kind == "For"
        if count > MAX_NODES:
            raise _too_many_parts()
        if depth > MAX_DEPTH:
            raise ExpressionError(
                f"The expression is more than {MAX_DEPTH} levels deep.",
                remedy="Shorten its longest chain of operators, keys or filters.",
                offset=node.lineno,
            )
        if loops > MAX_LOOPS:
            raise ExpressionError(
                f"Loops lie more than {MAX_LOOPS} levels inside each other.", offset=node.lineno
            )
        _check_node(kind, node)
        waiting.extend((child, depth + 1, loops) for child in node.iter_child_nodes())


def _check_node(kind: str, node: Any) -> None:
    if kind not in _ALLOWED:
        sentence = _REFUSED.get(kind, f"{{% {kind.lower()} %}} is not available.")
        raise ExpressionError(sentence, offset=node.lineno)
    if kind == "Name":
        _check_name(node.name, node)
    elif kind == "Getattr":
        _check_name(node.attr, node)
    elif kind == "Getitem" and type(node.arg).__name__ == "Const":
        _check_name(node.arg.value, node)
    elif kind == "Pair" and type(node.key).__name__ == "Const":
        _check_name(node.key.value, node)
    elif kind == "Keyword":
        _check_name(node.key, node)
    elif kind in ("Filter", "Test", "Call"):
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise ExpressionError("* and ** arguments are not available.", offset=node.lineno)
        if kind != "Call":
            _check_name(node.name, node)
    elif kind == "For" and node.recursive:
        raise ExpressionError("Recursive loops are not available.", offset=node.lineno)


def _check_name(name: object, node: nodes.Node) -> None:
    if isinstance(name, str) and is_private(name):
        raise private_name(name, node.lineno)


def is_private(name: str) -> bool:
    """Whether a name begins with an underscore, however that is spelled in Unicode."""
    first = name[:1]
    return first == "_" or (not first.isascii() and unicodedata.normalize("NFKC", first)[:1] == "_")


def private_name(name: str, offset: int | None = None) -> ExpressionError:
    """The error for a name that begins with an underscore."""
    return ExpressionError(
        f"'{clip(name)}' begins with an underscore.",
        remedy="Such names and keys are out of reach of expressions.",
        offset=offset,
    )
