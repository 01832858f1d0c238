"""Flow tests: what a flow must send for a recorded event, kept in a file beside the flow.

cases:
  - name: a new client
    trigger: {…}            the event, as the flow's expressions see it
    steps: {find: {…}}      what a step's app answered; else its node's sample
    now: 2026-03-04T09:15:02+00:00
    expect:
      passes: true
      steps:
        - {id: find, state: would_run, inputs: {…}}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from connector.codec import encode_text
from connector.engine.dry import DryRun, dry_run
from connector.errors import FlowError
from connector.flow.document import DocumentFault, read_document
from connector.flow.model import write_yaml
from connector.paths import ABSENT, join

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.flow import CompiledFlow

_CASE: Final = frozenset({"name", "trigger", "steps", "now", "expect"})
_EXPECT: Final = frozenset({"passes", "error", "steps"})
MOST_SHOWN: Final = 120


@dataclass(slots=True)
class Case:
    """One recorded event, and what the flow must make of it."""

    name: str
    trigger: Mapping[str, Any]
    now: datetime
    steps: Mapping[str, Any] = field(default_factory=dict)
    expect: Mapping[str, Any] = field(default_factory=dict)

    def as_data(self) -> dict[str, Any]:
        """The case as it is written."""
        said: dict[str, Any] = {"name": self.name, "now": self.now.isoformat()}
        said["trigger"] = dict(self.trigger)
        if self.steps:
            said["steps"] = dict(self.steps)
        return {**said, "expect": dict(self.expect)}


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the flow does something else than is expected."""

    where: str
    expected: Any
    found: Any

    def __str__(self) -> str:
        return f"{self.where}: expected {_shown(self.expected)}, got {_shown(self.found)}"


def read_cases(text: str) -> list[Case]:
    """The cases of a file. Raises FlowError."""
    try:
        data = read_document(text)[0].plain()
    except DocumentFault as fault:
        raise FlowError("The file of cases cannot be read.", issues=[fault.issue]) from None
    listed = data.get("cases") if isinstance(data, dict) and set(data) == {"cases"} else None
    if not isinstance(listed, list):
        raise FlowError("A file of cases holds one list.", remedy="Begin it with `cases:`.")
    cases = [_case(one, at) for at, one in enumerate(listed, 1)]
    names = [one.name for one in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FlowError(f"Two cases are called {twice!r}.", remedy="Rename one of them.")
    return cases


def write_cases(cases: Sequence[Case]) -> str:
    """The file of these cases."""
    return write_yaml({"cases": [one.as_data() for one in cases]})


def record(flow: CompiledFlow, catalog: Catalog, case: Case) -> Case:
    """The case with what the flow does now as what is expected."""
    case.expect = outcome(run_case(flow, catalog, case))
    return case


def differences(flow: CompiledFlow, catalog: Catalog, case: Case) -> list[Difference]:
    """Every place where the flow now does something else than the case says."""
    found = outcome(run_case(flow, catalog, case))
    return list(_differ(dict(case.expect), found, ()))


def run_case(flow: CompiledFlow, catalog: Catalog, case: Case) -> DryRun:
    """The dry run of a case; connections do not matter, so that it runs anywhere."""
    return dry_run(
        flow,
        catalog,
        case.trigger,
        assumed=case.steps,
        connection_of=lambda name, app: None,
        now=case.now,
    )


def outcome(run: DryRun) -> dict[str, Any]:
    """What a dry run came to, without what is of no consequence."""
    said: dict[str, Any] = {"passes": run.passes}
    if run.error is not None:
        said["error"] = run.error.message
    steps = []
    for one in run.steps:
        step: dict[str, Any] = {"id": one.id, "node": one.node, "state": one.state}
        if one.inputs is not None:
            step["inputs"] = one.inputs
        if one.request is not None:
            request = {key: one.request[key] for key in ("method", "url", "body")}
            step["request"] = {key: value for key, value in request.items() if value}
        if one.error is not None:
            step["error"] = str(one.error)
        steps.append(step)
    return {**said, "steps": steps} if steps else said


def _case(given: Any, number: int) -> Case:
    where = f"Case {number}"
    if not isinstance(given, dict):
        raise FlowError(f"{where} is not an object.", remedy="Write `key: value` lines.")
    unknown = set(given) - _CASE
    if unknown:
        raise FlowError(f"{where} has no key {min(unknown)!r}.")
    expect = given.get("expect", {})
    for key in ("trigger", "steps", "expect"):
        if not isinstance(given.get(key, {}), dict):
            raise FlowError(f"{where}: `{key}` is not an object.")
    if "trigger" not in given:
        raise FlowError(f"{where} has no `trigger`.", remedy="Save it with --save.")
    if not expect or set(expect) - _EXPECT:
        raise FlowError(
            f"{where}: `expect` holds `passes` and `steps`, and is not empty.",
            remedy="Save it with --save.",
        )
    try:
        now = datetime.fromisoformat(str(given.get("now", "2026-01-01T00:00:00+00:00")))
    except ValueError:
        raise FlowError(
            f"{where}: `now` is no time.", remedy="Write 2026-03-04T09:15:02Z."
        ) from None
    return Case(
        name=str(given.get("name", number)),
        trigger=given["trigger"],
        now=now if now.tzinfo else now.replace(tzinfo=UTC),
        steps=given.get("steps", {}),
        expect=expect,
    )


def _differ(expected: Any, found: Any, keys: tuple[str, ...]) -> Iterator[Difference]:
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        for key in dict.fromkeys([*expected, *found]):
            below = (*keys, str(key))
            yield from _differ(expected.get(key, ABSENT), found.get(key, ABSENT), below)
    elif isinstance(expected, list) and isinstance(found, list):
        for at in range(max(len(expected), len(found))):
            one = expected[at] if at < len(expected) else ABSENT
            other = found[at] if at < len(found) else ABSENT
            yield from _differ(one, other, (*keys, _name(one, other, at)))
    elif isinstance(expected, bool) != isinstance(found, bool) or expected != found:
        yield Difference(join(keys), expected, found)


def _name(one: Any, other: Any, at: int) -> str:
    """A step is told by its id where both have the same, anything else by its number."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        name = one.get("id")
        if isinstance(name, str) and name == other.get("id"):
            return name
    return str(at)


def _shown(value: Any) -> str:
    if value is ABSENT:
        return "nothing"
    text = encode_text(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"
