"""A dry run: what a flow would send for an event, worked out without sending anything."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from connector.building.contexts import made_up_output
from connector.connections import base_url_of
from connector.engine.packing import marked
from connector.errors import ConnectorError
from connector.model import Action, App, Connection
from connector.redaction import redact
from connector.rendering import render_request

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.flow import CompiledFlow, CompiledStep

MARKER_SHOWN = "#MARKOFRUN234"
"""Stands for the mark of a real run, which differs for each write."""
UNKNOWN_HOST = "https://your-server.invalid"
"""Stands for the address of a connection that has not been made."""


@dataclass(slots=True)
class DryStep:
    """One step: the inputs it would get, and the request it would send."""

    id: str
    node: str
    state: Literal["would_run", "skipped", "failed", "not_reached"]
    inputs: Any = None
    request: Any = None
    assumed: Any = None
    """The output that later steps were given in place of the app's answer."""
    error: ConnectorError | None = None
    warnings: list[str] = field(default_factory=list)
    off: bool = False
    """Whether it is left out because it is switched off."""

    def as_data(self) -> dict[str, Any]:
        """The step as JSON."""
        return {
            "id": self.id,
            "node": self.node,
            "state": self.state,
            "inputs": self.inputs,
            "request": self.request,
            "assumed": self.assumed,
            "error": self.error.as_data() if self.error else None,
            "warnings": self.warnings,
            "off": self.off,
        }


@dataclass(slots=True)
class DryRun:
    """What would happen to one event."""

    passes: bool
    steps: list[DryStep]
    error: ConnectorError | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing would fail."""
        return self.error is None and all(step.error is None for step in self.steps)


def dry_run(
    flow: CompiledFlow,
    catalog: Catalog,
    trigger: Mapping[str, Any],
    *,
    assumed: Mapping[str, Any],
    connection_of: Callable[[str, str], Connection | None],
    now: datetime | None = None,
) -> DryRun:
    """Follow a flow for an event; a step answers as `assumed`, else as its node's sample."""
    moment = now or datetime.now(UTC)
    steps: dict[str, Any] = {}
    context: dict[str, Any] = {
        "trigger": dict(trigger),
        "steps": steps,
        "flow": {"key": flow.key, "version": 0},
        "run": {"id": 0, "created_at": moment.isoformat(timespec="seconds")},
    }
    try:
        passes = flow.filter(context, moment)
    except ConnectorError as error:
        return DryRun(False, [], error)
    done: list[DryStep] = []
    for step in flow.steps if passes else ():
        if any(one.error is not None for one in done):
            done.append(DryStep(step.id, step.node, "not_reached"))
            continue
        told = _step(step, catalog, context, assumed, connection_of, moment)
        done.append(told)
        if told.state == "skipped":
            steps[step.id] = {"skipped": True}
        else:
            output = told.assumed if isinstance(told.assumed, Mapping) else {"output": told.assumed}
            steps[step.id] = {"skipped": False, **output}
    return DryRun(passes, done)


def _step(
    step: CompiledStep,
    catalog: Catalog,
    context: Mapping[str, Any],
    assumed: Mapping[str, Any],
    connection_of: Callable[[str, str], Connection | None],
    now: datetime,
) -> DryStep:
    told = DryStep(step.id, step.node, "would_run")
    node = catalog.operation(step.node)
    if not step.enabled:
        told.state, told.off = "skipped", True
        return told
    try:
        if not step.when(context, now):
            told.state = "skipped"
            return told
        mapped = step.mapping.apply(context, now=now)
        told.warnings = [str(one) for one in mapped.issues if one.severity == "warning"]
        told.warnings += [
            f"{one.path}: {one.name!r} is looked up among the"
            f" {catalog.app(node.app).choices[one.choices_from].title} when it runs."
            for one in mapped.named
        ]
        mapped.raise_for_errors(names=True)
        told.inputs = mapped.payload
        app = catalog.app(node.app)
        connection = connection_of(step.connection or "", node.app) or Connection(
            id="none", app=node.app, name=step.connection or "", base_url=_base(app)
        )
        if node.request is not None:
            place = node.identity.marker if isinstance(node, Action) else None
            inputs = marked(mapped.payload, place, MARKER_SHOWN)
            request = render_request(app, connection, node.request, inputs)
            told.request = redact(request)
        if isinstance(node, Action) and node.prepare is not None:
            told.warnings.append(
                "The app is read first; what is sent is then made of that and of these inputs."
            )
        if isinstance(node, Action) and node.destructive:
            told.warnings.append("This cannot be taken back.")
    except ConnectorError as error:
        told.state, told.error = "failed", error
        return told
    told.assumed = assumed.get(step.id, made_up_output(node))
    return told


def _base(app: App) -> str:
    return base_url_of(app, "" if app.base_url else UNKNOWN_HOST)
