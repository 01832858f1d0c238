"""What a builder of flows needs beyond the language: forms, suggestions, previews, edits.

Pure: it reads catalogues and documents, and keeps nothing.
"""
