"""A connection with faults that were asked for, over real sockets: what is late stays in its order, and each
way to go away is the one that it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from iso15118.aio.net.ending import Ending, StreamLimits
from iso15118.aio.net.faulty import FaultyStream
from iso15118.aio.net.network import connect
from iso15118.channel import MessageChannel
from iso15118.errors import MisuseError
from tests.aio.rig import LOOPBACK, MakeTls, Owner, serving
from tests.aio.test_settling import now
from tests.aio.test_stream_tls import client_tls, server_tls
from tests.sample_messages import DISCOVERY, LOOP, SETUP

LIMITS = StreamLimits(linger_s=0.2, handshake_s=2.0)


class Faults:
    """What becomes of each message, in their order; a way to go, a delay, or octets of the test's own."""

    def __init__(self) -> None:
        self.sending: list[Any] = []
        self.receiving: list[Any] = []
        self.beside: list[Any] = []

    def sent(self, message: Any, encode: Callable[[Any], bytes]) -> list[Any]:
        fault = self.sending.pop(0) if self.sending else 0.0
        if isinstance(fault, str):
            return [fault]
        return [(encode(message), fault)]

    def received(self, message: Any) -> tuple[bytes, float] | None:
        return self.receiving.pop(0) if self.receiving else None


@asynccontextmanager
async def faulty(tls: bool = False) -> AsyncIterator[tuple[FaultyStream, Owner, Owner, Faults]]:
    """A vehicle with faults, itself and the station told; both ready."""
    server, client, faults = Owner(), Owner(), Faults()
    make: MakeTls = client_tls() if tls else None
    async with serving(server, server_tls() if tls else None, LIMITS) as port:
        channel = MessageChannel()
        channel.select("iso20-dc")
        stream = FaultyStream(
            client, disturb=faults, tls=None if make is None else make(), channel=channel, limits=LIMITS
        )
        await connect(stream, LOOPBACK, LOOPBACK.address, port, timeout_s=5.0)
        await server.until(1)
        await client.until(1)
        try:
            yield stream, client, server, faults
        finally:
            stream.abort()
            await stream.wait_closed()


def octets(message: object) -> bytes:
    channel = MessageChannel()
    channel.select("iso20-dc")
    return channel.encode(message)


async def test_without_a_fault_it_is_a_connection_like_any_other() -> None:
    async with faulty() as (stream, client, server, _):
        stream.send(SETUP)
        await server.until(2)
        assert server.stream is not None
        server.stream.send(LOOP)
        await client.until(2)
        assert (server.messages, client.messages) == ([SETUP], [LOOP])


async def test_what_follows_something_late_is_late_as_well_and_in_its_order() -> None:
    async with faulty() as (stream, _, server, faults):
        faults.sending = [0.5]
        began = now()
        order = [SETUP, DISCOVERY, LOOP, DISCOVERY, SETUP, LOOP]
        for message in order:
            stream.send(message)
        await asyncio.sleep(0.4)
        assert server.messages == []
        await server.until(7)
        assert now() - began == pytest.approx(0.5, abs=0.05)
        assert server.messages == order
        faults.sending = [0.2, 0.0, 0.6]
        began = now()
        for message in (LOOP, SETUP, DISCOVERY):
            stream.send(message)
        await server.until(9)
        assert now() - began == pytest.approx(0.2, abs=0.05)
        await server.until(10)
        assert now() - began == pytest.approx(0.6, abs=0.05)
        assert server.messages[6:] == [LOOP, SETUP, DISCOVERY]
        began = now()
        stream.send(SETUP)
        await server.until(11)
        assert now() - began < 0.05, "what was late is over"


async def test_what_came_in_may_be_answered_without_the_session_hearing_of_it() -> None:
    async with faulty() as (_, client, server, faults):
        faults.receiving = [None, (octets(SETUP), 0.3)]
        assert server.stream is not None
        began = now()
        for _ in range(3):
            server.stream.send(LOOP)
        await client.until(3)
        await server.until(2)
        assert now() - began == pytest.approx(0.3, abs=0.05)
        assert (client.messages, server.messages) == ([LOOP, LOOP], [SETUP])


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("how", ["fin", "reset", "silence"])
async def test_each_way_to_go_is_what_the_station_sees(how: str, tls: bool) -> None:
    async with faulty(tls) as (stream, client, server, faults):
        faults.sending = [0.1, how]
        for message in (SETUP, DISCOVERY, LOOP):
            stream.send(message)
        if how == "silence":
            await asyncio.sleep(5.0)
            assert (server.ends, client.ends) == ([], [])
        else:
            end = await server.ended()
            assert (
                end.ending
                in {
                    "fin": (Ending.TRUNCATED,) if tls else (Ending.CLOSED_BY_PEER,),
                    "reset": (Ending.RESET, Ending.TRUNCATED),
                }[how]
            )
            assert client.ends[0].ending is (Ending.FAULT if how == "fin" else Ending.ABORTED)
        await asyncio.sleep(1.0)
        assert server.messages == [], "nothing is sent any more, also not what was late"


async def test_an_alert_is_one_of_tls_itself() -> None:
    async with faulty(tls=True) as (stream, client, server, faults):
        stream.send(SETUP)
        await server.until(2)
        faults.sending = ["alert"]
        stream.send(LOOP)
        stream.send(LOOP)
        assert (await server.ended()).ending is Ending.TLS_ALERT
        assert client.ends[0].ending is Ending.FAULT
        assert client.ends[0].detail == "this side goes away, as it was told to"
        assert server.messages == [SETUP]


async def test_without_a_way_to_go_it_says_goodbye() -> None:
    async with faulty(tls=True) as (stream, _, server, _faults):
        stream.close()
        assert (await server.ended()).ending is Ending.CLOSED_BY_PEER


async def test_a_way_that_there_is_not_is_misuse() -> None:
    async with faulty() as (stream, _, server, _faults):
        with pytest.raises(MisuseError, match="there is no TLS on this connection, and so no alert"):
            stream.go("alert")
        with pytest.raises(MisuseError, match="there is no way 'away' to go: fin, reset, alert or silence"):
            stream.go("away")
        stream.send(SETUP)
        await server.until(2)
        assert server.messages == [SETUP], "nothing came of it"
