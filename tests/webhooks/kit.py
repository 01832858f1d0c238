"""Deliveries as Fatture in Cloud sends them, signed with keys of our own."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from connector.apps.fatture_in_cloud.resources import PREFIX
from connector.model import Hook, Inbound

NOW = datetime(2026, 4, 4, 12, 0, tzinfo=UTC)
LATER = int(NOW.timestamp())
URL = "https://hub.example.it/hooks/7Q2x"
EVENT_ID = "198:f059b211-24f4-44ab-9859-b1613a9a0712"
TYPE = PREFIX + "entities.clients.create"
CHALLENGE = "0123456789abcdef0123456789abcdef"


def new_key() -> tuple[ec.EllipticCurvePrivateKey, str]:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private, pem.decode()


KEY, PEM = new_key()
OTHER_KEY, OTHER_PEM = new_key()


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(private: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    r, s = decode_dss_signature(private.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def make_token(
    claims: dict[str, Any] | bytes,
    *,
    private: ec.EllipticCurvePrivateKey = KEY,
    header: dict[str, Any] | None = None,
) -> str:
    head = b64(json.dumps(header or {"typ": "JWT", "alg": "ES256"}).encode())
    body = b64(claims if isinstance(claims, bytes) else json.dumps(claims).encode())
    return f"{head}.{body}.{b64(raw_signature(private, f'{head}.{body}'.encode()))}"


def claims(**changes: Any) -> dict[str, Any]:
    found = {
        "jti": EVENT_ID,
        "iss": "https://api-v2.fattureincloud.it",
        "sub": "company:108061",
        "aud": [URL],
        "iat": int(NOW.timestamp()),
        "exp": int(NOW.timestamp()) + 3 * 3600,
        "aid": 4711,
    }
    found.update(changes)
    return {name: value for name, value in found.items() if value is not None}


def hook(**changes: Any) -> Hook:
    return Hook(**{"id": "7Q2x", "connection_id": "c1", "url": URL, "account": "108061", **changes})


def binary(
    token: str | None = None, *, body: bytes = b'{"data":{"ids":[3062300]}}', **ce: Any
) -> Inbound:
    attributes = {
        "type": TYPE,
        "time": "2026-04-04T12:54:21+02:00",
        "subject": "company:108061",
        "specversion": "1.0",
        "source": "https://api-v2.fattureincloud.it",
        "id": EVENT_ID,
        **ce,
    }
    headers = [(f"ce-{name}", value) for name, value in attributes.items() if value is not None]
    bearer = make_token(claims()) if token is None else token
    headers += [("authorization", f"Bearer {bearer}"), ("content-type", "application/json")]
    return Inbound(method="POST", headers=tuple(headers), body=body)


def structured(
    content_type: str = "application/cloudevents+json", token: str | None = None, **changes: Any
) -> Inbound:
    envelope = {
        "id": EVENT_ID,
        "source": "https://api-v2.fattureincloud.it",
        "specversion": "1.0",
        "type": TYPE,
        "subject": "company:108061",
        "time": "2026-04-04T12:54:21+02:00",
        "datacontenttype": "application/json",
        "data": {"ids": [3062300]},
        **changes,
    }
    headers = (
        ("content-type", content_type),
        ("authorization", f"Bearer {token or make_token(claims())}"),
    )
    return Inbound(method="POST", headers=headers, body=json.dumps(envelope).encode())


def asking(*, by: str = "header", value: str = CHALLENGE, token: str | None = None) -> Inbound:
    bearer = token or make_token(claims(jti=None))
    headers = [("authorization", f"Bearer {bearer}"), ("user-agent", "FattureInCloud/API-WEBHOOK")]
    query: list[tuple[str, str]] = []
    (headers if by == "header" else query).append(("x-fic-verification-challenge", value))
    return Inbound(method="GET", headers=tuple(headers), query=tuple(query))


def open_hook(**changes: Any) -> Hook:
    return hook(**{"verify_until": NOW + timedelta(minutes=15), **changes})
