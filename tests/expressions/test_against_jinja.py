"""Ours against the original: what Jinja2 gives for benign expressions, we give too.

Where we differ on purpose the difference is a test of its own at the end.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import jinja2
import pytest

from connector.expressions import evaluate

CONTEXT: dict[str, Any] = {
    "name": "Rossi Mario",
    "shout": "CIAO A TUTTI",
    "blank": "",
    "spaced": "  due parole  ",
    "lines_text": "uno\ndue\n\ntre",
    "accents": "città più bella, perché no",
    "long": "Consulenza informatica e sviluppo software per il mese di dicembre",
    "n": 7,
    "neg": -3,
    "zero": 0,
    "half": Decimal("12.5"),
    "yes": True,
    "no": False,
    "nothing": None,
    "tags": ["b", "a", "C", "a"],
    "numbers": [3, 1, 2, 2],
    "empty": [],
    "address": {"city": "Milano", "zip": "20121", "country": {"iso": "IT"}},
    "rows": [
        {"sku": "B2", "qty": 2, "net": Decimal("10.5"), "kind": "x"},
        {"sku": "a1", "qty": 5, "net": Decimal(1), "kind": "y"},
        {"sku": "C3", "qty": 1, "net": Decimal("7.25"), "kind": "x", "note": "fragile"},
    ],
}

EXPRESSIONS = """
1
-1
+n
'testo'
"testo"
'con \\'apice\\''
'riga\\ndue'
'tab\\tulato'
'\\u00e8'
'\\x41'
'uno' 'due'
1.5
1_000
0x1F
1.0e3
true
False
none
[1, 'a', none]
[]
(1, 2)
()
{'a': 1, 'b': [2]}
{}
{1: 'x'}[1]
name
address
address.city
address['city']
address.country.iso
address['coun' ~ 'try'].iso
rows[0].sku
rows.0.sku
rows[-1].note
rows[n - 6].qty
numbers[0]
name[0]
name[-1]
name[1:4]
name[:3]
name[3:]
name[::-1]
name[::2]
numbers[1:]
numbers[:-1]
numbers[::2]
numbers[5:]
[1, 2, 3][1]
{'a': {'b': 2}}.a.b
'abc'[1]
1 + 2
n + neg
n - 2 * 3
(n - 2) * 3
n * 1.5
half * 2
half + half
half - 0.5
n / 2
n // 2
neg // 2
n % 3
neg % 3
-n % 3
7.5 // 2
7.5 % 2
-7.5 // 2
-7.5 % 2
-n
+neg
-half
'a' + 'b'
[1] + [2, 3]
'ab' * 3
3 * 'ab'
[0] * 3
'ab' * 0
'ab' * -1
name ~ '!'
name ~ n ~ half
1 ~ 2
name ~ nothing
1 == 1.0
1 == 2
'a' == 'a'
'a' == 1
none == none
[1, 2] == [1, 2]
[1, 2] == [2, 1]
{'a': 1} == {'a': 1.0}
{'a': 1} == {'a': 2}
1 != 2
1 < 2
2 <= 2
2 > 3
3 >= 3
1 < 2 < 3
1 < 3 < 2
'a' < 'b'
half > 12
'a' in 'abc'
'x' not in 'abc'
2 in numbers
9 in numbers
'city' in address
'x' in address
'x' not in address
true and false
true and 'x'
'' and 'x'
'' or 'x'
'y' or 'x'
not true
not ''
not n == 7
yes and n > 3 or no
1 if yes else 2
1 if no else 2
(1 if no else 2) if yes else 3
'a' if n > 5 else 'b' if n > 3 else 'c'
missing | default('x')
missing | default
name | default('x')
blank | default('x')
blank | default('x', true)
nothing | default('x', true)
missing | d('x')
address.nowhere | default('x')
name | upper
name | lower
shout | title
shout | capitalize
'foo-bar (baz)' | title
accents | upper
accents | title
'straße' | upper
spaced | trim
'xxaxx' | trim('x')
name | replace('Rossi', 'Bianchi')
'aaa' | replace('a', 'b', 2)
'aaa' | replace('a', '')
'aaa' | replace('', '-')
tags | join
tags | join(', ')
numbers | join('-')
rows | join('/', attribute='sku')
name.split(' ')
name.split()
'a,b,c'.split(',', 1)
name.upper()
name.lower().upper()
name.startswith('Ro')
name.endswith('x')
name.replace('o', '0')
spaced.strip()
spaced.lstrip()
spaced.rstrip()
'7'.zfill(3)
'-7'.zfill(4)
'7'.rjust(3)
'7'.ljust(3, '.')
'7'.center(4)
name.find('M')
name.find('z')
name.count('o')
'12'.isdigit()
'a1'.isalnum()
', '.join(tags)
'IT123'.removeprefix('IT')
'a.pdf'.removesuffix('.pdf')
lines_text.splitlines()
address.get('city')
address.get('x')
address.get('x', 'y')
address.items() | list
address.keys() | list
address.values() | list
tags.count('a')
numbers.index(1)
name | length
tags | count
address | length
blank | length
tags | first
tags | last
name | first
name | last
neg | abs
-1.5 | abs
'12' | int
'12.7' | int
12.7 | int
-12.7 | int
'x' | int(5)
'1.5' | float
'x' | float(2.5)
3 | float
2.4 | round
2.6 | round
-2.6 | round
3.14159 | round(2)
2.1 | round(0, 'ceil')
2.9 | round(0, 'floor')
-2.1 | round(0, 'floor')
2.11 | round(1, 'ceil')
1234 | round(-2)
42 | string
half | string
name | list
tags | list
address | list
tags | unique | list
numbers | unique | list
tags | unique(case_sensitive=true) | list
rows | unique(attribute='kind') | map(attribute='sku') | list
tags | sort
tags | sort(reverse=true)
tags | sort(case_sensitive=true)
numbers | sort
numbers | sort(true)
rows | sort(attribute='qty') | map(attribute='sku') | list
rows | sort(attribute='sku') | map(attribute='sku') | list
rows | sort(attribute='kind', reverse=true) | map(attribute='sku') | list
tags | reverse | list
name | reverse
rows | map(attribute='sku') | list
rows | map(attribute='note', default='-') | list
tags | map('upper') | list
tags | map('replace', 'a', 'z') | list
rows | map(attribute='net') | sum
numbers | select('odd') | list
numbers | select('gt', 1) | list
numbers | select | list
numbers | reject('odd') | list
rows | selectattr('kind', 'eq', 'x') | map(attribute='sku') | list
rows | selectattr('qty', 'gt', 1) | map(attribute='sku') | list
rows | selectattr('note', 'defined') | map(attribute='sku') | list
rows | rejectattr('kind', 'equalto', 'x') | map(attribute='sku') | list
rows | rejectattr('note', 'defined') | map(attribute='sku') | list
numbers | sum
rows | sum(attribute='qty')
rows | sum(attribute='net')
numbers | sum(start=10)
empty | sum
numbers | min
numbers | max
tags | min
tags | max
rows | max(attribute='qty')
rows | min(attribute='net')
[1, 2, 3, 4, 5] | batch(2) | list
[1, 2, 3] | batch(2, 0) | list
[1, 2, 3, 4, 5] | slice(3) | list
[1, 2, 3, 4] | slice(3, 0) | list
long | truncate(20)
long | truncate(20, true)
long | truncate(20, false, '…')
long | truncate(20, leeway=100)
'corto' | truncate(20)
'%s-%s' | format('a', 'b')
'%05d' | format(42)
'%.2f' | format(3.14159)
'%8.2f|' | format(3.5)
'%-6s|' | format('ab')
'%+d' | format(5)
'%(a)s %(b)s' | format(a=1, b=2)
'100%%' | format
address | items | list
name | center(20)
lines_text | indent(2)
lines_text | indent(2, true)
lines_text | wordcount
rows | groupby('kind') | length
(rows | groupby('kind') | first).grouper
name is defined
missing is defined
missing is undefined
address.city is defined
address.nowhere is not defined
nothing is none
name is none
name is string
n is string
n is number
half is number
name is number
n is integer
address is mapping
rows is sequence
rows is iterable
yes is boolean
n is boolean
yes is true
no is false
n is odd
n is even
9 is divisibleby 3
9 is divisibleby(2)
n is eq 7
n is ne 7
n is gt 5
n is ge 7
n is lt 5
n is le 7
n is greaterthan 5
n is lessthan 5
'a' is in ['a', 'b']
'a' is not in ['b']
name | upper ~ '/' ~ (n + 1)
(n + 1) * 2 ~ ''
name | lower | replace(' ', '.') ~ '@example.com'
rows | length > 2 and 'x' in 'xyz'
"""

TEMPLATES = (
    "Ciao {{ name }}!",
    "{{ name }}{{ n }}",
    "{{ name }} - {{ address.city }}",
    "{% if n > 5 %}molti{% else %}pochi{% endif %}",
    "{% if n > 9 %}a{% elif n > 6 %}b{% else %}c{% endif %}",
    "{% if no %}x{% endif %}",
    "{% for t in tags %}{{ t }},{% endfor %}",
    "{% for t in tags %}{{ loop.index }}{{ t }}{% if not loop.last %};{% endif %}{% endfor %}",
    "{% for r in rows %}{{ loop.index0 }}/{{ loop.length }} {{ r.sku }}\n{% endfor %}",
    "{% for r in rows if r.qty > 1 %}{{ loop.revindex }}{{ r.sku }} {% endfor %}",
    "{% for x in empty %}{{ x }}{% else %}niente{% endfor %}",
    "{% for k, v in address.items() %}{{ k }} {% endfor %}",
    "{% for k in address %}{{ k }} {% endfor %}",
    "{% for c in 'abc' %}{{ c }}.{% endfor %}",
    "{% for a in numbers %}{% for b in tags %}{{ a }}{{ b }} {% endfor %}{% endfor %}",
    "{% for a in numbers %}{% for b in tags %}{{ b }}{% endfor %}{{ loop.index }};{% endfor %}",
    "{% for a in numbers %}{{ loop.first }}{{ loop.last }}{% endfor %}",
    "{% set x = n * 2 %}{{ x }} e {{ x + 1 }}",
    "{% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for t in tags %}{% set u = t | upper %}{{ u }}{% endfor %}",
    "{# nota #}a{{ n }}{# nota #}b",
    "{% raw %}{{ n }}{% endraw %}{{ n }}",
    "a\n{%- if yes %} b {%- endif %}\nc",
    "{{- name -}}  x",
    "  {{ name }} {{- n }}",
    "uno\r\ndue {{ n }}\n",
    "{{ nothing }}|{{ blank }}|{{ yes }}",
    "{{ '{{' }} {{ '}}' }} {{ n }}",
    "{% if missing is defined %}c'è{% else %}non c'è{% endif %} {{ n }}",
    "{{ missing | default('-') }} {{ n }}",
    "{{ half }} {{ n / 2 }} x",
)
CASES = [line for line in EXPRESSIONS.strip().splitlines() if line]


def environment() -> jinja2.Environment:
    """The real thing, as near to ours as its options allow."""
    made = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        finalize=lambda value: "" if value is None else value,
    )
    # Its own filters turn numbers into floats: give it the exactness that is not compared here.
    made.filters["int"] = lambda value, default=0: _or(lambda: int(float(value)), default)
    return made


def _or(work: Any, default: Any) -> Any:
    try:
        return work()
    except ValueError:
        return default


def comparable(value: Any) -> Any:
    """A value in a form in which both engines agree if they agree at all."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal):
        return (
            "number",
            round(Decimal(repr(value)) if isinstance(value, float) else Decimal(value), 9),
        )
    if isinstance(value, Mapping):
        return {key: comparable(one) for key, one in value.items()}
    return [comparable(one) for one in value]


def floats(value: Any) -> Any:
    """The context for Jinja, whose literals are floats: Decimal × float would raise there."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {key: floats(one) for key, one in value.items()}
    if isinstance(value, list):
        return [floats(one) for one in value]
    return value


def test_the_corpus_is_large_and_holds_nothing_twice() -> None:
    assert len(CASES) + len(TEMPLATES) >= 150
    assert len(set(CASES)) == len(CASES)


@pytest.mark.parametrize("source", CASES)
def test_an_expression_gives_what_jinja_gives(source: str) -> None:
    theirs = environment().compile_expression(source, undefined_to_none=False)(**floats(CONTEXT))
    if source in NONE_IS_EMPTY:
        theirs = theirs.replace("None", "")
    before = copy.deepcopy(CONTEXT)

    ours = evaluate(f"{{{{ {source} }}}}", CONTEXT)

    assert comparable(ours) == comparable(theirs)
    assert before == CONTEXT


NONE_IS_EMPTY = {"name ~ nothing"}


@pytest.mark.parametrize("source", TEMPLATES)
def test_a_text_with_expressions_gives_what_jinja_gives(source: str) -> None:
    assert evaluate(source, CONTEXT) == environment().from_string(source).render(**floats(CONTEXT))


# --- differences on purpose -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "ours", "theirs"),
    [
        ("{{ nothing ~ '' }}", "", "None"),
        ("{{ 6 / 2 }}", Decimal(3), "3.0"),
        ("{{ 0.1 + 0.2 }}", Decimal("0.3"), "0.30000000000000004"),
        ("{{ 1.10 }}", Decimal("1.10"), "1.1"),
        ("{{ 2.5 | round }}", Decimal(3), "2.0"),
        ("{{ 2.675 | round(2) }}", Decimal("2.68"), "2.67"),
        ("{{ '%.2f' | format(2.675) }}", "2.68", "2.67"),
        ("{{ true is number }}", False, "True"),
        ("{{ {'a': 'è<'} | tojson }}", '{"a": "è<"}', '{"a": "\\u00e8\\u003c"}'),
        ("{{ missing.further | default('x') }}", "x", jinja2.UndefinedError),
        ("{{ empty | first | default('x') }}", "x", "x"),
    ],
)
def test_a_difference_on_purpose_stays_as_documented(source: str, ours: Any, theirs: Any) -> None:
    template = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(source)
    if isinstance(theirs, str):
        assert template.render(**floats(CONTEXT)) == theirs
    else:
        with pytest.raises(theirs):
            template.render(**floats(CONTEXT))

    value = evaluate(source, CONTEXT)

    assert value == ours
    assert type(value) is type(ours)
