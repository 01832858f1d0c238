"""Faults on demand: whether the write happened, and what its caller saw."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import Unclear

FIC = "http://fic.test"
PERFEX = "http://perfex.test"
CLIENTS = "C/entities/clients"
BODY = {"data": {"name": "Adda"}}


def written(world: Any) -> int:
    return int(world.sandbox.fic.ledger.by_key["create clients name=Adda"])


@pytest.mark.parametrize(
    ("kind", "writes"), [("reset_before", 0), ("reset_after", 1), ("truncated", 1)]
)
async def test_cut_line_is_unclear(world: Any, kind: str, writes: int) -> None:
    await world.control(FIC, "POST", "/faults", {"kind": kind, "method": "post"})
    with pytest.raises(Unclear):
        await world.fic("POST", CLIENTS, BODY)
    assert written(world) == writes
    assert (await world.fic("GET", CLIENTS)).json()["total"] == writes


@pytest.mark.parametrize(("kind", "writes"), [("error_before", 0), ("error_after", 1)])
async def test_5xx_may_have_written(world: Any, kind: str, writes: int) -> None:
    await world.control(FIC, "POST", "/faults", {"kind": kind, "status": 502})
    assert (await world.fic("POST", CLIENTS, BODY)).status == 502
    assert written(world) == writes


async def test_late_commit_is_applied_after_its_caller_gave_up(world: Any) -> None:
    await world.control(FIC, "POST", "/faults", {"kind": "late_commit", "seconds": 30})
    with pytest.raises(Unclear):
        await world.fic("POST", CLIENTS, BODY)
    world.clock.advance(29)
    await world.sandbox.settle()
    assert written(world) == 0
    world.clock.advance(1)
    await world.sandbox.settle()
    assert written(world) == 1


async def test_late_commit_can_answer_an_error(world: Any) -> None:
    rule = {"kind": "late_commit", "seconds": 1, "answer": "error", "status": 504}
    await world.control(FIC, "POST", "/faults", rule)
    assert (await world.fic("POST", CLIENTS, BODY)).status == 504
    world.clock.advance(1)
    await world.sandbox.settle()
    assert written(world) == 1


async def test_status_comes_with_its_retry_after(world: Any) -> None:
    rule = {"kind": "status", "status": 403, "retry_after": 12}
    await world.control(FIC, "POST", "/faults", rule)
    answer = await world.fic("GET", CLIENTS)
    assert (answer.status, answer.header("retry-after")) == (403, "12")


async def test_rule_is_for_the_next_matching_requests_only(world: Any) -> None:
    rule = {"kind": "status", "path": "/c/*/taxes", "times": 2, "skip": 1}
    await world.control(FIC, "POST", "/faults", rule)
    statuses = [(await world.fic("GET", path)).status for path in [CLIENTS] + ["C/taxes"] * 4]
    assert statuses == [200, 200, 503, 503, 200]
    assert (await world.control(FIC, "GET", "/faults")) == {"faults": []}


async def test_rules_can_be_listed_and_cleared(world: Any) -> None:
    await world.control(FIC, "POST", "/faults", {"kind": "status", "times": 9})
    assert len((await world.control(FIC, "GET", "/faults"))["faults"]) == 1
    await world.control(FIC, "DELETE", "/faults")
    assert (await world.fic("GET", CLIENTS)).status == 200


async def test_each_app_has_its_own_rules(world: Any) -> None:
    await world.control(FIC, "POST", "/faults", {"kind": "status"})
    assert (await world.perfex("POST", "/customers", form={"company": "A"})).status == 200


@pytest.mark.parametrize("rule", [{}, {"kind": "explode"}, {"kind": "status", "tims": 1}])
async def test_bad_rule_is_400(world: Any, rule: dict[str, Any]) -> None:
    with pytest.raises(AssertionError, match=r"kind|tims"):
        await world.control(FIC, "POST", "/faults", rule)


async def test_requests_are_counted_by_endpoint_even_when_cut(world: Any) -> None:
    await world.control(FIC, "POST", "/faults", {"kind": "status"})
    await world.fic("GET", CLIENTS)
    await world.fic("GET", f"{CLIENTS}/1")
    await world.fic("GET", f"{CLIENTS}/2")
    told = await world.control(FIC, "GET", "/counters")
    assert told["total"] == 3
    assert told["requests"] == {
        "GET /c/{company_id}/entities/clients": 1,
        "GET /c/{company_id}/entities/clients/{id}": 2,
    }
    assert (await world.control(FIC, "DELETE", "/counters"))["total"] == 0


async def test_writes_are_counted_by_key(world: Any) -> None:
    for _ in range(2):
        await world.perfex("POST", "/customers", form={"company": "Adda", "vat": "IT1"})
    told = await world.control(PERFEX, "GET", "/counters")
    assert told["by_key"]["create customers vat=IT1"] == 2
    assert told["writes"] == {"create customers": 2}


async def test_control_side_acts_like_a_person(world: Any, invoice: Any) -> None:
    made = await world.control(FIC, "POST", "/records/clients", {"name": "Adda"})
    path = f"/records/clients/{made['id']}"
    changed = await world.control(FIC, "PUT", path, {"name": "B"})
    assert (changed["id"], changed["name"]) == (made["id"], "B")
    bill = invoice(payments_list=[{"due_date": "2026-04-03"}])["data"]
    document = await world.control(FIC, "POST", "/records/issued_documents", bill)
    assert document["number"] == 1
    assert len((await world.control(FIC, "GET", "/records/clients"))["data"]) == 1
    await world.control(FIC, "DELETE", path)
    assert (await world.fic("GET", CLIENTS)).json()["total"] == 0


async def test_tokens_can_be_limited_expired_and_revoked(world: Any) -> None:
    told = await world.control(FIC, "POST", "/tokens", {"scopes": ["settings:r"]})
    refused = await world.fic("GET", CLIENTS, token=told["access_token"])
    assert refused.status == 403
    await world.control(FIC, "POST", "/tokens/revoke")
    assert (await world.fic("GET", CLIENTS)).status == 401
