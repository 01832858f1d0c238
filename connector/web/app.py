"""One ASGI app for all that Connector answers over HTTP; it also runs under a prefix elsewhere."""

from __future__ import annotations

from urllib.parse import urlsplit

from connector.codec import encode
from connector.runtime.connect import CALLBACK_PATH
from connector.settings import Settings
from connector.web.answers import log_surprise, send_answer, send_problem
from connector.web.consent import ConsentPage, is_of_pages
from connector.web.gate import Gate
from connector.web.hooks import HookEdge
from connector.web.ports import Asgi, Receive, Runtime, Scope, Send
from connector.web.tokens import TokenCheck, api_token

API = "/api/"
HOOKS = "/hooks/"


def make_app(runtime: Runtime, settings: Settings) -> Asgi:
    """The web of one runtime, which the caller starts and stops. Raises ConnectorError.

    Mounted in another ASGI app it honours `root_path`; there, the outer server's own deadlines
    and limits guard the sockets.
    """
    from connector.web.api import make_api
    from connector.web.pages import make_pages

    check = TokenCheck(api_token(settings))
    api = Gate(make_api(runtime), check, settings.hosts, settings.limits)
    hooks = HookEdge(runtime, settings.limits)
    consent = ConsentPage(runtime, settings.hosts)
    prefix = urlsplit(settings.base_url).path.rstrip("/")
    return _Web(runtime, hooks, consent, api, make_pages(runtime, settings), prefix)


class _Web:
    def __init__(
        self,
        runtime: Runtime,
        hooks: HookEdge,
        consent: ConsentPage,
        api: Asgi,
        pages: Asgi,
        prefix: str,
    ) -> None:
        self._runtime = runtime
        self._hooks = hooks
        self._consent = consent
        self._api = api
        self._pages = pages
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await _not_http(scope, receive, send)
            return
        if self._prefix and not scope.get("root_path"):
            # A proxy publishes us under a prefix, whether it cuts it off or not.
            scope = {**scope, "root_path": self._prefix}
        path = _path(scope)
        if path.startswith(HOOKS):
            await self._hooks.serve_hook(path[len(HOOKS) :], scope, receive, send)
        elif path.startswith(API):
            await self._api(scope, receive, send)
        elif path == CALLBACK_PATH and not is_of_pages(scope):
            await self._consent.serve_page(scope, send)
        elif path in ("/healthz", "/readyz"):
            await self._health(path, scope["method"], send)
        else:
            await self._pages(scope, receive, send)

    async def _health(self, path: str, method: str, send: Send) -> None:
        if method not in ("GET", "HEAD"):
            await send_problem(
                send, 405, "This address only answers GET.", more=((b"allow", b"GET, HEAD"),)
            )
            return
        if path == "/healthz":
            await send_answer(send, 200, encode({"status": "alive"}))
            return
        try:
            reasons = dict(await self._runtime.ready())
        except Exception as error:  # noqa: BLE001 - a runtime that cannot even say so is not ready
            log_surprise("readiness", error)
            reasons = {"runtime": "It cannot tell its state."}
        state = "not ready" if reasons else "ready"
        body = encode({"status": state, "reasons": reasons})
        await send_answer(send, 503 if reasons else 200, body)


def _path(scope: Scope) -> str:
    """The path below the prefix that we are mounted under."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    if root and path.startswith(f"{root}/"):
        return path[len(root) :]
    return path


async def _not_http(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
    if scope["type"] != "lifespan":
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
