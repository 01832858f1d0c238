"""The `/_sandbox` endpoints both apps share: fault rules, counters, list lag."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from difflib import get_close_matches
from typing import Any, Protocol

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connector.sandbox import exact
from connector.sandbox.faults import CONTROL, FaultBook
from connector.sandbox.ledger import Ledger


class Controlled(Protocol):
    """What both states have."""

    ledger: Ledger
    faults: FaultBook
    list_lag: float


Handler = Callable[[Request, dict[str, Any]], Any]


class Wrong(ValueError):
    """A control call that makes no sense; its text is the answer."""


class Unknown(Wrong):
    """A control call with fields that there are not: 422, with a sentence for each."""

    def __init__(self, what: str, unknown: Iterable[str], known: Iterable[str]) -> None:
        names, near = sorted(known), get_close_matches
        self.fields: dict[str, str] = {}
        for name in sorted(unknown):
            like = near(name, names, 1)
            hint = f" Did you mean {like[0]}?" if like else f" There are: {', '.join(names)}."
            self.fields[name] = f"{what} have no field {name}.{hint}"
        super().__init__(" ".join(self.fields.values()))


def reply(body: Any, status: int = 200) -> Response:
    """A JSON answer of the control side."""
    return Response(exact.dumps(body), status, media_type="application/json")


def control(path: str, method: str, handler: Handler) -> Route:
    """One control route; the handler gets the JSON body and gives JSON."""

    async def run(request: Request) -> Response:
        raw = await request.body()
        try:
            body = exact.loads(raw) if raw.strip() else {}
            if not isinstance(body, dict):
                raise Wrong("the body must be a JSON object")
            result = handler(request, body)
            if isinstance(result, Awaitable):
                result = await result
        except Unknown as error:
            return reply({"error": str(error), "fields": error.fields}, 422)
        except (Wrong, ValidationError) as error:
            return reply({"error": str(error)}, 400)
        except ValueError:
            return reply({"error": "the body is not JSON"}, 400)
        return reply(result)

    return Route(f"{CONTROL}{path}", run, methods=[method])


def shared_routes(state: Controlled) -> list[Route]:
    """Fault rules, counters and list lag."""

    def add_fault(request: Request, body: dict[str, Any]) -> Any:
        return state.faults.add(**body).model_dump()

    def faults(request: Request, body: dict[str, Any]) -> Any:
        return {"faults": [rule.model_dump() for rule in state.faults.rules]}

    def clear_faults(request: Request, body: dict[str, Any]) -> Any:
        state.faults.rules.clear()
        return {"faults": []}

    def counters(request: Request, body: dict[str, Any]) -> Any:
        return state.ledger.as_data()

    def clear_counters(request: Request, body: dict[str, Any]) -> Any:
        state.ledger.clear()
        return state.ledger.as_data()

    def lag(request: Request, body: dict[str, Any]) -> Any:
        state.list_lag = float(body.get("seconds", 0))
        return {"seconds": state.list_lag}

    return [
        control("/faults", "POST", add_fault),
        control("/faults", "GET", faults),
        control("/faults", "DELETE", clear_faults),
        control("/counters", "GET", counters),
        control("/counters", "DELETE", clear_counters),
        control("/list_lag", "POST", lag),
    ]
