"""Lists of Fatture in Cloud that other fields choose from: countries, categories, centres …"""

from __future__ import annotations

from connector import Search, fatture, schema

_COMPANY = schema("fatture_in_cloud/company")


def _names(
    key: str, operation: str, label: str, what: str, path: str, *, scopes: tuple[str, ...] = ()
) -> Search:
    """A list of bare names: of a company, or the same for everybody."""
    return fatture.choices(
        key,
        operation,
        noun=label.removeprefix("List "),
        label=label,
        description=what,
        path=path,
        inputs=(_COMPANY,) if path.startswith("/c/") else (),
        scopes=scopes,
    )


list_countries = fatture.choices(
    "list_countries",
    "listDetailedCountries",
    noun="Country",
    label="List Countries",
    description="Lists countries with their Italian name, which clients take, and their ISO code.",
    path="/info/detailed_countries",
    id_key="name",
    inputs=(),
    output="country_search",
)
list_cities = fatture.choices(
    "list_cities",
    "listCities",
    noun="City",
    label="List Cities",
    description="Lists Italian cities by postal code or name, with their province.",
    path="/info/cities",
    id_key="postal_code",
    inputs=(schema("fatture_in_cloud/city_criteria"),),
    query={"postal_code": "{postal_code}", "city": "{city}"},
    output="city_search",
)
list_languages = fatture.choices(
    "list_languages",
    "listLanguages",
    noun="Language",
    label="List Languages",
    description="Lists the languages that documents are printed in.",
    path="/info/languages",
    id_key="code",
    inputs=(),
    output="language_search",
)
list_currencies = fatture.choices(
    "list_currencies",
    "listCurrencies",
    noun="Currency",
    label="List Currencies",
    description="Lists currencies with their present exchange rate.",
    path="/info/currencies",
    inputs=(),
    output="currency_search",
)
list_measures = _names(
    "list_measures",
    "listUnitsOfMeasure",
    "List Units of Measure",
    "Lists the usual units of measure.",
    "/info/measures",
)
list_transport_causals = _names(
    "list_transport_causals",
    "listDeliveryNotesDefaultCausals",
    "List Transport Causals",
    "Lists the usual reasons for transport of delivery notes.",
    "/info/dn_causals",
)
list_revenue_centers = _names(
    "list_revenue_centers",
    "listRevenueCenters",
    "List Revenue Centres",
    "Lists the revenue centres that issued documents use.",
    "/c/{company_id}/info/revenue_centers",
)
list_cost_centers = _names(
    "list_cost_centers",
    "listCostCenters",
    "List Cost Centres",
    "Lists the cost centres that received documents use.",
    "/c/{company_id}/info/cost_centers",
)
list_product_categories = fatture.choices(
    "list_product_categories",
    "listProductCategories",
    noun="Category",
    label="List Product Categories",
    description="Lists the product categories that are in use.",
    path="/c/{company_id}/info/product_categories",
    inputs=(_COMPANY, schema("fatture_in_cloud/category_context")),
    query={"context": "{context}"},
    scopes=("products:r",),
)
list_received_document_categories = _names(
    "list_received_document_categories",
    "listReceivedDocumentCategories",
    "List Received Document Categories",
    "Lists the categories that received documents are in.",
    "/c/{company_id}/info/received_document_categories",
    scopes=("received_documents:r",),
)
list_archive_categories = _names(
    "list_archive_categories",
    "listArchiveCategories",
    "List Archive Categories",
    "Lists the categories that archive documents are in.",
    "/c/{company_id}/info/archive_categories",
    scopes=("archive:r",),
)
