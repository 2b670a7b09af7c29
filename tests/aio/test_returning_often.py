"""A vehicle that wakes up and connects anew again and again is never locked out: neither by strangers that
wait, nor by the connections that it has left behind itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.net.handshakes import BUSY_WAITING
from iso15118.aio.net.stream import MessageStream
from iso15118.aio.net.vehicles import is_same_vehicle
from iso15118.pki import IssuedPki
from iso15118.sdp import Security
from iso15118.session.actions import EndReason
from tests.tls.rig import car, issued, other_vehicle

from .rig import Owner, calling
from .site import Plant, site
from .test_reception import Desk, until
from .test_sessions_dropped import Charging

STRANGERS = BUSY_WAITING + 3


async def comes(port: int, pki: IssuedPki) -> MessageStream:
    """A connection whose handshake is over; its vehicle says nothing on it."""
    owner = Owner()
    stream = await calling(owner, port, car(pki).connect)
    await owner.until(1)
    return stream


class Counter(Desk):
    """A desk that knows vehicles, and whose session ends when its vehicle returns."""

    def __init__(self) -> None:
        super().__init__(most=64)
        self.returned: list[MessageStream] = []
        reception: Any = self.reception
        reception._returns, reception._same = self._comes_back, is_same_vehicle

    def _comes_back(self, stream: MessageStream) -> bool:
        back = is_same_vehicle(stream, self.served[-1])
        if back:
            self.returned.append(stream)
        return back


async def ours(desk: Desk, count: int) -> MessageStream:
    """The desk's end of the connection that came in last."""
    await until(lambda: len(desk.streams) == count and desk.reception.openings == 0)
    return desk.streams[-1]


async def test_strangers_that_wait_do_not_push_it_out() -> None:
    desk = Counter()
    async with desk:
        vehicle = await comes(desk.port, issued())
        await until(lambda: len(desk.served) == 1)
        again = await comes(desk.port, issued())
        mine = await ours(desk, 2)
        others = [await comes(desk.port, other_vehicle(number)) for number in range(STRANGERS)]
        await ours(desk, 2 + STRANGERS)
        assert mine.end is None
        waiting = [one for one in desk.streams[2:] if one.end is None]
        assert waiting == desk.streams[-BUSY_WAITING:], "the oldest of them make way"
        desk.reception.free()
        assert desk.served[-1] is mine
        for stream in (vehicle, again, *others):
            stream.abort()
            await stream.wait_closed()


@pytest.mark.parametrize("silent", [True, False], ids=["without a word", "closing each"])
async def test_the_last_of_its_connections_counts(silent: bool) -> None:
    desk = Counter()
    async with desk:
        streams = [await comes(desk.port, issued())]
        await until(lambda: len(desk.served) == 1)
        others = [await comes(desk.port, other_vehicle(number)) for number in range(2)]
        for number in range(2 * BUSY_WAITING):  # while the hardware of its session settles
            streams.append(await comes(desk.port, issued()))
            mine = await ours(desk, 4 + number)
            if not silent and number < 2 * BUSY_WAITING - 1:
                streams[-1].abort()
                await until(lambda mine=mine: mine.end is not None)  # type: ignore[misc]
        alive = [one for one in desk.streams[3:] if one.end is None]
        assert alive == [mine], "what it left behind is closed"
        desk.reception.free()
        assert desk.served[1] is mine
        # It was given up as well: a connection that came later is the vehicle's, though it
        # began before that session did.
        streams.append(await comes(desk.port, issued()))
        last = await ours(desk, 4 + 2 * BUSY_WAITING)
        assert desk.returned[-1] is last
        desk.reception.free()
        assert desk.served[2] is last
        for expected in desk.streams[1:3]:
            desk.reception.free()
            assert desk.served[-1] is expected, "then those who waited, in their order"
        for stream in (*streams, *others):
            stream.abort()
            await stream.wait_closed()


async def test_an_older_connection_that_agrees_late_is_not_the_vehicle_of_now() -> None:
    desk = Counter()
    async with desk:
        first = await comes(desk.port, issued())
        await until(lambda: len(desk.served) == 1)
        held = car(issued()).connect()
        raw = await asyncio.open_connection("::1", desk.port)
        await until(lambda: len(desk.streams) == 2)
        newer = await comes(desk.port, issued())
        await until(lambda: len(desk.streams) == 3 and desk.reception.openings == 1)
        reader, writer = raw
        while not held.handshake_complete:
            writer.write(held.data_to_send())
            held.receive_data(await reader.read(65536))
        writer.write(held.data_to_send())
        await until(lambda: desk.streams[1].end is not None)
        assert desk.streams[2].end is None
        desk.reception.free()
        assert desk.served[-1] is desk.streams[2]
        writer.close()
        for stream in (first, newer):
            stream.abort()
            await stream.wait_closed()


async def test_a_vehicle_that_vanishes_and_comes_back_under_a_crowd_charges() -> None:
    plant = Plant()
    async with site(plant) as here:
        port = here.server.ports[Security.TLS]
        charging = Charging(here)
        await charging.under_power(plant)
        crowd = [await comes(port, other_vehicle(number)) for number in range(BUSY_WAITING)]
        left = [await comes(port, issued()) for _ in range(3)]
        crowd += [await comes(port, other_vehicle(number)) for number in range(BUSY_WAITING, STRANGERS)]
        where = here.server.interface.address, port
        again = Charging(here, station=where)
        await again.under_power(plant)
        assert (await here.server.wait_finished(1)).ended.reason is EndReason.PEER_VANISHED
        again.client.stop("enough")
        done = await again.task
        assert done.ended.reason is EndReason.STOPPED_BY_EV
        for stream in (*crowd, *left):
            stream.abort()
            await stream.wait_closed()
        await asyncio.gather(charging.task, return_exceptions=True)
