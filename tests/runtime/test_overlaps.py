"""Two flows that make the same record: told when one of them is stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector import load_catalog
from connector.flow.reading import parse_flow
from connector.runtime.overlaps import overlaps
from connector.store.rows import FlowRow
from tests.runtime.kit import CREATE, flow, story, world

CATALOG = load_catalog()
KEYED = CREATE + '      data.vat: "{{ trigger.resource.vat_number }}"\n'
HELD = CREATE.replace("  - id: create\n", "  - id: create\n    when: '{{ true }}'\n")


def told(new: str, *stored: str, enabled: bool = True) -> list[str]:
    rows = [
        FlowRow(number, "main", parse_flow(text).key, enabled, 1, text, 0.0)
        for number, text in enumerate(stored)
    ]
    return [one.message for one in overlaps(parse_flow(new), rows, CATALOG)]


def test_a_flow_that_makes_the_same_customer_is_named() -> None:
    (said,) = told(flow("new"), flow("old"), flow("new", head="# its own former version"))
    assert said.startswith("The flow 'old' makes this record (customer) of the same event")
    assert told(flow("new", steps=HELD), flow("old"))
    assert told(flow("new", types="[create]"), flow("old", types="[create, delete]"))


@pytest.mark.parametrize(
    "old",
    [
        flow("old", resource="entities.suppliers"),
        flow("old", types="[delete]"),
        flow("old", company=1),
        flow("old", steps=CREATE.replace("perfex\n", "other\n")),
        flow("old", steps=CREATE.replace("    connection", "    enabled: false\n    connection")),
        "flow: old",
    ],
    ids=["other records", "other events", "other company", "elsewhere", "off", "faulty"],
)
def test_nothing_is_said_where_there_will_not_be_two(old: str) -> None:
    new = flow("new", types="[create]")
    row = FlowRow(1, "main", "old", True, 1, old, 0.0)
    assert list(overlaps(parse_flow(new), [row], CATALOG)) == []


def test_a_flow_that_is_off_or_is_kept_apart_by_conditions_is_not_named() -> None:
    assert told(flow("new"), flow("old"), enabled=False) == []
    assert told(flow("new", steps=HELD), flow("old", steps=HELD)) == []


def test_only_a_key_that_both_map_tells_that_it_is_the_same() -> None:
    assert told(flow("new", steps=KEYED), flow("old", steps=KEYED)) == []
    # The one without the key makes another, whatever is there.
    assert told(flow("new", steps=KEYED), flow("old"))
    assert told(flow("new"), flow("old", steps=KEYED))


TWICE = [
    "fatture_in_cloud.create_issued_document", "fatture_in_cloud.compose_invoice",
    "fatture_in_cloud.create_receipt", "fatture_in_cloud.create_cashbook_entry",
    "perfex_crm.create_invoice", "perfex_crm.create_project", "perfex_crm.create_task",
]  # fmt: skip


@pytest.mark.parametrize("node", TWICE)
def test_a_mark_or_a_person_that_is_asked_joins_no_two_flows(node: str) -> None:
    def steps(kind: str) -> str:
        values = f"      company_id: 1\n      data.type: {kind}\n      data.number: 7\n"
        return f"  - id: a\n    node: {node}\n    connection: two\n    map:\n{values}"

    (said,) = told(flow("new", steps=steps("invoice")), flow("old", steps=steps("invoice")))
    assert "there will be two" in said
    if node.endswith("document"):
        assert told(flow("new", steps=steps("order")), flow("old", steps=steps("invoice"))) == []


ORDER = """\
  - id: a
    node: fatture_in_cloud.create_issued_document
    connection: two
    business_key: "{{ trigger.id }}"
    map:
      company_id: 1
      data.type: invoice
"""


def test_a_business_key_counts_within_one_flow() -> None:
    """Also where they follow other events: the first makes it, and then the second."""
    new = flow("new", types="[create]", steps=ORDER)
    for types in ("[create]", "[update]"):
        (said,) = told(new, flow("old", types=types, steps=ORDER))
        assert said.endswith("business_key, which counts within one flow only: there may be two.")
    for old in (
        flow("old", types="[update]", steps=ORDER.replace("trigger.id", "trigger.account")),
        flow("old", resource="entities.suppliers", steps=ORDER),
        flow("old", types="[update]", company=1, steps=ORDER),
        flow("old", types="[update]", steps=ORDER.replace("two", "other")),
    ):
        assert told(new, old) == []


def test_a_setting_may_be_one_value_or_a_list_of_them() -> None:
    assert told(flow("new", types="create"), flow("old", types="[create, delete]"))
    assert told(flow("new", types="update"), flow("old", types="[create, delete]")) == []


@story
async def test_it_is_told_when_a_flow_is_built_and_stored(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.runtime.apply_flow(flow("old"), enable=True)
        drawn = await w.runtime.workshop.check(flow("new"))
        assert any("'old'" in one["message"] for one in drawn["issues"])
        stored = await w.runtime.apply_flow(flow("new"), enable=True)
        (said,) = [one for one in stored["issues"] if "'old'" in one["message"]]
        assert (said["severity"], said["where"]) == ("warning", "steps.0.map")
