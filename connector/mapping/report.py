"""What a mapping did, field by field: the preview in a form and the record of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Self

from connector.errors import Issue, MappingError

_NAMED: Final = "looked up by its name in "
State = Literal["set", "dropped", "empty", "error"]


class FieldReport(NamedTuple):
    """What became of one field; `path` has row numbers, `source` is the text that was mapped."""

    path: str
    value: Any
    type: str
    source: str
    state: State
    issue: Issue | None = None
    note: str = ""
    """Says so when the value was read as another type: `text read as number`."""


class Named(NamedTuple):
    """A name that stands where an id belongs: which list of the app it is in."""

    path: str
    choices_from: str
    name: str


def named_in(choices_from: str) -> str:
    """The note on a field whose value is the name of something in a list of the app."""
    return f"{_NAMED}{choices_from}"


def names_of(report: Sequence[FieldReport]) -> tuple[Named, ...]:
    """The names among the values of a report."""
    return tuple(
        Named(one.path, one.note.removeprefix(_NAMED), one.value)
        for one in report
        if one.note and one.note.startswith(_NAMED)
    )


@dataclass(frozen=True, slots=True)
class Mapped:
    """A payload with its report; send it only when `raise_for_errors` is silent."""

    payload: dict[str, Any]
    report: tuple[FieldReport, ...]
    issues: tuple[Issue, ...]
    title: str = "The mapping"
    named: tuple[Named, ...] = ()
    """The names in the payload that must become ids before it is sent."""

    @property
    def ok(self) -> bool:
        """Whether nothing but warnings was found."""
        return not any(issue.severity == "error" for issue in self.issues)

    def raise_for_errors(self, *, names: bool = False) -> Self:
        """Itself; raises MappingError with every error when there is one.

        A name in the place of an id is one as well, unless the caller looks up `names`.
        """
        left = () if names else tuple(map(_left, self.named))
        raise_for_errors(self.title, (*self.issues, *left))
        return self


def _left(one: Named) -> Issue:
    return Issue(
        message="This text is a name: the id that it stands for was not looked up.",
        remedy=f"Give the id, or look the name up in {one.choices_from}.",
        field=one.path,
        value_type="text",
    )


def raise_for_errors(title: str, issues: Sequence[Issue]) -> None:
    """Raise the MappingError that carries these issues, if one of them is an error."""
    errors = [issue for issue in issues if issue.severity == "error"]
    if not errors:
        return
    first = errors[0]
    count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
    raise MappingError(
        f"{title} has {count}.",
        field=first.field if len(errors) == 1 else None,
        value_type=first.value_type if len(errors) == 1 else None,
        who=first.who,
        issues=errors,
    )
