"""The driver of one session before it begins and at its end: what waits for it, what is made safe and said,
and what comes afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.driver import SessionDriver
from iso15118.aio.logs import flush
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.aio.ports.guard import running
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.aio.bench import OFF, OVER, Bench, Plant
from tests.sample_messages import SETUP

# -- before and after


async def test_a_wish_to_end_it_waits_for_the_session_and_other_events_do_not() -> None:
    bench = Bench()
    bench.driver.tell(ev.StopRequested("closing time"))
    bench.driver.tell(ev.SetPointChanged(None))
    bench.begin()
    assert bench.script.events() == ["StopRequested"]
    assert bench.driver.unheard == []
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


async def test_a_connection_that_is_not_ready_yet_is_dropped_with_its_driver() -> None:
    bench = Bench()
    bench.driver.stream = bench.stream  # type: ignore[assignment]
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    assert bench.stream.asked == ["abort"]
    assert await bench.driver.result is None


@pytest.mark.parametrize("kind", [ev.PowerMeasured, ev.InletMeasured])
async def test_what_was_measured_is_summed_up(kind: type) -> None:
    bench = Bench(plant=Plant(live=True, shows=(kind(800.0, 10.0),))).begin()
    await asyncio.sleep(10.0)
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    result = await bench.result()
    assert (result.peak_current_a, result.peak_power_kw, result.maximum_voltage_v) == (10.0, 8.0, 800.0)
    assert result.transfer_seconds == pytest.approx(10.0, abs=0.1)


@pytest.mark.parametrize("connected", [False, True])
async def test_a_driver_without_hardware_has_no_result(connected: bool) -> None:
    def none(tell: object) -> Any:
        raise RuntimeError("taken")

    bench = Bench()
    driver = SessionDriver("secc", none, lambda: bench.script)
    if connected:
        driver.stream_ready(bench.stream)  # type: ignore[arg-type]
    else:
        driver.abandon(EndReason.EMERGENCY, "enough")
    assert await driver.result is None
    assert ("abort" in bench.stream.asked) is connected
    assert driver.settles_within_s == 14.0
    driver.link_lost()


async def test_a_lost_link_is_told_and_the_connection_dropped() -> None:
    bench = Bench().begin()
    bench.on(ev.TransportLost, *OFF, ends=OVER)
    bench.driver.link_lost()
    assert bench.plant.done[:2] == list(OFF)
    assert bench.stream.asked == ["abort"]
    assert bench.driver.settles_within_s == 17.0
    await bench.result()


async def test_a_connection_that_goes_is_told_once() -> None:
    bench = Bench().begin()
    end = StreamEnd(Ending.RESET, "reset")
    bench.driver.stream_ended(bench.stream, end)  # type: ignore[arg-type]
    assert bench.script.events() == ["TransportLost"]
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    bench.driver.stream_ended(bench.stream, end)  # type: ignore[arg-type]
    assert bench.script.events() == ["TransportLost", "StopRequested"]
    assert (await bench.result()).link == end


async def test_abandoned_hardware_is_made_safe_before_anything_else_and_once() -> None:
    bench = Bench().begin()
    bench.on(ev.TransportLost, ends=OVER)
    bench.driver.abandon(EndReason.EMERGENCY, "the program ends")
    bench.driver.abandon(EndReason.EMERGENCY, "again")
    assert bench.plant.done == ["make safe: the program ends"]
    assert bench.script.events() == ["TransportLost"]
    assert bench.stream.asked == [("close", 0.0)]
    result = await bench.result()
    assert result.ended == act.SessionEnded(EndReason.EMERGENCY, "the program ends", cause="program-ended")
    assert bench.plant.done[1:] == ["settle", "wind up", "close"]
    await asyncio.sleep(1.0)
    assert bench.plant.done[1:] == ["settle", "wind up", "close"], "once is the end"


async def test_after_its_result_nothing_is_asked_of_the_hardware() -> None:
    bench = Bench().begin()
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    await bench.result()
    bench.plant.done.clear()
    bench.plant.looked.clear()
    bench.on(ev.MessageReceived, act.Send(SETUP), *OFF, act.CloseTransport(2.0), ends=OVER)
    bench.receive(SETUP)
    assert bench.plant.done == bench.plant.looked == []
    assert bench.stream.asked[-2:] == [SETUP, ("close", 2.0)]
    bench.plant.fails[act.SetPower] = RuntimeError()
    bench.on(ev.MessageReceived, act.UseSchema("iso20-dc"), ends=OVER)
    bench.receive(SETUP)
    assert bench.stream.asked[-1] == ("select", "iso20-dc")


@pytest.mark.parametrize(
    ("settled", "because"),
    [(True, ""), (False, "the contactors are closed"), (RuntimeError("x"), "its end failed")],
)
async def test_what_the_end_says_of_the_hardware(
    settled: Any, because: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(plant=Plant(settled=settled)).begin()
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    assert bench.driver.over
    assert not bench.driver.result.done()
    result = await bench.result()
    assert bench.driver.over
    assert result.safe is (settled is True)
    assert bench.driver.unsafe_because == because
    assert bench.plant.done[-1] == "close"
    assert flush(60.0)
    assert (f"does not confirm that it is safe: {because}\n" in caplog.text) is (settled is not True)


async def test_an_end_that_is_cancelled_goes_on_until_the_hardware_is_safe_and_waits_for_nothing_else() -> (
    None
):
    bench = Bench(plant=Plant(settling_s=2.0, winding_s=5.0)).begin()
    bench.on(ev.StopRequested, ends=OVER)
    began = bench.loop.time()
    bench.driver.tell(ev.StopRequested("x"))
    await asyncio.sleep(1.5)
    assert bench.driver._finisher is not None
    bench.driver._finisher.cancel()
    await asyncio.sleep(2.5)
    assert bench.plant.done == ["settle", "settle", "wind up"]
    bench.driver._finisher.cancel()
    result = await bench.result()
    assert result.safe
    assert bench.loop.time() - began == pytest.approx(4.0, abs=0.1)
    assert bench.plant.done == ["settle", "settle", "wind up", "close"]


async def test_a_result_that_cannot_be_computed_still_says_why_it_ended() -> None:
    class Fails(Plant):
        @property
        def energy(self) -> Any:
            raise RuntimeError("meter")

        @energy.setter
        def energy(self, energy: Any) -> None:
            pass

    bench = Bench(plant=Fails()).begin()
    bench.on(ev.TransportLost, ends=OVER)
    bench.driver.abandon(EndReason.EMERGENCY, "the program ends")
    result = await bench.result()
    assert result.ended == act.SessionEnded(EndReason.EMERGENCY, "the program ends", cause="program-ended")
    assert result.safe


async def test_after_the_end_no_timer_fires() -> None:
    bench = Bench().begin()
    bench.script.deadline = bench.loop.time() + 5.0
    bench.driver.tell(ev.SetPointChanged(None))
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    await bench.result()
    await asyncio.sleep(10.0)
    assert "timer" not in bench.script.events()


async def test_what_a_port_tells_while_the_hardware_is_taken_waits_for_the_session() -> None:
    bench = Bench()

    def take(tell: Callable[[ev.Event], None]) -> Any:
        bench.driver.hardware = bench.plant
        tell(ev.ContactorsChanged(False))
        return bench.plant

    bench.driver._take_hardware = take
    bench.begin()
    assert [name for name, _ in bench.script.heard] == ["Connected", "ContactorsChanged"]
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


async def test_what_a_port_tells_while_it_is_read_by_the_clock_comes_after_the_reading() -> None:
    bench = Bench(plant=Plant(shows=(ev.PowerMeasured(0.0, 0.0),))).begin()
    bench.script.heard.clear()
    begun = time.perf_counter()
    bench.plant.on_look = lambda: bench.driver.tell(ev.ContactorsChanged(False))
    await asyncio.sleep(1.1)
    assert bench.script.events()[:2] == ["PowerMeasured", "ContactorsChanged"]
    assert running.longest(begun)[1] < 60.0, "what a reading takes is not when it was"
    bench.driver.abandon(EndReason.EMERGENCY, "enough")
    await bench.result()


async def test_a_result_says_whose_session_it_was() -> None:
    bench = Bench(plant=Plant(energy=(350.0, 20.0))).begin()
    bench.script.states.append("SessionSetup")
    bench.on(ev.StopRequested, ends=act.SessionEnded(EndReason.PAUSED, ""))
    ticket = bench.script.ticket = object()
    bench.driver.tell(ev.StopRequested("x"))
    result = await bench.result()
    assert result.states == ("Connecting", "SessionSetup")
    assert (result.peer, result.charged_wh, result.discharged_wh) == ("[::1]:1", 350.0, 20.0)
    assert result.contracts_installed == 0
    assert result.ticket is ticket
    for settled, reason in ((False, EndReason.PAUSED), (True, EndReason.STOPPED_BY_EV)):
        bench = Bench(plant=Plant(settled=settled)).begin()
        bench.script.ticket = ticket
        bench.on(ev.StopRequested, ends=act.SessionEnded(reason, ""))
        bench.driver.tell(ev.StopRequested("x"))
        assert (await bench.result()).ticket is None


# -- an alarm that comes late

LATE = "make safe: an alarm when the session was over"
ALARM = ev.EmergencyShutdown("button")


@pytest.mark.parametrize(
    ("event", "safe", "asked"),
    [
        (ALARM, False, True),
        (ALARM, True, True),
        (ev.HardwareFault("cooling", "leak"), False, True),
        (ev.SignalChanged(ev.SignalState.A), False, True),
        (ev.SignalChanged(ev.SignalState.E), False, True),
        (ev.SignalChanged(ev.SignalState.F), False, True),
        (ev.SignalChanged(ev.SignalState.A), True, False),
        (ev.SignalChanged(ev.SignalState.B), False, False),
        (ev.StopRequested("x"), False, False),
    ],
    ids=str,
)
async def test_an_alarm_reaches_hardware_that_an_orderly_end_is_still_making_safe(
    event: ev.Event, safe: bool, asked: bool
) -> None:
    """It was told to the service only, which serves nobody then; the ramp went on."""
    bench = Bench(plant=Plant(settling_s=1.0, safe=safe)).begin()
    bench.driver.heed(event)
    assert LATE not in bench.plant.done, "a session that runs hears it itself"
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    await asyncio.sleep(0.1)
    bench.driver.heed(event)
    assert (LATE in bench.plant.done) is asked
    bench.plant.done.clear()
    bench.driver.tell(event)
    assert (LATE in bench.plant.done) is asked
    assert (event in bench.driver.unheard) is isinstance(event, ev.HardwareFault | ev.EmergencyShutdown)
    await bench.result()
    bench.plant.done.clear()
    bench.driver.heed(event)
    assert bench.plant.done == [], "it is the next session's"


async def test_what_a_port_tells_while_it_is_made_safe_for_a_late_alarm_asks_nobody_again() -> None:
    bench = Bench(plant=Plant(settling_s=1.0, safe=False)).begin()
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    await asyncio.sleep(0.1)
    asked: list[str] = []

    def make_safe(reason: str) -> None:
        asked.append(reason)
        bench.driver.tell(ev.HardwareFault("contactors", f"slow, {len(asked)}"))

    bench.plant.make_safe = make_safe  # type: ignore[method-assign]
    bench.driver.heed(ALARM)
    assert len(asked) == 1
    assert bench.driver.unheard == [ev.HardwareFault("contactors", "slow, 1")], "it is not lost"
    bench.driver.heed(ALARM)
    assert len(asked) == 2, "the next alarm is heeded"
    await bench.result()
