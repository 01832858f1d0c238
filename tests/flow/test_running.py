"""What the engine gets of a flow, and what the examples do."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from connector.catalog import Catalog
from connector.errors import FlowError
from connector.flow import SKIPPED, CompiledFlow, check_flow
from tests.flow.kit import CONNECTIONS, EXAMPLES, FIND, GOOD


class TestRunning:
    CONTEXT: ClassVar[dict[str, Any]] = {
        "trigger": {"id": 70211, "resource": {"name": "Rossi", "vat_number": "IT12345678903"}},
        "steps": {},
        "flow": {"key": "clients", "version": 1},
        "run": {"id": "r1", "created_at": "2026-03-04T09:15:00+00:00"},
    }

    def flow(self, extra: str, catalog: Catalog) -> CompiledFlow:
        return check_flow(GOOD + extra, catalog).raise_for_errors()

    def test_trigger_and_steps_are_ready(self, catalog: Catalog) -> None:
        flow = self.flow("", catalog)
        assert flow.trigger.inputs == {
            "company_id": 108061,
            "resource": "entities.clients",
            "event_types": ["create"],
        }
        (step,) = flow.steps
        assert (step.node, step.connection) == ("perfex_crm.find_customer", "perfex")
        assert step.when(self.CONTEXT)
        assert step.business_key(self.CONTEXT) is None
        assert step.mapping.apply(self.CONTEXT).payload == {"vat": "IT12345678903"}

    @pytest.mark.parametrize(
        ("condition", "holds"),
        [
            ("{{ trigger.resource is not none }}", True),
            ("{{ trigger.resource.name == 'Bianchi' }}", False),
            ("{{ trigger.resource.gone | default(none) }}", False),
            ("  {{ true }}  ", True),
        ],
    )
    def test_filter_gives_yes_or_no(self, condition: str, holds: bool, catalog: Catalog) -> None:
        flow = self.flow(f'when: "{condition}"\n', catalog)
        assert flow.filter({"trigger": self.CONTEXT["trigger"]}) is holds

    @pytest.mark.parametrize(
        "condition", ["{{ trigger.resource.name }}", "{{ trigger.id }}", "{{ true }}!", "{{ [] }}"]
    )
    def test_condition_that_is_no_yes_or_no_is_an_error(
        self, condition: str, catalog: Catalog
    ) -> None:
        flow = self.flow(f'    when: "{condition}"\n', catalog)
        with pytest.raises(FlowError, match="not yes or no") as caught:
            flow.steps[0].when(self.CONTEXT)
        assert caught.value.field == "steps.find.when"
        assert "clients" in caught.value.message

    def test_condition_on_a_missing_place_names_flow_and_step(self, catalog: Catalog) -> None:
        flow = self.flow('    when: "{{ trigger.resource.nmae == 1 }}"\n', catalog)
        with pytest.raises(FlowError) as caught:
            flow.steps[0].when(self.CONTEXT)
        assert caught.value.message == (
            "In the flow clients: There is no 'nmae' in trigger.resource."
        )
        assert caught.value.issues[0].where == "steps.find.when"
        assert "Did you mean 'name'?" in caught.value.remedy

    @pytest.mark.parametrize(
        ("key", "text"),
        [("{{ trigger.id }}", "70211"), ("client {{ trigger.id }}", "client 70211")],
    )
    def test_business_key_is_text(self, key: str, text: str, catalog: Catalog) -> None:
        flow = self.flow(f'    business_key: "{key}"\n', catalog)
        assert flow.steps[0].business_key(self.CONTEXT) == text

    @pytest.mark.parametrize(
        "key", ["{{ none }}", "{{ '' }}", "{{ ' ' }}", "{{ true }}", "{{ [1] }}"]
    )
    def test_business_key_that_tells_nothing_apart_is_refused(
        self, key: str, catalog: Catalog
    ) -> None:
        flow = self.flow(f'    business_key: "{key}"\n', catalog)
        with pytest.raises(FlowError, match="business key"):
            flow.steps[0].business_key(self.CONTEXT)

    def test_skipped_step_gives_way_to_a_default(self, catalog: Catalog) -> None:
        later = FIND.removeprefix("steps:\n").replace("id: find", "id: again")
        reading = later.replace("trigger.resource.vat_number", "steps.find.id | default('other')")
        flow = self.flow(reading, catalog)
        context = {**self.CONTEXT, "steps": {"find": SKIPPED}}
        assert flow.steps[1].mapping.apply(context).payload == {"vat": "other"}
        strict = self.flow(later.replace("trigger.resource.vat_number", "steps.find.id"), catalog)
        mapped = strict.steps[1].mapping.apply(context)
        assert mapped.issues[0].message == "There is no 'id' in steps.find."


class TestExamples:
    """The examples do what they say, on the made-up records of the catalogue."""

    def sample(self, catalog: Catalog, resource: str) -> Any:
        return catalog.sample(catalog.node("fatture_in_cloud.enriched_event"), resource)

    def load(self, name: str, catalog: Catalog) -> CompiledFlow:
        text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
        return check_flow(text, catalog, CONNECTIONS).raise_for_errors()

    def test_client_becomes_a_customer(self, catalog: Catalog) -> None:
        flow = self.load("fic-client-to-perfex", catalog)
        trigger = self.sample(catalog, "entities.clients")
        client = trigger["resource"]
        find, create, update = flow.steps
        context = {"trigger": trigger, "steps": {}}
        assert flow.filter(context)
        assert find.mapping.apply(context).payload["vat"] == client["vat_number"]
        context["steps"] = {"find": {"found": False, "count": 0, "skipped": False}}
        assert create.when(context)
        assert not update.when(context)
        made = create.mapping.apply(context, validate=True).raise_for_errors().payload["data"]
        assert made["company"] == client["name"]
        assert made["state"] == made["billing_state"] == client["address_province"]
        assert made["zip"] == client["address_postal_code"]
        assert made["country"] == 109
        context["steps"] = {"find": {"found": True, "count": 1, "id": 412, "skipped": False}}
        assert not create.when(context)
        assert update.when(context)
        changed = update.mapping.apply(context, validate=True).raise_for_errors().payload
        assert changed == {"customer_id": 412, "data": made}
        context["steps"] = {"find": {"found": True, "count": 2, "id": 412, "skipped": False}}
        assert not create.when(context)
        assert not update.when(context)

    def test_an_event_that_a_resource_never_sends_is_found(self, catalog: Catalog) -> None:
        text = (EXAMPLES / "fic-client-to-perfex.yaml").read_text("utf-8")
        found = check_flow(text.replace("[create, update]", "[create, email_sent]"), catalog)
        (issue,) = found.errors
        assert issue.message == "entities.clients never sends 'email_sent'."
        assert "create, update, delete" in issue.remedy

    def test_deleted_client_is_filtered(self, catalog: Catalog) -> None:
        flow = self.load("fic-client-to-perfex", catalog)
        gone = {**self.sample(catalog, "entities.clients"), "resource": None}
        assert not flow.filter({"trigger": gone})

    def test_order_becomes_an_invoice(self, catalog: Catalog) -> None:
        flow = self.load("fic-invoice-copy", catalog)
        trigger = self.sample(catalog, "issued_documents.orders")
        (step,) = flow.steps
        context = {"trigger": trigger, "steps": {}}
        payload = step.mapping.apply(context, validate=True).raise_for_errors().payload
        rows, copies = trigger["resource"]["items_list"], payload["data"]["items_list"]
        assert [row["name"] for row in copies] == [row["name"] for row in rows]
        assert payload["data"]["type"] == "invoice"
        assert payload["data"]["payments_list"][0]["amount"] == trigger["resource"]["amount_gross"]
        assert step.business_key(context) == str(trigger["id"])
