"""The way in: token, permission, rate, and the body by generation (facts perfex-crm §2, §3, §6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from connector.sandbox import exact
from connector.sandbox.perfex.forms import nest, parse_form
from connector.sandbox.perfex.replies import Refusal, fatal, reply, said
from connector.sandbox.perfex.state import REPLAY_LIFE, Limiter, PerfexState, Stored

MAX_KEY = 191


@dataclass
class Visit:
    """One call that was let in."""

    state: PerfexState
    request: Request
    token: str
    fields: Mapping[str, Any]

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters."""
        return self.request.query_params

    def part(self, name: str) -> str:
        """A piece of the path."""
        return str(self.request.path_params[name])

    @property
    def lag(self) -> float:
        """How far behind lists are for this call, in seconds."""
        return float(self.request.scope.get("sandbox.list_lag", self.state.list_lag))


Handler = Callable[[Visit], Any]


def door(
    state: PerfexState, resource: str, operation: str, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """A handler behind the gates; it gives the body of a success."""

    async def run(request: Request) -> Response:
        headers: dict[str, str] = {}
        try:
            token = _token(state, request)
            headers = _rate(state, token)
            _permit(state, request, token, resource, operation)
            if (stored := _stored(state, request, token)) is not None:
                return reply(stored.body, stored.status, headers | {"Idempotency-Replayed": "true"})
            fields = await _fields(state, request)
            status, body = _answer(Visit(state, request, token, fields), handler)
            _store(state, request, token, Stored(status, body, state.clock()))
            return reply(body, status, headers)
        except Refusal as refusal:
            refusal.headers = headers | refusal.headers
            return refusal.response()

    return run


def _answer(visit: Visit, handler: Handler) -> tuple[int, Any]:
    try:
        return 200, handler(visit)
    except Refusal as refusal:
        return refusal.status, refusal.body


def _token(state: PerfexState, request: Request) -> str:
    if not state.module_active:
        raise said(401, "API Module is not active")
    address = request.client.host if request.client else ""
    if state.attempts.locked(address):
        raise said(429, "Too many failed authentication attempts. Please try again later.")
    given = request.headers.get("authtoken") or request.query_params.get("authtoken")
    known = state.tokens.get(given or "")
    if not given:
        message = "Token is not defined."
    elif known is None:
        message = "Token is not found"
    elif known.expires is not None and known.expires <= state.clock():
        message = "Token Time Expire."
    else:
        return given
    state.attempts.fail(address)
    raise said(401 if state.modern else 404, message)


def _permit(
    state: PerfexState, request: Request, token: str, resource: str, operation: str
) -> None:
    if (resource, operation) not in state.tokens[token].denied:
        return
    # Counted as a failed login, which is how a retried 403 locks a caller out.
    state.attempts.fail(request.client.host if request.client else "")
    raise said(
        403,
        "Your API token does not have the necessary permissions to perform this action.",
    )


def _rate(state: PerfexState, token: str) -> dict[str, str]:
    hour = state.clock().replace(minute=0, second=0, microsecond=0)
    limiter = state.limiters.setdefault(token, Limiter())
    if limiter.hour != hour:
        limiter.hour, limiter.used = hour, 0
    limit = state.config.limits.perfex_hour
    over = limiter.used >= limit
    limiter.used += 0 if over else 1
    headers: dict[str, str] = {}
    if state.modern:
        headers = {
            "X-RateLimit-Limit": str(limit),
            "X-RateLimit-Remaining": str(limit - limiter.used),
            "X-RateLimit-Reset": str(int((hour + timedelta(hours=1)).timestamp())),
        }
    if over:
        raise Refusal(429, {"status": False, "message": "Rate limit exceeded"}, headers)
    return headers


def _key(state: PerfexState, request: Request, token: str) -> tuple[str, str] | None:
    key = request.headers.get("idempotency-key", "")
    if not state.modern or request.method != "POST" or not key:
        return None
    if len(key) > MAX_KEY:
        raise said(400, "Idempotency-Key is too long.")
    return token, key


def _stored(state: PerfexState, request: Request, token: str) -> Stored | None:
    key = _key(state, request, token)
    stored = None if key is None else state.replies.get(key)
    if stored is not None and stored.at + REPLAY_LIFE <= state.clock():
        return None
    return stored


def _store(state: PerfexState, request: Request, token: str, stored: Stored) -> None:
    """Keeps every reply below 500, refusals too."""
    key = _key(state, request, token)
    if key is not None and stored.status < 500:
        state.replies[key] = stored


async def _fields(state: PerfexState, request: Request) -> Mapping[str, Any]:
    if request.method not in ("POST", "PUT"):
        return {}
    body = await request.body()
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "application/json":
        if request.method == "POST" and not state.modern:
            return _ignored(state)
        return _json(body)
    if request.method == "PUT" and not state.modern and body:
        raise fatal("Uncaught Error: Parse_input_stream: undefined offset")
    if kind == "multipart/form-data":
        async with request.form() as form:
            return nest([(key, item) for key, item in form.multi_items() if isinstance(item, str)])
    return parse_form(body)


def _ignored(state: PerfexState) -> Mapping[str, Any]:
    """2.x looks at the form only: a JSON body is as good as none."""
    if state.config.json_post == "success":
        raise Refusal(200, {"status": True, "message": "Customer add successful."})
    return {}


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        found = exact.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
