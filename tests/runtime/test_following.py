"""Subscriptions: one for all flows of a company, and what could not be had is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.runtime.kit import COMPANY, CREATE, OTHER_COMPANY, World, client, flow, story, world

PREFIX = "it.fattureincloud.webhooks."


def types(w: World) -> list[list[str]]:
    return [sorted(t.removeprefix(PREFIX) for t in one.types) for one in w.subscriptions]


async def apply(w: World, *texts: str) -> None:
    for text in texts:
        await w.runtime.apply_flow(text, enable=True)


@story
async def test_two_flows_share_one_subscription_and_both_run(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("one", types="[create]"), flow("two", types="[create, update]"))
        assert types(w) == [["entities.clients.create", "entities.clients.update"]]
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["flow"] for one in await w.runs()] == ["one", "two"]
        assert len([one for one in w.deliveries if one.ids]) == 1


@story
async def test_a_group_and_its_member_are_never_asked_for_twice(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(
            flow("all", resource="entities.all", types="[create]"),
            flow("clients", resource="entities.clients", types="[create]"),
        )
        assert types(w) == [["entities.clients.create", "entities.suppliers.create"]]
        w.person.create("clients", {"name": "A"})
        w.person.create("suppliers", {"name": "B"})
        await w.quiet()
        ran = [(one["flow"], one["item_id"]) for one in await w.runs()]
        assert sorted(one for one, _ in ran) == ["all", "all", "clients"]
        assert len([one for one in w.deliveries if one.ids]) == 2


@story
async def test_each_company_has_its_own_subscription(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(
            flow("one", types="[create]"),
            flow("other", types="[create]", company=OTHER_COMPANY),
        )
        assert [one.company for one in w.subscriptions] == [COMPANY, OTHER_COMPANY]
        assert len({one.sink for one in w.subscriptions}) == 2
        w.person.create("clients", {"name": "A"}, OTHER_COMPANY)
        await w.quiet()
        assert [one["flow"] for one in await w.runs()] == ["other"]


@story
async def test_a_disabled_flow_is_not_subscribed_for(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.runtime.apply_flow(flow("off"), enable=False)
        await w.runtime.start()
        assert await w.runtime.reconcile() == []
        assert w.subscriptions == []


@story
async def test_reconciling_again_asks_for_nothing_new(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        first = w.subscriptions[0].id
        await w.quiet()
        (report,) = await w.runtime.reconcile()
        assert report["subscription"]["verified"] is True
        assert [one.id for one in w.subscriptions] == [first]
        assert len(w.fic.seen("POST", "/subscriptions")) == 1


@story
async def test_two_reconciliations_at_once_make_one_subscription(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        await w.runtime.start()
        await asyncio.gather(*(w.runtime.reconcile() for _ in range(5)))
        assert len(w.subscriptions) == 1
        assert len(w.fic.seen("POST", "/subscriptions")) == 1
        assert len(w.rows("SELECT id FROM hook")) == 1


@story
async def test_a_flow_switched_on_at_the_shell_is_followed_by_the_server(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow(flow("one", types="[create]"))
        shell = await w.another_process()
        await shell.apply_flow(flow("two", types="[update]"), enable=True)
        await shell.__aexit__(None, None, None)
        await asyncio.sleep(5)
        assert types(w) == [["entities.clients.create", "entities.clients.update"]]
        assert len(w.subscriptions) == 1


@story
async def test_the_same_subscription_serves_after_a_restart(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.restart()
        await w.runtime.reconcile()
        w.person.create("clients", client())
        await w.quiet()
        assert len(w.subscriptions) == 1
        assert len(w.customers) == 1


@story
async def test_an_event_that_another_installation_has_is_said_to_be_missing(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        webhooks = w.sandbox.fic.webhooks
        held = PREFIX + "entities.clients.create"
        app = w.sandbox.fic.app.id
        webhooks.add(COMPANY, app, "https://elsewhere.example/h", [held], "binary")
        await apply(w, flow(types="[create, update]"))
        await w.runtime.start()
        (report,) = await w.runtime.reconcile()
        told = report["subscription"]
        assert told["missing"] == ["entities.clients.create"]
        assert told["types"] == ["entities.clients.update"]
        assert [held in one for one in told["warnings"]] == [True]
        assert told["elsewhere"] == {"entities.clients.create": w.subscriptions[0].id}


@story
async def test_a_subscription_that_the_vendor_lost_is_made_anew(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await w.follow()
        await w.quiet()
        w.sandbox.fic.webhooks.subscriptions.clear()
        await w.runtime.reconcile()
        w.person.create("clients", client())
        await w.quiet()
        assert len(w.customers) == 1


@story
async def test_a_company_that_the_token_does_not_reach_is_told_with_its_name(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow("right"), flow("wrong", company=999))
        await w.runtime.start()
        right, wrong = sorted(await w.runtime.reconcile(), key=lambda one: "error" in one)
        assert right["subscription"]["missing"] == []
        assert (wrong["connection"], wrong["account"]) == ("fatture", "999")
        assert wrong["error"]["kind"] == "Missing"
        assert "Company not found" in wrong["error"]["message"]
        assert wrong["error"]["remedy"]


@story
async def test_an_app_that_is_away_is_reported_and_asked_again_later(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        await w.runtime.start()
        w.fic.plugged = False
        (report,) = await w.runtime.reconcile()
        assert report["error"]["kind"] == "NotSent"
        w.fic.plugged = True
        await w.runtime.reconcile()
        assert len(w.subscriptions) == 1


@story
async def test_a_reconciliation_that_failed_is_repeated_without_anybody_asking(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        await w.runtime.start()
        w.fic.plugged = False
        await w.runtime.reconcile()
        w.fic.plugged = True
        await asyncio.sleep(3_600)
        assert len(w.subscriptions) == 1
        asked = len(w.fic.calls)
        await asyncio.sleep(3_600)
        assert len(w.fic.calls) == asked


@story
async def test_an_address_that_was_not_verified_at_first_is_verified_later(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        await apply(w, flow())
        await w.runtime.start()
        w.hub.plugged = False
        (report,) = await w.runtime.reconcile()
        assert report["subscription"]["verified"] is False
        w.hub.plugged = True
        await asyncio.sleep(3_600)
        assert [one.verified for one in w.subscriptions] == [True]
        w.person.create("clients", {"name": "A"})
        await w.quiet()
        assert [one["company"] for one in w.customers] == ["A"]


@story
async def test_a_flow_that_needs_more_than_was_granted_is_warned_about(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.consent(scopes=["products:r"])
        await w.connect_perfex()
        told = await w.runtime.apply_flow(flow(), enable=True)
        (warning,) = [one for one in told["issues"] if one["who"] == "connection_owner"]
        assert warning["message"].endswith("was not granted entity.clients:r.")
        assert "connector connect fatture_in_cloud --name fatture" in warning["remedy"]
        assert warning["who"] == "connection_owner"
        checked = await w.runtime.workshop.check(flow(steps=CREATE))
        said = [one["message"] for one in checked["issues"]]
        assert warning["message"] in said, "the builder says so before anything is published"
        assert checked["ok"]


@story
async def test_who_consents_after_the_flow_is_asked_for_just_what_it_needs(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.consent(scopes=["products:r"])
        await w.connect_perfex()
        await w.runtime.apply_flow(flow(), enable=True)
        await w.consent()
        made = await w.connection()
        assert made.settings["scopes"] == ["entity.clients:r"]
        told = await w.runtime.apply_flow(flow(), enable=True)
        assert [one for one in told["issues"] if one["who"] == "connection_owner"] == []
