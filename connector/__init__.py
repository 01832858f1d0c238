"""Connector."""

from connector import finding
from connector.errors import Missing
from connector.model import (
    Action,
    Caller,
    Choice,
    Field,
    Identity,
    Request,
    SchemaRef,
    Search,
    Trigger,
    schema,
)

__all__ = [
    "Action",
    "Caller",
    "Choice",
    "Field",
    "Identity",
    "Missing",
    "Request",
    "SchemaRef",
    "Search",
    "Trigger",
    "finding",
    "schema",
]
