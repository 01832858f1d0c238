"""The ES256 tokens that notifications and challenges carry (facts §2.4)."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from pathlib import Path
from random import Random

LIFE_SECONDS = 3 * 3600
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Signer:
    """Signs with one P-256 key: given as PEM or its file, or drawn from `random`.

    Raises OSError for a lost file, ValueError for what is no such key.
    """

    def __init__(self, given: str | Path | None, random: Random, issuer: str) -> None:
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec
        from joserfc.jwk import ECKey

        if given is None:
            key = ec.derive_private_key(random.randrange(1, _ORDER), ec.SECP256R1())
        else:
            pem = given.read_bytes() if isinstance(given, Path) else given.encode()
            loaded = form.load_pem_private_key(pem, password=None)
            if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.curve.key_size != 256:
                raise ValueError("the signing key must be a P-256 private key in PEM form")
            key = loaded
        private = key.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        )
        public = key.public_key().public_bytes(
            form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
        )
        self.issuer = issuer
        self.public_pem = public.decode()
        self._key = ECKey.import_key(private)

    @property
    def public_base64(self) -> str:
        """The public key as the vendor prints it: base64 of the PEM file."""
        return b64encode(self.public_pem.encode()).decode()

    def token(self, *, jti: str, company: int, sink: str, app: int, now: datetime) -> str:
        """A token for one request to a sink; it covers neither the body nor the event type."""
        from joserfc import jwt

        issued = int(now.timestamp())
        claims = {
            "jti": jti,
            "iss": self.issuer,
            "sub": f"company:{company}",
            "aud": [sink],
            "iat": issued,
            "exp": issued + LIFE_SECONDS,
            "aid": app,
        }
        return jwt.encode({"alg": "ES256", "typ": "JWT"}, claims, self._key, algorithms=["ES256"])
