"""The dry run: what would be sent, worked out without sending anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.catalog import Catalog
from connector.engine.dry import UNKNOWN_HOST, DryRun, dry_run
from connector.flow import check_flow
from connector.model import Connection

EXAMPLE = (Path(__file__).parents[2] / "examples" / "fic-client-to-perfex.yaml").read_text("utf-8")
NOT_FOUND = {"find": {"found": False, "count": 0, "id": None, "record": None, "records": []}}
PERFEX = Connection(
    id="con_1", app="perfex_crm", name="perfex", base_url="https://crm.example.it/api"
)


def tried(
    catalog: Catalog,
    record: dict[str, Any] | None = None,
    assumed: dict[str, Any] | None = None,
    connections: tuple[Connection, ...] = (),
    text: str = EXAMPLE,
) -> DryRun:
    trigger = catalog.trigger("fatture_in_cloud.enriched_event")
    item = dict(catalog.sample(trigger, "entities.clients"))
    if record is not None:
        item["resource"] = {**item["resource"], **record}
    return dry_run(
        check_flow(text, catalog).raise_for_errors(),
        catalog,
        item,
        assumed=assumed or {},
        connection_of=lambda name, app: next(
            (one for one in connections if one.name == name), None
        ),
    )


def states(run: DryRun) -> dict[str, str]:
    return {step.id: step.state for step in run.steps}


def test_steps_answer_as_their_samples(catalog: Catalog) -> None:
    run = tried(catalog)
    assert states(run) == {"find": "would_run", "create": "skipped", "update": "would_run"}
    assert run.steps[2].request["url"] == f"{UNKNOWN_HOST}/api/customers/412"
    assert run.ok


def test_what_is_assumed_decides_the_branch(catalog: Catalog) -> None:
    run = tried(catalog, {"name": " Rossi "}, NOT_FOUND)
    assert states(run) == {"find": "would_run", "create": "would_run", "update": "skipped"}
    assert run.steps[1].inputs["data"]["company"] == "Rossi"


def test_address_is_that_of_the_connection(catalog: Catalog) -> None:
    run = tried(catalog, None, NOT_FOUND, (PERFEX,))
    assert run.steps[1].request["url"] == "https://crm.example.it/api/customers"


def test_nothing_after_a_failed_step_is_reached(catalog: Catalog) -> None:
    text = EXAMPLE.replace("trigger.resource.vat_number", "trigger.resource.vat", 1)
    run = tried(catalog, text=text)
    assert states(run) == {"find": "failed", "create": "not_reached", "update": "not_reached"}
    assert not run.ok


def test_filter_stops_what_it_stops(catalog: Catalog) -> None:
    text = EXAMPLE.replace("trigger.resource is not none", "trigger.resource is none")
    run = tried(catalog, text=text)
    assert (run.passes, run.steps, run.ok) == (False, [], True)


def test_faulty_filter_is_told(catalog: Catalog) -> None:
    text = EXAMPLE.replace("trigger.resource is not none", "trigger.resource.nothing_like_it")
    run = tried(catalog, text=text)
    assert run.error is not None
    assert "nothing_like_it" in str(run.error)
    assert not run.ok


def test_prints_as_json(catalog: Catalog) -> None:
    told = tried(catalog, None, NOT_FOUND).steps[1].as_data()
    assert told["request"]["method"] == "POST"
    assert told["assumed"]["id"] == 412
    assert told["error"] is None
