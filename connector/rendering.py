"""Turning a node's inputs into the exact request that will be sent; nothing is sent here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from connector import paths
from connector.codec import encode
from connector.errors import MappingError
from connector.forms import encode_form, encode_multipart, text_of
from connector.model import App, ChoiceSource, Connection, Encoding, HttpRequest, Method, Request

FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"
MAX_SEGMENT = 512
MAX_DEPTH = 64
"""Deepest nesting that is sent: numbers are checked so far."""

_PLACE = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_PATH = re.compile(r"(/[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+/?")


def render_request(
    app: App, connection: Connection, request: Request, inputs: Mapping[str, Any]
) -> HttpRequest:
    """The request of a node, without credentials. Raises MappingError that names the field.

    A place in braces is filled from the inputs, else from the connection's settings. In the path
    it becomes one percent-encoded segment; a query that is one absent place is left out.
    """
    path = fill_path(request.path, connection, inputs)
    query = {}
    for name, template in request.query.items():
        value = _query_value(template, connection, inputs)
        if value is not None:
            query[name] = value
    body = _body(request, inputs)
    return build_request(app, connection, request.method, path, query, body, request.encoding)


def fill_path(template: str, connection: Connection, inputs: Mapping[str, Any]) -> str:
    """A path whose places in braces are filled. Raises MappingError that names the input."""
    return _PLACE.sub(lambda found: _segment(found[1], connection, inputs), template)


def needs_of(source: ChoiceSource) -> tuple[str, ...]:
    """The inputs that say which list of an app is meant."""
    named = list(source.needs)
    if source.request is not None:
        for template in (source.request.path, *source.request.query.values()):
            named += _PLACE.findall(template)
    return tuple(dict.fromkeys(one for one in named if one not in ("search", "page")))


def build_request(
    app: App,
    connection: Connection,
    method: Method,
    path: str,
    query: Mapping[str, str],
    body: Any,
    encoding: Encoding = "json",
) -> HttpRequest:
    """A request to an app whose path is complete. Raises MappingError for what cannot be sent."""
    if _PATH.fullmatch(path) is None or any(part in (".", "..") for part in path.split("/")):
        raise MappingError(
            "The path of the request is not a plain one.", field="path", who="developer"
        )
    url = connection.base_url.rstrip("/") + path
    if query:
        url += "?" + urlencode(query, quote_via=quote)
    headers = [(name.lower(), value) for name, value in app.headers.items()]
    content = b""
    if body is not None:
        kind, content = _encoded(body, encoding)
        headers.append(("content-type", kind))
    return HttpRequest(method=method, url=url, headers=tuple(headers), body=content)


def encode_json(value: Any) -> bytes:
    """Compact JSON with exact numbers. Raises MappingError for NaN and half characters."""
    _check_numbers(value, "")
    try:
        return encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise MappingError(
            f"The data cannot be written as JSON ({type(error).__name__}).",
            remedy="Give text, numbers, yes/no, lists and objects.",
        ) from None


def _check_numbers(value: Any, path: str, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise MappingError(f"The data is nested deeper than {MAX_DEPTH}.", field=path)
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_numbers(inner, f"{path}.{key}" if path else str(key), depth + 1)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            _check_numbers(inner, f"{path}.{index}", depth + 1)
    elif isinstance(value, Decimal | float) and not Decimal(value).is_finite():
        raise MappingError(
            "This is not a number that can be sent.",
            field=path or None,
            value_type="number",
            remedy="Check the calculation behind it.",
        )


def _encoded(body: Any, encoding: Encoding) -> tuple[str, bytes]:
    """A body's media type and bytes."""
    if encoding == "json":
        return JSON_TYPE, encode_json(body)
    if not isinstance(body, Mapping):
        raise MappingError(
            "A form must be an object.", value_type=paths.kind(body), who="developer"
        )
    if encoding == "multipart":
        return encode_multipart(body)
    return FORM_TYPE, encode_form(body)


def _body(request: Request, inputs: Mapping[str, Any]) -> Any:
    if request.root is not None:
        value = paths.get(inputs, request.root)
        if value is paths.ABSENT or value is None:
            raise MappingError(
                "There is nothing to send.",
                field=request.root,
                value_type="nothing",
                remedy="Map at least one field.",
            )
        return value
    if request.wrap:
        return {name: inputs[name] for name in request.wrap if name in inputs}
    return None


def _find(name: str, connection: Connection, inputs: Mapping[str, Any]) -> Any:
    value = paths.get(inputs, name)
    if value is paths.ABSENT or value is None or value == "":
        value = connection.settings.get(name)
    return value


def _segment(name: str, connection: Connection, inputs: Mapping[str, Any]) -> str:
    value = _find(name, connection, inputs)
    if value is None or value == "" or isinstance(value, bool):
        raise MappingError(
            "This value is needed for the address of the request.",
            field=name,
            value_type=paths.kind(value),
            remedy="Map it, or set it on the connection.",
        )
    text = text_of(value, name)
    if text in (".", "..") or len(text) > MAX_SEGMENT or re.search(r"[/\\\x00-\x1f\x7f]", text):
        raise MappingError(
            "This value cannot be part of an address.",
            field=name,
            value_type=paths.kind(value),
            remedy="It may not hold a slash or a control character, nor be too long.",
        )
    return quote(text, safe="")


def _query_value(template: str, connection: Connection, inputs: Mapping[str, Any]) -> str | None:
    alone = _PLACE.fullmatch(template)
    if alone:
        value = _find(alone[1], connection, inputs)
        return None if value is None or value == "" else _query_text(value, alone[1])

    def fill(found: re.Match[str]) -> str:
        value = _find(found[1], connection, inputs)
        if value is None:
            raise MappingError(
                "This value is needed for the address of the request.",
                field=found[1],
                value_type="nothing",
                remedy="Map it, or set it on the connection.",
            )
        return _query_text(value, found[1])

    return _PLACE.sub(fill, template)


def _query_text(value: Any, field: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(text_of(one, field) for one in value)
    return text_of(value, field)
