"""Filters: each example is true, the rules of ours, and filters of plugins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector.errors import ExpressionError
from connector.expressions import Budget, Filter, compile_expression, default_filters, evaluate
from connector.expressions.checks import checks
from connector.expressions.filter import need_list, need_number, need_text

FILTERS = default_filters()


def error_of(source: str, **context: Any) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, context)
    return caught.value


class TestCatalogue:
    @pytest.mark.parametrize("name", FILTERS)
    def test_example_is_true(self, name: str) -> None:
        one = FILTERS[name]
        assert name in one.example or name in {"d", "float", "count"}
        result = evaluate(one.example, {"trigger": {}})
        assert result == one.result
        assert type(result) is type(one.result)

    @pytest.mark.parametrize("name", FILTERS)
    def test_it_is_explained(self, name: str) -> None:
        one = FILTERS[name]
        assert one.name == name
        assert one.help.endswith(".")
        assert one.group != "other"

    @pytest.mark.parametrize("name", checks())
    def test_every_test_is_explained_and_its_example_true(self, name: str) -> None:
        one = checks()[name]
        assert one.help.endswith(".")
        assert f" is {name}" in one.example or name in {"equalto", "greaterthan", "lessthan"}
        assert evaluate(one.example, {"trigger": {}}) is True

    def test_the_dict_is_new_each_time(self) -> None:
        default_filters().clear()
        assert "upper" in default_filters()

    def test_signatures_tell_what_may_be_left_out(self) -> None:
        assert FILTERS["replace"].signature == "replace(old, new, count?)"
        assert FILTERS["upper"].signature == "upper"
        assert FILTERS["map"].signature == "map(…, name=…)"


RULES: list[tuple[str, Any]] = [
    # Italian numbers
    ("{{ 1234567.891 | it_number }}", "1.234.567,89"),
    ("{{ -1234.5 | it_number }}", "-1.234,50"),
    ("{{ -0.001 | it_number }}", "0,00"),
    ("{{ 0.5 | it_number(0) }}", "1"),
    ("{{ 1234.5 | it_number(grouping=false) }}", "1234,50"),
    ("{{ 1234.125 | it_number(decimals=none) }}", "1.234,125"),
    ("{{ '12.5' | it_number }}", "12,50"),
    ("{{ '1.234,56' | parse_it_number }}", Decimal("1234.56")),
    ("{{ ' -1.234,56 ' | parse_it_number }}", Decimal("-1234.56")),
    ("{{ '1234,5' | parse_it_number }}", Decimal("1234.5")),
    ("{{ '1.234' | parse_it_number }}", Decimal(1234)),
    ("{{ 12.5 | parse_it_number }}", Decimal("12.5")),
    # numbers
    ("{{ 2.5 | round }}", Decimal(3)),
    ("{{ -2.5 | round }}", Decimal(-3)),
    ("{{ 2.345 | round(2) }}", Decimal("2.35")),
    ("{{ 1 | round(2) }}", Decimal("1.00")),
    ("{{ 5 | round }}", 5),
    ("{{ 1250 | round(-2) }}", Decimal(1300)),
    ("{{ 2.01 | round(1, 'ceil') }}", Decimal("2.1")),
    ("{{ '10.005' | money }}", Decimal("10.01")),
    ("{{ -10.005 | money }}", Decimal("-10.01")),
    ("{{ 10 | money }}", Decimal("10.00")),
    ("{{ -12.7 | int }}", -12),
    ("{{ true | int }}", 1),
    ("{{ 'x' | int(0) }}", 0),
    ("{{ none | decimal(0) }}", 0),
    ("{{ ' 1e2 ' | decimal }}", Decimal("1e2")),
    ("{{ '.5' | decimal }}", Decimal("0.5")),
    # dates
    ("{{ '2026-12-31T23:59:59.123456+01:00' | it_date }}", "31/12/2026"),
    ("{{ '2026-12-31 18:30' | date('%H.%M') }}", "18.30"),
    ("{{ '2026-08-01' | date('%d %B %Y') }}", "01 agosto 2026"),
    ("{{ '2026-08-01' | date('%B', lang='en') }}", "August"),
    ("{{ '2026-08-01' | date('%y%%') }}", "26%"),
    ("{{ '2026-08-01T10:00:00Z' | date }}", "2026-08-01"),
    ("{{ '1/2/2026' | parse_it_date }}", "2026-02-01"),
    ("{{ '01-02-2026' | parse_it_date }}", "2026-02-01"),
    ("{{ '01.02.2026' | parse_it_date }}", "2026-02-01"),
    ("{{ '2026-03-01' | add_days(-1) }}", "2026-02-28"),
    ("{{ '2024-01-31' | add_months(1) }}", "2024-02-29"),
    ("{{ '2026-01-31' | add_months(-2) }}", "2025-11-30"),
    ("{{ '2026-12-15' | add_months(1) }}", "2027-01-15"),
    ("{{ '2026-12-15' | end_of_month }}", "2026-12-31"),
    ("{{ '9999-12-15' | end_of_month }}", "9999-12-31"),
    ("{{ '2026-01-31' | add_days(60) | end_of_month | it_date }}", "30/04/2026"),
    ("{{ '2026-01-15T23:30:00+00:00' | local_time }}", "2026-01-16T00:30:00+01:00"),
    ("{{ '2026-01-15T12:00:00Z' | local_time('UTC') }}", "2026-01-15T12:00:00+00:00"),
    # countries
    ("{{ 'Italia' | country_iso }}", "IT"),
    ("{{ 'italy' | country_iso }}", "IT"),
    ("{{ 'it' | country_iso }}", "IT"),
    ("{{ ' PAESI  BASSI ' | country_iso }}", "NL"),
    ("{{ 'Olanda' | country_iso }}", "NL"),
    ("{{ 'Côte d’Ivoire' | country_iso }}", "CI"),
    ("{{ 'cote d ivoire' | country_iso }}", "CI"),
    ("{{ 'Stati Uniti' | country_iso }}", "US"),
    ("{{ 'UK' | country_iso }}", "GB"),
    ("{{ 'EL' | country_iso }}", "GR"),
    ("{{ 'Austria' | country_iso }}", "AT"),
    ("{{ 'at' | country_name }}", "Austria"),
    ("{{ 'DE' | country_name('en') }}", "Germany"),
    ("{{ none | country_name }}", None),
    ("{{ 'DE' | country_name(lang='de') }}", "Deutschland"),
    # VAT
    ("{{ 'IT' | vat_region }}", "domestic"),
    ("{{ 'fr' | vat_region }}", "eu"),
    ("{{ 'EL' | vat_region }}", "eu"),
    ("{{ 'GB' | vat_region }}", "export"),
    ("{{ 'CH' | vat_region }}", "export"),
    ("{{ 'SM' | vat_region }}", "export"),
    ("{{ 'IT' | vat_region('FR') }}", "eu"),
    ("{{ 'IT' | vat_region(home='CH') }}", "export"),
    ("{{ '007 4311 0157' | vat_it }}", "00743110157"),
    ("{{ '00743110157' | is_vat_it }}", True),
    ("{{ '00743110158' | is_vat_it }}", False),
    ("{{ none | is_vat_it }}", False),
    ("{{ '00743110158' is vat_it }}", False),
    ("{{ 743110157 is vat_it }}", False),
    ("{{ '00743110157' | tax_code_it }}", "00743110157"),
    ("{{ 'RCCMNL83S18D969X' is tax_code_it }}", False),
    ("{{ 'IT60X0542811101000000123457' is iban }}", False),
    # names and texts
    ("{{ 'Rossi, Mario' | first_name }}", "Mario"),
    ("{{ 'Rossi, Mario' | last_name }}", "Rossi"),
    ("{{ 'Mario' | first_name }}", "Mario"),
    ("{{ 'Mario' | last_name }}", ""),
    ("{{ 'Anna Maria Verdi' | first_name }}", "Anna Maria"),
    ("{{ 'Ludwig van Beethoven' | last_name }}", "van Beethoven"),
    ("{{ \"Gabriele D' Annunzio\" | last_name }}", "D' Annunzio"),
    ("{{ '  Ünïcode -- Straße  ' | slug }}", "unicode-strae"),
    ("{{ '' | slug }}", ""),
    ("{{ '+39 (02) 123' | digits }}", "3902123"),
    ("{{ '٣4' | digits }}", "4"),
    ("{{ 'a\\r\\nb\\rc\\n' | lines }}", ["a", "b", "c"]),
    ("{{ none | upper }}", ""),
    ("{{ 12 | upper }}", "12"),
    # lists
    ("{{ [{'k': 'b', 'v': 1}, {'k': 'a', 'v': 2}] | groupby('k') | map(attribute='grouper') }}",
     ["a", "b"]),
    ("{{ [{'k': 1}, {}] | groupby('k', default=0) | map(attribute='grouper') }}", [0, 1]),
    ("{{ [1, 1.0, '1', true, none, none] | unique }}", [1, "1", True, None]),
    ("{{ [1.50, 1.5, 15e-1] | unique | length }}", 1),
    ("{{ [{'a': {'b': 2}}, {'a': {'b': 1}}] | sort(attribute='a.b') | map(attribute='a.b') }}",
     [1, 2]),
    ("{{ [[1, 'x'], [0, 'y']] | sort(attribute=0) | map(attribute=1) }}", ["y", "x"]),
    ("{{ ['1,5', '2,5'] | map('parse_it_number') | sum }}", Decimal("4.0")),
    ("{{ ['a', 'b'] | map('format') }}", ["a", "b"]),
    ("{{ {'b': 1, 'a': 2} | sort }}", ["a", "b"]),
    ("{{ {'b': 1, 'a': 2} | values | sum }}", 3),
    # JSON
    ("{{ {'a': [1, true, none, 'è\"\\n']} | tojson }}", '{"a": [1, true, null, "è\\"\\n"]}'),
    ("{{ {'a': [1], 'b': {}} | tojson(indent=2) }}", '{\n  "a": [\n    1\n  ],\n  "b": {}\n}'),
    ("{{ [] | tojson }}", "[]"),
    ("{{ {1: 1.50} | tojson }}", '{"1": 1.50}'),
]  # fmt: skip


@pytest.mark.parametrize(("source", "value"), RULES)
def test_rule(source: str, value: Any) -> None:
    result = evaluate(source, {})
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ '1,234.56' | parse_it_number }}",
        "{{ '12.34' | parse_it_number }}",
        "{{ '1.23,4' | parse_it_number }}",
        "{{ '1 234,5' | parse_it_number }}",
        "{{ '€ 5' | parse_it_number }}",
        "{{ '٣,٥' | parse_it_number }}",
        "{{ '' | parse_it_number }}",
        "{{ none | parse_it_number }}",
        "{{ true | parse_it_number }}",
        "{{ 'abc' | int }}",
        "{{ '1_000' | decimal }}",
        "{{ '1,5' | decimal }}",
        "{{ '٣' | decimal }}",
        "{{ none | decimal }}",
        "{{ true | decimal }}",
        "{{ [] | decimal }}",
        "{{ '12' | round }}",
        "{{ true | abs }}",
        "{{ 1 | round(1.5) }}",
        "{{ 1 | round(method='up') }}",
        "{{ 1 | round(method=[]) }}",
        "{{ '2026-02-30' | it_date }}",
        "{{ '31/12/2026' | it_date }}",
        "{{ '2026-12-31T25:00:00' | date }}",
        "{{ '2026-12-31x' | it_date }}",
        "{{ 20261231 | it_date }}",
        "{{ '٢٠٢٦-١٢-٣١' | it_date }}",
        "{{ '2026-12-31' | date('%Q') }}",
        "{{ '2026-12-31' | date('%') }}",
        "{{ '2026-12-31' | date('%B', lang='xx') }}",
        "{{ '30/02/2026' | parse_it_date }}",
        "{{ '1/2/26' | parse_it_date }}",
        "{{ '1/2-2026' | parse_it_date }}",
        "{{ '2026-01-01' | add_days(1.5) }}",
        "{{ '2026-01-01' | add_days('1') }}",
        "{{ '9999-12-31' | add_days(1) }}",
        "{{ '0001-01-01' | add_months(-1) }}",
        "{{ '2026-01-01T10:00:00' | local_time }}",
        "{{ '2026-01-01T10:00:00Z' | local_time('Nowhere/Land') }}",
        "{{ '2026-01-01T10:00:00Z' | local_time('Europe') }}",
        "{{ 'Atlantide' | country_iso }}",
        "{{ '' | country_iso }}",
        "{{ 'ZZ' | country_iso }}",
        "{{ 'EU' | country_iso }}",
        "{{ 'Italia' | country_name }}",
        "{{ 'XX' | vat_region }}",
        "{{ 'IT' | vat_region('Mars') }}",
        "{{ '00743110158' | vat_it }}",
        "{{ '' | vat_it }}",
        "{{ 743110157 | vat_it }}",
        "{{ 'RCCMNL83S18D969X' | tax_code_it }}",
        "{{ 'IT60' | iban }}",
        "{{ [1, 'a'] | sort }}",
        "{{ [none, 1] | max }}",
        "{{ [[1], [2]] | sort }}",
        "{{ [[1]] | unique }}",
        "{{ ['a'] | sum }}",
        "{{ [1] | sum(start='a') }}",
        "{{ [true] | sum }}",
        "{{ 'abc' | join(', ') }}",
        "{{ 5 | length }}",
        "{{ 5 | first }}",
        "{{ [1] | map }}",
        "{{ [1] | map(attribute='a', other=1) }}",
        "{{ [1] | items }}",
        "{{ [1] | batch(0) }}",
        "{{ [1] | slice('a') }}",
        "{{ 'a' | split('') }}",
        "{{ 'a' | replace(1, 2) }}",
        "{{ [[1]] | join }}",
        "{{ '%s' | format }}",
        "{{ 'a' | format('b') }}",
        "{{ '%d' | format('a') }}",
        "{{ '%x' | format(1) }}",
        "{{ '%' | format(1) }}",
        "{{ '%(a)s' | format(b=1) }}",
        "{{ '%s' | format(1, b=2) }}",
        "{{ '%d' | format(true) }}",
    ],
)
def test_what_does_not_fit_is_an_error_of_ours(source: str) -> None:
    error = error_of(source)
    assert error.message.endswith(".")
    assert error.__cause__ is None
    assert error.offset is not None


def test_an_unknown_country_offers_the_nearest_name() -> None:
    assert "Germania" in error_of("{{ x | country_iso }}", x="Germannia").remedy


class TestOwnFilters:
    def test_a_function_of_small_values_is_enough(self) -> None:
        def stars(value: int, of: int = 5) -> str:
            """A rating as stars.

            {{ 3 | stars }} => "★★★☆☆"
            """
            return "★" * value + "☆" * (of - value)

        made = Filter.of(stars)
        assert (made.name, made.help) == ("stars", "A rating as stars.")
        assert made.signature == "stars(of?)"
        known = {**default_filters(), "stars": made}
        assert evaluate(made.example, {}, filters=known) == made.result == "★★★☆☆"
        assert evaluate("{{ [1, 2] | map('stars', of=2) }}", {}, filters=known) == ["★☆", "★★"]

    def test_filters_replace_the_built_in_ones(self) -> None:
        with pytest.raises(ExpressionError, match="upper"):
            evaluate("{{ 'a' | upper }}", {}, filters={})

    def test_two_sets_of_filters_do_not_meet_in_the_cache(self) -> None:
        one = {"f": Filter("f", lambda value: 1)}
        two = {"f": Filter("f", lambda value: 2)}
        assert evaluate("{{ 'a' | f }}", {}, filters=one) == 1
        assert evaluate("{{ 'a' | f }}", {}, filters=two) == 2

    def test_what_goes_in_is_bounded(self) -> None:
        seen = []
        known = {"f": Filter("f", lambda value, *rest: seen.append(value), limit=10)}
        evaluate("{{ x | f }}", {"x": "a" * 10}, filters=known)
        for value in ("a" * 11, ["a" * 5] * 2, {"a" * 5: "b" * 5}, [""] * 3):
            with pytest.raises(ExpressionError, match="at most 10 characters"):
                evaluate("{{ x | f }}", {"x": value}, filters=known)
        with pytest.raises(ExpressionError, match="at most 10 characters"):
            evaluate("{{ 'a' | f(x) }}", {"x": "a" * 10}, filters=known)
        assert seen == ["a" * 10]

    def test_what_comes_out_is_bounded(self) -> None:
        for result in ("a" * 11, ["a"] * 3, {"a" * 11: 1}):
            known = {"f": Filter("f", lambda value, result=result: result, limit=10)}
            with pytest.raises(ExpressionError, match="at most 10 characters"):
                evaluate("{{ 1 | f }}", {}, filters=known)

    @pytest.mark.parametrize("result", [object(), b"a", {1.5: 2}, [object()], float("nan"), {1, 2}])
    def test_what_comes_out_must_be_plain(self, result: Any) -> None:
        for budgeted in (False, True):
            known = {"f": Filter("f", lambda *given: result, budgeted=budgeted)}
            with pytest.raises(ExpressionError):
                evaluate("{{ 1 | f }}", {}, filters=known)

    def test_floats_and_tuples_that_come_out_are_made_plain(self) -> None:
        known = {"f": Filter("f", lambda value: (0.1, {"a": ()}))}
        assert evaluate("{{ 1 | f }}", {}, filters=known) == [Decimal("0.1"), {"a": []}]

    def test_its_own_trouble_becomes_our_error_with_the_cause_kept(self) -> None:
        def broken(value: str) -> str:
            raise KeyError(f"secret {value}")

        with pytest.raises(ExpressionError) as caught:
            evaluate(
                "{{ x.y | broken }}", {"x": {"y": "abc"}}, filters={"broken": Filter.of(broken)}
            )
        assert "abc" not in str(caught.value)
        assert caught.value.field == "x.y"
        assert caught.value.offset == 9
        assert isinstance(caught.value.__cause__, KeyError)

    def test_its_own_sentence_is_kept(self) -> None:
        def picky(value: str) -> str:
            raise ExpressionError("Only on Sundays.", remedy="Wait.")

        with pytest.raises(ExpressionError, match="Only on Sundays") as caught:
            evaluate("{{ x | picky }}", {"x": "a"}, filters={"picky": Filter.of(picky)})
        assert caught.value.field == "x"

    def test_a_budgeted_filter_gets_the_budget_first(self) -> None:
        def twice(budget: Budget, value: str) -> str:
            budget.text(2 * len(value))
            return value * 2

        known = {"twice": Filter.of(twice, budgeted=True)}
        assert len(evaluate("{{ x | twice }}", {"x": "a" * 100_000}, filters=known)) == 200_000
        with pytest.raises(ExpressionError, match="longer"):
            evaluate("{{ x | twice | twice }}", {"x": "a" * 100_000}, filters=known)

    def test_it_is_prepared_when_an_expression_is_saved(self) -> None:
        calls: list[str] = []
        made = Filter("heavy", lambda value: value, prepare=lambda: calls.append("ready"))
        expression = compile_expression("{{ x | heavy }}", filters={"heavy": made})
        assert calls == ["ready"]
        expression.evaluate({"x": 1})
        assert calls == ["ready"]

    @pytest.mark.parametrize("name", ["", "_hidden", "two words", "a.b", "a-b"])
    def test_a_name_must_be_one_that_can_be_written(self, name: str) -> None:
        with pytest.raises(ValueError, match="name for a filter"):
            Filter(name, lambda value: value)

    def test_an_example_that_is_no_json_is_told_to_its_author(self) -> None:
        def bad(value: str) -> str:
            """Says something.

            {{ 'a' | bad }} => a
            """
            return value

        with pytest.raises(ValueError, match="bad"):
            Filter.of(bad)

    def test_a_docstring_without_an_example_is_fine(self) -> None:
        def simple(value: str) -> str:
            """Simple => but no example."""
            return value

        made = Filter.of(simple, "other_name")
        assert (made.name, made.example, made.result) == ("other_name", "", None)
        assert made.help == "Simple => but no example."


def test_a_filter_without_a_docstring_explains_nothing() -> None:
    made = Filter.of(lambda value: value, "same")
    assert (made.help, made.example, made.result) == ("", "", None)


def test_all_that_a_filter_without_budget_takes_and_gives_is_counted() -> None:
    budget = Budget(clock=lambda: 0.0)
    assert Filter("same", lambda value: value)(budget, [1, [2], {"a": 3}]) == [1, [2], {"a": 3}]
    assert budget.steps == 8 + 3 + 8  # measured, copied, measured


def test_what_is_asked_for_is_named() -> None:
    for need, what in ((need_text, "text"), (need_number, "a number"), (need_list, "a list")):
        with pytest.raises(ExpressionError, match=f"The value must be {what}, but it is") as caught:
            need(True)
        assert (caught.value.remedy or "") == ("Make text of it with | string." * (what == "text"))
