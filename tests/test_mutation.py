"""The mutation tool: which faults it makes, and whether it tells a noticed one from others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation.__main__ import EQUIVALENT, equivalents
from tests.mutation.areas import AREAS, ROOT
from tests.mutation.mutants import Module
from tests.mutation.running import KILLED, SURVIVED, TIMED_OUT, outcome

SOURCE = '''
"""A docstring."""
LIMIT = 3
__all__ = ["one"]

def one(value: int = 0, *, name="a") -> "int":
    """Another."""
    if value < LIMIT and not name:
        raise ValueError("a sentence for people", remedy="another")
    for item in min(value, 1), 2:
        work(item, key=True)
        continue
    assert value
    return f"{value} of it" if value else None
'''


def changes(source: str) -> dict[str, str]:
    return {one.key[2]: one.function for one in Module(source).mutants}


@pytest.mark.parametrize(
    "change",
    [
        "3 -> 4",
        "3 -> 2",
        "0 -> 1",
        "'a' -> 'xa'",
        "value < LIMIT -> value <= LIMIT",
        "value < LIMIT -> value >= LIMIT",
        "value < LIMIT and (not name) -> value < LIMIT or not name",
        "value < LIMIT and (not name) -> value < LIMIT",
        "value < LIMIT and (not name) -> not name",
        "value < LIMIT and (not name) -> not (value < LIMIT and (not name))",
        "not name -> name",
        "raise ValueError('a sentence for people', remedy='another') -> pass",
        "min -> max",
        "work(item, key=True) -> pass",
        "key=True -> left out",
        "True -> False",
        "continue -> break",
        "value -> not value",
        "return f'{value} of it' if value else None -> return None",
    ],
)
def test_it_makes_this_change(change: str) -> None:
    assert change in changes(SOURCE)


def test_it_leaves_sentences_annotations_and_docstrings_alone() -> None:
    told = " ".join(changes(SOURCE))
    for text in ("docstring", "Another", "'one'", "'int'", "xa sentence", "xanother", "assert"):
        assert text not in told


def test_every_mutant_is_other_code_and_the_module_stays_as_it_was() -> None:
    module = Module(SOURCE)
    untouched = compile(module.tree, "<module>", "exec")
    for one in module.mutants:
        made: dict[str, object] = {}
        exec(module.code(one), made)
        assert compile(module.tree, "<module>", "exec") == untouched


def test_each_entry_of_the_equivalent_ones_still_fits_a_mutant() -> None:
    known = equivalents(EQUIVALENT.read_text("utf-8"))
    real = {
        (path, *one.key)
        for area in AREAS.values()
        for path in area.modules
        for one in Module((ROOT / path).read_text("utf-8")).mutants
    }
    assert set(known) <= real, set(known) - real
    assert all(len(reason.split()) > 3 for reason in known.values())


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_it_tells_a_noticed_mutant_from_an_unnoticed_one(tmp_path: Path) -> None:
    (tmp_path / "rooms.py").write_text("def larger(a, b):\n    return a if a > b else b\n")
    (tmp_path / "test_rooms.py").write_text(
        "from rooms import larger\n\ndef test_it():\n    assert larger(1, 2) == larger(2, 1) == 2\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    (tmp_path / "conftest.py").write_text(
        "from hypothesis import settings\nsettings.register_profile('house')\n"
    )
    program = (
        "from pathlib import Path\n"
        "from tests.mutation.mutants import Module\n"
        "from tests.mutation.running import judged\n"
        f"root = Path({str(tmp_path)!r}); path = root / 'rooms.py'\n"
        "module = Module(path.read_text(), str(path))\n"
        "work = [(path, lambda one=one: module.code(one)) for one in module.mutants]\n"
        "ends = dict(judged(root, work, lambda _: ['test_rooms.py'], limit=60, jobs=2))\n"
        "for number, one in enumerate(module.mutants): print(one.key[2], '|', ends[number])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    ends = dict(line.split(" | ") for line in done.stdout.splitlines())
    assert ends["a > b -> a >= b"] == SURVIVED  # it is equivalent, in truth
    assert ends["a > b -> a <= b"] == KILLED
    assert ends["return a if a > b else b -> return None"] == KILLED


def test_how_a_process_ended_says_what_became_of_the_mutant() -> None:
    assert outcome(0) == SURVIVED
    assert outcome(1 << 8) == KILLED
    assert outcome(signal.SIGXCPU) == TIMED_OUT
    assert outcome(signal.SIGSEGV) == KILLED
