"""Reading and writing rows: the same for every resource but for a few rules."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import ceil
from typing import Any

from connector.sandbox.clock import stamp
from connector.sandbox.perfex.gate import Visit
from connector.sandbox.perfex.replies import (
    fatal,
    invalid,
    no_data,
    required,
    said,
    too_long,
)
from connector.sandbox.perfex.rules import CHANGES, RULES, decimal, settle_invoice, text
from connector.sandbox.perfex.state import PerfexState, PerfexTable, Row
from connector.sandbox.perfex.tables import Kind


def _columns(kind: Kind, fields: Mapping[str, Any]) -> Row:
    found: Row = {}
    for name, value in fields.items():
        if name not in kind.columns or name == kind.key or isinstance(value, dict | list):
            continue
        stored = text(value)
        if name in kind.numbers and not (stored or "").strip().lstrip("-").isdecimal():
            stored = "0"
        found[name] = stored
    return found


def _check(visit: Visit, kind: Kind, *, partial: bool) -> None:
    faults: dict[str, str] = {}
    for name in kind.required:
        given = visit.fields.get(name, visit.fields.get("items") if name == "newitems" else None)
        if given in (None, "", {}, []) and not (partial and name not in visit.fields):
            faults[name] = required(name)
    for name, limit in kind.limits.items():
        if len(text(visit.fields.get(name)) or "") > limit:
            faults[name] = too_long(name, limit)
    if faults:
        raise invalid(faults, modern=visit.state.modern)


def create(visit: Visit, kind: Kind) -> Any:
    """POST: 3.x tells the new id, 2.x does not."""
    _check(visit, kind, partial=False)
    row = dict(kind.columns) | _columns(kind, visit.fields)
    if kind.made in kind.columns:
        row[kind.made] = stamp(visit.state.clock())
    rule = RULES.get(kind.path)
    if rule is not None:
        rule(visit, row)
    id_ = visit.state.tables[kind.path].add(row)
    keep_custom(visit.state, kind, id_, visit.fields)
    count(visit.state, kind, "create", row)
    if kind.path == "payments":
        settle_invoice(visit.state, str(row["invoiceid"]))
    visit.state.tell(kind, "create", id_)
    noun = "Client" if visit.state.modern and kind.path == "customers" else kind.noun
    said_ = {"status": True, "message": f"{noun} add successful."}
    return said_ | ({"record_id": int(id_)} if visit.state.modern else {})


def count(state: PerfexState, kind: Kind, operation: str, row: Row) -> None:
    """Note an applied write with the values that tests look for."""
    marks = {name: row.get(name) for name in (*kind.searched, "clientid", "email") if name in row}
    state.ledger.write(operation, kind.path, marks)


def keep_custom(state: PerfexState, kind: Kind, id_: str, fields: Mapping[str, Any]) -> None:
    """Store the values of custom fields that this installation has."""
    given = fields.get("custom_fields")
    name = kind.fields_of or kind.path
    mine = given.get(name) if isinstance(given, Mapping) else None
    known = {field["id"] for field in state.custom_fields if field["fieldto"] == name}
    if isinstance(mine, Mapping):
        kept = state.custom_values.setdefault((kind.path, id_), {})
        kept |= {str(key): text(value) or "" for key, value in mine.items() if str(key) in known}


def update(visit: Visit, kind: Kind) -> Any:
    """PUT: 3.x ignores unknown fields, 2.x breaks on them."""
    table, id_ = visit.state.tables[kind.path], visit.part("id")
    if not visit.fields:
        raise said(406, "Data Not Acceptable OR Not Provided")
    _check(visit, kind, partial=True)
    unknown = set(visit.fields) - set(kind.columns) - kind.extras
    if unknown and not visit.state.modern:
        raise fatal(f"Unknown column '{min(unknown)}' in 'field list'")
    row = table.rows.get(id_)
    if row is None:
        raise said(404, f"{kind.noun}s Update Fail.")
    row |= _columns(kind, visit.fields)
    changed = CHANGES.get(kind.path)
    if changed is not None:
        changed(visit, row)
    keep_custom(visit.state, kind, id_, visit.fields)
    count(visit.state, kind, "update", row)
    visit.state.tell(kind, "update", id_)
    return {"status": True, "message": f"{kind.noun}s Update Successful."}


def delete(visit: Visit, kind: Kind) -> Any:
    """DELETE: the row is gone."""
    table, id_ = visit.state.tables[kind.path], visit.part("id")
    row = table.rows.pop(id_, None)
    if row is None:
        raise said(404, f"{kind.noun} Delete Fail.")
    visit.state.custom_values.pop((kind.path, id_), None)
    count(visit.state, kind, "delete", row)
    visit.state.tell(kind, "delete", id_)
    if kind.path == "payments":
        settle_invoice(visit.state, str(row["invoiceid"]))
    return {"status": True, "message": f"{kind.noun} Delete Successful."}


def shown(state: PerfexState, kind: Kind, row: Row) -> Row:
    """A row as it is read: with its custom fields."""
    found = dict(row)
    if "custom_fields" in kind.extras:
        values_ = state.custom_values.get((kind.path, row[kind.key]), {})
        names = {field["id"]: field["name"] for field in state.custom_fields}
        found["customfields"] = [
            {"id": key, "label": names.get(key, ""), "value": value}
            for key, value in values_.items()
        ]
    return found


def read(visit: Visit, kind: Kind) -> Any:
    """GET of one row."""
    row = visit.state.tables[kind.path].rows.get(visit.part("id"))
    if row is None:
        raise no_data()
    return shown(visit.state, kind, row)


def listed(visit: Visit, kind: Kind) -> Any:
    """GET of all rows: a bare array, or pages on 3.x when asked for; empty is 404."""
    rows = [shown(visit.state, kind, row) for row in _table(visit, kind).view(visit.lag)]
    return _page(visit, rows)


def _table(visit: Visit, kind: Kind) -> PerfexTable:
    return visit.state.tables[kind.path]


def search(visit: Visit, kind: Kind) -> Any:
    """Substring search over a few columns, active rows only; empty is 404."""
    term = visit.request.path_params.get("term") or visit.query.get("q", "")
    wanted = str(term).casefold()
    rows = [
        shown(visit.state, kind, copy.deepcopy(row))
        for row in _table(visit, kind).seen(visit.lag)
        if row.get("active", "1") == "1" and wanted in _haystack(visit.state, kind, row)
    ]
    if not wanted or not rows:
        raise no_data()
    return rows


def _haystack(state: PerfexState, kind: Kind, row: Row) -> str:
    pieces = [row.get(name) or "" for name in kind.searched]
    if kind.path == "customers":
        pieces += state.custom_values.get((kind.path, row["userid"]), {}).values()
        for contact in state.tables["contacts"].rows.values():
            if contact["userid"] == row["userid"]:
                pieces += [contact["firstname"], contact["lastname"], contact["email"]]
    return "\n".join(pieces).casefold()


def _page(visit: Visit, rows: list[Row]) -> Any:
    if visit.state.modern:
        rows = _refined(visit, rows)
    paged = visit.state.modern and ("page" in visit.query or "per_page" in visit.query)
    if not rows:
        raise no_data()
    if not paged:
        return rows
    page = max(1, int(decimal(visit.query.get("page", "1"))))
    per_page = min(100, max(1, int(decimal(visit.query.get("per_page", "25")))))
    pages = ceil(len(rows) / per_page)
    piece = rows[(page - 1) * per_page : page * per_page]
    if not piece:
        raise no_data()
    meta = {"page": page, "per_page": per_page, "total": len(rows), "total_pages": pages}
    meta |= {"has_more": page < pages, "current_page": page, "last_page": pages}
    return {"data": piece, "meta": meta}


def _refined(visit: Visit, rows: list[Row]) -> list[Row]:
    query = visit.query
    since = query.get("created_after") or query.get("date_from")
    until = query.get("created_before") or query.get("date_to")
    rows = [
        row
        for row in rows
        if (since is None or (row.get("datecreated") or "") >= since)
        and (until is None or (row.get("datecreated") or "") <= until)
    ]
    for part in reversed([part for part in query.get("sort", "").split(",") if part]):
        name = part.removeprefix("-")
        rows.sort(key=lambda row: str(row.get(name) or ""), reverse=part.startswith("-"))
    if fields := [name for name in query.get("fields", "").split(",") if name]:
        rows = [{name: row[name] for name in fields if name in row} for row in rows]
    return rows
