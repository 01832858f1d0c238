"""A certificate authority for tests, and a TLS server that keeps what it sees."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that proves to be `host`, and of a client that believes its proof."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    day = datetime.timedelta(days=1)
    today = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - day)
        .not_valid_after(today + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / f"{host}.pem"
    file.write_bytes(private + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cadata=pem.decode())
    return server, client


class TlsServer:
    """Answers one request a connection; keeps what arrived and the name that was asked for."""

    def __init__(self) -> None:
        self.port = 0
        self.names: list[str | None] = []
        self.arrived: list[bytes] = []
        self.gone = asyncio.Event()

    def note(self, sock: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """What `sni_callback` calls."""
        self.names.append(name)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.arrived.append(b"")
        try:
            self.arrived[-1] = await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER)
            await writer.drain()
        except asyncio.IncompleteReadError as error:
            self.arrived[-1] = error.partial
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.gone.set()


@asynccontextmanager
async def tls_server(context: ssl.SSLContext) -> AsyncIterator[TlsServer]:
    """A server with this context, at a port of 127.0.0.1."""
    server = TlsServer()
    context.sni_callback = server.note  # type: ignore[assignment]
    running = await asyncio.start_server(server, "127.0.0.1", 0, ssl=context)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()
