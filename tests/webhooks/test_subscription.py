"""The subscription that is shared: made once, extended, moved, and never somebody else's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import pytest

from connector.apps.fatture_in_cloud.resources import PREFIX
from connector.apps.fatture_in_cloud.subscriptions import subscribe
from connector.errors import Forbidden, Invalid, MappingError
from connector.model import Connection, Hook, Method

URL = "https://hub.example.it/hooks/7Q2x"
HOOK = Hook(id="7Q2x", connection_id="c1", url=URL, account="108061")


class Vendor:
    """The vendor's subscriptions of one application and company, as its documentation says."""

    connection = Connection(
        id="c1", app="fatture_in_cloud", name="c", base_url="https://api-v2.fattureincloud.it"
    )

    def __init__(
        self,
        *rows: dict[str, Any],
        unknown: tuple[str, ...] = (),
        forbidden: tuple[str, ...] = (),
        too_early: bool = False,
    ) -> None:
        self.rows = [dict(row) for row in rows]
        self.unknown = unknown
        self.forbidden = tuple(f"{PREFIX}{family}." for family in forbidden)
        self.too_early = too_early
        self.calls: list[str] = []
        self.as_text = False

    async def request(
        self,
        method: Method,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        encoding: Literal["json", "form"] = "json",
    ) -> Any:
        self.calls.append(f"{method} {path}")
        place = "/c/108061/subscriptions"
        assert path.startswith(place)
        if method == "GET":
            return {"data": [dict(row) for row in self.rows]}
        if method == "DELETE":
            self.rows = [one for one in self.rows if not path.endswith(one["id"])]
            return None
        data = body["data"]
        if path.endswith("/verify"):
            assert data["verification_method"] == "header"
            if self.too_early:
                raise Invalid("every ten minutes")
            return None
        if any(one.startswith(self.forbidden) for one in data.get("types", ()) if self.forbidden):
            raise Forbidden("no scope")
        if method == "POST":
            assert data["sink"].startswith("https://")
            row = {"id": f"SUB{len(self.rows) + 1}", "sink": data["sink"], "verified": False}
            self.rows.append(row)
        else:
            row = next(one for one in self.rows if path.endswith(one["id"]))
        if data.get("sink", row["sink"]) != row["sink"]:
            row |= {"sink": data["sink"], "verified": False}
        if "types" not in data:
            return {"data": dict(row)}
        taken = {kind for one in self.rows if one is not row for kind in one["types"]}
        kept = [one for one in data["types"] if one not in taken and one not in self.unknown]
        warnings = [
            f"The '{one}' event is already registered for this application"
            for one in data["types"]
            if one not in kept
        ]
        row["types"] = kept
        told = {"data": dict(row)}
        if warnings:
            told["warnings"] = " ".join(warnings) if self.as_text else warnings
        return told


def sub(number: int, *events: str, sink: str = URL, verified: bool = True) -> dict[str, Any]:
    types = [PREFIX + event for event in events]
    return {"id": f"SUB{number}", "sink": sink, "verified": verified, "types": types}


async def test_a_first_subscription_is_created_with_concrete_types() -> None:
    vendor = Vendor()
    record = await subscribe(vendor, HOOK, ("entities.all.create", "products.update"))
    assert vendor.calls == ["GET /c/108061/subscriptions", "POST /c/108061/subscriptions"]
    assert vendor.rows[0]["types"] == [
        PREFIX + "entities.clients.create",
        PREFIX + "entities.suppliers.create",
        PREFIX + "products.update",
    ]
    assert record == {
        "id": "SUB1",
        "sink": URL,
        "verified": False,
        "types": ["entities.clients.create", "entities.suppliers.create", "products.update"],
        "missing": [],
        "warnings": [],
        "elsewhere": {},
        "challenges": 1,
        "found": [],
    }


async def test_ours_is_adopted_and_left_alone_when_it_has_all() -> None:
    vendor = Vendor(sub(7, "entities.clients.create", "entities.clients.update"))
    record = await subscribe(vendor, HOOK, ("entities.clients.create",))
    assert vendor.calls == ["GET /c/108061/subscriptions"]
    assert (record["id"], record["verified"], record["missing"]) == ("SUB7", True, [])


async def test_ours_is_extended_to_the_union() -> None:
    vendor = Vendor(sub(7, "entities.clients.create"))
    record = await subscribe(vendor, HOOK, ("products.create",))
    assert vendor.calls[-1] == "PUT /c/108061/subscriptions/SUB7"
    assert record["types"] == ["entities.clients.create", "products.create"]
    assert vendor.rows[0]["types"] == [PREFIX + event for event in record["types"]]
    assert record["verified"] is True


async def test_types_in_a_second_one_of_ours_are_not_asked_for_again() -> None:
    vendor = Vendor(sub(7, "entities.clients.create"), sub(8, "products.create"))
    record = await subscribe(vendor, HOOK, ("products.create", "products.update"))
    assert vendor.rows[0]["types"] == [
        PREFIX + "entities.clients.create",
        PREFIX + "products.update",
    ]
    assert record["missing"] == []
    assert record["warnings"] == []
    assert record["types"] == ["entities.clients.create", "products.update", "products.create"]


async def test_an_unverified_one_of_ours_is_asked_to_verify_again() -> None:
    vendor = Vendor(sub(7, "entities.clients.create", verified=False))
    record = await subscribe(vendor, HOOK, ("entities.clients.create",))
    assert vendor.calls[-1] == "POST /c/108061/subscriptions/SUB7/verify"
    assert record["verified"] is False


@pytest.mark.parametrize("as_text", [False, True])
async def test_types_held_elsewhere_are_reported_with_their_holder(as_text: bool) -> None:
    other = sub(3, "entities.clients.create", sink="https://old.example.it/")
    vendor = Vendor(other)
    vendor.as_text = as_text
    record = await subscribe(vendor, HOOK, ("entities.clients.create", "products.create"))
    assert record["types"] == ["products.create"]
    assert record["missing"] == ["entities.clients.create"]
    assert record["elsewhere"] == {"entities.clients.create": "SUB3"}
    assert len(record["warnings"]) == 1
    assert "already registered" in record["warnings"][0]


async def test_self_invoices_fall_back_to_their_older_name() -> None:
    families = ("self_own_invoices", "self_supplier_invoices")
    unknown = tuple(f"{PREFIX}issued_documents.{one}.create" for one in families)
    vendor = Vendor(unknown=unknown)
    record = await subscribe(
        vendor, HOOK, ("issued_documents.self_own_invoices.create", "products.create")
    )
    assert record["types"] == ["products.create", "issued_documents.self_invoices.create"]
    assert record["missing"] == []


@pytest.mark.parametrize(
    "event",
    ["taxes.email_sent", "entities.clients.receive", "issued_documents.all.receive", "x", "a b.c"],
)
async def test_an_event_that_cannot_exist_is_left_out_and_stops_no_other(event: str) -> None:
    vendor = Vendor()
    record = await subscribe(vendor, HOOK, (event, "products.create"))
    assert vendor.rows[0]["types"] == [PREFIX + "products.create"]
    assert record["missing"] == [event]
    assert record["types"] == ["products.create"]
    (warning,) = record["warnings"]
    assert repr(event) in warning


async def test_events_that_cannot_exist_alone_make_no_subscription() -> None:
    vendor = Vendor()
    record = await subscribe(vendor, HOOK, ("taxes.email_sent",))
    assert vendor.calls == ["GET /c/108061/subscriptions"]
    assert (record["types"], record["missing"]) == ([], ["taxes.email_sent"])


@pytest.mark.parametrize("event", ["taxes.archived", "price_lists.create"])
async def test_an_event_that_only_the_vendor_knows_is_asked_for(event: str) -> None:
    record = await subscribe(Vendor(), HOOK, (event,))
    assert (record["types"], record["missing"]) == ([event], [])
    dropped = await subscribe(Vendor(unknown=(PREFIX + event,)), HOOK, (event, "products.create"))
    assert (dropped["types"], dropped["missing"]) == (["products.create"], [event])


async def test_a_family_without_its_scope_stops_no_other() -> None:
    vendor = Vendor(forbidden=("products",))
    asked = ("entities.clients.create", "products.create", "products.update", "taxes.create")
    record = await subscribe(vendor, HOOK, asked)
    assert record["types"] == ["entities.clients.create", "taxes.create"]
    assert record["missing"] == ["products.create", "products.update"]
    assert record["warnings"] == ["products.create, products.update: no scope"]
    with pytest.raises(Forbidden, match="no scope"):
        await subscribe(Vendor(forbidden=("products",)), HOOK, ("products.create",))
    with pytest.raises(Forbidden, match="no scope"):
        await subscribe(
            Vendor(forbidden=("products", "taxes")), HOOK, ("products.create", "taxes.create")
        )


OLD = "https://old.example.it/prefix/hooks/7Q2x"


async def test_ours_at_an_earlier_address_is_moved_and_not_made_twice() -> None:
    vendor = Vendor(sub(7, "entities.clients.create", sink=OLD))
    record = await subscribe(vendor, HOOK, ("entities.clients.create", "products.create"))
    assert vendor.calls == [
        "GET /c/108061/subscriptions",
        "PUT /c/108061/subscriptions/SUB7",
        "PUT /c/108061/subscriptions/SUB7",
    ]
    assert (vendor.rows[0]["sink"], len(vendor.rows)) == (URL, 1)
    assert record["types"] == ["entities.clients.create", "products.create"]
    assert (record["verified"], record["missing"], record["challenges"]) == (False, [], 1)


async def test_what_is_left_at_an_earlier_address_follows() -> None:
    here = sub(8, "products.create")
    vendor = Vendor(here, sub(7, "entities.clients.create", sink=OLD))
    record = await subscribe(vendor, HOOK, ("entities.clients.create", "products.create"))
    assert [row["sink"] for row in vendor.rows] == [URL, URL]
    assert (record["id"], record["missing"], record["elsewhere"]) == ("SUB8", [], {})


async def test_a_subscription_of_another_hook_is_never_moved() -> None:
    other = sub(7, "entities.clients.create", sink="https://hub.example.it/hooks/h2")
    vendor = Vendor(other)
    record = await subscribe(vendor, HOOK, ("entities.clients.create",))
    assert vendor.rows[0]["sink"] == other["sink"]
    assert record["elsewhere"] == {"entities.clients.create": "SUB7"}


async def test_a_challenge_asked_for_too_early_is_told_and_fails_nothing() -> None:
    vendor = Vendor(sub(7, "entities.clients.create", verified=False), too_early=True)
    record = await subscribe(vendor, HOOK, ("entities.clients.create",))
    assert record["warnings"] == ["every ten minutes"]
    assert (record["verified"], record["challenges"]) == (False, 2)


async def test_a_subscription_whose_challenges_are_used_up_is_made_anew() -> None:
    vendor = Vendor(sub(7, "entities.clients.create", "taxes.create", verified=False))
    hook = HOOK
    for number in range(2, 6):
        record = await subscribe(vendor, hook, ("entities.clients.create",))
        assert (record["id"], record["challenges"]) == ("SUB7", number)
        hook = hook.model_copy(update={"subscription": record})
    record = await subscribe(vendor, hook, ("entities.clients.create",))
    assert vendor.calls[-2:] == [
        "DELETE /c/108061/subscriptions/SUB7",
        "POST /c/108061/subscriptions",
    ]
    assert record["types"] == ["entities.clients.create", "taxes.create"]
    assert (len(vendor.rows), record["challenges"]) == (1, 1)


async def test_a_verified_one_has_all_its_challenges_again() -> None:
    spent = {"id": "SUB7", "sink": URL, "challenges": 5}
    hook = HOOK.model_copy(update={"subscription": spent})
    record = await subscribe(Vendor(sub(7, "taxes.create")), hook, ("taxes.create",))
    assert (record["id"], record["challenges"]) == ("SUB7", 0)


@pytest.mark.parametrize("account", ["", "x", "1/../2", "١"])
async def test_a_hook_needs_its_company(account: str) -> None:
    hook = Hook(id="h", connection_id="c", url=URL, account=account)
    with pytest.raises(MappingError):
        await subscribe(Vendor(), hook, ("products.create",))
