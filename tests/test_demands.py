"""What a node needs of several fields together is told at check, not when it runs."""

from __future__ import annotations

from typing import Any

import pytest

from connector import Action, Catalog, Demand, Field, Request, compile_mapping

COMPOSE = {
    "company_id": 1,
    "data.type": "invoice",
    "data.date": "2026-03-04",
    "data.entity.vat_number": "IT12345678903",
    "data.items_list": [{"name": "Canone", "net_price": 10, "vat": "22%"}],
}
CREATE = {
    "company_id": 1,
    "data.type": "invoice",
    "data.entity.name": "Rossi S.r.l.",
    "data.items_list": [{"name": "Canone", "net_price": 10, "vat": {"id": 0}}],
    "data.payments_list": [{"amount": 12.2, "due_date": "2026-03-04"}],
}


def found(catalog: Catalog, node: str, mapping: dict[str, Any]) -> set[tuple[str, str | None]]:
    """How grave each finding is, and at which field it stands."""
    action = catalog.node(f"fatture_in_cloud.{node}")
    assert isinstance(action, Action)
    issues = compile_mapping(action, mapping, catalog=catalog, where="steps.a.map").issues
    assert all(issue.remedy and (issue.where or "").startswith("steps.a.map") for issue in issues)
    return {(issue.severity, issue.field) for issue in issues}


def without(mapping: dict[str, Any], *keys: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys} | more


def test_nothing_is_wrong_with_what_is_whole(catalog: Catalog) -> None:
    assert found(catalog, "compose_invoice", COMPOSE) == set()
    assert found(catalog, "create_issued_document", CREATE) == set()


ERROR, WARNING = "error", "warning"
ROW = "data.items_list"


@pytest.mark.parametrize(
    ("node", "mapping", "expected"),
    [
        (
            "compose_invoice",
            without(COMPOSE, "data.entity.vat_number"),
            {(ERROR, "data.entity.name")},
        ),
        (
            "compose_invoice",
            without(COMPOSE, "data.entity.vat_number", **{"data.entity.vat_number": ""}),
            {(ERROR, "data.entity.name")},
        ),
        (
            "compose_invoice",
            without(COMPOSE, "data.entity.vat_number", **{"data.entity.id": "{{ trigger.id }}"}),
            set(),
        ),
        (
            "compose_invoice",
            without(COMPOSE, "data.entity.vat_number", **{"data.entity": "{{ trigger.who }}"}),
            set(),
        ),
        ("compose_invoice", without(COMPOSE, ROW), {(ERROR, ROW)}),
        ("compose_invoice", {**COMPOSE, ROW: []}, {(ERROR, ROW)}),
        ("compose_invoice", {**COMPOSE, ROW: "{{ trigger.lines }}"}, set()),
        (
            "compose_invoice",
            {**COMPOSE, ROW: [{}]},
            {(ERROR, f"{ROW}.net_price"), (WARNING, f"{ROW}.name"), (WARNING, f"{ROW}.vat")},
        ),
        (
            "compose_invoice",
            {**COMPOSE, ROW: {"for_each": "{{ trigger.lines }}", "map": {}}},
            {(ERROR, f"{ROW}.net_price"), (WARNING, f"{ROW}.name"), (WARNING, f"{ROW}.vat")},
        ),
        (
            "compose_invoice",
            {**without(COMPOSE, ROW), f"{ROW}.name": ["A", "B"]},
            {(ERROR, f"{ROW}.net_price"), (WARNING, f"{ROW}.vat")},
        ),
        ("compose_invoice", {**COMPOSE, ROW: [{"product_code": "A1"}]}, set()),
        (
            "compose_invoice",
            {**COMPOSE, ROW: [{"name": "A", "net_price": 1}]},
            {(WARNING, f"{ROW}.vat")},
        ),
        (
            "compose_invoice",
            {**COMPOSE, "data.payment.paid": True},
            {(WARNING, "data.payment.account")},
        ),
        ("compose_invoice", {**COMPOSE, "data.payment.paid": False}, set()),
        (
            "create_issued_document",
            without(CREATE, "data.entity.name", **{"data.entity": {}}),
            {(ERROR, "data.entity.name")},
        ),
        (
            "create_issued_document",
            {**CREATE, ROW: [None]},
            {(ERROR, f"{ROW}.vat.id"), (WARNING, f"{ROW}.name"), (WARNING, f"{ROW}.net_price")},
        ),
        (
            "create_issued_document",
            without(CREATE, "data.payments_list"),
            {(WARNING, "data.payments_list")},
        ),
        (
            "create_issued_document",
            {**without(CREATE, "data.payments_list"), "data.type": "quote"},
            set(),
        ),
        (
            "create_issued_document",
            {
                **CREATE,
                "data.payments_list": [
                    {"amount": 1, "due_date": "2026-03-04", "status": "paid"},
                    {"amount": 1, "due_date": "2026-03-04", "status": "not_paid"},
                ],
            },
            {(ERROR, "data.payments_list.payment_account.id")},
        ),
    ],
)
def test_what_is_missing_is_told_in_its_place(
    catalog: Catalog, node: str, mapping: dict[str, Any], expected: set[tuple[str, str]]
) -> None:
    assert found(catalog, node, mapping) == expected


def test_an_update_may_leave_all_of_it_out(catalog: Catalog) -> None:
    given = {"company_id": 1, "document_id": 2, "data.notes": "x"}
    assert found(catalog, "update_issued_document", given) == set()


def test_a_demand_is_data_that_prints_and_works_without_schemas() -> None:
    demand = Demand(one_of=("a", "b"), when="c", message="Neither.", remedy="Fill one.")
    action = Action(
        app="shop",
        key="do",
        noun="Thing",
        label="Do",
        description="Does it.",
        inputs=tuple(Field(path=one, label=one) for one in "abc"),
        request=Request(method="POST", path="/"),
        demands=(demand,),
    )
    assert Action.model_validate_json(action.model_dump_json()).demands == (demand,)
    assert compile_mapping(action, {}).ok
    assert [one.message for one in compile_mapping(action, {"c": "x"}).issues] == ["Neither."]
    assert compile_mapping(action, {"c": "x", "b": "y"}).ok
