"""The bin of Fatture in Cloud: deleted documents, which can be recovered or deleted for good."""

from __future__ import annotations

from connector import Action, Identity, Request, fatture, schema

_ISSUED = tuple(
    f"issued_documents.{family}"
    for family in (
        "invoices",
        "credit_notes",
        "receipts",
        "orders",
        "quotes",
        "proformas",
        "delivery_notes",
        "work_reports",
        "supplier_orders",
        "self_invoices",
    )
)
_RECEIVED = ("received_documents", "stock")
_INPUTS = (schema("fatture_in_cloud/company"), schema("fatture_in_cloud/bin_choice"))


def _scopes(families: tuple[str, ...], level: str) -> tuple[str, ...]:
    return tuple(f"{family}:{level}" for family in families)


def _delete(kind: str, word: str, operation: str, families: tuple[str, ...]) -> Action:
    return Action(
        app=fatture.APP,
        key=f"delete_{kind}_document_from_bin",
        noun=f"{word} document",
        label=f"Delete {word} Document for Good",
        description="Deletes a document from the bin, for good. One that is gone is a success.",
        docs_url=fatture.DOCS,
        inputs=_INPUTS,
        request=Request(
            method="DELETE", path=f"/c/{{company_id}}/bin/{kind}_documents/{{document_id}}"
        ),
        output=schema("fatture_in_cloud/deleted"),
        removes="document_id",
        destructive=True,
        identity=Identity(record_id="", natural_key=("document_id",), when_unsure="repeat"),
        scopes=_scopes(families, "a"),
        summary=(
            f"{word} document {{{{ output.id }}}} "
            "{{ 'was gone already' if output.already_gone else 'deleted for good' }}"
        ),
        operations=(operation,),
    )


def _recover(kind: str, word: str, operation: str, families: tuple[str, ...]) -> Action:
    return Action(
        app=fatture.APP,
        key=f"recover_{kind}_document",
        noun=f"{word} document",
        label=f"Recover {word} Document",
        description="Takes a document out of the bin, back among the others.",
        docs_url=fatture.DOCS,
        inputs=_INPUTS,
        request=Request(
            method="POST", path=f"/c/{{company_id}}/bin/{kind}_documents/{{document_id}}/recover"
        ),
        output=schema("fatture_in_cloud/bin_recovered"),
        empty_means={"recovered": True},
        # One that is recovered twice is refused, and nothing is lost.
        identity=Identity(record_id="", natural_key=("document_id",), when_unsure="park"),
        scopes=_scopes(families, "a"),
        summary=f"{word} document {{{{ input.document_id }}}} recovered",
        operations=(operation,),
    )


list_issued_documents_in_bin = fatture.choices(
    "list_issued_documents_in_bin",
    "ListBinIssuedDocuments",
    noun="Issued document",
    label="List Issued Documents in the Bin",
    description="Lists issued documents that were deleted and can be recovered.",
    path="/c/{company_id}/bin/issued_documents",
    output="issued_document_bin_search",
    scopes=_scopes(_ISSUED, "r"),
)
get_issued_document_in_bin = fatture.reading(
    "get_issued_document_in_bin",
    "GetBinIssuedDocument",
    noun="Issued document",
    label="Get Issued Document in the Bin",
    description="Reads an issued document that was deleted.",
    path="/c/{company_id}/bin/issued_documents/{document_id}",
    inputs=_INPUTS,
    output="issued_document",
    scopes=_scopes(_ISSUED, "r"),
    summary="{{ output.type }} {{ output.number }}",
)
delete_issued_document_from_bin = _delete("issued", "Issued", "DeleteBinIssuedDocument", _ISSUED)
recover_issued_document = _recover("issued", "Issued", "RecoverBinIssuedDocument", _ISSUED)

list_received_documents_in_bin = fatture.choices(
    "list_received_documents_in_bin",
    "ListBinReceivedDocuments",
    noun="Received document",
    label="List Received Documents in the Bin",
    description="Lists received documents that were deleted and can be recovered.",
    path="/c/{company_id}/bin/received_documents",
    output="received_document_search",
    scopes=_scopes(_RECEIVED, "r"),
)
get_received_document_in_bin = fatture.reading(
    "get_received_document_in_bin",
    "GetBinReceivedDocument",
    noun="Received document",
    label="Get Received Document in the Bin",
    description="Reads a received document that was deleted.",
    path="/c/{company_id}/bin/received_documents/{document_id}",
    inputs=_INPUTS,
    output="received_document",
    scopes=_scopes(_RECEIVED, "r"),
    summary="{{ output.type }} of {{ output.entity.name }}",
)
delete_received_document_from_bin = _delete(
    "received", "Received", "DeleteBinReceivedDocument", _RECEIVED
)
recover_received_document = _recover(
    "received", "Received", "RecoverBinReceivedDocument", _RECEIVED
)
