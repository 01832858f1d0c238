"""A plugin whose app names its fields as no reasonable app would; it must work all the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connector import (
    Action,
    Answer,
    ApiError,
    App,
    Identity,
    Request,
    Token,
    Unclear,
    hookimpl,
    schema,
)

MANY = 500
TITLE = "Field of a hostile app"


def read_error(answer: Answer) -> ApiError | None:
    """A success, or something that nobody can read."""
    return None if answer.status == 200 else Unclear("It answered.", status=answer.status)


def hostile_schema() -> dict[str, Any]:
    """Dots and brackets in keys, digits first, emoji, nulls, empty objects, 500 fields."""

    def text(example: Any = "x", **more: Any) -> dict[str, Any]:
        return {"title": TITLE, "type": ["string", "null"], "examples": [example], **more}

    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Thing",
        "type": "object",
        "properties": {
            "id": {"title": "Id", "type": "integer", "readOnly": True, "examples": [9]},
            "vat.number": text("IT1"),
            "a.b.c": {
                "title": "Dotted",
                "type": "object",
                "properties": {"d.e": text("deep"), "0": text("zero")},
            },
            "data[]": {"title": "Ids", "type": "array", "items": {"type": "integer"}},
            "rows[]": {
                "title": "Rows",
                "type": "array",
                "items": {"type": "object", "properties": {"a.b": text("1"), "2nd": text("2")}},
            },
            "2fast": text("digits first"),
            "😀": text("🍕"),
            "città": text("Forlì"),
            "with space": text("a b"),
            "items": text("not a list"),
            "__class__": text("no attribute"),
            "nothing": {"title": "Nothing", "type": "null", "examples": [None]},
            "empty": {"title": "Empty", "type": "object", "examples": [{}]},
            "anything": {"title": "Anything", "examples": [{"a": [1, {"b": None}]}]},
            **{f"f{number}": text(str(number)) for number in range(MANY)},
        },
    }


def write_schema(folder: Path) -> Path:
    """Put the schema file where `register_schemas` wants it."""
    (folder / "hostile").mkdir(parents=True)
    path = folder / "hostile" / "thing.json"
    path.write_text(json.dumps(hostile_schema(), ensure_ascii=False), encoding="utf-8")
    return folder


def hostile(folder: Path) -> object:
    """The plugin; its schema is written into `folder`."""
    schemas = write_schema(folder)

    class Hostile:
        @hookimpl
        def register_apps(self, register: Callable[[App], None]) -> None:
            register(
                App(
                    key="hostile",
                    title="Hostile",
                    docs_url="https://hostile.example/docs",
                    base_url="https://hostile.example",
                    auth=Token(header="x-key"),
                    check=Request(method="GET", path="/me"),
                    read_error=read_error,
                )
            )

        @hookimpl
        def register_nodes(self, register: Callable[..., None]) -> None:
            register(make_thing())

        @hookimpl
        def register_schemas(self, register: Callable[[Path], None]) -> None:
            register(schemas)

    return Hostile()


def make_thing(**changed: Any) -> Action:
    """Its one node, with some of its parts changed."""
    given: dict[str, Any] = {
        "app": "hostile",
        "key": "make_thing",
        "noun": "Thing",
        "label": "Make Thing",
        "description": "Makes a thing.",
        "inputs": (schema("hostile/thing", "data"),),
        "request": Request(method="POST", path="/things", wrap=("data",)),
        "result": "data",
        "output": schema("hostile/thing"),
        "identity": Identity(record_id="data.id"),
        "summary": "Thing {{ output.id }}",
        **changed,
    }
    return Action(**given)
