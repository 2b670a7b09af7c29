"""A link machine driven on a played interface: one timer, frames in and out, and its outputs at rest when it
is over."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.plug.slac import SlacDriver
from iso15118.link.primitives import Pilot, PowerOn, SetPilot
from iso15118.link.slac.events import FrameReceived, SendFrame
from tests.aio.test_packet_port import Net, net, turns

__all__ = ["net"]


class Machine:
    """A link machine that notes what it is told."""

    resting = (SetPilot(Pilot.STEADY),)

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.deadline: float | None = None
        self.answers: list[Any] = []

    def handle(self, event: Any, now: float) -> list[Any]:
        self.told.append(event)
        return self.answers

    def handle_timeout(self, now: float) -> list[Any]:
        self.told.append(("timeout", now))
        self.deadline = None
        return []


async def test_a_driver_whose_machine_waits_for_nothing_is_closed_as_well(net: Net) -> None:
    done: list[Any] = []
    driver = SlacDriver(Machine(), "v2g0", done.append)  # type: ignore[arg-type]
    driver.close()
    assert (done, net.live) == ([SetPilot(Pilot.STEADY)], [])


async def test_a_machine_has_one_timer_and_its_outputs_are_put_to_rest_at_the_end(net: Net) -> None:
    machine, done = Machine(), list[Any]()
    now = asyncio.get_running_loop().time
    began = now()
    machine.deadline = began + 5.0
    machine.answers = [SendFrame(SimpleNamespace(to_bytes=lambda: b"frame")), SetPilot(Pilot.FIVE_PERCENT)]  # type: ignore[arg-type]
    driver = SlacDriver(machine, "v2g0", done.append)  # type: ignore[arg-type]
    assert machine.told == [PowerOn()]
    assert (net.sockets[0].sent, done) == ([b"frame"], [SetPilot(Pilot.FIVE_PERCENT)])
    machine.deadline = began + 2.0
    machine.answers = []
    net.sockets[0].put(b"in")
    await turns()
    await asyncio.sleep(10.0)
    assert machine.told[1] == FrameReceived(b"in")
    assert [at for _, at in machine.told[2:]] == [pytest.approx(began + 2.0, abs=0.01)]
    machine.deadline = now() + 1.0
    driver.tell(PowerOn())
    timer = driver._timer
    driver.close()
    driver.close()
    assert timer is not None
    assert timer.cancelled(), "no timer is left behind"
    assert done[1:] == [SetPilot(Pilot.STEADY)]
    told = len(machine.told)
    driver.tell(PowerOn())
    await asyncio.sleep(10.0)
    assert len(machine.told) == told
    assert net.live == []
