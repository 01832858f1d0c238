"""The archive of Fatture in Cloud: documents of any kind, filed with their file."""

from __future__ import annotations

from connector import Action, Identity, Request, schema

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
)
