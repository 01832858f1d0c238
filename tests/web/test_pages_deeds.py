"""Letting something happen in emulated apps: there only, and so that a flow starts by it."""

from __future__ import annotations

import asyncio
from datetime import date
from importlib import import_module
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from connector import build_plugins, load_catalog
from connector.apps.invented import a_client
from connector.bundle import examples_folder
from connector.deeds import Deed
from connector.errors import ConnectorError
from connector.hookspecs import hookimpl
from connector.model import Connection
from connector.sandbox import SandboxConfig
from connector.sandbox.ports import serving
from connector.web.pages import deeds
from connector.web.pages.naming import EXAMPLES, in_words, name_in, told_name
from connector.web.pages.play import on_stage
from connector.web.pages.words import words_of
from tests.loaded import the_catalog

TODAY = date(2026, 11, 29)


def connection(base_url: str, **changes: Any) -> Connection:
    given = {"id": "c", "app": "fatture_in_cloud", "name": "fatture", "base_url": base_url}
    return Connection(**{"settings": {"emulated": True}, **given, **changes})


BOTH = [
    connection("http://127.0.0.1:1"),
    connection("http://127.0.0.1:2/api", app="perfex_crm", name="perfex"),
]


@pytest.mark.parametrize("host", ["127.0.0.1:8421", "localhost:8421", "[::1]:8421"])
def test_an_emulated_app_of_this_machine_is_found(host: str) -> None:
    assert deeds.is_emulated(connection(f"http://{host}/"))


@pytest.mark.parametrize(
    "one",
    [
        connection("https://api-v2.fattureincloud.it"),
        connection("http://127.0.0.1.example.it:8421"),
        connection("http://10.0.0.1:8421"),
        connection("http://127.0.0.1:8421", settings={}),
        connection("https://api-v2.fattureincloud.it", settings={"emulated": True}),
    ],
)
def test_nobody_else_is_sent_an_invented_client(one: Connection) -> None:
    assert not deeds.is_emulated(one)
    assert deeds.stages([one], the_catalog()) == []
    assert deeds.stage_of(text("fic-client-to-perfex"), the_catalog(), [one]) is None


def text(name: str) -> str:
    return (examples_folder() / f"{name}.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "key", "company"),
    [
        ("fic-client-to-perfex", "fatture_in_cloud.entities.clients.create", "108061"),
        ("fic-invoice-copy", "fatture_in_cloud.issued_documents.orders.create", "108061"),
        ("perfex-invoice-to-fic", "perfex_crm.invoices.create", ""),
        # An invoice must be made and then paid: one click does not start it.
        ("fic-payment-to-perfex", None, ""),
    ],
)
def test_a_flow_is_offered_what_starts_it(name: str, key: str | None, company: str) -> None:
    stage = deeds.stage_of(text(name), the_catalog(), BOTH)
    assert (stage.key if stage else None) == key
    assert stage is None or stage.company == company


def test_a_text_that_cannot_be_read_is_offered_nothing() -> None:
    assert deeds.stage_of("flow: [", the_catalog(), BOTH) is None
    assert deeds.stage_of("flow: x\ntrigger: {node: no.such}", the_catalog(), BOTH) is None


async def test_nothing_is_offered_where_others_reach_the_server() -> None:
    class Site:
        settings = SimpleNamespace(reach=SimpleNamespace(rehearsal=False))

    assert await on_stage(Site()) == []  # type: ignore[arg-type]  # it looks at no more


async def test_every_deed_is_done_in_its_app_and_told_of() -> None:
    """Also in apps that are empty: what a deed is based on is made first."""
    async with serving(SandboxConfig(seed=5)) as apps:
        fic, perfex = apps.sandbox.fic, apps.sandbox.perfex
        told = apps.as_data()
        at = {
            "fatture_in_cloud": connection(told["fic"]),
            "perfex_crm": connection(f"{told['perfex']}/api", app="perfex_crm"),
        }
        everything = deeds.stages(at.values(), the_catalog())
        assert len(everything) == 10
        for stage in sorted(everything, key=lambda one: one.key, reverse=True):
            key, deed, where = stage.key, stage.deed, stage.connection
            before = await deeds.records(where, deed.records)
            await deeds.do(stage, TODAY)
            after = await deeds.records(where, deed.records)
            if deed.changes and before:
                assert len(after) == len(before), key
                assert after[0] != before[0], key
            else:
                assert len(after) == len(before) + 1, key
        assert fic.first_company.tables["clients"].view()[-1]["vat_number"].startswith("IT")
        assert perfex.tables["invoices"].view()[-1]["total"] == "195.20"


@pytest.mark.parametrize("body", ["<html>", "[]", '{"data": 5}', '{"data": [5]}', '{"data": [{}]}'])
async def test_another_program_at_that_address_is_told_of(body: str) -> None:
    lines: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines.append(await reader.readline())
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    key = "fatture_in_cloud.issued_documents.invoices.create"
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        at = connection(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        stage = next(one for one in deeds.stages([at], the_catalog()) if one.key == key)
        with pytest.raises(ConnectorError, match="answered without records"):
            await deeds.do(stage._replace(company="1&x=2#frag"), TODAY)
    assert lines[0].split()[1].endswith(b"/clients?company=1%26x%3D2%23frag")


def test_our_own_examples_are_named_in_the_readers_language() -> None:
    names = {name_in(path.read_text("utf-8")) for path in Path(examples_folder()).glob("*.yaml")}
    assert names <= EXAMPLES
    italian = words_of("it")
    document = text("fic-client-to-perfex")
    assert told_name(document, italian) == "I clienti nuovi e modificati vanno in Perfex"
    assert name_in(in_words(document, italian)) == "I clienti nuovi e modificati vanno in Perfex"
    assert in_words(document, words_of("en")) == document
    # What a person has named stays as it was named, even where it is a word of ours.
    assert told_name("flow: x\nname: Flows", italian) == "Flows"
    assert told_name("flow: x", italian) == "x"
    assert told_name("flow: [", italian) == ""


def test_an_invented_client_has_a_vat_number_that_could_be_one() -> None:
    assert all(
        import_module("stdnum.it.iva").is_valid(a_client(Random(seed))["vat_number"])
        for seed in range(50)
    )


async def test_the_app_of_a_plugin_brings_what_can_be_done_in_it(tmp_path: Path) -> None:
    (tmp_path / "bottega").mkdir()
    (tmp_path / "bottega" / "words.yaml").write_text("nodes: {}\n", "utf-8")
    italian = '- ["Sell a thing in Bottega", "Vendi una cosa in Bottega"]\n'
    (tmp_path / "bottega" / "italian.yaml").write_text(italian, "utf-8")
    made = Deed(
        label="Sell a thing in Bottega", records="sales", made=lambda _, day, __: {"on": str(day)}
    )

    class Plugin:
        @hookimpl
        def register_apps(self, register: Any) -> None:
            app = the_catalog().app("perfex_crm")
            changed = {"key": "bottega", "deeds": {"sales.create": made}}
            register(app.model_copy(update=changed))

        @hookimpl
        def register_schemas(self, register: Any) -> None:
            register(tmp_path)

    catalog = load_catalog(build_plugins([Plugin()]))
    sent: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split()[0])
        sent.extend([head.split(b"\r\n")[0], await reader.readexactly(length)])
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        shop = connection(f"http://127.0.0.1:{port}", app="bottega")
        (stage,) = deeds.stages([shop], catalog)
        assert (stage.key, stage.label("it")) == (
            "bottega.sales.create",
            "Vendi una cosa in Bottega",
        )
        await deeds.do(stage, TODAY)
    assert sent == [b"POST /_sandbox/records/sales HTTP/1.1", b'{"on":"2026-11-29"}']
