"""Pictures: outcome and throughput over time, how long runs take, and what is left of quotas."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from connector.quota.account import MONTH, start_of
from connector.web.pages.asked import Asked
from connector.web.pages.drawing import ENDS, NARROW, WIDE, bars, burn_down, latency
from connector.web.pages.emptiness import situation
from connector.web.pages.naming import flow_names
from connector.web.pages.site import Site
from connector.web.pages.telling import Telling

FRAMES = (WIDE, NARROW)
STRETCHES = {"day": (24, "hour"), "week": (7, "day"), "month": (30, "day")}


def routes(site: Site) -> list[BaseRoute]:
    """One page of pictures, each with its table."""

    async def show(request: Request) -> Response:
        words, now = site.words(request), site.clock()
        asked = Asked.of(request.query_params, now, words.zone, "day")
        name = asked.plain.get("period", "day")
        count, unit = STRETCHES.get(name, STRETCHES["day"])
        spans = stretches(now, count, unit, words.zone)
        flow = asked.word("flow")
        names = await flow_names(site.runtime, words)
        told = await site.runtime.past.pictures(spans, flow)
        return await site.render(
            request,
            "pictures.html",
            asked=asked,
            period=name if name in STRETCHES else "day",
            unit=unit,
            why=None if any_ended(told["spans"]) else await situation(site, flow),
            flows=list(names),
            names=names,
            told=told,
            bars=[bars(told["spans"], one) for one in FRAMES],
            latency=[latency(told["spans"], one) for one in FRAMES],
            quotas=_quotas(await site.runtime.quotas(), now),
            ends=ENDS,
            tell=Telling(words),
        )

    return [site.page("/pictures", show)]


def any_ended(spans: Any) -> bool:
    """Whether there is anything to draw."""
    return any(one["accepted"] or any(one["ends"].values()) for one in spans)


def stretches(now: float, count: int, unit: str, zone: tzinfo | None) -> list[tuple[float, float]]:
    """The last hours, or the last days where the reader is, which may have 23 or 25 hours."""
    if unit == "hour":
        last = now - now % 3600 + 3600
        return [(last - (left + 1) * 3600, last - left * 3600) for left in reversed(range(count))]
    here = datetime.fromtimestamp(now, UTC).astimezone(zone)
    midnight = here.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)

    def moment(days: int) -> float:
        day = midnight + timedelta(days=days)
        return (day.replace(tzinfo=zone) if zone else day.astimezone()).timestamp()

    return [(moment(-left), moment(1 - left)) for left in reversed(range(count))]


def _quotas(rows: Any, now: float) -> list[Mapping[str, Any]]:
    drawn: list[Mapping[str, Any]] = []
    for row in rows:
        for window in row["windows"]:
            if window["seconds"] < MONTH:
                continue
            start = start_of(now, window["seconds"])
            pictures = [burn_down(window, now, start, one) for one in FRAMES]
            if pictures[0] is not None:
                drawn.append({**row, "window": window, "pictures": pictures})
    return drawn
