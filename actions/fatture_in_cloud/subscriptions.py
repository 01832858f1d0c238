"""Webhook subscriptions of Fatture in Cloud, to be looked at: the engine makes and mends them."""

from __future__ import annotations

from connector import fatture, schema

list_subscriptions = fatture.choices(
    "list_subscriptions",
    "listWebhooksSubscriptions",
    noun="Subscription",
    label="List Subscriptions",
    description="Lists what this application is told of, and where.",
    path="/c/{company_id}/subscriptions",
    output="subscription_search",
)
get_subscription = fatture.reading(
    "get_subscription",
    "getWebhooksSubscription",
    noun="Subscription",
    label="Get Subscription",
    description="Reads one subscription: its address, whether it was verified, its event types.",
    path="/c/{company_id}/subscriptions/{subscription_id}",
    inputs=(schema("fatture_in_cloud/company"), schema("fatture_in_cloud/subscription_choice")),
    output="subscription",
    summary="{{ output.id }} to {{ output.sink }}",
)
