"""Totals of a document against the sandbox, which works them out on a path of its own."""

from __future__ import annotations

import ast
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector.apps.fatture_in_cloud.invoices import terms
from connector.apps.fatture_in_cloud.invoices.totals import COMPARED, totals_of
from connector.sandbox.fic.totals import totals as sandbox_totals

ROOT = Path(__file__).parents[1]
PERCENT = st.none() | st.decimals(0, 100, places=2)
PRICE = st.decimals(Decimal(-9999), Decimal(99999), places=5)
LINES = st.lists(
    st.fixed_dictionaries(
        {
            "qty": st.decimals(Decimal("0.001"), 999, places=3) | st.integers(0, 50),
            "net_price": PRICE,
            "gross_price": PRICE,
            "discount": PERCENT,
            "not_taxable": st.booleans(),
            "apply_withholding_taxes": st.none() | st.booleans(),
            "vat": st.sampled_from([Decimal(22), Decimal(10), Decimal(4), Decimal(0)]).map(
                lambda rate: {"value": rate}
            ),
        }
    ),
    min_size=1,
    max_size=20,
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "items_list": LINES,
        "use_gross_prices": st.booleans(),
        "use_split_payment": st.booleans(),
        "e_invoice": st.booleans(),
        "rivalsa": PERCENT,
        "cassa": PERCENT,
        "cassa_taxable": PERCENT,
        "amount_cassa_taxable": st.none() | st.decimals(0, 5000, places=2),
        "cassa2": PERCENT,
        "cassa2_taxable": PERCENT,
        "withholding_tax": PERCENT,
        "withholding_tax_taxable": PERCENT,
        "other_withholding_tax": PERCENT,
        "stamp_duty": st.none() | st.just(Decimal(2)),
        "amount_due_discount": st.none() | st.decimals(-500, 0, places=2),
    }
)


@given(DOCUMENTS)
def test_every_figure_equals_the_sandbox_to_the_cent(document: dict[str, Any]) -> None:
    theirs = sandbox_totals(document)
    assert totals_of(document).unlike(theirs) == []
    assert {name for name in COMPARED if name in theirs} == set(COMPARED)


@given(DOCUMENTS)
def test_the_rates_come_to_the_whole(document: dict[str, Any]) -> None:
    found = totals_of(document)
    assert sum(vat for _, vat in found.vat_list.values()) == found.amount_vat
    nets = sum(net for net, _ in found.vat_list.values())
    assert nets + found.amount_vat == found.amount_gross


@given(DOCUMENTS)
def test_every_figure_is_in_whole_cents(document: dict[str, Any]) -> None:
    found = totals_of(document)
    for name in COMPARED:
        figure = getattr(found, name)
        assert figure == figure.quantize(Decimal("0.01"))


def test_a_difference_is_told_with_both_numbers() -> None:
    document = {"items_list": [{"qty": 1, "net_price": 100, "vat": {"value": 22}}]}
    found = totals_of(document)
    assert found.unlike({"amount_due": Decimal("122.00"), "amount_vat": 22}) == []
    assert found.unlike({"amount_due": Decimal("122.01")}) == [
        "amount to be paid: ours 122.00, theirs 122.01"
    ]


def test_neither_side_imports_the_other() -> None:
    rooms = {
        "connector/apps/fatture_in_cloud/invoices": "connector.sandbox",
        "connector/sandbox": "connector.apps",
    }
    for room, other in rooms.items():
        for path in (ROOT / room).rglob("*.py"):
            tree = ast.parse(path.read_text("utf-8"))
            names = [one.module or "" for one in ast.walk(tree) if isinstance(one, ast.ImportFrom)]
            assert not [name for name in names if name.startswith(other)], path


class TestTerms:
    @pytest.mark.parametrize(
        ("start", "days", "month_end", "due"),
        [
            ("2026-03-04", 0, False, "2026-03-04"),
            ("2026-03-04", 30, False, "2026-04-03"),
            ("2026-01-31", 30, True, "2026-02-28"),
            ("2026-01-15", 60, True, "2026-03-31"),
            ("2026-12-31", 30, True, "2027-01-31"),
            ("2026-03-04", 0, True, "2026-03-31"),
            ("2028-01-31", 30, True, "2028-02-29"),
            ("2026-03-04", 45, True, "2026-04-30"),
        ],
    )
    def test_days_and_months(self, start: str, days: int, month_end: bool, due: str) -> None:
        found = terms.due_date(date.fromisoformat(start), days, end_of_month=month_end)
        assert found.isoformat() == due

    @given(
        st.decimals(Decimal("0.05"), Decimal(999999), places=2),
        st.lists(st.integers(1, 100), min_size=1, max_size=5),
    )
    def test_instalments_come_to_the_amount_due(self, due: Decimal, parts: list[int]) -> None:
        whole = sum(parts)
        percents = [(Decimal(one) * 100 / whole).quantize(Decimal("0.01")) for one in parts]
        percents[-1] += 100 - sum(percents)
        plan = [{"percent": one, "days": 30} for one in percents]
        rows, issues = terms.instalments(due, plan, date(2026, 3, 4), at="p")
        assert issues == []
        assert sum(row["amount"] for row in rows) == due

    @pytest.mark.parametrize(
        ("plan", "words"),
        [
            ([{"percent": 50}, {"percent": 49}], "99 %"),
            ([{"amount": 50}, {"amount": 49}], "99.00, but 100.00"),
            ([{"amount": 50}, {"percent": 50}], "partly"),
            ([{"percent": 50}, {}], "neither"),
        ],
    )
    def test_a_plan_that_does_not_add_up_is_refused(self, plan: Any, words: str) -> None:
        rows, issues = terms.instalments(Decimal("100.00"), plan, date(2026, 3, 4), at="p")
        assert rows == []
        assert words in issues[0].message
