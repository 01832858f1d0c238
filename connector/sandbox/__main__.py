"""`python -m connector.sandbox`: both emulated apps on loopback ports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from connector.sandbox.config import SandboxConfig


def make_parser() -> argparse.ArgumentParser:
    """The switches of the command."""
    parser = argparse.ArgumentParser(prog="python -m connector.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--fic-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--perfex-port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--generation", choices=("2.x", "3.x"), default="3.x", help="of Perfex")
    parser.add_argument("--signing-key", metavar="FILE", help="PEM of a P-256 private key")
    parser.add_argument("--seed", type=int, help="makes every id, token and key repeat")
    parser.add_argument("--seed-file", metavar="FILE", help="JSON of records to start with")
    parser.add_argument("--auto-approve", action="store_true", help="consent without asking")
    parser.add_argument("--json", action="store_true", help="print the addresses as one JSON line")
    parser.add_argument("--until-eof", action="store_true", help="end with standard input")
    return parser


def parse(arguments: Sequence[str] | None = None) -> tuple[SandboxConfig, bool, bool]:
    """The settings of a command line, whether to print JSON, and to end with standard input."""
    found = make_parser().parse_args(arguments)
    config = SandboxConfig(
        host=found.host,
        fic_port=found.fic_port,
        perfex_port=found.perfex_port,
        generation=found.generation,
        signing_key=Path(found.signing_key) if found.signing_key else None,
        seed=found.seed,
        seed_file=found.seed_file,
        auto_approve=found.auto_approve,
    )
    return config, found.json, found.until_eof


def main() -> int:
    """Serve until Ctrl-C; 1 when it cannot start."""
    from connector.sandbox.ports import run

    try:
        config, as_json, until_eof = parse()
        run(config, as_json=as_json, until_eof=until_eof)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The sandbox cannot start: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
