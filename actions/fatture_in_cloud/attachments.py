"""Files of Fatture in Cloud: attach one, take one off, download PDF, attachment and XML."""

from __future__ import annotations

from typing import Any

from connector import Action, Caller, Identity, Request, Search, finding, schema
from connector.apps.fatture_in_cloud import files
from connector.apps.fatture_in_cloud.invoices.kinds import READING, WRITING

_DOCS = "https://developers.fattureincloud.it/docs/guides/attachments/"
_COMPANY = schema("fatture_in_cloud/company")


def _attach(
    key: str, kind: str, noun: str, choice: str, output: str, scopes: tuple[str, ...], upload: str
) -> Action:
    return Action(
        app="fatture_in_cloud",
        key=key,
        noun=noun,
        label=f"Attach File to {noun.title()}",
        description=(
            "Uploads a file and attaches it: given as content, by an address, or as the PDF of an "
            "issued document. A file that is there already is replaced."
        ),
        docs_url=_DOCS,
        inputs=(
            _COMPANY,
            schema(f"fatture_in_cloud/{choice}"),
            schema("fatture_in_cloud/file_given", "file"),
        ),
        request=Request(method="PUT", path=f"/c/{{company_id}}/{kind}/{{document_id}}"),
        prepare=files.attaching(kind),
        result="data",
        output=schema(f"fatture_in_cloud/{output}"),
        # Done twice, the same file is attached.
        identity=Identity(record_id="data.id", natural_key=("document_id",), when_unsure="repeat"),
        scopes=scopes,
        summary=f"File attached to {noun.lower()} {{{{ output.id }}}}",
        operations=(upload,),
    )


def _detach(
    key: str, kind: str, noun: str, choice: str, scopes: tuple[str, ...], name: str
) -> Action:
    return Action(
        app="fatture_in_cloud",
        key=key,
        noun=noun,
        label=f"Delete {noun.title()} Attachment",
        description=(
            "Takes the file off a record, as far as Fatture in Cloud does it: the output says "
            "whether it is gone."
        ),
        docs_url=_DOCS,
        inputs=(_COMPANY, schema(f"fatture_in_cloud/{choice}")),
        run=files.detaching(kind),
        output=schema("fatture_in_cloud/attachment_deleted"),
        destructive=True,
        identity=Identity(natural_key=("document_id",), when_unsure="repeat"),
        scopes=scopes,
        summary="{{ 'Attachment deleted' if output.deleted else 'Attachment still there' }}",
        operations=(name,),
    )


attach_file_to_issued_document = _attach(
    "attach_file_to_issued_document",
    "issued_documents",
    "Issued document",
    "document_choice",
    "issued_document",
    WRITING,
    "uploadIssuedDocumentAttachment",
)
attach_file_to_received_document = _attach(
    "attach_file_to_received_document",
    "received_documents",
    "Received document",
    "attached_choice",
    "received_document",
    ("received_documents:a", "stock:a"),
    "uploadReceivedDocumentAttachment",
)
attach_file_to_f24 = _attach(
    "attach_file_to_f24",
    "taxes",
    "F24",
    "attached_choice",
    "f24",
    ("taxes:a",),
    "uploadF24Attachment",
)
attach_file_to_archive_document = _attach(
    "attach_file_to_archive_document",
    "archive",
    "Archive document",
    "attached_choice",
    "archive_document",
    ("archive:a",),
    "uploadArchiveDocumentAttachment",
)
delete_issued_document_attachment = _detach(
    "delete_issued_document_attachment",
    "issued_documents",
    "Issued document",
    "document_choice",
    WRITING,
    "deleteIssuedDocumentAttachment",
)
delete_received_document_attachment = _detach(
    "delete_received_document_attachment",
    "received_documents",
    "Received document",
    "attached_choice",
    ("received_documents:a", "stock:a"),
    "deleteReceivedDocumentAttachment",
)
delete_f24_attachment = _detach(
    "delete_f24_attachment", "taxes", "F24", "attached_choice", ("taxes:a",), "deleteF24Attachment"
)


async def _download(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    company = finding.number(caller, inputs, "company_id")
    document = finding.number(caller, inputs, "document_id")
    name, content = await files.read(caller, company, document, str(inputs.get("which") or "pdf"))
    return files.as_output(name, content)


async def _xml(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
    company = finding.number(caller, inputs, "company_id")
    document = finding.number(caller, inputs, "document_id")
    query = {"include_attachment": "true"} if inputs.get("include_attachment") else None
    path = f"/c/{company}/issued_documents/{document}/e_invoice/xml"
    answer = await caller.download(path, query=query)
    return files.as_output(f"e-invoice-{document}.xml", answer.body)


download_issued_document = Search(
    app="fatture_in_cloud",
    key="download_issued_document",
    noun="File",
    label="Download Issued Document",
    description=(
        "Gives the PDF of a document, its delivery note, its accompanying invoice or its "
        "attachment as a file that later steps can send on."
    ),
    docs_url=_DOCS,
    inputs=(_COMPANY, schema("fatture_in_cloud/download_choice")),
    output=schema("fatture_in_cloud/file"),
    run=_download,
    scopes=READING,
    summary="{{ output.name }}, {{ output.size }} bytes",
    operations=("getIssuedDocument",),
)

download_e_invoice_xml = Search(
    app="fatture_in_cloud",
    key="download_e_invoice_xml",
    noun="File",
    label="Download E-Invoice XML",
    description="Gives the XML of an e-invoice, as it goes or went to SDI, as a file.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(_COMPANY, schema("fatture_in_cloud/xml_choice")),
    output=schema("fatture_in_cloud/file"),
    run=_xml,
    scopes=READING,
    summary="{{ output.name }}, {{ output.size }} bytes",
    operations=("getEInvoiceXml",),
)
