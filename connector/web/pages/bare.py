"""What is shown when nobody knows what else still works: no template, no store."""

from __future__ import annotations

from html import escape

from connector.web.pages.words import Words, mark

TITLE = mark("Something went wrong")
AGAIN = mark("What was accepted is kept. Load the page once more.")
TELL = mark("If it stays, tell whoever runs this server that it happened at this time:")
PAGE = (
    '<!doctype html><html lang="%s"><head><meta charset="utf-8"><title>%s</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="%s"></head>'
    '<body><header class="top"><a class="brand" href="%s">Connector</a></header>'
    '<main class="narrow"><h1>%s</h1><div class="box bad" role="alert"><div><p class="what">%s</p>'
    "<p>%s</p><p>%s <strong>%s</strong></p></div></div>"
    '<p class="row"><a class="button main" href="%s">%s</a></p></main></body></html>'
)


def bare(words: Words, text: str, style: str, start: str, now: float) -> str:
    """A page that says what happened, when, and the way to the start."""
    title, way = words(TITLE), words(mark("To the start"))
    told = (words(text), words(AGAIN), words(TELL), words.when(now))
    shown = (words.language, title, style, start, title, *told, start, way)
    return PAGE % tuple(map(escape, shown))
