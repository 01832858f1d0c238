"""The vendor's own SDK keeps every leaf of every body that our nodes for issued documents send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NODES = {
    "create_issued_document": "CreateIssuedDocumentRequest",
    "compose_invoice": "CreateIssuedDocumentRequest",
    "transform_issued_document": "CreateIssuedDocumentRequest",
    "join_issued_documents": "CreateIssuedDocumentRequest",
    "update_issued_document": "ModifyIssuedDocumentRequest",
    "register_payment": "ModifyIssuedDocumentRequest",
    "cancel_payment": "ModifyIssuedDocumentRequest",
    "attach_file_to_issued_document": "ModifyIssuedDocumentRequest",
    "email_issued_document": "ScheduleEmailRequest",
    "send_e_invoice": "SendEInvoiceRequest",
    "preview_e_invoice_sending": "SendEInvoiceRequest",
    "preview_document_totals": "GetNewIssuedDocumentTotalsRequest",
}


@pytest.fixture(scope="module")
def sdk() -> Any:
    """Its models; loading them takes seconds, and not every process of the tests comes here."""
    return pytest.importorskip("fattureincloud_python_sdk.models")


def bodies(key: str) -> list[Any]:
    case = json.loads((HERE / f"{key}.json").read_text("utf-8"))
    sent = [one["request"] for one in case["exchanges"]]
    return [one["json"] for one in sent if ("json" in one and not one["path"].endswith("/totals"))
            or key == "preview_document_totals"]  # fmt: skip


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, f"{path}.{index}")
    elif value is not None:
        yield path, value


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, date):
        return str(ours) == theirs.isoformat()
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float | Decimal):
        return Decimal(str(ours)) == Decimal(str(theirs))
    return str(ours) == str(getattr(theirs, "value", theirs))


@pytest.mark.parametrize("key", NODES)
def test_every_leaf_survives_the_sdk(sdk: Any, key: str) -> None:
    found = bodies(key)
    assert found, "nothing is sent: the recording has no body"
    for body in found:
        again = getattr(sdk, NODES[key]).from_dict(body).to_dict()
        theirs = dict(leaves(again))
        lost = [path for path, value in leaves(body) if not same(value, theirs.get(path))]
        assert lost == []


def test_a_leaf_that_no_vendor_knows_is_noticed(sdk: Any) -> None:
    body = {"data": {"type": "invoice", "customer_lookup": "never"}}
    again = sdk.CreateIssuedDocumentRequest.from_dict(body).to_dict()
    assert "data.customer_lookup" not in dict(leaves(again))
