"""The webhook subscription endpoints (facts §2.1 and §2.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from connector.sandbox.fic.call import Call, missing
from connector.sandbox.fic.problem import (
    Faults,
    answer,
    invalid,
    no_permission,
    required,
    rule_broken,
)
from connector.sandbox.fic.scopes import PREFIX, event_families, expand
from connector.sandbox.fic.tokens import LOOPBACK
from connector.sandbox.fic.webhooks import VERIFY_ATTEMPTS, VERIFY_PAUSE, Subscription

_METHODS = ("header", "query")
_MAPPINGS = ("binary", "structured")


def list_(call: Call) -> Response:
    """All subscriptions of this app at this company; no pages."""
    mine = call.state.webhooks.of_company(call.company.id, call.grant.app.id)
    return answer({"data": [one.as_data() for one in mine]})


def _found(call: Call) -> Subscription:
    found = call.state.webhooks.subscriptions.get(call.path["subscription_id"])
    if found is None or found.company != call.company.id or found.app != call.grant.app.id:
        raise missing()
    return found


def read(call: Call) -> Response:
    """One subscription."""
    return answer({"data": _found(call).as_data()})


def delete(call: Call) -> Response:
    """200, empty; what is already on its way still arrives."""
    del call.state.webhooks.subscriptions[_found(call).id]
    return answer(None)


async def create(call: Call) -> Response:
    """POST: drops types that are unknown or taken, says so, and challenges the sink."""
    if call.state.webhooks.suspended:
        raise no_permission("This app is not enabled to register webhooks")
    data = call.data()
    faults: Faults = {}
    _check(call, data, faults)
    for name in ("sink", "types"):
        if not data.get(name):
            faults.setdefault(f"data.{name}", []).append(required(f"data.{name}"))
    if faults:
        raise invalid(faults)
    types, warnings = _types(call, data["types"], None)
    mapping = _config(data).get("mapping") or "binary"
    made = call.state.webhooks.add(call.company.id, call.grant.app.id, data["sink"], types, mapping)
    await _challenge(call, made, data)
    return _shown(call, made, warnings)


async def modify(call: Call) -> Response:
    """PUT: `types` replaces the list; a new sink must be verified again."""
    found, data = _found(call), call.data()
    faults: Faults = {}
    _check(call, data, faults)
    if faults:
        raise invalid(faults)
    warnings: list[str] = []
    if "types" in data:
        found.types, warnings = _types(call, data["types"], found)
    found.mapping = _config(data).get("mapping") or found.mapping
    if data.get("sink") not in (None, found.sink):
        found.sink, found.verified = data["sink"], False
        found.attempts, found.last_attempt = 0, None
        await _challenge(call, found, data)
    return _shown(call, found, warnings)


async def verify(call: Call) -> Response:
    """Ask for one more challenge: five in all, one every ten minutes.

    Which status a refusal has is not documented; 429 and 403 would read as a quota and a ban.
    """
    found = _found(call)
    data = call.body.get("data")
    now = call.state.clock()
    if found.attempts >= VERIFY_ATTEMPTS and not found.verified:
        raise rule_broken("The verification attempts of this subscription are used up.")
    if found.last_attempt is not None and now < found.last_attempt + VERIFY_PAUSE:
        raise rule_broken("A verification can be asked for every 10 minutes.")
    await _challenge(call, found, data if isinstance(data, Mapping) else {})
    return answer(None)


def _config(data: Mapping[str, Any]) -> Mapping[str, Any]:
    config = data.get("config")
    return config if isinstance(config, Mapping) else {}


def _check(call: Call, data: Mapping[str, Any], faults: Faults) -> None:
    sink = data.get("sink")
    if sink is not None and not _good_sink(sink, loopback=call.state.config.loopback_sinks):
        faults["data.sink"] = ["The data.sink must be a valid HTTPS URL."]
    types = data.get("types")
    if types is not None and not isinstance(types, list):
        faults["data.types"] = ["The data.types must be an array."]
    for path, value, allowed in (
        ("data.verification_method", data.get("verification_method"), _METHODS),
        ("data.config.mapping", _config(data).get("mapping"), _MAPPINGS),
    ):
        if value is not None and value not in allowed:
            faults[path] = [f"The selected {path} is invalid."]


def _good_sink(sink: Any, *, loopback: bool) -> bool:
    if not isinstance(sink, str):
        return False
    try:
        parts = urlsplit(sink)
    except ValueError:
        return False
    if parts.scheme == "https" and parts.hostname:
        return True
    return loopback and parts.scheme == "http" and parts.hostname in LOOPBACK


def _types(
    call: Call, wanted: Sequence[Any], own: Subscription | None
) -> tuple[list[str], list[str]]:
    """The types that survive, and the warnings for those that do not."""
    _need_scopes(call, wanted)
    mine = call.state.webhooks.of_company(call.company.id, call.grant.app.id)
    taken = {type_ for one in mine if one is not own for type_ in one.types}
    kept: list[str] = []
    warnings: list[str] = []
    for type_ in wanted:
        expanded = expand(str(type_))
        if not expanded:
            warnings.append(f"The '{type_}' event does not exist")
        for concrete in expanded:
            if concrete in taken:
                warnings.append(
                    f"The '{concrete}' event is already registered for this application"
                )
            elif concrete not in kept:
                kept.append(concrete)
    return kept, warnings


def _need_scopes(call: Call, wanted: Sequence[Any]) -> None:
    for type_ in wanted:
        for concrete in expand(str(type_)):
            families = event_families()[concrete.removeprefix(PREFIX)]
            call.need(*(f"{family}:r" for family in families))


async def _challenge(call: Call, subscription: Subscription, data: Mapping[str, Any]) -> None:
    """Before the answer by default: a receiver must be ready before it subscribes."""
    webhooks = call.state.webhooks
    method = data.get("verification_method") or "header"
    if call.state.config.challenge_before_answer:
        await webhooks.challenge(subscription, method)
    else:
        call.state.agenda.after(0, lambda: webhooks.challenge(subscription, method))


def _shown(call: Call, subscription: Subscription, warnings: list[str]) -> Response:
    body: dict[str, Any] = {"data": subscription.as_data()}
    if warnings:
        text = call.state.config.warnings_as_text
        body["warnings"] = "; ".join(warnings) if text else warnings
    return answer(body)
