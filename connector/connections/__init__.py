"""Connections: the vault, OAuth consent, and credentials that are renewed once for all."""

from __future__ import annotations

from connector.connections.addresses import base_url_of, is_built_in
from connector.connections.keyring import ConnectionRows, Credentials, Keyring, auth_headers
from connector.connections.keys import load_keys
from connector.connections.oauth import (
    Consent,
    ConsentRows,
    OAuthClient,
    Tokens,
    authorize_url,
    begin_consent,
    exchange_code,
    refresh_tokens,
    take_consent,
)
from connector.connections.vault import Vault, open_vault

__all__ = [
    "ConnectionRows",
    "Consent",
    "ConsentRows",
    "Credentials",
    "Keyring",
    "OAuthClient",
    "Tokens",
    "Vault",
    "auth_headers",
    "authorize_url",
    "base_url_of",
    "begin_consent",
    "exchange_code",
    "is_built_in",
    "load_keys",
    "open_vault",
    "refresh_tokens",
    "take_consent",
]
