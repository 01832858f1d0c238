"""A process that attacks the evaluator and measures: `python -m tests.expressions.attacker 1 500`.

The arguments are the seed and the number of attacks. Each is saved and run in a child of its own,
whose address space may grow by 64 MB and no more, and whose CPU time and resident memory are read
from the kernel. The budget's clock stands still: the counts alone must hold. It prints JSON lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from multiprocessing import get_context
from multiprocessing.pool import Pool
from typing import Any

from connector.errors import ExpressionError
from connector.expressions import Budget, compile_expression
from connector.expressions.checks import checks
from connector.expressions.filter import Filter
from connector.plugins import build_plugins
from tests.expressions.mischief import SECRET, attacks, more_unpleasant

MOST_MEMORY = 64 * 1024**2
GUARD = 60
"""Seconds after which a child is ended. No RLIMIT_CPU: with one, Linux counts in ticks of 4 ms."""

Work = Callable[[], dict[str, Any]]


def clean_process() -> Pool:
    """A process that has not run other tests: memory which they freed could be taken unseen."""
    return get_context("spawn").Pool(1)


def measured(work: Work) -> dict[str, Any]:
    """What a piece of work tells in a process of its own, with the memory that it took."""
    told, tell = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if not child:
        os.close(told)
        os.write(tell, json.dumps(_bounded(work)).encode())
        os._exit(0)
    os.close(tell)
    with os.fdopen(told, "rb") as pipe:
        text = pipe.read()
    _, status, usage = os.wait4(child, 0)
    answer = json.loads(text) if text else {"broken": f"ended with status {status}"}
    grown = usage.ru_maxrss * 1024 - answer.pop("resident", 0)
    return {"cpu": usage.ru_utime + usage.ru_stime, "memory": max(grown, 0), **answer}


def _bounded(work: Work) -> dict[str, Any]:
    signal.alarm(GUARD)
    with open("/proc/self/statm") as told:
        size, resident = (int(one) * resource.getpagesize() for one in told.read().split()[:2])
    resource.setrlimit(resource.RLIMIT_AS, (size + MOST_MEMORY, size + MOST_MEMORY))
    began = time.process_time()
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is no answer of ours
        answer = {"broken": f"{type(error).__name__}: {error}"[:500]}
    return {**answer, "cpu": time.process_time() - began, "resident": resident}


def attacked(
    source: str, data: Mapping[str, Any], filters: Mapping[str, Filter] | None
) -> dict[str, Any]:
    """Save and run one source; what came of it, and what each half took."""
    began = time.process_time()
    try:
        made = compile_expression(source, filters=filters)
    except ExpressionError as error:
        return {"end": "refused at save", "saving": time.process_time() - began, **told(error)}
    saving = time.process_time() - began
    budget = Budget(clock=lambda: 0.0)
    try:
        value = made.evaluate(data, budget=budget)
    except ExpressionError as error:
        return {"end": "refused at run", "saving": saving, **told(error)}
    return {
        "end": "a value",
        "saving": saving,
        "steps": budget.steps,
        "allocated": budget.allocated,
        "size": size_of(value),
        "leaked": SECRET in str(value),
    }


def told(error: ExpressionError) -> dict[str, Any]:
    """What an error says too much, if anything."""
    text = f"{error} {error.as_data()}"
    return {
        "size": len(text.encode("utf-8", "surrogatepass")),
        "leaked": SECRET in text or " at 0x" in text,
        "cause": type(error.__cause__).__name__ if error.__cause__ else "",
    }


def size_of(value: Any) -> int:
    """The bytes of a result; fails for anything that is no plain value."""
    kind = type(value)
    if kind is str:
        return len(value.encode("utf-8", "surrogatepass"))
    if kind is list:
        return sum(map(size_of, value))
    if kind is dict:
        return sum(size_of(key) + size_of(one) for key, one in value.items())
    if kind in (type(None), bool, int, Decimal):
        return len(str(value))
    raise TypeError(f"a {kind.__name__} left the evaluator")


async def longest_pause(sources: list[str], data: Mapping[str, Any], filters: Any) -> float:
    """The longest time, in CPU seconds, that a task beside these attacks had to wait."""
    beats = [time.process_time()]
    longest = 0.0
    over = False

    async def heart() -> None:
        nonlocal longest
        while not over:
            await asyncio.sleep(0)
            now = time.process_time()
            longest = max(longest, now - beats[-1])
            beats[0] = now

    beating = asyncio.create_task(heart())
    for source in sources:
        await asyncio.sleep(0)
        with contextlib.suppress(ExpressionError):
            compile_expression(source, filters=filters).evaluate(data)
    over = True
    await beating
    return longest


def main(seed: int, count: int) -> None:
    """Attack and print."""
    filters = dict(build_plugins(entry_points=False).filters())
    for one in (*filters.values(), *checks().values()):
        if one.prepare is not None:
            one.prepare()  # imports are made when a flow is saved the first time, and not again
    compile_expression("{{ 1 }}{% if 1 %}{% endif %}", filters=filters)
    data = more_unpleasant()
    made = attacks(filters, seed, count)
    gc.collect()
    gc.freeze()
    results: list[tuple[float, str]] = []
    for kind, source in made:
        attempt = partial(attacked, source, data, filters)
        found = measured(attempt)
        if found["cpu"] > 0.1:  # neighbours on the processor cost time too: the best of three
            found["cpu"] = min(found["cpu"], measured(attempt)["cpu"], measured(attempt)["cpu"])
        results.append((found["cpu"], source))
        print(json.dumps({"kind": kind, "source": source, **found}))
    worst = [source for _, source in sorted(results, reverse=True)[:100]]
    pause = asyncio.run(longest_pause(worst, data, filters))
    print(json.dumps({"kind": "pause", "seconds": pause}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
