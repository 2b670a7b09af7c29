"""The driver of one session by itself: a step that fails, what is counted, timers that move,
and what is measured when."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise

import pytest

from iso15118.aio.logs import flush
from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.aio.bench import DROPPED, LOOP_RES, OFF, OVER, POWER, Bench, Plant
from tests.sample_messages import SETUP

# -- a step that fails


@pytest.mark.parametrize("error", [RuntimeError("first"), HardwareError("first")])
async def test_a_step_that_fails_keeps_no_later_one_from_being_taken_that_makes_safe(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(plant=Plant(fails={act.SetPower: error, act.StopPower: RuntimeError("second")})).begin()
    ready, not_ready = act.SignalReady(True), act.SignalReady(False)
    bench.on(ev.StopRequested, POWER, act.CloseContactors(1.0), *OFF, ready, not_ready, act.Send(SETUP))
    bench.driver.tell(ev.StopRequested("x"))
    assert bench.plant.done[:2] == [OFF[1], not_ready]
    assert bench.plant.done[2] == "make safe: a fault of this software"
    result = await bench.result()
    assert SETUP not in bench.stream.asked
    port = isinstance(error, HardwareError)
    assert result.ended.reason is (EndReason.HARDWARE_FAULT if port else EndReason.INTERNAL_ERROR)
    assert "first" in result.ended.detail
    assert result.error is (None if port else error)
    assert flush(60.0)
    assert f"a fault of {'the hardware' if port else 'this software'} ends the session" in caplog.text


async def test_a_fault_while_the_session_is_ending_is_not_its_reason() -> None:
    bench = Bench(plant=Plant(fails={act.SetPower: RuntimeError("late")})).begin()
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    bench.on(ev.SetPointChanged, POWER, ends=OVER)
    bench.driver.tell(ev.SetPointChanged(None))
    assert (await bench.result()).ended == OVER


# -- counting


async def test_each_role_counts_the_answers_of_the_station() -> None:
    station = Bench("secc").begin()
    station.on(ev.StopRequested, act.Send(SETUP), act.Send(SETUP), act.Send(LOOP_RES), ends=OVER)
    station.receive(SETUP)
    station.driver.tell(ev.StopRequested("x"))
    vehicle = Bench("evcc").begin()
    vehicle.on(ev.StopRequested, act.Send(SETUP), ends=OVER)
    vehicle.receive(SETUP)
    vehicle.receive(SETUP)
    vehicle.receive(LOOP_RES)
    vehicle.driver.tell(ev.StopRequested("x"))
    for bench in (station, vehicle):
        result = await bench.result()
        assert (result.exchanges, result.charge_loops) == (3, 1)


@pytest.mark.parametrize(
    ("frames", "reason", "said"),
    [
        (0, EndReason.TIMEOUT, "silence"),
        (1, EndReason.TIMEOUT, f"silence; a frame was dropped, the last one: {DROPPED.reason}"),
        (2, EndReason.TIMEOUT, f"silence; 2 frames were dropped, the last one: {DROPPED.reason}"),
        (1, EndReason.STOPPED_BY_EV, "silence"),
    ],
)
async def test_frames_that_were_dropped_may_be_why_nobody_was_heard(
    frames: int, reason: EndReason, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench().begin()
    for _ in range(frames):
        bench.driver.stream_received(bench.stream, DROPPED)  # type: ignore[arg-type]
    bench.on(ev.StopRequested, ends=act.SessionEnded(reason, "silence"))
    bench.driver.tell(ev.StopRequested("x"))
    assert (await bench.result()).ended.detail == said
    assert flush(60.0)
    at_once = [one for one in caplog.records if one.name == "iso15118.aio.driver"]
    assert sum(DROPPED.reason in one.getMessage() for one in at_once) == frames


# -- timers


async def test_a_deadline_that_moves_forward_is_met_and_the_old_one_forgotten() -> None:
    bench = Bench().begin()
    began = bench.loop.time()
    for deadline in (began + 10.0, began + 5.0):
        bench.script.deadline = deadline
        bench.driver.tell(ev.SetPointChanged(None))
    await asyncio.sleep(12.0)
    fired = [at - began for name, at in bench.script.heard if name == "timer"]
    assert fired == [pytest.approx(5.0, abs=0.01)]
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


async def test_a_deadline_that_moves_back_is_met_when_it_comes() -> None:
    bench = Bench().begin()
    began = bench.loop.time()
    for deadline in (began + 5.0, began + 8.0):
        bench.script.deadline = deadline
        bench.driver.tell(ev.SetPointChanged(None))
    await asyncio.sleep(12.0)
    fired = [at - began for name, at in bench.script.heard if name == "timer"]
    assert fired == [pytest.approx(8.0, abs=0.01)]
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


# -- measuring


@pytest.mark.parametrize(("live", "every_s"), [(False, 1.0), (True, 0.05)])
async def test_hardware_is_looked_at_by_the_clock(live: bool, every_s: float) -> None:
    bench = Bench(plant=Plant(live=live)).begin()
    await asyncio.sleep(10.0)
    looked = bench.plant.looked
    assert len(looked) == pytest.approx(10.0 / every_s, abs=2)
    gaps = [after - before for before, after in pairwise(looked)]
    assert all(gap == pytest.approx(every_s, abs=0.01) for gap in gaps[1:])
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()
    count = len(looked)
    await asyncio.sleep(3.0)
    assert len(looked) == count, "it is the next session's by now"


async def test_hardware_that_comes_alive_is_looked_at_often_from_that_moment() -> None:
    """Behind a look that was meant for quiet hardware it would be a second later."""
    bench = Bench().begin()
    await asyncio.sleep(1.1)
    bench.plant.live = True
    bench.driver.tell(ev.SetPointChanged(None))
    alive_at = bench.loop.time()
    bench.plant.looked.clear()
    await asyncio.sleep(0.3)
    assert bench.plant.looked[0] - alive_at < 0.06
    assert len(bench.plant.looked) >= 5
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


@pytest.mark.parametrize(("age_s", "looks"), [(0.02, False), (0.03, True), (1.0, True)])
async def test_what_was_measured_a_moment_ago_is_not_measured_by_the_clock(age_s: float, looks: bool) -> None:
    bench = Bench(plant=Plant(live=True)).begin()
    await asyncio.sleep(1.0)
    bench.plant.looked.clear()
    until = bench.loop.time() + 0.5
    while bench.loop.time() < until:
        bench.plant.measured_at = bench.loop.time() - age_s
        await asyncio.sleep(0.001)
    assert bool(bench.plant.looked) is looks
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


async def test_before_an_event_the_hardware_is_measured_but_not_before_an_alarm() -> None:
    bench = Bench(plant=Plant(shows=(ev.PowerMeasured(0.0, 0.0),))).begin()
    bench.script.heard.clear()
    for event in (
        ev.SetPointChanged(None),
        ev.HardwareFault("power", "x"),
        ev.EmergencyShutdown("x"),
        ev.TransportLost(ev.TransportLoss.RESET),
        ev.SignalChanged(ev.SignalState.C),
    ):
        bench.driver.tell(event)
    assert bench.script.events() == [
        "PowerMeasured", "SetPointChanged", "HardwareFault", "EmergencyShutdown", "TransportLost", "SignalChanged",
    ]  # fmt: skip
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


async def test_what_a_port_tells_while_it_is_read_is_not_a_reason_to_read_it_again() -> None:
    bench = Bench().begin()
    bench.script.heard.clear()
    bench.plant.on_look = lambda: bench.driver.tell(ev.ContactorsChanged(False))
    bench.driver.tell(ev.SetPointChanged(None))
    assert bench.script.events() == ["SetPointChanged", "ContactorsChanged"]
    assert len(bench.plant.looked) == 1
    bench.plant.on_look = lambda: None
    bench.driver.tell(ev.SetPointChanged(None))
    assert len(bench.plant.looked) == 2
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()
