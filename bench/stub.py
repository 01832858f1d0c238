"""An app that answers at once: `python -m bench.stub` prints its port and serves until it ends.

As bare as asyncio allows, so that what is measured is the caller.
"""

from __future__ import annotations

import asyncio
import json
from typing import cast

from bench.figures import run_loop

RECORD = {
    "id": 4711,
    "client_id": 1_000_001,
    "company": "Officine Adda S.r.l.",
    "city": "Bergamo",
    "vat_number": "IT09876543217",
    "email": "amm@officineadda.example",
}


class Stub(asyncio.Protocol):
    """One connection: every request gets the same record."""

    def __init__(self) -> None:
        body = json.dumps({"data": RECORD}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
        self._answer = head.encode() + b"\r\n\r\n" + body
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            _, named, after = head.lower().partition(b"content-length:")
            length = int(after.split(b"\r\n", 1)[0]) if named else 0
            if len(rest) < length:
                return
            self._buffer = rest[length:]
            self._transport.write(self._answer)


async def main() -> None:
    """Listen on a free loopback port."""
    server = await asyncio.get_running_loop().create_server(Stub, "127.0.0.1", 0, backlog=1024)
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    run_loop(main())
