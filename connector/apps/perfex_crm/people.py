"""Contacts: nobody gets an e-mail by surprise, and a change takes no right away."""

from __future__ import annotations

from typing import Any

from connector.apps.perfex_crm.resources import CONTACTS
from connector.errors import Refused
from connector.model import Caller

ON = "on"
FLAGS = (
    "is_primary",
    "invoice_emails",
    "estimate_emails",
    "credit_note_emails",
    "contract_emails",
    "task_emails",
    "project_emails",
    "ticket_emails",
)
"""Marks that count as set when they are sent at all, whatever their value."""


def is_on(value: Any) -> bool:
    """Whether a mark is set: as we give it, or as the CRM shows it."""
    return value in (True, 1, "1", ON, "true")


async def new_contact(
    caller: Caller, inputs: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """A new person as it is sent: the CRM would write to it unless it is told not to."""
    sent = {name: value for name, value in data.items() if name not in FLAGS}
    sent |= {name: ON for name in FLAGS if is_on(data.get(name))}
    if not is_on(inputs.get("send_welcome_email")):
        sent["donotsendwelcomeemail"] = ON
    if is_on(inputs.get("send_set_password_email")):
        sent["send_set_password_email"] = ON
    return {"customer_id": inputs["customer_id"], **sent}


async def changed_contact(
    caller: Caller, inputs: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """A change as it is sent: marks that are not repeated would be taken away."""
    record = inputs.get("record") or await CONTACTS.get(caller, inputs)
    if "is_primary" in data and not is_on(data["is_primary"]) and is_on(record.get("is_primary")):
        raise Refused(
            "A customer must have a primary contact.",
            field="data.is_primary",
            remedy="Make another contact the primary one: this one then is it no more.",
            who="user",
        )
    sent = {name: value for name, value in data.items() if name not in FLAGS}
    return sent | {name: 1 for name in FLAGS if is_on(data.get(name, record.get(name)))}


async def ensured_contact(
    caller: Caller, inputs: dict[str, Any], data: dict[str, Any]
) -> dict[str, Any]:
    """A person that is made or changed: what only a new one needs does no harm to an old one."""
    write = changed_contact if inputs.get("record") else new_contact
    return await write(caller, inputs, data)
