"""Every limit, from both sides: what just fits works, and one more is an error."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from connector.errors import ExpressionError
from connector.expressions import Budget, Filter, compile_expression, evaluate
from connector.expressions.limits import (
    MAX_ALLOCATED,
    MAX_LEVELS,
    MAX_OUTPUT,
    MAX_ROWS,
    MAX_SECONDS,
    MAX_SOURCE,
    MAX_STEPS,
    MAX_TEXT,
)


def refused(source: str, context: dict[str, Any] | None, match: str) -> None:
    # Without the deadline, which may come first where the tests themselves are measured.
    with pytest.raises(ExpressionError, match=match):
        compile_expression(source).evaluate(context or {}, budget=Budget(clock=lambda: 0.0))


def refused_at_save(source: str, match: str) -> None:
    with pytest.raises(ExpressionError, match=match):
        compile_expression(source)


def wrapped(inner: str) -> str:
    return "{{ " + inner + " }}"


class TestWhileReading:
    def test_source_of_8_kib(self) -> None:
        fits = "{{ 1 }}" + "x" * (MAX_SOURCE - 7)
        assert len(evaluate(fits, {})) == MAX_SOURCE - 6
        refused_at_save(fits + "x", "8 KiB")

    def test_source_is_measured_in_bytes(self) -> None:
        refused_at_save("{{ 1 }}" + "è" * (MAX_SOURCE // 2), "8 KiB")

    def test_brackets_40_deep(self) -> None:
        assert evaluate(wrapped("(" * 40 + "1" + ")" * 40), {}) == 1
        refused_at_save(wrapped("(" * 41 + "1" + ")" * 41), "40 levels")
        refused_at_save(wrapped("[" * 41 + "]" * 41), "40 levels")
        refused_at_save(wrapped("{1:" * 41 + "1" + "}" * 41), "40 levels")

    def test_brackets_inside_of_texts_do_not_count(self) -> None:
        assert evaluate(wrapped("'" + "(" * 200 + "'"), {}) == "(" * 200

    def test_signs_40_in_a_row(self) -> None:
        assert evaluate(wrapped("-" * 40 + "1"), {}) == 1
        refused_at_save(wrapped("-" * 41 + "1"), "40 levels")
        refused_at_save(wrapped("not " * 41 + "true"), "40 levels")

    def test_blocks_40_deep(self) -> None:
        fits = "{% if 1 %}" * 20 + "x" + "{% endif %}" * 20
        assert evaluate(fits, {}) == "x"
        refused_at_save("{% if 1 %}" * 41 + "x" + "{% endif %}" * 41, "40 levels")

    def test_conditions_40_deep(self) -> None:
        assert evaluate(wrapped("1 if 0 else " * 30 + "2"), {}) == 2
        refused_at_save(wrapped("1 if 0 else " * 41 + "2"), "40 levels")

    def test_nodes_500(self) -> None:
        fits = "[" + "1," * 497 + "]"  # with Template, Output and List
        assert len(evaluate(wrapped(fits), {})) == 497
        refused_at_save(wrapped("[" + "1," * 498 + "]"), "500 parts")

    def test_tokens_end_the_reading_before_the_tree_is_built(self) -> None:
        refused_at_save("{{ 1 }}" * 1_000, "500 parts")
        refused_at_save(wrapped("a" + ".a" * 4_000), "500 parts")

    def test_depth_80(self) -> None:
        assert evaluate(wrapped("1" + "+1" * 77), {}) == 78
        refused_at_save(wrapped("1" + "+1" * 78), "80 levels")
        refused_at_save(wrapped("1" + "|abs" * 78), "80 levels")

    def test_loops_two_deep(self) -> None:
        two = "{% for a in [1] %}{% for b in [2] %}x{% endfor %}{% endfor %}"
        assert evaluate(two, {}) == "x"
        refused_at_save(f"{{% for c in [1] %}}{two}{{% endfor %}}", "2 levels")

    def test_a_loop_beside_a_loop_is_not_deeper(self) -> None:
        assert evaluate("{% for a in [1] %}x{% endfor %}" * 5, {}) == "xxxxx"

    def test_numbers_that_are_written(self) -> None:
        assert evaluate(wrapped(str(2**256 - 1)), {}) == 2**256 - 1
        refused_at_save(wrapped(str(2**256)), "256 bits")
        refused_at_save(wrapped("0x" + "f" * 65), "256 bits")
        refused_at_save(wrapped("9" * 5_000), "too long")
        refused_at_save(wrapped("1e101"), "100 digits")
        refused_at_save(wrapped("1e-300"), "100 digits")
        refused_at_save(wrapped("0." + "1" * 101), "100 digits")


class TestNumbers:
    def test_whole_numbers_have_256_bits(self) -> None:
        largest = 2**256 - 1
        assert evaluate("{{ x }}", {"x": largest}) == largest
        for source in ("{{ x + 1 }}", "{{ x * x }}", "{{ -x - 1 }}"):
            refused(source, {"x": largest}, "256 bits")
        refused("{{ y }}", {"y": 2**256}, "256 bits")

    def test_decimals_have_100_digits(self) -> None:
        fits = Decimal("1." + "1" * 99)
        assert evaluate("{{ x }}", {"x": fits}) == fits
        refused("{{ x * x }}", {"x": fits}, "100 digits")
        refused("{{ x }}", {"x": Decimal("1." + "1" * 100)}, "100 digits")
        refused("{{ x }}", {"x": Decimal("1e101")}, "100 digits")
        refused("{{ x }}", {"x": Decimal("1e999999")}, "100 digits")
        refused("{{ x + 1 }}", {"x": Decimal("1e100")}, "100 digits")

    @pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity"])
    def test_nan_and_infinity_are_errors(self, text: str) -> None:
        refused("{{ x }}", {"x": Decimal(text)}, "NaN and Infinity")
        if text != "sNaN":
            refused("{{ x }}", {"x": float(text)}, "NaN and Infinity")
        refused("{{ x | decimal }}", {"x": text}, "not a number")

    def test_large_floats_are_errors(self) -> None:
        refused("{{ x }}", {"x": 1.5e300}, "100 digits")

    def test_a_quotient_has_28_digits(self) -> None:
        assert evaluate("{{ 1 / 3 }}", {}) == Decimal("0." + "3" * 28)

    def test_huge_zeros_stay_small(self) -> None:
        assert evaluate("{{ x ~ '' }}", {"x": Decimal("0E+999999")}) == "0"
        assert len(evaluate("{{ x ~ '' }}", {"x": Decimal("0E-999999")})) < 300


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


class Clock:
    """A clock that moves by itself, a little with every look."""

    def __init__(self, seconds_a_look: float) -> None:
        self.now = 0.0
        self.looks = 0
        self._moves = seconds_a_look

    def __call__(self) -> float:
        self.looks += 1
        self.now += self._moves
        return self.now


class TestTime:
    LOOP = compile_expression("{% for x in rows %}{{ x }}{% endfor %}")

    def test_steps_are_20_000(self) -> None:
        rows = [1] * 6_000
        budget = Budget(clock=Clock(0))
        self.LOOP.evaluate({"rows": rows}, budget=budget)
        assert 6_000 * 3 <= budget.steps <= MAX_STEPS
        budget = Budget(clock=Clock(0))
        with pytest.raises(ExpressionError, match="20,000 steps"):
            self.LOOP.evaluate({"rows": [1] * 7_000}, budget=budget)
        assert budget.steps == MAX_STEPS + 1

    def test_no_more_is_granted_after_the_last_step(self) -> None:
        budget = Budget(clock=Clock(0))
        budget.step(MAX_STEPS)
        for _ in range(3):
            with pytest.raises(ExpressionError, match="steps"):
                budget.step()

    def test_the_deadline_is_200_ms_of_the_given_clock(self) -> None:
        clock = Clock(0.05)
        with pytest.raises(ExpressionError, match="200 ms"):
            self.LOOP.evaluate({"rows": [1] * 5_000}, budget=Budget(clock=clock))
        assert clock.now == pytest.approx(0.05 + MAX_SECONDS, abs=0.06)

    def test_only_time_of_the_processor_counts(self) -> None:
        def wait(value: Any) -> Any:
            time.sleep(MAX_SECONDS * 1.5)  # as if the machine were busy with others
            return value

        filters = {"wait": Filter("wait", wait)}
        source = "{% for x in rows %}{% if x == 1 %}{{ x | wait }}{% endif %}{% endfor %}"
        made = compile_expression(source, filters=filters)
        assert made.evaluate({"rows": list(range(1_000))}) == "1"

    def test_the_clock_is_looked_at_every_64_steps(self) -> None:
        clock = Clock(0)
        budget = Budget(clock=clock)
        rows = {"rows": list(range(70))}
        source = "{% for a in rows %}{% for b in rows %}{{ a }}{% endfor %}{% endfor %}"
        compile_expression(source).evaluate(rows, budget=budget)
        assert budget.steps > 10_000
        assert clock.looks >= budget.steps * 9 // 10 // 64  # reading the list is one larger step

    @pytest.mark.parametrize(
        ("source", "rows"),
        [
            ("{{ l | sort }}", 15_000),
            ("{{ t | sort }}", 1_000),
            ("{{ l | map('abs') }}", 8_000),
            ("{{ l | select('odd') }}", 8_000),
            ("{{ l | sum }}", 15_000),
            ("{{ l | unique }}", 10_000),
            ("{{ 5 in l }}", 15_000),
            ("{{ l == m }}", 10_000),
            ("{{ l | tojson }}", 15_000),
        ],
    )
    def test_filters_look_at_the_clock_too(self, source: str, rows: int) -> None:
        context = {
            "l": list(range(10, rows)),
            "m": list(range(10, rows)),
            "t": [f"{number:05}" + "x" * 100 for number in range(rows)],
        }
        idle = Budget(clock=Clock(0))
        compile_expression(source).evaluate(context, budget=idle)
        clock = Clock(0.2)
        with pytest.raises(ExpressionError, match="200 ms"):
            compile_expression(source).evaluate(context, budget=Budget(clock=clock))
        assert clock.looks <= 4

    @pytest.mark.parametrize(
        "use",
        [
            lambda budget: budget.step(MAX_STEPS + 1),
            lambda budget: budget.scan((MAX_STEPS + 1) * 1024),
            lambda budget: budget.alloc(MAX_ALLOCATED + 1),
            lambda budget: budget.text(MAX_TEXT + 1),
            lambda budget: budget.rows(MAX_ROWS + 1),
            lambda budget: budget.entries(MAX_ROWS + 1),
        ],
    )
    def test_a_budget_refuses_one_too_many(self, use: Callable[[Budget], None]) -> None:
        with pytest.raises(ExpressionError):
            use(Budget(clock=Clock(0)))

    def test_a_budget_counts_what_is_asked_for(self) -> None:
        budget = Budget(clock=Clock(0))
        budget.text(1_000)
        budget.text(1_000, wide=True)
        budget.rows(10)
        budget.entries(10)
        assert budget.allocated == 1_000 + 4_000 + 160 + 640

    @pytest.mark.parametrize(
        ("use", "steps"),
        [
            (lambda budget: budget.step(7), 7),
            (lambda budget: budget.scan(10_240), 10),
            (lambda budget: budget.text(10_240), 10),
            (lambda budget: budget.rows(160), 10),
            (lambda budget: budget.entries(160), 10),
        ],
    )
    def test_work_on_large_values_takes_steps(
        self, use: Callable[[Budget], None], steps: int
    ) -> None:
        budget = Budget(clock=Clock(0))
        use(budget)
        assert budget.steps == steps

    @pytest.mark.parametrize(
        ("source", "least"),
        [
            ("{{ rows | length }}", 1_000),  # reading
            ("{{ [rows[0]] | length }}", 2),
            ("{{ rows }}", 2_000),  # reading and releasing
            ("{{ rows == same }}", 8_000),
            ("{{ {'a': rows} == {'a': same} }}", 8_000),
            ("{{ wide == alike }}", 8_000),
            ("{{ 'x' in rows }}", 8_000),
            ("{{ rows | tojson }}", 8_000),
            ("{{ rows | map('abs') }}", 8_000),
            ("{{ rows | sum }}", 8_000),
            ("{{ rows | unique }}", 8_000),
            ("{{ rows | select }}", 8_000),
            ("{{ rows.count(1) }}", 8_000),
            ("{{ rows.index('x') }}", 8_000),
            ("{{ rows | sort }}", 8_000 * 13 // 16),
            ("{{ rows | join }}", 2_000),
            ("{{ text == text2 }}", 100),
            ("{{ text < text2 }}", 100),
            ("{{ 'x' in text }}", 100),
            ("{{ text.count('x') }}", 100),
            ("{{ text.find('x') }}", 100),
            ("{{ text.startswith(text2) }}", 100),
            ("{{ text | replace('x', 'y') | length }}", 200),
            ("{{ text | indent | length }}", 200),
            ("{{ text | trim('xyz') | length }}", 400),
            ("{{ text | title | length }}", 10_000),
            ("{{ text | wordcount }}", 10_000),
            ("{{ text | digits }}", 10_000),
            ("{{ text.isdigit() }}", 100),
            ("{{ text.split('b', 1) | length }}", 100),
            ("{{ long_names | sort | length }}", 1_300),
            ("{{ rows | max }}", 2_000),
            ("{{ ('%%' * 500) | format }}", 500),
        ],
    )
    def test_every_work_takes_steps(self, source: str, least: int) -> None:
        context = {
            "rows": list(range(8_000)),
            "same": list(range(8_000)),
            "wide": {str(number): number for number in range(8_000)},
            "alike": {str(number): number for number in range(8_000)},
            "text": "a" * 102_400,
            "text2": "a" * 102_399 + "b",
            "long_names": ["a" * 10_000 + str(number) for number in range(30)],
        }
        budget = Budget(clock=Clock(0))
        compile_expression(source).evaluate(context, budget=budget)
        assert budget.steps >= least

    def test_several_expressions_may_share_one_budget(self) -> None:
        budget = Budget(clock=Clock(0))
        self.LOOP.evaluate({"rows": [1] * 5_000}, budget=budget)
        with pytest.raises(ExpressionError, match="steps"):
            self.LOOP.evaluate({"rows": [1] * 5_000}, budget=budget)
