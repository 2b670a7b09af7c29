"""Plain streams over real TCP: messages in any segmentation, and every way a
connection can end, told once."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv6Address

import pytest
from msgspec.structs import replace

from iso15118.aio import logs
from iso15118.aio.net.ending import Ending, StreamEnd, StreamLimits
from iso15118.aio.net.network import DYNAMIC_PORTS, connect, listen_tcp
from iso15118.aio.net.stream import MessageStream
from iso15118.channel import Item, MessageChannel, Skipped, Undecodable
from iso15118.errors import ExiError, FrameError, LinkError, MisuseError
from iso15118.v2gtp import PayloadType, encode_frame
from tests.sample_messages import DISCOVERY, LOOP, SAP_REQ, SETUP

from .rig import LOOPBACK, Owner, Raw, both, calling, make_stream, serving

QUICK = StreamLimits(idle_s=0.1, linger_s=0.1)


def wire(*messages: object) -> bytes:
    channel = MessageChannel()
    channel.select("iso20-dc")
    return b"".join(channel.encode(message) for message in messages)


# -- messages -----------------------------------------------------------------------------------------------


async def test_messages_go_both_ways() -> None:
    server = Owner(on_item=lambda stream, item: stream.send(LOOP))
    client = Owner()
    async with both(server, client) as (theirs, ours):
        ours.send(SETUP)
        ours.send(DISCOVERY)
        await client.until(3)
        assert not ours.secure
        assert ours.tls_info is None
        assert theirs.peer.startswith("[::1]:")
    assert server.log[:3] == ["ready", SETUP, DISCOVERY]
    assert client.log[:3] == ["ready", LOOP, LOOP]


async def test_the_edition_can_change_between_two_messages_of_one_segment() -> None:
    def negotiate(stream: MessageStream, item: Item) -> None:
        if server.messages == [SAP_REQ]:
            stream.select("iso20-dc")

    server = Owner(on_item=negotiate)
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.select("app")
        await raw.send(MessageChannel().encode(SAP_REQ) + wire(SETUP, LOOP))
        await server.until(4)
        raw.close()
    assert server.messages == [SAP_REQ, SETUP, LOOP]


async def test_one_byte_per_segment() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        for byte in wire(SETUP, LOOP):
            await raw.send(bytes([byte]))
            await asyncio.sleep(0)
        await server.until(3)
        raw.close()
    assert server.messages == [SETUP, LOOP]


async def test_more_messages_at_once_than_one_turn_reads() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(wire(LOOP) * 2000)
        await server.until(2001)
        raw.close()
    assert server.messages == [LOOP] * 2000


async def test_bad_and_unknown_frames_are_reported_and_the_stream_goes_on() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(encode_frame(0xA000, b"??") + encode_frame(PayloadType.ISO20_DC, b"\0") + wire(LOOP))
        await server.until(4)
        raw.close()
    skipped, undecodable, loop = server.messages
    assert skipped == Skipped(0xA000, 2)
    assert isinstance(undecodable, Undecodable)
    assert loop == LOOP


async def test_a_message_that_cannot_be_encoded_is_the_senders_error_and_harms_nothing() -> None:
    client, server = Owner(), Owner()
    async with both(server, client) as (_, ours):
        with pytest.raises(ExiError):
            ours.send(replace(SETUP, evccid="x" * 256))
        with pytest.raises(MisuseError, match="no message of iso20-dc"):
            ours.send(SAP_REQ)
        with pytest.raises(MisuseError, match="no edition 'x'"):
            ours.select("x")
        ours.send(SETUP)
        await server.until(2)
    assert server.messages == [SETUP]


async def test_small_messages_are_not_held_back() -> None:
    async with both(Owner(), Owner()) as streams:
        for stream in streams:
            sock = stream._transport.get_extra_info("socket")  # type: ignore[union-attr]
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1


async def test_nothing_can_be_sent_before_the_connection_is_ready() -> None:
    stream = make_stream(Owner())
    with pytest.raises(MisuseError, match="wait for stream_ready"):
        stream.send(SETUP)
    assert stream.peer == "nobody"


# -- ends caused by the peer --------------------------------------------------------------------------------


async def test_the_peer_closes() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(wire(SETUP))
        raw.end()
        assert (await server.ended()).ending is Ending.CLOSED_BY_PEER
        assert await raw.rest() == b""
        raw.close()
        assert server.stream is not None
        assert server.stream.end is server.ends[0]
    assert server.log == ["ready", SETUP, StreamEnd(Ending.CLOSED_BY_PEER)]


@pytest.mark.parametrize(
    "part", [0, 3, 8, 20], ids=["before", "in the header", "after the header", "in the payload"]
)
async def test_the_peer_resets(part: int) -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(wire(SETUP)[:part])
        await server.until(1)
        await asyncio.sleep(0.01)
        raw.reset()
        end = await server.ended()
        assert end.ending is Ending.RESET
        assert isinstance(end.error, ConnectionResetError)
        assert server.stream is not None
        server.stream.send(SETUP)  # too late, and harmless
    assert server.log == ["ready", end]


async def test_a_reset_found_while_sending() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        raw.reset()
        for _ in range(3):  # in the same turn: the loop has not looked at the socket yet
            server.stream.send(SETUP)
        assert (await server.ended()).ending is Ending.RESET
    assert len(server.ends) == 1


async def test_bytes_that_are_no_frame_end_the_stream_after_what_was_good() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(wire(SETUP) + b"GET / HTTP/1.1\r\n")
        end = await server.ended()
        assert await raw.rest() == b""
        raw.close()
    assert server.log == ["ready", SETUP, end]
    assert end.ending is Ending.BROKEN_FRAME
    assert isinstance(end.error, FrameError)
    assert "0x4745" in str(end)


async def test_an_announced_length_over_the_cap_ends_the_stream_at_once() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(bytes.fromhex("01fe8004fffffff8"))
        assert (await server.ended()).ending is Ending.BROKEN_FRAME
        raw.close()


async def test_a_peer_that_sends_nothing_is_let_go() -> None:
    server = Owner()
    async with serving(server, limits=QUICK) as port:
        raw = await Raw.to(port)
        end = await server.ended()
        assert await raw.rest() == b""
        raw.close()
    assert end == StreamEnd(Ending.IDLE, "nothing came for 0.1 s")


async def test_every_byte_counts_as_a_sign_of_life() -> None:
    server = Owner()
    async with serving(server, limits=QUICK) as port:
        raw = await Raw.to(port)
        data = wire(SETUP)
        for byte in data[:8]:
            await raw.send(bytes([byte]))
            await asyncio.sleep(0.03)
        assert server.ends == []
        await raw.send(data[8:])
        assert (await server.ended()).ending is Ending.IDLE
        raw.close()
    assert server.messages == [SETUP]


async def test_a_peer_that_does_not_read_is_dropped_at_the_limit() -> None:
    server = Owner()
    async with serving(server, limits=StreamLimits(unsent=50_000)) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        assert server.stream._transport.get_write_buffer_limits()[1] == 50_000  # type: ignore[union-attr]
        told = 0
        for _ in range(1_000_000):
            server.stream.send(LOOP)
            told = len(server.ends)
            if server.stream._transport.is_closing():  # type: ignore[union-attr]
                break
        assert told == 0, "the owner is never called back from within send"
        end = await server.ended()
        with pytest.raises(ConnectionResetError):
            await raw.rest()
        raw.close()
    assert end == StreamEnd(Ending.NOT_READING, "more than 50000 bytes wait to be sent")


# -- ends caused by this side -------------------------------------------------------------------------------


async def test_closing_delivers_what_was_sent_before() -> None:
    client, server = Owner(), Owner()
    async with both(server, client) as (theirs, ours):
        for _ in range(100):
            ours.send(LOOP)
        ours.close()
        ours.close()
        await ours.wait_closed()
        await theirs.wait_closed()
    assert server.log == ["ready", *[LOOP] * 100, StreamEnd(Ending.CLOSED_BY_PEER)]
    assert client.log == ["ready", StreamEnd(Ending.CLOSED)]


async def test_what_comes_after_close_is_dropped_and_what_is_sent_goes_nowhere() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.close()
        server.stream.send(SETUP)
        assert await raw.rest() == b""
        await raw.send(wire(SETUP))
        raw.end()
        assert (await server.ended()).ending is Ending.CLOSED
        raw.close()
    assert server.messages == []


async def test_a_peer_that_does_not_close_its_side_is_not_waited_for_long() -> None:
    server = Owner()
    async with serving(server, limits=QUICK) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.close()
        assert await raw.rest() == b""
        assert await server.ended() == StreamEnd(Ending.CLOSED, "the peer did not close within 0.1 s")
        raw.close()


async def test_a_reset_after_this_side_has_closed_is_still_its_own_end() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.close()
        assert await raw.rest() == b""
        raw.reset()
        assert (await server.ended()).ending is Ending.CLOSED
    assert len(server.ends) == 1


async def test_with_grace_the_peer_may_close_first() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.send(SETUP)
        server.stream.close(grace_s=5)
        server.stream.close(grace_s=5)
        assert await raw.receive() == wire(SETUP)
        await raw.send(wire(LOOP))
        await server.until(2)
        assert server.ends == []
        server.stream.send(SETUP)  # a goodbye is answered
        assert await raw.receive() == wire(SETUP)
        raw.end()
        assert (await server.ended()).ending is Ending.CLOSED_BY_PEER
        raw.close()
    assert server.messages == [LOOP]


async def test_grace_runs_out() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        start = asyncio.get_running_loop().time()
        server.stream.close(grace_s=0.05)
        assert await raw.rest() == b""
        assert asyncio.get_running_loop().time() - start >= 0.04
        raw.end()
        assert (await server.ended()).ending is Ending.CLOSED
        raw.close()


async def test_grace_can_be_cut_short() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.close(grace_s=60)
        server.stream.close()
        assert await raw.rest() == b""
        raw.close()
        assert (await server.ended()).ending is Ending.CLOSED


async def test_dropping_is_a_reset_for_the_peer() -> None:
    server = Owner()
    async with serving(server) as port:
        raw = await Raw.to(port)
        await server.until(1)
        assert server.stream is not None
        server.stream.abort()
        assert server.ends == [], "the owner is never called back from within abort"
        assert await server.ended() == StreamEnd(Ending.ABORTED)
        with pytest.raises(ConnectionResetError):
            await raw.rest()
        server.stream.abort()
        server.stream.close()
        raw.close()
    assert len(server.ends) == 1


async def test_closing_from_within_a_callback_stops_the_messages_behind() -> None:
    server = Owner(on_item=lambda stream, item: stream.close())
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(wire(SETUP, LOOP, LOOP))
        assert await raw.rest() == b""
        raw.close()
        await server.ended()
    assert server.log == ["ready", SETUP, StreamEnd(Ending.CLOSED)]


async def test_an_owner_that_raises_ends_its_own_stream_only(caplog: pytest.LogCaptureFixture) -> None:
    def fail(stream: MessageStream, item: Item) -> None:
        raise ValueError("no idea what to do")

    server = Owner(on_item=fail)
    async with serving(server) as port:
        raw = await Raw.to(port)
        await raw.send(wire(SETUP, LOOP))
        end = await server.ended()
        assert await raw.rest() == b""
        raw.close()
        assert end.ending is Ending.FAULT
        assert str(end) == "this side failed: ValueError: no idea what to do"
        assert isinstance(end.error, ValueError)
        assert server.messages == [SETUP]
        again = await Raw.to(port)
        await asyncio.sleep(0.02)
        assert server.log[-1] == "ready"
        again.close()
    logs.flush()
    assert "ValueError: no idea what to do" in caplog.text


@pytest.mark.parametrize("failing", ["stream_ready", "stream_ended"])
async def test_an_owner_that_raises_at_the_start_or_the_end(
    failing: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Owner()
    called: list[str] = []

    def fail(*_: object) -> None:
        called.append(failing)
        raise ValueError("no")

    monkeypatch.setattr(server, failing, fail)
    async with serving(server) as port:
        raw = await Raw.to(port)
        raw.end()
        assert await raw.rest() == b""
        raw.close()
        assert server.stream is not None
        await server.stream.wait_closed()
        assert server.stream.end is not None
        assert server.stream.end.ending is (
            Ending.FAULT if failing == "stream_ready" else Ending.CLOSED_BY_PEER
        )
    assert called == [failing]
    logs.flush()
    assert "ValueError: no" in caplog.text


async def test_a_stream_dropped_before_it_connects() -> None:
    server, client = Owner(), Owner()
    async with serving(server) as port:
        stream = make_stream(client)
        stream.close()
        await connect(stream, LOOPBACK, LOOPBACK.address, port, timeout_s=5)
        await stream.wait_closed()
        assert client.log == [StreamEnd(Ending.ABORTED)]


# -- connecting and listening -------------------------------------------------------------------------------


async def test_nobody_listens() -> None:
    with listen_tcp(LOOPBACK) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(LinkError, match=rf"no TCP connection to \[::1\]:{port} on lo: Connection refused"):
        await calling(Owner(), port)


async def test_nobody_answers() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as full:
        full.bind(("::1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        first = await Raw.to(port)  # the backlog is full now, the next one is not answered
        with pytest.raises(LinkError, match=rf"no TCP connection to \[::1\]:{port} on lo within 0.1 s"):
            await connect(make_stream(Owner()), LOOPBACK, LOOPBACK.address, port, timeout_s=0.1)
        first.close()


async def test_an_address_that_no_route_leads_to() -> None:
    with pytest.raises(LinkError, match=r"no TCP connection to \[fe80::1\]:50000 on lo: "):
        await connect(make_stream(Owner()), LOOPBACK, IPv6Address("fe80::1"), 50000, timeout_s=1)


def test_stations_listen_in_the_dynamic_range() -> None:
    with listen_tcp(LOOPBACK) as first, listen_tcp(LOOPBACK) as second:
        ports = {sock.getsockname()[1] for sock in (first, second)}
        assert len(ports) == 2
        assert all(port in DYNAMIC_PORTS for port in ports)
        with pytest.raises(LinkError, match=r"cannot listen on TCP port \d+ of lo: Address already in use"):
            listen_tcp(LOOPBACK, min(ports))


def test_a_range_without_a_free_port_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with listen_tcp(LOOPBACK) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setattr("iso15118.aio.net.network.DYNAMIC_PORTS", range(port, port + 1))
        with pytest.raises(LinkError, match=f"no free TCP port on lo between {port} and {port}"):
            listen_tcp(LOOPBACK)
