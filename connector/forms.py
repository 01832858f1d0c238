"""Form bodies as PHP reads them: nested values in brackets, `groups_in[]=2&names[0][first]=Ada`.

And bodies in several parts, for files (RFC 7578).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

from connector.errors import MappingError
from connector.model import Upload
from connector.paths import kind

MAX_DEPTH = 16
MAX_UPLOAD = 10 * 1024 * 1024
"""The most bytes of one file that is sent."""

_MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+")


def encode_form(data: Mapping[str, Any]) -> bytes:
    """A form body with the keys in their order; empty lists and None are left out, as PHP does.

    Booleans become 1 and 0. Raises MappingError for what a form cannot say.
    """
    pairs = (pair for key, value in data.items() for pair in _pairs(str(key), value, 1))
    return "&".join(f"{quote_plus(key)}={quote_plus(text)}" for key, text in pairs).encode("ascii")


def _pairs(key: str, value: Any, depth: int) -> Iterator[tuple[str, str]]:
    if depth > MAX_DEPTH:
        raise MappingError(
            f"The value is nested deeper than {MAX_DEPTH}.", field=key, value_type=kind(value)
        )
    if value is None:
        return
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _pairs(f"{key}[{name}]", inner, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        simple = not any(isinstance(one, Mapping | list | tuple) for one in value)
        for index, inner in enumerate(value):
            # Rows keep their number, or PHP would take each field for a row of its own.
            place = "" if simple else str(index)
            yield from _pairs(f"{key}[{place}]", inner, depth + 1)
    else:
        yield key, text_of(value, key)


def encode_multipart(data: Mapping[str, Any]) -> tuple[str, bytes]:
    """The media type and the bytes of a body with files; the same for the same data.

    Raises MappingError for a file that is too large and for what a part cannot say.
    """
    parts = [(name, *_part(name, value)) for name, value in data.items() if value is not None]
    # Made of what it keeps apart, so that the stored bytes of a write can be made again.
    told = hashlib.sha256()
    for _, head, content in parts:
        told.update(head.encode() + content)
    boundary = f"part-{told.hexdigest()[:40]}"
    body = b"".join(
        f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for _, head, content in parts
    )
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def _part(name: str, value: Any) -> tuple[str, bytes]:
    head = f'content-disposition: form-data; name="{_quoted(name)}"'
    if not isinstance(value, Upload):
        return head, text_of(value, name).encode()
    if len(value.content) > MAX_UPLOAD:
        raise MappingError(
            f"The file has {len(value.content)} bytes; at most {MAX_UPLOAD} are sent.",
            field=name,
            value_type="file",
            remedy="Make it smaller.",
        )
    kind_of_file = value.media_type
    if not _MEDIA_TYPE.fullmatch(kind_of_file):
        kind_of_file = "application/octet-stream"
    return (
        f'{head}; filename="{_quoted(value.name)}"\r\ncontent-type: {kind_of_file}',
        value.content,
    )


def _quoted(text: str) -> str:
    """As browsers write it: a quote or a line break would end the name."""
    shown = _encodable(text, "name")
    return shown.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def text_of(value: Any, field: str) -> str:
    """A single value as text, exactly; raises MappingError when it has no such form."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal) and value.is_finite():
        return format(value, "f") if abs(value.adjusted()) < 40 else str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and value.isascii():
        return value
    if isinstance(value, str):
        return _encodable(value, field)
    raise MappingError(
        "This value cannot be sent as text.",
        field=field,
        value_type=kind(value),
        remedy="Give text, a number or yes/no.",
    )


def _encodable(text: str, field: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MappingError(
            "The text holds half of a character (a lone surrogate).",
            field=field,
            value_type="text",
            remedy="Correct the text where it comes from.",
        ) from None
    return text
