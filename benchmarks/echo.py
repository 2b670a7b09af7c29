"""What this machine can do at all: a bare asyncio echo over mutual TLS 1.3 with Python's own ssl
module, ping-pong on ``::1``.

As many bytes each way as a charge-loop message with its header, and the certificates of the sessions
measured beside it. No message is read or written, so it is the ceiling, and the figure to put a rate of
charge loops in proportion to.
"""

from __future__ import annotations

import asyncio
import ssl
import tempfile
import time
from base64 import encodebytes
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from iso15118.pki import IssuedPki
from iso15118.pki.keys.credential import Credential

__all__ = ["Rate", "echo_rate"]

_MESSAGE = bytes(58)  # 50 bytes of EXI behind 8 of V2GTP


class Rate(Struct, frozen=True):
    """How fast, and at what cost for both ends."""

    pairs_per_s: float
    cpu_us_per_pair: float


def echo_rate(pki: IssuedPki, pairs: int) -> Rate:
    """Request and answer, so many times."""
    with tempfile.TemporaryDirectory() as folder:
        server = _context(ssl.PROTOCOL_TLS_SERVER, pki.secc, pki.oem_root, Path(folder))
        client = _context(ssl.PROTOCOL_TLS_CLIENT, pki.vehicle, pki.v2g_root, Path(folder))
    return asyncio.run(_echo(server, client, pairs))


def _context(protocol: int, own: Credential, root: bytes, folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=root)
    # The module reads files only; they are gone with the folder.
    chain, key = folder / "chain", folder / "key"
    chain.write_bytes(_pem("CERTIFICATE", own.chain))
    key.write_bytes(own.key if own.key.startswith(b"-----") else _pem("PRIVATE KEY", [own.key]))
    context.load_cert_chain(chain, key)
    return context


def _pem(label: str, ders: Sequence[bytes]) -> bytes:
    return b"".join(
        b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label.encode(), encodebytes(der), label.encode())
        for der in ders
    )


class _Server(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(data)  # type: ignore[attr-defined]


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    async def go(self, pairs: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self._left = pairs
        self._transport.write(_MESSAGE)  # type: ignore[attr-defined]
        await self.done

    def data_received(self, data: bytes) -> None:
        self._left -= 1
        if self._left:
            self._transport.write(_MESSAGE)  # type: ignore[attr-defined]
        else:
            self.done.set_result(None)


async def _echo(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, pairs: int) -> Rate:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Server, "::1", 0, ssl=server_tls)
    port = server.sockets[0].getsockname()[1]
    transport, client = await loop.create_connection(_Client, "::1", port, ssl=client_tls)
    try:
        await client.go(pairs // 10 + 1)
        began, cpu = time.perf_counter(), time.process_time()
        await client.go(pairs)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - began
    finally:
        transport.close()
        server.close()
        await asyncio.sleep(0)
    return Rate(pairs / wall, cpu / pairs * 1e6)
