"""Who am I, which companies, and the lists that fill dropdowns (facts §1.7 and §4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from connector.sandbox.clock import rome
from connector.sandbox.fic import seeds
from connector.sandbox.fic.call import Call
from connector.sandbox.fic.crud import allow
from connector.sandbox.fic.listing import one, ordered
from connector.sandbox.fic.problem import answer, invalid, required
from connector.sandbox.fic.resources import resources
from connector.sandbox.fic.scopes import ISSUED
from connector.sandbox.fic.state import Company

PLAN_LIMITS = {"clients": 3000, "suppliers": 3000, "products": 5000, "documents": 1500}
CURRENCIES = (
    {"id": "EUR", "symbol": "€", "exchange_rate": "1.00000", "html_symbol": "&euro;"},
    {"id": "CHF", "symbol": "CHF", "exchange_rate": "0.95000", "html_symbol": "CHF"},
    {"id": "USD", "symbol": "$", "exchange_rate": "1.08000", "html_symbol": "$"},
)
LANGUAGES = (
    {"code": "it", "name": "Italiano"},
    {"code": "en", "name": "English"},
    {"code": "de", "name": "Deutsch"},
)


def user_info(call: Call) -> Response:
    """The user behind the token."""
    nothing_due = {
        "need_marketing_consents_confirmation": False,
        "need_password_change": False,
        "need_terms_of_service_confirmation": False,
    }
    confirmed = {"need_confirmation": False}
    return answer(
        {"data": call.state.user, "info": nothing_due, "email_confirmation_state": confirmed}
    )


def companies(call: Call) -> Response:
    """Companies with an accountant's clients below, and the legacy credential nobody may keep."""
    every = call.state.companies
    below = {id_ for company in every.values() for id_ in company.about["controlled"]}
    shown = []
    for company in every.values():
        if company.id in below:
            continue
        record = _company(company)
        record["controlled_companies"] = [
            _company(every[id_]) for id_ in company.about["controlled"]
        ]
        shown.append(record)
    return answer({"data": {"companies": shown}})


def _company(company: Company) -> dict[str, Any]:
    about = company.about
    return {
        "id": company.id,
        "name": about["name"],
        "type": about["type"],
        "access_token": f"legacy-{company.id}-do-not-store",
        "tax_code": about["tax_code"],
        "vat_number": about["vat_number"],
        "fic_plan": "premium",
        "fic_license_expire": "2099-12-31",
        "connection_id": company.id + 900_000,
        "permissions": {"fic_clients": "write", "fic_issued_documents": "write"},
    }


def company_info(call: Call) -> Response:
    """Role, permissions, plan limits and features."""
    about = call.company.about
    features = ("archive", "document_attachments", "e_invoice", "receipts", "stock")
    return answer(
        {
            "data": {
                "id": call.company.id,
                "name": about["name"],
                "email": call.state.user["email"],
                "type": about["type"],
                "access_info": {
                    "role": "master",
                    "permissions": {"fic_clients": "write", "fic_issued_documents": "write"},
                    "through_accountant": False,
                },
                "fic_license_expire": "2099-12-31",
                "fic_plan_name": "premium",
                "plan_info": {
                    "limits": PLAN_LIMITS,
                    "functions": dict.fromkeys(features, True),
                    "functions_status": {},
                },
                "accountant_id": None,
                "is_accountant": about["type"] == "accountant",
            }
        }
    )


def plan_usage(call: Call) -> Response:
    """How much of a plan limit is used."""
    category = call.query.get("category", "")
    if category not in PLAN_LIMITS:
        raise invalid({"category": [required("category")]})
    table = "issued_documents" if category == "documents" else category
    usage = len(call.company.tables[table].view())
    return answer({"data": {"limit": PLAN_LIMITS[category], "usage": usage}})


def settings_list(key: str, scope: str | None) -> Callable[[Call], Response]:
    """`C/info/vat_types` and its like: unpaginated."""

    def handler(call: Call) -> Response:
        if scope is not None:
            call.need(scope)
        resource = resources()[key]
        rows = ordered(call, resource, call.company.tables[key].view())
        return answer({"data": [one(call, resource, row) for row in rows]})

    return handler


def own_templates(call: Call) -> Response:
    """The templates that a company has made."""
    id_ = call.company.id
    return answer({"data": [{"id": id_ * 10, "name": f"Modello {id_}", "type": "standard"}]})


def fixed(data: Any) -> Callable[[Call], Response]:
    """A list that never changes."""
    return lambda call: answer({"data": data})


def distinct(key: str, field: str) -> Callable[[Call], Response]:
    """The values in use, such as categories."""

    def handler(call: Call) -> Response:
        values = {record.get(field) for record in call.company.tables[key]}
        return answer({"data": sorted(value for value in values if value)})

    return handler


def _rows(company: Company, key: str) -> list[dict[str, Any]]:
    return company.tables[key].view()


def numerations(call: Call, type_: str) -> dict[str, dict[str, int]]:
    """The next number by year and series."""
    found: dict[str, dict[str, int]] = {str(rome(call.state.clock()).year): {"": 1}}
    for record in call.company.tables["issued_documents"]:
        if record["type"] == type_:
            year = found.setdefault(str(record["year"]), {"": 1})
            numeration = record["numeration"]
            year[numeration] = max(year.get(numeration, 1), record["number"] + 1)
    return found


def _dropdowns(company: Company) -> dict[str, Any]:
    return {
        "countries_list": [name for name, _ in seeds.COUNTRIES],
        "payment_methods_list": _rows(company, "payment_methods"),
        "payment_accounts_list": _rows(company, "payment_accounts"),
        "vat_types_list": _rows(company, "vat_types"),
        "price_lists": [],
    }


def issued_info(call: Call) -> Response:
    """All dropdowns of an invoice in one call; `type` is mandatory."""
    type_ = call.query.get("type", "")
    if type_ not in ISSUED:
        raise invalid({"type": [required("type")]})
    allow(call, resources()["issued_documents"], "r", type_)
    lists = _dropdowns(call.company)
    defaults = {
        "payment_method": lists["payment_methods_list"][0],
        "use_gross_prices": False,
        "notes": "",
    }
    return answer(
        {
            "data": lists
            | {
                "numerations": numerations(call, type_),
                "dn_numerations": {},
                "default_values": defaults,
                "items_default_values": {"vat": lists["vat_types_list"][0]},
                "currencies_list": CURRENCIES,
                "languages_list": LANGUAGES,
                "templates_list": [],
            }
        }
    )


def client_info(call: Call) -> Response:
    """All dropdowns of a client."""
    allow(call, resources()["clients"], "r")
    usage = len(_rows(call.company, "clients"))
    limits = {"limit": PLAN_LIMITS["clients"], "usage": usage}
    return answer({"data": _dropdowns(call.company) | limits})


def register_info(key: str) -> Callable[[Call], Response]:
    """`C/receipts/info` and `C/received_documents/info`."""

    def handler(call: Call) -> Response:
        if key == "received_documents":
            call.need("received_documents:r")
            if "type" not in call.query:
                raise invalid({"type": [required("type")]})
        else:
            allow(call, resources()[key], "r")
        lists = _dropdowns(call.company)
        return answer({"data": lists | {"numerations": {}, "categories_list": []}})

    return handler


def lists() -> Mapping[str, Callable[[Call], Response]]:
    """The lists without a company, by path."""
    detailed = [
        {"name": name, "settings_name": name, "iso": iso, "fiscal_iso": iso, "uic": ""}
        for name, iso in seeds.COUNTRIES
    ]
    return {
        "/info/countries": fixed([name for name, _ in seeds.COUNTRIES]),
        "/info/detailed_countries": fixed(detailed),
        "/info/cities": fixed([{"postal_code": "24121", "city": "Bergamo", "province": "BG"}]),
        "/info/languages": fixed(LANGUAGES),
        "/info/currencies": fixed(CURRENCIES),
        "/info/measures": fixed(["pz", "kg", "ore", "m"]),
        "/info/dn_causals": fixed(["Vendita", "Conto visione"]),
    }
