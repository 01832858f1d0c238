"""What somebody does in an emulated app of this machine, so that a flow has something to do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from importlib import import_module
from ipaddress import ip_address
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from connector.codec import encode
from connector.derived import DerivedTrigger
from connector.errors import ConnectorError
from connector.flow import parse_flow
from connector.http import HttpClient
from connector.model import Answer, Connection, HttpRequest, Method
from connector.runtime.scopes import events_of
from connector.web.pages.words import mark
from connector.web.ports import Runtime

RECORDS: Final = "/_sandbox/records"
"""Where a person adds and changes records in an emulated app (docs/sandbox.md)."""
FATTURE, PERFEX = "fatture_in_cloud", "perfex_crm"
TIMEOUT_SECONDS = 2.0
PATIENCE_SECONDS = 20.0
LOOK_SECONDS = 0.05

_KINDS = ("Officine", "Panificio", "Studio", "Trasporti", "Cantina", "Tipografia", "Vivai")
_NAMES = ("Adda", "Brenta", "Chiese", "Dora", "Isonzo", "Lambro", "Oglio", "Ticino")
_TOWNS = (("Bergamo", "BG", "24121"), ("Padova", "PD", "35121"), ("Cremona", "CR", "26100"))

Record = Mapping[str, Any]


class Deed(NamedTuple):
    """Something that a person does in an app: makes a record, or changes the newest."""

    records: str
    label: str
    made: Callable[[Record, date], dict[str, Any]]
    """The record's values, from the newest record that it is `based_on`, and the day."""
    based_on: str = ""
    changes: bool = False


class Stage(NamedTuple):
    """A deed that would start a flow, where it is done, and for which company."""

    key: str
    deed: Deed
    connection: Connection
    company: str = ""
    follows: tuple[str, ...] = ()
    """All deeds that the flow follows."""


def is_emulated(one: Connection) -> bool:
    """Whether this connection leads to an emulated app of this machine, and to nobody else."""
    host = urlsplit(one.base_url).hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost"
    return here and bool(one.settings.get("emulated"))


def stage_of(document: str, catalog: Any, connections: Iterable[Connection]) -> Stage | None:
    """What would start this flow, where its app is emulated; None where nothing of ours does."""
    try:
        flow = parse_flow(document)
        trigger = catalog.trigger(flow.trigger.node)
        events = events_of(flow, trigger)
    except ConnectorError:
        return None
    if isinstance(trigger, DerivedTrigger) and len({one.rpartition(".")[2] for one in events}) > 1:
        # It looks at more than one thing that happens, such as that an invoice is paid.
        return None
    for one in connections:
        if one.name == flow.trigger.connection and is_emulated(one):
            keys = tuple(sorted({f"{one.app}.{event}" for event in events} & DEEDS.keys()))
            company = str(flow.trigger.inputs.get("company_id") or "")
            return Stage(keys[0], DEEDS[keys[0]], one, company, keys) if keys else None
    return None


def stages(connections: Iterable[Connection]) -> list[Stage]:
    """Everything that can be done in these connections' emulated apps."""
    return [
        Stage(key, deed, one)
        for one in connections
        if is_emulated(one)
        for key, deed in DEEDS.items()
        if key.startswith(f"{one.app}.")
    ]


async def do(stage: Stage, today: date) -> None:
    """Do it there. Raises ConnectorError when nobody answers."""
    deed, at = stage.deed, stage.connection
    query = f"?company={quote(stage.company, safe='')}" if stage.company else ""
    newest: Record = {}
    if deed.based_on:
        known = await records(at, deed.based_on, query)
        if not known:
            made = DEEDS[_FIRST[at.app]].made({}, today)
            await _call(at, "POST", f"/{deed.based_on}{query}", encode(made))
            known = await records(at, deed.based_on, query)
        newest = known[0] if known else {}
    try:
        body = encode(deed.made(newest, today))
    except KeyError:
        raise _not_emulated(
            f"The emulated app at {_address(at)} answered without records."
        ) from None
    if deed.changes:
        path = f"/{deed.records}/{newest.get('id') or newest.get('userid')}{query}"
        await _call(at, "PUT", path, body)
    else:
        await _call(at, "POST", f"/{deed.records}{query}", body)


async def records(connection: Connection, kind: str, query: str = "") -> list[dict[str, Any]]:
    """The records of an emulated app, the newest first. Raises ConnectorError."""
    told = (await _call(connection, "GET", f"/{kind}{query}")).json()
    rows = told.get("data") if isinstance(told, dict) else None
    if not isinstance(rows, list) or not all(isinstance(one, dict) for one in rows):
        raise _not_emulated(f"The emulated app at {_address(connection)} answered without records.")
    return rows[::-1]


async def followed(runtime: Runtime, flow: str, last: int) -> int | None:
    """The run of this flow that comes after the run `last`, when it ended or nearly."""
    waited, found = 0.0, None
    while waited < PATIENCE_SECONDS:
        runs = await runtime.list_runs(1, None, None, flow)
        if runs and runs[0]["id"] > last:
            found = int(runs[0]["id"])
            # Its page follows it anyhow: one that takes its time is not waited for.
            if runs[0]["finished_at"] is not None or waited > PATIENCE_SECONDS / 4:
                return found
        await asyncio.sleep(LOOK_SECONDS)
        waited += LOOK_SECONDS
    return found


async def _call(connection: Connection, method: Method, path: str, body: bytes = b"") -> Answer:
    address = _address(connection)
    request = HttpRequest(
        method=method,
        url=f"{address}{RECORDS}{path}",
        headers=(("content-type", "application/json"),) if body else (),
        body=body,
    )
    async with HttpClient() as outside:
        # No person gave this address: it is one of this machine, where emulated apps stand.
        answer = await outside.send(request, timeout=TIMEOUT_SECONDS, trusted=True)
    if answer.status != 200:
        raise _not_emulated(
            f"The emulated app at {address} answered {answer.status} instead of 200."
        )
    return answer


def _address(connection: Connection) -> str:
    parts = urlsplit(connection.base_url)
    return f"{parts.scheme}://{parts.netloc}"


def _not_emulated(message: str) -> ConnectorError:
    remedy = "Start `connector run`, or `connector sandbox`, once more and connect it."
    return ConnectorError(message, remedy=remedy, who="user")


# --- invented records -------------------------------------------------------------------------


def _client(_: Record, __: date) -> dict[str, Any]:
    return a_client()


def a_client() -> dict[str, Any]:
    """An invented client with a VAT number that could be one."""
    draw = random.SystemRandom()
    town, province, code = draw.choice(_TOWNS)
    # Its last three digits before the check digit name a tax office: 1 to 100.
    vat = vat_number(draw.randrange(1, 10**7) * 1_000 + draw.randint(1, 100))
    name = f"{draw.choice(_KINDS)} {draw.choice(_NAMES)}"
    return {
        "name": f"{name} S.r.l.",
        "type": "company",
        "vat_number": f"IT{vat}",
        "tax_code": vat,
        "address_street": f"Via Roma {draw.randint(1, 99)}",
        "address_postal_code": code,
        "address_city": town,
        "address_province": province,
        "country": "Italia",
        "country_iso": "IT",
        "phone": a_phone(),
        "email": f"info@{name.lower().replace(' ', '-')}.example",
    }


def a_phone() -> str:
    """An invented telephone number."""
    return f"+39 035 {random.SystemRandom().randint(100_000, 999_999)}"


def vat_number(number: int) -> str:
    """An Italian VAT number from ten digits."""
    digits = f"{number:010}"
    return digits + str(import_module("stdnum.luhn").calc_check_digit(digits))


def _product(_: Record, __: date) -> dict[str, Any]:
    number = random.SystemRandom().randint(100, 999)
    return {"name": f"Manutenzione {number}", "code": f"M{number}", "net_price": 80}


def _issued_invoice(client: Record, today: date) -> dict[str, Any]:
    """Two hours at 80.00 and 22 % for the newest client."""
    return {
        "type": "invoice",
        "date": today.isoformat(),
        "entity": {"id": client["id"], "name": client["name"]},
        "items_list": [{"name": "Manutenzione", "qty": 2, "net_price": 80, "vat": {"id": 0}}],
        "payments_list": [{"amount": 195.2, "due_date": (today + timedelta(days=30)).isoformat()}],
    }


def _order(client: Record, today: date) -> dict[str, Any]:
    invoice = _issued_invoice(client, today)
    return {**{name: invoice[name] for name in ("date", "entity", "items_list")}, "type": "order"}


def _customer(_: Record, __: date) -> dict[str, Any]:
    client = a_client()
    return {
        "company": client["name"],
        "vat": client["vat_number"],
        "phonenumber": client["phone"],
        "address": client["address_street"],
        "city": client["address_city"],
        "state": client["address_province"],
        "zip": client["address_postal_code"],
        "country": "109",
    }


def _lead(_: Record, __: date) -> dict[str, Any]:
    client = a_client()
    return {"name": client["name"], "company": client["name"], "email": client["email"]}


def _perfex_invoice(customer: Record, today: date) -> dict[str, Any]:
    """Two hours at 80.00 and 22 % for the newest customer."""
    return {
        "clientid": customer["userid"],
        "number": str(random.SystemRandom().randint(1_000, 9_999)),
        "date": today.isoformat(),
        "duedate": (today + timedelta(days=30)).isoformat(),
        "status": "1",
        "subtotal": "160.00",
        "total_tax": "35.20",
        "total": "195.20",
        "items": [{"description": "Manutenzione", "qty": "2.00", "rate": "80.00"}],
    }


DEEDS: Final[Mapping[str, Deed]] = {
    "fatture_in_cloud.entities.clients.create": Deed(
        "clients", mark("Create a test client in Fatture in Cloud"), _client
    ),
    "fatture_in_cloud.entities.clients.update": Deed(
        "clients", mark("Change a client in Fatture in Cloud"),
        lambda _, __: {"phone": a_phone()}, "clients", changes=True,
    ),
    "fatture_in_cloud.issued_documents.invoices.create": Deed(
        "issued_documents", mark("Create a test invoice in Fatture in Cloud"),
        _issued_invoice, "clients",
    ),
    "fatture_in_cloud.issued_documents.orders.create": Deed(
        "issued_documents", mark("Create a test order in Fatture in Cloud"), _order, "clients"
    ),
    "fatture_in_cloud.entities.suppliers.create": Deed(
        "suppliers", mark("Create a test supplier in Fatture in Cloud"), _client
    ),
    "fatture_in_cloud.products.create": Deed(
        "products", mark("Create a test product in Fatture in Cloud"), _product
    ),
    "perfex_crm.customers.create": Deed(
        "customers", mark("Create a test customer in Perfex CRM"), _customer
    ),
    "perfex_crm.customers.update": Deed(
        "customers", mark("Change a customer in Perfex CRM"),
        lambda _, __: {"phonenumber": a_phone()}, "customers", changes=True,
    ),
    "perfex_crm.invoices.create": Deed(
        "invoices", mark("Create a test invoice in Perfex CRM"), _perfex_invoice, "customers"
    ),
    "perfex_crm.leads.create": Deed("leads", mark("Create a test lead in Perfex CRM"), _lead),
}  # fmt: skip
"""By app, resource and what happens to it."""
_FIRST: Final = {
    FATTURE: "fatture_in_cloud.entities.clients.create",
    PERFEX: "perfex_crm.customers.create",
}
"""What is made where a deed is based on a record and there is none yet."""
