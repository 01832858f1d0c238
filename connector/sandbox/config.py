"""Every switch of the sandbox; the defaults are the vendors' documented behaviour."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from connector.model import Data

ISSUER = "https://api-v2.fattureincloud.it"


class Limits(Data):
    """Quotas of Fatture in Cloud per company; Perfex counts per token and hour."""

    five_minutes: int = 300
    hour: int = 1_000
    month: int = 40_000
    perfex_hour: int = 10_000


class Deliveries(Data):
    """How notifications are sent; gap lengths and the time limit are not published."""

    gaps: tuple[float, ...] = (10, 60, 300)
    """Seconds before the second, third and fourth attempt."""
    timeout: float = 10
    on_silence: Literal["retry", "drop"] = "retry"
    """What a timeout or a refused connection counts as: the documentation does not say."""
    concurrency: int = 16
    keep: int = 20_000
    """Finished deliveries that are remembered for `/_sandbox/deliveries`."""


class SandboxConfig(Data):
    """One sandbox: where it listens, who may enter, and which unpleasant sides are on."""

    host: str = "127.0.0.1"
    fic_port: int = 0
    perfex_port: int = 0
    seed: int | None = None
    """Makes every id, token, secret and the signing key repeat; None draws them at random."""
    signing_key: str | Path | None = None
    """PEM of a P-256 private key, or the file that holds it; otherwise one is made at start."""
    seed_file: Path | None = None
    """JSON whose `clients`, `customers` … are written before start (see docs/sandbox.md)."""

    client_id: str = "sandbox-client"
    client_secret: str | None = None
    app_id: int = 4711
    redirect_uris: tuple[str, ...] = ()
    """Exact addresses; with none, any http address on this machine may be used."""
    auto_approve: bool = False
    manual_token: str | None = None
    public_app: bool = True
    """A public app has its own monthly quota; private apps share the company's."""
    reuse_revokes_family: bool = True
    """Using a refresh token twice also kills the pair it was exchanged for."""
    limits: Limits = Limits()
    deliveries: Deliveries = Deliveries()
    issuer: str = ISSUER
    loopback_sinks: bool = True
    challenge_before_answer: bool = True
    """The verification GET arrives before the POST that asked for it returns."""
    warnings_as_text: bool = False
    """The documentation's list of warnings is a bare string in the vendor's own sample."""
    refuse_duplicate_clients: bool = True
    slim_gets: bool = False
    """Single reads answer the slim set too unless `fieldset=detailed` is asked for."""
    bad_filter_status: Literal[400, 422] = 422
    list_lag: float = 0
    """Seconds until a write shows up in lists."""

    sdi_seconds: float | None = 2.0
    """From each station of an e-invoice to the next; None leaves it at "attempt"."""

    generation: Literal["2.x", "3.x"] = "3.x"
    authtoken: str | None = None
    json_post: Literal["error", "success"] = "error"
    """What Perfex 2.x says to a JSON POST, which it ignores either way."""
