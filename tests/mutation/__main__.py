"""`python -m tests.mutation`: how many small faults in the rooms that matter most go unnoticed.

Each mutant is tried against the tests of its area until one fails. Survivors are printed with the
line and the change; those in equivalent.txt are left out, with the reason told there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.mutation.areas import AREAS, ROOT, Area
from tests.mutation.mutants import Module, Mutant
from tests.mutation.running import SURVIVED, TIMED_OUT, judged, preload, tidy

SEED = 20261121
EQUIVALENT = Path(__file__).with_name("equivalent.txt")
Known = dict[tuple[str, str, str, str], str]
Chosen = list[tuple[str, Module, Mutant]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Mutate, run, report; the exit code is 1 when a score is below the wanted one."""
    given = _options(arguments)
    scores = []
    for name in given.area or AREAS:
        process = os.fork()
        if not process:  # each area has a process of its own: what one loads is not another's
            code = 3
            try:
                code = run_area(name, AREAS[name], given)
            finally:
                sys.stdout.flush()
                os._exit(code)
        scores.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
    return max(scores)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("area", nargs="*", choices=[[], *AREAS], help="all, when none is named")
    parser.add_argument("--sample", type=int, default=200, help="mutants an area; 0 takes all")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--module", default="", help="only modules whose path holds this")
    parser.add_argument(
        "--want", type=float, default=90.0, help="the score that passes, in percent"
    )
    parser.add_argument("--out", type=Path, help="where survivors are written, as JSON")
    parser.add_argument("--again", type=Path, help="only those that a file of --out names")
    return parser.parse_args(arguments)


def run_area(name: str, area: Area, given: argparse.Namespace) -> int:
    """Try the mutants of one area, and print what is to be known."""
    good, seconds = preload(ROOT, area.tests)
    if not good:
        print(f"{name}: its tests fail without any mutant")
        return 3
    path = ROOT / area.modules[0]
    code = compile(path.read_text("utf-8"), str(path), "exec")
    untouched = judged(ROOT, [(path, lambda: code)], lambda _: area.tests[:1], limit=600, jobs=1)
    if [end for _, end in untouched] != [SURVIVED]:
        print(f"{name}: a module that was not changed is taken for a mutant")
        return 3
    known = equivalents(EQUIVALENT.read_text("utf-8"))
    total, same, chosen = choose(area, known, given)
    limit = int(seconds * 4 + 10)
    print(
        f"{name}: {len(chosen)} of {total} mutants ({same} more are equivalent), seed {given.seed}"
    )
    began, ends = time.monotonic(), [""] * len(chosen)
    work = [(ROOT / path, lambda m=module, one=one: m.code(one)) for path, module, one in chosen]
    ordered = {ROOT / one: area.tests_of(one) for one in area.modules}
    for number, end in judged(ROOT, work, ordered.__getitem__, limit=limit, jobs=given.jobs):
        ends[number] = end
        if end == SURVIVED:
            path, _, one = chosen[number]
            print(
                f"  {path}:{one.line} {one.function}\n    {one.text}\n    {one.key[2]}", flush=True
            )
    tidy()
    return report(name, chosen, ends, time.monotonic() - began, given)


def choose(area: Area, known: Known, given: argparse.Namespace) -> tuple[int, int, Chosen]:
    """How many mutants there are, how many of them are equivalent, and those to try."""
    found: Chosen = []
    same = 0
    again = json.loads(given.again.read_text("utf-8")) if given.again else None
    for path in area.modules:
        if given.module not in path or not (ROOT / path).exists():
            continue
        module = Module((ROOT / path).read_text("utf-8"), str(ROOT / path))
        for one in module.mutants:
            if (path, *one.key) in known:
                same += 1
            elif again is None or [path, *one.key] in again:
                found.append((path, module, one))
    total = len(found)
    if given.sample and total > given.sample and again is None:
        numbers = sorted(random.Random(given.seed).sample(range(total), given.sample))
        found = [found[number] for number in numbers]
    return total, same, found


def report(
    name: str, chosen: Chosen, ends: list[str], seconds: float, given: argparse.Namespace
) -> int:
    """Print the score; 1 when it is too low."""
    left = [one for one, end in zip(chosen, ends, strict=True) if end == SURVIVED]
    for path in dict.fromkeys(path for path, _, _ in chosen):
        mine = [end for (other, _, _), end in zip(chosen, ends, strict=True) if other == path]
        print(f"  {path:<52} {len(mine) - mine.count(SURVIVED)} of {len(mine)}")
    if given.out:
        before = json.loads(given.out.read_text("utf-8")) if given.out.exists() else []
        mine = [[path, *one.key] for path, _, one in left]
        given.out.write_text(json.dumps([*before, *mine], indent=1), "utf-8")
    score = 100 * (1 - len(left) / max(len(chosen), 1))
    print(
        f"{name}: {score:.1f} % ({len(chosen) - len(left)} of {len(chosen)} noticed, "
        f"{ends.count(TIMED_OUT)} of them by the time limit), {seconds:.0f} s\n"
    )
    return int(score < given.want)


def equivalents(text: str) -> Known:
    """The mutants that change nothing that can be seen, with the reason of each."""
    found: Known = {}
    blocks = text.partition("\n\n")[2]
    for block in filter(None, blocks.split("\n\n")):
        head, line, change, because = (one.strip() for one in block.strip().splitlines())
        path, _, function = head.partition(" ")
        found[path, function, line, change] = because.removeprefix("because ")
    return found


if __name__ == "__main__":
    sys.exit(main())
