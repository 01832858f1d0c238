"""Acks of signed events over HTTP while flows run on them; the load comes from this process."""

from __future__ import annotations

import json
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.ack_server import VARIANTS
from bench.figures import Row, Size, Target, folder, percentile, run_loop
from bench.load import Result, closed, paced
from bench.world import APP_ID, COMPANY, HOOK, KIND, NOOP_FLOW, PUBLIC_URL, prepare
from connector.sandbox.config import ISSUER
from connector.sandbox.fic.signing import Signer

COUNT = 4_000
MOST_ROUNDS = 2
PACED_SECONDS = 8.0
RATE = 1_500.0
CONNECTIONS = 32
PACED_CONNECTIONS = 64
WARM_UP = 200
WHAT = {
    "whole": "stored, signature checked, flows running",
    "unstored": "without persistence (no flows)",
    "unsigned": "without signature",
    "bare": "without either",
}


@dataclass(slots=True)
class Server:
    """A server process and what it says at its end."""

    port: int
    told: dict[str, Any] = field(default_factory=dict)


def measure(size: Size) -> list[Row]:
    """Closed loop for the rate of each variant; open loop for the latency of the whole."""
    count, warm_up = size.of(COUNT), size.of(WARM_UP)
    requests, public = _signed(warm_up + max(count, size.of(int(PACED_SECONDS * RATE))))
    warm, requests = requests[:warm_up], requests[warm_up:]
    found: dict[str, list[Result]] = {variant: [] for variant in VARIANTS}
    cpu: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with folder() as place:
        key = place / "public.pem"
        key.write_text(public, encoding="ascii")
        fresh = place / "fresh"
        fresh.mkdir()
        run_loop(prepare(fresh, NOOP_FLOW))
        for _ in range(min(size.rounds, MOST_ROUNDS)):
            for variant in VARIANTS:
                with _server(variant, fresh, key) as server:
                    run_loop(closed(server.port, warm, CONNECTIONS, 202))
                    told = run_loop(closed(server.port, requests[:count], CONNECTIONS, 202))
                found[variant].append(_whole(told))
                cpu[variant].append(server.told["cpu_seconds"] / (count + warm_up) * 1_000)
        with _server("whole", fresh, key) as server:
            run_loop(closed(server.port, warm, CONNECTIONS, 202))
            steady = _whole(run_loop(paced(server.port, requests, PACED_CONNECTIONS, 202, RATE)))
        ran = server.told["runs"].get("succeeded", 0)
    return _rows(found, cpu, steady, f"{ran} of {len(requests) + warm_up} flows ended meanwhile")


def _rows(
    found: dict[str, list[Result]], cpu: dict[str, list[float]], steady: Result, ran: str
) -> list[Row]:
    rates = {name: statistics.median(one.rate for one in told) for name, told in found.items()}
    rows = []
    for name in VARIANTS:
        latency = statistics.median(percentile(one.latencies, 0.99) for one in found[name])
        spent = statistics.median(cpu[name])
        ratios = [
            one.rate / other.rate for one, other in zip(found[name], found["bare"], strict=True)
        ]
        rows.append(
            Row(
                bench="acks",
                what=f"HTTP acks, {WHAT[name]}",
                figure=rates[name],
                unit="/s",
                reference=rates["bare"],
                reference_what="the same handler without either",
                ratio=statistics.median(ratios),
                target=Target("at least", 1_500) if name == "whole" else None,
                note=f"{spent:.2f} ms CPU an event, p99 {latency * 1_000:.1f} ms at this load",
            )
        )
    middle = percentile(steady.latencies, 0.5) * 1_000
    rows.append(
        Row(
            bench="acks",
            what=f"p99 of an ack at {RATE:,.0f}/s, sent on time (open loop)",
            figure=percentile(steady.latencies, 0.99) * 1_000,
            unit="ms",
            reference=middle,
            reference_what="p50",
            ratio=percentile(steady.latencies, 0.99) * 1_000 / middle,
            target=Target("at most", 25),
            note=f"{len(steady.latencies) / steady.seconds:,.0f} acks/s came back; {ran}",
        )
    )
    return rows


def _whole(result: Result) -> Result:
    if result.refused:
        raise RuntimeError(f"{result.refused} events were refused: the figures mean nothing")
    return result


@contextmanager
def _server(variant: str, fresh: Path, key: Path) -> Iterator[Server]:
    """A server on a copy of the prepared store."""
    with folder() as place:
        copy = place / "store"
        shutil.copytree(fresh, copy)
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.ack_server", variant, str(copy), str(key)],
            cwd=Path(__file__).parents[1],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            if not first:
                raise RuntimeError("the server of the benchmark did not start")
            server = Server(json.loads(first)["port"])
            yield server
        finally:
            process.terminate()
            rest, _ = process.communicate(timeout=60)
        server.told = json.loads(rest.splitlines()[-1])


def _signed(count: int) -> tuple[list[bytes], str]:
    """So many requests, each an event with a token of its own, and the key they are signed with."""
    signer = Signer(None, random.Random(7), ISSUER)
    now = datetime.fromtimestamp(time.time(), UTC)
    sink = f"{PUBLIC_URL}/hooks/{HOOK}"
    return [_request(signer, place, sink, now) for place in range(count)], signer.public_pem


def _request(signer: Signer, place: int, sink: str, now: datetime) -> bytes:
    """One delivery in binary mode, with the headers that the vendor sends."""
    name = f"4711:{place:08d}-0000-4000-8000-000000000000"
    token = signer.token(jti=name, company=COMPANY, sink=sink, app=APP_ID, now=now)
    body = json.dumps({"data": {"ids": [1_000_000 + place]}}).encode()
    head: Sequence[str] = (
        f"POST /hooks/{HOOK} HTTP/1.1",
        "Host: 127.0.0.1:8420",
        f"Authorization: Bearer {token}",
        "User-Agent: FattureInCloud/API-WEBHOOK",
        f"ce-type: it.fattureincloud.webhooks.{KIND}.update",
        f"ce-time: {now.isoformat(timespec='seconds')}",
        f"ce-subject: company:{COMPANY}",
        "ce-specversion: 1.0",
        f"ce-source: {ISSUER}",
        f"ce-id: {name}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", "")).encode("ascii") + body
