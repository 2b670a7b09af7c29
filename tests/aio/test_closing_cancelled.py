"""Whoever gives up waiting for the end of a client or of a wire: what was begun comes to its end, nothing is
left open, and the cancellation is not lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.plug.media import CarrierMedium

from .site import Plant, site
from .test_settling import now


class Idle:
    """Hardware that takes so long to be made safe."""

    settles_within_s, trouble = 4.0, ""

    def __init__(self) -> None:
        self.settled = self.stopped = False

    async def settle(self) -> bool:
        await asyncio.sleep(self.settles_within_s)
        self.settled = True
        return True

    def stop(self) -> None:
        self.stopped = True


@pytest.mark.parametrize("times", [0, 1, 3])
async def test_a_client_that_is_closed_makes_its_hardware_safe_and_gives_way_then(times: int) -> None:
    async with site(Plant()) as here:
        client = here.client()
        await client.open()
        really, client._idle = client._idle, (idle := Idle())  # type: ignore[assignment]
        assert really is not None
        really.stop()
        closing = asyncio.create_task(client.close())
        for _ in range(times):
            await asyncio.sleep(1.0)
            closing.cancel()
        await asyncio.wait((closing,))
        assert (idle.settled, idle.stopped) == (True, True)
        assert closing.cancelled() is (times > 0)
        async with client:
            pass


class Watch:
    """The carrier of an interface."""

    closed = 0

    async def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("cancelled", [False, True])
async def test_a_wire_is_watched_no_more_whoever_gives_up_waiting(cancelled: bool) -> None:
    medium, watch = CarrierMedium("v2g0"), Watch()
    goes_on = asyncio.Event()

    async def configures() -> None:
        while not goes_on.is_set():
            try:
                await goes_on.wait()
            except asyncio.CancelledError:
                await asyncio.sleep(1.0)
                return

    played: Any = watch
    medium._watch, medium._configuring = played, asyncio.create_task(configures())
    began = now()
    await asyncio.sleep(0)
    closing = asyncio.create_task(medium.close())
    await asyncio.sleep(0.1)
    if cancelled:
        closing.cancel()
    await asyncio.wait((closing,))
    assert closing.cancelled() is cancelled
    assert now() - began == pytest.approx(0.1 if cancelled else 1.0, abs=0.05)
    assert watch.closed == 1
    await medium.close()
    assert watch.closed == 1
