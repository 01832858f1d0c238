"""Running tests against a mutant, in a forked process that has everything but our code loaded."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

OURS = ("connector", "tests", "bench")
MEMORY = 4 * 1024**3
SURVIVED, KILLED, TIMED_OUT = "survived", "killed", "killed by the time limit"


class Swapped(importlib.abc.MetaPathFinder):
    """Gives one module other code than its file has."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return code

        self._name = name
        self._path = str(path)
        self._loader = Loader(name, self._path)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(
            fullname,
            self._path,
            loader=self._loader,
            submodule_search_locations=(
                [os.path.dirname(self._path)] if self._path.endswith("__init__.py") else None
            ),
        )


class Quick:
    """No shrinking, no memory of earlier failures, the same examples each time."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        from hypothesis import Phase, settings

        settings.register_profile(
            "mutants",
            settings.get_profile("house"),
            phases=(Phase.explicit, Phase.generate),
            derandomize=True,
            database=None,
        )
        settings.load_profile("mutants")


def name_of(root: Path, path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tested(root: Path, tests: Sequence[str]) -> int:
    """Run these tests here, file by file, until the first that fails; gives pytest's exit code.

    Most mutants are noticed by the first file, and collecting the others takes longer than that.
    """
    os.chdir(root)
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        # Its plugins were loaded before it, on purpose.
        quiet = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
        options = ("-x", "-q", "-p", "no:cacheprovider", *quiet, f"--basetemp={folder}/t")
        for one in tests:
            if code := int(pytest.main([*options, one], plugins=[Quick()])):
                return code
        return 0


def preload(root: Path, tests: Sequence[str]) -> tuple[bool, float]:
    """Import what these tests need and is not ours; whether they pass, and their CPU seconds."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as told:

        def work() -> int:
            code = tested(root, tests)
            names = [name for name in sys.modules if name.split(".")[0] not in OURS]
            Path(told.name).write_text(json.dumps(names))
            return code

        child = forked(work, limit=600, loud=True)
        _, status, usage = os.wait4(child, 0)
        good = os.waitstatus_to_exitcode(status) == 0
        for name in json.loads(told.read() or "[]"):
            with suppress(Exception):  # what cannot be loaded alone is loaded when it is used
                importlib.import_module(name)
    return good, usage.ru_utime + usage.ru_stime


def forked(work: Callable[[], int], *, limit: int, loud: bool = False) -> int:
    """Do this in a process of its own, which gets so many CPU seconds; gives its number."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.setpgid(0, 0)
        if not loud:
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.alarm(limit * 6)
        code = work()
    finally:
        os._exit(code)


def judged(
    root: Path,
    mutants: Sequence[tuple[Path, Callable[[], CodeType]]],
    tests: Callable[[Path], Sequence[str]],
    *,
    limit: int,
    jobs: int,
) -> Iterator[tuple[int, str]]:
    """The number of each mutant and what became of it, as they end."""
    running: dict[int, int] = {}
    waiting = iter(enumerate(mutants))
    while True:
        while len(running) < jobs and (entry := next(waiting, None)) is not None:
            number, (path, code) = entry
            made = code()

            def work(path: Path = path, made: CodeType = made) -> int:
                sys.meta_path.insert(0, Swapped(name_of(root, path), path, made))
                return tested(root, tests(path))

            running[forked(work, limit=limit)] = number
        if not running:
            return
        child, status, _ = os.wait4(-1, 0)
        if child not in running:
            continue
        with suppress(OSError):
            os.killpg(child, signal.SIGKILL)  # what it has started
        yield running.pop(child), outcome(status)


def outcome(status: int) -> str:
    """What a process that ended like this says of its mutant."""
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return SURVIVED
    return TIMED_OUT if code in (-signal.SIGXCPU, -signal.SIGALRM, -signal.SIGKILL) else KILLED


def tidy() -> None:
    """Remove what killed processes left behind."""
    for left in Path(tempfile.gettempdir()).glob("mutant-*"):
        shutil.rmtree(left, ignore_errors=True)
