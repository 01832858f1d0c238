"""Short words for fields and nodes, and how forms group them: `words.yaml` beside the schemas.

`italian.yaml` beside it holds the Italian of every other text of the schemas and nodes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field as attribute
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from connector.errors import SchemaError
from connector.flow.document import DocumentFault, read_document

FILE: Final = "words.yaml"
TEXTS: Final = "italian.yaml"
EVERYWHERE: Final = "*"
LANGUAGES: Final = ("en", "it")
_PARTS: Final = frozenset(
    {"nodes", "often", "sections", "common", "words", "help", "choices", "like"}
)
_APOSTROPHE: Final = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])|(?<=\bdi)'(?=\s)|(?<=\bpo)'(?=\s)")


@dataclass(frozen=True, slots=True)
class Section:
    """A group of fields as people think of them, and the paths that begin it."""

    key: str
    labels: tuple[str, str]
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What one app's forms say; every question has an answer, if only the given one."""

    app: str = ""
    nodes: Mapping[str, tuple[str, str]] = attribute(default_factory=dict)
    often: tuple[str, ...] = ()
    """The nodes that most people look for, in their order."""
    sections: Mapping[str, tuple[Section, ...]] = attribute(default_factory=dict)
    common: Mapping[str, frozenset[str]] = attribute(default_factory=dict)
    words: Mapping[str, Mapping[str, tuple[str, str]]] = attribute(default_factory=dict)
    helps: Mapping[str, Mapping[str, str]] = attribute(default_factory=dict)
    choices: Mapping[str, str] = attribute(default_factory=dict)
    texts: Mapping[str, str] = attribute(default_factory=dict)
    like: Mapping[str, str] = attribute(default_factory=dict)
    """Schemas whose fields are called as those of another."""

    def text(self, given: str, language: str) -> str:
        """A text of a schema or a node in a language; as it is given where nobody translated it."""
        return self.texts.get(given, given) if language == "it" else given

    def label(self, schema: str, path: str, given: str, language: str) -> str:
        """The word for a field: its own, else that of the longest ending that has one."""
        at = LANGUAGES.index(language)
        schema = self.like.get(schema, schema)
        found = self.words.get(schema, {}).get(path)
        if found is not None:
            return found[at]
        everywhere = self.words.get(EVERYWHERE, {})
        keys = path.split(".")
        for start in range(len(keys)):
            ending = everywhere.get(".".join(keys[start:]))
            if ending is None and start < len(keys) - 1:
                # A client's usual VAT rate is described in the words of any VAT rate.
                plain = [key.removeprefix("default_") for key in keys[start:]]
                ending = everywhere.get(".".join(plain))
            if ending is not None:
                return ending[at]
        return self.text(given, language)

    def help(self, schema: str, path: str, given: str, language: str) -> str:
        """What explains a field."""
        told = self.helps.get(schema, {}).get(path)
        return told if language == "it" and told else self.text(given, language)

    def choice(self, given: str, language: str) -> str:
        """The word for one choice."""
        told = self.choices.get(given) if language == "it" else None
        return told or self.text(given, language)

    def section(self, schema: str, path: str) -> str:
        """The key of the section that a field belongs to."""
        for one in self.sections.get(schema, ()):
            if any(path == start or path.startswith(f"{start}.") for start in one.paths):
                return one.key
        return "other"

    def all_sections(self, schema: str) -> tuple[Section, ...]:
        """The sections of a schema in their order, with the one for what is left."""
        left = Section("other", ("Other", "Altro"), ())
        return (*self.sections.get(schema, ()), left)

    def node(self, key: str, label: str, description: str, language: str) -> tuple[str, str]:
        """A node's name and its one line."""
        name, line = self.nodes.get(key, ("", "")) if language == "it" else ("", "")
        return name or label, line or self.text(description, language)


NONE: Final = Words()


@lru_cache(maxsize=32)
def words_of(app: str, roots: tuple[Path, ...]) -> Words:
    """The words of an app. Raises SchemaError for a file that cannot be used."""
    for root in roots:
        path = root / app / FILE
        if path.is_file():
            return _read(app, path)
    return NONE


def well_set(text: str) -> str:
    """An Italian text with the apostrophe of print, however it was typed."""
    return _APOSTROPHE.sub("’", text)


def _read(app: str, path: Path) -> Words:
    try:
        data = read_document(path.read_text("utf-8"))[0].plain()
        unknown = set(data) - _PARTS
        if unknown:
            raise SchemaError(f"{app}/{FILE} has no part {min(unknown)!r}.")
        return Words(
            app=app,
            nodes={key: _named(given) for key, given in (data.get("nodes") or {}).items()},
            often=tuple(map(str, data.get("often") or ())),
            sections={
                schema: tuple(
                    Section(key, (given[0], given[1]), tuple(given[2]))
                    for key, given in listed.items()
                )
                for schema, listed in (data.get("sections") or {}).items()
                if schema != EVERYWHERE
            },
            common={
                schema: frozenset(map(str, paths))
                for schema, paths in (data.get("common") or {}).items()
            },
            words={schema: _pairs(listed) for schema, listed in (data.get("words") or {}).items()},
            helps={
                schema: {key: well_set(str(told)) for key, told in (listed or {}).items()}
                for schema, listed in (data.get("help") or {}).items()
            },
            choices={key: well_set(told) for key, told in (data.get("choices") or {}).items()},
            like=dict(data.get("like") or {}),
            texts=_texts(path.with_name(TEXTS)),
        )
    except DocumentFault as fault:
        raise SchemaError(f"{app}/{FILE} cannot be read: {fault}") from None
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise SchemaError(f"{app}/{FILE} has not the shape it must have: {error}.") from None


def _texts(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    listed = read_document(path.read_text("utf-8"))[0].plain()
    return {str(given): well_set(str(told)) for given, told in listed}


def _pairs(given: Mapping[str, Iterable[Any]] | None) -> dict[str, tuple[str, str]]:
    made = {}
    for key, pair in (given or {}).items():
        first, second = pair
        made[key] = (str(first), well_set(str(second)))
    return made


def _named(given: Any) -> tuple[str, str]:
    """A node's name, with or without its line."""
    if isinstance(given, str):
        return well_set(given), ""
    name, line = given
    return well_set(str(name)), well_set(str(line))
