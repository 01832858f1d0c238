"""`test`: flows on recorded events, for continuous integration."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.flows import read_item, read_text
from connector.cli.output import JsonOption, console, say, show_json
from connector.errors import FlowError

if TYPE_CHECKING:
    from connector.catalog import Catalog
    from connector.engine.cases import Case
    from connector.flow import CompiledFlow

SUFFIX = ".cases.yaml"


def add(app: typer.Typer) -> None:
    """Add this command."""
    app.command("test")(run_cases)


def run_cases(
    flows: Annotated[list[Path], typer.Argument(help="Flow files.", metavar="FLOW…")],
    save: Annotated[
        str | None, typer.Option(help="Keep what the flow does now as the case of this name.")
    ] = None,
    event: Annotated[
        Path | None,
        typer.Option(help="With --save, JSON: the trigger's item, or only the record."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run each flow's saved cases; nothing is sent.

    They lie beside the flow, in FLOW.cases.yaml.
    """
    from connector.catalog import load_catalog

    if event is not None and save is None:
        raise typer.BadParameter("--event goes with --save")
    if save is not None and len(flows) != 1:
        raise typer.BadParameter("--save takes one flow")
    catalog = load_catalog()
    if save is not None:
        _save(flows[0], save, event, catalog, json)
        return
    told = [one for flow in flows for one in _run(flow, catalog)]
    failed = [one for one in told if one["differences"]]
    if json:
        show_json({"ok": not failed, "cases": told})
    else:
        for one in told:
            _print(one)
        count = "1 case" if len(told) == 1 else f"{len(told)} cases"
        say(f"{count}, {len(failed)} failed.")
    if failed:
        raise typer.Exit(3)


def cases_of(flow: Path) -> Path:
    """The file of a flow's cases: `orders.yaml` has `orders.cases.yaml`."""
    return flow.with_name(flow.stem + SUFFIX)


def _run(flow: Path, catalog: Catalog) -> list[dict[str, Any]]:
    from connector.engine.cases import differences, read_cases

    compiled = _compiled(flow, catalog)
    file = cases_of(flow)
    if not file.is_file():
        raise FlowError(
            f"There is no file {file}.", remedy=f"Make it: `connector test {flow} --save NAME`."
        )
    told = []
    for case in read_cases(read_text(file)):
        found = differences(compiled, catalog, case)
        told.append(
            {"flow": str(flow), "case": case.name, "differences": [str(one) for one in found]}
        )
    return told


def _save(flow: Path, name: str, event: Path | None, catalog: Catalog, as_json: bool) -> None:
    from connector.engine.cases import Case, read_cases, record, write_cases

    compiled = _compiled(flow, catalog)
    file = cases_of(flow)
    cases = read_cases(read_text(file)) if file.is_file() else []
    former: Case | None = next((one for one in cases if one.name == name), None)
    if former is not None and event is None:
        case = record(compiled, catalog, former)
    else:
        now = datetime.now(UTC).replace(microsecond=0)
        item = read_item(event, compiled, catalog)
        case = record(compiled, catalog, Case(name=name, trigger=item, now=now))
        cases = [case if one is former else one for one in cases]
        cases += [case] if former is None else []
    file.write_text(write_cases(cases), encoding="utf-8")
    if as_json:
        show_json({"file": str(file), "case": name, "expect": case.expect})
        return
    console().print(f"Saved {name!r} in {file}: read it before you trust it.", markup=False)


def _compiled(flow: Path, catalog: Catalog) -> CompiledFlow:
    from connector.flow import check_flow

    return check_flow(read_text(flow), catalog).raise_for_errors()


def _print(told: dict[str, Any]) -> None:
    state, style = ("FAILED", "red") if told["differences"] else ("ok", "green")
    out = console()
    out.print(f"{state}  ", style=style, end="")
    out.print(f"{told['flow']} · {told['case']}", markup=False, highlight=False)
    for one in told["differences"]:
        out.print(f"  {one}", markup=False, highlight=False, soft_wrap=True)
