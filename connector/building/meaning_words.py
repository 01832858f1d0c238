"""The sentences that say what changed between two versions of a flow, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SAID: Final[Mapping[str, tuple[str, str]]] = {
    "unreadable": (
        "One of the two documents cannot be read: compare their text.",
        "Uno dei due documenti non si può leggere: confronta il testo.",
    ),
    "name": ("Is now called {new}.", "Ora si chiama {new}."),
    "description": ("Has another description.", "Ha un’altra descrizione."),
    "order_none": (
        "Runs about one record no longer wait for each other.",
        "Le esecuzioni sulla stessa scheda non si aspettano più.",
    ),
    "order_per_record": (
        "Runs about one record go one after the other again.",
        "Le esecuzioni sulla stessa scheda vanno di nuovo una dopo l’altra.",
    ),
    "loops_allow": (
        "Now also follows changes that it made itself.",
        "Ora segue anche le modifiche che ha fatto lui stesso.",
    ),
    "loops_ignore": (
        "No longer follows changes that it made itself.",
        "Non segue più le modifiche che ha fatto lui stesso.",
    ),
    "trigger_node": ("Is now started by: {new}.", "Ora parte con: {new}."),
    "trigger_connection": (
        "Now listens to the connection {new}, no longer to {old}.",
        "Ora ascolta il collegamento {new}, non più {old}.",
    ),
    "setting": (
        "{label} of the trigger: {new} instead of {old}.",
        "{label} dell’avvio: {new} invece di {old}.",
    ),
    "setting_new": ("{label} of the trigger is now {new}.", "{label} dell’avvio ora è {new}."),
    "setting_gone": ("{label} of the trigger is no longer set.", "{label} dell’avvio non c’è più."),
    "when_new": ("Now runs only if {new}.", "Ora parte solo se {new}."),
    "when_gone": ("No longer filters: {old}.", "Non filtra più: {old}."),
    "when": ("Filters by {new} instead of {old}.", "Filtra con {new} invece di {old}."),
    "step_new": ("New step: {new}.", "Nuovo passo: {new}."),
    "step_gone": ("Step '{step}' is gone.", "Il passo '{step}' non c’è più."),
    "step_renamed": (
        "Step '{old}' is now called '{step}'.",
        "Il passo '{old}' ora si chiama '{step}'.",
    ),
    "step_after": (
        "Step '{step}' now runs after '{old}'.",
        "Il passo '{step}' ora viene dopo '{old}'.",
    ),
    "step_first": ("Step '{step}' now runs first.", "Il passo '{step}' ora viene per primo."),
    "step_node": (
        "Step '{step}' now does: {new}; before: {old}.",
        "Il passo '{step}' ora fa: {new}; prima: {old}.",
    ),
    "step_off": (
        "Step '{step}' is switched off: it is left out.",
        "Il passo '{step}' è spento: viene saltato.",
    ),
    "step_on": ("Step '{step}' is switched on again.", "Il passo '{step}' è di nuovo acceso."),
    "step_connection": (
        "Step '{step}' now uses the connection {new}, no longer {old}.",
        "Il passo '{step}' ora usa il collegamento {new}, non più {old}.",
    ),
    "step_when_new": (
        "Step '{step}' now runs only if {new}.",
        "Il passo '{step}' ora parte solo se {new}.",
    ),
    "step_when_gone": (
        "Step '{step}' now always runs; before only if {old}.",
        "Il passo '{step}' ora parte sempre; prima solo se {old}.",
    ),
    "step_when": (
        "Step '{step}' runs if {new}; before if {old}.",
        "Il passo '{step}' parte se {new}; prima se {old}.",
    ),
    "step_key_new": (
        "Step '{step}' now writes once for each {new}.",
        "Il passo '{step}' ora scrive una volta per ogni {new}.",
    ),
    "step_key_gone": (
        "Step '{step}' no longer has a key of its own: two events may write twice.",
        "Il passo '{step}' non ha più una chiave propria: due eventi possono scrivere due volte.",
    ),
    "step_key": (
        "Step '{step}' writes once for each {new}; before for each {old}.",
        "Il passo '{step}' scrive una volta per ogni {new}; prima per ogni {old}.",
    ),
    "field_new": (
        "Step '{step}' will now also fill {label}: {new}.",
        "Il passo '{step}' ora compila anche {label}: {new}.",
    ),
    "field_gone": (
        "Step '{step}' no longer fills {label}.",
        "Il passo '{step}' non compila più {label}.",
    ),
    "field": (
        "Step '{step}' fills {label} with {new} instead of {old}.",
        "Il passo '{step}' compila {label} con {new} invece di {old}.",
    ),
    "rows": (
        "Step '{step}' makes the rows of {label} another way.",
        "Il passo '{step}' prepara in altro modo le righe di {label}.",
    ),
    "rows_new": (
        "Step '{step}' now also makes {label}, a row for each of {new}; it fills {columns}.",
        (
            "Il passo '{step}' ora prepara anche {label}, una riga per ogni elemento di {new}; "
            "compila {columns}."
        ),
    ),
    "rows_from": (
        "Step '{step}' makes a row of {label} for each of {new}, no longer of {old}.",
        (
            "Il passo '{step}' prepara una riga di {label} per ogni elemento di {new}, non più di "
            "{old}."
        ),
    ),
    "each_new": (
        "Step '{step}', in each row of {label}: now also fills {column} with {new}.",
        "Passo '{step}', in ogni riga di {label}: ora compila anche {column} con {new}.",
    ),
    "each_gone": (
        "Step '{step}', in each row of {label}: no longer fills {column}.",
        "Passo '{step}', in ogni riga di {label}: non compila più {column}.",
    ),
    "each": (
        "Step '{step}', in each row of {label}: fills {column} with {new} instead of {old}.",
        "Passo '{step}', in ogni riga di {label}: compila {column} con {new} invece di {old}.",
    ),
    "row_added": (
        "Step '{step}' has a new row {number} of {label}; it fills {columns}.",
        "Il passo '{step}' ha una nuova riga {number} di {label}; compila {columns}.",
    ),
    "row_removed": (
        "Step '{step}' no longer has row {number} of {label}.",
        "Il passo '{step}' non ha più la riga {number} di {label}.",
    ),
    "row_new": (
        "Step '{step}', row {number} of {label}: now also fills {column} with {new}.",
        "Passo '{step}', riga {number} di {label}: ora compila anche {column} con {new}.",
    ),
    "row_gone": (
        "Step '{step}', row {number} of {label}: no longer fills {column}.",
        "Passo '{step}', riga {number} di {label}: non compila più {column}.",
    ),
    "row": (
        "Step '{step}', row {number} of {label}: fills {column} with {new} instead of {old}.",
        "Passo '{step}', riga {number} di {label}: compila {column} con {new} invece di {old}.",
    ),
    "other": ("{label} has changed.", "{label} è cambiato."),
}
