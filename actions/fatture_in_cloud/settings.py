"""What a company sets up in Fatture in Cloud: payment accounts, methods, VAT types, templates."""

from __future__ import annotations

from connector import Action, Identity, Request, fatture, schema

_WRITE = ("settings:a",)
_READ = ("settings:r",)


def _identity(path: str, natural: str) -> Identity:
    return Identity(
        record_id="data.id",
        natural_key=(natural,),
        read=Request(method="GET", path=f"{path}/{{id}}"),
        when_unsure="park",
    )


_ACCOUNT = fatture.Resource(
    noun="Payment account",
    plural="Payment accounts",
    key="payment_account",
    path="/c/{company_id}/settings/payment_accounts",
    schema="payment_account",
    read=_READ,
    write=_WRITE,
    title="{{ output.id }}: {{ output.name }}",
)
_METHOD = fatture.Resource(
    noun="Payment method",
    plural="Payment methods",
    key="payment_method",
    path="/c/{company_id}/settings/payment_methods",
    schema="payment_method",
    read=_READ,
    write=_WRITE,
    title="{{ output.id }}: {{ output.name }}",
)
_VAT = fatture.Resource(
    noun="VAT type",
    plural="VAT types",
    key="vat_type",
    path="/c/{company_id}/settings/vat_types",
    schema="vat_type",
    read=_READ,
    write=_WRITE,
    title="{{ output.id }}: {{ output.value }}%",
    query={},
    body_schema="vat_type_new",
)
_TEMPLATE = fatture.Resource(
    noun="Document template",
    plural="Document templates",
    key="template",
    path="/c/{company_id}/settings/templates",
    schema="document_template",
    read=_READ,
    title="{{ output.id }}: {{ output.name }}",
)

create_payment_account = Action(
    app="fatture_in_cloud",
    key="create_payment_account",
    noun="Payment account",
    label="Create Payment Account",
    description="Adds an account that money comes to or goes from.",
    docs_url="https://developers.fattureincloud.it/api-reference",
    inputs=(
        schema("fatture_in_cloud/company"),
        schema("fatture_in_cloud/payment_account", "data", require=("data.name",)),
    ),
    request=Request(
        method="POST", path="/c/{company_id}/settings/payment_accounts", wrap=("data",)
    ),
    result="data",
    output=schema("fatture_in_cloud/payment_account"),
    identity=_identity("/c/{company_id}/settings/payment_accounts", "data.name"),
    scopes=("settings:a",),
    summary="Payment account {{ output.id }}: {{ input.data.name }}",
    operations=("createPaymentAccount",),
)
get_payment_account = _ACCOUNT.get("getPaymentAccount")
list_payment_accounts = fatture.choices(
    "list_payment_accounts",
    "listPaymentAccounts",
    noun="Payment account",
    label="List Payment Accounts",
    description="Lists the accounts that money comes to or goes from.",
    path="/c/{company_id}/info/payment_accounts",
    query={"fieldset": "detailed"},
    output="payment_account_search",
)
update_payment_account = _ACCOUNT.update("modifyPaymentAccount", "getPaymentAccount")
delete_payment_account = _ACCOUNT.delete("deletePaymentAccount")

create_payment_method = _METHOD.create(
    "createPaymentMethod",
    require=("data.name",),
    identity=_identity(_METHOD.path, "data.name"),
)
get_payment_method = _METHOD.get("getPaymentMethod")
list_payment_methods = fatture.choices(
    "list_payment_methods",
    "listPaymentMethods",
    noun="Payment method",
    label="List Payment Methods",
    description="Lists the ways in which customers pay.",
    path="/c/{company_id}/info/payment_methods",
    query={"fieldset": "detailed"},
    output="payment_method_search",
)
update_payment_method = _METHOD.update("modifyPaymentMethod", "getPaymentMethod")
delete_payment_method = _METHOD.delete("deletePaymentMethod")

create_vat_type = _VAT.create(
    "createVatType", require=("data.value",), identity=_identity(_VAT.path, "data.description")
)
get_vat_type = _VAT.get("getVatType")
list_vat_types = fatture.choices(
    "list_vat_types",
    "listVatTypes",
    noun="VAT type",
    label="List VAT Types",
    description="Lists the VAT types of a company; their ids differ from company to company.",
    path="/c/{company_id}/info/vat_types",
    query={"fieldset": "detailed"},
    output="vat_type_search",
    scopes=_READ,
)
update_vat_type = _VAT.update("modifyVatType", "getVatType")
delete_vat_type = _VAT.delete("deleteVatType")

get_template = _TEMPLATE.get("getTemplate")
list_templates = fatture.choices(
    "list_templates",
    "listTemplates",
    noun="Document template",
    label="List Document Templates",
    description="Lists the templates that a company prints its documents with.",
    path="/c/{company_id}/settings/templates",
    output="document_template_search",
    scopes=_READ,
)
list_default_templates = fatture.choices(
    "list_default_templates",
    "listDefaultTemplates",
    noun="Document template",
    label="List Default Templates",
    description="Lists the templates that Fatture in Cloud offers to everybody.",
    path="/info/templates",
    inputs=(schema("fatture_in_cloud/template_type"),),
    query={"type": "{type}"},
    output="document_template_search",
    scopes=(),
)
get_tax_profile = fatture.reading(
    "get_tax_profile",
    "getTaxProfile",
    noun="Tax profile",
    label="Get Tax Profile",
    description="Reads the tax regime of a company and the rates that its documents begin with.",
    path="/c/{company_id}/settings/tax_profile",
    output="tax_profile",
    scopes=_READ,
    summary="{{ output.regime }}",
)
