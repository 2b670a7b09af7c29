"""Ports that fail at once, or tell an alarm whenever they are called or read: a turn of the event loop ends
all the same, safe calls are made again after a pause, and an alarm is heard once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from iso15118.aio.driver import SessionDriver
from iso15118.aio.ports.safe_calls import SafeCalls
from iso15118.session import actions as act
from iso15118.session import events as ev
from tests.aio.bench import LOOP_RES, OFF, OVER, Bench, Plant, Script, Stream
from tests.aio.test_settling import Ports, now, station, vehicle

ALARM = ev.EmergencyShutdown("auxiliary contact differs")


async def test_a_safe_call_that_fails_at_once_is_asked_for_again_with_pauses() -> None:
    """By who asks again whenever he hears that one is over, as a session does."""
    begun: list[float] = []

    async def fails() -> None:
        begun.append(now())
        raise OSError("the bus is dead")

    def over(complaint: str) -> None:
        calls.ask(fails)

    calls = SafeCalls(asyncio.get_running_loop(), "contactors.open", 0.5, over)
    began = now()
    calls.ask(fails)
    assert len(begun) == 8  # nothing has waited so far
    assert calls.running
    await asyncio.sleep(1.0)
    assert 100 <= len(begun) <= 8 * 21
    assert {round((at - began) / 0.05, 2) for at in begun} == {float(pause) for pause in range(20)}
    calls.close()
    asked = len(begun)
    await asyncio.sleep(1.0)
    assert len(begun) == asked


async def test_what_is_more_urgent_is_not_put_off() -> None:
    made: list[str] = []

    def call(name: str) -> Callable[[], Any]:
        async def answers() -> None:
            made.append(name)

        return answers

    calls = SafeCalls(asyncio.get_running_loop(), "power.stop", 0.5, lambda complaint: None)
    for _ in range(9):
        calls.ask(call("orderly"), 0)
    assert made == ["orderly"] * 8
    calls.ask(call("emergency"), 1)
    assert made[8:] == ["emergency"]
    calls.ask(call("emergency again"), 1)  # the most urgent of those that are put off is made
    calls.ask(call("orderly"), 0)
    assert made[9:] == []
    await asyncio.sleep(0.1)
    assert made[9:] == ["emergency again"]
    calls.close()


async def test_events_that_bring_new_ones_without_end_leave_the_loop_its_turns() -> None:
    bench = Bench().begin()
    told = 0

    def answers(event: Any) -> list[act.Action]:
        nonlocal told
        if isinstance(event, ev.SignalChanged) and told < 1000:
            told += 1
            bench.driver.tell(event)
        return []

    bench.script.answers = answers
    bench.driver.tell(ev.SignalChanged(ev.SignalState.C))
    assert told == 100
    await asyncio.sleep(0.0)
    assert told == 200
    for _ in range(20):
        await asyncio.sleep(0.0)
    assert told == 1000
    bench.driver.abandon(OVER.reason, "enough")
    await bench.result()


async def test_an_alarm_that_waits_to_be_heard_is_not_told_a_second_time() -> None:
    """A port that tells it whenever it is read is read for each event."""
    bench = Bench(plant=Plant()).begin()

    def alarms() -> None:
        for _ in range(3):
            bench.driver.tell(ALARM)

    bench.plant.on_look = alarms
    bench.script.heard.clear()
    bench.receive(LOOP_RES)
    assert bench.script.events() == ["MessageReceived", "EmergencyShutdown"]
    bench.on(ev.EmergencyShutdown, *OFF, ends=OVER)
    bench.receive(LOOP_RES)
    for number in range(100):
        bench.driver.tell(ALARM)
        bench.driver.tell(ev.HardwareFault("door", str(number)))
    assert bench.driver.unheard.count(ALARM) == 1
    assert len(bench.driver.unheard) == 64
    await bench.result()


class Caller(Ports):
    """Tells an alarm whenever its level is read, it is asked to stop or to open; opening fails at once."""

    def __init__(self) -> None:
        self.tell: Callable[[], None] = lambda: None
        self.depth = self.deepest = 0
        super().__init__()

    @property
    def closed(self) -> Any:
        self._alarm()
        return self._closed

    @closed.setter
    def closed(self, value: Any) -> None:
        self._closed = value

    async def open(self, urgency: Any, reason: str) -> None:
        self.made.append("open")
        self._alarm()
        raise OSError("the bus is dead")

    async def stop(self, urgency: Any) -> None:
        self.made.append("stop")
        self._alarm()

    def _alarm(self) -> None:
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)
        self.tell()
        self.depth -= 1


@pytest.mark.parametrize(("role", "make"), [("secc", station), ("evcc", vehicle)])
async def test_ports_that_tell_an_alarm_from_within_their_calls(role: str, make: Any) -> None:
    """Both ends of a driver's life: a session that asks for safety with every alarm, and hardware that is on
    its way there when the session is over."""
    ports, script = Caller(), Script()
    hardware = make(ports)
    driver = SessionDriver(role, lambda tell: _telling(hardware, tell), lambda: script)
    script.answers = lambda event: list(OFF) if isinstance(event, ALARMS) else []
    driver.stream_ready(Stream())  # type: ignore[arg-type]
    ports.tell = lambda: driver.tell(ALARM)
    ports.closed = True
    driver.tell(ALARM)  # as often as it is told from within, this returns
    script.ended = OVER
    for _ in range(50):
        driver.tell(ALARM)
    assert 1 <= ports.opens() <= 9
    began, before = now(), ports.opens()
    result = await driver.result
    assert result is not None
    assert not result.safe
    assert ports.opens() - before <= 8 * (2 + (now() - began) / 0.05)
    assert ports.deepest < 12
    assert driver.unheard == [ALARM]


ALARMS = (ev.EmergencyShutdown, ev.HardwareFault)


def _telling(hardware: Any, tell: Callable[[ev.Event], None]) -> Any:
    hardware._tell = tell
    return hardware
