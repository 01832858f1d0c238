"""Nothing is sent that is not stored first, byte for byte, by who has the turn."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from connector.codec import decode
from connector.engine.packing import pack, unpack
from connector.engine.waits import Wait
from connector.errors import StoreBusy, Unclear
from connector.model import HttpRequest
from connector.store.sql.turns import Turn
from tests.engine import remote as remote_module
from tests.engine.driving import Driver, intent, only
from tests.engine.remote import INVOICE

# --- bytes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"\n", b"a\nb\n", bytes(range(256)), '{"è":1}'.encode()])
def test_a_request_is_stored_byte_for_byte(body: bytes) -> None:
    request = HttpRequest(
        method="POST",
        url="https://x.example/a?b=c%20d\u00e8",
        headers=(("content-type", 'a; b="c"'), ("x", ""), ("x", "again")),
        body=body,
    )
    assert unpack(pack(request)) == request
    assert pack(unpack(pack(request))) == pack(request)


async def test_amounts_keep_their_digits_on_the_way_out(driver: Driver) -> None:
    await driver.drive(intent(INVOICE, inputs=decode('{"data":{"net":1234.50,"qty":0.10}}')))
    assert b'"net":1234.50,"qty":0.10' in unpack(driver.remote.sent[0]).body


async def test_a_store_that_never_recovers_sends_nothing(driver: Driver) -> None:
    driver.store = remote_module.Effects(faults=["busy"] * 100)
    for _ in range(5):
        with pytest.raises(StoreBusy):
            await driver.once(intent(INVOICE))
    assert driver.remote.sent == []


async def test_a_store_that_fails_before_sending_is_written_sends_nothing(driver: Driver) -> None:
    driver.store = remote_module.Effects(faults=["ok", "busy", "busy"])
    for _ in range(2):
        with pytest.raises(StoreBusy):
            await driver.once(intent(INVOICE))
    assert driver.remote.sent == []
    driver.remote.before_send = lambda stored: None
    assert (await driver.drive(intent(INVOICE))).end == "done"


async def test_an_unclear_answer_is_kept_as_evidence(driver: Driver) -> None:
    driver.remote.faults = iter(["5xx after"])
    with pytest.raises(Wait) as caught:
        await driver.once(intent(INVOICE))
    assert isinstance(caught.value.cause, Unclear)
    (note,) = (await only(driver)).evidence
    assert note["kind"] == "Unclear"
    assert note["at"] == driver.clock()


class LostTurn(Turn):
    """The turn went to another process while the intent was being stored."""

    async def check(self) -> None:
        raise StoreBusy("The connection that held this process's turns was lost.")


@contextlib.asynccontextmanager
async def _lost(*names: str) -> AsyncIterator[Turn]:
    yield LostTurn()


async def test_nothing_is_sent_when_the_turn_was_lost(driver: Driver) -> None:
    driver.effects._turn = _lost
    with pytest.raises(StoreBusy):
        await driver.once(intent(INVOICE))
    assert driver.remote.sent == []
    (row,) = await driver.store.effects()
    assert (row.state, row.sends) == ("planned", 0)
