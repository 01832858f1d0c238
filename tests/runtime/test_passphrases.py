"""How dear a passphrase is to guess for whoever holds its hash."""

from __future__ import annotations

from connector.runtime.people import _fits, _hashed

OLD = (
    "scrypt$16384$8$1$000102030405060708090a0b0c0d0e0f$"
    "10fac0fa636fb75bd4c968ee1bedd6379df94bc4a53f79ef1f38101bce205ecf"
)
"""Of a time when one lane was enough."""


def test_a_hash_costs_what_is_asked_of_scrypt_today() -> None:
    kept = _hashed("seven brown horses")
    assert kept.split("$")[:4] == ["scrypt", str(2**14), "8", "5"]
    assert _fits("seven brown horses", kept)
    assert not _fits("seven brown horse", kept)


def test_a_hash_of_before_still_lets_its_owner_in() -> None:
    assert _fits("seven brown horses", OLD)
    assert not _fits("seven brown horse", OLD)
