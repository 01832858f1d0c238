"""`/oauth/callback`: where the browser returns after the owner has said yes or no.

This page ends what the API or the shell has begun. Their caller says who gets the consent's
address, and the state in it is a secret of the two. What the pages begin ends in
`connector/web/pages/consent.py`, and only in the session that began it.
"""

from __future__ import annotations

import html
import logging
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from connector.errors import ConnectorError
from connector.runtime.consents import way_of
from connector.web.answers import HTML, log_surprise, send_answer, status_of
from connector.web.gate import host_allowed
from connector.web.ports import Runtime, Scope, Send

log = logging.getLogger("connector.web.consent")

MAX_VALUE = 4096
MAX_FIELDS = 16
_ERROR_CODE = re.compile(r"[a-z_]{1,64}")
_PAGE = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width"><title>{title}</title></head>'
    "<body><main><h1>{title}</h1><p>{text}</p></main></body></html>\n"
)
_AGAIN = "Start the connection again from Connector."


class ConsentPage:
    """The ASGI app of the callback; the code and the state are used once and never logged."""

    def __init__(self, runtime: Runtime, hosts: frozenset[str]) -> None:
        self._runtime = runtime
        self._hosts = hosts

    async def serve_page(self, scope: Scope, send: Send) -> None:
        """Finish the consent, and tell its owner in plain HTML how it went."""
        if scope["method"] != "GET":
            allow = ((b"allow", b"GET"),)
            await _page(send, 405, "Not connected", "This address only answers GET.", allow)
        elif not host_allowed(scope, self._hosts):
            await _page(send, 421, "Not connected", "This host name is not served here.")
        else:
            status, heading, text = await self._finish(scope.get("query_string", b""))
            await _page(send, status, heading, text)

    async def _finish(self, query: bytes) -> tuple[int, str, str]:
        """Status, heading and sentence."""
        values = single_values(query)
        if "error" in values:
            return 400, "Not connected", f"The app answered: {error_code(values)}. {_AGAIN}"
        if not values.get("state") or not values.get("code"):
            return 400, "Not connected", f"The app sent no usable answer. {_AGAIN}"
        try:
            connection = await self._runtime.finish_connect(values["state"], values["code"])
        except ConnectorError as error:
            log.warning("consent not finished: %s", type(error).__name__)
            return status_of(error), "Not connected", f"{error.message} {error.remedy}"
        except Exception as error:  # noqa: BLE001 - its text may hold the code
            log_surprise("consent", error)
            return 500, "Not connected", f"Something failed here. {_AGAIN}"
        text = f"“{connection.name}” is connected. You may close this page."
        return 200, "Connected", text


def is_of_pages(scope: Scope) -> bool:
    """Whether this answers a consent that began in the pages."""
    state = single_values(scope.get("query_string", b"")).get("state", "")
    return scope["method"] == "GET" and way_of(state) is not None


def error_code(values: Mapping[str, str]) -> str:
    """Why the app refused, where it says it as the standard wants it."""
    return values["error"] if _ERROR_CODE.fullmatch(values["error"]) else "unknown"


def single_values(query: bytes) -> dict[str, str]:
    """The query's values; nothing at all when it is malformed or says something twice."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}
    values = dict(pairs)
    if len(values) != len(pairs) or any(len(value) > MAX_VALUE for value in values.values()):
        return {}
    return values


async def _page(
    send: Send, status: int, title: str, text: str, more: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    page = _PAGE.format(title=html.escape(title), text=html.escape(text.strip()))
    await send_answer(send, status, page.encode(), HTML, more)
