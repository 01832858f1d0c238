"""What expressions see while a flow is built: a sample event, and what earlier steps give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connector import paths
from connector.building.forms import node_label, output_labels, output_parts
from connector.building.useful import ORDINARY, TECHNICAL, usefulness
from connector.model import Action, Operation, Search, Trigger

if TYPE_CHECKING:
    from connector.catalog import Catalog


def made_up_output(node: Operation) -> Any:
    """What a step is assumed to give: its node's sample, with the id that an Action adds."""
    sample = node.sample if node.sample is not None else {}
    record = paths.get(sample, node.result) if node.result else sample
    if isinstance(node, Action) and isinstance(record, Mapping) and node.identity.record_id:
        found = paths.get(sample, node.identity.record_id)
        if found is not paths.ABSENT:
            return {"id": found, **record}
    return sample if record is paths.ABSENT else record


def trigger_of(catalog: Catalog, data: Mapping[str, Any]) -> tuple[Trigger | None, str | None]:
    """The trigger of a document that may not be whole yet, and the kind of record it names."""
    given = data.get("trigger")
    given = given if isinstance(given, Mapping) else {}
    node = catalog.nodes.get(str(given.get("node", "")))
    with_ = given.get("with")
    resource = with_.get("resource") if isinstance(with_, Mapping) else None
    trigger = node if isinstance(node, Trigger) else None
    known = trigger is not None and isinstance(resource, str) and resource in trigger.outputs
    return trigger, str(resource) if known else None


def sample_item(
    catalog: Catalog, data: Mapping[str, Any], record: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The trigger's made-up item; `record` stands in the place of its record."""
    trigger, resource = trigger_of(catalog, data)
    if trigger is None:
        return {}
    sample = catalog.sample(trigger, resource)
    item = dict(sample) if isinstance(sample, Mapping) else {}
    if record is not None:
        item["resource"] = dict(record)
        item["id"] = record.get("id", item.get("id"))
    return item


def context_for(
    catalog: Catalog, data: Mapping[str, Any], upto: int, item: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What step number `upto` sees: `trigger`, and the steps before it by their ids."""
    steps: dict[str, Any] = {}
    for id_, node, enabled in steps_before(catalog, data, upto):
        output = made_up_output(node)
        steps[id_] = (
            {"skipped": True}
            if not enabled
            else {
                "skipped": False,
                **(output if isinstance(output, Mapping) else {"output": output}),
            }
        )
    given = dict(item) if item is not None else sample_item(catalog, data)
    return {
        "trigger": given,
        "steps": steps,
        "flow": {"key": str(data.get("flow", "")), "version": 0},
        "run": {"id": 0, "created_at": "2026-03-04T09:15:02+00:00"},
    }


def labels_for(
    catalog: Catalog, data: Mapping[str, Any], upto: int, language: str
) -> dict[str, str]:
    """The words for what a step sees, by dotted path; twins also say what they are part of."""
    found: dict[str, str] = {}
    parts: dict[str, str] = {}
    trigger, resource = trigger_of(catalog, data)
    if trigger is not None:
        for path, word in output_labels(catalog, trigger, language, resource).items():
            found[f"trigger.{path}"] = word
        for path, word in output_parts(catalog, trigger, language, resource).items():
            parts[f"trigger.{path}"] = word
    for id_, node, enabled in steps_before(catalog, data, upto):
        parts[f"steps.{id_}"] = node_label(catalog, node, language)
        for path, word in output_labels(catalog, node, language).items() if enabled else ():
            found[f"steps.{id_}.{path}"] = word
        for path, word in output_parts(catalog, node, language).items():
            parts[f"steps.{id_}.{path}"] = word
    return _told_apart(found, parts)


def _told_apart(found: Mapping[str, str], parts: Mapping[str, str]) -> dict[str, str]:
    """Twins with the words of what they lie in: as few of them as it takes."""
    lies_in = {path: _around(path, parts) for path in found}
    told = dict(found)
    for most in (1, 2, 9):
        twins = Counter(told.values())
        for path, word in found.items():
            more = ", ".join(lies_in[path][:most])
            if more and twins[told[path]] > 1:
                told[path] = f"{word} ({more})"
    return told


def _around(path: str, parts: Mapping[str, str]) -> list[str]:
    """The words of the parts that a value lies in, the innermost first, then those of its step."""
    keys = paths.split(path)
    places = [paths.join(keys[:end]) for end in range(len(keys) - 1, 0, -1)]
    return [parts[one] for one in places if one in parts]


def ranks_for(catalog: Catalog, data: Mapping[str, Any], upto: int) -> dict[str, int]:
    """How soon each thing that a step sees is offered, by dotted path; what is not told is 1."""
    found: dict[str, int] = {}
    trigger, resource = trigger_of(catalog, data)
    if trigger is not None:
        for field in catalog.output_fields(trigger, resource):
            found[f"trigger.{field.path}"] = usefulness(field.path, field.type)
    for id_, node, enabled in steps_before(catalog, data, upto):
        for field in catalog.output_fields(node) if enabled else ():
            found[f"steps.{id_}.{field.path}"] = usefulness(field.path, field.type)
        found[f"steps.{id_}.skipped"] = TECHNICAL
    return {path: rank for path, rank in found.items() if rank != ORDINARY}


def steps_before(
    catalog: Catalog, data: Mapping[str, Any], upto: int
) -> list[tuple[str, Action | Search, bool]]:
    given = data.get("steps")
    steps: Sequence[Any] = given if isinstance(given, list) else ()
    found: list[tuple[str, Action | Search, bool]] = []
    for step in steps[:upto]:
        if not isinstance(step, Mapping):
            continue
        node = catalog.nodes.get(str(step.get("node", "")))
        if isinstance(node, Action | Search) and step.get("id"):
            found.append((str(step["id"]), node, step.get("enabled") is not False))
    return found
