"""Whose doing an event tells of: by the record's date, by our clock where it tells none."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from connector.engine.origins import HEARD_SECONDS, Origins, cause_of, place_of, realm_of, target_of
from connector.model import Action, App, Reader, Request, Token
from connector.store.rows import EventRow, OriginRow
from tests.engine.virtual import START, simulate

WRITTEN = "2026-03-04 10:00:00"
AT = 1_772_614_800.0
"""2026-03-04 09:00:00 UTC, which is ten o'clock for the app."""
OURS = OriginRow("books:7", "/c/{}/clients", "5", "key", 3, 1, (1,), False, AT, AT + 1, WRITTEN)
MADE = replace(OURS, made=True)
MUTE = replace(OURS, updated_at="")


def told(happened_at: str, operation: str = "update", received_at: float = AT + 2) -> EventRow:
    return EventRow(
        tenant="main",
        connection_id="conn",
        delivery_id="d-1",
        type=f"books.client.{operation}",
        resource="client",
        operation=operation,
        ids=("5",),
        received_at=received_at,
        happened_at=happened_at,
    )


@pytest.mark.parametrize(
    ("happened_at", "read", "sure"),
    [
        # Nothing was changed since: whatever is told is ours, if it is not from long ago or later.
        ("10:00:00", "10:00:00", True),
        ("10:00:30", "10:00:00", True),
        ("09:59:59", "10:00:00", True),
        ("10:05:00", "10:00:00", None),
        ("09:50:00", "10:00:00", None),
        # A person has changed it since.
        ("10:00:10", "10:00:10", None),
        ("10:00:02", "10:00:02", None),
        ("10:20:00", "10:20:00", None),
        # Ours, told of after that.
        ("10:00:00", "10:20:00", True),
        ("10:00:01", "10:20:00", True),
        ("10:10:00", "10:20:00", None),
        # The flow reads no record.
        ("10:00:01", "", True),
        ("10:00:30", "", False),
        ("10:05:00", "", None),
    ],
)
def test_by_the_date_of_the_record(happened_at: str, read: str, sure: bool | None) -> None:
    event = told(f"2026-03-04T{happened_at}+01:00")
    cause = cause_of(event, f"2026-03-04 {read}" if read else "", [OURS])
    assert (None if cause is None else cause.sure) is sure


@pytest.mark.parametrize(
    ("read", "sure"), [("2026-03-04 10:00:00", True), ("2026-03-04 10:00:01", None), ("", False)]
)
def test_an_event_without_a_moment(read: str, sure: bool | None) -> None:
    cause = cause_of(told(""), read, [OURS])
    assert (None if cause is None else cause.sure) is sure


@pytest.mark.parametrize(
    ("happened_at", "received_at", "sure"),
    [
        ("2026-03-04T10:00:01+01:00", AT + 9_000, False),
        ("2026-03-04T09:59:56+01:00", AT, False),
        ("2026-03-04T10:00:10+01:00", AT + 2, None),
        ("2026-03-04T09:00:01+01:00", AT + 2, None),
        ("2026-03-04 10:00:10", AT + 30, False),
        ("2026-03-04 10:00:10", AT + 600, None),
        ("", AT + 2, False),
        ("", AT - 60, None),
    ],
)
def test_by_our_clock_it_is_never_sure(
    happened_at: str, received_at: float, sure: bool | None
) -> None:
    cause = cause_of(told(happened_at, received_at=received_at), WRITTEN, [MUTE])
    assert (None if cause is None else cause.sure) is sure


def test_a_record_is_made_once_so_its_making_is_ours_however_late() -> None:
    cause = cause_of(told("2026-09-04T10:00:00+02:00", "create"), "2026-09-09 10:00:00", [MADE])
    assert cause is not None
    assert cause.sure
    assert cause_of(told("2026-03-04T10:00:00+01:00", "create"), WRITTEN, [OURS]) is None


@pytest.mark.parametrize("operation", ["delete", "email_sent"])
def test_other_things_that_happen_are_not_ours(operation: str) -> None:
    assert cause_of(told("2026-03-04T10:00:00+01:00", operation), WRITTEN, [MADE]) is None


def test_the_write_that_is_sure_goes_before_one_that_may_be() -> None:
    older = replace(OURS, run_id=2)
    cause = cause_of(told("2026-03-04T10:00:01+01:00"), WRITTEN, [MUTE, older])
    assert cause is not None
    assert (cause.origin.run_id, cause.sure) == (2, True)


APP = App(
    key="books",
    title="Books",
    auth=Token(header="authorization"),
    check=Request(method="GET", path="/me"),
    read_error=lambda answer: None,
    account_input="company_id",
    readers={
        "client": Reader(get=Request(method="GET", path="/c/{company}/clients/{id}")),
        "paper.a": Reader(get=Request(method="GET", path="/c/{company}/papers/{id}")),
        "paper.b": Reader(get=Request(method="GET", path="/c/{company}/papers/{id}")),
        "pending": Reader(get=Request(method="GET", path="/c/{company}/papers/pending/{id}")),
    },
)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/c/{company_id}/clients", ("/c/{}/clients", None)),
        ("/c/{company_id}/clients/{client}", ("/c/{}/clients", "5")),
        ("/c/{company_id}/clients/{client}/mail", ("/c/{}/clients", "5")),
        ("/c/{company_id}/clients/{nobody}", None),
        ("/c/{company_id}/papers/pending", ("/c/{}/papers/pending", None)),
        ("/c/{company_id}/papers", ("/c/{}/papers", None)),
        ("/c/{company_id}/elsewhere", None),
        (None, None),
    ],
)
def test_what_an_action_writes(path: str | None, target: tuple[str, str | None] | None) -> None:
    action = Action(
        app="books",
        key="write",
        noun="Client",
        label="Write",
        description="Writes.",
        request=Request(method="POST", path=path) if path else None,
    )
    found = target_of(APP, action, {"company_id": 7, "client": 5})
    assert (None if found is None else (found.place, found.item)) == target


def test_resources_that_lie_in_one_place_share_their_ids() -> None:
    assert place_of(APP, "paper.a") == place_of(APP, "paper.b") == "/c/{}/papers"
    assert place_of(APP, "unknown") == ""


def test_two_connections_to_one_account_see_the_same_records() -> None:
    assert realm_of(APP, "7", "one") == realm_of(APP, "7", "two")
    assert realm_of(APP, "", "one") != realm_of(APP, "", "two")
    assert realm_of(APP.model_copy(update={"account_input": None}), "7", "one") == "one"


class Elsewhere:
    """The store as another process leaves it: a write whose origin is kept after some looks."""

    tenant = "main"

    def __init__(self, looks: int, path_company: int = 7) -> None:
        self.looks = looks
        self.asked = 0
        self.inputs = {"company_id": path_company}

    async def unheard(self, since: float) -> list[tuple[str, str, str, dict[str, Any]]]:
        assert since == START - HEARD_SECONDS
        self.asked += 1
        return [("key", "conn", "books.create", self.inputs)] if self.asked <= self.looks else []

    async def origins(self, realm: str, place: str, items: Sequence[str]) -> dict[str, Any]:
        return {"5": [OURS]} if self.asked > self.looks else {}


@pytest.mark.parametrize(
    ("looks", "company", "found"),
    [(3, 7, True), (0, 7, True), (3, 8, False), (10_000, 7, False)],
    ids=["heard of soon", "heard of", "of another account", "never heard of"],
)
def test_an_echo_waits_for_the_write_of_another_process(
    looks: int, company: int, found: bool
) -> None:
    create = Action(
        app="books",
        key="create",
        noun="Client",
        label="Create",
        description="Makes one.",
        request=Request(method="POST", path="/c/{company_id}/clients"),
    )
    nodes = SimpleNamespace(nodes={"books.create": create})
    store = Elsewhere(looks, company)

    async def story() -> dict[str, Any]:
        clock = asyncio.get_running_loop().time
        origins = Origins(lambda: START, nodes)  # type: ignore[arg-type]
        began = clock()
        told_of = await origins.of(APP, replace(told(""), account="7"), ["5"], store)  # type: ignore[arg-type]
        assert clock() - began <= HEARD_SECONDS + 1
        return dict(told_of)

    assert bool(simulate(story)) is found


def test_without_other_processes_the_store_is_not_asked() -> None:
    store = Elsewhere(3)
    told_of = Origins(lambda: START).of

    async def story() -> None:
        await told_of(APP, told(""), ["5"], store)  # type: ignore[arg-type]

    simulate(story)
    assert store.asked == 0
