"""The `/_sandbox` endpoints of Fatture in Cloud: act as a person in the vendor's own web app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from connector.sandbox.config import Limits
from connector.sandbox.control import Unknown, Wrong, control, shared_routes
from connector.sandbox.fic.call import Call
from connector.sandbox.fic.crud import erase, store
from connector.sandbox.fic.fields import Spec
from connector.sandbox.fic.problem import Problem
from connector.sandbox.fic.resources import Resource, resources
from connector.sandbox.fic.scopes import SCOPES, event_families
from connector.sandbox.fic.state import FicState
from connector.sandbox.fic.tokens import Grant

Body = dict[str, Any]


class Person:
    """Does what a user does in the browser: no token, no quota, but all rules and events."""

    def __init__(self, state: FicState) -> None:
        self.state = state

    def create(self, key: str, data: Mapping[str, Any], company: int | None = None) -> Body:
        """Make a record; raises Wrong with the vendor's sentence."""
        return self._store(key, data, None, company)

    def change(
        self, key: str, id_: Any, data: Mapping[str, Any], company: int | None = None
    ) -> Body:
        """Change a record; read-only fields too, as the exchange system does with `ei_status`."""
        call, resource = self.place(key, company)
        before = self._found(call, resource, id_)
        only_status = set(data) == {"ei_status"}
        record = self._store(key, data, before, company, notify=not only_status)
        if "ei_status" in data:
            event = "issued_documents.e_invoices.status_update"
            self.state.webhooks.emit(call.company.id, event, [record["id"]])
        return record

    def delete(self, key: str, id_: Any, company: int | None = None) -> None:
        """Delete a record."""
        call, resource = self.place(key, company)
        erase(call, resource, self._found(call, resource, id_))

    def import_clients(
        self, rows: list[Mapping[str, Any]], company: int | None = None
    ) -> list[Any]:
        """A spreadsheet import: many clients, one notification with all their ids."""
        ids = [self._store("clients", row, None, company, notify=False)["id"] for row in rows]
        call, _ = self.place("clients", company)
        self.state.webhooks.emit(call.company.id, "entities.clients.create", ids)
        return ids

    def emit(self, event: str, ids: list[Any], company: int | None = None) -> None:
        """Send a notification nothing caused; `event` is `products.stock_update` and the like."""
        if event not in event_families():
            raise Wrong(f"no event {event}")
        call, _ = self.place("clients", company)
        self.state.webhooks.emit(call.company.id, event, ids)

    def _store(
        self,
        key: str,
        data: Mapping[str, Any],
        before: Body | None,
        company: int | None,
        *,
        notify: bool = True,
    ) -> Body:
        call, resource = self.place(key, company)
        force = {
            name: value
            for name, value in data.items()
            if name in resource.fields and resource.fields[name].read_only and name != "id"
        }
        try:
            return store(call, resource, data, before, force=force, notify=notify)
        except Problem as problem:
            raise Wrong(str(problem.body)) from problem

    def place(self, key: str, company: int | None) -> tuple[Call, Resource]:
        """The company (the first one by default) and the resource, as an API call has them."""
        found = self.state.first_company if company is None else self.state.companies.get(company)
        if found is None:
            raise Wrong(f"no company {company}")
        if key not in resources():
            raise Wrong(f"no resource {key}; there are {', '.join(resources())}")
        scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""}
        call = Call(
            state=self.state,
            request=Request(scope | {"server": ("sandbox", 80)}),
            grant=Grant(self.state.app, SCOPES),
            query={},
            path={},
            company_or_none=found,
            body={"options": {"fix_payments": True}},
        )
        return call, resources()[key]

    @staticmethod
    def _found(call: Call, resource: Resource, id_: Any) -> Body:
        record = call.company.tables[resource.key].get(id_)
        if record is None:
            raise Wrong(f"no {resource.key} {id_}")
        return record


def routes(state: FicState) -> list[Route]:
    """All control routes of this app."""
    return [*shared_routes(state), *_record_routes(state), *_webhook_routes(state), *_access(state)]


def _company(request: Request) -> int | None:
    text = request.query_params.get("company", "")
    return int(text) if text.isdecimal() else None


def _refuse_unknown(person: Person, request: Request, body: Body) -> None:
    """A person cannot enter what there is no field for; the API ignores it. Raises Unknown."""
    _, resource = person.place(request.path_params["key"], _company(request))
    _look(resource.key, resource.fields, body, "")


def _look(what: str, known: Spec, given: Mapping[str, Any], path: str) -> None:
    if unknown := given.keys() - known.keys():
        names = [f"{path}{name}" for name in known]
        raise Unknown(what, (f"{path}{name}" for name in unknown), names)
    for name, value in given.items():
        rows = known[name].rows
        for one in value if isinstance(value, list) else [value]:
            if rows is not None and isinstance(one, Mapping):
                _look(what, rows, one, f"{path}{name}.")


def _record_routes(state: FicState) -> list[Route]:
    person = Person(state)

    def create(request: Request, body: Body) -> Any:
        _refuse_unknown(person, request, body)
        return person.create(request.path_params["key"], body, _company(request))

    def change(request: Request, body: Body) -> Any:
        _refuse_unknown(person, request, body)
        params = request.path_params
        return person.change(params["key"], params["id"], body, _company(request))

    def delete(request: Request, body: Body) -> Any:
        params = request.path_params
        person.delete(params["key"], params["id"], _company(request))
        return {"deleted": params["id"]}

    def listed(request: Request, body: Body) -> Any:
        key = request.path_params["key"]
        call, _ = person.place(key, _company(request))
        return {"data": call.company.tables[key].view()}

    def import_(request: Request, body: Body) -> Any:
        rows = body.get("clients")
        if rows is None:
            count = int(body.get("count", 1))
            rows = [{"name": f"Cliente importato {number + 1}"} for number in range(count)]
        return {"ids": person.import_clients(rows, _company(request))}

    def emit(request: Request, body: Body) -> Any:
        person.emit(str(body.get("event")), list(body.get("ids", [])), _company(request))
        return {"emitted": body.get("event")}

    return [
        control("/import", "POST", import_),
        control("/emit", "POST", emit),
        control("/records/{key}", "POST", create),
        control("/records/{key}", "GET", listed),
        control("/records/{key}/{id}", "PUT", change),
        control("/records/{key}/{id}", "DELETE", delete),
    ]


def _webhook_routes(state: FicState) -> list[Route]:
    webhooks = state.webhooks

    def deliveries(request: Request, body: Body) -> Any:
        return {
            "paused": webhooks.paused,
            "waiting": len(state.agenda),
            "deliveries": [delivery.as_data() for delivery in webhooks.deliveries],
        }

    def pause(request: Request, body: Body) -> Any:
        webhooks.pause()
        return {"paused": True}

    def resume(request: Request, body: Body) -> Any:
        webhooks.resume()
        return {"paused": False}

    def subscriptions(request: Request, body: Body) -> Any:
        return {
            "suspended": webhooks.suspended,
            "subscriptions": [
                one.as_data()
                | {
                    "company": one.company,
                    "app": one.app,
                    "attempts": one.attempts,
                    "expires": None if one.expires is None else one.expires.isoformat(),
                }
                for one in webhooks.subscriptions.values()
            ],
        }

    def suspend(request: Request, body: Body) -> Any:
        webhooks.suspended = bool(body.get("suspended", True))
        return {"suspended": webhooks.suspended}

    return [
        control("/deliveries", "GET", deliveries),
        control("/deliveries/pause", "POST", pause),
        control("/deliveries/resume", "POST", resume),
        control("/subscriptions", "GET", subscriptions),
        control("/subscriptions/suspend", "POST", suspend),
    ]


def _access(state: FicState) -> list[Route]:
    def manual(request: Request, body: Body) -> Any:
        scopes = frozenset(body.get("scopes", SCOPES))
        if unknown := scopes - SCOPES:
            raise Wrong(f"no scopes {', '.join(sorted(unknown))}")
        return {"access_token": state.tokens.manual(state.app, scopes)}

    def expire(request: Request, body: Body) -> Any:
        return {"expired": state.tokens.expire_access()}

    def revoke(request: Request, body: Body) -> Any:
        state.tokens.revoke_everything()
        return {"revoked": True}

    def new_app(request: Request, body: Body) -> Any:
        client_id, secret = str(body.get("client_id", "")), state.tokens.secret()
        if not client_id or client_id in state.tokens.apps:
            raise Wrong("client_id must be new")
        uris = tuple(str(uri) for uri in body.get("redirect_uris", ()))
        number = max(app.id for app in state.tokens.apps.values()) + 1
        app = state.add_app(number, client_id, secret, redirect_uris=uris)
        return {"app_id": app.id, "client_id": client_id, "client_secret": secret}

    def public_key(request: Request, body: Body) -> Any:
        signer = state.webhooks.signer
        return {"pem": signer.public_pem, "base64": signer.public_base64}

    def limits(request: Request, body: Body) -> Any:
        known = state.quotas.limits.model_dump()
        state.quotas.limits = Limits.model_validate(known | body)
        return state.quotas.limits.model_dump()

    return [
        control("/limits", "POST", limits),
        control("/tokens", "POST", manual),
        control("/tokens/expire", "POST", expire),
        control("/tokens/revoke", "POST", revoke),
        control("/apps", "POST", new_app),
        control("/public_key", "GET", public_key),
    ]
