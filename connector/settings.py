"""What an installation is told by its environment; `docs/settings.md` explains every name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from connector.errors import ConnectorError, Issue
from connector.paths import did_you_mean
from connector.reach import Reach, is_this_machine, parse_networks, parse_ports

PREFIX = "CONNECTOR_"
SQLITE = "sqlite:///"
OTHERS = re.compile(rf"{PREFIX}CHAOS_\w+")
"""What begins like a setting and is read by the chaos tests."""
SHORT = 5
"""Of a name with so few letters one may be wrong, of a longer one two: more is another name."""
LEAST_EVENT_DAYS = 30
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,60}")
_PEM = re.compile(r"-----BEGIN [A-Z ]+-----.*?-----END [A-Z ]+-----", re.DOTALL)


class Limits(BaseModel):
    """How much, and for how long, a client of the web server may ask of us."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connections: int = Field(default=1000, ge=1)
    header_bytes: int = Field(default=16 * 1024, ge=256)
    header_seconds: float = Field(default=10, gt=0)
    body_seconds: float = Field(default=15, gt=0)
    idle_seconds: float = Field(default=15, gt=0)
    hook_bytes: int = Field(default=64 * 1024, ge=1)
    hook_seconds: float = Field(default=1, gt=0)
    api_bytes: int = Field(default=1024 * 1024, ge=1)
    stop_seconds: int = Field(default=10, ge=1)


class OAuthClient(BaseModel):
    """What identifies this installation at an app that uses OAuth."""

    model_config = ConfigDict(frozen=True)

    client_id: str
    client_secret: SecretStr
    addresses: tuple[str, ...] = ()
    rehearsal: bool = False

    def may_go_to(self, base_url: str) -> bool:
        """Whether its secret may go there: to a named origin, or in a rehearsal to this machine."""
        if self.rehearsal and is_this_machine(urlsplit(base_url).hostname or ""):
            return True
        return _origin(base_url) in map(_origin, self.addresses)


class Settings(BaseSettings):
    """One installation's settings, read from `CONNECTOR_…` variables; secrets print masked."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    database: str = f"{SQLITE}connector.db"
    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65535)
    public_url: str = ""
    key: SecretStr | None = None
    key_file: Path | None = None
    api_token: SecretStr | None = None
    allowed_hosts: str = ""
    frame_origins: str = ""
    trusted_proxies: str = ""
    user_header: str = ""
    role_header: str = "x-connector-role"
    allowed_networks: str = ""
    allowed_ports: str = "80,443"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    settle_seconds: float = Field(default=60, gt=0)
    second_look_seconds: float = Field(default=600, gt=0)
    silent_seconds: float = Field(default=20, ge=2, le=600)
    runs_at_once: int = Field(default=64, ge=1, le=1_000)
    keep_payloads_days: float = Field(default=30, ge=0)
    keep_events_days: float = Field(default=0, ge=0)
    mask_fields: str = ""
    sweep_seconds: float = Field(default=3_600, ge=0)
    chain_runs: int = Field(default=5, ge=1)
    mapping_steps: int = Field(default=250_000, ge=1_000)
    mapping_seconds: float = Field(default=1, gt=0, le=60)
    mapping_bytes: int = Field(default=4 * 1024**2, ge=1_024)
    side_journal: Path | None = None
    search_first: bool = False
    limits: Limits = Limits()
    oauth_addresses: str = ""
    fatture_in_cloud_client_id: str = ""
    fatture_in_cloud_client_secret: SecretStr | None = None
    fatture_in_cloud_application_id: str = ""
    fatture_in_cloud_keys: str = ""

    @classmethod
    def load(cls, **given: Any) -> Settings:
        """The settings of the environment, with `given` before them; raises ConnectorError."""
        try:
            return cls(**given)
        except ValidationError as error:
            issues = [_issue(one) for one in error.errors(include_input=False)]
        except SettingsError:
            # The one that takes several values at once is the only one that can be no JSON.
            issues = [
                Issue(
                    field=f"{PREFIX}LIMITS",
                    message="It must be a JSON object.",
                    remedy=f"Or name one limit alone, as in {PREFIX}LIMITS__HOOK_BYTES.",
                )
            ]
        raise ConnectorError(
            "The settings cannot be used.",
            remedy="Correct the variables named here; docs/settings.md explains each.",
            issues=issues,
        )

    @field_validator("public_url")
    @classmethod
    def _plain_address(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with https:// (or http://) and name a host")
        if parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("must hold no user name, query or fragment")
        return value.rstrip("/")

    @field_validator("allowed_networks", "trusted_proxies")
    @classmethod
    def _only_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("frame_origins", "oauth_addresses")
    @classmethod
    def _only_origins(cls, value: str) -> str:
        for one in _parted(value):
            parts = urlsplit(one)
            if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc):
                raise ValueError("must hold origins such as https://platform.example")
            if one != f"{parts.scheme}://{parts.netloc}":
                raise ValueError("must hold origins without a path, such as https://app.example")
        return value

    @field_validator("user_header", "role_header")
    @classmethod
    def _only_a_header(cls, value: str) -> str:
        if value and not _HEADER.fullmatch(value):
            raise ValueError("must be the name of one header, such as X-Forwarded-User")
        return value.lower()

    @field_validator("allowed_ports")
    @classmethod
    def _only_ports(cls, value: str) -> str:
        parse_ports(value)
        return value

    @field_validator("api_token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 16:
            raise ValueError("must have at least 16 characters")
        return value

    @field_validator("keep_events_days")
    @classmethod
    def _long_enough_for_repeats(cls, value: float) -> float:
        if 0 < value < LEAST_EVENT_DAYS:
            raise ValueError(
                f"must be 0 (for ever) or {LEAST_EVENT_DAYS} and more: by its events an "
                "installation knows what an app sends twice"
            )
        return value

    @property
    def masked(self) -> tuple[str, ...]:
        """The dotted names of fields that are masked once a run has ended."""
        return tuple(one.strip(". ") for one in self.mask_fields.split(",") if one.strip(". "))

    @property
    def base_url(self) -> str:
        """The address under which others reach us, without a slash at its end."""
        if self.public_url:
            return self.public_url
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The host names, in lower case and without port, that the API answers to."""
        more = (one.strip().strip("[]").lower() for one in self.allowed_hosts.split(","))
        public = urlsplit(self.base_url).hostname or ""
        return frozenset(one for one in (*LOOPBACK, self.host.lower(), public, *more) if one)

    @property
    def frames(self) -> tuple[str, ...]:
        """The origins whose pages may show ours in a frame."""
        return _parted(self.frame_origins)

    @property
    def reach(self) -> Reach:
        """Where the addresses of users may lead; to this machine only while nobody else sees us."""
        return Reach(
            networks=parse_networks(self.allowed_networks),
            ports=parse_ports(self.allowed_ports),
            rehearsal=is_this_machine(urlsplit(self.base_url).hostname or ""),
        )

    @property
    def database_path(self) -> Path | None:
        """The file of an SQLite database, or None for another kind."""
        if not self.database.startswith(SQLITE):
            return None
        return Path(self.database.removeprefix(SQLITE))

    def oauth_client(self, app: str) -> OAuthClient | None:
        """The OAuth client registered at an app; apps of plugins are read by the same rule."""
        if app == "fatture_in_cloud":
            client_id, secret = self.fatture_in_cloud_client_id, self.fatture_in_cloud_client_secret
        else:
            name = f"{PREFIX}{app.upper()}"
            client_id = os.environ.get(f"{name}_CLIENT_ID", "")
            secret = SecretStr(os.environ.get(f"{name}_CLIENT_SECRET", ""))
        if not client_id or secret is None or not secret.get_secret_value():
            return None
        return OAuthClient(
            client_id=client_id,
            client_secret=secret,
            addresses=_parted(self.oauth_addresses),
            # Whoever stands behind a proxy may serve others, whatever its address says.
            rehearsal=self.reach.rehearsal and not self.trusted_proxies,
        )

    def fatture_in_cloud_public_keys(self) -> tuple[str, ...]:
        """The configured webhook keys as PEM texts; none means the vendor's published key."""
        text = self.fatture_in_cloud_keys
        if not text:
            return ()
        if "-----BEGIN" not in text:
            text = _read(Path(text))
        found = tuple(_PEM.findall(text))
        if not found:
            raise ConnectorError(
                f"{PREFIX}FATTURE_IN_CLOUD_KEYS holds no public key in PEM form.",
                remedy="Give the path of a PEM file, or the text from -----BEGIN to -----END.",
            )
        return found


def misspelt_variables(names: Iterable[str], apps: Iterable[str]) -> dict[str, str]:
    """Environment variables that are a slip of the pen away from a setting, which is the value.

    `apps` are the keys of the installed apps, each of which may have an OAuth client. What merely
    begins like ours may be anybody's, and nothing is said of it.
    """
    known = {name for name, _ in _variables()} | {f"{PREFIX}TOKEN"}
    known |= {f"{PREFIX}{app.upper()}_CLIENT_{half}" for app in apps for half in ("ID", "SECRET")}
    found = {}
    for name in sorted(names):
        own = name.upper()
        if not own.startswith(PREFIX) or own in known or OTHERS.fullmatch(own):
            continue
        most = 1 if len(own) - len(PREFIX) <= SHORT else 2
        near = min(known, key=lambda one: (_slips(own, one), one))
        if _slips(own, near) <= most:
            found[name] = near
    return found


def _slips(one: str, other: str) -> int:
    """How many letters were left out, added, mistaken, or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        last, before, row = before, row, [at]
        for to, wanted in enumerate(other, 1):
            least = min(before[to] + 1, row[-1] + 1, before[to - 1] + (letter != wanted))
            if last and to > 1 and one[at - 2 : at] == wanted + other[to - 2]:
                least = min(least, last[to - 2] + 1)
            row.append(least)
    return row[-1]


def _variables() -> Iterator[tuple[str, Any]]:
    """Every variable with its field."""
    for name, field in Settings.model_fields.items():
        yield f"{PREFIX}{name.upper()}", field
    for name, field in Limits.model_fields.items():
        yield f"{PREFIX}LIMITS__{name.upper()}", field


def _issue(found: Mapping[str, Any]) -> Issue:
    """What is wrong with one variable, in our own words; its value is never repeated."""
    name = PREFIX + "__".join(str(part) for part in found["loc"]).upper()
    if found["type"] == "extra_forbidden":
        names = [name for name, _ in _variables()]
        return Issue(
            field=name, message="There is no such setting.", remedy=did_you_mean(name, names)
        )
    context = found.get("ctx", {})
    words = _WORDS.get(found["type"], "It is no value that fits here.")
    if found["type"] == "value_error":
        words = f"It {context['error']}."
    return Issue(field=name, message=words.format(**context))


_WORDS = {
    "int_parsing": "It must be a whole number.",
    "int_type": "It must be a whole number.",
    "int_from_float": "It must be a whole number.",
    "float_parsing": "It must be a number.",
    "float_type": "It must be a number.",
    "greater_than": "It must be more than {gt:g}.",
    "greater_than_equal": "It must be {ge:g} or more.",
    "less_than_equal": "It must be {le:g} or less.",
    "literal_error": "It must be {expected}.",
    "string_type": "It must be a text.",
    "model_type": "It must be a JSON object.",
}


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname or "", parts.port or usual


def _parted(text: str) -> tuple[str, ...]:
    """The parts of a list with commas or spaces between them."""
    return tuple(text.replace(",", " ").split())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConnectorError(
            f"The key file {path} cannot be read ({type(error).__name__}).",
            remedy=f"Point {PREFIX}FATTURE_IN_CLOUD_KEYS at a readable PEM file.",
        ) from None
