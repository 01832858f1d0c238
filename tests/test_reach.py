"""connector.reach: which addresses a user's URL may lead to, however they are spelt."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from connector.errors import NotSent
from connector.http.wire import judge, resolve
from connector.reach import (
    REHEARSAL,
    WORDS,
    Reach,
    is_this_machine,
    parse_networks,
    parse_ports,
)

PUBLIC = Reach()

# What a resolver may answer, and where it leads.
HOSTILE = {
    # this machine
    "127.0.0.1": "this machine",
    "127.1.2.3": "this machine",
    "127.255.255.254": "this machine",
    "0.0.0.0": "this machine",
    "0.1.2.3": "no public server",
    "::": "this machine",
    "::1": "this machine",
    "::ffff:127.0.0.1": "this machine",
    "::ffff:0.0.0.0": "this machine",
    # private networks
    "10.0.0.1": "private",
    "10.255.255.255": "private",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.168.0.1": "private",
    "::ffff:10.0.0.1": "private",
    "::ffff:a00:1": "private",
    "::ffff:192.168.1.1": "private",
    "fc00::1": "private",
    "fdff:ffff::1": "private",
    "100.64.0.1": "no public server",
    "100.127.255.255": "no public server",
    # clouds
    "169.254.169.254": "cloud",
    "::ffff:169.254.169.254": "cloud",
    "fd00:ec2::254": "cloud",
    "100.100.100.200": "cloud",
    "168.63.129.16": "cloud",
    "192.0.0.192": "cloud",
    # one card, one group, nobody
    "169.254.0.1": "no public server",
    "fe80::1": "no public server",
    "fe80::1%eth0": "network card",
    "fe80::1%1": "network card",
    "2606:4700::1111%eth0": "network card",
    "::1%lo": "network card",
    "fec0::1": "no public server",
    "224.0.0.1": "no public server",
    "239.255.255.250": "no public server",
    "240.0.0.1": "no public server",
    "255.255.255.255": "no public server",
    "ff02::1": "no public server",
    "ff0e::1": "no public server",
    "192.0.0.1": "no public server",
    "192.0.0.170": "no public server",
    "192.88.99.1": "no public server",
    "192.0.2.1": "no public server",
    "198.18.0.1": "no public server",
    "198.51.100.1": "no public server",
    "203.0.113.1": "no public server",
    "2001:db8::1": "no public server",
    "3fff::1": "no public server",
    "5f00::1": "no public server",
    "100::1": "no public server",
    "2001:2::1": "no public server",
    "2001:10::1": "no public server",
    "2001:20::1": "no public server",
    # IPv4 inside IPv6
    "64:ff9b::7f00:1": "no public server",
    "64:ff9b::10.0.0.1": "no public server",
    "64:ff9b::8.8.8.8": "no public server",
    "64:ff9b:1::10.0.0.1": "no public server",
    "2002:7f00:1::": "no public server",
    "2002:a00:1::1": "no public server",
    "2002:808:808::1": "no public server",
    "2001:0:a00:1::1": "no public server",
    "2001:0:808:808:0:0:f5ff:fffe": "no public server",
    "::127.0.0.1": "no public server",
    "::10.0.0.1": "no public server",
    "::8.8.8.8": "no public server",
    "2606:4700::5efe:10.0.0.1": "private",
    "2606:4700::200:5efe:169.254.169.254": "cloud",
    # what is no address at all
    "": "no address",
    "localhost": "no address",
    "/tmp/socket": "no address",
}

# What a resolver makes an address of: only what comes out counts.
SPELLINGS = (
    "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0",
    "0x0", "0.0", "10.1", "167772161", "0xa.0.0.1", "012.0.0.1", "0xa9fea9fe", "2852039166",
    "169.16689662", "0xa9.254.0251.254", "192.168.257", "0300.0250.1", "127.0.0.1.", "localhost",
    "0:0:0:0:0:0:0:1", "::0001", "0::ffff:7f00:1", "::ffff:0x7f.1", "[::1]",
)  # fmt: skip


@pytest.mark.parametrize(("address", "words"), HOSTILE.items())
def test_no_user_reaches(address: str, words: str) -> None:
    refusal = PUBLIC.refusal(address, 443, tls=True)
    assert refusal is not None
    assert words in refusal.why
    assert refusal.setting == "CONNECTOR_ALLOWED_NETWORKS"


def test_the_table_is_long_enough() -> None:
    assert len(HOSTILE) + len(SPELLINGS) >= 60


@pytest.mark.parametrize("name", SPELLINGS)
async def test_a_spelling_hides_nothing(name: str) -> None:
    try:
        found = await resolve(name, 443)
    except OSError:
        # This system's resolver knows no such spelling: there is nothing to connect to.
        return
    with pytest.raises(NotSent) as caught:
        judge(PUBLIC, name, 443, found, tls=True)
    assert caught.value.field == "address"


async def test_this_system_knows_spellings_at_all() -> None:
    found = [await resolve(name, 443) for name in ("127.1", "2130706433", "0x7f000001")]
    assert {address[0] for one in found for _, address in one} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "1.1.1.1", "93.184.215.14", "172.15.0.1", "172.32.0.1", "192.167.1.1",
     "100.63.0.1", "100.128.0.1", "11.0.0.1", "2606:4700:4700::1111", "2a00:1450:4002::200e",
     "::ffff:8.8.8.8", "223.255.255.254", "2001:4860:4860::8888", "2620:fe::fe"],
)  # fmt: skip
def test_public_servers_are_reached(address: str) -> None:
    assert PUBLIC.refusal(address, 443, tls=True) is None


def test_plain_http_reaches_no_public_server() -> None:
    refusal = PUBLIC.refusal("8.8.8.8", 80, tls=False)
    assert refusal is not None
    assert "https" in refusal.why


@pytest.mark.parametrize("port", [22, 25, 5432, 6379, 8080, 8443, 65535])
def test_other_ports_are_not_reached(port: int) -> None:
    refusal = PUBLIC.refusal("8.8.8.8", port, tls=True)
    assert refusal is not None
    assert refusal.setting == "CONNECTOR_ALLOWED_PORTS"
    assert str(port) in refusal.why
    assert Reach(ports=frozenset({port})).refusal("8.8.8.8", port, tls=True) is None


class TestRehearsal:
    @pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    @pytest.mark.parametrize("port", [80, 8421, 61234])
    def test_this_machine_is_reached_at_any_port(self, address: str, port: int) -> None:
        assert REHEARSAL.refusal(address, port, tls=False) is None

    @pytest.mark.parametrize(
        "address", [one for one, words in HOSTILE.items() if "127" not in one and one != "::1"]
    )
    def test_nothing_else_is(self, address: str) -> None:
        assert REHEARSAL.refusal(address, 443, tls=True) is not None


class TestAllowed:
    def reach(self, networks: str, ports: str = "80,443") -> Reach:
        return Reach(parse_networks(networks), parse_ports(ports))

    @pytest.mark.parametrize(
        ("networks", "address"),
        [
            ("10.0.0.0/8", "10.1.2.3"),
            ("10.0.0.0/8", "::ffff:10.1.2.3"),
            ("10.1.2.3", "10.1.2.3"),
            ("private", "192.168.1.1"),
            ("private", "fd12::1"),
            ("loopback", "127.0.0.1"),
            (" Loopback , PRIVATE ", "::1"),
            ("fe80::/10, 169.254.0.0/16", "169.254.3.4"),
            ("64:ff9b::/96", "64:ff9b::8.8.8.8"),
            ("64:ff9b::/96,10.0.0.0/8", "64:ff9b::10.0.0.1"),
            ("169.254.169.254", "169.254.169.254"),
        ],
    )
    def test_the_networks_that_the_operator_names_are_reached_without_https_too(
        self, networks: str, address: str
    ) -> None:
        reach = self.reach(networks)
        assert reach.refusal(address, 443, tls=True) is None
        assert reach.refusal(address, 80, tls=False) is None
        assert reach.refusal(address, 8080, tls=False) is not None

    @pytest.mark.parametrize(
        ("networks", "address"),
        [
            ("10.0.0.0/8", "172.16.0.1"),
            ("10.0.0.0/8", "192.168.0.1"),
            ("private", "127.0.0.1"),
            ("private", "169.254.0.1"),
            ("private", "100.64.0.1"),
            ("private", "fd00:ec2::254"),
            ("0.0.0.0/0", "169.254.169.254"),
            ("169.254.0.0/16", "169.254.169.254"),
            ("169.254.169.252/30", "169.254.169.254"),
            ("0.0.0.0/0", "::1"),
            ("64:ff9b::/96", "64:ff9b::10.0.0.1"),
            ("64:ff9b::/96", "64:ff9b::a9fe:a9fe"),
            ("2002::/16", "2002:7f00:1::"),
            ("2001::/32", "2001:0:a00:1::1"),
            ("fe80::/10", "fe80::1%eth0"),
            ("loopback", "0.0.0.0"),
        ],
    )
    def test_and_nothing_beside_them(self, networks: str, address: str) -> None:
        assert self.reach(networks).refusal(address, 443, tls=True) is not None


class TestSettings:
    def test_words_and_networks_are_read(self) -> None:
        found = parse_networks("loopback,10.0.0.0/8, fd00::/8 ,192.0.2.7")
        assert found[:2] == WORDS["loopback"]
        assert [str(one) for one in found[2:]] == ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]
        assert parse_networks("") == ()

    @pytest.mark.parametrize("text", ["10.0.0.1/8", "lan", "10.0.0.0/40", "10.0.0.0-10.1.0.0"])
    def test_what_is_no_network_is_said(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"10\.0\.0\.0"):
            parse_networks(text)

    @pytest.mark.parametrize("text", ["", "https", "0", "65536", "80-90", "-1", "８０", "80;443"])
    def test_what_is_no_port_is_said(self, text: str) -> None:
        with pytest.raises(ValueError, match="port numbers"):
            parse_ports(text)


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("a.localhost", True), ("127.0.0.1", True), ("::1", True),
     ("0.0.0.0", False), ("hub.example", False), ("10.0.0.1", False), ("", False),
     ("localhost.example", False), ("127.0.0.1.example", False)],
)  # fmt: skip
def test_which_names_can_only_mean_this_machine(host: str, local: bool) -> None:
    assert is_this_machine(host) is local


class TestJudge:
    def found(self, *addresses: str) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
        return [
            (socket.AF_INET6, (one, 443, 0, 0))
            if ipaddress.ip_address(one).version == 6
            else (socket.AF_INET, (one, 443))
            for one in addresses
        ]

    @pytest.mark.parametrize(
        "addresses",
        [("8.8.8.8", "10.0.0.1"), ("10.0.0.1", "8.8.8.8"), ("2606:4700::1111", "::1"),
         ("8.8.8.8", "2606:4700::1111", "64:ff9b::7f00:1")],
    )  # fmt: skip
    def test_one_bad_answer_condemns_all(self, addresses: tuple[str, ...]) -> None:
        with pytest.raises(NotSent, match="is not called"):
            judge(PUBLIC, "crm.example", 443, self.found(*addresses), tls=True)

    def test_good_answers_pass(self) -> None:
        judge(PUBLIC, "crm.example", 443, self.found("8.8.8.8", "2606:4700::1111"), tls=True)

    def test_an_answer_for_one_network_card_is_refused(self) -> None:
        scoped = [(socket.AF_INET6, ("2606:4700::1111", 443, 0, 2))]
        with pytest.raises(NotSent, match="network card"):
            judge(PUBLIC, "crm.example", 443, scoped, tls=True)

    def test_it_says_what_to_do_and_who_but_not_the_address_behind_the_name(self) -> None:
        with pytest.raises(NotSent) as caught:
            judge(PUBLIC, "crm.example", 443, self.found("10.20.30.40"), tls=True)
        error = caught.value
        assert (error.field, error.who) == ("address", "connection_owner")
        assert "CONNECTOR_ALLOWED_NETWORKS" in error.remedy
        assert "whoever runs Connector" in error.remedy
        assert "10.20.30.40" not in str(error)
