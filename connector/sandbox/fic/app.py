"""All routes of the emulated Fatture in Cloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from connector.sandbox.asgi import App
from connector.sandbox.faults import Faulty
from connector.sandbox.fic import (
    actions,
    control,
    crud,
    e_invoices,
    files,
    info,
    more,
    oauth,
    subscriptions,
)
from connector.sandbox.fic.call import Handler, endpoint
from connector.sandbox.fic.problem import Problem
from connector.sandbox.fic.resources import Resource, resources
from connector.sandbox.fic.state import FicState

_IN_PATH = re.compile(r"/(?:\d+|SUB\d+)(?=/|\Z)")
Add = Callable[[str, str, Handler], None]


def template(path: str) -> str:
    """`/c/12/taxes/7` as `/c/{company_id}/taxes/{id}`: how requests are counted."""
    path = re.sub(r"\A/c/\d+", "/c/{company_id}", path)
    return _IN_PATH.sub("/{id}", path)


def build_fic_app(state: FicState) -> App:
    """The ASGI app over a state, with counting and faults around it."""
    routes: list[BaseRoute] = []

    def add(method: str, path: str, handler: Handler) -> None:
        full = path.replace("C/", "/c/{company_id:int}/", 1) if path.startswith("C/") else path
        routes.append(Route(full, endpoint(state, handler), methods=[method]))

    _add_oauth(state, routes)
    _add_info(add)
    _add_documents(add)
    _add_more(add)
    for resource in resources().values():
        _add_crud(add, resource)
    _add_subscriptions(add)
    routes += control.routes(state)
    problems: Mapping[Any, Any] = {HTTPException: _http_problem, Exception: _crash}
    app = Starlette(routes=routes, exception_handlers=problems)
    app.router.redirect_slashes = False
    return Faulty(
        app, book=state.faults, ledger=state.ledger, agenda=state.agenda, template=template
    )


def _add_oauth(state: FicState, routes: list[BaseRoute]) -> None:
    async def authorize(request: Request) -> Response:
        return await oauth.authorize(state, request)

    async def token(request: Request) -> Response:
        return await oauth.token(state, request)

    async def file(request: Request) -> Response:
        return files.serve(state, request)

    routes += [
        Route("/oauth/authorize", authorize, methods=["GET", "POST"]),
        Route("/oauth/token", token, methods=["POST"]),
        Route("/files/{token}", file, methods=["GET"]),
        Route("/files/{token}/{name}", file, methods=["GET"]),
    ]


def _add_info(add: Add) -> None:
    add("GET", "/user/info", info.user_info)
    add("GET", "/user/companies", info.companies)
    for path, handler in info.lists().items():
        add("GET", path, handler)
    add("GET", "C/company/info", info.company_info)
    add("GET", "C/company/plan_usage", info.plan_usage)
    add("GET", "C/info/vat_types", info.settings_list("vat_types", "settings:r"))
    add("GET", "C/info/payment_methods", info.settings_list("payment_methods", None))
    add("GET", "C/info/payment_accounts", info.settings_list("payment_accounts", None))
    add("GET", "C/info/revenue_centers", info.distinct("issued_documents", "rc_center"))
    add("GET", "C/info/cost_centers", info.distinct("received_documents", "rc_center"))
    add("GET", "C/info/product_categories", info.distinct("products", "category"))
    add("GET", "C/info/archive_categories", info.distinct("archive", "category"))
    add(
        "GET",
        "C/info/received_document_categories",
        info.distinct("received_documents", "category"),
    )
    add("GET", "C/settings/templates", info.own_templates)
    add("GET", "C/settings/tax_profile", info.fixed({"regime": "ordinario", "enasarco": False}))
    add("GET", "C/entities/clients/info", info.client_info)
    add("GET", "C/issued_documents/info", info.issued_info)
    add("GET", "C/receipts/info", info.register_info("receipts"))
    add("GET", "C/received_documents/info", info.register_info("received_documents"))


def _add_documents(add: Add) -> None:
    base = "C/issued_documents"
    add("GET", f"{base}/transform", actions.transform)
    add("GET", f"{base}/join", actions.join)
    add("POST", f"{base}/totals", actions.totals)
    add("POST", f"{base}/{{id:int}}/totals", actions.totals)
    add("GET", f"{base}/{{id:int}}/email", actions.email_data)
    add("POST", f"{base}/{{id:int}}/email", actions.send_email)
    add("POST", f"{base}/{{id:int}}/e_invoice/send", e_invoices.send)
    add("GET", f"{base}/{{id:int}}/e_invoice/xml_verify", e_invoices.xml_verify)
    add("GET", f"{base}/{{id:int}}/e_invoice/xml", e_invoices.xml)
    add("GET", f"{base}/{{id:int}}/e_invoice/error_reason", e_invoices.error_reason)
    for key in ("issued_documents", "received_documents", "taxes", "archive"):
        add("POST", f"C/{key}/attachment", actions.upload(key))
        if key != "archive":
            add("DELETE", f"C/{key}/{{id:int}}/attachment", actions.detach(key))


def _add_more(add: Add) -> None:
    for key in ("issued_documents", "received_documents"):
        add("GET", f"C/bin/{key}", more.bin_list(key))
        add("GET", f"C/bin/{key}/{{id:int}}", more.bin_get(key))
        add("DELETE", f"C/bin/{key}/{{id:int}}", more.bin_delete(key))
        add("POST", f"C/bin/{key}/{{id:int}}/recover", more.bin_recover(key))
    add("GET", "C/received_documents/pending", more.pending_list)
    add("GET", "C/received_documents/pending/{id:int}", more.pending_get)
    add("POST", "C/received_documents/totals", more.received_totals)
    add("POST", "C/received_documents/{id:int}/totals", more.received_totals)
    add("GET", "/info/templates", more.default_templates)
    add("GET", "C/price_lists", more.price_lists)
    add("GET", "C/price_lists/{price_list_id}/items", more.price_list_items)
    add("GET", "C/emails", more.emails)
    add("GET", "C/settings/templates", more.templates)
    add("GET", "C/settings/templates/{template_id:int}", more.template)
    add("GET", "C/receipts/monthly_totals", more.monthly_totals)


def _add_crud(add: Add, resource: Resource) -> None:
    base, item = f"C/{resource.path}", f"C/{resource.path}/{{id:int}}"
    if resource.key == "cashbook":
        add("GET", base, crud.list_cashbook)
    elif resource.family != "settings":
        add("GET", base, partial(crud.list_, resource=resource))
    add("POST", base, partial(crud.create, resource=resource))
    add("GET", item, partial(crud.read, resource=resource))
    add("PUT", item, partial(crud.modify, resource=resource))
    add("DELETE", item, partial(crud.delete, resource=resource))


def _add_subscriptions(add: Add) -> None:
    base, item = "C/subscriptions", "C/subscriptions/{subscription_id}"
    add("GET", base, subscriptions.list_)
    add("POST", base, subscriptions.create)
    add("GET", item, subscriptions.read)
    add("PUT", item, subscriptions.modify)
    add("DELETE", item, subscriptions.delete)
    add("POST", f"{item}/verify", subscriptions.verify)


def _http_problem(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    message = {404: "Not found.", 405: "Method not allowed."}.get(status, "Bad request.")
    return Problem(status, message).response()


def _crash(request: Request, error: Exception) -> Response:
    message = "An unexpected error occurred. Contact support for more information."
    return Problem(500, message).response()
