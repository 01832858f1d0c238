"""Limits of size, from both sides: what just fits works, and one more is an error."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connector.expressions import Budget, compile_expression, evaluate
from connector.expressions.limits import MAX_LEVELS, MAX_OUTPUT, MAX_ROWS, MAX_TEXT
from tests.expressions.kit import Clock, refused


class TestSizes:
    """Growth is known before it happens, from the sizes of the data too."""

    HALF = "a" * (MAX_TEXT // 2)
    WIDE = "è" * (MAX_TEXT // 4)

    @pytest.mark.parametrize(
        "source",
        [
            "{{ h ~ h ~ '.' }}",
            "{{ h + h + '.' }}",
            "{{ h * 3 }}",
            "{{ 3 * h }}",
            "{{ h | replace('a', 'bcd') }}",
            "{{ h.replace('', 'bc') }}",
            "{{ [h, h, h] | join }}",
            "{{ ['a', 'a', 'a'] | join(h) }}",
            "{{ h.join(['a', 'a', 'a', 'a']) }}",
            "{{ '%s%s%s' | format(h, h, h) }}",
            "{{ '%(x)s%(x)s%(x)s' | format(x=h) }}",
            "{{ [h, h] | tojson }}",
            "{{ (h ~ h) | indent(first=true) }}",
            "{{ rows | join(h) }}",
            "{{ 'a' * 262145 }}",
            "{{ w * 3 }}",
            "{{ w ~ w ~ w }}",
            "{{ w + w + w }}",
            "{{ [w, w, w] | join }}",
            "{{ ''.join([w, w, w]) }}",
        ],
    )
    def test_texts_have_256_kib(self, source: str) -> None:
        context = {"h": self.HALF, "w": self.WIDE, "rows": [1] * MAX_ROWS}
        refused(source, context, "longer|larger|memory")
        measured = source.replace("{{ ", "{{ (").replace(" }}", ") | length }}")
        refused(measured, context, "longer|larger|memory")  # not only as a result

    def test_a_text_that_just_fits(self) -> None:
        assert len(evaluate("{{ h ~ h }}", {"h": self.HALF})) == MAX_TEXT
        assert len(evaluate("{{ w ~ w }}", {"w": self.WIDE})) == MAX_TEXT // 2

    def test_a_text_of_the_data_is_measured_too(self) -> None:
        assert evaluate("{{ x | length }}", {"x": "a" * MAX_TEXT}) == MAX_TEXT
        refused("{{ x | length }}", {"x": "a" * (MAX_TEXT + 1)}, "256 KiB")
        refused("{{ x | length }}", {"x": "è" * (MAX_TEXT // 2 + 1)}, "256 KiB")
        refused("{{ x | length }}", {"x": ["a" * (MAX_TEXT + 1)]}, "256 KiB")

    @pytest.mark.parametrize(
        "source",
        [
            "{{ rows + [1] }}",
            "{{ rows * 2 }}",
            "{{ [0] * 20001 }}",
            "{{ more }}",
            "{{ more | length }}",
            "{{ wide | length }}",
            "{{ text | list }}",
            "{{ text.split(',') }}",
            "{{ blanks.split() }}",
            "{{ breaks.splitlines() }}",
            "{{ breaks | lines }}",
            "{{ rows | batch(2, 0) | slice(20001) }}",
            "{% for x in text %}{% endfor %}",
        ],
    )
    def test_lists_have_20_000_rows(self, source: str) -> None:
        context = {
            "rows": [1] * MAX_ROWS,
            "more": [1] * (MAX_ROWS + 1),
            "wide": dict.fromkeys(map(str, range(MAX_ROWS + 1))),
            "text": "a," * MAX_ROWS,
            "blanks": "a " * (MAX_ROWS + 1),
            "breaks": "a\n" * (MAX_ROWS + 1),
        }
        refused(source, context, "rows|20,000")

    @pytest.mark.parametrize(
        "source",
        [
            "{{ 'a'.ljust(1001) }}",
            "{{ 'a'.rjust(1001) }}",
            "{{ 'a'.center(1001) }}",
            "{{ 'a'.zfill(1001) }}",
            "{{ 'a' | center(1001) }}",
            "{{ 'a' | indent(1001) }}",
            "{{ '%1001d' | format(1) }}",
            "{{ '%.1001f' | format(1) }}",
            "{{ 1 | round(101) }}",
            "{{ 1 | round(-101) }}",
            "{{ 1 | it_number(101) }}",
            "{{ 1 | tojson(9) }}",
            "{{ '2026-01-01' | add_days(100001) }}",
            "{{ '2026-01-01' | add_months(3001) }}",
            "{{ 'a' | truncate(99, leeway=1001) }}",
            "{{ 'a' | truncate(262145) }}",
            "{{ 'a' | truncate(2) }}",
            "{{ [1] | batch(20001) }}",
            "{{ [1] | slice(20001) }}",
        ],
    )
    def test_widths_and_precisions_are_capped(self, source: str) -> None:
        refused(source, None, "between")

    @pytest.mark.parametrize(
        ("source", "least"),
        [
            ("{{ text | upper }}", 100_000),
            ("{{ wide | upper }}", 100_000),
            ("{{ text | title }}", 100_000),
            ("{{ text | trim }}", 100_000),
            ("{{ text | replace('x', 'y') }}", 100_000),
            ("{{ text ~ 'b' }}", 100_001),
            ("{{ text + 'b' }}", 100_001),
            ("{{ short * 1000 }}", 10_000),
            ("{{ text[1:] }}", 99_999),
            ("{{ text | reverse }}", 100_000),
            ("{{ [text] | join }}", 100_000),
            ("{{ ', '.join([text]) }}", 100_000),
            ("{{ '%s' | format(text) }}", 100_000),
            ("{{ '%900s' | format('a') }}", 900),
            ("{{ text | truncate(50000, true) }}", 50_000),
            ("{{ text | indent }}", 200_000),
            ("{{ short | center(900) }}", 900),
            ("{{ short.ljust(900) }}", 900),
            ("{{ short.zfill(900) }}", 900),
            ("{{ digits | digits }}", 100_000),
            ("{{ text.removeprefix('a') }}", 100_000),
            ("{{ text.removesuffix('a') }}", 100_000),
            ("{{ text | tojson }}", 100_000),
            ("{{ text | lines }}", 300_000),
            ("{{ text.split('a', 3) }}", 100_000),
            ("{{ words | split | length }}", 5_000 * (16 + 56)),
            ("{{ short | list }}", 160),
            ("{% for x in short %}{% endfor %}", 160),
            ("{{ [1, 2, 3] }}", 48),
            ("{{ {1: 2, 3: 4} }}", 128),
            ("{{ rows + [1] }}", 16_000),
            ("{{ rows * 2 }}", 32_000),
            ("{{ rows[1:] }}", 15_984),
            ("{{ rows | reverse }}", 16_000),
            ("{{ rows | sort }}", 64_000),
            ("{{ rows | unique }}", 16_000),
            ("{{ rows | map('abs') }}", 16_000),
            ("{{ rows | map(attribute=0, default=1) }}", 16_000),
            ("{{ entries | groupby(0, default=1) }}", 48_000),
            ("{{ rows | select }}", 16_000),
            ("{{ rows | batch(10) }}", 16_000),
            ("{{ rows | batch(999, 0) }}", 16_000),
            ("{{ rows | slice(10) }}", 16_900),
            ("{{ rows | tojson }}", 64_000),
            ("{% for x in rows if x %}{% endfor %}", 16_000),
            ("{% for x in rows %}{{ loop.index }}{% endfor %}", 448_000),
            ("{{ entries | items }}", 48_000),
            ("{{ entries | keys }}", 16_000),
            ("{{ entries | values }}", 16_000),
            ("{{ entries | list }}", 16_000),
            ("{{ entries.items() }}", 48_000),
            ("{{ names | sort }}", 104_000),
            ("{{ names | unique }}", 36_000),
        ],
    )
    def test_all_that_is_made_is_asked_for_first(self, source: str, least: int) -> None:
        context = {
            "text": "a" * 100_000,
            "wide": "è" * 25_000,
            "short": "abcdefghij",
            "digits": "1" * 100_000,
            "words": "a " * 5_000,
            "rows": list(range(1_000)),
            "entries": {str(number): number for number in range(1_000)},
            "names": [f"name{number:06}" for number in range(1_000)],
        }
        read = Budget(clock=Clock(0))
        for name in compile_expression(source).references:
            compile_expression(f"{{{{ {name} is defined }}}}").evaluate(context, budget=read)
        budget = Budget(clock=Clock(0))
        compile_expression(source).evaluate(context, budget=budget)
        assert budget.allocated - read.allocated >= least

    def test_characters_to_strip_and_patterns_are_capped(self) -> None:
        refused("{{ 'a' | trim(x) }}", {"x": "b" * 65}, "64 characters")
        refused("{{ 'a'.strip(x) }}", {"x": "b" * 65}, "64 characters")
        refused("{{ x | format }}", {"x": "b" * 10_001}, "10,000 characters")
        refused("{{ [1] | map(attribute=x) }}", {"x": "b" * 201}, "200 characters")

    def test_the_result_has_256_kib(self) -> None:
        assert len(evaluate("{{ x }}", {"x": ["a" * 1000] * 250})) == 250
        refused("{{ x }}", {"x": ["a" * 1000] * 270}, "larger than 256 KiB")
        refused("{{ x }}", {"x": {"a" * 1000 + str(n): 1 for n in range(270)}}, "larger than 256")
        refused("{{ x }}", {"x": [10**30] * 9_000}, "larger than 256 KiB")
        refused("{{ x }}", {"x": [Decimal("1e-30")] * 9_000}, "larger than 256 KiB")
        refused("{{ x }}{{ x }}", {"x": "a" * (MAX_OUTPUT // 2 + 1)}, "larger than 256 KiB")
        refused("{{ x | tojson }}", {"x": ["a" * 1000] * 270}, "larger than 256 KiB")
        source = "{% for r in rows %}{{ t }}{% endfor %}"
        refused(source, {"rows": [1] * 300, "t": "a" * 1000}, "larger than 256 KiB")

    def test_all_memory_together_is_4_mib(self) -> None:
        source = "{% for r in rows %}{% set x = t ~ r %}{% endfor %}"
        evaluate(source, {"rows": [1] * 15, "t": "a" * (MAX_TEXT - 2)})
        refused(source, {"rows": [1] * 17, "t": "a" * (MAX_TEXT - 2)}, "4 MB")
        objects = [dict.fromkeys(map(str, range(MAX_ROWS))) for _ in range(4)]
        refused("{{ x | length }}", {"x": objects}, "4 MB")

    @pytest.mark.parametrize(
        "source",
        [
            "{{ [x] }}",
            "{{ {'k': x} }}",
            "{{ [x] | tojson }}",
            "{{ [x] == [y] }}",
            "{{ {'k': x} == {'k': y} }}",
        ],
    )
    @pytest.mark.parametrize("of", [lambda inner: [inner], lambda inner: {"a": inner}])
    def test_values_that_are_made_have_64_levels_too(
        self, source: str, of: Callable[[Any], Any]
    ) -> None:
        context: dict[str, Any] = {"x": [], "y": []}
        for _ in range(MAX_LEVELS - 2):
            context = {name: of(inner) for name, inner in context.items()}
        evaluate(source, context)
        context = {name: of(inner) for name, inner in context.items()}
        refused(source, context, "64 levels")

    @pytest.mark.parametrize("source", ["{{ x }}", "{{ x | tojson }}", "{{ x == x }}"])
    def test_data_has_64_levels(self, source: str) -> None:
        def nested(levels: int) -> list[Any]:
            made: list[Any] = []
            for _ in range(levels - 1):
                made = [made]
            return made

        evaluate(source, {"x": nested(MAX_LEVELS)})
        refused(source, {"x": nested(MAX_LEVELS + 1)}, "64 levels")
        refused(source, {"x": nested(5_000)}, "64 levels")

    def test_data_that_holds_itself(self) -> None:
        rows: list[Any] = []
        rows.append(rows)
        refused("{{ x }}", {"x": rows}, "64 levels")

    @pytest.mark.parametrize("source", ["{{ x }}", "{{ x | tojson }}", "{{ x == [x[0], x[1]] }}"])
    def test_data_that_shares_its_rows_is_measured_as_it_is_written(self, source: str) -> None:
        shared: list[Any] = ["a" * 100]
        for _ in range(50):
            shared = [shared, shared]
        refused(source, {"x": shared}, "larger|steps")
