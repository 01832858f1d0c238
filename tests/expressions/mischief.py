"""Unpleasant data, and attacks on the evaluator drawn from a seed.

An attack is a source and the kind of it. Every registered filter, test and method is put to every
kind of value that could make it grow, run long, or give away what it must not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

from connector.expressions.checks import checks
from connector.expressions.filter import Filter
from connector.expressions.limits import MAX_SOURCE
from connector.expressions.methods import METHODS

SECRET = "s3cr3t-t0ken"
KIB = 1024


class Thing:
    """An object with something to hide, such as an HTTP answer."""

    secret = SECRET
    _hidden = SECRET

    def __str__(self) -> str:
        return SECRET

    def __getitem__(self, key: object) -> str:
        return SECRET

    def __eq__(self, other: object) -> bool:
        raise AssertionError("foreign code ran")

    __hash__ = None  # type: ignore[assignment] # nothing may hash it either

    def upper(self) -> str:
        return SECRET


class Text(str):
    """A text that is none: its methods are somebody else's."""

    __slots__ = ()

    def upper(self) -> str:
        return SECRET

    def __str__(self) -> str:
        return SECRET


def call() -> str:
    """A function that must never be called."""
    raise AssertionError("foreign code ran")


def unpleasant() -> dict[str, Any]:
    """Every kind of unpleasant data, as large as it may be."""
    text = "a" * (256 * KIB)
    deep: list[Any] = []
    shared: list[Any] = ["x" * 100]
    shared2: list[Any] = ["x" * 100]
    circle: list[Any] = []
    circle.append(circle)
    for _ in range(3_000):
        deep = [deep]
    for _ in range(60):
        shared, shared2 = [shared, shared], [shared2, shared2]
    return {
        "x": Thing(),
        "holder": {"x": Thing(), "_hidden": SECRET},
        "_secret": SECRET,
        "call": call,
        "text": text,
        "text2": text[:-1] + "b",
        "needle": "a" * 5_000 + "b" + "a" * 5_000,
        "blanks": "a " * (128 * KIB),
        "controls": "\x01" * (256 * KIB),
        "ligatures": "ﬃ" * 80_000,
        "percents": "%" * 4_000,
        "texts": ["a" * 200_000 + str(number) for number in range(20)] * 900,
        "texts2": ["a" * 200_000 + str(number) for number in range(20)] * 900,
        "rows": list(range(20_000)),
        "more": list(range(50_000)),
        "decimals": [Decimal(number) / 7 for number in range(19_000)],
        "colliding": [(2**61 - 1) * number for number in range(19_000)],
        "colliding2": [(2**61 - 1) * number for number in range(19_000)],
        "wide": {str(number): number for number in range(20_000)},
        "wide2": {str(number): number for number in range(20_000)},
        "long_keys": {"k" * 2_000 + str(number): number for number in range(5_000)},
        "deep": deep,
        "shared": shared,
        "shared2": shared2,
        "circle": circle,
        "huge_int": 1 << 4_000_000,
        "huge_decimal": Decimal("1e999999"),
        "tiny_decimal": Decimal("1e-999999"),
        "nan": Decimal("NaN"),
        "infinity": Decimal("Infinity"),
        "infinity_float": float("inf"),
    }


def more_unpleasant() -> dict[str, Any]:
    """The same, and what the generated attacks want besides."""
    dicts = [{"a": number % 7, "b": "x" * 20, "c": {"d": number}} for number in range(3_000)]
    return unpleasant() | {
        "half": "ab" * (64 * KIB),
        "wide_text": "è" * (128 * KIB),
        "astral": "😀" * (64 * KIB),
        "surrogates": "\ud800" * 80_000,
        "nul": "\x00" * (256 * KIB),
        "grows_folded": "ﷺ" * 80_000,
        "grows_lowered": "İ" * 80_000,
        "marks": "a" + "\u0301" * 100_000,
        "digits": "9" * (256 * KIB),
        "commas": "1," * (128 * KIB),
        "dotted": "1.234." * 40_000 + ",56",
        "lines": "a\n" * 15_000,
        "brackets": "(" * (256 * KIB),
        "quotes": '"\\' * (128 * KIB),
        "patterns": "%1000s%.1000f" * 700,
        "many_places": "%s" * 5_000,
        "keys": ".".join(["a"] * 100),
        "date": "2026-02-29T25:61:61+99:99",
        "last_date": "9999-12-31",
        "moment": "2026-01-01T00:00:00Z",
        "zone": "../../../etc/passwd",
        "big_int": 2**256 - 1,
        "small_int": -(2**256) + 1,
        "long_decimal": Decimal("9" * 100),
        "thin_decimal": Decimal("1e-100"),
        "zero": Decimal("-0E+999999"),
        "float": 1e308,
        "subtext": Text("x"),
        "dicts": dicts,
        "pairs": [[number, "v" * 10] for number in range(9_000)],
        "mixed": [None, True, 1, Decimal("1.5"), "a", [1], {"a": 1}] * 2_000,
        "nested": [[[[[number] * 5] * 5] * 5] * 5 for number in range(10)],
        "two_names": {1: "int", "1": "text", "": 0, ".": 1, "a.b": 2},
        "none": None,
    }


class Attack(NamedTuple):
    """A source, and what it tries."""

    kind: str
    source: str


OPERANDS = (
    "text text2 needle blanks controls ligatures percents texts rows more decimals colliding wide "
    "long_keys deep shared circle huge_int huge_decimal tiny_decimal nan infinity half wide_text "
    "astral surrogates nul grows_folded grows_lowered marks digits commas dotted lines brackets "
    "quotes patterns many_places keys date last_date moment zone big_int small_int long_decimal "
    "thin_decimal zero float subtext dicts pairs mixed nested two_names none x holder call missing "
    "_secret holder.x dicts[0] rows[0] texts[0] [x] [text,text] {'a':text} [rows,rows] [wide,wide2]"
).split()
ARGUMENTS = (
    "0 1 -1 2 7 99 1000 1001 20000 20001 262144 999999999 -999999999 1.5 1e99 -0.0 "
    "57896044618658097711785492504343953926634992332820282019728792003956564819967 "
    "none true false '' 'a' ' ' '%' '.' ',' 'a.b' '0' '_hidden' '__class__' 'secret' 'map' "
    "'length' "
    "'upper' 'replace' 'sort' 'string' 'in' 'eq' '%1000s' '%d' 'it' '../it' '\\x00' '\\n' [] {} [1]"
).split()
KEYWORDS = (
    "attribute default reverse case_sensitive width first blank count length end leeway fill_with "
    "start precision method format lang decimals grouping maxsplit sep d chars _x secret"
).split()
OPERATORS = [*"+ - * / // % ~ == != < <= > >= in and or".split(), "not in"]

# What makes a text or a list larger, with A for what there is.
GROWTH = """
A ~ A
A + A
A * 9
9 * A
[A] * 99
[A, A, A]
A | join(A)
A | replace('a', A)
A | replace('', A)
A.replace('', 'bb')
A | list
A | lines
A | split
A.split('a')
A | indent(1000)
A | center(1000)
A.ljust(1000)
A.zfill(1000)
A | format(A)
'%s%s%s' | format(A, A, A)
A | tojson
[A] | tojson
A | string
A | upper
A | title
A | slug
A.join([A, A])
{'k': A, 'l': A}
A | map('string') | join(A)
A | map('default', A) | list
A | batch(2, A)
A | slice(999, A)
A | reverse
A | sort
A | unique
A[::-1]
A | groupby(0, default=A)
""".split("\n")[1:-1]

BASES = (
    "'' [] {} () 1 1.5 true none x holder holder.x call now() loop now self text rows subtext "
    "[x] [holder]"
).split()
ACCESS = """
{{ B[K] }}
{{ B[K][K] }}
{{ B[K]() }}
{{ B[[K] | first] }}
{{ B.get(K) }}
{{ B | attr(K) }}
{{ B is K }}
{{ B == B[K] }}
{{ B in [B[K]] }}
{{ B ~ B[K] }}
{{ B | string ~ K }}
{{ B | tojson ~ K }}
{{ B.upper() ~ B[K] }}
{{ (B[K] | default('a')) ~ B }}
{{ '%s' | format(B[K]) }}
{{ {K: B} }}
{{ {K: B}[K] }}
{{ [B] | map(K) }}
{{ [B] | select(K) }}
{{ [B] | map(attribute=K) }}
{{ [B] | sort(attribute=K) }}
{{ [B] | sum(attribute=K) }}
{{ [B] | join(attribute=K) }}
{{ [B] | unique(attribute=K) }}
{{ [B] | min(attribute=K) }}
{{ [B] | groupby(K) }}
{{ [B] | selectattr(K) }}
{{ [B] | rejectattr(K) }}
{% set k = K %}{{ B[k] }}
{% for k in [K] %}{{ B[k] }}{% endfor %}
""".split("\n")[1:-1]
HIDDEN = "__class__ __init__ __globals__ __dict__ __mro__ _hidden _secret secret x.secret".split()


def spelled(name: str, draw: Random) -> str:
    """A name as an expression, so that no list of forbidden words would know it."""
    half = len(name) // 2
    ways: tuple[Callable[[], str], ...] = (
        lambda: f"'{name}'",
        lambda: f"'{name[:half]}' ~ '{name[half:]}'",
        lambda: f"'{name[:half]}' + '{name[half:]}'",
        lambda: f"'{name[::-1]}'[::-1]",
        lambda: f"'{name[::-1]}' | reverse",
        lambda: f"['{name[:half]}', '{name[half:]}'] | join",
        lambda: f"''.join(['{name[:half]}', '{name[half:]}'])",
        lambda: f"'%s%s' | format('{name[:half]}', '{name[half:]}')",
        lambda: "'" + "".join(f"\\x{ord(one):02x}" for one in name) + "'",
        lambda: "'" + "".join(f"\\u{ord(one):04x}" for one in name) + "'",
        lambda: f"'{name.upper()}' | lower",
        lambda: f"'{name.replace('_', '-')}' | replace('-', '_')",
        lambda: f"'{name.replace('_', '＿')}'",
        lambda: f"' {name} ' | trim",
        lambda: f"'{name}!'[:-1]",
        lambda: f"'{name},a'.split(',')[0]",
        lambda: f"{{'k': '{name}'}}.k",
        lambda: f"('{name}' if true else 'a')",
        lambda: f"['a', '{name}'] | last",
        lambda: f"'{name}' | default('a')",
    )
    return draw.choice(ways)()


def of_filters(filters: Mapping[str, Filter], draw: Random, rounds: int) -> Iterator[Attack]:
    """Every filter with drawn values and arguments, alone and for each row."""
    for name, one in filters.items():
        for _ in range(rounds):
            value, given = draw.choice(OPERANDS), _arguments(len(one.arguments), draw)
            yield Attack("filter", f"{{{{ {value} | {name}{given} }}}}")
        rows = draw.choice(("texts", "rows", "decimals", "mixed", "dicts", "colliding"))
        some = "".join(f", {draw.choice(ARGUMENTS)}" for _ in one.arguments[:2])
        yield Attack("filter", f"{{{{ {rows} | map('{name}'{some}) | list | length }}}}")


def of_checks(draw: Random, rounds: int) -> Iterator[Attack]:
    """Every test, behind `is` and for each row."""
    for name, one in checks().items():
        for _ in range(rounds):
            given = _arguments(len(one.arguments), draw)
            yield Attack("test", f"{{{{ {draw.choice(OPERANDS)} is {name}{given} }}}}")
        rows, argument = draw.choice(("texts", "rows", "mixed", "deep")), draw.choice(OPERANDS)
        some = f", {argument}" if one.arguments else ""
        yield Attack("test", f"{{{{ {rows} | select('{name}'{some}) | length }}}}")


def of_methods(draw: Random, rounds: int) -> Iterator[Attack]:
    """Every method with drawn arguments."""
    for _, name in METHODS:
        for _ in range(rounds):
            given = _arguments(draw.randrange(4), draw, named=False) or "()"
            yield Attack("method", f"{{{{ ({draw.choice(OPERANDS)}).{name}{given} }}}}")


def _arguments(wanted: int, draw: Random, *, named: bool = True) -> str:
    count = max(0, min(wanted, 4) + draw.choice((-1, 0, 0, 0, 1)))
    given = [draw.choice(OPERANDS if draw.random() < 0.4 else ARGUMENTS) for _ in range(count)]
    if named and draw.random() < 0.2:
        given.append(f"{draw.choice(KEYWORDS)}={draw.choice(ARGUMENTS)}")
    return f"({', '.join(given)})" if given else ""


def of_operators(draw: Random) -> Attack:
    """A formula of drawn values."""

    def part(depth: int) -> str:
        if depth == 0 or draw.random() < 0.3:
            return draw.choice(OPERANDS if draw.random() < 0.7 else ARGUMENTS)
        form = draw.randrange(6)
        if form == 0:
            cut = [draw.choice(("", "0", "-1", "9999999999", "rows[5]")) for _ in range(3)]
            return f"({part(depth - 1)})[{':'.join(cut)}]"
        if form == 1:
            return f"({part(depth - 1)} if {part(depth - 1)} else {part(depth - 1)})"
        if form == 2:
            return f"({part(depth - 1)})[{part(depth - 1)}]"
        return f"({part(depth - 1)} {draw.choice(OPERATORS)} {part(depth - 1)})"

    return Attack("operator", f"{{{{ {part(3)} }}}}")


def of_growth(draw: Random) -> Attack:
    """Steps that each make more of what there is, in a chain or in loops."""
    start = draw.choice((*OPERANDS[:20], "'ab'", "[1]", "half", "astral"))
    source = f"{{% set a0 = {start} %}}"
    steps = draw.randrange(1, 7)
    for number in range(steps):
        step = draw.choice(GROWTH).replace("A", f"a{number}")
        source += f"{{% set a{number + 1} = {step} %}}"
    end = f"a{steps}"
    use = draw.choice(("{{ E | length }}", "{{ E }}", "{{ E | tojson }}", "{{ E == E }}", "E ~ E"))
    form = draw.randrange(3)
    if form == 1:
        rows = draw.choice(("rows", "texts", "text", "wide", "[1, 2, 3]", end))
        use = f"{{% for r in {rows} %}}{use}{{% endfor %}}"
    elif form == 2:
        use = f"{{% for r in rows %}}{{% for s in {end} if s %}}{use}{{% endfor %}}{{% endfor %}}"
    return Attack("growth", source + use.replace("E", end))


def of_escapes(draw: Random) -> Attack:
    """A hidden name in some spelling, reached for in some way."""
    key = spelled(draw.choice(HIDDEN), draw)
    source = draw.choice(ACCESS).replace("K", f"({key})").replace("B", f"({draw.choice(BASES)})")
    return Attack("escape", source)


FRAGMENTS = (
    "( [ { {1: - + not ~ . | 'a' 1 1. 0x _ a. a[ a( a| is in if else %} {% {{ }} {# #} {%- -%} "
    "{%if1%} {%elif1%} {%else%} {%endif%} {%forainb%} {%endfor%} {%raw%} {%endraw%} {%seta=1%} "
    "\\ \" ' \\x41 \\N{BULLET} é \u202e \u0661 \U0001d41a \x00 \ud800 * ** @ ! ? $ ; : , = == <"
).split()


def of_syntax(draw: Random) -> Attack:
    """Pieces of the language, repeated to the largest source and beyond."""
    source = draw.choice(("{{ ", "{% if ", "{% for a in ", "", "{{ '", "{{ 1"))
    for _ in range(draw.randrange(1, 4)):
        piece = "".join(draw.choice(FRAGMENTS) for _ in range(draw.randrange(1, 4)))
        source += piece * draw.choice((1, 3, 39, 41, 400, MAX_SOURCE // len(piece)))
    source += draw.choice(("", " }}", " %}", "') }}", "{% endif %}"))
    return Attack("syntax", source[: MAX_SOURCE + draw.choice((0, 0, 1, 9_999))])


def attacks(filters: Mapping[str, Filter], seed: int, count: int) -> list[Attack]:
    """At least so many attacks: each filter, test and method in turn, and as many others."""
    draw = Random(seed)
    tables = len(filters) + len(checks()) + len(METHODS)
    rounds = max(1, count // 2 // tables)
    made = [
        *of_filters(filters, draw, rounds),
        *of_checks(draw, rounds),
        *of_methods(draw, rounds),
    ]
    others = (of_operators, of_growth, of_escapes, of_growth, of_syntax)
    while len(made) < count or len(made) % len(others):
        made.append(others[len(made) % len(others)](draw))
    return made
