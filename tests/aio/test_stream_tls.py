"""Streams over TLS and real TCP: what is agreed, what is refused, and every way such a connection can end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from iso15118.aio import logs
from iso15118.aio.net.ending import Ending, StreamEnd, StreamLimits
from iso15118.aio.net.stream import MessageStream
from iso15118.channel import Item
from iso15118.errors import TlsError
from iso15118.tls import TlsConnection
from tests.sample_messages import DISCOVERY, LOOP, SETUP
from tests.tls.rig import car, issued, station, strangers

from .rig import MakeTls, Owner, Raw, Relay, both, calling, make_stream, serving

QUICK = StreamLimits(handshake_s=0.15, linger_s=0.1)


def server_tls() -> MakeTls:
    return station(issued()).connect


def client_tls() -> MakeTls:
    return car(issued()).connect


@asynccontextmanager
async def relayed(
    owner: Owner, spoil: bytes | None = None, piece: int = 1 << 20
) -> AsyncIterator[tuple[int, list[bool]]]:
    """A TLS server behind a relay; once the list is made non-empty, the last byte of everything
    the client sends is flipped."""
    spoiling: list[bool] = []

    def carry(data: bytes, from_client: bool) -> list[bytes]:
        if spoiling and from_client:
            data = data[:-1] + bytes([data[-1] ^ 1])
        return [data[n : n + piece] for n in range(0, len(data), piece)]

    async with serving(owner, server_tls()) as port:
        relay = Relay(port, carry)
        try:
            yield await relay.open(), spoiling
        finally:
            await relay.close()


async def test_messages_go_both_ways_over_mutual_tls() -> None:
    server = Owner(on_item=lambda stream, item: stream.send(LOOP))
    client = Owner()
    async with both(server, client, server_tls(), client_tls()) as streams:
        streams[1].send(SETUP)
        streams[1].send(DISCOVERY)
        await client.until(3)
        for stream in streams:
            assert stream.secure
            assert stream.tls_info is not None
            assert stream.tls_info.version == "TLSv1.3"
            assert stream.tls_info.client_certificate
    assert server.log[:3] == ["ready", SETUP, DISCOVERY]
    assert client.log[:3] == ["ready", LOOP, LOOP]


async def test_a_wire_that_carries_one_byte_at_a_time() -> None:
    server = Owner(on_item=lambda stream, item: stream.send(LOOP))
    client = Owner()
    async with relayed(server, piece=1) as (port, _):
        stream = await calling(client, port, client_tls())
        await client.until(1)
        stream.send(SETUP)
        await client.until(2)
        stream.close()
        assert (await server.ended()).ending is Ending.CLOSED_BY_PEER
        await stream.wait_closed()
    assert client.log == ["ready", LOOP, StreamEnd(Ending.CLOSED)]


async def test_closing_announces_the_end() -> None:
    server, client = Owner(), Owner()
    async with both(server, client, server_tls(), client_tls()) as (theirs, ours):
        ours.send(SETUP)
        ours.close()
        await ours.wait_closed()
        await theirs.wait_closed()
    assert server.log == ["ready", SETUP, StreamEnd(Ending.CLOSED_BY_PEER)]
    assert client.log == ["ready", StreamEnd(Ending.CLOSED)]


async def test_with_grace_the_peer_may_close_first() -> None:
    server, client = Owner(), Owner()
    async with both(server, client, server_tls(), client_tls()) as (theirs, ours):
        theirs.close(grace_s=5)
        ours.send(SETUP)
        await asyncio.sleep(0.02)
        assert server.ends == client.ends == []
        ours.close()
        await theirs.wait_closed()
        await ours.wait_closed()
        # What the peer says before it closes is heard: it may say goodbye, and be answered.
        assert server.log == ["ready", SETUP, StreamEnd(Ending.CLOSED_BY_PEER)]
    assert client.log == ["ready", StreamEnd(Ending.CLOSED)]


async def test_close_notify_alone_is_the_end() -> None:
    server, tls = Owner(), car(issued()).connect()
    async with serving(server, server_tls()) as port:
        raw = await Raw.to(port)
        while not tls.handshake_complete:
            await raw.send(tls.data_to_send())
            tls.receive_data(await raw.receive())
        tls.close()
        await raw.send(tls.data_to_send())
        assert await server.ended() == StreamEnd(Ending.CLOSED_BY_PEER)
        tls.receive_data(await raw.rest())
        assert tls.peer_closed, "it is answered with close_notify"
        raw.close()
    assert server.log == ["ready", StreamEnd(Ending.CLOSED_BY_PEER)]


async def test_an_owner_that_closes_and_then_raises(caplog: pytest.LogCaptureFixture) -> None:
    def fail(stream: MessageStream, item: Item) -> None:
        stream.close()
        raise ValueError("too late")

    server, client = Owner(on_item=fail), Owner()
    async with both(server, client, server_tls(), client_tls()) as (_, ours):
        ours.send(SETUP)
        assert (await client.ended()).ending is Ending.CLOSED_BY_PEER
        assert (await server.ended()).ending is Ending.FAULT
    assert server.messages == [SETUP]
    logs.flush()
    assert "ValueError: too late" in caplog.text


class FailingTls:
    """A TLS connection that works until ``broken`` names one of its methods."""

    def __init__(self, real: TlsConnection) -> None:
        self.real = real
        self.broken = ""

    def __getattr__(self, name: str) -> Any:
        if name == self.broken:
            raise RuntimeError(f"{name} is broken")
        return getattr(self.real, name)


@pytest.mark.parametrize(
    "method", ["receive_data", "data_to_send", "eof_received", "close", "peer_closed", "encrypt"]
)
async def test_a_tls_that_fails_in_unexpected_ways_is_the_end_of_this_stream_only(
    method: str, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[FailingTls] = []

    def failing_tls() -> FailingTls:
        made.append(FailingTls(station(issued()).connect()))
        return made[-1]

    server, client = Owner(on_item=lambda stream, item: stream.send(LOOP)), Owner()
    async with both(server, client, failing_tls, client_tls()) as (theirs, ours):
        made[0].broken = method
        ours.send(SETUP)
        await asyncio.sleep(0.02)
        ours.close()
        await theirs.wait_closed()
    expected = Ending.CLOSED_BY_PEER if method in ("eof_received", "close") else Ending.FAULT
    assert [end.ending for end in server.ends] == [expected]
    logs.flush()
    assert (f"{method} is broken" in caplog.text) is (method != "eof_received")


async def test_a_tls_that_fails_from_the_start(caplog: pytest.LogCaptureFixture) -> None:
    def failing_tls() -> FailingTls:
        tls = FailingTls(car(issued()).connect())
        tls.broken = "data_to_send"
        return tls

    server, client = Owner(), Owner()
    async with serving(server, server_tls()) as port:
        stream = await calling(client, port, failing_tls)
        await stream.wait_closed()
    assert [end.ending for end in client.ends] == [Ending.FAULT]
    logs.flush()
    assert "data_to_send is broken" in caplog.text


async def test_a_tls_that_fails_at_the_end_of_the_transport(caplog: pytest.LogCaptureFixture) -> None:
    made: list[FailingTls] = []

    def failing_tls() -> FailingTls:
        made.append(FailingTls(station(issued()).connect()))
        made[-1].broken = "eof_received"
        return made[-1]

    server = Owner()
    async with serving(server, failing_tls) as port:
        raw = await Raw.to(port)
        raw.end()
        assert (await server.ended()).ending is Ending.FAULT
        raw.close()
    logs.flush()
    assert "eof_received is broken" in caplog.text


async def test_an_end_without_close_notify_is_a_truncation() -> None:
    server, client = Owner(), Owner()
    async with both(server, client, server_tls(), client_tls()) as (_, ours):
        ours._transport.get_extra_info("socket").shutdown(socket.SHUT_WR)  # type: ignore[union-attr]
        end = await server.ended()
    assert end.ending is Ending.TRUNCATED
    assert isinstance(end.error, TlsError)


async def test_a_reset_is_a_reset() -> None:
    server, client = Owner(), Owner()
    async with both(server, client, server_tls(), client_tls()) as (_, ours):
        ours.abort()
        assert (await server.ended()).ending is Ending.RESET
        assert (await client.ended()).ending is Ending.ABORTED


async def test_a_spoilt_record_is_refused_here_and_an_alert_there() -> None:
    server, client = Owner(), Owner()
    async with relayed(server) as (port, spoiling):
        stream = await calling(client, port, client_tls())
        await client.until(1)
        await server.until(1)
        spoiling.append(True)
        stream.send(SETUP)
        refused, alerted = await server.ended(), await client.ended()
        await stream.wait_closed()
    assert server.log == ["ready", refused]
    assert refused.ending is Ending.TLS_REFUSED
    assert client.log == ["ready", alerted]
    assert alerted.ending is Ending.TLS_ALERT
    assert isinstance(alerted.error, TlsError)
    assert alerted.error.alert == "bad_record_mac"


async def test_a_vehicle_of_a_stranger_is_refused_and_hears_why() -> None:
    server, client = Owner(), Owner()
    stranger = car(issued(), identities=[strangers(issued())])
    async with serving(server, server_tls()) as port:
        stream = await calling(client, port, stranger.connect)
        refused, alerted = await server.ended(), await client.ended()
        await stream.wait_closed()
    assert server.log == [refused], "never ready"
    assert refused.ending is Ending.TLS_REFUSED
    assert alerted.ending is Ending.TLS_ALERT
    assert isinstance(alerted.error, TlsError)
    assert alerted.error.alert == "unknown_ca"


async def test_a_station_of_a_stranger_is_refused_before_anything_is_sent() -> None:
    server, client = Owner(), Owner()
    suspicious = car(issued(), verify=lambda *_: ("certificate_revoked", "its certificate was withdrawn"))
    async with serving(server, server_tls()) as port:
        stream = await calling(client, port, suspicious.connect)
        refused, alerted = await client.ended(), await server.ended()
        await stream.wait_closed()
    assert client.log == [refused]
    assert refused.ending is Ending.TLS_REFUSED
    assert "withdrawn" in str(refused)
    assert server.log == [alerted]
    assert alerted.ending is Ending.TLS_ALERT
    assert isinstance(alerted.error, TlsError)
    assert alerted.error.alert == "certificate_revoked"


async def test_plain_messages_on_the_tls_port_are_refused() -> None:
    server = Owner()
    async with serving(server, server_tls()) as port:
        raw = await Raw.to(port)
        await raw.send(bytes.fromhex("01fe8001000000028000"))
        end = await server.ended()
        await raw.rest()
        raw.close()
    assert server.log == [end]
    assert end.ending is Ending.TLS_REFUSED


async def test_tls_on_the_plain_port_is_no_frame() -> None:
    server, client = Owner(), Owner()
    async with serving(server) as port:
        stream = await calling(client, port, client_tls())
        end = await server.ended()
        assert (await client.ended()).ending is Ending.TRUNCATED
        await stream.wait_closed()
    assert server.log == ["ready", end]
    assert end.ending is Ending.BROKEN_FRAME
    assert "0x1603" in str(end)


async def test_a_handshake_that_never_begins_is_given_up() -> None:
    server = Owner()
    async with serving(server, server_tls(), QUICK) as port:
        raw = await Raw.to(port)
        end = await server.ended()
        await raw.rest()
        raw.close()
    assert server.log == [StreamEnd(Ending.HANDSHAKE_TIMEOUT, "not over after 0.15 s")] == [end]


@pytest.mark.parametrize(
    ("lost", "who"),
    [
        ("client hello", "server"),
        ("client hello", "client"),
        ("server flight", "server"),
        ("server flight", "client"),
        ("client finish", "server"),
    ],
)
async def test_a_handshake_that_stalls_is_given_up(lost: str, who: str) -> None:
    server, client = Owner(), Owner()
    sent = {True: 0, False: 0}

    def carry(data: bytes, from_client: bool) -> list[bytes]:
        sent[from_client] += 1
        lose = {
            "client hello": from_client,
            "server flight": not from_client,
            "client finish": from_client and sent[True] > 1,
        }
        return [] if lose[lost] else [data]

    async with serving(server, server_tls(), QUICK if who == "server" else None) as port:
        relay = Relay(port, carry)
        stream = await calling(client, await relay.open(), client_tls(), QUICK if who == "client" else None)
        end = await (server if who == "server" else client).ended()
        assert end.ending is Ending.HANDSHAKE_TIMEOUT
        assert "ready" not in server.log
        assert ("ready" in client.log) is (lost == "client finish")
        stream.abort()
        await stream.wait_closed()
        await relay.close()


@pytest.mark.parametrize("sent", [0, 1, 5, 100])
@pytest.mark.parametrize("how", ["end", "reset"])
async def test_the_peer_goes_during_the_handshake(sent: int, how: str) -> None:
    hello = car(issued()).connect().data_to_send()
    server = Owner()
    async with serving(server, server_tls()) as port:
        raw = await Raw.to(port)
        await raw.send(hello[:sent])
        await asyncio.sleep(0.02)
        getattr(raw, how)()
        end = await server.ended()
        raw.close()
    assert server.log == [end]
    assert end.ending is (Ending.TRUNCATED if how == "end" else Ending.RESET)


async def test_closing_during_the_handshake_drops_the_connection() -> None:
    server = Owner()
    async with serving(server, server_tls()) as port:
        raw = await Raw.to(port)
        await asyncio.sleep(0.02)
        assert server.stream is not None
        server.stream.close()
        assert (await server.ended()).ending is Ending.ABORTED
        raw.close()


async def test_a_hundred_half_open_handshakes_do_not_hold_up_the_next_one() -> None:
    owners = [Owner() for _ in range(101)]
    waiting = iter(owners)
    context = station(issued())
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: make_stream(next(waiting), context.connect), "::1", 0)
    port = server.sockets[0].getsockname()[1]
    raws = [await Raw.to(port) for _ in range(100)]
    client = Owner()
    stream = await calling(client, port, client_tls())
    await client.until(1)
    stream.send(SETUP)
    await owners[100].until(2)
    assert owners[100].log == ["ready", SETUP]
    stream.abort()
    for raw in raws:
        raw.close()
    for owner in owners:
        await owner.ended()
    assert {owner.ends[0].ending for owner in owners[:100]} == {Ending.TRUNCATED}
    server.close()
