"""Checking a flow against a catalogue: everything wrong is found, and told where it stands."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from connector.errors import FlowError, Issue
from connector.expressions import Expression
from connector.flow.compiled import CompiledFlow, CompiledStep, CompiledTrigger, Condition
from connector.flow.model import Flow, Step
from connector.flow.reading import read_flow, shortened
from connector.flow.sources import Sources
from connector.mapping import CompiledMapping, compile_mapping
from connector.mapping.findings import Findings, Located
from connector.mapping.sources import outer_scope, read_expression
from connector.model import Action, AnyNode, Field, SchemaRef, Trigger
from connector.paths import ABSENT, did_you_mean, get, nearest

if TYPE_CHECKING:
    from connector.catalog import Catalog

FILTER_NAMES: Final = ("trigger",)
STEP_NAMES: Final = ("trigger", "steps", "flow", "run")


@dataclass(frozen=True, slots=True)
class FlowCheck:
    """A flow with all that was found about it; `compiled` is there when nothing is wrong."""

    flow: Flow | None
    issues: tuple[Issue, ...]
    compiled: CompiledFlow | None

    @property
    def ok(self) -> bool:
        """Whether nothing but warnings was found."""
        return self.compiled is not None

    @property
    def errors(self) -> tuple[Issue, ...]:
        """What must be mended before it can run."""
        return tuple(issue for issue in self.issues if issue.severity == "error")

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """What is worth a look."""
        return tuple(issue for issue in self.issues if issue.severity == "warning")

    def with_issues(self, more: Iterable[Issue]) -> FlowCheck:
        """The same with what was found elsewhere; with an error it is not compiled any more."""
        issues = (*self.issues, *more)
        faulty = any(issue.severity == "error" for issue in issues)
        return replace(self, issues=issues, compiled=None if faulty else self.compiled)

    def raise_for_errors(self) -> CompiledFlow:
        """The flow, ready to run; raises FlowError with every error when there is one."""
        if self.compiled is not None:
            return self.compiled
        name = f"The flow {self.flow.key}" if self.flow and self.flow.key else "The flow"
        count = "1 error" if len(self.errors) == 1 else f"{len(self.errors)} errors"
        raise FlowError(f"{name} has {count}.", issues=self.errors)


def destructive_steps(flow: CompiledFlow, catalog: Catalog) -> tuple[CompiledStep, ...]:
    """The steps that delete, or cannot be taken back."""
    nodes = ((step, catalog.nodes.get(step.node)) for step in flow.steps)
    return tuple(
        step
        for step, node in nodes
        if step.enabled and isinstance(node, Action) and node.destructive
    )


def check_flow(
    source: str | Flow, catalog: Catalog, connections: Mapping[str, str] | None = None
) -> FlowCheck:
    """Find everything wrong with a flow, and compile it when nothing is.

    `connections` gives the app of each connection by its name; without it names are not checked.
    Nothing is raised for a faulty flow.
    """
    flow, issues = (source, []) if isinstance(source, Flow) else read_flow(source)
    if flow is None:
        return FlowCheck(None, tuple(issues), None)
    checker = _Checker(flow, catalog, connections)
    compiled = checker.run()
    found = sorted(
        (*issues, *checker.found.issues),
        key=lambda issue: (issue.line or 0, issue.column or 0),
    )
    faulty = any(issue.severity == "error" for issue in found)
    return FlowCheck(flow, shortened(found), None if faulty else compiled)


class _Checker:
    def __init__(self, flow: Flow, catalog: Catalog, connections: Mapping[str, str] | None) -> None:
        self.found = Findings(flow.places.locate)
        self._flow = flow
        self._catalog = catalog
        self._connections = connections

    def run(self) -> CompiledFlow:
        """The compiled flow, which is good only when nothing was found."""
        flow = self._flow
        trigger = self._node(flow.trigger.node, "trigger.node", starts=True)
        self._connection(flow.trigger.connection, trigger, "trigger.connection")
        inputs = self._inputs(trigger) if trigger is not None else {}
        output = self._trigger_output(trigger, inputs)
        names = {step.id: step.enabled for step in flow.steps if step.id}
        sources = Sources(self.found, output, names)
        condition = self._condition(flow.when, "when", FILTER_NAMES, sources, None)
        steps = tuple(self._step(step, at, sources) for at, step in enumerate(flow.steps))
        if steps and not any(step.enabled for step in flow.steps):
            self.found.add(
                "Every step is switched off: the flow does nothing.",
                where="steps",
                severity="warning",
                key=True,
            )
        return CompiledFlow(
            key=flow.key,
            name=flow.name or flow.key,
            order=flow.order,
            loops=flow.loops,
            trigger=CompiledTrigger(flow.trigger.node, flow.trigger.connection, inputs),
            condition=condition,
            steps=tuple(step for step in steps if step is not None),
        )

    # --- nodes and connections ----------------------------------------------------------------

    def _node(self, name: str, where: str, *, starts: bool) -> AnyNode | None:
        """The node of this name, when it is of the kind that belongs here."""
        if not name:
            return None
        node = self._catalog.nodes.get(name)
        if node is not None and isinstance(node, Trigger) == starts:
            return node
        if node is None:
            message = f"There is no node {name!r}."
            nodes = self._catalog.nodes.values()
            remedy = did_you_mean(
                name, [one.name for one in nodes if isinstance(one, Trigger) == starts]
            )
        elif starts:
            message = f"{name!r} is {_kind_of(node)}: it can be a step, but it starts no flow."
            remedy = "Name a trigger here, and this node under `steps`."
        else:
            message = f"{name!r} is a trigger: it starts flows, and cannot be a step."
            remedy = "Name it under `trigger`, and an action or a search here."
        self.found.add(message, where=where, remedy=remedy)
        return None

    def _connection(self, name: str, node: AnyNode | None, where: str) -> None:
        if self._connections is None or not name:
            return
        app = self._connections.get(name)
        if app is None:
            remedy = did_you_mean(name, self._connections)
            if not nearest(name, self._connections):
                make = f"Make it: `{_command(node.app if node else 'APP', name)}`."
                remedy = f"{remedy} {make}".strip()
            self.found.add(
                f"There is no connection {name!r}.",
                where=where,
                remedy=remedy,
                who="connection_owner",
            )
        elif node is not None and node.app != app:
            fitting = sorted(one for one, key in self._connections.items() if key == node.app)
            self.found.add(
                f"The connection {name!r} is to {app}, but {node.name} needs one to {node.app}.",
                where=where,
                remedy=f"Use {' or '.join(repr(one) for one in fitting)}."
                if fitting
                else f"Make one and name it here: `{_command(node.app, self._free(node.app))}`.",
                who="user" if fitting else "connection_owner",
            )

    def _free(self, app: str) -> str:
        """A name that no connection has."""
        taken = self._connections or {}
        names = [app, *(f"{app}_{number}" for number in range(2, len(taken) + 3))]
        return next(name for name in names if name not in taken)

    # --- the trigger ----------------------------------------------------------------------------

    def _inputs(self, trigger: AnyNode) -> dict[str, Any]:
        """The trigger's settings, fitted to its fields; expressions have nothing to read here."""
        before = len(self.found.issues)
        # What is followed must be known before anything runs: no names in the place of ids.
        fields = tuple(
            field.model_copy(update={"choices_from": ""}) if field.choices_from else field
            for field in self._catalog.fields(trigger)
        )
        compiled = self._map(fields, self._flow.trigger.inputs, (), "trigger.with")
        for one in compiled.expressions:
            self.found.add(
                "A trigger's settings are fixed values, not expressions.",
                where=one.where,
                remedy="Filter by a condition instead: `when:`.",
            )
        if any(issue.severity == "error" for issue in self.found.issues[before:]):
            return {}
        payload = compiled.apply({}).payload
        self._events(trigger, payload)
        for ref in trigger.inputs:
            if isinstance(ref, SchemaRef):
                value = get(payload, ref.prefix) if ref.prefix else payload
                for issue in self._catalog.schemas.issues(ref, {} if value is ABSENT else value):
                    where = f"trigger.with.{issue.field}" if issue.field else "trigger.with"
                    self.found.add(
                        issue.message, where=where, field=issue.field, value_type=issue.value_type
                    )
        return payload

    def _events(self, trigger: AnyNode, inputs: Mapping[str, Any]) -> None:
        """What the app never says of this resource must not be asked of it."""
        resource = str(inputs.get("resource", ""))
        possible = self._catalog.app(trigger.app).operations.get(resource)
        asked = inputs.get("event_types", ())
        for one in (asked,) if isinstance(asked, str) else asked:
            if possible is not None and one not in possible:
                self.found.add(
                    f"{resource} never sends {one!r}.",
                    where="trigger.with.event_types",
                    field="event_types",
                    remedy=f"It sends: {', '.join(possible)}.",
                )

    def _trigger_output(
        self, trigger: AnyNode | None, inputs: Mapping[str, Any]
    ) -> tuple[Field, ...]:
        if not isinstance(trigger, Trigger):
            return ()
        resource = inputs.get("resource")
        if isinstance(resource, str) and resource in trigger.outputs:
            return self._catalog.output_fields(trigger, resource)
        return self._catalog.output_fields(trigger)

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, step: Step, at: int, sources: Sources) -> CompiledStep | None:
        where = f"steps.{step.id or at}"
        node = self._node(step.node, f"{where}.node", starts=False)
        begin = len(self.found.issues)
        self._connection(step.connection, node, f"{where}.connection")
        condition = self._condition(step.when, f"{where}.when", STEP_NAMES, sources, step.id)
        key = self._expression(step.business_key, f"{where}.business_key", sources, step.id)
        if node is None:
            return None
        mapping = self._map(
            self._catalog.fields(node), step.map, STEP_NAMES, f"{where}.map", node=node
        )
        for one in mapping.expressions:
            sources.check(one, step.id)
        if isinstance(node, Action):
            faulty = any(issue.severity == "error" for issue in mapping.issues)
            self._warn(node, step, where, faulty=faulty)
        sources.add_step(step.id, self._catalog.output_fields(node))
        if not step.enabled:
            # What is half done may be put aside: it must be right when it is switched on again.
            self.found.issues[begin:] = [
                issue.model_copy(update={"severity": "warning"})
                for issue in self.found.issues[begin:]
            ]
        return CompiledStep(
            id=step.id,
            node=node.name,
            connection=step.connection,
            mapping=mapping,
            flow=self._flow.key,
            condition=condition,
            key=key,
            enabled=step.enabled,
        )

    def _warn(self, node: Action, step: Step, where: str, *, faulty: bool) -> None:
        """What is allowed, and should be meant."""
        if node.destructive:
            self.found.add(
                f"{node.label}: this cannot be taken back.",
                where=f"{where}.node",
                remedy="Let `when` keep it to what shall go.",
                severity="warning",
            )
        # A field that is named wrongly may be the very one.
        if not faulty and not identified(node, step.map):
            self.found.add(
                f"Nothing identifies this {node.noun.lower()}: two events may make two of it.",
                where=f"{where}.map",
                remedy=f"Map one of {', '.join(node.identity.natural_key)}.",
                severity="warning",
                key=True,
            )

    def _map(
        self,
        fields: tuple[Field, ...],
        mapping: Mapping[str, Any],
        names: tuple[str, ...],
        where: str,
        node: AnyNode | None = None,
    ) -> CompiledMapping:
        target: Any = fields if node is None else node
        compiled = compile_mapping(
            target,
            mapping,
            catalog=self._catalog,
            names=names,
            where=where,
            origin=f"flow {self._flow.key}",
            locate=self._flow.places.locate,
        )
        self.found.issues += compiled.issues
        return compiled

    def _condition(
        self,
        text: str | None,
        where: str,
        names: tuple[str, ...],
        sources: Sources,
        step: str | None,
    ) -> Condition | None:
        expression = self._expression(text, where, sources, step, names)
        return Condition(expression, self._flow.key, where) if expression is not None else None

    def _expression(
        self,
        text: str | None,
        where: str,
        sources: Sources,
        step: str | None,
        names: tuple[str, ...] = STEP_NAMES,
    ) -> Expression | None:
        if text is None:
            return None
        scope = outer_scope(names, self._catalog.filters)
        expression = read_expression(text, scope, self.found, where)
        if expression is None:
            return None
        if expression.is_literal:
            self.found.add(
                "This is plain text: it is the same for every event.",
                where=where,
                remedy="Put it in braces: {{ … }}.",
            )
            return None
        sources.check(Located(where, expression, {}), step)
        return expression


def _command(app: str, name: str) -> str:
    """What makes a connection of this name at the shell."""
    return f"connector connect {app} --name {shlex.quote(name)}"


def identified(node: Action, mapping: Mapping[str, Any]) -> bool:
    """Whether a record that is made so is known again; true of what needs no key for that."""
    keys = node.identity.natural_key
    if not keys or node.identity.when_unsure != "resend_once" or node.identity.marker:
        return True
    return any(all(mapped(mapping, part) for part in key.split("+")) for key in keys)


def mapped(mapping: Mapping[str, Any], path: str) -> bool:
    """Whether a mapping sets a place, or something around it."""
    return any(path == one or path.startswith(f"{one}.") for one in mapping)


def _kind_of(node: AnyNode) -> str:
    return "an action" if node.kind == "action" else f"a {node.kind}"
