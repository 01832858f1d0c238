"""The vendor's own SDK on our emulated app: what it sends is taken, what we answer it reads."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from connector.sandbox import SandboxConfig, serving


@pytest.fixture
async def office() -> AsyncIterator[Any]:
    """The SDK's client on a running sandbox, its company, and a way to call it beside the loop."""
    with warnings.catch_warnings():
        # Its models are written for an older pydantic; what that warns of is not ours to mend.
        warnings.simplefilter("ignore")
        sdk = pytest.importorskip("fattureincloud_python_sdk")

        async with serving(SandboxConfig(seed=1)) as served:
            told = served.as_data()
            configuration = sdk.Configuration(host=told["fic"], access_token=told["manual_token"])
            with sdk.ApiClient(configuration) as client:

                async def call(method: Callable[..., Any], *given: Any, **more: Any) -> Any:
                    return await asyncio.to_thread(method, *given, **more)

                yield sdk, client, told["company_id"], call


async def test_its_companies_are_read(office: Any) -> None:
    sdk, client, company, call = office
    told = await call(sdk.UserApi(client).list_user_companies)
    assert company in [one.id for one in told.data.companies]


async def test_a_client_goes_there_and_back(office: Any) -> None:
    sdk, client, company, call = office
    api = sdk.ClientsApi(client)
    wanted = sdk.Client(
        name="Rossi S.r.l.", vat_number="IT12345678903", country="Italia", e_invoice=True,
        ei_code="M5UXCR1", address_city="Bergamo", default_payment_terms=30,
    )  # fmt: skip
    made = await call(api.create_client, company, sdk.CreateClientRequest(data=wanted))
    read = await call(api.get_client, company, made.data.id)
    for name in ("name", "vat_number", "ei_code", "address_city", "default_payment_terms"):
        assert getattr(read.data, name) == getattr(wanted, name)
    changed = sdk.ModifyClientRequest(data=sdk.Client(phone="+39 035 000000"))
    await call(api.modify_client, company, made.data.id, changed)
    query = {"q": "vat_number = 'IT12345678903'", "fieldset": "detailed", "per_page": 50}
    listed = await call(api.list_clients, company, **query)
    assert [(one.name, one.phone) for one in listed.data] == [("Rossi S.r.l.", "+39 035 000000")]
    await call(api.delete_client, company, made.data.id)
    with pytest.raises(sdk.exceptions.NotFoundException):
        await call(api.get_client, company, made.data.id)


async def test_an_invoice_is_issued_and_its_totals_agree(office: Any) -> None:
    sdk, client, company, call = office
    api = sdk.IssuedDocumentsApi(client)
    item = {"name": "Canone", "qty": 3, "net_price": 33.33, "vat": sdk.VatType(id=0)}
    document = sdk.IssuedDocument(
        type=sdk.IssuedDocumentType("invoice"),
        entity=sdk.Entity(name="Rossi S.r.l."),
        items_list=[sdk.IssuedDocumentItemsListItem(**item)],
    )
    request = sdk.GetNewIssuedDocumentTotalsRequest(data=document)
    totals = await call(api.get_new_issued_document_totals, company, request)
    assert (totals.data.amount_net, totals.data.amount_gross) == (99.99, 121.99)
    document.payments_list = [
        sdk.IssuedDocumentPaymentsListItem(
            amount=totals.data.amount_gross, due_date="2026-12-31", status="not_paid"
        )
    ]
    wanted = sdk.CreateIssuedDocumentRequest(data=document)
    made = await call(api.create_issued_document, company, wanted)
    read = await call(api.get_issued_document, company, made.data.id, fieldset="detailed")
    assert read.data.amount_gross == 121.99
    assert [one.name for one in read.data.items_list] == ["Canone"]
    listed = await call(api.list_issued_documents, company, "invoice", q="amount_gross > 100")
    assert made.data.id in [one.id for one in listed.data]


async def test_what_is_wrong_is_refused_as_the_vendor_refuses(office: Any) -> None:
    sdk, client, company, call = office
    nameless = sdk.CreateClientRequest(data=sdk.Client(vat_number="IT12345678903"))
    with pytest.raises(sdk.exceptions.ApiException) as caught:
        await call(sdk.ClientsApi(client).create_client, company, nameless)
    assert caught.value.status == 422


SPAN = {"date_from": "2026-01-01", "date_to": "2026-12-31"}


@pytest.mark.parametrize(
    ("group", "method", "more"),
    [
        ("SuppliersApi", "list_suppliers", {}),
        ("ProductsApi", "list_products", {}),
        ("ReceiptsApi", "list_receipts", {}),
        ("TaxesApi", "list_f24", {}),
        ("ArchiveApi", "list_archive_documents", {}),
        ("CashbookApi", "list_cashbook_entries", SPAN),
        ("InfoApi", "list_vat_types", {}),
        ("InfoApi", "list_payment_methods", {}),
        ("InfoApi", "list_payment_accounts", {}),
        ("WebhooksApi", "list_webhooks_subscriptions", {}),
        ("CompaniesApi", "get_company_info", {}),
    ],
)  # fmt: skip
async def test_every_list_is_one_that_it_can_read(
    office: Any, group: str, method: str, more: dict[str, Any]
) -> None:
    sdk, client, company, call = office
    told = await call(getattr(getattr(sdk, group)(client), method), company, **more)
    assert told.data is not None
