"""The archive of Fatture in Cloud: documents of any kind, filed with their file."""

from __future__ import annotations

from connector import Action, Identity, Request, fatture, schema

_DOCUMENT = fatture.Resource(
    noun="Archive document",
    plural="Archive documents",
    key="archive_document",
    path="/c/{company_id}/archive",
    schema="archive_document",
    read=("archive:r",),
    write=("archive:a",),
    title="{{ output.id }}: {{ output.description }}",
)

get_archive_document = _DOCUMENT.get("getArchiveDocument")
list_archive_documents = _DOCUMENT.list(
    "listArchiveDocuments",
    fatture.criteria(
        date_from="date >=",
        date_to="date <=",
        category="category =",
        description_contains="description contains",
    ),
)
create_archive_document = Action(
    app="fatture_in_cloud",
    key="create_archive_document",
    noun="Archive document",
    label="Create Archive Document",
    description="Files a document whose file was uploaded before.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema(
            "fatture_in_cloud/archive_document",
            "data",
            require=("data.date", "data.description", "data.category", "data.attachment_token"),
        ),
    ),
    request=Request(method="POST", path="/c/{company_id}/archive", wrap=("data",)),
    result="data",
    output=schema("fatture_in_cloud/archive_document"),
    identity=Identity(
        record_id="data.id",
        read=Request(method="GET", path="/c/{company_id}/archive/{id}"),
        when_unsure="park",
    ),
    scopes=("archive:a",),
    summary="Archive document {{ output.id }}: {{ input.data.description }}",
    operations=("createArchiveDocument",),
)
update_archive_document = _DOCUMENT.update("modifyArchiveDocument", "getArchiveDocument")
delete_archive_document = _DOCUMENT.delete("deleteArchiveDocument")
