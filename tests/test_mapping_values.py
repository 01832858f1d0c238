"""Coercion: what fits which field, what comes out, and what an error says."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector.errors import MappingError
from connector.model import Choice, Field
from connector.values import MAX_DEPTH, MAX_DIGITS, coerce, exact, plain

NAN = float("nan")


def field(type_: str = "string", **rest: Any) -> Field:
    return Field(path="data.x", label="X", type=type_, **rest)  # type: ignore[arg-type]


def refused(value: Any, to: Field) -> MappingError:
    with pytest.raises(MappingError) as caught:
        coerce(value, to)
    assert caught.value.remedy, "every refusal says what to do"
    return caught.value


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other) and str(one) == str(other)


def named(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 200:
        return "huge"  # Python refuses to write it out
    return value.type if isinstance(value, Field) else repr(value)[:30]


TEXT, INTEGER, NUMBER = field(), field("integer"), field("number")
BOOLEAN, DATE, DATETIME = field("boolean"), field("date"), field("datetime")
OBJECT, ANY = field("object"), field("any")
PRICE = field(format="decimal")

FITS = [
    (TEXT, "Rossi", "Rossi"),
    (TEXT, "  kept  ", "  kept  "),
    (TEXT, "", ""),
    (TEXT, 108061, "108061"),
    (TEXT, Decimal("1.50"), "1.50"),
    (TEXT, Decimal("1E+3"), "1000"),
    (TEXT, date(2026, 12, 31), "2026-12-31"),
    (INTEGER, 7, 7),
    (INTEGER, "7", 7),
    (INTEGER, " -7 ", -7),
    (INTEGER, "00123", 123),
    (INTEGER, Decimal("7.00"), 7),
    (INTEGER, "1.234.567", 1_234_567),
    (INTEGER, "12,00", 12),
    (NUMBER, 7, 7),
    (NUMBER, Decimal("1.10"), Decimal("1.10")),
    (NUMBER, 0.1, Decimal("0.1")),
    (NUMBER, "7", 7),
    (NUMBER, "1234.5", Decimal("1234.5")),
    (NUMBER, "1,5", Decimal("1.5")),
    (NUMBER, "1.234,56", Decimal("1234.56")),
    (NUMBER, "-1.234.567,8", Decimal("-1234567.8")),
    (NUMBER, "1234,567", Decimal("1234.567")),
    (NUMBER, "0.125", Decimal("0.125")),
    (NUMBER, "0,125", Decimal("0.125")),
    (NUMBER, "1234.567", Decimal("1234.567")),
    (PRICE, "1,00000", "1.00000"),
    (PRICE, Decimal("1.10"), "1.10"),
    (PRICE, 2, "2"),
    (BOOLEAN, True, True),
    (BOOLEAN, "Sì", True),
    (BOOLEAN, "YES", True),
    (BOOLEAN, "vero", True),
    (BOOLEAN, "1", True),
    (BOOLEAN, 1, True),
    (BOOLEAN, "No", False),
    (BOOLEAN, "falso", False),
    (BOOLEAN, 0, False),
    (DATE, "2026-12-31", "2026-12-31"),
    (DATE, "31/12/2026", "2026-12-31"),
    (DATE, "1/2/2026", "2026-02-01"),
    (DATE, date(2026, 12, 31), "2026-12-31"),
    (DATETIME, "2026-12-31T09:30:00+01:00", "2026-12-31T09:30:00+01:00"),
    (DATETIME, "2026-12-31 09:30:00", "2026-12-31T09:30:00"),
    (DATETIME, "2026-12-31T09:30Z", "2026-12-31T09:30:00+00:00"),
    (DATETIME, "31/12/2026 09:30", "2026-12-31T09:30:00"),
    (OBJECT, {"a": Decimal("1.10")}, {"a": Decimal("1.10")}),
    (OBJECT, '{"a": 1.10, "b": [1]}', {"a": Decimal("1.10"), "b": [1]}),
    (ANY, [1, None, "x"], [1, None, "x"]),
    (ANY, 0.5, Decimal("0.5")),
]

REFUSED = [
    (TEXT, True, "yes/no"),
    (TEXT, ["a"], "list"),
    (TEXT, {"a": 1}, "object"),
    (TEXT, NAN, "number"),
    (TEXT, Decimal("1E+999999999"), "number"),
    (TEXT, "a\x00b", "text"),
    (TEXT, "\ud800", "text"),
    (INTEGER, Decimal("1.5"), "number"),
    (INTEGER, "1,5", "text"),
    (INTEGER, True, "yes/no"),
    (INTEGER, "twelve", "text"),
    (INTEGER, "", "text"),
    (INTEGER, "1e3", "text"),
    (INTEGER, "0x10", "text"),
    (INTEGER, "1_000", "text"),
    (INTEGER, "١٢", "text"),
    (INTEGER, 10**MAX_DIGITS, "number"),
    (INTEGER, "9" * 100, "text"),
    (NUMBER, "1.234", "text"),
    (NUMBER, "-12,345", "text"),
    (NUMBER, "1,234.56", "text"),
    (NUMBER, "€ 12", "text"),
    (NUMBER, "12 %", "text"),
    (NUMBER, "1.23.456", "text"),
    (NUMBER, "1.234,", "text"),
    (NUMBER, NAN, "number"),
    (NUMBER, Decimal("Infinity"), "number"),
    (NUMBER, Decimal("NaN"), "number"),
    (NUMBER, Decimal("1E-999999999"), "number"),
    (NUMBER, False, "yes/no"),
    (NUMBER, [1], "list"),
    (BOOLEAN, "maybe", "text"),
    (BOOLEAN, "on", "text"),
    (BOOLEAN, 2, "number"),
    (BOOLEAN, Decimal("0.5"), "number"),
    (DATE, "31/13/2026", "text"),
    (DATE, "29/02/2025", "text"),
    (DATE, "12-31-2026", "text"),
    (DATE, "31/12/26", "text"),
    (DATE, "2026-12-31T10:00:00Z", "text"),
    (DATE, 20261231, "number"),
    (DATETIME, "2026-12-31", "text"),
    (DATETIME, "31/12/2026", "text"),
    (DATETIME, "2026-12-31T25:00:00", "text"),
    (DATETIME, "now", "text"),
    (OBJECT, "[1]", "list"),
    (OBJECT, "{broken", "text"),
    (OBJECT, '{"a": NaN}', "number"),
    (OBJECT, '{"a": 1e99999999999999999999}', "text"),
    (OBJECT, '{"a": 1e999999}', "number"),
    (OBJECT, [1], "list"),
    (OBJECT, {"a": {1, 2}}, "number"),
    (ANY, b"bytes", "list"),
    (TEXT, 10**5000, "number"),
    (INTEGER, 10**5000, "number"),
    (ANY, 10**5000, "number"),
]


@pytest.mark.parametrize(("to", "value", "wanted"), FITS, ids=named)
def test_value_that_fits(to: Field, value: Any, wanted: Any) -> None:
    assert same(coerce(value, to), wanted)


@pytest.mark.parametrize(("to", "value", "kind"), REFUSED, ids=named)
def test_value_that_does_not_fit(to: Field, value: Any, kind: str) -> None:
    assert refused(value, to).value_type == kind


def test_errors_never_repeat_a_private_value() -> None:
    secret = "Mario Rossi"
    for to in (INTEGER, NUMBER, BOOLEAN, DATE, DATETIME, OBJECT, field(format="email")):
        assert secret not in str(refused(secret, to))
    assert secret not in str(refused(secret, field(max_length=3)))
    assert secret not in str(refused(secret, field(choices=(Choice(value="a"),))))


def test_ambiguous_number_offers_both_readings() -> None:
    error = refused("1.234", NUMBER)
    assert "1234 or 1.234" in error.message
    assert "parse_it_number" in error.remedy
    assert "decimal" in error.remedy


def test_a_time_is_not_cut_off_silently() -> None:
    assert "local_time" in refused("2026-12-31T23:30:00Z", DATE).remedy
    assert refused(datetime(2026, 12, 31, 23, 30, tzinfo=UTC), DATE).remedy


class TestLimits:
    def test_text_is_never_cut(self) -> None:
        assert coerce("abc", field(max_length=3)) == "abc"
        assert "4 characters; at most 3" in refused("abcd", field(max_length=3)).message

    def test_length_counts_what_is_sent(self) -> None:
        assert refused(12345, field(max_length=3)).value_type == "text"

    def test_bounds_include_their_ends(self) -> None:
        percent = field("number", minimum=0, maximum=100)
        assert coerce("100", percent) == 100
        assert "at most 100." in refused("100,01", percent).message
        assert "at least 0." in refused(-1, percent).message

    def test_bounds_are_for_numbers_alone(self) -> None:
        loose = field("any", minimum=5)
        assert coerce("x", loose) == "x"
        assert coerce(True, loose) is True
        refused(4, loose)

    def test_large_bounds_are_written_out(self) -> None:
        assert "at most 1000000." in refused(10**7, field("integer", maximum=1e6)).message

    @pytest.mark.parametrize("text", ["a@b.it", "anna.rossi+x@mail.esempio.it", ""])
    def test_email_that_fits(self, text: str) -> None:
        assert coerce(text, field(format="email")) == text

    @pytest.mark.parametrize("text", ["a", "a@b", "a@b.it, c@d.it", "a b@c.it", "a@b..it", "@b.it"])
    def test_email_that_does_not_fit(self, text: str) -> None:
        refused(text, field(format="email"))

    def test_web_address(self) -> None:
        assert coerce("https://esempio.it/a", field(format="uri")) == "https://esempio.it/a"
        refused("esempio.it", field(format="uri"))
        refused("https://esempio.it/a b", field(format="uri"))


class TestChoices:
    KIND = (
        Choice(value="invoice", label="Fattura"),
        Choice(value="credit_note", label="credit_note"),
    )

    @pytest.mark.parametrize("given", ["invoice", "INVOICE", "Fattura", " fattura "])
    def test_value_or_label_in_any_case(self, given: str) -> None:
        assert coerce(given, field(choices=self.KIND)) == "invoice"

    def test_exact_value_wins_over_a_label(self) -> None:
        choices = (Choice(value="b", label="a"), Choice(value="a", label="b"))
        assert coerce("a", field(choices=choices)) == "a"
        assert coerce("A", field(choices=choices)) == "a"

    def test_number_choice_from_text(self) -> None:
        one = field("integer", choices=(Choice(value=1, label="One"),))
        assert same(coerce("1", one), 1)

    def test_unknown_value_lists_the_choices(self) -> None:
        error = refused("nota", field(choices=self.KIND))
        assert "invoice (Fattura)" in error.remedy
        assert error.remedy.endswith(", credit_note.")

    def test_open_choices_let_the_unknown_pass(self) -> None:
        assert coerce("nota", field(choices=self.KIND, open_choices=True)) == "nota"


# --- properties: the oracle is another way to say the same ---------------------------------------

decimals = st.decimals(-(10**12), 10**12, allow_nan=False, allow_infinity=False, places=2)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(decimals)
def test_italian_text_means_the_number_it_was_written_from(number: Decimal) -> None:
    italian = f"{number:,.2f}".translate(str.maketrans(",.", ".,"))
    assert exact(italian) == number


@given(decimals)
def test_plain_text_means_the_number_it_was_written_from(number: Decimal) -> None:
    assert exact(f"{number:.2f}") == number


@given(decimals)
def test_number_survives_as_text(number: Decimal) -> None:
    assert exact(coerce(number, TEXT)) == number


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e20, max_value=1e20))
def test_float_is_taken_by_its_digits(number: float) -> None:
    try:
        taken = exact(number)
    except MappingError:
        assert abs(number) < 1e-20
    else:
        assert float(taken) == number
        assert plain(taken).strip("-0123456789.") == ""


@given(st.dates(min_value=date(1, 1, 1)))
def test_both_date_forms_mean_one_day(day: date) -> None:
    italian = f"{day.day}/{day.month}/{day.year:04}"
    assert coerce(italian, DATE) == coerce(day.isoformat(), DATE) == day.isoformat()


@given(json_values)
def test_free_data_comes_out_as_it_went_in(value: Any) -> None:
    if any("\x00" in text or not _whole(text) for text in _texts(value)):
        refused({"v": value}, OBJECT)
    else:
        fitted = coerce({"v": value}, OBJECT)
        assert fitted == {"v": value}
        assert coerce(json.dumps({"v": value}), OBJECT) == fitted


@given(st.text(), st.sampled_from([TEXT, INTEGER, NUMBER, BOOLEAN, DATE, DATETIME, OBJECT, ANY]))
def test_any_text_fits_or_is_refused_and_fits_again_once_it_fitted(text: str, to: Field) -> None:
    try:
        fitted = coerce(text, to)
    except MappingError:
        return
    assert same(coerce(fitted, to), fitted)


def test_nesting_is_bounded() -> None:
    deep: Any = []
    for _ in range(MAX_DEPTH + 1):
        deep = [deep]
    refused({"v": deep}, OBJECT)
    refused('{"v":' + "[" * 100_000 + "]" * 100_000 + "}", OBJECT)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in _texts(part)]
    if isinstance(value, list):
        return [text for part in value for text in _texts(part)]
    return []


def _whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
