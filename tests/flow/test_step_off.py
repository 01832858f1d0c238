"""A step that is switched off."""

from __future__ import annotations

from typing import ClassVar

import pytest

from connector.catalog import Catalog
from connector.flow import check_flow, parse_flow
from tests.flow.kit import CONNECTIONS, FIND, GOOD, HEAD, faults


class TestSteps:
    """A step that is switched off: kept in the document, left out of what is done."""

    OFF: ClassVar[str] = FIND.replace("    map:", "    enabled: false\n    map:")
    READ: ClassVar[str] = """\
  - id: make
    node: perfex_crm.create_customer
    connection: perfex
    map: {{data.company: "{}", data.vat: "{{{{ trigger.resource.vat_number }}}}"}}
"""

    def test_it_is_read_and_written(self) -> None:
        flow = parse_flow(HEAD + self.OFF)
        assert flow.steps[0].enabled is False
        assert "enabled: false" in flow.as_yaml()
        assert parse_flow(flow.as_yaml()) == flow
        assert "enabled" not in parse_flow(GOOD).as_yaml()

    @pytest.mark.parametrize("given", ["'no'", "0", "[]", "'{{ true }}'"])
    def test_it_is_yes_or_no(self, given: str) -> None:
        (issue,) = faults(HEAD + self.OFF.replace("enabled: false", f"enabled: {given}"))
        assert issue.where == "steps.find.enabled"
        assert "not yes or no" in issue.message
        assert "`when`" in issue.remedy

    @pytest.mark.parametrize(
        ("value", "found"),
        [
            ("{{ steps.find.company }}", "Step 'find' is switched off"),
            ("{{ steps.find.company }} {{ steps.find.company | default('') }}", "switched off"),
            ("{{ steps.find.company | default('none') }}", None),
            ("{{ 'x' if steps.find.skipped else steps.find.company }}", None),
            ("{{ steps.find.company | default('') | upper }}", None),
            ("{{ trigger.resource.name }}", None),
        ],
    )
    def test_who_reads_it_must_say_what_else(
        self, catalog: Catalog, value: str, found: str | None
    ) -> None:
        text = HEAD + self.OFF + self.READ.format(value)
        told = check_flow(text, catalog)
        if found is None:
            assert told.errors == ()
            return
        (issue,) = told.errors
        assert found in issue.message
        assert (issue.where, issue.line) == ("steps.make.map.data.company", 15)
        assert "default" in issue.remedy
        on = check_flow(HEAD + FIND + self.READ.format(value), catalog)
        assert on.errors == ()

    def test_rows_of_it_are_read_as_well(self, catalog: Catalog) -> None:
        make = """\
  - id: make
    node: fatture_in_cloud.create_issued_document
    connection: fatture
    map: {data.items_list: {for_each: "{{ steps.find.contacts }}", map: {name: x}}}
"""
        assert "switched off" not in str(check_flow(HEAD + FIND + make, catalog).errors)
        text = HEAD + self.OFF + make
        assert "switched off" in str(check_flow(text, catalog).errors)

    def test_what_is_half_done_may_be_put_aside(self, catalog: Catalog) -> None:
        broken = self.READ.format("{{ trigger.resource.name | nofilter }}")
        aside = broken.replace("    map:", "    enabled: false\n    map:")
        assert check_flow(GOOD + broken, catalog).compiled is None
        told = check_flow(GOOD + aside, catalog, CONNECTIONS)
        assert told.compiled is not None
        assert [step.enabled for step in told.compiled.steps] == [True, False]
        assert "nofilter" in str(told.warnings)

    def test_a_flow_of_nothing_else_is_told(self, catalog: Catalog) -> None:
        told = check_flow(HEAD + self.OFF, catalog)
        assert told.ok
        assert "does nothing" in str(told.warnings)
