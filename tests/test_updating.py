"""Updates send what was set, keep what others wrote, and say what they cannot do."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from connector import Conflict, Connection, MappingError, Refused, updating

RECORD: dict[str, Any] = {
    "id": 7,
    "name": "Rossi",
    "notes": "old",
    "entity": {"id": 3, "name": "Bruni", "address_city": "Bergamo", "default_vat": {"id": 0}},
    "items_list": [
        {"id": 51, "name": "Canone", "qty": 2, "vat": {"id": 0, "value": 22}},
        {"id": 52, "name": "Trasferta", "qty": 1, "vat": {"id": 4, "value": 10}},
    ],
    "updated_at": "2026-03-04 09:15:02",
}


class Reads:
    """Answers one record, and counts how often it was asked."""

    connection = Connection(id="c1", app="a", name="n", base_url="https://a.example")

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, method: str, path: str, **more: Any) -> Any:
        assert method == "GET"
        self.asked.append(path)
        return {"data": RECORD}


def made(data: dict[str, Any], **inputs: Any) -> Any:
    return updating.prepared({"data": data, **inputs}, RECORD).inputs["data"]


async def test_plain_fields_are_sent_alone_and_nothing_is_read() -> None:
    reads = Reads()
    inputs = {"id": 7, "data": {"name": "Neri", "default_vat": {"id": 4}}}
    ready = await updating.keeping("/things/{id}")(reads, inputs)
    assert (ready.inputs, ready.record, reads.asked) == (inputs, None, [])


async def test_lists_and_objects_are_read_first() -> None:
    for data in ({"items_list": [{"name": "x"}]}, {"entity": {"address_city": "Roma"}}):
        reads = Reads()
        ready = await updating.keeping("/things/{id}")(reads, {"id": 7, "data": data})
        assert reads.asked == ["/things/7"]
        assert ready.state == "2026-03-04 09:15:02"


async def test_nothing_to_change_is_an_error() -> None:
    with pytest.raises(MappingError, match="Nothing is given to change"):
        await updating.keeping("/things/{id}")(Reads(), {"id": 7})


def test_a_row_with_an_id_changes_that_row_and_the_others_stay() -> None:
    sent = made({"items_list": [{"id": 52, "qty": 3}]})
    assert sent["items_list"] == [
        {"id": 51, "name": "Canone", "qty": 2, "vat": {"id": 0}},
        {"id": 52, "name": "Trasferta", "qty": 3, "vat": {"id": 4}},
    ]


def test_a_row_without_an_id_is_added_behind() -> None:
    sent = made({"items_list": [{"name": "Bollo", "qty": 1}]})
    assert [row.get("id") for row in sent["items_list"]] == [51, 52, None]


def test_a_row_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no row 53") as error:
        made({"items_list": [{"id": 53, "qty": 1}]})
    assert error.value.field == "data.items_list.0.id"
    with pytest.raises(Refused, match="twice"):
        made({"items_list": [{"id": 51}, {"id": 51}]})


def test_lists_are_replaced_only_when_asked() -> None:
    assert made({"items_list": [{"name": "x"}]}, replace_lists=True) == {
        "items_list": [{"name": "x"}]
    }


def test_an_object_keeps_what_was_not_set() -> None:
    sent = made({"entity": {"address_city": "Roma"}})
    assert sent["entity"] == {
        "id": 3,
        "name": "Bruni",
        "address_city": "Roma",
        "default_vat": {"id": 0},
    }


def test_another_object_takes_nothing_of_the_old_one() -> None:
    assert made({"entity": {"id": 4, "name": "Verdi"}})["entity"] == {"id": 4, "name": "Verdi"}


def test_a_field_is_emptied_by_name() -> None:
    assert made({"name": "Neri"}, clear=["notes"]) == {"name": "Neri", "notes": None}
    assert made({}, clear="data.notes") == {"notes": None}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("note", "no field 'note'"),
        ("entity.name", "only be emptied whole"),
        ("id", "cannot be emptied"),
        ("name", "both set and emptied"),
    ],
)
def test_what_cannot_be_emptied_is_said(name: str, words: str) -> None:
    with pytest.raises(MappingError, match=words) as error:
        made({"name": "Neri"}, clear=[name])
    assert error.value.field == "clear"


def test_a_record_changed_since_is_left_alone() -> None:
    assert made({"name": "x"}, unchanged_since="2026-03-04T09:15:02") == {"name": "x"}
    with pytest.raises(Conflict, match="changed meanwhile"):
        made({"name": "x"}, unchanged_since="2026-03-04 09:15:01")


def test_differences_are_strict() -> None:
    assert updating.differences({"name": "rossi", "notes": "old"}, RECORD) == ["name"]
    assert updating.differences({"notes": None}, {"notes": ""}) == []
    assert updating.differences({"qty": 2}, {"qty": "2"}) == []
    assert updating.differences({"secret": "x"}, RECORD) == ["secret"]
    assert updating.differences({"items_list": [{"id": 51}]}, RECORD) == ["items_list"]


def test_rows_that_have_no_id_stay_too() -> None:
    before = {"rows": [{"qty": 1}, {"id": 5, "qty": 2}]}
    sent = updating.merged({"rows": [{"id": 5, "qty": 3}]}, before)
    assert sent["rows"] == [{"qty": 1}, {"id": 5, "qty": 3}]


ROWS = st.lists(
    st.fixed_dictionaries({"id": st.integers(1, 40), "qty": st.integers(0, 9)}),
    max_size=6,
    unique_by=lambda row: row["id"],
)


@given(ROWS, st.data())
def test_no_old_row_is_ever_lost(before: list[dict[str, Any]], data: Any) -> None:
    chosen = data.draw(st.sets(st.sampled_from([row["id"] for row in before]))) if before else ()
    given_rows = [{"id": one, "qty": 99} for one in chosen] + [{"qty": 7}]
    sent = updating.merged({"rows": given_rows}, {"rows": before})["rows"]
    assert [row.get("id") for row in sent] == [*(row["id"] for row in before), None]
    for row in sent[:-1]:
        old = next(one for one in before if one["id"] == row["id"])
        assert row["qty"] == (99 if row["id"] in chosen else old["qty"])
