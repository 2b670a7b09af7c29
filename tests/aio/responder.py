"""HTTP servers for the OCSP client: habits of responders, and `openssl ocsp` as one of another make."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509

from iso15118.pki import IssuedPki

Habit = Callable[[asyncio.StreamReader, asyncio.StreamWriter, "Seen"], Awaitable[None]]


class Seen:
    """What a server was asked."""

    def __init__(self) -> None:
        self.connections = 0
        self.heads: list[str] = []
        self.bodies: list[bytes] = []


async def request_of(reader: asyncio.StreamReader, seen: Seen) -> bytes:
    """One request, its head noted; IncompleteReadError at the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    seen.heads.append(head)
    length = next(
        (int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length")),
        0,
    )
    seen.bodies.append(await reader.readexactly(length))
    return seen.bodies[-1]


@asynccontextmanager
async def serving(habit: Habit) -> AsyncIterator[tuple[str, Seen]]:
    """A server with this habit, called once per connection; its address, and what it saw."""
    seen = Seen()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        task = asyncio.current_task()
        if task is not None:
            tasks.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await habit(reader, writer, seen)
        writer.close()

    server = await asyncio.start_server(serve, "::1", 0)
    try:
        yield f"http://[::1]:{server.sockets[0].getsockname()[1]}", seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reply(body: bytes, *, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def index_of(pki: IssuedPki, ca: str, revoked: tuple[str, ...], at: datetime) -> str:
    """The database of `openssl ca` for what this CA issued."""
    lines = []
    for name, issuer in pki.issuers.items():
        if issuer == ca:
            one = x509.load_der_x509_certificate(pki.certificates[name])
            state, when = ("R", f"{at:%y%m%d%H%M%SZ}") if name in revoked else ("V", "")
            until = f"{one.not_valid_after_utc:%y%m%d%H%M%SZ}"
            serial = f"{one.serial_number:X}"
            serial = serial if len(serial) % 2 == 0 else f"0{serial}"
            lines.append(f"{state}\t{until}\t{when}\t{serial}\tunknown\t/CN={name}\n")
    return "".join(lines)


@contextmanager
def openssl_responder(
    pki: IssuedPki,
    ca: str,
    folder: Path,
    *,
    revoked: tuple[str, ...] = (),
    at: datetime,
    options: tuple[str, ...] = (),
) -> Iterator[str]:
    """`openssl ocsp` speaking for one CA, until the block is left."""
    pki.write(folder)
    (folder / f"{ca}.index").write_text(index_of(pki, ca, revoked, at))
    signer = f"ocsp-{ca}"
    with socket.socket(socket.AF_INET) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["openssl", "ocsp", "-index", str(folder / f"{ca}.index"), "-CA", str(folder / f"{ca}.pem")]
    command += ["-rsigner", str(folder / f"{signer}.pem"), "-rkey", str(folder / f"{signer}.key")]
    command += ["-port", str(port), "-ndays", "3", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        for line in iter(process.stdout.readline, "") if process.stdout is not None else ():
            said += line
            if "Waiting for OCSP client connections" in line or "ACCEPT" in line:
                break
        else:
            raise AssertionError(said)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
