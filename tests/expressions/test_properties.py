"""Generated data and generated expressions: the limits, and agreement with Jinja2, as oracles."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import babel.numbers
import jinja2
import pytest
from hypothesis import assume, example, given, settings, strategies as st

from connector.errors import ExpressionError
from connector.expressions import Budget, compile_expression, default_filters, evaluate
from connector.expressions.checks import checks
from connector.expressions.limits import MAX_ALLOCATED, MAX_STEPS
from connector.expressions.methods import METHOD_NAMES

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4),
    st.text(max_size=20),
)
plain = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(plain)
def test_plain_data_comes_out_as_it_went_in(value: Any) -> None:
    result = evaluate("{{ x }}", {"x": value})
    assert result == value
    assert type(result) is type(value)


@given(plain)
def test_tojson_is_json_with_every_digit(value: Any) -> None:
    text = evaluate("{{ x | tojson }}", {"x": value})
    assert json.loads(text, parse_float=Decimal) == value


@given(plain)
def test_a_value_equals_itself_and_not_another(value: Any) -> None:
    assert evaluate("{{ x == y }}", {"x": value, "y": value}) is True
    assert evaluate("{{ [x] != [y] }}", {"x": value, "y": [value]}) is True


@given(st.text(max_size=200))
@example("{{ x }}")
@example("\\u0041 \\' \" \n")
def test_a_text_passes_through_unread(text: str) -> None:
    assert evaluate("{{ x }}", {"x": text}) == text
    assert evaluate("{{ x }}.", {"x": text}) == f"{text}."


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_a_text_written_as_a_literal_is_read_back(text: str) -> None:
    written = text.replace("\\", "\\\\").replace("'", "\\'")
    assume(len(written.encode()) < 8_000)
    assert evaluate(f"{{{{ '{written}' }}}}", {}) == text


# --- numbers --------------------------------------------------------------------------------------

amounts = st.decimals(-(10**15), 10**15, allow_nan=False, allow_infinity=False, places=2)


@given(amounts)
def test_italian_numbers_are_read_back(amount: Decimal) -> None:
    text = evaluate("{{ x | it_number }}", {"x": amount})
    assert evaluate("{{ x | parse_it_number }}", {"x": text}) == amount
    assert text == babel.numbers.format_decimal(amount, "#,##0.00", locale="it_IT")


@settings(max_examples=400)
@given(st.text(alphabet="0123456789.,+-", min_size=1, max_size=12))
@example("1.234,56")
@example("1.23,4")
@example("1,234.56")
@example("1234")
@example("12.34")
@example("0,10")
@example("+1.000")
def test_italian_numbers_are_as_strict_as_babel(text: str) -> None:
    try:
        # babel reads '+5', but no sign before groups of thousands.
        expected: Decimal | None = babel.numbers.parse_decimal(
            text.removeprefix("+"), locale="it_IT", strict=True
        )
    except babel.numbers.NumberFormatError:
        expected = None
    try:
        value = evaluate("{{ x | parse_it_number }}", {"x": text})
    except ExpressionError:
        value = None
    if value is not None:  # all that we read, babel reads alike
        assert value == expected
    elif expected is not None and not re.match(r"[+-]?0\d*\.", text):
        # babel also takes what nobody means: ',5' '5,' '+-5' '1.', and 0.500 for five hundred
        assert not text.strip("+-")[:1].isdigit() or not text[-1].isdigit() or text[1:2] in "+-"


@given(amounts, amounts)
def test_sums_and_differences_of_money_are_exact(one: Decimal, two: Decimal) -> None:
    context = {"a": one, "b": two}
    assert evaluate("{{ a + b - b }}", context) == one
    assert evaluate("{{ a * b == b * a }}", context) is True
    assert evaluate("{{ [a, b] | sum }}", context) == one + two


@given(st.integers(-(10**6), 10**6), st.integers(-(10**3), 10**3))
def test_rest_and_quotient_agree_for_whole_numbers_and_decimals(one: int, two: int) -> None:
    assume(two != 0)
    for left, right in ((one, two), (Decimal(one), two), (one, Decimal(two))):
        context = {"a": left, "b": right}
        assert evaluate("{{ a // b }}", context) == one // two
        assert evaluate("{{ a % b }}", context) == one % two


@given(amounts)
def test_money_has_two_places_and_rounds_half_away_from_zero(amount: Decimal) -> None:
    half = Decimal("0.005").copy_sign(amount or Decimal(1))
    assert evaluate("{{ x | money }}", {"x": amount + half}) == amount + half * 2
    assert evaluate("{{ x | money }}", {"x": amount}).as_tuple().exponent == -2


# --- generated expressions against Jinja2 ---------------------------------------------------------

names = st.sampled_from(["n", "m", "s", "t", "l", "d.a", "d['b']", "l[0]", "l[-1]", "s[1:]"])
literals = st.sampled_from(
    ["0", "1", "7", "-3", "'x'", "''", "'Ab c'", "true", "false", "none", "[]"]
)

JINJA_FILTERS = (
    "upper | length | trim | abs | list | first | last | reverse | sort | sum | join | title | "
    "capitalize | min | max | string | default('z')"
)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    binary = st.sampled_from(
        ["+", "-", "*", "//", "%", "~", "==", "!=", "<", ">=", "in", "and", "or"]
    )
    filters = st.sampled_from(JINJA_FILTERS.split(" | "))
    return st.one_of(
        st.tuples(inner, binary, inner).map(lambda part: f"({part[0]} {part[1]} {part[2]})"),
        st.tuples(inner, filters).map(lambda part: f"({part[0]} | {part[1]})"),
        st.tuples(inner, inner, inner).map(lambda part: f"({part[0]} if {part[1]} else {part[2]})"),
        inner.map(lambda part: f"(not {part})"),
        st.tuples(inner, inner).map(lambda part: f"[{part[0]}, {part[1]}]"),
    )


expressions = st.recursive(names | literals, _compound, max_leaves=8)
CONTEXT: dict[str, Any] = {
    "n": 5,
    "m": -2,
    "s": "Ciao mondo",
    "t": " due ",
    "l": [3, 1, 2],
    "d": {"a": 9, "b": "bi"},
}
ENVIRONMENT = jinja2.Environment(
    undefined=jinja2.StrictUndefined, finalize=lambda value: "" if value is None else value
)


def _listed(value: Any) -> Any:
    if isinstance(value, str | int | float | Decimal) or value is None:
        return value
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value]


@settings(max_examples=200)
@given(expressions)
def test_where_we_give_a_value_jinja_gives_the_same(source: str) -> None:
    try:
        ours = evaluate(f"{{{{ {source} }}}}", CONTEXT)
    except ExpressionError:
        return  # we are stricter: see the documented differences
    theirs = ENVIRONMENT.compile_expression(source, undefined_to_none=False)(**CONTEXT)
    assume("None" not in str(theirs) and "none" not in source)  # nothing prints as nothing here
    assert ours == _listed(theirs)


# --- generated mischief ---------------------------------------------------------------------------

words = st.sampled_from(
    [*default_filters(), *checks(), *METHOD_NAMES, "x", "y", "loop", "now", "is", "not", "in", "if",
     "else", "for", "set", "and", "or", "endif", "endfor", "true", "none", "__class__"]
)  # fmt: skip
pieces = st.one_of(
    words,
    st.sampled_from(
        [*"()[]{}|.,:~+-*/%<>=!'\"", "{{", "}}", "{%", "%}", "//", "**", "==", "'a'", " "]
    ),
    st.integers(-9, 99999).map(str),
    st.text(max_size=3),
)
templates = st.one_of(
    st.lists(pieces, max_size=30).map(lambda parts: "{{ " + " ".join(parts) + " }}"),
    st.lists(pieces, max_size=30).map(lambda parts: "{% " + " ".join(parts) + " %}"),
    st.lists(pieces, max_size=30).map("".join),
)
arguments = st.lists(
    st.sampled_from(["x", "y", "-1", "0", "3", "'a'", "none", "true", "1.5", "[]", "{}"]),
    max_size=3,
).map(", ".join)
operands = st.sampled_from(["x", "y", "1", "'ab'", "[x, y]"])
calls = st.builds("{{{{ {} | {}({}) }}}}".format, operands, words, arguments)
methods = st.builds(
    "{{{{ {}.{}({}) }}}}".format, operands, st.sampled_from(sorted(METHOD_NAMES)), arguments
)


def outcome(source: str, context: dict[str, Any], budget: Budget | None = None) -> Any:
    """The value, or our error."""
    try:
        return compile_expression(source).evaluate(context, budget=budget)
    except ExpressionError as error:
        return error


@settings(max_examples=300)
@given(st.one_of(templates, calls, methods), plain, plain)
def test_whatever_is_written_gives_plain_data_or_our_error(source: str, x: Any, y: Any) -> None:
    budget = Budget(clock=lambda: 0.0)
    result = outcome(source, {"x": x, "y": y}, budget)
    if isinstance(result, ExpressionError):
        assert result.message
        assert " at 0x" not in str(result)
        return
    _assert_plain(result)
    assert budget.steps <= MAX_STEPS
    assert budget.allocated <= MAX_ALLOCATED


def _assert_plain(value: Any) -> None:
    assert type(value) in (type(None), bool, int, Decimal, str, list, dict)
    if isinstance(value, dict):
        for key, one in value.items():
            assert type(key) in (str, int)
            _assert_plain(one)
    if isinstance(value, list):
        for one in value:
            _assert_plain(one)


@pytest.mark.parametrize("name", sorted(default_filters()))
@settings(max_examples=8)
@given(value=plain, first=plain, second=plain)
def test_every_filter_takes_whatever_it_is_given(
    name: str, value: Any, first: Any, second: Any
) -> None:
    for given_arguments in ("", "(a)", "(a, b)"):
        source = f"{{{{ x | {name}{given_arguments} }}}}"
        result = outcome(source, {"x": value, "a": first, "b": second})
        if isinstance(result, ExpressionError):
            assert result.offset is not None
            assert result.__cause__ is None, "a filter let a foreign exception through"
        else:
            _assert_plain(result)


def test_half_a_unit_is_never_read_as_five_hundred() -> None:
    for text in ("0.500", "0.000", "-0.250", "00.100"):
        try:
            value = evaluate("{{ x | parse_it_number }}", {"x": text})
        except ExpressionError:
            continue
        raise AssertionError(f"{text} was read as {value}")
