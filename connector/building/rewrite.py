"""Changing a flow document as data without losing its text: comments, order and quotes stay.

What changed is cut out and written anew; all else is copied. The result is read again, and where
it does not say exactly what it must, the whole document is written afresh: never wrong, at worst
without its comments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connector.flow.document import DocumentFault, read_document
from connector.flow.model import write_yaml

Change = tuple[int, int, str]
"""From, to, and what stands there instead."""


def read_plain(text: str) -> Any:
    """What a document says, as plain data. Raises DocumentFault."""
    return read_document(text)[0].plain()


def rewrite(text: str, data: Mapping[str, Any]) -> str:
    """The document changed so that it says `data`."""
    wanted = dict(data)
    try:
        if _same(read_plain(text), wanted):
            return text
        steps = _with_steps(text, wanted)
        made = _with_changes(steps, wanted)
        if _same(read_plain(made), wanted):
            return made
    except (DocumentFault, ValueError, IndexError, AttributeError):
        pass
    return write_yaml(wanted)


def _same(one: Any, other: Any) -> bool:
    """Equal also in type: true is not 1, and text is no number."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _compose(text: str) -> Any:
    import yaml

    return yaml.compose(text, Loader=yaml.SafeLoader)


# --- steps: cut out, moved, added -----------------------------------------------------------------


def _with_steps(text: str, data: Mapping[str, Any]) -> str:
    """The steps in their new order, new ones written, others gone; what is in them comes later."""
    found = _entry(_compose(text), "steps")
    wanted = data.get("steps")
    if found is None or not isinstance(wanted, list) or not wanted:
        return text
    node = found[1]
    if type(node).__name__ != "SequenceNode" or node.flow_style or not node.value:
        return text
    old = read_plain(text)["steps"]
    starts = [_block_start(text, one.start_mark.index) for one in node.value]
    end = _line_end(text, _end(text, node))
    cuts = [text[start:stop] for start, stop in zip(starts, [*starts[1:], end], strict=True)]
    indent = " " * _dash_column(text, node.value[0].start_mark.index)
    gap = "\n" if any(one.endswith("\n\n") for one in cuts[:-1]) else ""
    cuts = [one.rstrip("\n") + "\n" for one in cuts]
    known: dict[Any, int] = {}
    for at, one in enumerate(old):
        name = one.get("id") if isinstance(one, Mapping) else None
        known.setdefault(name if name is not None else ("at", at), at)
    used: set[int] = set()
    blocks = []
    for at, one in enumerate(wanted):
        name = one.get("id") if isinstance(one, Mapping) else None
        place = known.get(name if name is not None else ("at", at))
        if place is None and len(wanted) == len(old) and at not in known.values():
            place = at
        if place is None and len(wanted) == len(old) and _renamed(old, wanted, at):
            place = at
        if place is None or place in used:
            blocks.append(_indented(write_yaml([one]), indent))
        else:
            used.add(place)
            blocks.append(cuts[place])
    return text[: starts[0]] + gap.join(blocks) + text[end:].removeprefix("\n")


def _renamed(old: Sequence[Any], wanted: Sequence[Any], at: int) -> bool:
    """Whether the step at this place only got another id."""
    names = {one.get("id") for one in wanted if isinstance(one, Mapping)}
    return isinstance(old[at], Mapping) and old[at].get("id") not in names


def _block_start(text: str, index: int) -> int:
    """Where a list item begins: its line, with the comment lines straight above it."""
    start = text.rfind("\n", 0, index) + 1
    while start > 0:
        above = text.rfind("\n", 0, start - 1) + 1
        if not text[above:start].strip().startswith("#"):
            break
        start = above
    return start


def _dash_column(text: str, index: int) -> int:
    line = text[text.rfind("\n", 0, index) + 1 : index]
    return line.rindex("-")


# --- values ---------------------------------------------------------------------------------------


def _with_changes(text: str, data: Mapping[str, Any]) -> str:
    changes: list[Change] = []
    _differences(text, _compose(text), read_plain(text), data, changes)
    for start, stop, new in sorted(changes, reverse=True):
        text = text[:start] + new + text[stop:]
    return text


def _differences(text: str, node: Any, old: Any, new: Any, changes: list[Change]) -> None:
    """The changes that make a place say `new`; a ValueError when it must be written as a whole."""
    kind = type(node).__name__
    if kind == "MappingNode" and isinstance(new, Mapping) and new and node.value:
        if node.flow_style:
            raise ValueError("in one line")
        _entries(text, node, old, new, changes)
    elif (
        kind == "SequenceNode" and isinstance(new, list) and len(new) == len(node.value)
        and not node.flow_style
    ):  # fmt: skip
        for child, before, after in zip(node.value, old, new, strict=True):
            if not _same(before, after):
                _differences(text, child, before, after, changes)
    elif kind == "ScalarNode" and not isinstance(new, Mapping | list):
        changes.append((node.start_mark.index, _end(text, node), _scalar(new)))
    else:
        raise ValueError("another shape")


def _entries(
    text: str, node: Any, old: Mapping[str, Any], new: Mapping[str, Any], changes: list[Change]
) -> None:
    last = None
    indent = " " * node.value[0][0].start_mark.column
    for key, value in node.value:
        name = key.value
        last = value
        if name not in new:
            first = text[text.rfind("\n", 0, key.start_mark.index) + 1 : key.start_mark.index]
            if first.strip():
                raise ValueError("the first key of a list item")
            start = text.rfind("\n", 0, key.start_mark.index) + 1
            changes.append((start, _line_end(text, _end(text, value)), ""))
        elif not _same(old[name], new[name]):
            inner: list[Change] = []
            try:
                _differences(text, value, old[name], new[name], inner)
                changes += inner
            except ValueError:
                colon = text.index(":", key.end_mark.index) + 1
                changes.append((colon, _end(text, value), _after_colon(new[name], indent)))
    added = {key: value for key, value in new.items() if key not in old}
    if added:
        at = _line_end(text, _end(text, last))
        lead = "" if at == 0 or text[at - 1] == "\n" else "\n"
        changes.append((at, at, lead + _indented(write_yaml(added), indent)))


def _after_colon(value: Any, indent: str) -> str:
    """What stands after `key:` for a value: on the same line, or in a block below."""
    if not isinstance(value, Mapping | list) or not value:
        return f" {_scalar(value)}"
    return "\n" + _indented(write_yaml(value), indent + "  ").rstrip("\n")


def _scalar(value: Any) -> str:
    return write_yaml({"v": value}).removeprefix("v:").strip()


def _indented(text: str, indent: str) -> str:
    return "".join(f"{indent}{line}" if line.strip() else line for line in text.splitlines(True))


def _entry(node: Any, name: str) -> Any:
    return next((pair for pair in getattr(node, "value", ()) if pair[0].value == name), None)


def _end(text: str, node: Any) -> int:
    """Where a value ends: a block's mark is only where the next one begins."""
    kind = type(node).__name__
    if kind == "MappingNode" and node.value and not node.flow_style:
        return _end(text, node.value[-1][1])
    if kind == "SequenceNode" and node.value and not node.flow_style:
        return _end(text, node.value[-1])
    end: int = node.end_mark.index
    if kind == "ScalarNode" and node.style in ("|", ">"):
        start: int = node.start_mark.index
        return start + len(text[start:end].rstrip())
    return end


def _line_end(text: str, index: int) -> int:
    """Behind the line that this character is on."""
    found = text.find("\n", index)
    return len(text) if found < 0 else found + 1
