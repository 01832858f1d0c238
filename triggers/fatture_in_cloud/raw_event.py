"""Something happened in Fatture in Cloud; the record is not read."""

from __future__ import annotations

from connector import Trigger, schema

raw_event = Trigger(
    app="fatture_in_cloud",
    key="raw_event",
    noun="Event",
    label="Receive Raw Event",
    description=(
        "Starts at once when something happens in Fatture in Cloud, with the id of the record "
        "alone: no call is spent on reading it."
    ),
    docs_url="https://developers.fattureincloud.it/docs/webhooks/",
    enrich=False,
    inputs=(schema("fatture_in_cloud/event_choice"),),
    output=schema("fatture_in_cloud/event"),
    sample={
        "event": {
            "id": "198:00000000-0000-4000-8000-000000000002",
            "type": "it.fattureincloud.webhooks.entities.clients.delete",
            "resource": "entities.clients",
            "operation": "delete",
            "time": "2026-03-04T09:15:02+01:00",
            "company_id": 108061,
        },
        "id": 70211,
        "resource": None,
        "enrichment": "none",
    },
)
