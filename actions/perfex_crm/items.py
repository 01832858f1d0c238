"""Items of Perfex CRM: what lines of invoices are made of."""

from __future__ import annotations

from connector import Action, Identity, Request, Search, finding, schema
from connector.apps.perfex_crm.resources import ITEMS
from connector.apps.perfex_crm.writing import (
    CLEAR,
    WHEN_FOUND,
    changing,
    creating,
    ensuring,
    removing,
)

_DOCS = "https://perfexcrm.themesic.com/apiguide/"

find_item = Search(
    app="perfex_crm",
    key="find_item",
    noun="Item",
    label="Find Item",
    description=(
        "Finds items by id or description. "
        "Only exact matches count; capitals and spaces do not matter."
    ),
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/find_item"),),
    output=schema("perfex_crm/item_search"),
    demands=finding.needs_one("item_id", "description"),
    run=ITEMS.find,
    scopes=("items:search",),
    summary=(
        "{{ output.count }} found{{ ': ' ~ output.record.description if output.found else '' }}"
    ),
)

list_items = Search(
    app="perfex_crm",
    key="list_items",
    noun="Item",
    label="List Items",
    description="Gives the items of the CRM, all of them or those of a group.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/list_items"),),
    output=schema("perfex_crm/item_search"),
    run=ITEMS.listed,
    scopes=("items:get",),
    summary="{{ output.count }} listed",
)

get_item = Search(
    app="perfex_crm",
    key="get_item",
    noun="Item",
    label="Get Item",
    description="Reads one item by its id; where there is none, the step fails.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/item_choice"),),
    output=schema("perfex_crm/item"),
    run=ITEMS.get,
    scopes=("items:get",),
    summary="{{ output.description }}",
)

create_item = Action(
    app="perfex_crm",
    key="create_item",
    noun="Item",
    label="Create Item",
    description="Adds an item to the CRM's list.",
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/item",
            "data",
            require=(
                "data.description",
                "data.rate",
            ),
        ),
    ),
    # Older releases take no JSON here and say nothing of it.
    request=Request(method="POST", path="/items", root="data", encoding="form"),
    prepare=creating("items"),
    output=schema("perfex_crm/written"),
    identity=Identity(
        record_id="record_id",
        find="find_item",
        by={"description": "data.description"},
        read=Request(method="GET", path="/items/{id}"),
        when_unsure="resend_once",
    ),
    scopes=("items:create",),
    summary="Item {{ output.id }}: {{ input.data.description }}",
)

update_item = Action(
    app="perfex_crm",
    key="update_item",
    noun="Item",
    label="Update Item",
    description="Changes the given fields of an item and leaves the others as they are.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/item_choice"), schema("perfex_crm/item", "data"), CLEAR),
    # Older releases cannot read a form here.
    request=Request(method="PUT", path="/items/{item_id}", root="data"),
    prepare=changing(ITEMS, "items"),
    output=schema("perfex_crm/changed"),
    # Writing the same values twice changes nothing; that it says yes proves nothing either.
    identity=Identity(
        record_id="",
        find="find_item",
        by={"item_id": "item_id"},
        shows="data",
        read=Request(method="GET", path="/items/{item_id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("items:update", "items:get"),
    summary="Item {{ input.item_id }} changed",
)

ensure_item = Action(
    app="perfex_crm",
    key="ensure_item",
    noun="Item",
    label="Ensure Item",
    description=(
        "Changes the one item with this description; where there is none, it is created, and "
        "where several fit, nothing is written."
    ),
    docs_url=_DOCS,
    inputs=(
        schema(
            "perfex_crm/item",
            "data",
            require=(
                "data.description",
                "data.rate",
            ),
        ),
        WHEN_FOUND,
    ),
    request=Request(method="POST", path="/items", root="data", encoding="form"),
    prepare=ensuring(ITEMS, "items", {"description": "description"}, "/items/{id}"),
    output=schema("perfex_crm/item"),
    identity=Identity(
        record_id="",
        natural_key=("data.description",),
        find="find_item",
        by={"description": "data.description"},
        shows="data",
        gives="record",
        ensures=True,
        read=Request(method="GET", path="/items/{id}"),
        own_id="id",
        when_unsure="repeat",
    ),
    scopes=("items:search", "items:get", "items:create", "items:update"),
    summary="Item {{ output.id }}: {{ input.data.description }}",
)

delete_item = Action(
    app="perfex_crm",
    key="delete_item",
    noun="Item",
    label="Delete Item",
    description="Deletes an item for good; lines of invoices stay.",
    docs_url=_DOCS,
    inputs=(schema("perfex_crm/item_choice"),),
    request=Request(method="DELETE", path="/items/{item_id}"),
    prepare=removing(ITEMS),
    output=schema("perfex_crm/deleted"),
    removes="item_id",
    destructive=True,
    identity=Identity(record_id="", natural_key=("item_id",), when_unsure="repeat"),
    scopes=("items:delete", "items:get"),
    summary=("Item {{ output.id }} {{ 'was gone already' if output.already_gone else 'deleted' }}"),
)
