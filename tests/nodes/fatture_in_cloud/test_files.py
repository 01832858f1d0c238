"""Files: attached in one step, downloaded as outputs, never a link that dies."""

from __future__ import annotations

import base64
import socket
from typing import Any

import pytest

from connector.apps.fatture_in_cloud.files import KEPT_BYTES, as_output
from connector.errors import MappingError, Missing, NotSent, Refused
from connector.forms import MAX_UPLOAD, encode_multipart
from connector.http import HttpClient, asgi_client
from connector.model import Upload
from connector.reach import Reach
from tests.nodes.fatture_in_cloud.office import COMPANY, FIC, Office
from tests.nodes.fatture_in_cloud.test_documents import finish, issue

TEXT = base64.b64encode(b"%PDF contract").decode()


def bound(office: Office, made: dict[str, Any]) -> bytes:
    """What lies behind the link of a document's attachment."""
    link = office.document(made["id"])["attachment_url"]
    return office.sandbox.fic.files[link.split("/files/")[1].split("/")[0]].content


class TestAttach:
    async def test_content_is_uploaded_and_bound_in_one_step(self, office: Office) -> None:
        made = await issue(office)
        file = {"content": TEXT, "name": "contratto.pdf"}
        told = await office.do("attach_file_to_issued_document", document_id=made["id"], file=file)
        assert bound(office, made) == b"%PDF contract"
        assert told["attachment_url"].endswith("contratto.pdf")

    async def test_the_token_is_in_no_output_and_the_file_in_no_stored_request(
        self, office: Office
    ) -> None:
        made = await issue(office)
        file = {"content": TEXT, "name": "contratto.pdf"}
        await office.do("attach_file_to_issued_document", document_id=made["id"], file=file)
        (effect,) = [one for one in await office.store.effects() if "attach" in one.node]
        assert b"attachment_token" in (effect.request or b"")
        assert b"%PDF contract" not in (effect.request or b"")
        assert not (effect.output or {}).get("attachment_token")

    async def test_the_pdf_of_a_document_is_attached_to_another(self, office: Office) -> None:
        quote, made = await issue(office, type="quote"), await issue(office)
        await office.do(
            "attach_file_to_issued_document",
            document_id=made["id"],
            file={"document_id": quote["id"]},
        )
        assert bound(office, made).startswith(b"%PDF-1.4\n% quote 1")

    async def test_what_one_step_downloads_the_next_attaches(self, office: Office) -> None:
        quote, made = await issue(office, type="quote"), await issue(office)
        got = await office.do("download_issued_document", document_id=quote["id"])
        file = {"content": got["content"], "name": got["name"]}
        await office.do("attach_file_to_issued_document", document_id=made["id"], file=file)
        assert bound(office, made).startswith(b"%PDF-1.4")

    @pytest.mark.parametrize(
        ("file", "words"),
        [
            ({}, "No file"),
            ({"content": TEXT, "url": "https://x.example/a.pdf"}, "several ways"),
            ({"content": "%%%"}, "not base64"),
            ({"content": "===="}, "base64|empty"),
        ],
    )
    async def test_a_file_that_is_none_is_told(
        self, office: Office, file: dict[str, Any], words: str
    ) -> None:
        made = await issue(office)
        with pytest.raises(MappingError, match=words) as caught:
            await office.do("attach_file_to_issued_document", document_id=made["id"], file=file)
        assert str(caught.value.field).startswith("file.")
        assert office.sandbox.fic.first_company.attachments == {}

    async def test_nothing_is_uploaded_for_a_record_that_is_not_there(self, office: Office) -> None:
        with pytest.raises(Missing):
            await office.do("attach_file_to_issued_document", document_id=7, file={"content": TEXT})
        assert office.sandbox.fic.first_company.attachments == {}

    @pytest.mark.parametrize("fault", ["reset_before", "reset_after", "error_after"])
    async def test_a_lost_answer_binds_it_again(self, office: Office, fault: str) -> None:
        made = await issue(office)
        path = f"/c/{COMPANY}/issued_documents/{made['id']}"
        office.sandbox.fic.faults.add(kind=fault, method="PUT", path=path)
        file = {"content": TEXT, "name": "contratto.pdf"}
        await finish(office, "attach_file_to_issued_document", document_id=made["id"], file=file)
        assert bound(office, made) == b"%PDF contract"

    async def test_detaching_says_whether_the_file_is_gone(self, office: Office) -> None:
        made = await issue(office)
        given = {"document_id": made["id"]}
        await office.do("attach_file_to_issued_document", **given, file={"content": TEXT})
        path = f"/c/{COMPANY}/issued_documents/{made['id']}/attachment"
        office.sandbox.fic.faults.add(kind="error_before", method="DELETE", path=path)
        told = await office.do("delete_issued_document_attachment", **given)
        assert told["deleted"] is False
        assert told["reason"]
        assert (await office.do("delete_issued_document_attachment", **given))["deleted"] is True


class Elsewhere:
    """A server on the internet that gives a file, and an office that reaches it."""

    def __init__(self, office: Office, status: int = 200, location: str = "") -> None:
        self.asked: list[dict[str, str]] = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            self.asked.append({name.decode(): text.decode() for name, text in scope["headers"]})
            head = [(b"location", location.encode())] if location else []
            await send({"type": "http.response.start", "status": status, "headers": head})
            await send({"type": "http.response.body", "body": b"a scan"})

        office.caller._http = asgi_client(
            {FIC: office.sandbox.fic_app, "https://files.example": app}
        )


class TestFromAnAddress:
    async def test_no_credentials_go_there(self, office: Office) -> None:
        made = await issue(office)
        world = Elsewhere(office)
        file = {"url": "https://files.example/scan%201.png"}
        await office.do("attach_file_to_issued_document", document_id=made["id"], file=file)
        assert bound(office, made) == b"a scan"
        assert "authorization" not in world.asked[0]
        assert office.document(made["id"])["attachment_url"].endswith("scan%201.png")

    @pytest.mark.parametrize("status", [301, 302, 307, 404, 500])
    async def test_a_redirect_or_an_error_page_is_no_file(
        self, office: Office, status: int
    ) -> None:
        made = await issue(office)
        world = Elsewhere(office, status, "http://169.254.169.254/")
        file = {"url": "https://files.example/scan.png"}
        with pytest.raises(Refused, match=str(status)):
            await office.do("attach_file_to_issued_document", document_id=made["id"], file=file)
        assert len(world.asked) == 1

    @pytest.mark.parametrize(
        ("address", "leads_to"),
        [
            ("https://files.example/a", "127.0.0.1"),
            ("https://files.example/a", "10.0.0.7"),
            ("https://files.example/a", "169.254.169.254"),
            ("https://files.example/a", "::ffff:192.168.1.1"),
            ("http://files.example/a", "93.184.216.34"),
            ("https://files.example:22/a", "93.184.216.34"),
        ],
    )
    async def test_it_leads_only_where_the_addresses_of_users_may_lead(
        self, office: Office, address: str, leads_to: str
    ) -> None:
        async def resolve(host: str, port: int) -> Any:
            family = socket.AF_INET6 if ":" in leads_to else socket.AF_INET
            return [(family, (leads_to, port))]

        office.caller._http = HttpClient(reach=Reach(), resolve=resolve)
        with pytest.raises(NotSent):
            await office.caller.download(address)

    @pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://x/y", "https://a:b@x/y"])
    async def test_only_plain_web_addresses(self, office: Office, address: str) -> None:
        with pytest.raises(NotSent):
            await office.caller.download(address)


class TestDownload:
    async def test_pdf_is_given_with_its_digest_and_no_link(self, office: Office) -> None:
        made = await issue(office)
        got = await office.do("download_issued_document", document_id=made["id"])
        assert got["name"] == "invoice-1.pdf"
        assert base64.b64decode(got["content"]).startswith(b"%PDF")
        assert "http" not in str(got)

    async def test_link_is_read_anew_each_time(self, office: Office) -> None:
        made = await issue(office)
        office.later(8 * 24 * 3600)
        assert (await office.do("download_issued_document", document_id=made["id"]))["is_kept"]

    async def test_what_is_not_there_is_told(self, office: Office) -> None:
        made = await issue(office)
        with pytest.raises(Refused, match="no attachment"):
            await office.do("download_issued_document", document_id=made["id"], which="attachment")

    async def test_xml_of_an_e_invoice(self, office: Office) -> None:
        made = await issue(office)
        got = await office.do("download_e_invoice_xml", document_id=made["id"])
        assert got["media_type"] == "text/xml"
        assert b"FatturaElettronica" in base64.b64decode(got["content"])

    def test_a_large_file_keeps_its_digest_and_drops_its_bytes(self) -> None:
        got = as_output("a.pdf", b"x" * (KEPT_BYTES + 1))
        assert (got["content"], got["is_kept"], got["size"]) == (None, False, KEPT_BYTES + 1)
        assert got["digest"].startswith("sha256:")


class TestMultipart:
    def test_the_same_file_makes_the_same_bytes(self) -> None:
        data = {"filename": "a.pdf", "attachment": Upload(name="a.pdf", content=b"\r\n--x")}
        assert encode_multipart(data) == encode_multipart(dict(data))
        kind, body = encode_multipart(data)
        boundary = kind.partition("boundary=")[2].encode()
        assert body.count(b"--" + boundary) == 3
        assert body.endswith(b"--" + boundary + b"--\r\n")

    def test_a_name_cannot_break_out_of_its_part(self) -> None:
        name = 'a"\r\ncontent-type: text/html\r\n\r\n.pdf'
        _, body = encode_multipart({"f": Upload(name=name, content=b"x", media_type="a\r\nb/c")})
        head = body.partition(b"\r\n\r\n")[0]
        assert head.count(b"\r\n") == 2
        assert b"application/octet-stream" in head

    def test_a_file_that_is_too_large_is_refused(self) -> None:
        with pytest.raises(MappingError, match="at most"):
            encode_multipart({"f": Upload(name="a", content=b"x" * (MAX_UPLOAD + 1))})
