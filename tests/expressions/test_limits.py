"""Limits of source, numbers and time, from both sides: what just fits works, and no more."""

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
    MAX_ROWS,
    MAX_SECONDS,
    MAX_SOURCE,
    MAX_STEPS,
    MAX_TEXT,
)
from tests.expressions.kit import Clock, refused, refused_at_save, wrapped


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
