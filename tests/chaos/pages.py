"""A person's browser in a world: let in by a link, it opens pages and sends their forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from connector.codec import encode
from connector.model import Answer, HttpRequest
from connector.runtime import Runtime
from tests.runtime.kit import HUB, World

_BROWSER = (("origin", HUB), ("sec-fetch-site", "same-origin"), ("accept", "text/html"))


class Browser:
    """Somebody with a session; make one by `let_in`."""

    def __init__(self, w: World, cookies: str = "") -> None:
        self._w = w
        self._cookies = cookies
        self._csrf = ""

    async def get(self, path: str) -> Answer:
        return await self._send("GET", path)

    async def form(self, path: str, values: Mapping[str, Any]) -> Answer:
        """A form of one of our pages; what builds flows sends JSON."""
        token = await self._token()
        if path.startswith("/flows/draft"):
            sent, kind = encode(dict(values)), "application/json"
        else:
            sent, kind = urlencode(values).encode(), "application/x-www-form-urlencoded"
        return await self._send("POST", path, sent, ("content-type", kind), ("x-csrf-token", token))

    async def _token(self) -> str:
        if not self._csrf:
            found = re.search(r'data-csrf="([^"]+)"', (await self.get("/quota")).body.decode())
            assert found
            self._csrf = found[1]
        return self._csrf

    async def _send(
        self, method: Any, path: str, body: bytes = b"", *more: tuple[str, str]
    ) -> Answer:
        headers = (*_BROWSER, ("cookie", self._cookies), *more)
        request = HttpRequest(method=method, url=HUB + path, headers=headers, body=body)
        return await self._w.outside.send(request)


async def let_in(w: World, runtime: Runtime) -> Browser:
    """Whoever is at HUB now, as an owner of the tenant that is served there."""
    stranger = Browser(w)
    link = await runtime.people.make_link("anna", "owner")
    answer = await stranger._send("POST", f"/login/{link}")
    assert answer.status == 303, answer.body
    cookies = [value.split(";")[0] for name, value in answer.headers if name == "set-cookie"]
    return Browser(w, "; ".join(cookies))


async def all_pages(w: World) -> list[str]:
    """Where everything is shown that this world's tenant has."""
    runtime = w.runtime
    paths = ["/", "/runs", "/inbox", "/parked", "/pictures", "/connections", "/quota", "/flows"]
    paths += ["/people", "/flows/new", "/flows/samples", "/flows/nodes"]
    paths += ["/connections/new?app=perfex_crm&name=perfex"]
    paths += [f"/runs/{one['id']}" for one in await w.runs()]
    paths += [f"/inbox/{one['id']}" for one in await w.events()]
    paths += [f"/parked/{one['key']}?look=1" for one in await runtime.list_parked()]
    paths += [f"/connections/{one.id}?companies=1" for one in await runtime.list_connections()]
    for flow in await runtime.list_flows():
        paths += [f"/flows/{flow['key']}{more}" for more in ("", "/versions", "/delete")]
    return paths
