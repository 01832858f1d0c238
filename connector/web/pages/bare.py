"""What is shown when nobody knows what else still works: no template, no store."""

from __future__ import annotations

from html import escape

from connector.web.pages.words import Words, mark

AGAIN = mark("Go back and try once more. If it stays, tell whoever runs this server when.")
PAGE = (
    '<!doctype html><html lang="%s"><head><meta charset="utf-8"><title>%s</title>'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark"><link rel="stylesheet" href="%s"></head>'
    '<body><main class="narrow"><h1>%s</h1><p>%s</p><p><a class="button" href="%s">%s</a></p>'
    "</main></body></html>"
)


def bare(words: Words, text: str, style: str, start: str) -> str:
    """A page with one sentence, and the way to the start."""
    said = words(text)
    shown = (words.language, said, style, said, words(AGAIN), start, words(mark("To the start")))
    return PAGE % tuple(map(escape, shown))
