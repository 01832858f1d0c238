"""Field lists as text, kept beside the tests: what people mapped stays where it was."""

from __future__ import annotations

from pathlib import Path

from connector.model import AnyNode, Field, Operation, SchemaRef, Trigger
from connector.testing.subject import Subject


def fields_text(subject: Subject) -> dict[str, str]:
    """The golden texts that a node touches: its own, and one for each schema that it names."""
    node, schemas = subject.node, subject.catalog.schemas
    texts = {f"{node.app}/{node.key}.txt": "".join(f"{line}\n" for line in _node(node))}
    for ref in subject.refs():
        bare = SchemaRef(schema_name=ref.schema_name)
        given = _lines(schemas.fields(bare))
        gives = _lines(schemas.fields(bare, output=True))
        text = "\n".join(["inputs", *given, "outputs", *gives])
        texts[f"schemas/{ref.schema_name}.txt"] = f"{text}\n"
    return texts


def differences(folder: Path, texts: dict[str, str]) -> list[str]:
    """What is in the way: a text that is missing, or another one than was written down."""
    found = []
    for name, text in texts.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is not written down yet.")
            continue
        before, now = path.read_text("utf-8").splitlines(), text.splitlines()
        gone = [line for line in before if line not in now]
        new = [line for line in now if line not in before]
        if before != now:
            found.append(
                f"{name} changed."
                + "".join(f"\n    gone: {line.strip()}" for line in gone)
                + "".join(f"\n    new:  {line.strip()}" for line in new)
                + ("" if gone or new else " Only the order did.")
            )
    return found


def write(folder: Path, texts: dict[str, str]) -> None:
    """Write the texts down as they are now."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _node(node: AnyNode) -> list[str]:
    lines = [f"{node.kind} {node.name}"]
    lines += [f"  scope {scope}" for scope in node.scopes]
    for given in node.inputs:
        if isinstance(given, SchemaRef):
            lines.append(f"  input {_ref(given)}")
            lines += [f"    required {path}" for path in given.require]
        else:
            lines += [f"  input{line}" for line in _lines((given,))]
    if node.output is not None:
        lines.append(f"  output {_ref(node.output)}")
    if isinstance(node, Trigger):
        lines += [f"  {resource} {_ref(ref)}" for resource, ref in node.outputs.items()]
    if isinstance(node, Operation) and node.request is not None:
        lines.append(f"  request {node.request.method} {node.request.path}")
    return lines


def _ref(ref: SchemaRef) -> str:
    return f"{ref.schema_name} at {ref.prefix}" if ref.prefix else ref.schema_name


def _lines(fields: tuple[Field, ...]) -> list[str]:
    marks = ("required", "read_only", "write_only", "list")
    return [
        " ".join(["", field.path, field.type, *(one for one in marks if getattr(field, one))])
        for field in fields
    ]
