"""What passes, and what is told to whom: the run, a policy, an observer."""

from __future__ import annotations

from typing import Any

import pytest

from connector.engine.effects import Effects
from connector.errors import (
    Conflict,
    ConnectorError,
    Forbidden,
    NotConnected,
    NotSent,
    Refused,
    Throttled,
    Unauthorized,
)
from connector.model import HttpRequest
from connector.store.rows import EffectRow
from tests.engine.driving import INSTALLATION, Driver, intent, only
from tests.engine.remote import INVOICE, Remote

# --- what passes, and what is told to whom -----------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [("connect refused", NotSent), ("401", Unauthorized), ("429", Throttled), ("403 quota",
     Throttled)],
)  # fmt: skip
async def test_what_was_not_applied_is_planned_again_and_told(
    driver: Driver, fault: str, error: type[ConnectorError]
) -> None:
    driver.remote.faults = iter([fault])
    with pytest.raises(error):
        await driver.once(intent(INVOICE))
    row = await only(driver)
    assert (row.state, row.sends) == ("planned", 0)
    assert row.evidence[-1]["kind"] == error.__name__
    assert (await driver.drive(intent(INVOICE))).end == "done"


async def test_a_wait_that_was_asked_for_is_passed_on_exactly(driver: Driver) -> None:
    driver.remote.faults = iter(["403 quota"])
    with pytest.raises(Throttled) as caught:
        await driver.once(intent(INVOICE))
    assert caught.value.retry_after == 77


@pytest.mark.parametrize(("fault", "error"), [("409", Conflict), ("403", Forbidden)])
async def test_a_refusal_is_told_as_it_is(driver: Driver, fault: str, error: type[Refused]) -> None:
    driver.remote.faults = iter([fault])
    with pytest.raises(error):
        await driver.once(intent(INVOICE))
    with pytest.raises(Refused, match=f"answered {fault}") as caught:
        await driver.once(intent(INVOICE))
    assert caught.value.who == error.who


async def test_an_error_before_the_door_means_that_nothing_was_sent(driver: Driver) -> None:
    door = Remote(driver.clock)

    async def closed(prepared: HttpRequest, **how: Any) -> Any:
        raise NotConnected("There is no connection any more.")

    door.send = closed
    with pytest.raises(NotConnected):
        await driver.effects.perform(intent(INVOICE), driver.store, door, door.find)
    assert (await only(driver)).state == "planned"


# --- hooks --------------------------------------------------------------------------------------


async def test_a_policy_that_forbids_a_write_sends_nothing_and_may_be_changed(
    driver: Driver,
) -> None:
    def forbid(effect: EffectRow) -> None:
        raise ConnectorError(f"{effect.node} is forbidden on Sundays.")

    driver.effects = Effects(driver.clock, INSTALLATION, before_write=forbid)
    with pytest.raises(ConnectorError, match="Sundays"):
        await driver.once(intent(INVOICE))
    assert driver.remote.sent == []
    driver.effects = Effects(driver.clock, INSTALLATION)
    assert (await driver.drive(intent(INVOICE))).end == "done"


@pytest.mark.parametrize(
    ("faults", "heard"),
    [
        (["ok"], ["done"]),
        (["422"], ["refused"]),
        (["timeout after"], ["uncertain", "done"]),
        (["timeout before"], ["uncertain", "parked"]),
        (["connect refused", "429"], ["done"]),
    ],
)
async def test_an_observer_hears_of_every_end(
    driver: Driver, faults: list[str], heard: list[str]
) -> None:
    ends: list[str] = []
    driver.effects = Effects(
        driver.clock, INSTALLATION, after_write=lambda effect: ends.append(effect.state)
    )
    driver.remote.faults = iter(faults)
    await driver.drive(intent(INVOICE))
    assert ends == heard
