"""Making connections: by consent and by token, proven before anything is stored."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from connector.errors import NotConnected, NotSent, Refused, Unauthorized
from connector.model import Answer
from tests.runtime.kit import FATTURE, FIC, HUB, PERFEX, World, query_of, story, world


async def begin(w: World, **settings: object) -> tuple[str, str]:
    """A consent up to the owner's answer: the state and the code that come back."""
    begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC, **settings})
    back = (await w.browse(begun["authorize_url"])).header("location")
    assert back is not None
    told = query_of(back)
    assert told["state"] == begun["state"]
    return told["state"], told["code"]


def stored(w: World) -> list[object]:
    return w.rows("SELECT name FROM connection")


# --- by consent ---------------------------------------------------------------------------------


@story
async def test_a_consent_in_the_browser_makes_a_connection(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        page = await w.consent()
        assert page.status == 200
        made = await w.connection()
        assert (made.app, made.base_url, made.status) == (FATTURE, FIC, "active")


@story
async def test_nobody_is_asked_for_more_than_reading_before_there_is_a_flow(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, connected=False) as w:
        begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        scopes = query_of(begun["authorize_url"])["scope"].split()
        assert scopes
        assert [one for one in scopes if not one.endswith(":r")] == []


@story
async def test_the_redirect_address_is_the_public_one_and_not_where_we_listen(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, connected=False) as w:
        begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        assert query_of(begun["authorize_url"])["redirect_uri"] == f"{HUB}/oauth/callback"


@story
async def test_a_state_works_once(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        state, code = await begin(w)
        await w.runtime.finish_connect(state, code)
        exchanged = len(w.fic.seen("POST", "/oauth/token"))
        with pytest.raises(NotConnected, match="used already") as caught:
            await w.runtime.finish_connect(state, code)
        assert caught.value.remedy == "Start connecting again."
        assert len(w.fic.seen("POST", "/oauth/token")) == exchanged


@story
async def test_a_state_that_was_never_given_out_is_refused_without_a_call(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        with pytest.raises(NotConnected, match="not asked for here"):
            await w.runtime.finish_connect("made-up", "c/0")
        page = await w.browse(f"{HUB}/oauth/callback?state=made-up&code=c/0")
        assert page.status == 409
        assert (w.fic.calls, stored(w)) == ([], [])


@story
async def test_a_state_of_another_tenant_is_refused_and_stays_his(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        state, code = await begin(w)
        stranger = await w.another_process(tenant="stranger")
        with pytest.raises(NotConnected, match="not asked for here"):
            await stranger.finish_connect(state, code)
        assert list(await stranger.list_connections()) == []
        await stranger.__aexit__(None, None, None)
        assert (await w.runtime.finish_connect(state, code)).name == "fatture"


@story
async def test_a_state_lives_for_ten_minutes(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        state, code = await begin(w)
        await asyncio.sleep(601)
        with pytest.raises(NotConnected, match="took too long"):
            await w.runtime.finish_connect(state, code)
        assert stored(w) == []
        assert w.fic.seen("POST") == []


@story
async def test_a_code_that_the_app_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        state, _ = await begin(w)
        page = await w.browse(f"{HUB}/oauth/callback?state={state}&code=c/wrong")
        assert page.status == 502
        assert b"not valid any more" in page.body
        assert stored(w) == []
        with pytest.raises(NotConnected):  # and the state is spent
            await w.runtime.finish_connect(state, "c/wrong")


@story
async def test_a_consent_that_the_owner_denies_leaves_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        denied = await w.browse(begun["authorize_url"] + "&decision=deny")
        page = await w.browse(denied.header("location"))
        assert page.status == 400
        assert b"access_denied" in page.body
        assert stored(w) == []


@story
async def test_tokens_that_do_not_pass_their_proof_are_not_stored(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        w.sandbox.fic.faults.add(kind="status", path="/user/info", status=401)
        page = await w.consent()
        assert page.status == 502
        assert stored(w) == []


@story
async def test_without_an_oauth_client_nobody_is_sent_to_a_consent_page(tmp_path: Path) -> None:
    bare = {"fatture_in_cloud_client_id": "", "fatture_in_cloud_client_secret": None}
    async with world(tmp_path, connected=False) as w:
        await w.close()
        w.settings = w.settings.model_copy(update=bare)
        await w.open()
        with pytest.raises(NotConnected) as caught:
            await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        assert f"{HUB}/oauth/callback" in caught.value.remedy
        assert "CONNECTOR_FATTURE_IN_CLOUD_CLIENT_ID" in caught.value.remedy
        assert caught.value.who == "developer"


@story
async def test_an_app_with_tokens_has_no_consent_page(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        with pytest.raises(NotConnected, match="with a token") as caught:
            await w.runtime.start_connect("perfex_crm", "perfex", {"address": PERFEX})
        assert "connector connect perfex_crm --token" in caught.value.remedy


@story
async def test_who_waits_for_a_consent_hears_of_its_end_whoever_served_it(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        waiting = asyncio.create_task(w.runtime.consent_ended(begun["state"], "fatture", None))
        await asyncio.sleep(120)  # the owner reads before he agrees
        assert not waiting.done()
        await w.browse((await w.browse(begun["authorize_url"])).header("location"))
        assert (await waiting).name == "fatture"


@story
async def test_who_waits_for_a_consent_hears_that_it_failed(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        with pytest.raises(Refused):
            await w.runtime.finish_connect(begun["state"], "")
        with pytest.raises(NotConnected, match="did not end in a connection") as caught:
            await w.runtime.consent_ended(begun["state"], "fatture", None)
        assert "browser says why" in caught.value.remedy


@story
async def test_a_renewed_consent_ends_the_wait_too(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.consent()
        before = await w.connection()
        begun = await w.runtime.start_connect(FATTURE, "fatture", {"address": FIC})
        waiting = asyncio.create_task(w.runtime.consent_ended(begun["state"], "fatture", before))
        await asyncio.sleep(5)
        assert not waiting.done()
        await w.browse((await w.browse(begun["authorize_url"])).header("location"))
        assert (await waiting).id == before.id


# --- by token -----------------------------------------------------------------------------------


@story
async def test_a_token_is_proven_by_a_call_and_then_stored_sealed(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        await w.connect_perfex()
        assert w.perfex.seen() == [
            "GET /api/customers/1",
            # What this installation can do is asked once, and kept.
            "GET /api/openapi",
            "GET /api/webhooks/events",
        ]
        token = w.sandbox.perfex.authtoken
        assert w.perfex.calls[0].headers["authtoken"] == token
        assert [one.name for one in await w.runtime.list_connections()] == ["perfex"]
        await w.close()
        for file in tmp_path.iterdir():
            assert token.encode() not in file.read_bytes(), file.name
        await w.open()


@pytest.mark.parametrize(("app", "address"), [(FATTURE, FIC), ("perfex_crm", PERFEX)])
def test_a_wrong_token_is_told_and_not_stored(tmp_path: Path, app: str, address: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            with pytest.raises(Unauthorized) as caught:
                await w.runtime.connect_with_token(
                    app, "mine", "not-the-token", {"address": address}
                )
            assert caught.value.remedy
            assert caught.value.who == "connection_owner"
            assert "not-the-token" not in repr(caught.value.as_data())
            assert stored(w) == []

    told()


@pytest.mark.parametrize("token", ["", "  ", "\n"])
def test_an_empty_token_is_refused_without_a_call(tmp_path: Path, token: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            with pytest.raises(NotConnected) as caught:
                await w.runtime.connect_with_token("perfex_crm", "p", token, {"address": PERFEX})
            assert caught.value.field == "token"
            assert w.perfex.calls == []

    told()


@story
async def test_a_token_is_taken_without_the_line_end_it_was_copied_with(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        token = f"  {w.sandbox.perfex.authtoken}\n"
        await w.runtime.connect_with_token("perfex_crm", "perfex", token, {"address": PERFEX})
        assert (await w.connection("perfex")).status == "active"


@story
async def test_an_address_where_nobody_listens_is_told_with_the_address(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        w.perfex.plugged = False
        with pytest.raises(NotSent) as caught:
            await w.connect_perfex()
        assert PERFEX in caught.value.remedy
        assert stored(w) == []


@story
async def test_an_address_that_is_no_such_app_is_told_and_not_stored(tmp_path: Path) -> None:
    async with world(tmp_path, connected=False) as w:
        w.sandbox.perfex.module_active = False
        with pytest.raises(Exception, match="not active") as caught:
            await w.connect_perfex()
        assert getattr(caught.value, "remedy", "")
        assert stored(w) == []


@pytest.mark.parametrize(
    "address", ["", "crm.example", "http://crm.example", "https://u:p@crm.example", "ftp://x"]
)
def test_an_address_that_cannot_be_one_is_refused_without_a_call(
    tmp_path: Path, address: str
) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            with pytest.raises(NotConnected) as caught:
                await w.runtime.connect_with_token("perfex_crm", "p", "t", {"address": address})
            assert caught.value.field == "address"
            assert caught.value.remedy
            assert (w.perfex.calls, stored(w)) == ([], [])

    told()


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_name_that_cannot_be_one_is_refused_without_a_call(tmp_path: Path, name: str) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            token = w.sandbox.perfex.authtoken
            with pytest.raises(NotConnected) as caught:
                await w.runtime.connect_with_token("perfex_crm", name, token, {"address": PERFEX})
            assert caught.value.field == "name"
            assert stored(w) == []

    told()


@story
async def test_a_name_in_use_by_another_app_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        with pytest.raises(NotConnected, match=f"belongs to a connection of {FATTURE}") as caught:
            await w.connect_perfex("fatture")
        assert "--name" in caught.value.remedy
        assert (await w.connection("fatture")).app == FATTURE


@story
async def test_connecting_again_renews_the_same_connection(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        before = await w.connection("perfex")
        await w.connect_perfex()
        assert (await w.connection("perfex")).id == before.id
        assert len(stored(w)) == 2


@story
async def test_a_wrong_token_does_not_spoil_the_connection_that_works(tmp_path: Path) -> None:
    async with world(tmp_path) as w:
        before = w.rows("SELECT secrets, version, status FROM connection WHERE name = 'perfex'")
        with pytest.raises(Unauthorized):
            await w.runtime.connect_with_token("perfex_crm", "perfex", "no", {"address": PERFEX})
        after = w.rows("SELECT secrets, version, status FROM connection WHERE name = 'perfex'")
        assert after == before


def test_the_page_at_the_end_never_shows_the_code(tmp_path: Path) -> None:
    @story
    async def told() -> None:
        async with world(tmp_path, connected=False) as w:
            state, _ = await begin(w)
            page: Answer = await w.browse(f"{HUB}/oauth/callback?state={state}&code=c/s3cret")
            assert b"s3cret" not in page.body
            assert state.encode() not in page.body

    told()
