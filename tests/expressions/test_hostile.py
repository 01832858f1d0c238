"""Hostile templates and hostile data: nothing is reached, and nothing grows beyond its limits.

The oracle is the same for every payload: our own error or a plain value within the limits, at
saving and at running; the budget's own counts and the traced memory are the measures, not a watch.
"""

from __future__ import annotations

import builtins
import tracemalloc
from decimal import Decimal
from typing import Any

import jinja2
import jinja2.compiler
import jinja2.optimizer
import pytest

from connector.errors import ExpressionError
from connector.expressions import Budget, compile_expression, default_filters
from connector.expressions.checks import checks
from connector.expressions.limits import MAX_ALLOCATED, MAX_OUTPUT, MAX_STEPS
from tests.expressions.mischief import SECRET, unpleasant

MOST_MEMORY = 24 * 1024 * 1024  # of 64 MB that a process may grow by; tracing itself costs

ESCAPES = r"""
{{ ''.__class__ }}
{{ ''['__class__'] }}
{{ ''['\x5f\x5fclass\x5f\x5f'] }}
{{ ''['\u005f_class__'] }}
{{ ''['_' ~ '_class__'] }}
{{ ''['_' * 2 ~ 'class' ~ '_' * 2] }}
{{ ''[['__', 'class', '__'] | join] }}
{{ ''['ssalc__'[::-1]] }}
{{ ''['%sclass%s' | format('__', '__')] }}
{{ ().__class__.__bases__[0].__subclasses__() }}
{{ {}.__init__.__globals__ }}
{{ x.__dict__ }}
{{ x.ｓecret }}
{{ x.secret }}
{{ x['secret'] }}
{{ x | attr('secret') }}
{{ x | map(attribute='secret') }}
{{ [x] | map(attribute='secret') }}
{{ [x] | map('attr', 'secret') }}
{{ [x] | sort(attribute='secret') }}
{{ [x] | groupby('secret') }}
{{ [x] | sum(attribute='secret') }}
{{ [x] | selectattr('secret') }}
{{ holder.x.secret }}
{{ holder }}
{{ holder.items() }}
{{ holder | tojson }}
{{ x ~ '' }}
{{ x | string }}
{{ '%s' | format(x) }}
{{ x.upper() }}
{{ call }}
{{ call() }}
{{ x() }}
{{ _secret }}
{{ ＿secret }}
{{ holder._hidden }}
{{ holder['_hidden'] }}
{{ holder['_' ~ 'hidden'] }}
{{ holder.get('_hidden') }}
{{ [holder] | map(attribute='_hidden') }}
{{ [holder] | map(attribute='x._hidden') }}
{{ now.__self__ }}
{{ now().__class__ }}
{{ loop.__class__ }}
{% for a in [1] %}{{ loop.__init__ }}{% endfor %}
{% for a in [1] %}{{ loop.cycle }}{% endfor %}
{% for _ in [1] %}{{ _ }}{% endfor %}
{{ self }}
{{ self.__init__ }}
{{ cycler }}
{{ joiner() }}
{{ lipsum() }}
{{ range(3) }}
{{ dict(a=1) }}
{{ namespace(a=1) }}
{{ g }}
{{ config }}
{{ request }}
{{ environment }}
{{ context }}
{{ caller() }}
{{ varargs }}
{{ super() }}
{{ '{0.__class__}'.format(1) }}
{{ '{0.__class__}'.format_map({'a': 1}) }}
{{ '%(a)s' % {'a': 1} }}
{{ 'a'.translate({97: 'b'}) }}
{{ 'a'.encode('utf-8') }}
{{ 'a'.maketrans('a', 'b') }}
{{ [].append(1) }}
{{ [1].pop() }}
{{ {}.update({'a': 1}) }}
{{ {}.setdefault('a', 1) }}
{{ 'a'.upper.__self__ }}
{{ 'a'.upper.__call__() }}
{{ 'a' | __import__ }}
{{ 'a' is __import__ }}
{{ 'a' | os.system }}
{{ 'a' is os.system }}
{{ 'a' | upper(*['b']) }}
{{ 'a' | upper(**{'b': 1}) }}
{{ 'a' | upper(_x=1) }}
{{ 'a'.join(*[['b']]) }}
{{ 1 .__class__ }}
{{ true.__class__ }}
{{ none.__class__ }}
{{ 1.5.__class__ }}
{{ 1.5.real }}
{{ 1.numerator }}
{{ {'__class__': 1} }}
{{ 'a' | map('__class__') }}
{{ [1] | map('eval') }}
{{ 'import os' | exec }}
{% macro m() %}{% endmacro %}
{% import 'os' as os %}
{% from 'os' import system %}
{% include '/etc/passwd' %}
{% extends 'base' %}
{% block b %}{% endblock %}
{% call m() %}{% endcall %}
{% filter upper %}a{% endfilter %}
{% with a = 1 %}{{ a }}{% endwith %}
{% autoescape false %}{{ 1 }}{% endautoescape %}
{% do [].append(1) %}
{% set x.secret = 1 %}
{% set x %}a{% endset %}
{% set call = 1 %}
{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}
{% for x.a in [1] %}{% endfor %}
{% for loop in [1] %}{% endfor %}
{% print x.secret %}
{% debug %}
{% trans %}a{% endtrans %}
{% break %}
{% raw %}{{ x.secret }}
{{ [1, 2][true] }}
{{ holder[x] }}
{{ {x: 1} }}
{{ x == x }}
{{ x in [x] }}
{{ x[x] }}
{{ 'it' | local_time('../../etc/passwd') }}
{{ '2026-01-01T00:00:00Z' | local_time('../../etc/passwd') }}
{{ '2026-01-01T00:00:00Z' | local_time('/etc/passwd') }}
{{ 'IT' | country_name('../it') }}
{{ '2026-01-01' | date('%s%n%c%z%Z%{x}') }}
"""

BOMBS = r"""
{{ 'a' * 10 ** 10 }}
{{ 9 ** 9 ** 9 }}
{{ 'a' * 999999999999 }}
{{ [0] * 999999999999 }}
{{ 999999999999 * 'a' }}
{{ 'a' * -999999999999 }}
{{ (1, 2, 3) * 999999999 }}
{{ 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa' * 8192 * 8192 }}
{{ 2 * 2 * 99999999999999999999999999999999999 * 99999999999999999999999999999999999 }}
{{ '%999999999d' | format(1) }}
{{ '%0999999d' | format(1) }}
{{ '%.999999f' | format(1) }}
{{ '%*d' | format(999999999, 1) }}
{{ '%(a)999999s' | format(a='b') }}
{{ 'a' | center(999999999) }}
{{ 'a' | indent(999999999) }}
{{ 'a'.ljust(999999999) }}
{{ 'a'.zfill(999999999) }}
{{ '\t' | expandtabs(999999999) }}
{{ text.expandtabs(99999) }}
{{ 1 | round(999999999) }}
{{ 1.5 | round(-999999999) }}
{{ 1 | it_number(999999999) }}
{{ [1] | batch(999999999, 0) }}
{{ [1] | slice(999999999) }}
{{ [1] | slice(20000, 0) | map('list') }}
{{ 'a' | truncate(999999999999, end=text) }}
{{ {} | tojson(999999999) }}
{{ text ~ text }}
{{ text + text }}
{{ text * 2 }}
{{ text | replace('a', text) }}
{{ text | replace('', text) }}
{{ text.replace('a', 'bb') }}
{{ text.replace('', 'b') }}
{{ text | join(text) }}
{{ text.join(rows) }}
{{ rows | join(text) }}
{{ texts | join }}
{{ texts | join(', ') }}
{{ [text, text] | join }}
{{ '%s%s' | format(text, text) }}
{{ '%s' * 5000 | format(text) }}
{{ text | tojson }}
{{ controls | tojson }}
{{ [text] | tojson }}
{{ text | list }}
{{ text.split('a') }}
{{ blanks.split() }}
{{ blanks | title | length }}
{{ blanks | wordcount }}
{{ text.strip(text) }}
{{ text | trim(text) }}
{{ text | slug }}
{{ text | digits | length }}
{{ ligatures | upper | length }}
{{ ligatures | slug }}
{{ text[::-1] ~ text }}
{{ text | reverse | length }}
{{ text.count(needle) }}
{{ needle in text }}
{{ text.find(needle) }}
{{ text == text2 }}
{{ text < text2 }}
{{ text in [text2] }}
{{ texts | sort | length }}
{{ texts | sort(case_sensitive=true) | length }}
{{ texts | unique | length }}
{{ texts | min | length }}
{{ texts | max | length }}
{{ texts | groupby(0) | length }}
{{ texts | map('upper') | list | length }}
{{ texts | map('replace', 'a', 'bb') | length }}
{{ texts | select('in', text) | length }}
{{ texts == texts2 }}
{{ rows }}
{{ more }}
{{ more | length }}
{{ more[0] ~ more[1] ~ more[2] }}
{{ rows + rows }}
{{ rows * 2 }}
{{ rows | map('string') | join }}
{{ rows | map('default', text) | list }}
{{ rows | map('batch', 1) }}
{{ [rows, rows, rows] | map('reverse') | map('length') }}
{{ rows | sort | length }}
{{ decimals | sort | length }}
{{ decimals | sum }}
{{ decimals | unique | length }}
{{ colliding | unique | length }}
{{ colliding | groupby(0) }}
{{ colliding == colliding2 }}
{{ 5 in colliding }}
{{ wide }}
{{ wide | length }}
{{ wide.nokey }}
{{ long_keys.nokey }}
{{ wide | items | length }}
{{ wide == wide2 }}
{{ deep }}
{{ deep | tojson }}
{{ deep == deep }}
{{ shared }}
{{ shared | tojson }}
{{ shared == shared2 }}
{{ shared | string }}
{{ circle }}
{{ circle | tojson }}
{{ circle == circle }}
{{ circle | first | first | first }}
{{ huge_int }}
{{ huge_int ~ '' }}
{{ huge_decimal }}
{{ huge_decimal | int }}
{{ huge_decimal | it_number }}
{{ '%.2f' | format(huge_decimal) }}
{{ tiny_decimal ~ '' }}
{{ nan }}
{{ infinity }}
{{ infinity_float }}
{{ '9e999' | decimal }}
{{ '9e99' | int ~ '9' * 900 }}
{{ '1e-999' | decimal }}
{{ text | decimal }}
{{ text | int(0) }}
{{ text | parse_it_number }}
{{ text | it_date }}
{{ text | date(text) }}
{{ '2026-01-01' | date(text) }}
{{ '2026-01-01' | date(percents) }}
{{ text | vat_it }}
{{ text is vat_it }}
{{ text is tax_code_it }}
{{ text is iban }}
{{ text | country_iso }}
{{ text[:90] | country_iso }}
{{ text | first_name }}
{{ '9999-12-31' | add_days(1) }}
{{ '0001-01-01' | add_days(-1) }}
{{ '9999-12-31' | add_months(1) }}
{{ '9999-12-31' | end_of_month }}
{{ '0001-01-01T00:00:00Z' | local_time('America/New_York') }}
{% for a in rows %}{{ a }}{% endfor %}
{% for a in rows %}{% for b in rows %}{{ a }}{% endfor %}{% endfor %}
{% for a in rows %}{% for b in rows %}{% endfor %}{% endfor %}
{% for a in rows if a %}{% endfor %}
{% for a in rows %}{{ rows | length }}{% endfor %}
{% for a in rows %}{{ rows | sum }}{% endfor %}
{% for a in rows %}{{ text == text2 }}{% endfor %}
{% for a in rows %}{{ needle in text }}{% endfor %}
{% for a in rows %}{{ wide.nokey | default(1) }}{% endfor %}
{% for a in rows %}{% set x = text ~ a %}{% endfor %}
{% for a in rows %}{% set x = rows + [a] %}{% endfor %}
{% for a in rows %}{{ text[:1000] }}{% endfor %}
{% for a in text %}{{ a }}{% endfor %}
"""

DOUBLING = "{% set a = [1] * 9 %}" + "".join(
    f"{{% set {new} = [{old}] * 9 %}}" for old, new in ("ab", "bc", "cd", "de")
)
SHARING = "{% set a = text %}{% set b = [a] * 20000 %}"
TEMPLATES = [
    DOUBLING + "{{ e == e }}",
    DOUBLING + "{{ e | tojson }}",
    DOUBLING + "{{ [e] }}",
    SHARING + "{{ b | join }}",
    SHARING + "{{ b | sort | length }}",
    SHARING + "{{ b | unique | length }}",
    SHARING + "{{ b | map('upper') | length }}",
    SHARING + "{{ b == b }}",
    SHARING + "{{ 'x' in b }}",
]

SYNTAX = [
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "[" * 4000,
    "{{ " + "{1:" * 2000,
    "{{ " + "not " * 1900 + "1 }}",
    "{{ " + "-" * 8000 + "1 }}",
    "{{ " + "- " * 4000 + "1 }}",
    "{{ " + "1 if 1 else " * 600 + "1 }}",
    "{{ " + "1+" * 4000 + "1 }}",
    "{{ " + "1~" * 4000 + "1 }}",
    "{{ " + "1 and " * 1300 + "1 }}",
    "{{ " + "1<" * 4000 + "1 }}",
    "{{ " + "a." * 4000 + "a }}",
    "{{ a" + "[0]" * 2600 + " }}",
    "{{ a" + "()" * 4000 + " }}",
    "{{ 1" + "|abs" * 2000 + " }}",
    "{{ 1" + " is odd" * 1100 + " }}",
    "{{ 1" + " is not" * 1100 + " }}",
    "{{ " + "'a' " * 2000 + " }}",
    "{{ " + "9" * 8000 + " }}",
    "{{ 0x" + "f" * 8000 + " }}",
    "{{ 1." + "9" * 8000 + " }}",
    "{{ 1e" + "9" * 8000 + " }}",
    "{{ 1" + "_1" * 4000 + " }}",
    "{{ '" + "\\" * 8000 + "' }}",
    "{{ '" + "\\x41" * 2000 + "' }}",
    "{{ '" + "\\N{BULLET}" * 700 + "' }}",
    "{{ '\\U0011ffff' }}",
    "{{ '\\ud800' }}",
    "{{ '\ud800' }}",
    "{{ '\x00' }}",
    "{{" * 4000,
    "{%" * 4000,
    "{#" * 4000 + "{{",
    "{{ 1 }}" * 1100,
    "{% if 1 %}" * 700,
    "{% if 1 %}" * 350 + "{% endif %}" * 350,
    "{% for a in b %}" * 400,
    "{% if 1 %}" + "{% elif 1 %}" * 600 + "{% endif %}",
    "{% raw %}" * 800 + "{{",
    "{% raw %}{{" + "{% endraw" * 800,
    "{{ 1 -}}" + " " * 7000 + "{{- 1 }}",
    "{{ x" + " " * 8000 + "}}",
    "{{" + "\n" * 8000 + "1 }}",
    "{{ a|" * 1600,
    "{{ x is " * 1000,
    "{{ '" + "{{" * 4000 + "' }}",
    "{{ \u202e1 }}",
    "{{ \U0001d41a }}",
    "{{ aͤ }}",
    "{{ 1\u00a0+ 1 }}",
    "{{ ٣ }}",
    "{{ 1٣ }}",
]


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return unpleasant()


@pytest.fixture(autouse=True)
def _nothing_is_compiled_by_jinja(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser is all we use: no code generation, no optimizer, no Python compiler."""
    for one in (*default_filters().values(), *checks().values()):
        if one.prepare is not None:
            one.prepare()  # importing runs code, which is not what is watched here

    def never(*args: object, **rest: object) -> Any:
        raise AssertionError("a template was compiled")

    for owner, name in (
        (jinja2.Environment, "compile"),
        (jinja2.Environment, "from_string"),
        (jinja2.Environment, "compile_expression"),
        (jinja2.Environment, "handle_exception"),
        (jinja2.compiler, "generate"),
        (jinja2.optimizer, "optimize"),
        (jinja2.nodes.Expr, "as_const"),
        (builtins, "exec"),
        (builtins, "eval"),
    ):
        monkeypatch.setattr(owner, name, never)


def payloads(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


def attack(source: str, data: dict[str, Any]) -> Any:
    """Save and run a payload; gives its value or our error, after checking every limit."""
    budget = Budget(clock=lambda: 0.0)  # no deadline: the counts alone must hold
    tracemalloc.start()
    try:
        result: Any = compile_expression(source).evaluate(data, budget=budget)
        assert_plain(result)
    except ExpressionError as error:
        result = error
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MOST_MEMORY
    assert budget.steps <= MAX_STEPS or isinstance(result, ExpressionError)
    assert budget.allocated <= MAX_ALLOCATED or isinstance(result, ExpressionError)
    return result


def assert_plain(value: Any) -> int:
    """Nothing but plain data, and not too much of it."""
    kind = type(value)
    assert kind in (type(None), bool, int, Decimal, str, list, dict)
    size = len(value) if kind is str else 1
    if kind is list:
        size += sum(map(assert_plain, value))
    if kind is dict:
        size += sum(assert_plain(key) + assert_plain(one) for key, one in value.items())
    assert size <= MAX_OUTPUT
    return size


def told(error: ExpressionError) -> str:
    return f"{error} {error.as_data()}"


@pytest.mark.parametrize("source", payloads(ESCAPES))
def test_nothing_is_reached_that_is_no_plain_value(source: str, data: dict[str, Any]) -> None:
    result = attack(source, data)
    if isinstance(result, ExpressionError):
        assert SECRET not in told(result)
        assert " at 0x" not in told(result)
    else:
        assert source in HARMLESS
        assert SECRET not in str(result)


HARMLESS = {
    # Nothing but data comes of these.
    "{{ 'a' | map('__class__') }}",
}


@pytest.mark.parametrize("source", [*payloads(BOMBS), *TEMPLATES])
def test_nothing_grows_beyond_its_limits(source: str, data: dict[str, Any]) -> None:
    result = attack(source, data)
    if isinstance(result, ExpressionError):
        assert len(told(result)) < 2_000


@pytest.mark.parametrize(
    "source", SYNTAX, ids=[f"{n}-{one[:20]!r}" for n, one in enumerate(SYNTAX)]
)
def test_unpleasant_sources_are_read_or_refused(source: str) -> None:
    result = attack(source, {})
    if isinstance(result, ExpressionError):
        assert len(told(result)) < 2_000
        assert result.offset is None or 0 <= result.offset <= len(source)


@pytest.mark.parametrize("source", [*payloads(ESCAPES), *payloads(BOMBS), *TEMPLATES])
def test_saving_never_computes(source: str) -> None:
    tracemalloc.start()
    try:
        compile_expression(source)
    except ExpressionError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


def test_results_are_never_evaluated_again() -> None:
    context = {"a": "{{ b }}", "b": "{{ c }}", "c": "bottom"}
    assert compile_expression("{{ a }}").evaluate(context) == "{{ b }}"
    assert compile_expression("{{ '{{' ~ ' b }}' }}").evaluate(context) == "{{ b }}"
    assert compile_expression("{{ a | replace('b', 'c') }}").evaluate(context) == "{{ c }}"


def test_a_deep_stack_of_the_caller_gives_our_error() -> None:
    nested = compile_expression("{{ " + "(1+" * 30 + "1" + ")" * 30 + " }}")

    def dive(depth: int) -> Any:
        try:
            return dive(depth + 1)
        except RecursionError:
            return nested.evaluate({})

    with pytest.raises(ExpressionError, match="deep"):
        dive(0)
