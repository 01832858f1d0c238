"""What expressions give, cost and say: each line of tests/golden/expressions.jsonl is one of them.

A value with its type; an error with its sentence, who acts, its place and field; what is read; and
the steps and bytes that were counted. A limit that is counted a little less protects a little less,
and nobody would see it. `python -m tests.expressions.test_golden` writes the file anew: read the
difference before it is kept.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ExpressionError
from connector.expressions import Budget, compile_expression

FILE = Path(__file__).parents[1] / "golden" / "expressions.jsonl"
NOW = datetime(2026, 3, 4, 8, 15, 2, tzinfo=UTC)
CONTEXT: dict[str, Any] = {
    "text": "ab, " * 1_024,
    "wide": "aè, " * 1_024,
    "rows": list(range(320)),
    "same_rows": list(range(320)),
    "mixed": [1, "a", None, Decimal("2.50"), True, [1], {"a": 1}],
    "dicts": [{"a": number % 3, "b": f"n{number}", "c": {"d": number}} for number in range(64)],
    "object": {str(number): number for number in range(48)},
    "keyed": {"a": 1, 7: "seven", "8": "eight", "b": {"c": [10, 20, {"d": "deep"}]}},
    "n": 7,
    "big": 2**256 - 1,
    "price": Decimal("12.50"),
    "nothing": None,
    "yes": True,
    "empty": [],
    "float": 1.5,
    "tuple": (1, 2),
    "odd": {1.5: 1},
    "foreign": object(),
}

VALUES = """
{{ text | length }}
{{ T + 'b' }}
{{ 'b' + T }}
{{ T ~ 'b' ~ n ~ price ~ yes ~ nothing }}
{{ T * 2 }}
{{ 2 * T }}
{{ T * -1 }}
{{ T[1:] }}
{{ T[::2] }}
{{ T[-1] }}{{ T[0] }}
{{ T | upper }}
{{ T.lower() }}
{{ T | title }}
{{ T | capitalize }}
{{ T | trim }}
{{ T.strip('ab ') }}
{{ T.rstrip(', ') }}
{{ T | replace('a', 'xyz') }}
{{ T | replace('a', 'è', 2) }}
{{ T.replace('', '-') }}
{{ T.removeprefix('a') }}
{{ T.removesuffix(' ') }}
{{ [T, T] | join('-') }}
{{ 'è'.join([T, T]) }}
{{ T.split(', ') }}
{{ T.split(', ', 3) }}
{{ T | split | length }}
{{ T | lines }}
{{ T | truncate(50) }}
{{ T | truncate(50, true, '…') }}
{{ T | indent(3, true) }}
{{ T | center(900) }}
{{ 'a'.ljust(900, 'è') }}
{{ 'a'.rjust(900) }}
{{ 'è'.center(9, '') }}
{{ '-5'.zfill(9) }}{{ 'è'.zfill(9) }}
{{ T | wordcount }}
{{ T | digits }}
{{ T | list | length }}
{{ T | reverse }}
{{ T | tojson }}
{{ '%s|%5d|%-5d|%05d|%.2f|%+d|% d|%%' | format(T, n, n, n, price, n, n) }}
{{ '%(a)s %(b)5s' | format(a=T, b='è') }}
{{ T == text }}
{{ T == wide }}
{{ T < text }}
{{ T <= wide }}
{{ 'b, ' in T }}
{{ 'zz' not in T }}
{{ T.startswith('ab') }}{{ T.endswith(', ') }}
{{ T.find('z') }}{{ T.count('a') }}
{{ T.isdigit() }}{{ T.isalpha() }}{{ '12'.isdecimal() }}{{ ' '.isspace() }}{{ 'A'.isupper() }}
{% for c in T %}{{ c }}{% endfor %}
{% set a = T %}{% set b = a ~ a %}{{ b | length }}
{{ rows + [1] }}
{{ rows * 2 }}
{{ rows[1:] }}
{{ rows[-1] }}{{ rows['5'] }}{{ rows.5 }}{{ rows[0] }}
{{ rows == same_rows }}
{{ rows != same_rows }}
{{ rows[1:] == rows }}
{{ object == object }}
{{ keyed == object }}
{{ 319 in rows }}
{{ 'x' in rows }}
{{ 'a' in keyed }}{{ 7 in keyed }}{{ 'z' not in keyed }}
{{ rows.count(5) }}{{ rows.index(5) }}{{ rows.index('x') }}
{{ rows | sum }}{{ rows | min }}{{ rows | max }}
{{ rows | sort(true) }}
{{ rows | unique }}
{{ rows | map('abs') | list }}
{{ rows | select('odd') | list }}
{{ rows | reject('gt', 5) | list }}
{{ rows | batch(100) }}
{{ rows | slice(3) }}
{{ rows | join(', ') }}
{{ rows | tojson }}
{{ dicts | map(attribute='c.d') | list }}
{{ dicts | selectattr('a', 'eq', 1) | map(attribute='b') | join(' ') }}
{{ dicts | selectattr('a') | list | length }}{{ dicts | rejectattr('a') | list | length }}
{{ dicts | groupby('a') | length }}
{{ dicts | sort(attribute='b') | length }}
{{ dicts | unique(attribute='a') | length }}
{{ dicts | sum(attribute='a') }}
{{ object | items }}
{{ object | keys }}
{{ object.values() }}
{{ keyed }}
{{ keyed.b.c[2].d }}
{{ keyed['b']['c'][n - 5].d }}
{{ keyed[7] }}{{ keyed[8] }}{{ keyed.get('a') }}{{ keyed.get('z') }}{{ keyed.get('z', 'none') }}
{{ keyed.z | default('absent') }}{{ zz.y.x | default(1) }}{{ keyed.a.b | default(2) }}
{{ nothing | default('b') }}{{ '' | default('b', true) }}
{{ keyed.z is defined }}{{ keyed.a is defined }}{{ zz is undefined }}
{{ mixed }}
{{ tuple }}
{{ float }}
{{ [1, [n, price]] }}
{{ {'a': n, 7: [price]} }}
{{ (1, 2) }}
{{ 7 // 2 }}{{ -7 // 2 }}{{ 7.5 // 2 }}{{ -7.5 // 2 }}{{ 7.5 // -2 }}
{{ 7 % 3 }}{{ -7 % 3 }}{{ 7.5 % 2 }}{{ -7.5 % 2 }}{{ 7.5 % -2 }}{{ 8.0 % 2 }}{{ -8.0 // 2 }}
{{ 2.5 % 2 }}{{ 0.75 % 0.5 }}{{ -0.25 % 0.5 }}{{ 0.75 // 0.5 }}{{ 0.25 % -0.5 }}{{ 6 % 3.0 }}
{{ 1 / 3 }} {{ 6 / 3 }} {{ price / 2 }}
{{ price + 1 }} {{ price - n }} {{ price * price }} {{ -price }} {{ +price }} {{ -n }} {{ n - 1.5 }}
{{ n > 6 }}{{ n >= 7 }}{{ n < 7 }}{{ n <= 6 }}{{ n == 7.0 }}{{ n != 7 }}{{ 1 < n < 9 }}{{ 1 < n < 3 }}
{{ yes and n }}{{ nothing or n }}{{ not yes }}{{ n if yes else 1 }}{{ n if not yes else 1 }}
{{ (n if nothing) | default('e') }}
{{ 'a' if nothing is none else keyed.z }}
{{ yes == 1 }}{{ nothing == none }}{{ nothing == 0 }}{{ 'a' == 1 }}
{{ now() }}
{{ n is integer }}{{ price is decimal }}{{ price is float }}{{ yes is boolean }}{{ 'a' is string }}
{{ keyed is mapping }}{{ rows is list }}{{ 'a' is sequence }}{{ rows is iterable }}{{ n is sequence }}
{{ yes is number }}{{ n is number }}{{ yes is true }}{{ yes is false }}{{ nothing is none }}
{{ n is odd }}{{ n is even }}{{ 9 is divisibleby(3) }}{{ 'a' is in('abc') }}{{ 1 is ne(2) }}
{{ 2 is ge(2) }}{{ 2 is le(1) }}{{ 2 is gt(1) }}{{ 2 is lt(1) }}{{ 2 is eq(2) }}
{% if n > 9 %}a{% elif n > 6 %}b{% else %}c{% endif %}
{% if nothing %}a{% elif empty %}b{% else %}c{% endif %}
{% for r in rows if r % 100 == 0 %}{{ loop.index }}/{{ loop.length }}:{{ r }} {% endfor %}
{% for r in mixed[:2] %}{{ loop.first }}{{ loop.last }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{% endfor %}
{% for k, v in [[1, 2], [3, 4]] %}{{ k }}{{ v }}{% endfor %}
{% for k, (v, w) in [[1, [2, 3]]] %}{{ k }}{{ v }}{{ w }}{% endfor %}
{% for k in keyed %}{{ k }}{% endfor %}
{% for r in empty %}a{% else %}b{% endfor %}
{% for a in [1, 2] %}{% for b in [3, 4] %}{{ a }}{{ b }}{{ loop.index }} {% endfor %}{{ loop.index }}{% endfor %}
{% for a in [1, 2] %}{% set x = a * 2 %}{{ x }}{% endfor %}
{% set x = n %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}
{% if nothing %}{% set x = 2 %}{% endif %}{{ x | default('unset') }}
{{ '\\x41\\u00e8\\n\\t\\'\\\\\\q' }}
{{ 0x1F }}{{ 1_000 }}{{ 1_0.5_0 }}{{ 1e3 }}{{ 1.50 }}
  {{ n }}  
a{{ n }}b{# comment #}{% raw %}{{ n }}{% endraw %}
{{ 'a' 'b' }}{{ "è" }}
"""  # noqa: W291 - blanks around a lone expression do not count

FAULTS = """
{{ n + 'a' }}
{{ 'a' - n }}
{{ nothing * n }}
{{ n + nothing }}
{{ rows - rows }}
{{ 'a' + n }}
{{ yes + 1 }}
{{ n / 0 }}
{{ n // 0 }}
{{ price % 0 }}
{{ 'a' % 1 }}
{{ -'a' }}
{{ +rows }}
{{ big + 1 }}
{{ big * big }}
{{ -big - 1 }}
{{ 1e100 * 10 }}
{{ n < 'a' }}
{{ 'a' >= n }}
{{ rows > 1 }}
{{ 'a' < nothing }}
{{ rows in 'abc' }}
{{ 1.5 in keyed }}
{{ n in 7 }}
{{ zz }}
{{ zz.y }}
{{ keyed.z }}
{{ keyed.aa }}
{{ keyed.b.c[9] }}
{{ keyed.b.c.x }}
{{ keyed.b.c[0].x }}
{{ keyed.a.b }}
{{ keyed['b'].q[n] }}
{{ keyed[n - 100] }}
{{ n.x }}
{{ nothing.x }}
{{ now }}
{{ noww() }}
{{ dicts[n].zz ~ '' }}
{{ rows[rows] }}
{{ keyed[1.5] }}
{{ {1.5: 2} }}
{{ {rows: 2} }}
{{ keyed['_a'] }}
{{ keyed['_' ~ 'a'] }}
{{ keyed._a }}
{{ _a }}
{{ 'a' | _b }}
{{ 'a' | upper(_c=1) }}
{{ {'_a': 1} }}
{{ rows ~ 'a' }}
{{ keyed ~ 'a' }}
a {{ rows }}
a {{ keyed }}
{{ 'a' | uper }}
{{ 'a' | zzzzzz }}
{{ 'a' is strin }}
{{ 'a' | upper(1) }}
{{ 'a' | replace('b') }}
{{ 'a' | replace('b', 'c', 1, 2) }}
{{ 'a' | replace('b', 'c', wrong=1) }}
{{ 'a' | replace('b', old='c') }}
{{ 'a' | truncate(length=1, length=2) }}
{{ 'a' | upper(*rows) }}
{{ 'a' | upper(**keyed) }}
{{ n | trim | abs }}
{{ keyed.a | length }}
{{ rows | map }}
{{ rows | map(n) }}
{{ rows | map('zz') }}
{{ rows | map('map', 'abs') }}
{{ rows | map('replace') }}
{{ rows | select('zz') }}
{{ rows | map('upper') | map('abs') | list }}
{{ keyed.b | map(attribute='x') | list }}
{{ dicts | map(attribute='x') | list }}
{{ dicts | sum(attribute='b') }}
{{ 'a'.foo() }}
{{ 'a'.uper() }}
{{ n.upper() }}
{{ 'a'.upper(1) }}
{{ 'a'.replace('b') }}
{{ 'a'.split(sep='b') }}
{{ keyed.a.startswith('x') }}
{{ 'a'.ljust(1001) }}
{{ 'a'.ljust('x') }}
{{ 'a'.ljust(-1) }}
{{ 'a'.ljust(5, 1) }}
{{ 'a'.startswith(1) }}
{{ 'a'.join('b') }}
{{ 'a'.join([rows]) }}
{{ 'a'.strip('b' * 65) }}
{{ n() }}
{{ 'a'() }}
{{ now(1) }}
{{ now(a=1) }}
{{ keyed[1:2] }}
{{ 'abc'['a':] }}
{{ 'abc'[::0] }}
{{ rows[1.5:] }}
{{ (1 if nothing) }}
{{ (1 if nothing) ~ 'a' }}
{% for r in n %}{% endfor %}
{% for r in keyed.z %}{% endfor %}
{% for a, b in [1] %}{% endfor %}
{% for a, b in [[1, 2, 3]] %}{% endfor %}
{% for loop in rows %}{% endfor %}
{% for now in rows %}{% endfor %}
{% for a.b in rows %}{% endfor %}
{% for r in rows recursive %}{% endfor %}
{% set loop = 1 %}
{% set a, b = 1, 2 %}
{% set n = 1 %}
{{ n }}{% set n = 1 %}
{% set x = 1 %}{% for r in rows %}{% set x = 2 %}{% endfor %}
{% if nothing %}{% set x = 2 %}{% endif %}{{ x }}
{% if nothing %}{% set x = 2 %}{% endif %}{{ x.y }}
{% for a in [1] %}{% endfor %}{{ a }}
{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}{% endfor %}{% endfor %}{% endfor %}
{% macro m() %}{% endmacro %}
{% include 'a' %}
{% import 'a' as b %}
{% from 'a' import b %}
{% extends 'a' %}
{% block b %}{% endblock %}
{% call m() %}{% endcall %}
{% filter upper %}a{% endfilter %}
{% with a = 1 %}{% endwith %}
{% autoescape true %}{% endautoescape %}
{% set a %}b{% endset %}
{% set a.b = 1 %}
{{ 2 ** 3 }}
{{ 1 +
{{ 1 + }}
{{ 'a
{{ (1 }}
{{ 1 1 }}
{% if n %}
{% endif %}
{{ '\\ud800' }}
{{ '\\U00110000' }}
{{ aͤ }}
{{ 1e101 }}
{{ foreign }}
{{ odd }}
{{ mixed[foreign] }}
{{ keyed.foreign }}
{{ rows | join(foreign) }}
"""
LONG = {
    "nesting": "{{ " + "(" * 41 + "1" + ")" * 41 + " }}",
    "signs": "{{ n }}{{ " + "-" * 41 + "1 }}",
    "parts": "{{ [" + "1," * 600 + "] }}",
    "depth": "{{ " + "1+" * 90 + "1 }}",
    "source": "{{ 1 }}" + "x" * 8_192,
    "digits": "{{ n + " + "9" * 301 + " }}",
    "fraction": "{{ n + 1." + "9" * 301 + " }}",
    "integer": "{{ n + " + "9" * 300 + " }}",
    "name": "{{ keyed." + "k" * 100 + " }}",
    "filter": "{{ 'a' | " + "k" * 100 + " }}",
    "path": "{{ dicts | map(attribute='" + "k" * 201 + "') }}",
    "surrogate": "{{ 1 }}\ud800",
}


def sources() -> Iterator[str]:
    for line in filter(None, VALUES.split("\n")):
        if "T" in line:
            yield line.replace("T", "text")
            yield line.replace("T", "wide")
        else:
            yield line
    yield from filter(None, FAULTS.split("\n"))
    yield from LONG.values()


def told(source: str) -> dict[str, Any]:
    """All that can be known of an expression."""
    budget = Budget(clock=lambda: 0.0)
    try:
        made = compile_expression(source)
        value = made.evaluate(CONTEXT, now=NOW, budget=budget)
    except ExpressionError as error:
        return {"offset": error.offset, **error.as_data(), "steps": budget.steps}
    text = repr(value)
    return {
        "value": text if len(text) < 300 else f"{text[:120]} … {len(text)} … {text[-20:]}",
        "reads": list(made.references),
        "steps": budget.steps,
        "allocated": budget.allocated,
    }


def lines() -> dict[str, dict[str, Any]]:
    kept = map(json.loads, FILE.read_text("utf-8").splitlines())
    return {one.pop("source"): one for one in kept}


KEPT = lines() if FILE.exists() else {}


@pytest.mark.parametrize("source", [*sources()], ids=lambda one: repr(one[:60]))
def test_it_gives_costs_and_says_what_it_did(source: str) -> None:
    assert json.loads(json.dumps(told(source), ensure_ascii=True)) == KEPT[source]


def test_the_file_holds_each_expression_once_and_no_other() -> None:
    assert list(KEPT) == list(sources())
    assert sum("value" in one for one in KEPT.values()) > 150
    assert sum("message" in one for one in KEPT.values()) > 150


if __name__ == "__main__":
    FILE.write_text(
        "".join(json.dumps({"source": one, **told(one)}) + "\n" for one in sources()), "utf-8"
    )
