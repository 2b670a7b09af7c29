"""Ports that are asked something and do not end: they are asked a few times and not without end, in however
many sessions, and again when one of these calls has ended."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.aio import logs
from iso15118.aio.ports.guard import Port
from iso15118.aio.ports.port_calls import Question
from iso15118.aio.ports.station_hardware import StationHardware
from iso15118.session import actions as act
from tests.aio.parts import Parts
from tests.aio.site import QUICK_PORTS
from tests.aio.test_settling import Ports

LIMIT_S = 0.1


class Meter:
    """Hangs until the test says so; in a thread, as it were, or in a coroutine."""

    def __init__(self, *, thread: bool) -> None:
        self.thread = thread
        self.begun = self.cancelled = 0
        self.over = asyncio.Event()

    async def read(self) -> str:
        self.begun += 1
        until = asyncio.get_running_loop().time() + 30.0
        while not self.over.is_set() and asyncio.get_running_loop().time() < until:
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                self.cancelled += 1
                if self.thread:
                    raise  # and the thread goes on
        return "reading"


class Asked:
    """One session's question to it."""

    def __init__(self, meter: Meter, *, reads: bool, name: str = "meter") -> None:
        self.answers: list[Any] = []
        self.failures: list[str] = []
        self.ended = 0
        self.port = Port(meter, name)
        self.question = Question(
            asyncio.get_running_loop(),
            self.port,
            "read",
            self.answers.append,
            self.failures.append,
            self._ended,
            reads=reads,
        )

    def _ended(self, call: object) -> None:
        self.ended += 1

    async def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.question.ask(self.port.call("read"), LIMIT_S)
            await asyncio.sleep(2 * LIMIT_S)


LATE = "meter.read did not answer within 0.1 s"
REFUSED = "meter.read is not called: earlier calls of it have not ended"


async def test_a_call_that_does_not_care_about_being_cancelled_is_made_three_times_and_no_more() -> None:
    meter = Meter(thread=False)
    asked = Asked(meter, reads=False)
    await asked.ask(6)
    assert meter.begun == 3
    assert asked.failures == [LATE] * 3 + [REFUSED] * 3
    assert [call.overdue for call in asked.question.under_way] == [True] * 3
    asked.question.close()
    later = Asked(meter, reads=False)  # of another session
    await later.ask()
    assert later.failures == [REFUSED]
    meter.over.set()
    await asyncio.sleep(0.01)
    assert asked.ended == 3
    assert not asked.question.under_way
    assert not asked.question.given_up
    await later.ask()
    assert later.answers == ["reading"]
    later.question.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_of_a_reader_the_third_that_is_late_in_a_row_is_waited_for() -> None:
    """Cancelling the others may have left a thread behind each, which nobody sees end."""
    meter = Meter(thread=True)
    asked = Asked(meter, reads=True)
    await asked.ask(6)
    assert (meter.begun, meter.cancelled) == (3, 2)
    assert asked.failures == [LATE] * 3 + [REFUSED] * 3
    asked.question.drop()
    asked.question.close()
    later = Asked(meter, reads=True)
    await later.ask(2)
    assert (meter.begun, meter.cancelled) == (3, 2)
    assert later.failures == [REFUSED] * 2
    meter.over.set()
    await asyncio.sleep(0.01)
    assert asked.answers == []
    await later.ask(2)
    assert later.answers == ["reading"] * 2
    meter.over.clear()
    await later.ask()
    assert meter.cancelled == 3  # they are counted anew
    later.question.close()
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_a_question_is_no_reading_unless_it_says_so() -> None:
    meter = Meter(thread=True)
    port = Port(meter, "terminal")
    question = Question(asyncio.get_running_loop(), port, "read", lambda answer: None, lambda why: None)
    for _ in range(3):
        question.ask(port.call("read"), LIMIT_S)
        await asyncio.sleep(2 * LIMIT_S)
    assert (meter.begun, meter.cancelled) == (3, 3)
    question.close()


async def test_the_meter_of_a_station_is_a_reader() -> None:
    meter = Meter(thread=True)
    ports: Any = Ports()
    parts: Any = Parts(power=ports, contactors=ports, cable_check=ports, authorizer=ports, meter=meter)
    hardware = StationHardware(parts, replace(QUICK_PORTS, meter_s=LIMIT_S), lambda event: None)
    for _ in range(5):
        hardware.do(act.ReadMeter())
        await asyncio.sleep(2 * LIMIT_S)
    assert (meter.begun, meter.cancelled) == (3, 2)
    meter.over.set()
    await asyncio.sleep(0.01)
    hardware.close()


async def test_eight_complaints_about_a_meter_are_said_in_a_session(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        said = 0

        async def read(self) -> object:
            self.said += 1
            raise ValueError(f"register {chr(ord('a') + self.said)}")

    ports: Any = Ports()
    parts: Any = Parts(power=ports, contactors=ports, cable_check=ports, authorizer=ports, meter=Odd())
    hardware = StationHardware(parts, QUICK_PORTS, lambda event: None)
    for _ in range(12):
        hardware.do(act.ReadMeter())
        await asyncio.sleep(0.01)
    logs.flush()
    assert caplog.text.count("no reading of the energy meter") == 8
    hardware.close()


async def test_an_answer_in_between_begins_the_count_anew() -> None:
    meter = Meter(thread=True)
    asked = Asked(meter, reads=True)
    for _ in range(3):
        await asked.ask(2)
        meter.over.set()
        await asked.ask()
        meter.over.clear()
    assert (meter.begun, meter.cancelled) == (9, 6)
    assert asked.answers == ["reading"] * 3
    asked.question.close()
    await asyncio.sleep(0)


async def test_other_ports_and_what_is_wanted_still_do_not_count() -> None:
    """One terminal may serve all connectors of a site."""
    meter, beside = Meter(thread=False), Meter(thread=False)
    several = [Asked(meter, reads=False) for _ in range(6)]
    for one in several:
        one.question.ask(one.port.call("read"), 10.0)
    assert meter.begun == 6
    for one in several:
        one.question.drop()
    await asyncio.sleep(0)
    assert several[0].question.given_up
    other = Asked(beside, reads=False)
    await other.ask()
    assert beside.begun == 1
    meter.over.set()
    beside.over.set()
    for one in (*several, other):
        one.question.close()
    await asyncio.sleep(0.01)


async def test_a_program_that_ends_ends_a_reader_that_is_waited_for() -> None:
    meter = Meter(thread=True)
    asked = Asked(meter, reads=True)
    await asked.ask(3)
    asked.question.close()
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.01)
    assert meter.cancelled == 3
    assert len(asyncio.all_tasks()) == 1


async def test_that_it_is_not_called_is_said_once_until_a_call_of_it_has_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def said() -> int:
        logs.flush()
        return caplog.text.count("meter.read is not called again until an earlier call of it has ended")

    meter = Meter(thread=False)
    asked = Asked(meter, reads=False)
    await asked.ask(3)
    assert said() == 0
    await asked.ask(3)
    assert said() == 1
    meter.over.set()
    await asyncio.sleep(0.01)
    meter.over.clear()
    await asked.ask(3)
    assert said() == 1
    await asked.ask(2)
    assert said() == 2
    meter.over.set()
    await asyncio.sleep(0.01)
    asked.question.close()
    await asyncio.sleep(0)


async def test_a_reader_that_was_cancelled_twice_is_waited_for_though_those_calls_have_ended() -> None:
    """That they were dropped, and ended, shows nothing of a thread behind them."""
    meter = Meter(thread=True)
    asked = Asked(meter, reads=True)
    for dropped in (1, 2):
        asked.question.ask(asked.port.call("read"), LIMIT_S)
        await asyncio.sleep(2 * LIMIT_S)  # late, and cancelled
        assert (meter.begun, meter.cancelled) == (dropped, dropped)
        assert not asked.question.under_way
    asked.question.ask(asked.port.call("read"), LIMIT_S)
    await asyncio.sleep(2 * LIMIT_S)
    assert meter.cancelled == 2, "the third one is waited for"
    meter.over.set()
    await asyncio.sleep(0.01)
    asked.question.close()
    await asyncio.sleep(0)


async def test_any_answer_begins_the_count_anew() -> None:
    meter = Meter(thread=True)
    asked = Asked(meter, reads=True)
    await asked.ask()
    meter.over.set()
    await asked.ask()
    meter.over.clear()
    await asked.ask(2)
    assert (meter.begun, meter.cancelled) == (4, 3), "none of them is the third in a row"
    assert asked.answers == ["reading"]
    asked.question.close()
    await asyncio.sleep(0)
