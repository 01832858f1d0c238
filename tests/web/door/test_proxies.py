"""Behind a proxy, whoever guesses makes their own address wait; nobody else can choose theirs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.door.kit import PHRASE, House, same

PROXY = "10.1.2.3"


@pytest.fixture
def given() -> dict[str, Any]:
    return {"trusted_proxies": "10.0.0.0/8,::1"}


async def guess(house: House, forwarded: list[str], name: str, address: str = PROXY) -> int:
    """The answer to one login that comes through an address with these headers."""
    one = house.browser(address=address)
    headers = [*same(one).items(), *(("x-forwarded-for", told) for told in forwarded)]
    data = {"name": name, "passphrase": PHRASE}
    return (await one.post("/login", data=data, headers=headers)).status_code


@pytest.mark.parametrize(
    ("address", "guesser", "anna"),
    [
        (PROXY, ["203.0.113.9"], ["198.51.100.1"]),
        # What a browser sends itself stands left of what the proxy knows.
        (PROXY, ["198.51.100.1, 203.0.113.9"], ["198.51.100.1"]),
        (PROXY, ["198.51.100.1", "203.0.113.9:4711, 10.0.0.7"], ["198.51.100.1"]),
        ("::1", ["[2001:db8::9]:4711"], ["2001:db8::7"]),
    ],
)
async def test_who_guesses_locks_out_nobody_else(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    guesser: list[str],
    anna: list[str],
) -> None:
    monkeypatch.setattr("connector.runtime.people.FREE_FROM_ADDRESS", 2)
    await house.runtime.people.set_passphrase("Anna", "owner", PHRASE)
    for number in range(2):
        assert await guess(house, guesser, f"name {number}", address) == 403
    assert await guess(house, guesser, "Anna", address) == 429
    assert await guess(house, anna, "Anna", address) == 303


@pytest.mark.parametrize(
    ("address", "forwarded"),
    [
        ("203.0.113.9", "198.51.100.{}"),
        (PROXY, "198.51.100.{}, 203.0.113.9"),
        (PROXY, "198.51.100.{}, unknown"),
    ],
)
async def test_nobody_chooses_the_address_that_waits(
    house: House, monkeypatch: pytest.MonkeyPatch, address: str, forwarded: str
) -> None:
    monkeypatch.setattr("connector.runtime.people.FREE_FROM_ADDRESS", 2)
    told = [
        await guess(house, [forwarded.format(number)], f"name {number}", address)
        for number in range(3)
    ]
    assert told == [403, 403, 429]
