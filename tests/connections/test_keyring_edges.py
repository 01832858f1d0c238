"""The keyring at its edges: when a token is renewed, what is tried, and what is told to whom.

Mutants found these places (`make mutate`): each test here is where a small fault went unnoticed.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from pydantic import SecretStr

from connector.connections import Tokens
from connector.connections.keyring import AGAIN_SECONDS, Keyring
from connector.errors import StoreError, Throttled, Unauthorized
from tests.connections.kit import FIC, NOW, PERFEX, PLACE, Client, House, Rows, tokens


class Always(random.Random):
    """Draws the first or the last of what there is."""

    def __init__(self, last: bool) -> None:
        super().__init__(1)
        self.last = last

    def uniform(self, a: float, b: float) -> float:
        return b if self.last else a


@pytest.mark.parametrize(("last", "early"), [(False, 300), (True, 900)])
async def test_a_token_is_renewed_5_to_15_minutes_before_its_end(
    house: House, last: bool, early: int
) -> None:
    house.keyring = Keyring(
        house.vault,
        house.server.client(),
        clock=lambda: house.now,
        oauth_client=lambda app: Client(),
        draw=Always(last),
    )
    credentials = house.add(tokens())
    house.now = NOW + 86400 - early - 0.5
    await credentials.get()
    assert house.server.asked == []
    house.now = NOW + 86400 - early
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_a_short_token_is_renewed_after_three_quarters_of_its_life(house: House) -> None:
    short = tokens().model_copy(update={"issued_at": NOW, "expires_at": NOW + 400})
    credentials = house.add(short)
    await credentials.get()
    house.now = NOW + 299.5
    await credentials.get()
    assert house.server.asked == []
    house.now = NOW + 300
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_after_an_early_renewal_that_failed_it_asks_again_in_a_minute(house: House) -> None:
    assert AGAIN_SECONDS == 60
    house.server.answer = (503, b"")
    credentials = house.add(tokens(life=200))
    await credentials.get()
    house.now = NOW + 59.5
    await credentials.get()
    assert len(house.server.asked) == 1
    house.now = NOW + 60
    await credentials.get()
    assert len(house.server.asked) == 2
    house.now = NOW + 150  # the next minute would end after the token
    await credentials.get()
    house.now = NOW + 199.5
    await credentials.get()
    assert len(house.server.asked) == 3
    house.now = NOW + 200
    house.server.answer = (429, b"")
    with pytest.raises(Throttled):
        await credentials.get()


async def test_what_is_held_for_one_tenant_is_not_given_to_another(house: House) -> None:
    await house.add(tokens()).get()
    foreign = Rows("other")
    with pytest.raises(Unauthorized, match="no connection"):
        await house.keyring.credentials(FIC, "c1", foreign).get()
    house.keyring.forget("other", "c1")
    reads = house.rows.reads
    await house.keyring.credentials(FIC, "c1", house.rows).get()
    assert house.rows.reads == reads


async def test_a_connection_that_was_given_up_is_not_held_any_longer(house: House) -> None:
    credentials = house.add(tokens())
    await credentials.get()
    await credentials.give_up()
    assert house.rows.rows["c1"].status == "reconnect"
    with pytest.raises(Unauthorized, match="its owner must renew it"):
        await credentials.get()


async def test_without_our_client_or_a_refresh_token_only_the_owner_can_help(house: House) -> None:
    for client, refresh, app in (
        (None, "r/1", FIC),
        (Client(), None, FIC),
        (Client(), "r", PERFEX),
    ):
        house.keyring = Keyring(
            house.vault,
            house.server.client(),
            clock=lambda: house.now,
            oauth_client=lambda app, client=client: client,  # type: ignore[misc]
        )
        credentials = house.add(tokens(life=-1, refresh=refresh), app=app)
        with pytest.raises(Unauthorized, match="its token cannot be renewed") as caught:
            await credentials.get()
        assert caught.value.who == "connection_owner"
        assert "Acme" in caught.value.message
        assert house.rows.rows["c1"].status == "reconnect"
    assert house.server.asked == []


async def test_a_refused_token_that_was_renewed_elsewhere_is_only_read(house: House) -> None:
    credentials = house.add(tokens())
    used = await credentials.get()
    house.add(tokens(access="a/theirs"))
    assert (await credentials.replace(used)).access_token == SecretStr("a/theirs")
    reads = house.rows.reads
    assert (await credentials.get()).access_token == SecretStr("a/theirs")
    assert house.rows.reads == reads
    assert house.server.asked == []


async def test_secrets_that_are_no_tokens_are_for_the_owner(house: House) -> None:
    credentials = house.add(tokens())
    house.rows.rows["c1"].secrets = house.vault.seal(b"not tokens", **PLACE)
    with pytest.raises(StoreError, match="cannot be read") as caught:
        await credentials.get()
    assert caught.value.who == "connection_owner"


async def test_a_token_without_an_end_is_held_for_ever(house: House) -> None:
    endless: Any = Tokens(access_token=SecretStr("m"), refresh_token=SecretStr("r/1"))
    credentials = house.add(endless)
    await credentials.get()
    house.now += 10**9
    await credentials.get()
    assert house.rows.reads == 1
    assert house.server.asked == []
