"""The only door to the network, and the only room that imports httpx and httpcore."""

from connector.http.client import MAX_BODY, USER_AGENT, HttpClient
from connector.http.memory import asgi_client

__all__ = ["MAX_BODY", "USER_AGENT", "HttpClient", "asgi_client"]
