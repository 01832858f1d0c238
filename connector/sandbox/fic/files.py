"""Files and their links, which die after seven days; reading a record again gives new ones."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox.fic.call import Call
from connector.sandbox.fic.problem import answer
from connector.sandbox.fic.state import FicState, Stored

LIFE = timedelta(days=7)
_PDFS = {"url": "", "dn_url": "delivery_note", "ai_url": "accompanying_invoice"}
"""Each link to a PDF, and the field that says whether there is one."""


def link(call: Call, name: str, content: bytes) -> str:
    """Keep a file, and give a link to it."""
    token = call.state.tokens.secret()
    call.state.files[token] = Stored(name, content, call.state.clock() + LIFE)
    return f"{call.request.base_url}files/{token}/{quote(name)}"


def with_links(call: Call, key: str, record: dict[str, Any]) -> dict[str, Any]:
    """A record as a single read gives it: with links that are alive."""
    found = dict(record)
    if key == "issued_documents":
        text = f"%PDF-1.4\n% {record['type']} {record['number']}{record['numeration']}\n%%EOF\n"
        for name, needs in _PDFS.items():
            found[name] = (
                link(call, "document.pdf", text.encode())
                if not needs or record.get(needs)
                else None
            )
    if found.get("attachment_url"):
        token = str(found["attachment_url"]).split("/files/")[-1].partition("/")[0]
        stored = call.state.files.get(token)
        if stored is not None:
            found["attachment_url"] = link(call, stored.name, stored.content)
    return found


def serve(state: FicState, request: Request) -> Response:
    """A stored file, without any token but the one in the link."""
    stored = state.files.get(request.path_params["token"])
    if stored is None or stored.dies <= state.clock():
        return answer({"error": {"message": "This link has expired."}}, 403)
    return Response(stored.content, media_type="application/octet-stream")
