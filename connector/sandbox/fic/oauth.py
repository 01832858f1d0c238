"""The consent page and the token endpoint (facts §1.1 and §1.2)."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from connector.sandbox import exact
from connector.sandbox.fic.problem import OAuthProblem, answer
from connector.sandbox.fic.scopes import SCOPES
from connector.sandbox.fic.tokens import AppRecord

if TYPE_CHECKING:
    from connector.sandbox.fic.state import FicState

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Authorise</title>
<body><h1>Fatture in Cloud (sandbox)</h1>
<p><b>{client}</b> asks for access to <b>{user}</b>'s companies:</p><ul>{scopes}</ul>
<form method="post" action="{action}">{hidden}
<button name="decision" value="approve">Approve</button>
<button name="decision" value="deny">Deny</button></form></body></html>"""


def _refused(message: str) -> Response:
    """Shown on the vendor's own page: with a doubtful redirect URI nothing is called back."""
    return HTMLResponse(f"<!doctype html><title>Error</title><p>{escape(message)}</p>", 400)


def _back(redirect_uri: str, values: dict[str, str]) -> Response:
    glue = "&" if "?" in redirect_uri else "?"
    kept = {key: value for key, value in values.items() if value}
    return RedirectResponse(redirect_uri + glue + urlencode(kept), 303)


async def authorize(state: FicState, request: Request) -> Response:
    """GET shows the consent page, POST carries the decision."""
    values = dict(request.query_params)
    if request.method == "POST":
        values |= dict(parse_qsl((await request.body()).decode()))
    app = state.tokens.apps.get(values.get("client_id", ""))
    redirect_uri = values.get("redirect_uri", "")
    if app is None:
        return _refused("Unknown application.")
    if not app.may_redirect(redirect_uri):
        return _refused("The redirect URI does not match a registered one.")
    return _consent(state, request, app, values)


def _consent(state: FicState, request: Request, app: AppRecord, values: dict[str, str]) -> Response:
    redirect_uri, back = values["redirect_uri"], {"state": values.get("state", "")}
    scopes = frozenset(values.get("scope", "").split())
    if values.get("response_type") != "code":
        return _back(redirect_uri, {"error": "unsupported_response_type"} | back)
    if not scopes or scopes - SCOPES:
        unknown = " ".join(sorted(scopes - SCOPES)) or "none requested"
        text = f"Invalid scopes: {unknown}"
        return _back(redirect_uri, {"error": "invalid_scope", "error_description": text} | back)
    if request.method == "GET" and not state.config.auto_approve and values.get("auto") != "1":
        return HTMLResponse(_page(state, request, app, values, scopes))
    if values.get("decision", "approve") != "approve":
        text = "The resource owner denied the request."
        return _back(redirect_uri, {"error": "access_denied", "error_description": text} | back)
    challenge = values.get("code_challenge", "")
    code = state.tokens.new_code(app, scopes, redirect_uri, challenge)
    return _back(redirect_uri, back | {"code": code})


def _page(
    state: FicState,
    request: Request,
    app: AppRecord,
    values: dict[str, str],
    scopes: frozenset[str],
) -> str:
    hidden = "".join(
        f'<input type="hidden" name="{escape(key)}" value="{escape(value)}">'
        for key, value in values.items()
    )
    return _PAGE.format(
        client=escape(app.client_id),
        user=escape(state.user["name"]),
        scopes="".join(f"<li>{escape(scope)}</li>" for scope in sorted(scopes)),
        action=escape(request.url.path),
        hidden=hidden,
    )


async def token(state: FicState, request: Request) -> Response:
    """Exchange a code or a refresh token; reads JSON and form bodies alike."""
    try:
        return answer(_exchange(state, _read(await request.body())))
    except OAuthProblem as problem:
        return problem.response()


def _read(body: bytes) -> dict[str, str]:
    try:
        values = exact.loads(body)
    except ValueError:
        values = dict(parse_qsl(body.decode("utf-8", "replace")))
    if not isinstance(values, dict):
        raise OAuthProblem("invalid_request", "The request is malformed.")
    return {str(key): str(value) for key, value in values.items()}


def _exchange(state: FicState, values: dict[str, str]) -> dict[str, object]:
    kind = values.get("grant_type")
    if kind not in ("authorization_code", "refresh_token"):
        if not kind:
            raise OAuthProblem("invalid_request", "The grant_type parameter is missing.")
        raise OAuthProblem("unsupported_grant_type", "The grant type is not supported.")
    app = state.tokens.apps.get(values.get("client_id", ""))
    if app is None or app.client_secret != values.get("client_secret"):
        raise OAuthProblem("invalid_client", "Client authentication failed.")
    needed = ("code", "redirect_uri") if kind == "authorization_code" else ("refresh_token",)
    for name in needed:
        if not values.get(name):
            raise OAuthProblem("invalid_request", f"The {name} parameter is missing.")
    if kind == "refresh_token":
        return state.tokens.pair(state.tokens.rotate(app, values["refresh_token"]))
    verifier = values.get("code_verifier", "")
    grant = state.tokens.exchange(app, values["code"], values["redirect_uri"], verifier)
    return state.tokens.pair(grant)
