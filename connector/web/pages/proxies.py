"""Which address a request comes from, when proxies of ours stand before us."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from starlette.requests import Request

from connector.reach import Network

FORWARDED = "x-forwarded-for"


def is_through(request: Request, proxies: Sequence[Network]) -> bool:
    """Whether one of these proxies hands us the request itself."""
    return request.client is not None and _is_of(request.client.host, proxies)


def address_of(request: Request, proxies: Sequence[Network]) -> str:
    """Who asked the last of our proxies; what anybody else says of addresses counts for nothing.

    Each proxy adds whom it was asked by at the right: what stands left of the first one that is
    none of ours may be invented.
    """
    found = request.client.host if request.client else ""
    told = ",".join(request.headers.getlist(FORWARDED)).split(",")
    while told and _is_of(found, proxies):
        before = _plain(told.pop())
        if not before:
            break
        found = before
    return found


def _plain(text: str) -> str:
    """An address without the port that some proxies write behind it; empty for anything else."""
    text = text.strip()
    for one in (text, text.rpartition(":")[0], text.partition("]")[0]):
        try:
            return str(ip_address(one.strip("[]")))
        except ValueError:
            continue
    return ""


def _is_of(address: str, networks: Sequence[Network]) -> bool:
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in networks)
