"""Acknowledged means stored, once; and what is stored is worked on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connector.engine.book import Book
from connector.engine.intake import Intake
from connector.errors import BundleError, HookRefused, HookUnsure, NotConnected, StoreBusy
from connector.model import App, Delivery, Hook, Inbound
from connector.store.rows import ConnectionRow, EventRow, HookRow
from connector.store.sqlite.database import Database
from tests.engine.world import BOOKS

NOW = 1_700_000_000.0


class Webhook:
    """Trusts a request that says who it is; gives what its body names."""

    def __init__(self) -> None:
        self.hooks: list[Hook] = []
        self.moments: list[datetime] = []

    def challenge(self, hook: Hook, inbound: Inbound, now: datetime) -> Any:
        self.hooks.append(hook)
        self.moments.append(now)
        wanted = inbound.header("x-challenge")
        return {"verification": wanted} if wanted else None

    def receive(self, hook: Hook, inbound: Inbound, now: datetime) -> Delivery:
        said = inbound.body.decode()
        if said == "forged":
            raise HookRefused("forged")
        if said == "unknown key":
            raise HookUnsure("a key that we do not have")
        return Delivery(
            delivery_id=said,
            type="books.client.update",
            resource="client",
            operation="update",
            ids=("1", "2"),
            time="2023-11-14T22:13:20Z",
            silent=said.startswith("silent"),
        )

    async def subscribe(self, caller: Any, hook: Hook, events: tuple[str, ...]) -> Any:
        raise NotImplementedError


class Catalog:
    def __init__(self, app: App | None) -> None:
        self._app = app

    def app(self, key: str) -> App:
        if self._app is None:
            raise BundleError(f"There is no app {key!r}.")
        return self._app


class Office:
    """Intake on a real store, and what it hands on."""

    def __init__(self, path: Path) -> None:
        self.webhook = Webhook()
        self.database = Database(path)
        self.store = self.database.tenant("main")
        self.handed: list[EventRow] = []
        self.now = NOW
        self.use(BOOKS.model_copy(update={"webhook": self.webhook}))

    def use(self, app: App | None) -> None:
        self.book = Book(Catalog(app), self.database)
        self.intake = Intake(self.book, self.database.tenant, lambda: self.now, self.handed.append)

    async def add_hook(self, number: int) -> None:
        await self.store.save_connection(
            ConnectionRow(f"conn-{number}", "main", "books", f"Books {number}",
                          "https://books.example", {}, "active", NOW)
        )  # fmt: skip
        await self.store.save_hook(
            HookRow(f"hook-{number}", "main", f"conn-{number}", f"https://us.example/{number}",
                    str(number), NOW, verify_until=NOW + 900)
        )  # fmt: skip

    async def send(self, body: str, hook: str = "hook-1", **headers: str) -> Any:
        sent = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return await self.intake.receive(
            hook, Inbound(method="POST", headers=sent, body=body.encode())
        )


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path / "connector.db")
    await office.store.ensure(NOW)
    await office.add_hook(1)
    yield office
    await office.database.close()


async def test_an_event_is_stored_before_it_is_acknowledged_and_then_handed_on(
    office: Office,
) -> None:
    assert await office.send("ce-1") is None
    (stored,) = await office.store.events()
    assert stored == EventRow(
        tenant="main",
        connection_id="conn-1",
        delivery_id="ce-1",
        type="books.client.update",
        resource="client",
        operation="update",
        ids=("1", "2"),
        received_at=NOW,
        account="1",
        happened_at="2023-11-14T22:13:20Z",
        state="received",
        id=stored.id,
    )
    assert office.handed == [stored]


async def test_a_delivery_that_was_here_before_is_acknowledged_and_not_worked_on_again(
    office: Office,
) -> None:
    for _ in range(3):
        assert await office.send("ce-1") is None
    assert len(await office.store.events()) == 1
    assert len(office.handed) == 1


async def test_the_same_delivery_at_once_is_worked_on_once(office: Office) -> None:
    assert await asyncio.gather(*(office.send("ce-1") for _ in range(20))) == [None] * 20
    assert len(office.handed) == 1


async def test_the_same_delivery_id_at_two_hooks_is_two_events(office: Office) -> None:
    await office.add_hook(2)
    await office.send("ce-1")
    await office.send("ce-1", "hook-2")
    assert [event.connection_id for event in office.handed] == ["conn-1", "conn-2"]
    assert [event.account for event in office.handed] == ["1", "2"]


async def test_a_silent_event_is_kept_and_starts_nothing(office: Office) -> None:
    assert await office.send("silent welcome") is None
    (stored,) = await office.store.events()
    assert stored.state == "silent"
    assert office.handed == []
    assert await office.database.open_events() == []


async def test_a_handshake_is_answered_and_stores_nothing(office: Office) -> None:
    assert await office.send("", x_challenge="abc") == {"verification": "abc"}
    assert await office.store.events() == []


async def test_the_app_judges_with_our_hook_and_our_clock(office: Office) -> None:
    await office.send("ce-1")
    (hook,) = office.webhook.hooks
    assert (hook.id, hook.url, hook.account) == ("hook-1", "https://us.example/1", "1")
    assert hook.verify_until == datetime.fromtimestamp(NOW + 900, UTC)
    assert office.webhook.moments == [datetime.fromtimestamp(NOW, UTC)]


@pytest.mark.parametrize(
    ("body", "error", "status"), [("forged", HookRefused, 401), ("unknown key", HookUnsure, 503)]
)
async def test_what_is_refused_is_not_stored(
    office: Office, body: str, error: type[HookRefused], status: int
) -> None:
    with pytest.raises(error) as caught:
        await office.send(body)
    assert caught.value.status == status
    assert await office.store.events() == []


async def test_an_unknown_hook_is_not_there(office: Office) -> None:
    with pytest.raises(HookRefused) as caught:
        await office.send("ce-1", "hook-9")
    assert caught.value.status == 404


async def test_a_hook_of_an_app_without_webhooks_is_not_there_either(office: Office) -> None:
    office.use(BOOKS)
    with pytest.raises(HookRefused) as caught:
        await office.send("ce-1")
    assert caught.value.status == 404
    assert str(caught.value) == "There is no such hook."


async def test_an_app_that_is_not_installed_now_is_no_refusal(office: Office) -> None:
    """It is our trouble: whoever sends must try again, not hear that the hook is forged."""
    office.use(None)
    with pytest.raises(BundleError):
        await office.send("ce-1")


async def test_a_store_that_cannot_write_acknowledges_nothing(office: Office) -> None:
    await office.send("ce-0")
    await office.database.journal.close()
    with pytest.raises(StoreBusy):
        await office.send("ce-1")
    assert [event.delivery_id for event in office.handed] == ["ce-0"]


async def test_an_event_whose_request_gave_up_is_worked_on_all_the_same(office: Office) -> None:
    """The sender's next try is a duplicate: nobody else would hand the event on."""
    await office.send("warm the caches")
    request = asyncio.create_task(office.send("ce-1"))
    while not office.database.journal._busy:
        await asyncio.sleep(0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await office.send("ce-1")
    assert [event.delivery_id for event in office.handed] == ["warm the caches", "ce-1"]


async def test_an_error_that_comes_after_its_request_gave_up_is_nobodys_surprise(
    office: Office, recwarn: pytest.WarningsRecorder
) -> None:
    async def busy(event: EventRow) -> int | None:
        await started.wait()
        raise StoreBusy("away")

    started = asyncio.Event()
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    office.store.accept = busy
    request = asyncio.create_task(office.send("ce-1"))
    for _ in range(10):
        await asyncio.sleep(0)
    request.cancel()
    started.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    for _ in range(10):
        await asyncio.sleep(0)
    import gc

    gc.collect()
    assert complaints == []


# --- the book ---------------------------------------------------------------------------------


async def test_a_hook_that_another_process_changed_is_read_anew(office: Office) -> None:
    await office.send("ce-1")
    beside = Database(office.database.path)
    (row,) = await beside.tenant("main").hooks()
    row.url = "https://us.example/moved"
    await beside.tenant("main").save_hook(row)
    await asyncio.sleep(0)
    await office.send("ce-2")
    assert [hook.url for hook in office.webhook.hooks] == [
        "https://us.example/1", "https://us.example/moved",
    ]  # fmt: skip
    await beside.close()


async def test_what_did_not_change_is_read_once(office: Office) -> None:
    asked: list[str] = []
    real = office.database.hook

    async def counted(hook_id: str) -> Any:
        asked.append(hook_id)
        return await real(hook_id)

    office.database.hook = counted
    for number in range(5):
        await office.send(f"ce-{number}")
    assert asked == ["hook-1"]


async def test_an_unknown_connection_says_what_to_do(office: Office) -> None:
    with pytest.raises(NotConnected, match="'Nobody'") as caught:
        await office.book.connection("main", "Nobody")
    assert "connector connect" in caught.value.remedy
    by_name = await office.book.connection("main", "Books 1")
    assert by_name == await office.book.connection("main", "conn-1")
    with pytest.raises(NotConnected):
        await office.book.connection("another tenant", "Books 1")


async def test_a_delivery_of_any_length_is_known_again(office: Office) -> None:
    for said in ("x" * 3000, "x" * 3000, "x" * 3000 + "y"):
        await office.send(said)
    stored = [one.delivery_id for one in await office.store.events()]
    assert len(set(stored)) == 2
    assert max(map(len, stored)) < 100


async def test_an_id_that_no_index_holds_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = office.webhook.receive

    def told(hook: Hook, inbound: Inbound, now: datetime) -> Delivery:
        return replace(receive(hook, inbound, now), ids=("1", "7" * 3000))

    monkeypatch.setattr(office.webhook, "receive", told)
    with pytest.raises(HookRefused) as refused:
        await office.send("one")
    assert refused.value.status == 400
