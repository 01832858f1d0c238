"""Names where ids belong: each becomes the id it stands for, just before a step is carried out."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector import paths
from connector.choosing import Chooser, Reader, needs_of, source_of
from connector.mapping.report import Named
from connector.model import App

Open = Callable[[Mapping[str, Any]], Awaitable[Reader]]
"""The way to the app for inputs that are known so far: the account may be among them."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a name was taken for."""

    field: str
    name: str
    value: Any
    label: str
    title: str

    def as_data(self) -> dict[str, Any]:
        """It as JSON."""
        return {
            "field": self.field,
            "name": self.name,
            "value": self.value,
            "label": self.label,
            "from": self.title,
        }


async def settle(
    chooser: Chooser, app: App, named: tuple[Named, ...], payload: dict[str, Any], open_: Open
) -> tuple[dict[str, Any], list[Chosen]]:
    """The payload with ids in the place of names, and what each was taken for.

    Raises MappingError for a name that stands for none or for several, and ApiError.
    """
    settled = copy.deepcopy(payload)
    chosen: list[Chosen] = []
    # The company first, if it is named: every other list depends on it.
    for one in sorted(named, key=lambda one: len(needs_of(source_of(app, one.choices_from)))):
        reader = await open_(settled)
        option = await chooser.named(app, one.choices_from, reader, settled, one.name, one.path)
        # Perfex CRM writes its numbers as text.
        text = isinstance(option.value, str) and option.value.isdecimal()
        value = int(option.value) if text else option.value
        paths.put(settled, one.path, value)
        title = app.choices[one.choices_from].title
        chosen.append(Chosen(one.path, one.name, value, option.label, title))
    return settled, chosen
