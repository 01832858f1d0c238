"""What a user waits for at the shell, and what a server holds at rest; all in fresh processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from bench.figures import Pairs, Row, Size, Target, folder, in_pairs
from connector.codec import decode

ROOT = Path(__file__).parents[1]
ROUNDS = 9
REST_SECONDS = 2.0
BARE = ("-c", "pass")


def measure(size: Size) -> list[Row]:
    """Two starts beside that of the bare interpreter, and the memory of an idle server."""
    rounds = max(2, size.of(ROUNDS))
    imported = _starts(rounds, ("-c", "import connector"))
    helped = _starts(rounds, ("-m", "connector", "--help"))
    return [
        _row("import connector", imported, 0.25),
        _row("connector --help", helped, 0.5),
        Row(
            bench="startup",
            what="server at rest, resident memory",
            figure=_memory(REST_SECONDS * min(1.0, size.scale)),
            unit="MB",
            target=Target("at most", 120),
        ),
    ]


def _row(what: str, pairs: Pairs, most: float) -> Row:
    return Row(
        bench="startup",
        what=what,
        figure=pairs.figure,
        unit="s",
        reference=pairs.base,
        reference_what="python -c pass",
        ratio=pairs.ratio,
        target=Target("at most", most),
    )


def _starts(rounds: int, arguments: tuple[str, ...]) -> Pairs:
    # The first start of each compiles and reads files: it is not counted.
    _start(arguments)
    return in_pairs(rounds, lambda: _start(arguments), lambda: _start(BARE))


def _start(arguments: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _memory(rest: float) -> float:
    """Megabytes of a server that has answered once and has nothing to do."""
    with folder() as place:
        environment = {
            **{name: value for name, value in os.environ.items() if "CONNECTOR_" not in name},
            "CONNECTOR_DATABASE": f"sqlite:///{place / 'rest.db'}",
            "CONNECTOR_API_TOKEN": "a-token-for-benchmarks-only",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "connector", "serve", "--port", "0", "--json"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        try:
            told = decode(_first_object(process.stdout))
            with urllib.request.urlopen(f"http://127.0.0.1:{told['port']}/readyz") as answer:
                answer.read()
            time.sleep(rest)
            return resident(process.pid)
        finally:
            process.terminate()
            process.communicate(timeout=60)


def _first_object(lines: Iterable[str]) -> str:
    text = ""
    for line in lines:
        text += line
        try:
            decode(text)
        except ValueError:
            continue
        return text
    raise RuntimeError("the server did not start")


def resident(process: int) -> float:
    """The resident set in megabytes, as `ps` tells it on every Unix."""
    told = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(process)], check=True, capture_output=True, text=True
    )
    return int(told.stdout) / 1024
