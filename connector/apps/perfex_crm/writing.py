"""What the writes of Perfex need beyond their fields: numbers for names, and a look before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from connector import updating
from connector.apps.perfex_crm.numbers import custom_fields
from connector.apps.perfex_crm.records import Records, shows
from connector.errors import Conflict, MappingError
from connector.model import Caller, Choice, Field, Prepared, Preparing, Request

Complete = Callable[[Caller, dict[str, Any], dict[str, Any]], Awaitable[dict[str, Any]]]
"""Given the inputs and their data, gives the data as it is sent; an ensure adds the `record`."""

CLEAR = Field(
    path=updating.CLEAR,
    label="Fields to empty",
    list=True,
    array=updating.CLEAR,
    example="phonenumber",
    help="Names of fields that become empty, such as website. What is not set stays as it is.",
    group="How to change it",
)
WHEN_FOUND = Field(
    path="when_found",
    label="Where it exists",
    example="change",
    default="change",
    choices=(
        Choice(value="change", label="Change it"),
        Choice(value="keep", label="Leave it as it is"),
    ),
    help="Whether the given fields are written into a record that is there already.",
    group="How to write it",
)


def creating(resource: str, complete: Complete | None = None) -> Preparing:
    """What a create's `prepare` is; `resource` is whose custom fields may be named."""

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        data = await _named(caller, resource, dict(inputs.get("data") or {}))
        if complete is not None:
            data = await complete(caller, inputs, data)
        return Prepared(inputs={**inputs, "data": data})

    return prepare


async def for_customer(
    caller: Caller, inputs: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """A project is a customer's unless it is said otherwise."""
    return {"rel_type": "customer", **data}


def changing(records: Records, resource: str, complete: Complete | None = None) -> Preparing:
    """What an update's `prepare` is: only what was set is sent, and what is emptied is named."""

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        data = dict(inputs.get("data") or {})
        names = _asked(inputs.get(updating.CLEAR))
        if not data and not names:
            raise MappingError(
                "Nothing is given to change.",
                field="data",
                value_type="nothing",
                remedy="Map at least one field, or name one to empty.",
            )
        if names:
            data |= _emptied(names, data, await records.get(caller, inputs))
        data = await _named(caller, resource, data)
        if complete is not None:
            data = await complete(caller, inputs, data)
        return Prepared(inputs={**inputs, "data": data})

    return prepare


def removing(records: Records) -> Preparing:
    """What a delete's `prepare` is: a record that is gone already is not deleted again."""

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        number = int(inputs[records.own_id])
        if await records.by_id(caller, number, inputs):
            return Prepared(inputs=inputs)
        gone = {"id": number, "deleted": True, "already_gone": True}
        return Prepared(inputs=inputs, record=gone, enough=True)

    return prepare


def ensuring(
    records: Records,
    resource: str,
    by: Mapping[str, str],
    update: str,
    complete: Complete | None = None,
) -> Preparing:
    """What an ensure's `prepare` is: the one record that fits is changed, and made where none does.

    `by` feeds the search, `update` is the path of the change, with `{id}` for the record found.
    """

    async def prepare(caller: Caller, inputs: dict[str, Any]) -> Prepared:
        given = dict(inputs.get("data") or {})
        asked = {name: inputs.get(at) or given.get(at) for name, at in by.items()}
        found = await records.find(caller, {k: v for k, v in asked.items() if v})
        if found["count"] > 1:
            shown = ", ".join(str(one) for one in found["ids"][:5])
            raise Conflict(
                f"{found['count']} records of Perfex fit this {records.noun}: {shown}.",
                remedy="Nothing was written. Tidy them up in Perfex, and replay the run.",
                who="user",
            )
        record = found["record"]
        if record is not None and inputs.get("when_found") == "keep":
            return Prepared(inputs=inputs, record=record, enough=True)
        data = await _named(caller, resource, given)
        if complete is not None:
            data = await complete(caller, {**inputs, "record": record}, data)
        ready = {**inputs, "data": data}
        if record is None:
            return Prepared(inputs=ready)
        other = [name for name, value in data.items() if _differs(name, value, record)]
        request = Request(method="PUT", path=update.replace("{id}", str(found["id"])), root="data")
        return Prepared(
            inputs=ready,
            request=request,
            record=record,
            differs=tuple(other),
            enough=not other,
        )

    return prepare


def _differs(name: str, value: Any, record: Mapping[str, Any]) -> bool:
    return name not in record or not shows(record[name], value)


async def _named(caller: Caller, resource: str, data: dict[str, Any]) -> dict[str, Any]:
    given = (data.get("custom_fields") or {}).get(resource)
    if not isinstance(given, Mapping) or not given:
        return data
    at = f"data.custom_fields.{resource}"
    return {**data, "custom_fields": {resource: await custom_fields(caller, resource, given, at)}}


def _asked(names: Any) -> list[str]:
    listed = names if isinstance(names, list | tuple) else [names] if names else []
    return [str(one).strip().removeprefix("data.") for one in listed if str(one).strip()]


def _emptied(
    names: list[str], data: Mapping[str, Any], record: Mapping[str, Any]
) -> dict[str, str]:
    for name in names:
        if name not in record or name in data:
            both = name in data
            raise MappingError(
                f"{name!r} is both set and emptied."
                if both
                else f"The record has no field {name!r} that could be emptied.",
                field=updating.CLEAR,
                value_type="text",
                remedy="Do one of the two." if both else "Use the name that the record shows.",
            )
    # Its columns take no NULL.
    return dict.fromkeys(names, "")
