"""When what is due is to be paid: dates from terms, amounts that add up to the cent."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from connector.apps.fatture_in_cloud.invoices.totals import (
    HUNDRED,
    ZERO,
    decimal_of,
    percent_of,
    to_cents,
)
from connector.errors import Issue

MONTH_DAYS = 30
"""Terms count a month as thirty days, so that 60 days to the end of the month is two months."""


def due_date(start: date, days: int, *, end_of_month: bool) -> date:
    """The day on which something issued on `start` is to be paid."""
    if not end_of_month:
        return start + timedelta(days=days)
    if days % MONTH_DAYS == 0:
        month = start.month - 1 + days // MONTH_DAYS
        year, month = start.year + month // 12, month % 12 + 1
    else:
        later = start + timedelta(days=days)
        year, month = later.year, later.month
    return date(year, month, calendar.monthrange(year, month)[1])


def instalments(
    due: Decimal, plan: Sequence[Mapping[str, Any]], issued: date, *, at: str
) -> tuple[list[dict[str, Any]], list[Issue]]:
    """The rows of a payment plan; the last one takes what rounding has left.

    Each row says `percent` or `amount` (neither: an equal part of the whole), and `due_date` or
    `days` with `end_of_month`.
    """
    issues = _plan_issues(due, plan, at)
    if issues:
        return [], issues
    rows: list[dict[str, Any]] = []
    given = ZERO
    for index, part in enumerate(plan):
        last = index == len(plan) - 1
        amount = due - given if last else _amount(due, part, len(plan))
        given += amount
        rows.append({"amount": amount, **_when(part, issued)})
    return rows, []


def _amount(due: Decimal, part: Mapping[str, Any], count: int) -> Decimal:
    if part.get("amount") is not None:
        return to_cents(decimal_of(part["amount"]))
    if part.get("percent") is not None:
        return percent_of(due, part["percent"])
    return to_cents(due / count)


def _when(part: Mapping[str, Any], issued: date) -> dict[str, Any]:
    days = int(part.get("days") or 0)
    month = bool(part.get("end_of_month"))
    terms = {"days": days, "type": "end_of_month" if month else "standard"}
    if part.get("due_date"):
        return {"due_date": str(part["due_date"]), "payment_terms": terms}
    day = due_date(issued, days, end_of_month=month)
    return {"due_date": day.isoformat(), "payment_terms": terms}


def _plan_issues(due: Decimal, plan: Sequence[Mapping[str, Any]], at: str) -> list[Issue]:
    percents = [part.get("percent") for part in plan]
    amounts = [part.get("amount") for part in plan]
    kinds = [percents, amounts]
    given = [kind for kind in kinds if any(one is not None for one in kind)]
    if len(given) > 1:
        return [_issue(at, "Instalments are given partly in per cent and partly as amounts.",
                       "Give all of them in one way.")]  # fmt: skip
    if given and any(one is None for one in given[0]):
        row = given[0].index(None)
        return [_issue(f"{at}.{row}", "This instalment has neither a per cent nor an amount.",
                       "Give every instalment its part, or none for equal parts.")]  # fmt: skip
    wrong = (
        next((row for row, one in enumerate(given[0]) if decimal_of(one) <= 0), None)
        if given
        else None
    )
    if wrong is not None:
        return [_issue(f"{at}.{wrong}", "This instalment is not more than 0.",
                       "Leave it out, or give what is to be paid.")]  # fmt: skip
    total = sum((decimal_of(one) for one in given[0]), ZERO) if given else ZERO
    if given and given[0] is percents and total != HUNDRED:
        return [_issue(at, f"The instalments come to {total.normalize():f} %, not to 100 %.",
                       "Correct the per cents.")]  # fmt: skip
    if given and given[0] is amounts and to_cents(total) != due:
        return [_issue(at, f"The instalments come to {to_cents(total)}, but {due} is to be paid.",
                       "Correct the amounts, or give per cents.")]  # fmt: skip
    return []


def _issue(field: str, message: str, remedy: str) -> Issue:
    return Issue(field=field, message=message, remedy=remedy)
