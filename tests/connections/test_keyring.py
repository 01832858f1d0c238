"""One refresh for all: the tokens of a connection, held, renewed and given up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.connections import Tokens, begin_consent, take_consent
from connector.errors import NotConnected, NotSent, StoreError, Unauthorized, Unclear
from connector.store import open_database
from tests.connections.kit import BASE, FIC, NOW, PERFEX, Client, House, Rows, TokenServer, tokens


async def test_good_tokens_are_read_once(house: House) -> None:
    credentials = house.add(tokens())
    for _ in range(5):
        assert (await credentials.get()).access_token == SecretStr("a/1")
    assert house.rows.reads == 1
    assert house.server.asked == []
    assert credentials.headers(await credentials.get()) == (("authorization", "Bearer a/1"),)


async def test_many_runs_renew_an_old_token_once(house: House) -> None:
    credentials = house.add(tokens(life=10))
    got = await asyncio.gather(*(credentials.get() for _ in range(50)))
    assert {one.access_token.get_secret_value() for one in got} == {"a/2"}
    assert len(house.server.asked) == 1
    assert house.stored().refresh_token == SecretStr("r/2")
    assert house.stored().refreshing is False
    assert house.rows.rows["c1"].version == 2


async def test_many_runs_with_a_refused_token_renew_it_once(house: House) -> None:
    credentials = house.add(tokens())
    used = await credentials.get()
    got = await asyncio.gather(*(credentials.replace(used) for _ in range(50)))
    assert {one.access_token.get_secret_value() for one in got} == {"a/2"}
    assert len(house.server.asked) == 1


async def test_it_is_renewed_some_minutes_early_and_not_before(house: House) -> None:
    credentials = house.add(tokens())
    await credentials.get()
    house.now = NOW + 86400 - 901
    await credentials.get()
    assert house.server.asked == []
    house.now = NOW + 86400 - 299
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_a_token_with_a_short_life_is_not_renewed_all_the_time(house: House) -> None:
    short = tokens().model_copy(update={"issued_at": NOW, "expires_at": NOW + 120})
    credentials = house.add(short)
    await credentials.get()
    house.now += 80
    await credentials.get()
    assert house.server.asked == []
    house.now += 20
    await credentials.get()
    assert len(house.server.asked) == 1


async def test_that_a_refresh_was_begun_is_stored_before_it_is_sent(house: House) -> None:
    house.server.gate = asyncio.Event()
    credentials = house.add(tokens(life=-1))
    waiting = asyncio.create_task(credentials.get())
    while not house.server.asked:
        await asyncio.sleep(0)
    assert house.stored().refreshing is True
    house.server.gate.set()
    await waiting
    assert house.stored().refreshing is False


async def test_a_refresh_nobody_heard_ends_with_the_owner_not_in_a_loop(house: House) -> None:
    house.server.apply_then_break = True
    credentials = house.add(tokens(life=-1))
    with pytest.raises(Unclear):
        await credentials.get()
    house.server.apply_then_break = False
    with pytest.raises(Unauthorized, match="broke off unheard"):
        await credentials.get()
    assert house.rows.rows["c1"].status == "reconnect"
    asked = len(house.server.asked)
    with pytest.raises(Unauthorized):
        await credentials.get()
    assert len(house.server.asked) == asked


async def test_a_refused_refresh_marks_the_connection(house: House) -> None:
    credentials = house.add(tokens(life=-1, refresh="r/stolen"))
    with pytest.raises(Unauthorized):
        await credentials.get()
    assert house.rows.rows["c1"].status == "reconnect"


async def test_our_own_wrong_client_does_not_cost_the_owner_a_consent(house: House) -> None:
    house.server.answer = (401, {"error": "invalid_client"})
    credentials = house.add(tokens(life=-1))
    with pytest.raises(Unauthorized) as caught:
        await credentials.get()
    assert caught.value.who == "developer"
    assert house.rows.rows["c1"].status == "active"


async def test_an_early_renewal_that_fails_uses_the_old_token_and_asks_again_later(
    house: House,
) -> None:
    house.server.answer = (503, b"")
    credentials = house.add(tokens(life=200))
    for _ in range(5):
        assert (await credentials.get()).access_token == SecretStr("a/1")
    assert len(house.server.asked) == 1
    house.now += 61
    await credentials.get()
    assert len(house.server.asked) == 2
    house.now = NOW + 200
    with pytest.raises(Unclear):
        await credentials.get()


async def test_another_process_that_won_is_followed(house: House) -> None:
    """It renewed between our look at the row and our answer: its token is the living one."""
    house.server.gate = asyncio.Event()
    credentials = house.add(tokens(life=-1))
    mine = asyncio.create_task(credentials.get())
    while not house.server.asked:
        await asyncio.sleep(0)
    theirs = tokens(access="a/theirs", refresh="r/theirs")
    row = house.rows.rows["c1"]
    row.secrets = house.keyring.seal(theirs, tenant="main", connection_id="c1")
    row.version += 1
    house.server.answer = (400, {"error": "invalid_grant"})
    house.server.gate.set()
    assert (await mine).access_token == SecretStr("a/theirs")
    assert row.status == "active"


async def test_a_renewal_under_way_elsewhere_is_waited_for(house: House) -> None:
    credentials = house.add(tokens(life=-1))
    begun = house.stored().model_copy(update={"refreshing": True})

    async def beaten(connection_id: str, secrets: bytes, version: int) -> bool:
        row = house.rows.rows[connection_id]
        row.secrets = house.keyring.seal(begun, tenant="main", connection_id="c1")
        row.version += 1
        return False

    house.rows.save_secrets = beaten  # type: ignore[method-assign]
    with pytest.raises(NotSent):
        await credentials.get()
    assert house.server.asked == []


async def test_a_renewed_token_that_cannot_be_stored_is_still_used(house: House) -> None:
    house.server.gate = asyncio.Event()
    credentials = house.add(tokens(life=-1))
    waiting = asyncio.create_task(credentials.get())
    while not house.server.asked:
        await asyncio.sleep(0)
    house.rows.fail_saving = True
    house.server.gate.set()
    with pytest.raises(StoreError):
        await waiting
    assert (await credentials.get()).access_token == SecretStr("a/2")


async def test_a_new_consent_is_used_at_once(house: House) -> None:
    credentials = house.add(tokens())
    used = await credentials.get()
    house.add(tokens(access="a/new"))
    assert (await credentials.get()).access_token == SecretStr("a/1")
    assert (await credentials.replace(used)).access_token == SecretStr("a/new")
    house.add(tokens(access="a/newer"))
    house.keyring.forget("main", "c1")
    assert (await credentials.get()).access_token == SecretStr("a/newer")
    assert house.server.asked == []


async def test_a_token_by_hand_never_ends_and_cannot_be_renewed(house: House) -> None:
    credentials = house.add(Tokens(access_token=SecretStr("m")), app=PERFEX)
    house.now += 10 * 365 * 86400
    used = await credentials.get()
    assert credentials.headers(used) == (("authtoken", "m"),)
    with pytest.raises(Unauthorized):
        await credentials.replace(used)
    assert house.rows.rows["c1"].status == "reconnect"


@pytest.mark.parametrize("case", ["unknown", "other app", "no secrets", "reconnect"])
async def test_a_connection_that_cannot_be_used_says_who_acts(house: House, case: str) -> None:
    credentials = house.add(tokens())
    row = house.rows.rows["c1"]
    if case == "unknown":
        del house.rows.rows["c1"]
    elif case == "other app":
        row.app = "perfex_crm"
    elif case == "no secrets":
        row.secrets = None
    else:
        row.status = "reconnect"
    with pytest.raises(Unauthorized) as caught:
        await credentials.get()
    assert caught.value.who == "connection_owner"


async def test_secrets_of_another_tenant_do_not_open(house: House) -> None:
    house.add(tokens())
    foreign = Rows("other")
    foreign.rows = house.rows.rows
    with pytest.raises(StoreError):
        await house.keyring.credentials(FIC, "c1", foreign).get()


async def test_the_real_store_keeps_what_the_keyring_needs(tmp_path: Path) -> None:
    """The same rows as the `Rows` of the kit, on SQLite: version check, status, one-time states."""
    database = open_database(f"sqlite:///{tmp_path / 'connector.db'}")
    try:
        rows = database.tenant("main")
        await rows.ensure(NOW)
        house = House(TokenServer())
        house.add(tokens(life=-1))
        await rows.save_connection(house.rows.rows["c1"])
        credentials = house.keyring.credentials(FIC, "c1", rows)
        got = await asyncio.gather(*(credentials.get() for _ in range(20)))
        assert {one.access_token.get_secret_value() for one in got} == {"a/2"}
        assert len(house.server.asked) == 1
        restarted = house.new_keyring().credentials(FIC, "c1", rows)
        assert (await restarted.get()).refresh_token == SecretStr("r/2")
        house.server.refresh = "revoked"
        with pytest.raises(Unauthorized):
            await restarted.replace(await restarted.get())
        stored = await rows.connection("c1")
        assert stored is not None
        assert stored.status == "reconnect"
        asked: dict[str, Any] = {"base_url": BASE, "redirect_uri": "x", "scopes": (), "now": NOW}
        consent = await begin_consent(rows, FIC, Client(), request={"name": "A"}, **asked)
        assert (await take_consent(rows, consent.state, NOW))["request"] == {"name": "A"}
        with pytest.raises(NotConnected):
            await take_consent(rows, consent.state, NOW)
    finally:
        await database.close()
