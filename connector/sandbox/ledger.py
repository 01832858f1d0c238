"""What reached a sandbox and what it really wrote, for tests that count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


class Ledger:
    """Requests by endpoint, and applied writes by resource and by the keys of the record."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.by_key: Counter[str] = Counter()

    def request(self, method: str, template: str) -> None:
        """Count one request, whatever becomes of it."""
        self.requests[f"{method} {template}"] += 1

    def write(self, operation: str, resource: str, keys: Mapping[str, Any]) -> None:
        """Count one write that was applied: `create clients`, `create clients name=Rossi`."""
        self.writes[f"{operation} {resource}"] += 1
        for key, value in keys.items():
            if value not in (None, ""):
                self.by_key[f"{operation} {resource} {key}={value}"] += 1

    def clear(self) -> None:
        """Start counting afresh."""
        for counter in (self.requests, self.writes, self.by_key):
            counter.clear()

    def as_data(self) -> dict[str, Any]:
        """The counts as JSON."""
        return {
            "total": sum(self.requests.values()),
            "requests": dict(sorted(self.requests.items())),
            "writes": dict(sorted(self.writes.items())),
            "by_key": dict(sorted(self.by_key.items())),
        }
