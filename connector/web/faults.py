"""Turns whatever goes wrong behind the API into the one problem shape."""

from __future__ import annotations

import math
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError

from connector.codec import decode, encode
from connector.errors import ConnectorError, Throttled
from connector.web.answers import PROBLEM, problem, problem_of

DETAILS = {
    400: "The body is no JSON that can be read.",
    404: "There is nothing at this address.",
    405: "This address does not answer that method.",
    500: "Something failed here that we did not foresee.",
}


class NoSuchRecord(Exception):
    """This tenant has no such record; another tenant's looks the same."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


async def exact_body(request: Request) -> Any:
    """The JSON as it was sent, where FastAPI would have made floats of money."""
    try:
        return decode(await request.body())
    except ValueError as error:
        # What FastAPI reads and JSON does not know: NaN, half a surrogate, a mark of byte order.
        told = {"type": "json_invalid", "loc": ("body",), "msg": str(error)}
        raise RequestValidationError([told]) from None


def add_handlers(app: FastAPI) -> None:
    """Make the app answer every error as a problem; the Gate logs what nobody foresaw."""
    app.add_exception_handler(ConnectorError, _ours)
    app.add_exception_handler(NoSuchRecord, _missing)
    app.add_exception_handler(RequestValidationError, _invalid)
    for status in range(400, 600):
        # By status, and so whichever of the framework's exceptions carries it.
        app.add_exception_handler(status, _bare)


def answer_problem(body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """A problem as a response."""
    kind = PROBLEM.decode()
    return Response(encode(body), status_code=body["status"], headers=headers, media_type=kind)


async def _ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, ConnectorError)
    headers = {}
    if isinstance(error, Throttled):
        headers["retry-after"] = str(math.ceil(error.retry_after))
    return answer_problem(problem_of(error), headers)


async def _missing(request: Request, error: Exception) -> Response:
    assert isinstance(error, NoSuchRecord)
    return answer_problem(problem(404, f"There is no such {error.what}."))


async def _bare(request: Request, error: Exception) -> Response:
    status: int = getattr(error, "status_code", 500)
    detail = DETAILS.get(status, "The request cannot be answered.")
    return answer_problem(problem(status, detail), getattr(error, "headers", None))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [_field(one) for one in error.errors()]
    detail = "The request does not fit this address; `fields` says where."
    return answer_problem(problem(422, detail, fields=fields))


def _field(fault: dict[str, Any]) -> dict[str, Any]:
    """One fault without the value that caused it: it may be a secret."""
    place, *keys = fault["loc"]
    field = {"message": str(fault["msg"]), "where": str(place)}
    if keys and fault["type"] != "json_invalid":
        field["field"] = ".".join(str(key) for key in keys)
    return field
