"""The `connector` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line; every error ends as a sentence, a remedy and an exit code."""
    from connector.cli.app import run

    run()


__all__ = ["main"]
