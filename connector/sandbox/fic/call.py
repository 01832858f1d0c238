"""One API call on its way in: who asks, for which company, with which body."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox import exact
from connector.sandbox.fic.problem import Problem, answer, invalid, no_permission, required
from connector.sandbox.fic.state import Company, FicState
from connector.sandbox.fic.tokens import Grant


@dataclass
class Call:
    """What a handler works with; `body` is the JSON, `data` its wrapped record."""

    state: FicState
    request: Request
    grant: Grant
    query: Mapping[str, str]
    path: Mapping[str, str]
    company_or_none: Company | None = None
    body: Mapping[str, Any] = field(default_factory=dict)

    @property
    def company(self) -> Company:
        """The company in the path."""
        if self.company_or_none is None:
            raise Problem(404, "Company not found.")
        return self.company_or_none

    @property
    def lag(self) -> float:
        """How far behind lists are for this call, in seconds."""
        return float(self.request.scope.get("sandbox.list_lag", self.state.list_lag))

    def need(self, *scopes: str) -> None:
        """Refuse unless the token holds every scope; `:a` includes `:r`."""
        for scope in scopes:
            full = scope.removesuffix(":r") + ":a" if scope.endswith(":r") else scope
            if not {scope, full} & self.grant.scopes:
                raise no_permission(f"The token lacks the scope {scope}.")

    def data(self) -> Mapping[str, Any]:
        """The wrapped record; unreadable bodies and empty records look the same: missing."""
        found = self.body.get("data")
        if not isinstance(found, Mapping) or not found:
            raise invalid({"data": [required("data")]})
        return found


Handler = Callable[[Call], Response | Awaitable[Response]]


def endpoint(state: FicState, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A handler behind the gates: token, company, quota; the headers of success on the way out."""

    async def run(request: Request) -> Response:
        try:
            body = _read(await request.body())
            call = _enter(state, request, body)
            spent = _spend(call)
            result = handler(call)
            response = await result if inspect.isawaitable(result) else result
            response.headers.update(spent)
            return response
        except Problem as problem:
            return problem.response()

    return run


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        found = exact.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _enter(state: FicState, request: Request, body: Mapping[str, Any]) -> Call:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    grant = state.tokens.grant_of(token.strip()) if scheme.lower() == "bearer" else None
    if grant is None:
        raise Problem(401, "The access token is missing, invalid or expired.", code="UNAUTHORIZED")
    return Call(
        state=state,
        request=request,
        grant=grant,
        query=dict(request.query_params),
        path=dict(request.path_params),
        company_or_none=_company(state, request),
        body=body,
    )


def _company(state: FicState, request: Request) -> Company | None:
    if "company_id" not in request.path_params:
        return None
    company = state.companies.get(int(request.path_params["company_id"]))
    if company is None:
        raise Problem(404, "Company not found.", code="NOT_FOUND")
    return company


def _spend(call: Call) -> dict[str, str]:
    if call.company_or_none is None:
        return {}
    return call.state.quotas.spend(call.company.id, call.grant.app.id)


def single(record: Mapping[str, Any]) -> Response:
    """`{"data": record}`."""
    return answer({"data": record})


def missing() -> Problem:
    """No such id."""
    return Problem(404, "Resource not found.", code="NOT_FOUND")
