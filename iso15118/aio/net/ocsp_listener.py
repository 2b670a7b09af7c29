"""An OCSP responder on HTTP, for test PKIs: a request per connection, with everything bounded.

What is answered is ``pki.status.responder``'s business; this is the listener around it (RFC 6960 appendix A).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import urllib.parse
from collections.abc import Callable
from datetime import UTC, datetime

from iso15118.errors import LinkError
from iso15118.pki.status.responder import OcspResponder

__all__ = ["run_ocsp", "serve_ocsp"]

_MAX_HEAD = 16 * 1024
_MAX_BODY = 4096
_PATIENCE_S = 10.0
"""A client that has not sent its request by then, or not taken the answer in that time, is dropped."""
_MAX_CONNECTIONS = 64


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


async def serve_ocsp(
    responder: OcspResponder,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    delay: float = 0.0,
    clock: Callable[[], datetime] = _now,
) -> asyncio.Server:
    """Listen; the server that comes back is to be closed by the caller. ``delay``:
    seconds before each answer."""
    open_now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now <= _MAX_CONNECTIONS:
                async with asyncio.timeout(_PATIENCE_S):
                    request = await _request(reader)
                await _answer(writer, request, responder, delay, clock)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client went away, or is none
        finally:
            open_now -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    return await asyncio.start_server(serve, host, port, limit=_MAX_HEAD)


def run_ocsp(
    responder: OcspResponder,
    *,
    host: str,
    port: int,
    delay: float,
    started: Callable[[str, int], None] = lambda host, port: None,
) -> None:
    """Answer until interrupted; ``started`` gets the address. Raises LinkError if nobody can listen there."""

    async def run() -> None:
        try:
            server = await serve_ocsp(responder, host=host, port=port, delay=delay)
        except OSError as error:
            raise LinkError(f"cannot listen on {host} port {port}: {error}") from error
        started(*server.sockets[0].getsockname()[:2])
        async with server:
            await server.serve_forever()

    asyncio.run(run())


async def _request(reader: asyncio.StreamReader) -> bytes | None:
    """The octets of a request; None for what is no OCSP over HTTP."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, _, rest = head[0].partition(" ")
    request: bytes | None = None
    if method == "POST":
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        length = fields.get("content-length", "")
        if length.isascii() and length.isdecimal() and len(length) < 6 and int(length) <= _MAX_BODY:
            request = await reader.readexactly(int(length))
    elif method == "GET":
        text = urllib.parse.unquote(
            rest.split(" ")[0].rsplit("/", 1)[-1] if "%" in rest else rest.split(" ")[0][1:]
        )
        with contextlib.suppress(binascii.Error, ValueError):
            request = base64.b64decode(text, validate=True)
    return request


async def _answer(
    writer: asyncio.StreamWriter,
    request: bytes | None,
    responder: OcspResponder,
    delay: float,
    clock: Callable[[], datetime],
) -> None:
    if request is None:
        await _send(writer, "400 Bad Request", "text/plain", b"not an OCSP request\n")
        return
    reply = responder.reply(request, clock())
    await asyncio.sleep(delay + reply.delay_s)
    async with asyncio.timeout(_PATIENCE_S):
        await _send(writer, "200 OK", "application/ocsp-response", reply.octets)


async def _send(writer: asyncio.StreamWriter, status: str, kind: str, body: bytes) -> None:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode("ascii") + body)
    await writer.drain()
