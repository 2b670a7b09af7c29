"""The driver of one session by itself: hardware, session and connection are played, so that each can fail at any step and says what was
asked of it and when."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from iso15118.aio.driver import SessionDriver
from iso15118.aio.link import Ending, StreamEnd
from iso15118.aio.logs import flush
from iso15118.aio.results import SessionResult
from iso15118.channel import Received, Skipped
from iso15118.errors import HardwareError
from iso15118.messages.iso20 import dc
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.v2gtp import PayloadType
from tests.evcc.station import Host
from tests.sample_messages import SETUP

LOOP_RES = Host().response(dc.DCChargeLoopRes)
OFF = act.StopPower(Urgency.EMERGENCY), act.OpenContactors(Urgency.EMERGENCY, "so")
POWER = act.SetPower(800.0, 10.0, 8e3)
DROPPED = Skipped(PayloadType.SAP, 12)
OVER = act.SessionEnded(EndReason.TIMEOUT, "silence")


class Plant:
    """Hardware of which every call is written down."""

    def __init__(self, **changes: Any) -> None:
        self.faults: list[ev.HardwareFault] = []
        self.done: list[Any] = []
        self.looked: list[float] = []
        self.live, self.safe, self.trouble, self.energy = False, True, "", None
        self.measured_at, self.settles_within_s = -100.0, 3.0
        self.shows: Sequence[ev.Event] = ()
        self.settled: Any = True
        self.on_look: Callable[[], None] = lambda: None
        self.fails: dict[type, BaseException] = {}
        self.__dict__.update(changes)

    def start(self) -> Sequence[ev.Event]:
        return ()

    def do(self, action: act.HardwareAction) -> None:
        if (error := self.fails.get(type(action))) is not None:
            raise error
        self.done.append(action)

    def measure(self, now: float) -> Sequence[ev.Event]:
        self.looked.append(now)
        self.on_look()
        return self.shows

    def make_safe(self, reason: str) -> None:
        self.done.append(f"make safe: {reason}")

    async def settle(self) -> bool:
        self.done.append("settle")
        if isinstance(self.settled, BaseException):
            raise self.settled
        return self.settled  # type: ignore[no-any-return]

    async def wind_up(self) -> None:
        self.done.append("wind up")

    def why_unsafe(self) -> str:
        return "" if self.settled is True else "the contactors are closed"

    def close(self) -> None:
        self.done.append("close")


class Script:
    """A session whose answers the test gives; it hears events and timers, with their time."""

    session_id = bytes(8)

    def __init__(self) -> None:
        self.ended: act.SessionEnded | None = None
        self.states: list[str] = ["Connecting"]
        self.state = "Connecting"
        self.deadline: float | None = None
        self.heard: list[tuple[str, float]] = []
        self.answers: Callable[[Any], list[act.Action]] = lambda event: []

    def handle(self, event: ev.Event, now: float) -> list[act.Action]:
        self.heard.append((type(event).__name__, now))
        return self.answers(event)

    def handle_timeout(self, now: float) -> list[act.Action]:
        self.heard.append(("timer", now))
        self.deadline = None
        return self.answers(None)

    def events(self, *, but: str = "Connected") -> list[str]:
        return [name for name, _ in self.heard if name != but]


class Stream:
    """A connection that keeps what it is asked for."""

    secure, tls_info, peer = True, None, "[::1]:1"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def send(self, message: object) -> None:
        self.asked.append(message)

    def select(self, edition: str) -> None:
        self.asked.append(("select", edition))

    def close(self, grace_s: float = 0.0) -> None:
        self.asked.append(("close", grace_s))

    def abort(self) -> None:
        self.asked.append("abort")


class Bench:
    """The three of them, and the driver between."""

    def __init__(self, role: str = "secc", plant: Plant | None = None, **options: Any) -> None:
        self.loop = asyncio.get_running_loop()
        self.plant, self.script, self.stream = plant or Plant(), Script(), Stream()
        self.driver = SessionDriver(role, lambda tell: self.plant, lambda: self.script, **options)

    def begin(self) -> Bench:
        self.driver.stream_ready(self.stream)  # type: ignore[arg-type]
        self.plant.done.clear()
        self.plant.looked.clear()
        return self

    def on(self, kind: type | None, *actions: act.Action, ends: act.SessionEnded | None = None) -> None:
        """What the session answers to an event of this class."""

        def answers(event: Any) -> list[act.Action]:
            if not (event is None if kind is None else type(event) is kind):
                return []
            self.script.ended = ends
            return list(actions)

        self.script.answers = answers

    def receive(self, message: object) -> None:
        self.driver.stream_received(self.stream, Received(message, PayloadType.ISO20_DC, b""))  # type: ignore[arg-type]

    async def result(self) -> SessionResult:
        result = await self.driver.result
        assert result is not None
        return result


# -- a step that fails


@pytest.mark.parametrize("error", [RuntimeError("first"), HardwareError("first")])
async def test_a_step_that_fails_keeps_no_later_one_from_being_taken_that_makes_safe(
    error: Exception,
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
    station.on(ev.StopRequested, act.Send(SETUP), act.Send(LOOP_RES), ends=OVER)
    station.receive(SETUP)
    station.driver.tell(ev.StopRequested("x"))
    vehicle = Bench("evcc").begin()
    vehicle.on(ev.StopRequested, act.Send(SETUP), ends=OVER)
    vehicle.receive(SETUP)
    vehicle.receive(LOOP_RES)
    vehicle.driver.tell(ev.StopRequested("x"))
    for bench in (station, vehicle):
        result = await bench.result()
        assert (result.exchanges, result.charge_loops) == (2, 1)


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
    assert flush()
    assert caplog.text.count(DROPPED.reason) == frames


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
        ev.LinkLost(ev.LinkLoss.RESET),
        ev.SignalChanged(ev.SignalState.C),
    ):
        bench.driver.tell(event)
    assert bench.script.events() == [
        "PowerMeasured", "SetPointChanged", "HardwareFault", "EmergencyShutdown", "LinkLost", "SignalChanged",
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
    bench.on(ev.LinkLost, *OFF, ends=OVER)
    bench.driver.link_lost()
    assert bench.plant.done[:2] == list(OFF)
    assert bench.stream.asked == ["abort"]
    assert bench.driver.settles_within_s == 17.0
    await bench.result()


async def test_a_connection_that_goes_is_told_once() -> None:
    bench = Bench().begin()
    end = StreamEnd(Ending.RESET, "reset")
    bench.driver.stream_ended(bench.stream, end)  # type: ignore[arg-type]
    assert bench.script.events() == ["LinkLost"]
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    bench.driver.stream_ended(bench.stream, end)  # type: ignore[arg-type]
    assert bench.script.events() == ["LinkLost", "StopRequested"]
    assert (await bench.result()).link == end


async def test_abandoned_hardware_is_made_safe_before_anything_else_and_once() -> None:
    bench = Bench().begin()
    bench.on(ev.LinkLost, ends=OVER)
    bench.driver.abandon(EndReason.EMERGENCY, "the program ends")
    bench.driver.abandon(EndReason.EMERGENCY, "again")
    assert bench.plant.done == ["make safe: the program ends"]
    assert bench.script.events() == ["LinkLost"]
    assert bench.stream.asked == [("close", 0.0)]
    result = await bench.result()
    assert result.ended == act.SessionEnded(EndReason.EMERGENCY, "the program ends")
    assert bench.plant.done[1:] == ["settle", "wind up", "close"]


async def test_after_its_result_nothing_is_asked_of_the_hardware() -> None:
    bench = Bench().begin()
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    await bench.result()
    bench.plant.done.clear()
    bench.plant.looked.clear()
    bench.on(ev.MessageReceived, act.Send(SETUP), *OFF, act.CloseLink(2.0), ends=OVER)
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
    assert flush()
    assert ("does not confirm that it is safe" in caplog.text) is (settled is not True)
