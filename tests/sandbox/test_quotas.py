"""The three quotas of Fatture in Cloud."""

from __future__ import annotations

from typing import Any

from connector.sandbox.config import Limits


async def test_the_301st_call_within_5_minutes_is_429(make_world: Any) -> None:
    world = make_world()
    for _ in range(300):
        assert (await world.fic("GET", "C/info/payment_accounts")).status == 200
        world.clock.advance(0.5)
    answer = await world.fic("GET", "C/info/payment_accounts")
    assert answer.status == 429
    assert answer.header("retry-after") == "150"
    world.clock.advance(150)
    assert (await world.fic("GET", "C/info/payment_accounts")).status == 200
    sliding = await world.fic("GET", "C/info/payment_accounts")
    assert (sliding.status, sliding.header("retry-after")) == (429, "1")


async def test_hour_and_month_are_403_with_retry_after(make_world: Any) -> None:
    world = make_world(limits=Limits(hour=2, month=3))
    for _ in range(2):
        await world.fic("GET", "C/info/payment_accounts")
    answer = await world.fic("GET", "C/info/payment_accounts")
    assert answer.status == 403
    assert answer.header("retry-after") == str(45 * 60 - 2)  # 09:15:02 to 10:00
    world.clock.advance(3600)
    assert (await world.fic("GET", "C/info/payment_accounts")).status == 200
    answer = await world.fic("GET", "C/info/payment_accounts")
    assert answer.status == 403
    assert int(answer.header("retry-after")) > 20 * 86_400


async def test_success_tells_what_is_left(make_world: Any) -> None:
    world = make_world()
    answer = await world.fic("GET", "C/info/payment_accounts")
    assert answer.header("ratelimit-hourlyremaining") == "999"
    assert answer.header("ratelimit-hourlylimit") == "1000"
    assert answer.header("ratelimit-monthlyremaining") == "39999"
    assert answer.header("ratelimit-monthlylimit") == "40000"


async def test_short_window_is_shared_by_all_apps_of_a_company(make_world: Any) -> None:
    world = make_world(limits=Limits(five_minutes=2, hour=1))
    made = await world.control("http://fic.test", "POST", "/apps", {"client_id": "other"})
    fic = world.sandbox.fic
    other = fic.tokens.manual(fic.tokens.apps["other"], frozenset({"settings:r"}))
    assert made["app_id"] == 4712
    assert (await world.fic("GET", "C/info/vat_types")).status == 200
    assert (await world.fic("GET", "C/info/vat_types", token=other)).status == 200
    assert (await world.fic("GET", "C/info/vat_types", token=other)).status == 429


async def test_private_apps_share_the_month(make_world: Any) -> None:
    world = make_world(limits=Limits(month=1), public_app=False)
    await world.control("http://fic.test", "POST", "/apps", {"client_id": "other"})
    fic = world.sandbox.fic
    other = fic.tokens.manual(fic.tokens.apps["other"], frozenset({"settings:r"}))
    assert (await world.fic("GET", "C/info/vat_types")).status == 200
    assert (await world.fic("GET", "C/info/vat_types", token=other)).status == 403


async def test_limits_can_be_changed_while_it_runs(make_world: Any) -> None:
    world = make_world(limits=Limits(five_minutes=1))
    told = await world.control("http://fic.test", "POST", "/limits", {"five_minutes": 2})
    assert (told["five_minutes"], told["hour"]) == (2, 1000)
    statuses = [(await world.fic("GET", "C/info/vat_types")).status for _ in range(3)]
    assert statuses == [200, 200, 429]
