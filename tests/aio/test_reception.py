"""Handshakes side by side: stalled ones are in nobody's way, the oldest makes room, and a
stream waits for its session."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.net.ending import Ending, StreamEnd, StreamLimits
from iso15118.aio.net.handshakes import HandshakePool
from iso15118.aio.net.network import listen_tcp
from iso15118.aio.net.stream import MessageStream
from iso15118.channel import MessageChannel
from iso15118.sdp import Security
from tests.sample_messages import DISCOVERY, SETUP
from tests.tls.rig import car, issued, other_vehicle, station

from .rig import LOOPBACK, Owner, Raw, calling
from .site import Plant, site
from .test_sessions_dropped import Charging

STALLED = 100


async def test_a_hundred_stalled_handshakes_do_not_hinder_a_good_one() -> None:
    async with site(stream_limits=StreamLimits(handshake_s=30.0, linger_s=0.1)) as here:
        await here.charge(loops=1)
        began = here.plant.clock()
        await here.charge(loops=1)
        alone = here.plant.clock() - began
        stalled = []
        for number in range(STALLED):
            raw = await Raw.to(here.server.ports[Security.TLS])
            if number % 2:
                await raw.send(car(issued()).connect().data_to_send())
            stalled.append(raw)
        began = here.plant.clock()
        for _ in range(3):
            await here.charge(loops=1)
        assert here.plant.clock() - began < 3 * alone + 0.5
        for raw in stalled:
            raw.close()


async def test_a_handshake_that_was_complete_waits_for_the_session_before_it() -> None:
    plant = Plant()
    async with site(plant) as here:
        port = here.server.ports[Security.TLS]
        early = [await Raw.to(port) for _ in range(3)]
        charging = Charging(here)
        await charging.under_power(plant)
        ends = [car(other_vehicle(number)).connect() for number, _ in enumerate(early)]
        for raw, tls in zip(early, ends, strict=True):
            while not tls.handshake_complete:
                await raw.send(tls.data_to_send())
                tls.receive_data(await raw.receive())
            await raw.send(tls.data_to_send())
        await asyncio.sleep(0.05)
        assert here.server.finished == 0
        early[1].reset()  # one of them does not wait
        charging.client.stop("enough")
        await charging.task
        for raw, tls in ((early[0], ends[0]), (early[2], ends[2])):
            tls.close()
            await raw.send(tls.data_to_send())
            await raw.rest()
            raw.close()
        await here.server.wait_finished(3)
        await here.charge(loops=1)
        assert here.server.finished == 4


class Desk:
    """A reception, a listener, and what it hands out."""

    def __init__(self, most: int = 4, limits: StreamLimits | None = None) -> None:
        self.streams: list[MessageStream] = []
        self.served: list[MessageStream] = []
        self.refused: list[StreamEnd] = []
        context = station(issued())

        def make(owner: Any, tls: Any) -> MessageStream:
            return MessageStream(owner, tls=context.connect(), limits=limits)

        self.reception = HandshakePool(
            make,
            taken_in=self.streams.append,
            serve=self.served.append,
            refused=self.refused.append,
            most=most,
        )

    async def __aenter__(self) -> Desk:
        self._listener = listen_tcp(LOOPBACK)
        self.port = self._listener.getsockname()[1]
        self._task = asyncio.create_task(self.reception.listen(self._listener, None))
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        self.reception.close()
        for stream in self.streams:
            stream.abort()
            await stream.wait_closed()
        self._listener.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5.0):
        while not true():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_the_oldest_silent_connection_makes_room() -> None:
    async with Desk(most=4) as desk:
        first = await Raw.to(desk.port)
        await first.send(car(issued()).connect().data_to_send())
        await first.receive()  # it was answered, and so is worth more than silent ones
        silent = [await Raw.to(desk.port) for _ in range(3)]
        await until(lambda: desk.reception.openings == 4)
        more = [await Raw.to(desk.port) for _ in range(3)]
        await until(lambda: len(desk.streams) == 7)
        assert desk.reception.openings == 4
        with pytest.raises(ConnectionResetError):
            await silent[0].receive()
        for raw in (first, *silent, *more):
            raw.close()


async def test_those_that_come_while_a_session_runs_wait_for_its_end() -> None:
    async with Desk() as desk:
        owner = Owner()
        vehicle = await calling(owner, desk.port, car(issued()).connect)
        await until(lambda: len(desk.served) == 1)
        adopted = Owner()
        desk.served[0].adopt(adopted)
        assert adopted.log == ["ready"]
        owners = [Owner() for _ in range(2)]
        late = [await calling(each, desk.port, car(issued()).connect) for each in owners]
        for each in owners:
            await each.until(1)
        await asyncio.sleep(0.05)
        assert len(desk.served) == 1
        desk.reception.free()
        await until(lambda: len(desk.served) == 2)
        for stream in (*late, vehicle):
            stream.abort()
            await stream.wait_closed()


async def test_a_flood_of_strangers_while_a_session_runs_is_taken_in_slowly_and_not_kept() -> None:
    async with Desk(most=64) as desk:
        vehicle = await calling(Owner(), desk.port, car(issued()).connect)
        await until(lambda: len(desk.served) == 1)
        desk.served[0].adopt(Owner())
        loop = asyncio.get_running_loop()
        began = loop.time()
        raws = [await Raw.to(desk.port) for _ in range(14)]
        await until(lambda: len(desk.streams) >= 8)
        assert desk.reception.openings <= 4
        at_once, per_second = 5, 5.0
        assert len(desk.streams) - 1 <= at_once + per_second * (loop.time() - began) + 1
        for raw in raws:
            raw.close()
        vehicle.abort()
        await vehicle.wait_closed()


class Holding(Owner):
    """Takes no messages yet."""

    def stream_ready(self, stream: MessageStream) -> None:
        stream.hold()
        super().stream_ready(stream)


async def held(
    limits: StreamLimits | None = None,
) -> tuple[MessageStream, MessageStream, Holding, Callable[[], None]]:
    """A station's stream that is held, and a vehicle's."""
    owner, client = Holding(), Owner()
    listener = listen_tcp(LOOPBACK)
    channel = MessageChannel()
    channel.select("iso20-dc")
    stream = MessageStream(owner, tls=station(issued()).connect(), channel=channel, limits=limits)
    server = await asyncio.get_running_loop().create_server(lambda: stream, sock=listener)
    theirs = await calling(client, listener.getsockname()[1], car(issued()).connect)
    await client.until(1)
    await owner.until(1)
    return stream, theirs, owner, server.close


async def test_what_comes_in_is_kept_for_whoever_adopts_the_stream() -> None:
    stream, theirs, first, close = await held()
    theirs.send(SETUP)
    theirs.send(DISCOVERY)
    await asyncio.sleep(0.02)
    assert first.log == ["ready"]
    second = Owner()
    stream.adopt(second)
    assert second.log == ["ready", SETUP, DISCOVERY]
    theirs.send(SETUP)
    await second.until(4)
    theirs.close()
    assert (await second.ended()).ending is Ending.CLOSED_BY_PEER
    assert first.ends == []
    close()
    await theirs.wait_closed()


async def test_a_peer_that_leaves_while_it_waits_is_noticed() -> None:
    stream, theirs, first, close = await held()
    theirs.close()
    assert (await first.ended()).ending is Ending.CLOSED_BY_PEER
    late = Owner()
    stream.adopt(late)
    assert [end.ending for end in late.ends] == [Ending.CLOSED_BY_PEER]
    assert "ready" not in late.log
    close()
    await theirs.wait_closed()


async def test_a_peer_cannot_send_without_end_while_it_waits() -> None:
    _, theirs, first, close = await held()
    for _ in range(2000):
        theirs.send(SETUP)
    end = await first.ended()
    assert end.ending is Ending.BROKEN_FRAME
    assert "before the session has begun" in end.detail
    close()
    theirs.abort()
    await theirs.wait_closed()


async def test_a_connection_that_the_loop_cannot_take_over_keeps_no_place_and_no_server_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(20.0), site() as here:
        with monkeypatch.context() as broken:

            async def fails(factory: Callable[[], Any], sock: socket.socket) -> None:
                raise OSError("no buffer space available")

            broken.setattr(loop, "connect_accepted_socket", fails)
            raw = await Raw.to(here.server.ports[Security.TLS])
            assert await raw.receive() == b""
        reception = here.server._reception
        assert reception is not None
        assert reception.openings == 0
        await here.charge(loops=1)
        raw.close()
