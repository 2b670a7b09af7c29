"""What a stream promises at its edges: how much it takes and keeps, when it lets go of a socket, and what is
neither sent nor delivered any more once it has ended.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref
from typing import Any

import pytest

from iso15118.aio.net.ending import Ending, StreamEnd, StreamLimits
from iso15118.aio.net.stream import MessageStream
from iso15118.errors import TlsError
from iso15118.v2gtp import HEADER_LENGTH, SAP_CAP, PayloadType, encode_frame
from tests.sample_messages import LOOP, SETUP
from tests.tls.rig import car, issued, station

from .rig import Owner, Raw, both, serving
from .test_reception import Holding
from .test_settling import now
from .test_stream import wire
from .test_stream_tls import FailingTls, client_tls, server_tls

KEPT = 16 * 1024


# -- how much is taken --------------------------------------------------------------------------------------


async def test_no_peer_gets_more_than_16_kib_of_the_loop_in_one_turn() -> None:
    """Whatever lies in the socket, one turn takes so much of it, and then others have theirs."""
    stream = MessageStream(Owner(), tls=None)
    assert len(stream.get_buffer(-1)) == len(stream.get_buffer(1 << 20)) == 16 * 1024


async def test_a_peer_may_send_16_kib_ahead_of_its_session_and_not_an_octet_more() -> None:
    """What is within the bound is delivered to whoever adopts the stream; one octet more is the end."""
    message = wire(SETUP)
    filler = encode_frame(0xA000, bytes(KEPT - 8 - len(message)))
    for more in (b"", b"\x01"):
        server, late = Holding(), Owner()
        async with serving(server) as port:
            raw = await Raw.to(port)
            await raw.send(message + filler)
            await asyncio.sleep(0.05)
            assert server.stream is not None
            assert server.log == ["ready"]
            await raw.send(more)
            await asyncio.sleep(0.05)
            server.stream.adopt(late)
            if not more:
                assert late.log[:2] == ["ready", SETUP]
                assert len(late.log) == 3, "and the frame that nobody knows"
            else:
                assert [end.ending for end in server.ends + late.ends] == [Ending.BROKEN_FRAME] * 2
                assert late.messages == []
            raw.close()


@pytest.mark.parametrize("over", [0, 1])
async def test_a_first_message_of_the_greatest_length_is_waited_for(over: int) -> None:
    """One that announces a length that none may have is not: it is refused at its header."""
    owner = Owner()
    stream = MessageStream(owner, tls=None, speaks_first=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: stream, "::1", 0)
    raw = await Raw.to(server.sockets[0].getsockname()[1])
    head = encode_frame(PayloadType.SAP, b"")[:4] + (SAP_CAP + over).to_bytes(4, "big")
    assert len(head) == HEADER_LENGTH
    await raw.send(head)
    await asyncio.sleep(0.05)
    if over:
        assert [end.ending for end in owner.ends] == [Ending.BROKEN_FRAME]
    else:
        assert owner.log == [], "it has not come in as a whole"
        await raw.send(bytes(SAP_CAP))
        await owner.until(2)
        assert owner.log[0] == "ready"
        assert owner.ends == []
    raw.close()
    await owner.ended()
    server.close()
    stream.abort()
    await stream.wait_closed()


# -- the handshake ------------------------------------------------------------------------------------------


async def test_a_peer_is_answered_as_soon_as_its_first_flight_is() -> None:
    """It is what makes a connection worth waiting for longer; a silent one is not."""
    server = Owner()
    async with serving(server, server_tls()) as port:
        raw = await Raw.to(port)
        await asyncio.sleep(0.02)
        assert server.stream is not None
        answered = [server.stream.answered]
        hello = car(issued()).connect().data_to_send()
        await raw.send(hello[:20])
        await asyncio.sleep(0.02)
        answered.append(server.stream.answered)  # that is no whole flight
        await raw.send(hello[20:])
        await raw.receive()
        assert [*answered, server.stream.answered] == [False, False, True]
        raw.close()


async def test_what_comes_with_the_end_of_the_handshake_is_not_for_an_owner_that_has_closed() -> None:
    """An owner that turns its peer away when the stream is ready hears of no message of it."""

    class Refuses(Owner):
        def stream_ready(self, stream: MessageStream) -> None:
            super().stream_ready(stream)
            stream.close()

    server, tls = Refuses(), car(issued()).connect()
    async with serving(server, server_tls()) as port:
        raw = await Raw.to(port)
        await raw.send(tls.data_to_send())
        while not tls.handshake_complete:
            tls.receive_data(await raw.receive())
        await raw.send(tls.data_to_send() + tls.encrypt(wire(SETUP)))
        await server.until(1)
        await asyncio.sleep(0.02)
        raw.close()
        await server.ended()
    assert server.messages == []
    assert server.log[0] == "ready"


# -- closing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("grace_s", [0.5, 1.0])
async def test_a_grace_that_is_asked_for_twice_is_not_cut_short(grace_s: float) -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        began = now()
        server.stream.close(grace_s=grace_s)
        server.stream.close(grace_s=grace_s)
        assert await raw.rest() == b""
        assert now() - began == pytest.approx(grace_s, abs=0.05)
        raw.close()
        await server.ended()


async def test_whoever_closes_without_grace_closes_at_once() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        began = now()
        server.stream.close()
        assert await raw.rest() == b""
        assert now() - began < 0.05
        raw.close()
        await server.ended()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_peer_that_has_closed_is_not_waited_for(tls: bool) -> None:
    """It sends nothing more: the socket is free at once, not when the time to linger is over."""
    server, client = Owner(), Owner()
    ends = (server_tls(), client_tls()) if tls else (None, None)
    async with both(server, client, *ends, limits=StreamLimits(linger_s=20.0)) as (theirs, ours):
        began = now()
        ours.close()
        assert (await server.ended()).ending is Ending.CLOSED_BY_PEER
        await theirs.wait_closed()
        await ours.wait_closed()
        assert now() - began < 0.1


async def test_a_peer_that_has_closed_is_not_waited_for_where_tls_fails_over_it_either() -> None:
    def failing_tls() -> FailingTls:
        tls = FailingTls(station(issued()).connect())
        tls.broken = "eof_received"
        return tls

    server = Owner()
    async with serving(server, failing_tls, StreamLimits(linger_s=20.0)) as port:
        raw = await Raw.to(port)
        raw.end()
        began = now()
        assert (await server.ended()).ending is Ending.FAULT
        assert server.stream is not None
        await server.stream.wait_closed()
        assert now() - began < 0.1
        raw.close()


async def test_a_peer_that_is_refused_can_read_to_its_end_what_it_was_sent() -> None:
    """A connection that is closed while something lies unread in it is reset, and then what was sent before
    is lost as well: this side waits for the peer to close."""
    server = Owner()
    async with serving(server, limits=StreamLimits(linger_s=20.0)) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.send(LOOP)
        await raw.send(b"GET / HTTP/1.1\r\n")
        assert (await server.ended()).ending is Ending.BROKEN_FRAME
        began = now()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.stream.wait_closed(), 10.0)
        await raw.send(b"Host: nobody\r\n\r\n")
        await asyncio.sleep(0.05)
        assert await raw.rest() == wire(LOOP)
        raw.close()
        await server.stream.wait_closed()
        assert now() - began < 11.0


async def test_an_owner_that_is_told_the_end_sends_nothing_more() -> None:
    """Also not in the call in which it hears of it."""

    class Talks(Owner):
        def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
            super().stream_ended(stream, end)
            stream.send(SETUP)

    server = Talks()
    async with serving(server, limits=StreamLimits(idle_s=0.1)) as port:
        raw = await Raw.to(port)
        assert await raw.rest() == b""
        assert (await server.ended()).ending is Ending.IDLE
        raw.close()


async def test_a_connection_that_is_over_is_kept_by_no_timer() -> None:
    """A station that serves for years keeps nothing of those that have left."""
    kept: list[weakref.ref[Any]] = []
    server = Owner()
    async with serving(server, limits=StreamLimits(idle_s=3600.0)) as port:
        raw = await Raw.to(port)
        await server.until(1)
        raw.reset()
        await server.ended()
        assert server.stream is not None
        await server.stream.wait_closed()
        kept.append(weakref.ref(server.stream))
    server.stream = None
    await asyncio.sleep(0.01)
    gc.collect()
    assert kept[0]() is None


# -- resets -------------------------------------------------------------------------------------------------


class Lost(asyncio.Transport):
    """A transport whose connection is gone, with what the peer sent last still in its socket."""

    def __init__(self, unread: bytes, fails: OSError | None = None) -> None:
        super().__init__()
        self.mine, self.theirs = socket.socketpair()
        self.mine.setblocking(False)
        self.theirs.send(unread)
        self.fails = fails
        self.done: list[str] = []

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.mine if name == "socket" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def write(self, data: Any) -> None: ...

    def write_eof(self) -> None:
        self.done.append("eof")
        if self.fails is not None:
            raise self.fails

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


class Alerted:
    """An end of TLS that reads an alert out of whatever comes."""

    handshake_complete = peer_closed = False
    info = None

    def __init__(self) -> None:
        self.alert_received: str | None = None

    def receive_data(self, data: bytes) -> bytes:
        self.alert_received = "bad_certificate"
        raise TlsError("the peer says bad_certificate", alert="bad_certificate")

    def data_to_send(self) -> bytes:
        return b""

    def encrypt(self, data: bytes) -> bytes:
        return data

    def eof_received(self) -> None: ...

    def close(self) -> None: ...


RESET = ConnectionResetError("reset")
LATE = TimeoutError("no acknowledgement")


@pytest.mark.parametrize(
    ("tls", "error", "closing", "ending"),
    [
        (True, RESET, False, Ending.TLS_ALERT),
        (True, RESET, True, Ending.CLOSED),
        (True, LATE, False, Ending.LINK_DOWN),
        (True, None, False, Ending.CLOSED),
        (False, RESET, False, Ending.RESET),
        (False, LATE, False, Ending.LINK_DOWN),
        (False, None, False, Ending.CLOSED),
    ],
)
async def test_an_alert_that_lies_behind_a_reset_is_the_reason_and_nothing_else_is_looked_for(
    tls: bool, error: Exception | None, closing: bool, ending: Ending
) -> None:
    """A peer that says why and resets the connection at once is heard. Without TLS, after this side has
    closed, and where the network failed, there are no such last words, whatever lies unread."""
    owner, wire_ = Owner(), Lost(b"alert")
    stream = MessageStream(owner, tls=Alerted() if tls else None)
    stream.connection_made(wire_)
    if tls and closing:
        stream._open()
    if closing:
        stream.close()
    stream.connection_lost(error)
    assert [end.ending for end in owner.ends] == [ending]
    await asyncio.wait_for(stream.wait_closed(), 1.0)
    for end in (wire_.mine, wire_.theirs):
        end.close()


async def test_an_end_that_this_side_has_decided_is_told_whatever_the_peer_says_last() -> None:
    owner, wire_ = Owner(), Lost(b"alert")
    stream = MessageStream(owner, tls=Alerted())
    stream.connection_made(wire_)
    stream.abort()
    stream.connection_lost(RESET)
    assert owner.log == [StreamEnd(Ending.ABORTED)]
    for end in (wire_.mine, wire_.theirs):
        end.close()


async def test_a_connection_that_is_gone_when_this_side_closes_is_given_up_at_once() -> None:
    """There is nobody to wait for."""
    owner, wire_ = Owner(), Lost(b"", OSError(107, "not connected"))
    stream = MessageStream(owner, tls=None)
    stream.connection_made(wire_)
    stream.close()
    assert wire_.done == ["eof", "abort"]
    stream.connection_lost(None)
    assert [end.ending for end in owner.ends] == [Ending.CLOSED]
    for end in (wire_.mine, wire_.theirs):
        end.close()
