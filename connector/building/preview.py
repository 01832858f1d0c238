"""What a mapping would send, field by field: it is compiled and applied, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from connector.building.places import told_of
from connector.codec import encode_text
from connector.errors import Issue
from connector.fields.kinds import Told
from connector.mapping import FieldReport, compile_mapping
from connector.model import Action, Search
from connector.paths import join, kind, split

if TYPE_CHECKING:
    from connector.catalog import Catalog

MOST_SHOWN: Final = 2_000


def preview(
    catalog: Catalog,
    node: Action | Search,
    mapping: Mapping[str, Any],
    context: Mapping[str, Any],
    *,
    only: str | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Each field's exact value with its type, what is wrong with it, and the whole payload.

    `same` is true of a fixed value where one that differs from record to record is expected.

    With `only`, one line of the mapping is worked out, and what others lack is not told.
    """
    asked = {only: mapping[only]} if only is not None and only in mapping else dict(mapping)
    compiled = compile_mapping(node, asked, catalog=catalog)
    mapped = compiled.apply(context, now=now)
    told = told_of(catalog, node) if context.get("trigger") else {}
    fields = {}
    for one in mapped.report:
        if only is not None and not _lies_in(one.path, only):
            continue
        fields[one.path] = {
            "state": one.state,
            "value": _shown(one.value) if one.state == "set" else None,
            "type": kind(one.value) if one.state == "set" else one.type,
            **({"note": one.note} if one.note else {}),
            **({"same": True} if _is_same(one, told) else {}),
            **({"issue": _issue(one.issue)} if one.issue is not None else {}),
        }
    known = [*compiled.issues, *(one for one in mapped.issues if one not in compiled.issues)]
    issues = [_issue(one) for one in known]
    if only is not None:
        issues = [one for one in issues if _about(one.get("field") or "", only)]
    return {
        "ok": mapped.ok and compiled.ok,
        "fields": fields,
        "issues": issues,
        "payload": None if only is not None else mapped.payload,
    }


def _bare(path: str) -> str:
    """A path of the report without the numbers of rows."""
    return join(key for key in split(path) if not key.isdecimal())


def _is_same(one: FieldReport, told: Mapping[str, Told]) -> bool:
    """Whether every run writes this value, although it tells of one record."""
    varies = one.state == "set" and told.get(_bare(one.path), Told()).varies
    return varies and "{{" not in one.source


def _lies_in(path: str, only: str) -> bool:
    """Whether a place of the report belongs to a line: its path has the numbers of rows, too."""
    bare = _bare(path)
    return any(one == only or one.startswith(f"{only}.") for one in (path, bare))


def _about(field: str, only: str) -> bool:
    return field == only or field.startswith(f"{only}.") or only.startswith(f"{field}.")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else encode_text(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 1]}…"


def _issue(issue: Issue) -> dict[str, Any]:
    return issue.model_dump(
        exclude_none=True,
        include={"message", "remedy", "field", "where", "severity", "value_type", "lacks"},
    )
