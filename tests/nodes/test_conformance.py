"""Every node of ours passes the kit that we give to others."""

from __future__ import annotations

from pathlib import Path

from connector.testing import conformance
from tests.loaded import the_catalog

EVERYBODY = "the vendor gives it to every token"

test_fatture_in_cloud = conformance(
    app="fatture_in_cloud",
    catalog=the_catalog(),
    folder=Path(__file__).parent,
    no_scopes=dict.fromkeys(
        (
            "get_company_info",
            "get_plan_usage",
            "get_subscription",
            "get_user",
            "list_cities",
            "list_companies",
            "list_cost_centers",
            "list_countries",
            "list_currencies",
            "list_default_templates",
            "list_languages",
            "list_measures",
            "list_payment_accounts",
            "list_payment_methods",
            "list_revenue_centers",
            "list_subscriptions",
            "list_transport_causals",
        ),
        EVERYBODY,
    ),
)
test_perfex_crm = conformance(app="perfex_crm", catalog=the_catalog(), folder=Path(__file__).parent)
