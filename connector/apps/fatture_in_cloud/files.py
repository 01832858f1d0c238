"""Files of Fatture in Cloud: what is attached, and what is downloaded as the output of a step."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from connector import finding
from connector.errors import ApiError, MappingError, NotSent, Refused
from connector.forms import MAX_UPLOAD
from connector.model import Caller, Prepared, Request, Upload

KEPT_BYTES = 180 * 1024
"""How many bytes an output keeps: as base64 they fit into what one expression may give."""
LINKS = {
    "pdf": ("url", "PDF"),
    "delivery_note": ("dn_url", "delivery note"),
    "accompanying_invoice": ("ai_url", "accompanying invoice"),
    "attachment": ("attachment_url", "attachment"),
}
"""The temporary link of each file of a document, and the words for the file."""

_KINDS = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "zip": "application/zip",
    "xml": "text/xml",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def as_output(name: str, content: bytes) -> dict[str, Any]:
    """A file as a step gives it: never by a link, which would die within days."""
    kept = len(content) <= KEPT_BYTES
    return {
        "name": name,
        "media_type": media_type(name),
        "size": len(content),
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "content": base64.b64encode(content).decode("ascii") if kept else None,
        "is_kept": kept,
    }


def media_type(name: str) -> str:
    """What a file holds, by the ending of its name."""
    return _KINDS.get(name.rpartition(".")[2].lower(), "application/octet-stream")


async def given(caller: Caller, inputs: Mapping[str, Any]) -> Upload:
    """The file of a step: its bytes, what an address gives, or the PDF of an issued document."""
    said = inputs.get("file") or {}
    ways = [name for name in ("content", "url", "document_id") if said.get(name) not in (None, "")]
    if len(ways) != 1:
        raise MappingError(
            "A file is given in several ways." if ways else "No file is given.",
            field=f"file.{ways[1] if ways else 'content'}",
            value_type="nothing" if not ways else "text",
            remedy="Give its content (base64), or an address, or the document whose PDF it is.",
        )
    name = str(said.get("name") or "").strip()
    if ways[0] == "content":
        content = _bytes(str(said["content"]))
        name = name or "file"
    elif ways[0] == "url":
        answer = await caller.download(str(said["url"]).strip(), most=MAX_UPLOAD)
        content = answer.body
        name = name or unquote(urlsplit(str(said["url"])).path.rpartition("/")[2]) or "file"
    else:
        company = finding.number(caller, inputs, "company_id")
        number = finding.number(
            caller, {"file.document_id": said["document_id"]}, "file.document_id"
        )
        name_there, content = await read(caller, company, number, "pdf")
        name = name or name_there
    if not content:
        raise MappingError("The file is empty.", field=f"file.{ways[0]}", value_type="file")
    return Upload(name=name, content=content, media_type=media_type(name))


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise MappingError(
            "The content of the file is not base64.",
            field="file.content",
            value_type="text",
            remedy="Take the content that an earlier step gives, or encode the bytes.",
        ) from None


async def read(caller: Caller, company: int, document: int, which: str) -> tuple[str, bytes]:
    """A file of an issued document: its link is read anew, and followed at once."""
    path = f"/c/{company}/issued_documents/{document}"
    answer = await caller.request("GET", path, query={"fieldset": "detailed"})
    record = finding.record_in(answer)
    place, words = LINKS[which]
    link = record.get(place)
    if not link:
        raise Refused(
            f"This document has no {words}.",
            field="document_id",
            remedy="Look at it in Fatture in Cloud.",
            who="user",
        )
    got = await caller.download(str(link), most=MAX_UPLOAD)
    number = f"{record.get('number') or document}{record.get('numeration') or ''}".replace("/", "-")
    name = unquote(urlsplit(str(link)).path.rpartition("/")[2]) if which == "attachment" else ""
    if "." not in name:
        name = f"{record.get('type') or 'document'}-{number}.pdf"
    return name, got.body


async def upload(caller: Caller, company: int, kind: str, file: Upload) -> str:
    """Bring a file to the vendor; gives the token that binds it to a record, which soon expires."""
    answer = await caller.request(
        "POST",
        f"/c/{company}/{kind}/attachment",
        body={"filename": file.name, "attachment": file},
        encoding="multipart",
    )
    token = ((answer or {}).get("data") or {}).get("attachment_token")
    if not token:
        raise Refused("Fatture in Cloud took the file, but gave no token for it.", who="developer")
    return str(token)


def attaching(kind: str) -> Any:
    """The `prepare` that uploads a file and binds it to the record of this kind."""
    request = Request(
        method="PUT", path=f"/c/{{company_id}}/{kind}/{{document_id}}", wrap=("data",)
    )

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        company = finding.number(caller, inputs, "company_id")
        # Before the upload: a file for a record that is not there would lie about in vain.
        number = finding.number(caller, inputs, "document_id")
        await caller.request("GET", f"/c/{company}/{kind}/{number}")
        token = await upload(caller, company, kind, await given(caller, inputs))
        # Not bound yet, the upload changes nothing; each try binds a fresh one.
        return Prepared(inputs={**inputs, "data": {"attachment_token": token}}, request=request)

    return prepare


def detaching(kind: str) -> Any:
    """Own code that takes a file off its record, as far as the vendor does it."""

    async def run(caller: Caller, inputs: dict[str, Any]) -> dict[str, Any]:
        company = finding.number(caller, inputs, "company_id")
        number = finding.number(caller, inputs, "document_id")
        path = f"/c/{company}/{kind}/{number}"
        told = ""
        try:
            await caller.request("DELETE", f"{path}/attachment")
        except (Refused, NotSent):
            raise
        except ApiError as error:
            # Some accounts are always answered 500 here: what the record shows decides.
            told = error.message
        answer = await caller.request("GET", path, query={"fieldset": "detailed"})
        record = finding.record_in(answer)
        gone = not record.get("attachment_url")
        return {
            "id": number,
            "deleted": gone,
            "reason": "" if gone else told or "It is still there.",
        }

    return run
