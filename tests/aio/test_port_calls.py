"""Which call gives way to which: set-points, stops, contactors and readiness, on ports
that are told when to answer."""

from __future__ import annotations

import asyncio
from typing import Any

from iso15118.aio.ports.contactor_calls import ContactorCalls
from iso15118.aio.ports.guard import Port as Guarded
from iso15118.aio.ports.port_calls import PowerCalls, Question, Report, SignalCalls
from iso15118.session.actions import PreCharge, SetPower, Urgency
from iso15118.session.events import ContactorsChanged, Event, HardwareFault

ORDERLY, EMERGENCY = Urgency.ORDERLY, Urgency.EMERGENCY

LATE = "power.set_power did not answer within 0.2 s, PortLimits.power_s: it takes the order and waits for no value"


class Port:
    """Notes every call; each waits to be answered, unless it is among ``quick``."""

    def __init__(self, *quick: str) -> None:
        self.quick = set(quick)
        self.made: list[str] = []
        self.cancelled: list[str] = []
        self.stubborn = False
        self.closed = False
        self.events: list[Event] = []
        self.report = Report(self.events.append, lambda: None, lambda call: False)
        self._waiting: dict[str, list[asyncio.Future[Any]]] = {}

    def answer(self, call: str, value: Any = None) -> None:
        self._waiting[call].pop(0).set_result(value)

    async def _call(self, call: str, *arguments: Any) -> Any:
        self.made.append(" ".join([call, *(str(getattr(a, "name", a)) for a in arguments)]))
        if call in self.quick:
            return None
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(call, []).append(waiting)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            self.cancelled.append(call)
            if not self.stubborn:
                self._waiting[call].remove(waiting)
                raise
            return await waiting

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        await self._call("set_power", current_a)

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        await self._call("pre_charge", voltage_v)

    async def stop(self, urgency: Urgency) -> None:
        await self._call("stop", urgency)

    async def close(self) -> bool:
        result: bool = await self._call("close")
        self.closed = self.closed or result
        return result

    async def open(self, urgency: Urgency, reason: str) -> None:
        await self._call("open", urgency)
        self.closed = False

    async def set_ready(self, ready: bool) -> None:
        await self._call("set_ready", ready)

    def listen(self, listener: Any) -> None:
        raise AssertionError("nobody listens here")

    def power(self) -> PowerCalls:
        return PowerCalls(asyncio.get_running_loop(), Guarded(self, "power"), self.report, 0.2, 0.2)

    def contactors(self) -> ContactorCalls:
        return ContactorCalls(asyncio.get_running_loop(), Guarded(self, "contactors"), self.report, 0.2)

    def signal(self) -> SignalCalls:
        return SignalCalls(asyncio.get_running_loop(), Guarded(self, "signal"), self.report, 0.2)


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def amperes(current_a: float) -> SetPower:
    return SetPower(800.0, current_a, 1e6)


async def test_of_many_set_points_the_newest_is_next() -> None:
    port = Port()
    power = port.power()
    for current in (1.0, 2.0, 3.0):
        power.want(amperes(current))
    assert port.made == ["set_power 1.0"]
    port.answer("set_power")
    await turns()
    assert port.made == ["set_power 1.0", "set_power 3.0"]
    assert not port.cancelled
    power.close()
    await turns()


async def test_a_stop_waits_for_nothing_and_is_said_again_after_what_it_contradicts() -> None:
    port = Port("stop")
    port.stubborn = True
    power = port.power()
    power.want(amperes(1.0))
    await turns()
    power.want(amperes(2.0))
    power.stop(EMERGENCY)
    assert port.made == ["set_power 1.0", "stop EMERGENCY"]
    await turns()
    assert port.cancelled == ["set_power"]
    port.answer("set_power")  # it has been carried out, after the stop
    await turns()
    assert port.made == ["set_power 1.0", "stop EMERGENCY", "stop EMERGENCY"]
    assert not port.events
    power.close()


async def test_a_more_urgent_stop_overtakes_an_orderly_one() -> None:
    port = Port()
    power = port.power()
    power.stop(ORDERLY)
    power.stop(ORDERLY)
    power.stop(EMERGENCY)
    power.stop(ORDERLY)
    assert port.made == ["stop ORDERLY", "stop EMERGENCY"]
    power.close()
    await turns()


async def test_power_comes_back_only_after_the_stop_has_been_answered() -> None:
    port = Port()
    power = port.power()
    power.stop(ORDERLY)
    power.want(amperes(5.0))
    await turns()
    assert port.made == ["stop ORDERLY"]
    port.answer("stop")
    await turns()
    assert port.made == ["stop ORDERLY", "set_power 5.0"]
    power.close()
    await turns()


async def test_a_set_point_does_not_wait_for_pre_charge_to_reach_its_voltage() -> None:
    port = Port()
    power = port.power()
    power.want(PreCharge(800.0, 2.0))
    await turns()
    power.want(amperes(5.0))
    await turns()
    assert port.cancelled == ["pre_charge"]
    assert port.made == ["pre_charge 800.0", "set_power 5.0"]
    assert not port.events
    power.close()
    await turns()


async def test_a_set_point_that_is_late_is_one_fault() -> None:
    port = Port("stop")
    power = port.power()
    power.want(amperes(5.0))
    await asyncio.sleep(0.25)
    assert port.events == [HardwareFault("power", LATE)]
    power.close()


async def test_opening_overtakes_closing_and_is_repeated_if_they_close_after_all() -> None:
    port = Port("open")
    port.stubborn = True
    contactors = port.contactors()
    contactors.close()
    await turns()
    contactors.open(EMERGENCY, "test")
    assert port.made == ["close", "open EMERGENCY"]
    await turns()
    assert port.events == [ContactorsChanged(False)]
    port.answer("close", True)
    await turns()
    assert port.made == ["close", "open EMERGENCY", "open EMERGENCY"]
    assert not port.closed
    assert port.events == [ContactorsChanged(False)] * 2
    contactors.shut_down()


async def test_an_emergency_overtakes_an_opening_that_waits_for_the_current_to_fall() -> None:
    port = Port()
    contactors = port.contactors()
    contactors.open(ORDERLY, "test")
    contactors.open(EMERGENCY, "test")
    assert port.made == ["open ORDERLY", "open EMERGENCY"]
    contactors.shut_down()
    await turns()


async def test_closing_waits_for_an_opening_that_is_under_way() -> None:
    port = Port()
    contactors = port.contactors()
    contactors.open(ORDERLY, "test")
    contactors.close()
    await turns()
    assert port.made == ["open ORDERLY"]
    port.answer("open")
    await turns()
    assert port.made == ["open ORDERLY", "close"]
    port.answer("close", True)
    await turns()
    assert port.events[-1] == ContactorsChanged(True)
    contactors.shut_down()


async def test_the_level_counts_and_not_what_the_call_says() -> None:
    port = Port()
    contactors = port.contactors()
    contactors.close()
    port.answer("close", False)
    port.closed = True
    await turns()
    assert port.events == [ContactorsChanged(True)]
    contactors.shut_down()


async def test_contactors_that_stay_closed_are_told_once() -> None:
    class Welded(Port):
        async def open(self, urgency: Urgency, reason: str) -> None:
            self.made.append("open")

    port = Welded()
    contactors = port.contactors()
    port.closed = True
    assert contactors.changed() == ContactorsChanged(True)
    for _ in range(3):
        contactors.open(EMERGENCY, "test")
    assert len(port.made) == 3
    assert port.events == [ContactorsChanged(True)]
    port.closed = False
    assert contactors.changed() == ContactorsChanged(False)
    assert contactors.changed() is None
    contactors.shut_down()


async def test_taking_readiness_back_waits_for_nothing() -> None:
    port = Port()
    port.stubborn = True
    signal = port.signal()
    signal.set_ready(True)
    await turns()
    signal.set_ready(False)
    assert port.made == ["set_ready True", "set_ready False"]
    await turns()
    for _ in range(2):
        port.answer("set_ready")
    await turns()
    assert port.made == ["set_ready True", "set_ready False", "set_ready False"]
    signal.close()
    await turns()


async def test_a_question_that_was_given_up_does_not_answer_any_more_and_can_be_asked_anew() -> None:
    answers: list[Any] = []
    waiting: list[asyncio.Future[Any]] = []

    async def run() -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        waiting.append(future)
        while True:
            try:
                return await asyncio.shield(future)
            except asyncio.CancelledError:
                if len(waiting) > 1:
                    raise

    question = Question(
        asyncio.get_running_loop(), Guarded(Port(), "check"), "run", answers.append, answers.append
    )
    question.ask(run, 1.0)
    question.ask(run, 1.0)
    assert len(waiting) == 1
    await turns()
    question.drop()
    await turns()
    assert not question.asked
    question.ask(run, 1.0)
    assert len(waiting) == 2
    waiting[0].set_result("old")
    waiting[1].set_result("new")
    await turns()
    assert answers == ["new"]
    question.close()


async def test_opening_cuts_a_closing_short_that_is_under_way() -> None:
    port = Port("open")
    contactors = port.contactors()
    contactors.close()
    await turns()
    contactors.open(EMERGENCY, "test")
    await turns()
    assert port.made[:2] == ["close", "open EMERGENCY"]
    assert port.cancelled == ["close"]
    contactors.shut_down()
    await turns()
