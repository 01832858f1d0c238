"""Values: types, literals, what is missing, lookups, statements and the time."""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from connector.expressions import Budget, compile_expression, evaluate
from tests.expressions.kit import CONTEXT, NOW, error_of


class TestTypes:
    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("{{ trigger.resource.id }}", 12),
            ("{{trigger.resource.id}}", 12),
            ("  {{ trigger.resource.id }}\n", 12),
            ("{{ trigger.resource.net }}", Decimal("10.10")),
            ("{{ trigger.resource.note }}", None),
            ("{{ trigger.resource.id > 3 }}", True),
            ("{{ trigger.resource.lines[0] }}", {"sku": "A", "qty": 1}),
            ("{{ 1.10 }}", Decimal("1.10")),
            ("{{ 2 }}", 2),
            ("{{ 0.1234567890123456789012345 }}", Decimal("0.1234567890123456789012345")),
            ("{{ 1.5e2 }}", Decimal("1.5E+2")),
        ],
    )
    def test_a_lone_expression_keeps_its_type(self, source: str, value: Any) -> None:
        result = evaluate(source, CONTEXT)
        assert result == value
        assert type(result) is type(value)

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("n. {{ trigger.resource.id }}", "n. 12"),
            ("{{ 1 }}{{ 2 }}", "12"),
            ("{{ trigger.resource.net }} €", "10.10 €"),
            ("({{ trigger.resource.note }})", "()"),
            ("{% if true %}1{% endif %}", "1"),
            ("{{ 1.0e5 }} €", "100000 €"),
            ("{{ 0 * -1.5 }} €", "0.0 €"),
        ],
    )
    def test_everything_else_is_text(self, source: str, value: str) -> None:
        assert evaluate(source, CONTEXT) == value

    @pytest.mark.parametrize(
        "data", ["1_000", "0x10", "[1, 2]", "None", "1.10", "{{ 1 }}", "true", "{% if %}"]
    )
    def test_text_data_is_never_read_as_something_else(self, data: str) -> None:
        assert evaluate("{{ x }}", {"x": data}) == data
        assert evaluate("{{ x }}!", {"x": data}) == f"{data}!"

    @pytest.mark.parametrize(
        "value", ["a", "", "è", True, None, 0, -7, 10**17, 2**200, {}, [], "x" * 70_000]
    )
    def test_a_path_gives_the_same_with_and_without_a_budget(self, value: Any) -> None:
        made = compile_expression("{{ a.b }}")
        context = {"a": {"b": value}}
        alone = made.evaluate(context)
        counted = made.evaluate(context, budget=Budget())
        assert alone == counted == value
        assert type(alone) is type(counted) is type(value)
        assert made.evaluate({"a": MappingProxyType({"b": value})}) == value

    def test_floats_become_the_decimal_that_is_written(self) -> None:
        assert repr(evaluate("{{ x }}", {"x": 0.1})) == "Decimal('0.1')"
        assert repr(evaluate("{{ x.0 }}", {"x": [1.10]})) == "Decimal('1.1')"

    def test_division_gives_a_decimal(self) -> None:
        assert repr(evaluate("{{ 6 / 3 }}", {})) == "Decimal('2')"
        assert repr(evaluate("{{ 6 // 3 }}", {})) == "2"

    def test_money_is_added_without_losing_a_cent(self) -> None:
        lines = [{"net": 0.1}, {"net": 0.2}]
        assert evaluate("{{ lines | sum(attribute='net') }}", {"lines": lines}) == Decimal("0.3")

    def test_numbers_larger_than_28_digits_are_not_rounded(self) -> None:
        whole = "12345678901234567890123456789012345"
        assert evaluate(f"{{{{ {whole} + 0.01 }}}}", {}) == Decimal(f"{whole}.01")

    def test_tuples_become_lists(self) -> None:
        assert evaluate("{{ x }}", {"x": (1, (2,))}) == [1, [2]]

    def test_other_mappings_become_dicts(self) -> None:
        given = MappingProxyType({"a": OrderedDict(b=1)})
        result = evaluate("{{ x }}", {"x": given})
        assert result == {"a": {"b": 1}}
        assert type(result["a"]) is dict

    def test_a_list_or_object_inside_of_text_is_an_error(self) -> None:
        assert "join" in error_of("x {{ trigger.resource.lines }}").remedy
        assert "tojson" in error_of("x {{ trigger.resource }}").remedy


class TestLiterals:
    @pytest.mark.parametrize("source", ["", "Milano", "50 % { } }} %}", "{# note #}", "a\r\nb\n"])
    def test_text_without_braces_stands_for_itself(self, source: str) -> None:
        made = compile_expression(source)
        assert made.is_literal
        assert made.evaluate({}) == source
        assert made.references == ()

    def test_a_literal_may_be_longer_than_an_expression(self) -> None:
        assert evaluate("a" * 20_000, {}) == "a" * 20_000

    def test_raw_blocks_and_quotes_write_braces(self) -> None:
        assert evaluate("{% raw %}{{ x }}{% endraw %}", {}) == "{{ x }}"
        assert evaluate("{{ '{{' }}", {}) == "{{"


class TestMissing:
    def test_a_missing_place_names_its_path_and_the_nearest_keys(self) -> None:
        error = error_of("{{ trigger.resource.vat_numbr }}")
        assert error.field == "trigger.resource.vat_numbr"
        assert "'vat_numbr'" in error.message
        assert "'vat_number'" in error.remedy
        assert "default" in error.remedy
        assert error.offset == 3

    def test_it_names_the_first_key_that_is_absent(self) -> None:
        assert error_of("{{ trigger.nowhere.name }}").field == "trigger.nowhere"
        assert error_of("{{ nowhere.name }}").field == "nowhere"

    def test_it_says_what_it_found_instead_of_an_object(self) -> None:
        assert "nothing" in error_of("{{ trigger.resource.note.text }}").message
        assert "text" in error_of("{{ trigger.resource.name.first }}").message
        assert "2 rows" in error_of("{{ trigger.resource.lines.sku }}").message

    @pytest.mark.parametrize(
        "source",
        [
            "{{ x | upper }}",
            "{{ x ~ 'a' }}",
            "{{ x or 'a' }}",
            "{{ not x }}",
            "{{ [x] }}",
            "{{ {'a': x} }}",
            "{{ x == 1 }}",
            "{{ x is none }}",
            "{{ x is string }}",
            "{{ 'a' if x else 'b' }}",
            "{{ x[0:1] }}",
            "{{ x.upper() }}",
            "{{ 'a' | replace('a', x) }}",
            "{{ 1 | default(x) }}",
            "a{{ x }}",
            "{% if x %}{% endif %}",
            "{% for y in x %}{% endfor %}",
            "{% set y = x %}",
            "{{ [{}] | map(attribute='x') }}",
            "{{ [{}] | sum(attribute='x') }}",
            "{{ [{}] | selectattr('x') }}",
            "{{ [[]] | map('first') }}",
            "{{ [] | first }}",
            "{{ [] | max }}",
            "{{ 'a' if false }}",
        ],
    )
    def test_nothing_but_default_and_defined_accepts_it(self, source: str) -> None:
        error_of(source)

    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("{{ x | default('-') }}", "-"),
            ("{{ x | default }}", ""),
            ("{{ x.y.z | default('-') }}", "-"),
            ("{{ trigger.resource.note.deeper | default('-') }}", "-"),
            ("{{ trigger.resource.lines[9].sku | default('-') }}", "-"),
            ("{{ [] | first | default('-') }}", "-"),
            ("{{ ('a' if false) | default('-') }}", "-"),
            ("{{ x is defined }}", False),
            ("{{ x.y is undefined }}", True),
            ("{{ trigger.resource.note is defined }}", True),
            ("{{ x is defined and x }}", False),
            ("{{ [{}] | map(attribute='x', default=0) }}", [0]),
            ("{{ [{}, {'x': 1}] | selectattr('x', 'defined') }}", [{"x": 1}]),
            ("{{ [[], [1]] | map('default', 0) }}", [[], [1]]),
        ],
    )
    def test_optional_is_said_with_default_or_defined(self, source: str, value: Any) -> None:
        assert evaluate(source, CONTEXT) == value

    def test_default_keeps_nothing_unless_it_is_told_so(self) -> None:
        assert evaluate("{{ trigger.resource.note | default('-') }}", CONTEXT) is None
        assert evaluate("{{ trigger.resource.note | default('-', true) }}", CONTEXT) == "-"


class TestLookups:
    @pytest.mark.parametrize(
        ("source", "value"),
        [
            ("{{ trigger.resource['name'] }}", "Rossi"),
            ("{{ trigger['resource'].lines[1]['sku'] }}", "B"),
            ("{{ trigger.resource.lines.1.sku }}", "B"),
            ("{{ trigger.resource.lines['1'].sku }}", "B"),
            ("{{ trigger.resource.lines[-1].sku }}", "B"),
            ("{{ trigger.resource['a.b'] }}", "dotted"),
            ("{{ trigger['res' ~ 'ource'].name }}", "Rossi"),
            ("{{ trigger.resource.lines[trigger.resource.lines[0].qty].sku }}", "B"),
            ("{{ {'M': 'Sig.', 'F': 'Sig.ra'}['F'] }}", "Sig.ra"),
            ("{{ (trigger.resource).name }}", "Rossi"),
        ],
    )
    def test_keys_and_indexes(self, source: str, value: Any) -> None:
        assert evaluate(source, CONTEXT) == value

    def test_a_key_that_looks_like_a_method_is_a_key(self) -> None:
        assert evaluate("{{ x.items }}", {"x": {"items": 3}}) == 3
        assert evaluate("{{ x.items() }}", {"x": {"items": 3}}) == [["items", 3]]

    def test_a_number_finds_the_key_that_is_its_text(self) -> None:
        assert evaluate("{{ x[7] }}", {"x": {"7": "seven"}}) == "seven"

    def test_nothing_is_read_by_attribute(self) -> None:
        class Thing:
            secret = "s3cret"

        assert "s3cret" not in str(error_of("{{ x.secret }}", {"x": Thing()}))
        assert "s3cret" not in str(error_of("{{ x }}", {"x": Thing()}))

    @pytest.mark.parametrize("value", [b"bytes", {1, 2}, NOW, object(), len, float, 1j, range(3)])
    def test_foreign_values_are_refused(self, value: Any) -> None:
        error = error_of("{{ x }}", {"x": value})
        assert error.field == "x"
        assert type(value).__name__ in error.message
        error_of("{{ x.0 }}", {"x": [value]})
        error_of("{{ x | tojson }}", {"x": {"y": [value]}})

    def test_texts_and_numbers_of_derived_classes_are_refused(self) -> None:
        class Secret(str):
            __slots__ = ()

        class Flag(int):
            pass

        error_of("{{ x }}", {"x": Secret("a")})
        error_of("{{ x }}", {"x": [Flag(1)]})

    def test_the_context_is_never_changed_and_never_handed_out(self) -> None:
        given = {"a": [1, {"b": 2}]}
        result = evaluate("{{ a }}", given)
        result[1]["b"] = 3
        assert given == {"a": [1, {"b": 2}]}

    def test_rows_that_are_shared_inside_are_shared_no_more_outside(self) -> None:
        result = evaluate("{{ [x, x] }}", {"x": [1]})
        result[0].append(2)
        assert result == [[1, 2], [1]]

    def test_a_mapping_that_makes_its_values_anew_each_time_is_read_right(self) -> None:
        class Fresh(dict[str, Any]):
            def __getitem__(self, key: str) -> Any:
                return [key]

        source = "{{ [x.a, x.b, x.c, x.a] }}"
        given = {"x": Fresh(a=0, b=0, c=0)}
        assert evaluate(source, given) == [["a"], ["b"], ["c"], ["a"]]


class TestStatements:
    def test_set_makes_a_name(self) -> None:
        assert evaluate("{% set x = 2 %}{{ x * 3 }}", {}) == "6"

    @pytest.mark.parametrize(
        "source",
        [
            "{% set trigger = 1 %}",
            "{{ trigger.resource.id }}{% set trigger = 1 %}",
            "{% set now = 1 %}",
            "{% set loop = 1 %}",
            "{% set _x = 1 %}",
            "{% set a, b = [1, 2] %}",
            "{% set a.b = 1 %}",
            "{% set a = 1 %}{% for x in [1] %}{% set a = 2 %}{% endfor %}",
            "{% for x in [1] %}{% for y in [1] %}{% set x = 2 %}{% endfor %}{% endfor %}",
        ],
    )
    def test_set_only_makes_new_names(self, source: str) -> None:
        error_of(source)

    def test_set_refuses_a_source_name_that_is_never_read(self) -> None:
        compile_expression("{% set item = 1 %}")
        assert "taken" in error_of("{% set item = 1 %}", {"item": 2}).message

    def test_a_name_of_one_round_of_a_loop_is_gone_in_the_next(self) -> None:
        source = (
            "{% for x in [1, 2] %}{% if loop.first %}{% set y = x %}{% endif %}"
            "{{ y | default('-') }}{% endfor %}"
        )
        assert evaluate(source, {}) == "1-"

    def test_a_name_that_was_not_set_on_this_way_is_missing(self) -> None:
        source = "{% if no %}{% set x = 1 %}{% endif %}{{ x }}"
        assert "not set" in error_of(source, {"no": False}).message

    def test_loop_names_hide_source_names_inside_only(self) -> None:
        source = "{% for item in [1, 2] %}{{ item }}{% endfor %}{{ item }}"
        assert evaluate(source, {"item": "x"}) == "12x"

    def test_a_row_that_cannot_be_taken_apart_says_so(self) -> None:
        error = error_of("{% for a, b in [[1, 2], [3]] %}{{ a }}{% endfor %}")
        assert "2 names" in error.message
        assert "a list of 1" in error.message

    def test_a_loop_over_a_number_says_so(self) -> None:
        error = error_of("{% for a in trigger.resource.id %}{% endfor %}")
        assert error.field == "trigger.resource.id"
        assert error.value_type == "number"


class TestNow:
    def test_it_is_the_time_that_was_given(self) -> None:
        assert evaluate("{{ now() }}", {}, now=NOW) == "2026-07-31T12:30:00+00:00"
        assert evaluate("{{ now() | it_date }}", {}, now=NOW) == "31/07/2026"

    def test_without_a_run_there_is_none(self) -> None:
        assert error_of("{{ now() }}").who == "developer"

    def test_it_takes_nothing(self) -> None:
        error_of("{{ now('utc') }}", now=NOW)

    def test_the_bare_word_tells_how_it_is_written(self) -> None:
        assert "now()" in error_of("{{ now }}", now=NOW).remedy
