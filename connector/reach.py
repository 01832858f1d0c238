"""Which addresses a URL that a user gave may lead to: judged by the address, never by its name."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

NETWORKS = "CONNECTOR_ALLOWED_NETWORKS"
PORTS = "CONNECTOR_ALLOWED_PORTS"

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


WORDS = {
    "loopback": _networks("127.0.0.0/8", "::1/128"),
    "private": _networks("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
}

# Clouds hand out the credentials of a machine there, also from inside networks one would allow.
METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
                 "192.0.0.192")
)  # fmt: skip

# What Python's `is_global` takes for public, or took in one of the versions that we run on.
NOT_PUBLIC = _networks(
    "0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/3",
    "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
)  # fmt: skip
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
"""All that was ever given out for the internet; what lies beside it is special in some way."""

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
COMPATIBLE = ipaddress.IPv6Network("::/96")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no connection may be made, and the setting by which it could be allowed."""

    why: str
    setting: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a user's address may lead: to public servers, and into the operator's `networks`.

    In a `rehearsal`, when we are ourselves to be reached from this machine only, it may lead to
    any port of this machine.
    """

    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})
    rehearsal: bool = False

    def refusal(self, address: str, port: int, *, tls: bool) -> Refusal | None:
        """Why no connection may be made to this IP address, as a resolver gave it; or None."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return Refusal("it leads to no address that we know of", NETWORKS)
        if isinstance(ip, ipaddress.IPv6Address):
            if ip.scope_id is not None:
                return Refusal("it leads to a single network card of this machine", NETWORKS)
            # A socket of this kind speaks IPv4, to that very address.
            ip = ip.ipv4_mapped or ip
        if self.rehearsal and _in(ip, WORDS["loopback"]):
            return None
        if port not in self.ports:
            return Refusal(f"port {port} is not among those allowed", PORTS)
        allowed = self._allows(ip)
        for one in (ip, *_inside(ip)):
            why = None if self._allows(one) else _not_public(one)
            if why:
                return Refusal(f"it leads {why}", NETWORKS)
        if not tls and not allowed:
            return Refusal("without https, the token would travel in clear", NETWORKS)
        return None

    def _allows(self, ip: Address) -> bool:
        found = [network for network in self.networks if ip in network]
        if ip in METADATA:
            # Only who names this very address can mean it.
            found = [network for network in found if network.num_addresses == 1]
        return bool(found)


REHEARSAL = Reach(rehearsal=True)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks and words, separated by commas. Raises ValueError that says what is wrong."""
    found: list[Network] = []
    for one in _parts(text):
        if one in WORDS:
            found += WORDS[one]
            continue
        try:
            found.append(ipaddress.ip_network(one))
        except ValueError:
            raise ValueError(
                "must be networks such as 10.0.0.0/8 (zeros behind the mask), or the words "
                "loopback and private, separated by commas"
            ) from None
    return tuple(found)


def parse_ports(text: str) -> frozenset[int]:
    """Port numbers, separated by commas. Raises ValueError that says what is wrong."""
    parts = _parts(text)
    if not parts or not all(one.isascii() and one.isdigit() for one in parts):
        raise ValueError("must be port numbers, separated by commas")
    ports = frozenset(int(one) for one in parts)
    if not all(0 < port < 65536 for port in ports):
        raise ValueError("must be port numbers from 1 to 65535")
    return ports


def is_this_machine(host: str) -> bool:
    """Whether a host name can only mean this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(text: str) -> list[str]:
    return [one.strip().lower() for one in text.split(",") if one.strip()]


def _inside(ip: Address) -> Iterator[Address]:
    """The IPv4 addresses that a translator or a tunnel on the way would reach with this one."""
    if not isinstance(ip, ipaddress.IPv6Address):
        return
    number = int(ip)
    last = ipaddress.IPv4Address(number & 0xFFFF_FFFF)
    # The first addresses of the compatible network have names of their own: :: and ::1.
    if ip in NAT64 or (ip in COMPATIBLE and number > 1) or number >> 32 & 0xFFFF_FFFF in ISATAP:
        yield last
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo


def _in(ip: Address, networks: tuple[Network, ...]) -> bool:
    return any(ip in network for network in networks)


def _not_public(ip: Address) -> str | None:
    """Where an address leads that no public server has."""
    if ip in METADATA:
        return "to what a cloud keeps for its own machines"
    if ip.is_loopback or ip.is_unspecified:
        return "to this machine itself"
    if _in(ip, WORDS["private"]):
        return "into a private network"
    odd = isinstance(ip, ipaddress.IPv6Address) and ip not in PUBLIC_V6
    if odd or not ip.is_global or ip.is_multicast or _in(ip, NOT_PUBLIC):
        return "to an address that no public server has"
    return None
