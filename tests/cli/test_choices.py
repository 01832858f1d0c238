"""`connector choices`: what can be chosen, through a real connection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.kit import Outside, connector

NODE = "fatture_in_cloud.create_issued_document"
VAT = "data.items_list.vat.id"
COMPANY = "company_id=108061"


@pytest.fixture
def connected(outside: Outside) -> None:
    said = connector(
        "connect", "fatture_in_cloud", "--name", "fatture", "--address", outside["fic"],
        "--token", "-", stdin=outside["manual_token"],
    )  # fmt: skip
    assert said.code == 0


@pytest.mark.usefixtures("connected")
def test_a_list_is_shown_with_what_stands_for_each() -> None:
    said = connector("choices", NODE, VAT, "--connection", "fatture", "--with", COMPANY)
    assert said.code == 0
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert lines[0] == "value VAT types"
    assert "21 0% Escluso art. 15" in lines
    said = connector(
        "choices", NODE, VAT, "--connection", "fatture", "--with", COMPANY, "--search", "22",
        "--json",
    )  # fmt: skip
    assert said.json["options"] == [{"value": 0, "label": "22%"}]


@pytest.mark.usefixtures("connected")
def test_what_is_missing_or_wrong_is_told() -> None:
    said = connector("choices", NODE, VAT, "--connection", "fatture")
    assert said.code != 0
    assert "company_id" in said.err
    said = connector("choices", NODE, "data.subject", "--connection", "fatture")
    assert "is not chosen from a list" in said.err
    said = connector("choices", NODE, VAT, "--connection", "nobody", "--with", COMPANY)
    assert said.code != 0
    said = connector("choices", NODE, VAT, "--connection", "fatture", "--with", "108061")
    assert "Write it as company_id=108061" in said.err


def test_fields_say_where_a_value_is_chosen_from() -> None:
    assert "choose: VAT types" in connector("fields", NODE, "--search", VAT).out


def test_try_says_what_would_be_looked_up(place: Path) -> None:
    (place / "flow.yaml").write_text(
        f"""flow: by_name
trigger:
  node: fatture_in_cloud.enriched_event
  connection: fatture
  with:
    company_id: 108061
    resource: entities.clients
    event_types: [create]
steps:
  - id: issue
    node: {NODE}
    connection: fatture
    map:
      company_id: 108061
      data.type: invoice
      data.entity.name: "{{{{ trigger.resource.name }}}}"
      data.items_list.0.name: Work
      data.items_list.0.vat.id: "22%"
""",
        "utf-8",
    )
    said = connector("try", "flow.yaml")
    assert said.code == 0, said.err
    assert "'22%' is looked up among the VAT types when it runs." in said.out + said.err
