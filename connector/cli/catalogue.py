"""`apps`, `nodes`, `fields`: what there is to build flows from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from connector.cli.output import JsonOption, show_json, show_table

if TYPE_CHECKING:
    from connector.model import App, Field

NodeArgument = Annotated[
    str, typer.Argument(help="Full name, as in fatture_in_cloud.create_client.", metavar="NODE")
]


def add(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("apps")(apps)
    app.command("nodes")(nodes)
    app.command("fields")(fields)


def apps(json: JsonOption = False) -> None:
    """List the apps that can be connected."""
    from connector.catalog import load_catalog

    rows = [
        {
            "key": app.key,
            "title": app.title,
            "auth": app.auth.kind,
            "address": app.base_url or "your own",
            "docs_url": app.docs_url,
        }
        for app in load_catalog().apps.values()
    ]
    if json:
        show_json(rows)
        return
    show_table(
        ("app", "title", "connects by", "address"),
        [(row["key"], row["title"], row["auth"], row["address"]) for row in rows],
        empty="No app is installed.",
    )


def nodes(
    app: Annotated[str | None, typer.Option(help="Only this app's.")] = None,
    kind: Annotated[str | None, typer.Option(help="trigger, action or search.")] = None,
    json: JsonOption = False,
) -> None:
    """List the triggers, actions and searches."""
    from connector.catalog import load_catalog

    catalog = load_catalog()
    if app is not None:
        catalog.app(app)
    if kind is not None and kind not in ("trigger", "action", "search"):
        raise typer.BadParameter("must be trigger, action or search", param_hint="--kind")
    found = [
        node
        for node in catalog.nodes.values()
        if app in (None, node.app) and kind in (None, node.kind)
    ]
    if json:
        show_json(
            [
                {
                    "name": node.name,
                    "kind": node.kind,
                    "label": node.label,
                    "description": node.description,
                    "scopes": node.scopes,
                    "destructive": getattr(node, "destructive", False),
                    "inputs": len(catalog.fields(node)),
                    "docs_url": node.docs_url,
                }
                for node in found
            ]
        )
        return
    show_table(
        ("node", "kind", "label", "what it does"),
        [(node.name, node.kind, node.label, node.description) for node in found],
        empty="No node fits.",
    )


def fields(
    node: NodeArgument,
    output: Annotated[bool, typer.Option("--output", help="What it gives, not takes.")] = False,
    resource: Annotated[
        str | None, typer.Option(help="With --output, for a trigger: the kind of record.")
    ] = None,
    search: Annotated[str, typer.Option(help="Only paths, labels or help with this text.")] = "",
    json: JsonOption = False,
) -> None:
    """List a node's fields: the dotted paths that a flow maps."""
    from connector.catalog import load_catalog

    catalog = load_catalog()
    found = catalog.node(node)
    listed = catalog.output_fields(found, resource) if output else catalog.fields(found)
    wanted = search.lower()
    shown = [
        field for field in listed if wanted in f"{field.path} {field.label} {field.help}".lower()
    ]
    if json:
        show_json([field.model_dump(mode="json") for field in shown])
        return
    show_table(
        ("path", "label", "type", "notes"),
        [
            (field.path, field.label, _type(field), _notes(field, catalog.app(found.app)))
            for field in shown
        ],
        empty="No field fits.",
    )


def _type(field: Field) -> str:
    return f"list of {field.type}" if field.array == field.path else field.type


def _notes(field: Field, app: App) -> str:
    notes = [
        word
        for word, on in (
            ("required", field.required),
            ("read-only", field.read_only),
            ("write-only", field.write_only),
            (f"in list {field.array}", field.array not in (None, field.path)),
        )
        if on
    ]
    if field.choices:
        shown = ", ".join(str(one.value) for one in field.choices[:6])
        notes.append(f"one of {shown}{' …' if len(field.choices) > 6 else ''}")
    if field.choices_from:
        notes.append(f"choose: {app.choices[field.choices_from].title}")
    return "; ".join(notes)
