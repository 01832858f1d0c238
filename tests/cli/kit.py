"""The command as somebody types it: in this process where it ends by itself, else as a program."""

from __future__ import annotations

import contextlib
import io
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

from tests.loaded import load_once

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "fic-client-to-perfex.yaml"
PATIENCE = 60
"""Seconds after which a test gives up: never what it measures."""


@dataclass(frozen=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON, which must be one line and all there is."""
        assert self.out.endswith("\n"), self
        assert self.out.count("\n") == 1, self
        return json.loads(self.out, parse_float=Decimal)


def connector(*words: str | Path, stdin: str | bytes = "") -> Said:
    """Run a command that ends by itself."""
    from connector.cli import main

    given = stdin if isinstance(stdin, bytes) else stdin.encode()
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        mock.patch.object(sys, "argv", ["connector", *map(str, words)]),
        mock.patch("connector.catalog.load_catalog", load_once),
        mock.patch("connector.runtime.opening.load_catalog", load_once),
        mock.patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), "utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
    return Said(code, out.getvalue(), err.getvalue())


# --- programs that stay -------------------------------------------------------------------------


class Program:
    """A command in its own process group, as a terminal starts it."""

    def __init__(
        self, *words: str, folder: Path, module: str = "connector", **environment: str
    ) -> None:
        clean = {name: value for name, value in os.environ.items() if wanted(name)}
        self._log = (folder / "stderr.log").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            cwd=folder,
            env={**clean, **environment},
            # Not closed by us: it ends with this process, however that ends (see --until-eof).
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._out = self._process.stdout
        self._ahead = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def err(self) -> str:
        """What it has said so far."""
        return Path(self._log.name).read_text("utf-8", "replace")

    def line(self) -> str:
        """The next line that it prints; nothing of it is waited for in vain."""
        with selectors.DefaultSelector() as ready:
            ready.register(self._out, selectors.EVENT_READ)
            while b"\n" not in self._ahead:
                assert ready.select(PATIENCE), f"no line within {PATIENCE} seconds:\n{self.err}"
                read = os.read(self._out.fileno(), 65_536)
                if not read:
                    break
                self._ahead += read
        line, end, self._ahead = self._ahead.partition(b"\n")
        return (line + end).decode()

    def until(self, text: str) -> None:
        """Wait until it has said something on its error stream."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.err:
            here = time.monotonic() < deadline and self._process.poll() is None
            assert here or text in self.err, f"it never said {text!r}:\n{self.err}"
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Signal the whole group, as Ctrl-C in a terminal does."""
        os.killpg(self._process.pid, number)

    def end(self, number: int | None = None) -> Said:
        """Wait for its end, after a signal if one is given."""
        if number is not None:
            self.signal(number)
        try:
            out, _ = self._process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
            raise AssertionError(f"it does not end:\n{self.err}") from None
        return Said(self._process.returncode, (self._ahead + out).decode(), self.err)

    def close(self) -> None:
        """Leave nothing running."""
        if self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._out.close()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._log.close()


@contextlib.contextmanager
def program(
    *words: str, folder: Path, module: str = "connector", **environment: str
) -> Iterator[Program]:
    """A running command; killed at the end if it is still there."""
    one = Program(*words, folder=folder, module=module, **environment)
    try:
        yield one
    finally:
        one.close()


def wanted(name: str) -> bool:
    """Not what would hide a fault: our own settings, and a Python that never buffers."""
    return not name.startswith("CONNECTOR_") and name != "PYTHONUNBUFFERED"


def wait_for(holds: Any) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process is there and no mere leftover."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    place = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in place.read_text().split()]


# --- the outside world --------------------------------------------------------------------------


@dataclass(frozen=True)
class Outside:
    """A running sandbox, as it says itself."""

    told: Mapping[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.told[name]

    def ask(self, app: str, path: str, method: str = "GET", body: Any = None) -> Any:
        """One call of its control side."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.told[app]}/_sandbox{path}", data=data, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.loads(answer.read())

    def requests(self, app: str) -> dict[str, int]:
        """What has reached an app so far."""
        found: dict[str, int] = self.ask(app, "/counters")["requests"]
        return found


def copy_of(folder: Path, target: Path) -> Path:
    """A stopped installation at another place."""
    shutil.copytree(folder, target, dirs_exist_ok=True)
    return target


def settings_of(database: Path) -> dict[str, str]:
    """The environment of an installation on this file."""
    return {"CONNECTOR_DATABASE": f"sqlite:///{database}"}
