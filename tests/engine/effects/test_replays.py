"""Replays and edits: what may have been sent is sent as it was, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from connector.engine.waits import Wait
from connector.errors import ConnectorError, NotSent, Refused
from tests.engine.driving import SECOND_LOOK, SETTLE, Driver, intent, only
from tests.engine.remote import CLIENT, INVOICE

MENDED = {"data": {"name": "Verdi", "subject": "Order 7"}}


async def test_a_replay_of_a_done_write_gives_its_result_and_sends_nothing(
    driver: Driver,
) -> None:
    first = await driver.drive(intent(INVOICE))
    again = await driver.drive(intent(INVOICE, run_id=2, inputs=MENDED))
    assert again.output == first.output
    assert len(driver.remote.sent) == 1


async def test_a_replay_of_a_refused_write_sends_the_mended_values(driver: Driver) -> None:
    driver.remote.faults = iter(["422"])
    assert (await driver.drive(intent(INVOICE))).end == "refused"
    again = await driver.drive(intent(INVOICE, run_id=2, inputs=MENDED))
    assert again.output["name"] == "Verdi"
    row = await only(driver)
    assert row.run_id == 2
    assert [note["kind"] for note in row.evidence] == ["Invalid"], "what was before is kept"


async def test_the_same_run_does_not_send_a_refused_write_again(driver: Driver) -> None:
    driver.remote.faults = iter(["422"])
    for _ in range(3):
        assert (await driver.drive(intent(INVOICE, inputs=MENDED))).end == "refused"
    assert len(driver.remote.sent) == 1


async def test_a_flow_edited_between_tries_changes_no_byte(driver: Driver) -> None:
    driver.remote.faults = iter(["connect refused", "429", "401"])
    values: list[dict[str, Any]] = [{"data": {"name": f"edit {n}"}} for n in range(4)]
    for inputs in values[:3]:
        with pytest.raises(ConnectorError):
            await driver.once(intent(INVOICE, inputs=inputs))
        driver.clock.now += 60
    output = await driver.once(intent(INVOICE, inputs=values[3]))
    assert output["name"] == "edit 0"
    assert len({*driver.remote.sent}) == 1


async def test_a_replay_of_what_never_left_us_is_rendered_anew(driver: Driver) -> None:
    driver.remote.faults = iter(["connect refused"])
    with pytest.raises(NotSent):
        await driver.once(intent(INVOICE))
    output = await driver.once(intent(INVOICE, run_id=2, inputs=MENDED))
    assert output["name"] == "Verdi", "else a wrong address or value could never be mended"


async def test_a_replay_of_what_may_have_left_us_is_not_rendered_anew(driver: Driver) -> None:
    driver.remote.faults = iter(["timeout before", "connect refused"])
    with pytest.raises(Wait):
        await driver.once(intent(CLIENT))
    driver.clock.now += SETTLE
    with pytest.raises(Wait):
        await driver.once(intent(CLIENT))
    driver.clock.now += SECOND_LOOK
    with pytest.raises(NotSent):
        await driver.once(intent(CLIENT))
    output = await driver.once(intent(CLIENT, run_id=2, inputs=MENDED))
    assert output["name"] == "Rossi"
    assert len({*driver.remote.sent}) == 1


async def test_what_a_person_dropped_is_not_written_by_a_replay(driver: Driver) -> None:
    await driver.once(intent(INVOICE))
    (row,) = await driver.store.effects()
    row.state = "refused"
    row.evidence.append({"at": 0, "message": "it was looked for"})
    row.evidence.append({"at": 1, "message": "dropped, decided by me", "dropped": True})
    await driver.store.save_effect(row)
    sent = len(driver.remote.sent)
    with pytest.raises(Refused, match="dropped"):
        await driver.once(intent(INVOICE, run_id=99))
    assert len(driver.remote.sent) == sent
