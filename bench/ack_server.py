"""The server that `bench.acks` loads: the real one, or the same with a part taken out.

`python -m bench.ack_server VARIANT FOLDER KEY` prints its port as JSON, and what it used at the
end. It is a program of its own because the load must not share its thread.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import run_loop
from bench.world import ALL, bench_catalog, bench_settings, open_bench
from connector.apps.fatture_in_cloud import FattureWebhooks
from connector.apps.fatture_in_cloud.envelope import read_envelope
from connector.model import Delivery, Hook, Inbound, Json
from connector.runtime import Runtime
from connector.web.app import make_app
from connector.web.server import serve

VARIANTS = ("whole", "unstored", "unsigned", "bare")


class Unsigned(FattureWebhooks):
    """Reads events without asking who sent them."""

    def receive(self, hook: Hook, inbound: Inbound, now: datetime) -> Delivery:
        told = read_envelope(inbound)
        return Delivery(
            delivery_id=told.delivery_id,
            type=told.type,
            resource=told.resource,
            operation=told.operation,
            ids=told.ids,
            subject=told.subject,
            time=told.time,
            silent=not told.known,
        )


async def _judge_only(runtime: Runtime, hook_id: str, inbound: Inbound) -> Json | None:
    """What `Runtime.receive` does, up to the moment when it would store."""
    opened = await runtime._book.hook(hook_id)
    webhook = opened.app.webhook
    now = datetime.fromtimestamp(time.time(), UTC)
    if webhook is not None and webhook.challenge(opened.hook, inbound, now) is None:
        webhook.receive(opened.hook, inbound, now)
    return None


async def main(variant: str, folder: Path, pem: str) -> None:
    """Serve until SIGTERM."""
    webhook = Unsigned([pem], ["4711"]) if variant in ("unsigned", "bare") else None
    catalog = bench_catalog(keys=[pem], webhook=webhook)
    settings = bench_settings(folder)
    async with await open_bench(folder, catalog) as runtime:
        if variant in ("unstored", "bare"):
            runtime.receive = lambda hook_id, inbound: _judge_only(  # type: ignore[method-assign]
                runtime, hook_id, inbound
            )
        await runtime.start()
        begun = time.process_time()
        await serve(
            make_app(runtime, settings),
            limits=settings.limits,
            on_ready=lambda host, port: print(json.dumps({"port": port}), flush=True),
        )
        used = time.process_time() - begun
        print(json.dumps({"cpu_seconds": used, "runs": (await runtime.counts(most=ALL))["run"]}))


if __name__ == "__main__":
    run_loop(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).read_text("ascii")))
