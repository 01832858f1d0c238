"""The words of ours that a schema may use beside the standard ones, and of what type each is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

WORDS: Mapping[str, type] = MappingProxyType(
    {
        "x-labels": dict,
        "x-choices-open": bool,
        "x-by-id": str,
        "x-output-only": bool,
        "x-choices": str,
        "x-section": str,
        "x-common": bool,
        "x-kind": str,
        "x-means": str,
        "x-same-document": bool,
        "x-varies": bool,
    }
)
KINDS = ("customer", "supplier", "document", "purchase", "line", "payment", "product")
"""What `x-kind` may say; empty takes back what is said of the schema that is referred to."""
