"""A small flow that is good, in two halves, and what its faults are."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import FlowError, Issue
from connector.flow import parse_flow

EXAMPLES = Path(__file__).parents[2] / "examples"
CONNECTIONS = {"fatture": "fatture_in_cloud", "perfex": "perfex_crm"}

HEAD = """\
flow: clients
trigger:
  node: fatture_in_cloud.enriched_event
  connection: fatture
  with: {company_id: 108061, resource: entities.clients, event_types: [create]}
"""
FIND = """\
steps:
  - id: find
    node: perfex_crm.find_customer
    connection: perfex
    map: {vat: "{{ trigger.resource.vat_number }}"}
"""
GOOD = HEAD + FIND


def at(issues: tuple[Issue, ...] | list[Issue]) -> list[tuple[int | None, int | None]]:
    return [(issue.line, issue.column) for issue in issues]


def faults(text: str) -> tuple[Issue, ...]:
    with pytest.raises(FlowError) as caught:
        parse_flow(text)
    return caught.value.issues
