"""The base URL of a connection, checked before any credential goes there."""

from __future__ import annotations

from urllib.parse import urlsplit

from connector.errors import NotConnected
from connector.model import App
from connector.reach import NETWORKS, is_this_machine


def base_url_of(app: App, address: str = "", *, plain: bool = False) -> str:
    """Where an app's API lies: its own base URL, or the owner's address and the app's base path.

    An address given for an app that has a base URL replaces it (a sandbox). It must be https, or
    http on this machine; with `plain`, http is for whoever judges where it leads. Raises
    NotConnected that names the fault.
    """
    if not address:
        if app.base_url is None:
            raise _wrong(app, "is missing")
        return app.base_url
    address = address.strip()
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _wrong(app, "cannot be read") from None
    if not host or parts.scheme not in ("http", "https") or port == 0:
        raise _wrong(app, "does not begin with https:// and a host name")
    if parts.username is not None or parts.password is not None:
        raise _wrong(app, "holds a user name or a password")
    if parts.query or parts.fragment:
        raise _wrong(app, "holds a ? or a #")
    if not address.isascii() or not address.isprintable() or " " in address or "\\" in address:
        raise _wrong(app, "holds a character that no address has")
    if parts.scheme == "http" and not plain and not is_this_machine(host):
        raise _wrong(
            app,
            "is not https: the token would travel in clear",
            "Give it as in https://crm.example.it. Plain http is for networks that whoever runs "
            f"Connector allows with {NETWORKS}.",
        )
    path = parts.path.rstrip("/")
    if ".." in path.split("/") or "//" in path:
        raise _wrong(app, "holds .. or //")
    if app.base_url is None and not path.endswith(app.base_path):
        path += app.base_path
    return f"{parts.scheme}://{parts.netloc}{path}"


def is_built_in(app: App, base_url: str) -> bool:
    """Whether an address stands in the app itself, and so was not entered by anyone."""
    return app.base_url is not None and base_url.rstrip("/") == app.base_url.rstrip("/")


def _wrong(
    app: App, why: str, remedy: str = "Give it as in https://crm.example.it"
) -> NotConnected:
    return NotConnected(
        f"The address of {app.title} {why}.",
        field="address",
        value_type="text",
        remedy=remedy,
        who="user",
    )
