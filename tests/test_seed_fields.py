"""The inputs of the six write actions are the ones our users know: 354 of them, in their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.catalog import Catalog
from connector.model import Field

GOLDEN = Path(__file__).parent / "golden" / "fields"
ACTIONS = {
    "create_archive_document": 6,
    "create_client": 64,
    "create_issued_document": 238,
    "create_cashbook_entry": 25,
    "create_f24": 14,
    "create_payment_account": 7,
}

# Labels of the seed that are sentences, each with the short one that we show instead.
REWORDED = {
    "The ID of the company.": "Company ID",
    "Is the vat type is editable.": "Vat type is editable",
    "Use e-invoices.": "Use e-invoices",
    "E-invoices code.": "E-invoices code",
    "Has intent declaration.": "Has intent declaration",
    "Issued document number [If not specified, next number is used]": "Issued document number",
    "Issued document numeration [Not available if type=delivery_note]": (
        "Issued document numeration"
    ),
    "Issued document date [defaults to today's date]": "Issued document date",
    "Issued document subject [not shown on the PDF]": "Issued document subject",
    "Issued document revenue center [or cost center if type=supplier_order].": (
        "Issued document revenue center"
    ),
    "Issued document cassa amount.": "Issued document cassa amount",
    "[Can be set only if cassa_taxable is NULL] Issued document cassa taxable amount": (
        "Issued document cassa taxable amount"
    ),
    "[Can be set only if cassa2_taxable is NULL] Issued document cassa2 taxable amount": (
        "Issued document cassa2 taxable amount"
    ),
    (
        "[Can be set only if global_cassa_taxable is NULL] "
        "Issued document global cassa taxable amount"
    ): "Issued document global cassa taxable amount",
    "Issued document stamp duty value [0 if not present]": "Issued document stamp duty value",
    "Issued document is an e-invoice.": "Issued document is an e-invoice",
    "Vat kind [esigibilità IVA]": "Vat kind",
    "E-invoice payment method [required for e-invoices] (FatturaPA ModalitaPagamento code)": (
        "E-invoice payment method"
    ),
    "Issued document payment date [Only if status is paid]": "Issued document payment date",
    "Issued document withholding tax amount (ritenuta d'acconto).": (
        "Issued document withholding tax amount"
    ),
    "": "Multifatture sent",
    'Issued document ts "tipo spesa" [TK, FC, FV, SV,SP, AD, AS, ECG, SR]': (
        'Issued document ts "tipo spesa"'
    ),
    "Original documents ids [only for join/transform]": "Original documents ids",
    "Tranform a document [only for transform]": "Transform a document",
    "Keep original document [only for transform]": "Keep original document",
    "Join type [only for join]": "Join type",
}

# What the API refuses to do without. The seed marks only the company and the archive's token.
REQUIRED = {
    "create_archive_document": {
        "data.date",
        "data.description",
        "data.category",
        "data.attachment_token",
    },
    "create_client": {"data.name"},
    "create_issued_document": {"data.type", "data.entity.name", "data.items_list.vat.id"},
    "create_cashbook_entry": {"data.date", "data.description", "data.kind"},
    "create_f24": {"data.due_date", "data.amount", "data.description"},
    "create_payment_account": {"data.name"},
}


@pytest.fixture(scope="module")
def seed(shared: Path) -> dict[str, list[dict[str, Any]]]:
    told = json.loads((shared / "facts" / "seed-field-lists.json").read_text("utf-8"))
    return {action["key"]: action["fields"] for action in told["actions"]}


def inputs(catalog: Catalog, action: str) -> tuple[Field, ...]:
    return catalog.fields(catalog.node(f"fatture_in_cloud.{action}"))


def flags(field: Field) -> list[str]:
    return [name for name in ("required", "read_only", "write_only") if getattr(field, name)]


@pytest.mark.parametrize("action", ACTIONS)
class TestEveryAction:
    def test_is_as_it_was_written_down(self, catalog: Catalog, action: str) -> None:
        golden = json.loads((GOLDEN / f"{action}.json").read_text("utf-8"))
        found = [
            {"path": field.path, "label": field.label, "flags": flags(field)}
            for field in inputs(catalog, action)
        ]
        assert found == golden

    def test_has_its_number_of_fields_and_the_company(self, catalog: Catalog, action: str) -> None:
        company, *rest = inputs(catalog, action)
        assert (company.path, company.label, company.required) == ("company_id", "Company ID", True)
        assert len(rest) == ACTIONS[action]

    def test_requires_what_the_api_requires(self, catalog: Catalog, action: str) -> None:
        found = {field.path for field in inputs(catalog, action) if field.required}
        assert found == REQUIRED[action] | {"company_id"}

    def test_paths_of_the_seed_in_order(
        self, catalog: Catalog, seed: dict[str, Any], action: str
    ) -> None:
        found = [field.path for field in inputs(catalog, action)]
        assert found == [one["path"] for one in seed[action]]

    def test_labels_of_the_seed(self, catalog: Catalog, seed: dict[str, Any], action: str) -> None:
        wanted = [REWORDED.get(one["label"], one["label"]) for one in seed[action]]
        assert [field.label for field in inputs(catalog, action)] == wanted

    def test_marks_of_the_seed(self, catalog: Catalog, seed: dict[str, Any], action: str) -> None:
        for field, told in zip(inputs(catalog, action), seed[action], strict=True):
            assert field.read_only == ("read_only" in told["flags"]), field.path
            assert field.write_only == ("write_only" in told["flags"]), field.path
            assert field.required or "required" not in told["flags"], field.path

    def test_choices_of_the_seed(self, catalog: Catalog, seed: dict[str, Any], action: str) -> None:
        for field, told in zip(inputs(catalog, action), seed[action], strict=True):
            if "choices" in told:
                assert [choice.value for choice in field.choices] == told["choices"], field.path

    def test_remark_of_a_reworded_label_is_in_its_help(
        self, catalog: Catalog, seed: dict[str, Any], action: str
    ) -> None:
        for field, told in zip(inputs(catalog, action), seed[action], strict=True):
            if "[" in told["label"]:
                assert field.help, field.path


def labels(seed: dict[str, Any]) -> Iterator[str]:
    for fields in seed.values():
        yield from (field["label"] for field in fields)


def is_a_sentence(label: str) -> bool:
    return not label or label.endswith(".") or "[" in label


class TestAll:
    def test_there_are_354(self, catalog: Catalog) -> None:
        assert sum(len(inputs(catalog, action)) - 1 for action in ACTIONS) == 354

    def test_exactly_the_sentences_are_reworded(self, seed: dict[str, Any]) -> None:
        assert {label for label in labels(seed) if is_a_sentence(label)} == set(REWORDED)

    def test_own_labels_are_short_and_unlike(self) -> None:
        own = list(REWORDED.values())
        assert [label for label in own if is_a_sentence(label) or len(label) > 60] == []
        assert len(set(own)) == len(own)

    def test_62_inputs_of_an_invoice_only_describe_what_an_id_chooses(
        self, catalog: Catalog
    ) -> None:
        fields = inputs(catalog, "create_issued_document")
        described = [field for field in fields if field.by_id]
        assert len(described) == 62
        assert {field.by_id for field in described} <= {field.path for field in fields}

    def test_rows_are_marked_with_their_list(self, catalog: Catalog) -> None:
        fields = {field.path: field for field in inputs(catalog, "create_issued_document")}
        assert fields["data.items_list.vat.id"].array == "data.items_list"
        details = "data.payment_method.details"
        assert fields[f"{details}.title"].array == details
        create_from = fields["options.create_from"]
        assert (create_from.list, create_from.array) == (True, "options.create_from")
        assert {field.array for field in fields.values() if field.list} == {
            "data.items_list",
            "data.payments_list",
            "data.entity.default_payment_method.details",
            details,
            "options.create_from",
        }

    def test_answers_hold_what_is_not_sent(self, catalog: Catalog) -> None:
        node = catalog.node("fatture_in_cloud.create_issued_document")
        sent = {field.path.removeprefix("data.") for field in catalog.fields(node)}
        answered = {field.path for field in catalog.output_fields(node)}
        templates = ("template", "delivery_note_template", "acc_inv_template")
        parts = ("privacy", "can_disable_watermark", "author", "content", "supports_custom_taxable")
        extra = {f"{template}.{part}" for template in templates for part in parts}
        extra |= {"extra_data.debt_vat_detect", "extra_data.revenue_detect"}
        assert answered - sent == extra
        assert "attachment_token" not in answered
