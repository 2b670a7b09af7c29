"""Both ends of a stream over real TCP on ``::1``: recording owners, and a raw socket for
peers that do not behave."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from iso15118.aio.net.ending import StreamEnd, StreamLimits, TlsEndpoint
from iso15118.aio.net.network import connect, find_interface, listen_tcp
from iso15118.aio.net.stream import MessageStream
from iso15118.channel import Item, MessageChannel, Received

LOOPBACK = find_interface("lo")

MakeTls = Callable[[], TlsEndpoint] | None


class Owner:
    """Records what it is told, in order; ``on_item`` answers. The stream is there as
    soon as the connection is."""

    def __init__(self, on_item: Callable[[MessageStream, Item], None] | None = None) -> None:
        self.on_item = on_item
        self.log: list[Any] = []
        self.stream: MessageStream | None = None
        self._news = asyncio.Event()

    def stream_ready(self, stream: MessageStream) -> None:
        self._note("ready")

    def stream_received(self, stream: MessageStream, item: Item) -> None:
        self._note(item.message if isinstance(item, Received) else item)
        if self.on_item is not None:
            self.on_item(stream, item)

    def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
        self._note(end)

    def _note(self, what: Any) -> None:
        self.log.append(what)
        self._news.set()

    @property
    def messages(self) -> list[Any]:
        return [what for what in self.log if what != "ready" and not isinstance(what, StreamEnd)]

    @property
    def ends(self) -> list[StreamEnd]:
        return [what for what in self.log if isinstance(what, StreamEnd)]

    async def until(self, count: int) -> None:
        """Wait until so many things were told."""
        while len(self.log) < count:
            self._news.clear()
            await self._news.wait()

    async def ended(self) -> StreamEnd:
        while not self.ends:
            self._news.clear()
            await self._news.wait()
        return self.ends[0]


def make_stream(owner: Owner, tls: MakeTls = None, limits: StreamLimits | None = None) -> MessageStream:
    channel = MessageChannel()
    channel.select("iso20-dc")
    owner.stream = MessageStream(owner, tls=tls() if tls else None, channel=channel, limits=limits)
    return owner.stream


@asynccontextmanager
async def serving(
    owner: Owner, tls: MakeTls = None, limits: StreamLimits | None = None
) -> AsyncIterator[int]:
    """A server for one owner; gives the port."""
    sock = listen_tcp(LOOPBACK)
    server = await asyncio.get_running_loop().create_server(
        lambda: make_stream(owner, tls, limits), sock=sock
    )
    try:
        yield sock.getsockname()[1]
    finally:
        server.close()
        if owner.stream is not None:
            owner.stream.abort()
            await owner.stream.wait_closed()


async def calling(
    owner: Owner, port: int, tls: MakeTls = None, limits: StreamLimits | None = None
) -> MessageStream:
    """A client, connected."""
    stream = make_stream(owner, tls, limits)
    await connect(stream, LOOPBACK, LOOPBACK.address, port, timeout_s=5)
    return stream


@asynccontextmanager
async def both(
    server: Owner,
    client: Owner,
    server_tls: MakeTls = None,
    client_tls: MakeTls = None,
    limits: StreamLimits | None = None,
) -> AsyncIterator[tuple[MessageStream, MessageStream]]:
    """Both ends, ready: the server's and the client's stream."""
    async with serving(server, server_tls, limits) as port:
        stream = await calling(client, port, client_tls, limits)
        await server.until(1)
        await client.until(1)
        assert server.stream is not None
        try:
            yield server.stream, stream
        finally:
            stream.abort()
            await stream.wait_closed()


class Raw:
    """A peer that is nothing but a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def to(cls, port: int) -> Raw:
        sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(sock, ("::1", port))
        return cls(sock)

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self.sock, data)

    async def receive(self) -> bytes:
        """What came, ``b""`` at the end; raises ``ConnectionResetError`` for a reset."""
        return await self._loop.sock_recv(self.sock, 65536)

    async def rest(self) -> bytes:
        """Everything up to the end."""
        data = b""
        while new := await self.receive():
            data += new
        return data

    def end(self) -> None:
        """FIN, but go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def close(self) -> None:
        self.sock.close()


class Relay:
    """A wire between a client and a server that can be cut, slowed and spoilt. ``carry`` gets what
    travels and gives what arrives."""

    def __init__(self, target: int, carry: Callable[[bytes, bool], list[bytes]]) -> None:
        self._target = target
        self._carry = carry
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> int:
        """Begin; gives the port to connect to."""
        self._server = await asyncio.start_server(self._accept, "::1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("::1", self._target)
        self._writers += [writer, far_writer]
        for source, sink, from_client in ((reader, far_writer, True), (far_reader, writer, False)):
            self._tasks.append(asyncio.create_task(self._pump(source, sink, from_client)))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, from_client: bool
    ) -> None:
        try:
            while data := await source.read(65536):
                for piece in self._carry(data, from_client):
                    sink.write(piece)
                    await sink.drain()
                    await asyncio.sleep(0)
            sink.write_eof()
        except OSError:
            sink.transport.abort()

    async def close(self) -> None:
        """Cut everything."""
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
