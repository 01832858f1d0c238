"""All routes of the emulated Perfex CRM with the Themesic API module."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector.sandbox.asgi import App
from connector.sandbox.clock import stamp
from connector.sandbox.control import Unknown, Wrong, control, shared_routes
from connector.sandbox.faults import Faulty
from connector.sandbox.perfex import records, rules
from connector.sandbox.perfex.gate import Handler, Visit, door
from connector.sandbox.perfex.replies import no_data, reply
from connector.sandbox.perfex.state import OPERATIONS, PerfexState
from connector.sandbox.perfex.tables import Kind, kinds

POLLED = ("customers", "invoices", "leads", "tasks")
COMMON = {
    "payment_mode": [{"id": "1", "name": "Bank"}, {"id": "2", "name": "Contanti"}],
    "tax_data": [
        {"id": "1", "name": "IVA", "taxrate": "22.00"},
        {"id": "2", "name": "IVA ridotta", "taxrate": "10.00"},
    ],
    "expense_category": [{"id": "1", "name": "Cancelleria"}],
}


def template(path: str) -> str:
    """`/api/customers/7` as `/api/customers/{id}`: how requests are counted."""
    path = re.sub(r"/search/.*", "/search/{term}", path)
    return re.sub(r"/\d+(?=/|\Z)", "/{id}", path)


def build_perfex_app(state: PerfexState) -> App:
    """The ASGI app over a state, with counting and faults around it."""
    routes: list[BaseRoute] = []

    def add(method: str, path: str, resource: str, operation: str, handler: Handler) -> None:
        run = door(state, resource, operation, handler)
        routes.append(Route(f"/api{path}", run, methods=[method]))

    add("GET", "/contacts/{customer_id:int}", "contacts", "get", _contacts)
    add("GET", "/contacts/{customer_id:int}/{id:int}", "contacts", "get", _contact)
    for kind in kinds().values():
        base, item = f"/{kind.path}", f"/{kind.path}/{{id:int}}"
        search = partial(records.search, kind=kind)
        if state.modern:
            add("GET", f"{base}/search", kind.path, "search_get", search)
        else:
            remove = partial(records.delete, kind=kind)
            add("DELETE", f"/delete{item}", kind.path, "delete", remove)
        add("GET", f"{base}/search/{{term}}", kind.path, "search_get", search)
        add("GET", base, kind.path, "get", partial(records.listed, kind=kind))
        add("GET", item, kind.path, "get", partial(records.read, kind=kind))
        add("POST", base, kind.path, "create", partial(records.create, kind=kind))
        add("PUT", item, kind.path, "update", partial(records.update, kind=kind))
        add("DELETE", item, kind.path, "delete", partial(records.delete, kind=kind))
    add("POST", "/invoices/{id:int}/send", "invoices", "create", rules.send_invoice)
    add("GET", "/custom_fields/{kind}", "custom_fields", "get", _custom_fields)
    add("GET", "/custom_fields", "custom_fields", "get", _custom_fields)
    add("GET", "/common/{kind}", "common", "get", _common)
    if state.modern:
        add("GET", "/openapi", "openapi", "get", lambda visit: {"info": {"version": "3.1.0"}})
        add("GET", "/zapier/poll/{resource}", "zapier", "get", _poll)
        hooks, item = state.webhooks, "/webhooks/{id:int}"
        add("GET", "/webhooks/events", "webhooks", "get", hooks.events)
        add("GET", "/webhooks", "webhooks", "get", hooks.listed)
        add("POST", "/webhooks", "webhooks", "create", hooks.create)
        add("PUT", item, "webhooks", "update", hooks.update)
        add("DELETE", item, "webhooks", "delete", hooks.delete)
        add("POST", f"{item}/toggle", "webhooks", "update", hooks.toggle)
        add("GET", f"{item}/logs", "webhooks", "get", hooks.logs)
    routes += _control(state)
    problems: Mapping[Any, Any] = {HTTPException: _http_problem}
    app = Starlette(routes=routes, exception_handlers=problems)
    app.router.redirect_slashes = False
    return Faulty(
        app, book=state.faults, ledger=state.ledger, agenda=state.agenda, template=template
    )


def _contacts(visit: Visit) -> Any:
    kind, customer = kinds()["contacts"], visit.part("customer_id")
    rows = [
        records.shown(visit.state, kind, row)
        for row in visit.state.tables["contacts"].view(visit.lag)
        if row["userid"] == customer
    ]
    if not rows:
        raise no_data()
    return rows


def _contact(visit: Visit) -> Any:
    row = visit.state.tables["contacts"].rows.get(visit.part("id"))
    if row is None or row["userid"] != visit.part("customer_id"):
        raise no_data()
    return row


def _custom_fields(visit: Visit) -> Any:
    kind = visit.request.path_params.get("kind")
    rows = [field for field in visit.state.custom_fields if kind in (None, field["fieldto"])]
    if not rows:
        raise no_data()
    return rows


def _common(visit: Visit) -> Any:
    rows = COMMON.get(visit.part("kind"))
    if rows is None:
        raise no_data()
    return rows


def _poll(visit: Visit) -> Any:
    """3.x: rows created since a moment in Unix seconds, the last 24 hours by default."""
    kind = kinds().get(visit.part("resource"))
    if kind is None or kind.path not in POLLED:
        raise no_data()
    now = int(visit.state.clock().timestamp())
    asked = int(rules.decimal(visit.query.get("since", str(now - 86_400))))
    since = min(max(asked, 0), now)
    limit = int(rules.decimal(visit.query.get("limit", "50")))
    floor = stamp(datetime.fromtimestamp(since, UTC))
    rows = [
        records.shown(visit.state, kind, row)
        for row in visit.state.tables[kind.path].view(visit.lag)
        if (row[kind.made] or "") >= floor
    ][:limit]
    meta = {"since": since, "count": len(rows), "next_poll": now}
    return {"status": True, "data": rows, "meta": meta}


async def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return reply({"status": False, "error": "Unknown method"}, status)


# --- control --------------------------------------------------------------------------------


def _control(state: PerfexState) -> list[Route]:
    def rows(request: Request, body: dict[str, Any]) -> Any:
        kind = _kind(request)
        table = state.tables[kind.path]
        return {"data": [records.shown(state, kind, row) for row in table.view()]}

    def add(request: Request, body: dict[str, Any]) -> Any:
        return {"id": add_row(state, _kind(request), body)}

    def change(request: Request, body: dict[str, Any]) -> Any:
        kind, id_ = _kind(request), request.path_params["id"]
        change_row(state, kind, id_, body)
        row = state.tables[kind.path].rows[id_]
        return records.shown(state, kind, row)

    def mails(request: Request, body: dict[str, Any]) -> Any:
        return {"mails": state.mails}

    def token(request: Request, body: dict[str, Any]) -> Any:
        denied = [str(part) for part in body.get("denied", ())]
        for part in denied:
            if part.partition(":")[2] not in OPERATIONS:
                raise Wrong(f"{part} is not resource:operation ({', '.join(OPERATIONS)})")
        expires = state.clock() if body.get("expired") else None
        return {"authtoken": state.new_token(denied, expires)}

    def revoke(request: Request, body: dict[str, Any]) -> Any:
        state.tokens.clear()
        return {"revoked": True}

    def module(request: Request, body: dict[str, Any]) -> Any:
        state.module_active = bool(body.get("active", True))
        return {"active": state.module_active}

    return [
        *shared_routes(state),
        control("/records/{kind}", "GET", rows),
        control("/records/{kind}", "POST", add),
        control("/records/{kind}/{id}", "PUT", change),
        control("/mails", "GET", mails),
        control("/tokens", "POST", token),
        control("/tokens/revoke", "POST", revoke),
        control("/module", "POST", module),
    ]


def _kind(request: Request) -> Kind:
    kind = kinds().get(request.path_params["kind"])
    if kind is None:
        raise Wrong(f"no resource; there are {', '.join(kinds())}")
    return kind


def add_row(state: PerfexState, kind: Kind, fields: Mapping[str, Any]) -> str:
    """Write a row as a person in the CRM would, past the API and its counters. Raises Unknown."""
    _refuse_unknown(state, kind, fields)
    row = dict(kind.columns) | _given(kind, fields)
    if kind.path == "invoices":
        row.setdefault("items", [])
    if kind.made in kind.columns:
        row[kind.made] = stamp(state.clock())
    id_ = state.tables[kind.path].add(row)
    records.keep_custom(state, kind, id_, fields)
    state.tell(kind, "create", id_)
    return id_


def _given(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a person entered, as rows hold it: the lines of an invoice, tags, and columns."""
    row: dict[str, Any] = {
        name: rules.text(value) for name, value in fields.items() if name in kind.columns
    }
    lines = [fields[name] for name in ("items", "newitems") if name in kind.extras & set(fields)]
    if lines:
        row["items"] = rules.lines_of(lines[0])
    if "tags" in kind.extras and "tags" in fields:
        row["tags"] = fields["tags"]
    return row


def _refuse_unknown(state: PerfexState, kind: Kind, fields: Mapping[str, Any]) -> None:
    known = (set(kind.columns) | kind.extras) - {kind.key}
    if unknown := set(fields) - known:
        raise Unknown(kind.path, unknown, known)
    name = kind.fields_of or kind.path
    given = fields.get("custom_fields")
    mine = given.get(name) if isinstance(given, Mapping) else None
    custom = {str(one["id"]) for one in state.custom_fields if one["fieldto"] == name}
    if isinstance(mine, Mapping) and (unknown := {str(one) for one in mine} - custom):
        raise Unknown(f"custom_fields.{name}", unknown, custom)
    for name in ("items", "newitems"):
        lines = fields.get(name, [])
        listed = list(lines.values()) if isinstance(lines, Mapping) else lines
        if name in kind.extras and not (
            isinstance(listed, list) and all(isinstance(one, Mapping) for one in listed)
        ):
            raise Wrong(f"{name} is a list of objects, such as {rules.LINE}")


def change_row(state: PerfexState, kind: Kind, id_: str, fields: Mapping[str, Any]) -> None:
    """Change a row as a person in the CRM would. Raises Wrong."""
    _refuse_unknown(state, kind, fields)
    row = state.tables[kind.path].rows.get(id_)
    if row is None:
        raise Wrong(f"no {kind.path} {id_}")
    row |= _given(kind, fields)
    records.keep_custom(state, kind, id_, fields)
    state.tell(kind, "update", id_)
