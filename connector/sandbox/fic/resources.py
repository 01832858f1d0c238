"""What each resource holds, requires, lists and filters by (facts §3 and §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from connector.sandbox.fic.fields import Spec, spec
from connector.sandbox.fic.query import Columns

ID = "id:i! "
TIMES = " created_at:s! updated_at:s!"
ADDRESS = (
    'code:s="" name:s type:e(company|person|pa|condo) first_name:s="" last_name:s="" '
    'contact_person:s="" vat_number:s="" tax_code:s="" address_street:s="" '
    'address_postal_code:s="" address_city:s="" address_province:s="" address_extra:s="" '
    'country:s="Italia" country_iso:s email:s="" certified_email:s="" phone:s="" fax:s="" '
    'notes:s="" bank_iban:s'
)
TERMS = 'default_payment_terms:i default_payment_terms_type:e(standard|end_of_month)="standard"'
CLIENT = (
    f"{ADDRESS} default_vat:vat {TERMS} default_payment_method:method bank_name:s "
    "bank_swift_code:s shipping_address:s e_invoice:b=false discount_highlight:b=false ei_code:s "
    "default_discount:n has_intent_declaration:b=false intent_declaration_protocol_number:s "
    "intent_declaration_protocol_date:d price_list_id:s"
)
PRODUCT = (
    'name:s code:s="" net_price:n=0 gross_price:n=0 use_gross_price:b=false default_vat:vat '
    'net_cost:n=0 measure:s="" description:s="" category:s="" notes:s="" in_stock:b=false '
    "stock_initial:n=0 stock_current:n! average_cost:n average_price:n"
)
F24 = (
    'due_date:d status:e(paid|not_paid|reversed)="not_paid" payment_account:account amount:n '
    "description:s attachment_url:s! attachment_token:s"
)
ARCHIVE = 'date:d description:s="" category:s="" attachment_url:s! attachment_token:s'
CASHBOOK = (
    "date:d description:s kind:e(cashbook|issued_document|received_document|tax|receipt|ts_pay) "
    "type:e(in|out) entity_name:s document:o amount_in:n=0 payment_account_in:account "
    "amount_out:n=0 payment_account_out:account"
)
RECEIPT_ROW = "id:i amount_net:n amount_gross:n amount_vat:n category:s vat:vat"
RECEIPT = (
    'date:d number:i numeration:s="" amount_net:n! amount_vat:n! amount_gross:n! '
    "use_gross_prices:b=false type:e(till_receipt|sales_receipt) description:s rc_center:s "
    "payment_account:account items_list:l"
)
RECEIVED_ROW = (
    "id:i product_id:i code:s name:s measure:s net_price:n category:s qty:n=1 vat:vat stock:n "
    "deductibility_vat_percentage:n"
)
PAYMENT = (
    'id:i due_date:d amount:n status:s="not_paid" payment_account:account paid_date:d ei_raw:o '
    'payment_terms:o={"days":0,"type":"standard"}'
)
RECEIVED = (
    'type:e(expense|passive_credit_note|passive_delivery_note|self_invoice)="expense" entity:o '
    'date:d category:s="" description:s="" amount_net:n=0 amount_vat:n=0 '
    "amount_withholding_tax:n=0 amount_other_withholding_tax:n=0 amount_gross:n! amortization:n "
    'rc_center:s="" invoice_number:s="" is_marked:b=false is_detailed:b=false e_invoice:b=false! '
    "next_due_date:d! currency:o tax_deductibility:n=100 vat_deductibility:n=100 items_list:l "
    "payments_list:l attachment_url:s! attachment_preview_url:s! auto_calculate:b "
    "attachment_token:s locked:b=false! ei_reception_date:s! is_from_pending_expenses:b=false!"
)
ACCOUNT = 'name:s type:e(standard|bank)="standard" iban:s sia:s cuc:s virtual:b=false'
METHOD = (
    'name:s type:e(standard|riba)="standard" is_default:b=false default_payment_account:account '
    "details:l bank_iban:s bank_name:s bank_beneficiary:s ei_payment_method:s"
)
VAT = (
    'value:n description:s="" notes:s="" e_invoice:b=true ei_type:s ei_description:s '
    "editable:b=true! is_disabled:b=false default:b=false!"
)
ITEM = (
    'id:i product_id:i code:s="" name:s="" category:s="" description:s="" qty:n=1 measure:s="" '
    "net_price:n gross_price:n vat:vat not_taxable:b=false apply_withholding_taxes:b=true "
    "discount:n=0 discount_highlight:b=false in_dn:b=true stock:b ei_raw:o"
)
# A document keeps less of a client than the client's own record has.
_ONLY_CLIENT = ("discount_highlight:b=false", "default_discount:n", "price_list_id:s")
ENTITY = " ".join(["id:i", *(one for one in CLIENT.split() if one not in _ONLY_CLIENT)])
ISSUED_TYPES = (
    "invoice|quote|proforma|receipt|delivery_note|credit_note|order|work_report|supplier_order"
    "|self_own_invoice|self_supplier_invoice"
)
ISSUED = (
    f'entity:o type:e({ISSUED_TYPES}) number:i numeration:s="" date:d year:i! '
    'currency:o={"id":"EUR","exchange_rate":"1.00000","symbol":"€"} '
    'language:o={"code":"it","name":"Italiano"} subject:s="" visible_subject:s="" rc_center:s '
    'notes:s="" rivalsa:n=0 cassa:n=0 amount_cassa:n! cassa_taxable:n amount_cassa_taxable:n '
    "cassa2:n=0 amount_cassa2:n! cassa2_taxable:n amount_cassa2_taxable:n global_cassa_taxable:n "
    "amount_global_cassa_taxable:n withholding_tax:n=0 withholding_tax_taxable:n "
    "other_withholding_tax:n=0 stamp_duty:n=0 payment_method:method use_split_payment:b=false "
    "use_gross_prices:b=false e_invoice:b=false ei_data:o ei_cassa_type:s ei_cassa2_type:s "
    "ei_withholding_tax_causal:s ei_other_withholding_tax_type:s "
    "ei_other_withholding_tax_causal:s items_list:l payments_list:l template:o "
    "delivery_note_template:o acc_inv_template:o h_margins:i v_margins:i show_payments:b=true "
    'show_payment_method:b=true show_totals:e(none|nets|all)="all" '
    "show_notification_button:b=false show_tspay_button:b=false delivery_note:b=false "
    "accompanying_invoice:b=false dn_number:i dn_date:d dn_ai_packages_number:s dn_ai_weight:s "
    "dn_ai_causal:s dn_ai_destination:s dn_ai_transporter:s dn_ai_notes:s is_marked:b=false "
    "amount_net:n! amount_vat:n! amount_gross:n! amount_due_discount:n=0 amount_rivalsa:n! "
    "amount_rivalsa_taxable:n amount_withholding_tax:n! amount_withholding_tax_taxable:n "
    "amount_other_withholding_tax:n! amount_other_withholding_tax_taxable:n "
    "amount_enasarco_taxable:n extra_data:o seen_date:d! next_due_date:d! url:s! dn_url:s! "
    "ai_url:s! attachment_url:s! attachment_token:s ei_raw:o "
    'ei_status:s="not_sent"! price_list_id:s locked:b=false!'
)
ENTITY_COLUMNS = (
    "id code name type vat_number tax_code address_street address_postal_code address_city "
    "address_province country email certified_email phone fax notes imported atoka_show "
    "e_invoice ei_code created_at updated_at"
)
ENTITY_SORT = "code name vat_number tax_code address_city created_at updated_at"
ISSUED_SORT = "entity.name date number numeration amount_net amount_gross next_due_date"
ENTITY_DETAIL = (
    "notes default_vat default_payment_terms default_payment_terms_type default_payment_method "
    "bank_name bank_iban bank_swift_code shipping_address discount_highlight default_discount "
    "has_intent_declaration intent_declaration_protocol_number intent_declaration_protocol_date "
    "price_list_id address_extra contact_person"
)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource: `detail` are the fields that only `fieldset=detailed` shows."""

    key: str
    path: str
    fields: Spec
    family: str = ""
    event: str = ""
    required: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    columns: Columns
    sort: tuple[str, ...] = ()
    first_id: int
    also: tuple[str, ...] = ()
    """Scope families asked for beside the own one."""
    marks: tuple[str, ...] = ()
    """Fields by which the ledger counts writes."""


def _columns(names: str, **special: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {name: (name,) for name in names.split()} | special


def _entities(key: str, text: str, first_id: int) -> Resource:
    return Resource(
        key=key,
        path=f"entities/{key}",
        fields=spec(ID + text + TIMES),
        family=f"entity.{key}",
        event=f"entities.{key}",
        required=("name",),
        detail=tuple(ENTITY_DETAIL.split()),
        columns=_columns(ENTITY_COLUMNS),
        sort=tuple(ENTITY_SORT.split()),
        first_id=first_id,
        marks=("name", "vat_number", "tax_code", "code", "notes"),
    )


def _documents() -> tuple[Resource, Resource]:
    entity = spec(ENTITY)
    payments = spec(PAYMENT)
    issued = Resource(
        key="issued_documents",
        path="issued_documents",
        fields=spec(
            ID + ISSUED + TIMES, entity=entity, items_list=spec(ITEM), payments_list=payments
        ),
        required=("type", "entity"),
        detail=("items_list", "payments_list", "ei_status", "ei_data", "ei_raw", "extra_data"),
        columns=_columns(
            "type date number numeration amount_net amount_vat amount_gross next_due_date "
            "created_at updated_at",
            any_subject=("subject", "visible_subject"),
            **{
                f"entity.{name}": (f"entity.{place}",)
                for name, place in (
                    ("id", "id"),
                    ("name", "name"),
                    ("vat_number", "vat_number"),
                    ("tax_code", "tax_code"),
                    ("city", "address_city"),
                    ("province", "address_province"),
                    ("country", "country"),
                )
            },
        ),
        sort=tuple(ISSUED_SORT.split()),
        first_id=9_150_077,
        marks=("subject", "type"),
    )
    received = Resource(
        key="received_documents",
        path="received_documents",
        fields=spec(
            ID + RECEIVED + TIMES,
            entity=entity,
            items_list=spec(RECEIVED_ROW),
            payments_list={name: leaf for name, leaf in payments.items() if name != "ei_raw"},
        ),
        family="received_documents",
        also=("stock",),
        event="received_documents",
        required=("entity",),
        detail=("items_list", "payments_list", "ei_reception_date", "is_from_pending_expenses"),
        columns=_columns(
            "id type category description date next_due_date amount_gross amount_net amount_vat "
            "invoice_number created_at updated_at",
            **{"entity.id": ("entity.id",), "entity.name": ("entity.name",)},
        ),
        sort=("id", "entity.name", "date", "amount_net", "amount_gross", "next_due_date"),
        first_id=40_417,
        marks=("description", "invoice_number"),
    )
    return issued, received


def _registers() -> tuple[Resource, ...]:
    return (
        Resource(
            key="receipts",
            path="receipts",
            fields=spec(ID + RECEIPT + TIMES, items_list=spec(RECEIPT_ROW)),
            family="receipts",
            event="receipts",
            required=("date", "type", "payment_account"),
            detail=("items_list",),
            columns=_columns("date type description rc_center created_at updated_at"),
            sort=("date", "number", "amount_gross"),
            first_id=9_311,
            marks=("description",),
        ),
        Resource(
            key="taxes",
            path="taxes",
            fields=spec(ID + F24),
            family="taxes",
            event="taxes",
            required=("due_date", "amount", "description"),
            columns=_columns("due_date status amount description"),
            sort=("due_date", "amount", "description"),
            first_id=6_120,
            marks=("description",),
        ),
        Resource(
            key="archive",
            path="archive",
            fields=spec(ID + ARCHIVE),
            family="archive",
            event="archive_documents",
            required=("date", "description", "category"),
            columns=_columns("date category description"),
            sort=("date", "category", "description"),
            first_id=2_207,
            marks=("description",),
        ),
        Resource(
            key="cashbook",
            path="cashbook",
            fields=spec("id:s! " + CASHBOOK),
            family="cashbook",
            event="cashbook",
            required=("date", "description", "kind"),
            columns={},
            first_id=54_321,
            marks=("description",),
        ),
    )


def _settings(key: str, text: str, required: str, first_id: int) -> Resource:
    return Resource(
        key=key,
        path=f"settings/{key}",
        fields=spec(ID + text),
        family="settings",
        required=(required,),
        columns={},
        sort=("id", "name"),
        first_id=first_id,
        marks=(required,),
    )


@cache
def resources() -> Mapping[str, Resource]:
    """All resources by key."""
    every = (
        _entities("clients", CLIENT, 70_211),
        _entities("suppliers", ADDRESS, 5_120),
        Resource(
            key="products",
            path="products",
            fields=spec(ID + PRODUCT + TIMES),
            family="products",
            event="products",
            required=("name",),
            detail=("notes", "average_cost", "average_price", "stock_initial"),
            columns=_columns(
                "id name code net_price gross_price net_cost description category notes in_stock "
                "created_at updated_at"
            ),
            sort=("name", "code", "net_price", "gross_price", "category", "created_at"),
            first_id=331,
            marks=("name", "code"),
        ),
        *_documents(),
        *_registers(),
        _settings("payment_accounts", ACCOUNT, "name", 333),
        _settings("payment_methods", METHOD, "name", 386_683),
        _settings("vat_types", VAT, "value", 1_010),
    )
    return {resource.key: resource for resource in every}
