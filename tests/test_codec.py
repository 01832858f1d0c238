"""Numbers of any size come in without a freeze, and those that money needs without a loss."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector import finding, paths
from connector.apps.fatture_in_cloud.answers import read_error as fatture_error
from connector.apps.perfex_crm.answers import read_error as perfex_error
from connector.codec import decode, decode_kept, encode
from connector.errors import MappingError, Unclear
from connector.model import Answer, Field, Request
from connector.values import coerce
from tests.test_caller import FIC, PERFEX, door


@pytest.mark.parametrize(
    "text", ["0.1", "1E+30", "-2.5e-7", "1e400", "0.0", "19.90", f"0.{'1' * 400}", "1E-400"]
)
def test_what_a_number_says_stays_as_it_is(text: str) -> None:
    assert decode(f"[{text}]") == [Decimal(text)]
    assert str(decode(text)) == str(Decimal(text))


BOMBS = ["1E+1000000", "1e-1000000", "0E+999999", f"{'9' * 2_000}.0", f"0.{'1' * 2_000}", "1E+401",
         "1E+99999999999999999999", "9" * 5_000]  # fmt: skip


@pytest.mark.parametrize("text", BOMBS)
def test_a_number_out_of_all_proportion_is_unreadable(text: str) -> None:
    body = f'[{{"userid": {text}}}]'.encode()
    with pytest.raises(ValueError, match=r"."):
        decode(body)
    for read_error in (fatture_error, perfex_error):
        assert isinstance(read_error(Answer(status=200, body=body)), Unclear)
    with pytest.raises(MappingError):
        coerce(f'{{"a": {text}}}', Field(path="x", label="X", type="object"))


def test_what_is_stored_already_can_still_be_read() -> None:
    assert decode_kept(encode([Decimal("1E+1000000")])) == [Decimal("1E+1000000")]


@pytest.mark.parametrize(
    "one", [Decimal("1E+1000000"), "9" * 100_000, "1E+9", None, True, "", "-", {}, Decimal("NaN")]
)
def test_no_id_takes_long_to_be_refused(one: object) -> None:
    with pytest.raises(Unclear):
        finding.found([{"id": one}])


def test_an_index_of_any_length_is_only_not_there() -> None:
    assert paths.get(["a"], "9" * 100_000) is paths.ABSENT


@pytest.mark.parametrize("body", [b"", b"null", b"  ", b'"soon"', b"7", b"true"])
async def test_a_body_that_is_nothing_answers_no_question(body: bytes) -> None:
    for app in (FIC, PERFEX):
        with pytest.raises(Unclear):
            await door((200, body), app=app).caller.request("GET", "/c/7/x")
        with pytest.raises(Unclear):
            await door((200, body), app=app).caller.read(Request(method="GET", path="/x"), {})


@pytest.mark.parametrize(("value", "number"), [(7, 7), ("07", 7), (Decimal("7.00"), 7)])
def test_a_whole_number_of_an_app_is_read_as_it_stands(value: Any, number: int) -> None:
    assert finding.whole(value) == number


@pytest.mark.parametrize(
    "value", [True, None, "", "7a", "1.5", Decimal("7.5"), Decimal("1E+50"), Decimal("NaN"), [7]]
)
def test_what_is_no_whole_number_is_not_cut_to_one(value: Any) -> None:
    with pytest.raises(Unclear):
        finding.whole(value)
