"""What can be chosen for a field, and whether the names in a flow are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector.choosing import Chooser, needs_of, source_of
from connector.errors import ConnectorError, Issue, MappingError, NotConnected
from connector.paths import ABSENT, did_you_mean, get, put
from connector.runtime.overlaps import overlaps

if TYPE_CHECKING:
    from connector.engine.doors import Doors
    from connector.flow import CompiledFlow, CompiledStep
    from connector.flow.checking import FlowCheck
    from connector.runtime.parts import Parts


class Choosing:
    """Answers questions of people who make a flow; nothing is written anywhere."""

    def __init__(self, parts: Parts, doors: Doors) -> None:
        self._tenant = parts.tenant
        self._catalog = parts.catalog
        self._store = parts.database.tenant(parts.tenant)
        self._doors = doors
        self.chooser = Chooser(parts.clock)

    async def listing(
        self,
        node: str,
        field: str,
        connection: str,
        search: str = "",
        inputs: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """What can be chosen: `title`, `options` (value and label), `read_at` and a `note`.

        `inputs` gives what says which list is meant, by dotted path (`company_id`). Raises
        BundleError, MappingError (no such field, or an input is missing), NotConnected, ApiError.
        """
        found = self._catalog.node(node)
        app = self._catalog.app(found.app)
        given = _nested(inputs or {})
        key = self._source(node, field)
        reader = await self._open(app.account_input, connection, given)
        if reader.connection.app != app.key:
            raise NotConnected(
                f"{connection!r} is no connection of {app.title}.",
                remedy=f"Name one of {app.title}: `connector connect {app.key}` makes it.",
            )
        listing = await self.chooser.listing(app, key, reader, given, search)
        return {
            "title": listing.title,
            "options": [{"value": one.value, "label": one.label} for one in listing.options],
            "read_at": listing.read_at or None,
            "note": listing.note,
            "open": source_of(app, key).open,
        }

    async def checked(self, text: str) -> FlowCheck:
        """All that is wrong with a flow document, its names included."""
        from connector.flow import check_flow

        rows = await self._store.connections()
        check = check_flow(text, self._catalog, {row.name: row.app for row in rows})
        if check.compiled is None or check.flow is None:
            return check
        twice = overlaps(check.flow, await self._store.flows(), self._catalog)
        return check.with_issues([*await self.check(check.compiled), *twice])

    async def check(self, flow: CompiledFlow) -> list[Issue]:
        """What is wrong with the names that are written in a flow, as far as it can be told now."""
        issues: list[Issue] = []
        for step in flow.steps:
            if step.mapping.names and step.enabled:
                # What is not written there, but comes with an event, is looked up when it runs.
                fixed = step.mapping.apply({}).payload
                issues += await self._check_step(step, fixed)
        return issues

    async def _check_step(self, step: CompiledStep, fixed: Mapping[str, Any]) -> list[Issue]:
        app = self._catalog.app(self._catalog.operation(step.node).app)
        issues: list[Issue] = []
        where, given = f"steps.{step.id}.map", dict(fixed)
        names = dict.fromkeys(step.mapping.names)
        # The company first, if it is named: every other list depends on it.
        for one in sorted(names, key=lambda one: len(needs_of(source_of(app, one.choices_from)))):
            needs = needs_of(source_of(app, one.choices_from))
            try:
                reader = await self._open(app.account_input, step.connection, given)
                known = {**reader.connection.settings, **given}
                if not all(_given(get(known, name)) for name in needs):
                    continue
                found = await self.chooser.named(
                    app, one.choices_from, reader, given, one.name, one.path
                )
                if one.path in given:
                    given[one.path] = found.value
            except MappingError as error:
                given.pop(one.path, None)
                issues.append(
                    Issue(
                        message=error.message,
                        remedy=error.remedy,
                        field=one.path,
                        where=where,
                        value_type="text",
                    )
                )
            except ConnectorError as error:
                issues.append(
                    Issue(
                        message=f"{one.name!r} could not be looked up now: {error.message}",
                        remedy="It is looked up again when the flow runs.",
                        field=one.path,
                        where=where,
                        severity="warning",
                    )
                )
                # An app that does not answer would let a person wait for each name.
                break
        return issues

    async def _open(
        self, account_input: str | None, connection: str, inputs: Mapping[str, Any]
    ) -> Any:
        told = inputs.get(account_input) if account_input else None
        account = str(told) if _given(told) and str(told).isdecimal() else ""
        return await self._doors.open(self._tenant, connection, account=account)

    def _source(self, node: str, path: str) -> str:
        fields = self._catalog.fields(self._catalog.node(node))
        chosen = {field.path: field.choices_from for field in fields if field.choices_from}
        if path in chosen:
            return chosen[path]
        known = any(field.path == path for field in fields)
        raise MappingError(
            f"{path} of {node} is not chosen from a list."
            if known
            else f"{node} has no field {path!r}.",
            field=path,
            remedy=did_you_mean(path, chosen)
            or f"`connector fields {node}` says which are chosen.",
        )


def _given(value: Any) -> bool:
    return value not in (None, "", ABSENT)


def _nested(inputs: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, value in inputs.items():
        put(made, path, value)
    return made
