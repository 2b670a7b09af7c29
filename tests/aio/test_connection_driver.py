"""The driver of a connection by itself: one timer, one event at a time, what the signalling showed while it
was closed, and what a session sees of a pilot or of CE."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.plug.connector import MEDIUM_CLOSE_S, ConnectionDriver, SessionSignal
from iso15118.aio.ports.outputs import AssertedOutputs
from iso15118.connector.news import Phase, PhaseEntered
from iso15118.errors import HardwareError, LinkError
from iso15118.link.primitives import (
    DLinkTerminate,
    LinkNote,
    LinkReported,
    Pilot,
    PowerOn,
    SetPilot,
    ShowState,
)
from iso15118.link.slac.events import SendFrame
from iso15118.link.spe.signalling import CeChanged, CeState, IdChanged, IdState, SetPhy
from iso15118.session.events import SignalChanged, SignalState
from tests.aio.test_settling import now

REST, SHOWN = SetPilot(Pilot.STEADY), SetPilot(Pilot.FIVE_PERCENT)
A, B, C, F = (SignalChanged(state) for state in (SignalState.A, SignalState.B, SignalState.C, SignalState.F))


class Machine:
    """Answers as the test says, and notes what it is told."""

    resting = (REST,)

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.answers: Callable[[Any], list[Any]] = lambda event: []
        self.deadline: float | None = None
        self.phase = Phase.UNPLUGGED
        self.settings = SimpleNamespace(assert_every=0.0)

    def handle(self, event: Any, at: float) -> list[Any]:
        self.told.append(event)
        return self.answers(event)

    def handle_timeout(self, at: float) -> list[Any]:
        self.told.append(("timeout", at))
        self.deadline = None
        return self.answers(None)


class Wire:
    """Medium and signalling in one."""

    def __init__(self) -> None:
        self.carried: list[Any] = []
        self.shown: list[Any] = []
        self.listeners: list[Any] = []
        self.opened = self.closed = 0
        self.fails: Exception | None = None

    async def open(self, tell: Any) -> None:
        if self.fails is not None:
            raise self.fails
        self.opened += 1

    async def close(self) -> None:
        self.closed += 1

    def carry(self, action: Any) -> None:
        self.carried.append(action)

    def listen(self, listener: Any) -> None:
        self.listeners.append(listener)

    def show(self, action: Any) -> None:
        self.shown.append(action)


class Bench:
    def __init__(self, **how: Any) -> None:
        self.machine, self.wire = Machine(), Wire()
        self.asked: list[Any] = []
        self.settled = 0
        machine: Any = self.machine
        self.driver = ConnectionDriver(
            machine,
            self.wire,
            how.pop("signalling", self.wire),
            self.asked.append,
            settled=self._settled,
            **how,
        )

    def _settled(self) -> None:
        self.settled += 1

    def signal(self, *events: Any) -> None:
        for event in events:
            self.wire.listeners[0](event)

    @property
    def told(self) -> list[Any]:
        return [event for event in self.machine.told if event != PowerOn()]


async def test_actions_go_where_they_belong_and_news_come_last() -> None:
    order: list[Any] = []
    bench = Bench(news=order.append)
    frame = SendFrame(SimpleNamespace())  # type: ignore[arg-type]
    bench.driver._carry_out = order.append
    await bench.driver.open()
    assert bench.machine.told == [PowerOn()]
    bench.wire.shown.clear()
    entered, ours = PhaseEntered(Phase.LINKING), DLinkTerminate()
    bench.machine.answers = lambda event: [entered, frame, SetPhy(True), SHOWN, ours]
    bench.driver.tell(B)
    assert bench.wire.carried == [frame, SetPhy(True)]
    assert bench.wire.shown == [SHOWN]
    assert order == [ours, entered]
    await bench.driver.close()


async def test_what_answers_later_has_carried_nothing(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    await bench.driver.open()
    bench.wire.carry = lambda action: asyncio.get_running_loop().create_future()  # type: ignore[assignment,method-assign]
    bench.machine.answers = lambda event: [SetPhy(True)]
    bench.driver.tell(B)
    assert flush(60.0)
    assert "for which nobody waits" in caplog.text
    await bench.driver.close()


async def test_a_listen_that_answers_later_is_none() -> None:
    wire = Wire()
    wire.listen = lambda listener: asyncio.get_running_loop().create_future()  # type: ignore[assignment,method-assign]
    with pytest.raises(HardwareError, match="for which nobody waits"):
        AssertedOutputs(wire).listen(lambda event: None)


async def test_a_wire_that_is_not_let_go_leaves_nothing_behind() -> None:
    bench = Bench()
    await bench.driver.open()
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.sleep(1000.0)
        finally:
            ended.append("cancelled")

    bench.wire.close = hangs  # type: ignore[method-assign]
    await bench.driver.close()
    await asyncio.sleep(0.01)
    assert ended == ["cancelled"]


async def test_who_hears_news_is_told_again_though_it_failed_once() -> None:
    heard: list[Any] = []

    def news(what: Any) -> None:
        heard.append(what)
        raise ValueError("odd")

    bench = Bench(news=news)
    await bench.driver.open()
    bench.machine.answers = lambda event: [LinkNote("x")]
    bench.driver.tell(B)
    bench.driver.tell(C)
    assert heard == [LinkNote("x")] * 2
    await bench.driver.close()


async def test_what_is_told_meanwhile_waits_its_turn() -> None:
    bench = Bench()
    await bench.driver.open()
    order: list[Any] = []

    def answers(event: Any) -> list[Any]:
        order.append(("begins", event))
        if event is B:
            bench.driver.tell(C)
            bench.driver.tell(F)
        order.append(("ends", event))
        return []

    bench.machine.answers = answers
    settled = bench.settled
    bench.driver.tell(B)
    assert order == [(what, event) for event in (B, C, F) for what in ("begins", "ends")]
    assert bench.settled == settled + 1, "once, when all was dealt with"
    await bench.driver.close()


async def test_there_is_one_timer_and_none_when_it_is_closed() -> None:
    bench = Bench()
    bench.driver.tell(B)
    assert bench.machine.told == [], "it is not open yet"
    bench.machine.settings.assert_every = 1000.0
    await bench.driver.open()
    began = now()
    bench.machine.deadline = began + 5.0
    bench.driver.tell(B)
    bench.machine.deadline = began + 2.0
    bench.driver.tell(C)
    await asyncio.sleep(10.0)
    assert [at for _, at in (one for one in bench.told if isinstance(one, tuple))] == [
        pytest.approx(began + 2.0, abs=0.01)
    ]
    bench.machine.deadline = now() + 1.0
    bench.driver.tell(B)
    timers = bench.driver._timer, bench.driver._asserting
    await bench.driver.close()
    assert [timer is not None and timer.cancelled() for timer in timers] == [True, True]
    told = len(bench.told)
    await asyncio.sleep(10.0)
    bench.driver.tell(C)
    assert len(bench.told) == told


async def test_outputs_are_at_rest_before_it_opens_and_after_it_closes() -> None:
    bench = Bench()
    await bench.driver.open()
    assert bench.wire.shown[0] == REST
    bench.wire.shown.clear()
    await bench.driver.close()
    await bench.driver.close()
    assert bench.wire.shown == [REST, REST]
    assert bench.wire.closed == 2


async def test_a_wire_that_cannot_be_opened_leaves_it_closed() -> None:
    bench = Bench()
    bench.wire.fails = LinkError("no modem")
    with pytest.raises(LinkError, match="no modem"):
        await bench.driver.open()
    bench.driver.tell(B)
    assert bench.machine.told == []
    bench.wire.fails = None
    await bench.driver.open()
    assert bench.machine.told == [PowerOn()]
    await bench.driver.close()
    await bench.driver.open()
    assert len(bench.wire.listeners) == 1, "a port has no way to take a listener back"
    await bench.driver.close()


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        ([C, B], [C, B]),
        ([C, A], [A]),
        ([B, A, B], [A, B]),
        ([A, B, A, C], [A, C]),
        ([CeChanged(CeState.C), CeChanged(CeState.A), CeChanged(CeState.B)], [CeChanged(CeState.A), CeChanged(CeState.B)]),
        ([CeChanged(CeState.C), CeChanged(CeState.E)], [CeChanged(CeState.C), CeChanged(CeState.E)]),
        ([IdChanged(IdState.MATED), IdChanged(IdState.UNMATED)], [IdChanged(IdState.UNMATED)]),
        ([IdChanged(IdState.MATED), IdChanged(IdState.NOT_PRESENT)], [IdChanged(IdState.NOT_PRESENT)]),
        ([IdChanged(IdState.MATED), IdChanged(IdState.INVALID)], [IdChanged(IdState.MATED), IdChanged(IdState.INVALID)]),
    ],
)  # fmt: skip
async def test_what_was_shown_while_it_was_closed_is_told_from_the_last_plug_in_on(
    missed: list[Any], told: list[Any]
) -> None:
    first: list[Any] = []
    bench = Bench(first=first.append)
    await bench.driver.open()
    await bench.driver.close()
    bench.machine.told.clear()
    bench.signal(*missed)
    assert (bench.told, first) == ([], [])
    await bench.driver.open()
    assert bench.told == first == told
    await bench.driver.close()


@pytest.mark.parametrize("phase", [Phase.SESSION, Phase.CLOSING, Phase.UNPLUGGED])
async def test_whoever_leaves_the_link_does_not_wait_for_a_session_that_is_over(phase: Phase) -> None:
    bench = Bench()
    await bench.driver.open()
    bench.machine.phase = phase
    bench.driver.leave()
    twice = [DLinkTerminate()] * (2 if phase is Phase.CLOSING else 1)
    assert bench.told == [*twice, LinkReported(False)]
    await bench.driver.close()


async def test_without_signalling_nothing_is_shown() -> None:
    bench = Bench(signalling=None)
    await bench.driver.open()
    bench.machine.answers = lambda event: [SHOWN]
    bench.driver.tell(B)
    assert (bench.wire.shown, bench.wire.listeners, bench.driver.outputs) == ([], [], None)
    await bench.driver.close()


# -- what a session sees


def test_a_session_is_told_the_state_once_and_what_is_known_when_it_listens() -> None:
    wire, heard, late = Wire(), list[Any](), list[Any]()
    signal = SessionSignal(wire)
    signal.listen(heard.append)
    for event in (B, B, LinkReported(True), C, CeChanged(CeState.A)):
        signal.changed(event)
    assert heard == [B, C]
    signal.listen(late.append)
    assert late == [C]
    signal.changed(F)
    assert (heard[2:], late[1:]) == ([F], [F])


def test_a_session_sees_ce_and_id_as_the_state_of_a_pilot() -> None:
    heard: list[Any] = []
    signal = SessionSignal(Wire())
    signal.listen(heard.append)
    for event in (
        IdChanged(IdState.MATED),
        CeChanged(CeState.B),
        CeChanged(CeState.C),
        IdChanged(IdState.UNMATED),
    ):
        signal.changed(event)
    assert [one.state for one in heard][:2] == [SignalState.B, SignalState.C]
    assert heard[-1].state not in (SignalState.B, SignalState.C)


@pytest.mark.parametrize("own", [False, True])
async def test_readiness_is_shown_and_a_port_of_its_own_is_told(own: bool) -> None:
    wire, told = Wire(), list[bool]()

    async def set_ready(ready: bool) -> None:
        told.append(ready)

    port: Any = SimpleNamespace(set_ready=set_ready) if own else None
    signal = SessionSignal(wire, port)
    for ready in (True, False):
        await signal.set_ready(ready)
    assert wire.shown == [ShowState(SignalState.C), ShowState(SignalState.B)]
    assert told == ([True, False] if own else [])


async def test_a_signalling_that_takes_no_listener_at_first_is_asked_again() -> None:
    bench = Bench()
    listen, bench.wire.listen = bench.wire.listen, _raises  # type: ignore[method-assign]
    with pytest.raises(HardwareError, match=r"^signalling.listen raised OSError: not yet$"):
        await bench.driver.open()
    await bench.driver.close()
    bench.wire.listen = listen  # type: ignore[method-assign]
    await bench.driver.open()
    bench.signal(B)
    assert bench.told == [B]
    await bench.driver.close()
    await bench.driver.open()
    assert len(bench.wire.listeners) == 1
    await bench.driver.close()


def _raises(listener: Any) -> None:
    raise OSError("not yet")


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_medium_that_does_not_return_from_its_close_is_not_waited_for(
    stubborn: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    free = asyncio.get_running_loop().create_future()

    async def close() -> None:
        while True:
            try:
                await asyncio.shield(free)
                return
            except asyncio.CancelledError:
                if not stubborn:
                    raise

    bench.wire.close = close  # type: ignore[method-assign]
    await bench.driver.open()
    began = now()
    await bench.driver.close()
    assert MEDIUM_CLOSE_S <= now() - began < MEDIUM_CLOSE_S + 0.1
    assert flush(60.0)
    assert "medium.close did not return within 5 s" in caplog.text
    free.set_result(None)
    await asyncio.sleep(0.01)


async def test_a_medium_that_raises_when_it_is_closed_is_said(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()

    async def close() -> None:
        raise OSError("no such device")

    bench.wire.close = close  # type: ignore[method-assign]
    await bench.driver.open()
    await bench.driver.close()
    assert flush(60.0)
    assert "medium.close raised OSError: no such device" in caplog.text


async def test_who_closes_and_is_cancelled_takes_the_close_of_the_medium_along() -> None:
    bench = Bench()
    ended: list[str] = []

    async def close() -> None:
        try:
            await asyncio.sleep(50.0)
        finally:
            ended.append("cancelled")

    bench.wire.close = close  # type: ignore[method-assign]
    await bench.driver.open()
    closing = asyncio.get_running_loop().create_task(bench.driver.close())
    await asyncio.sleep(0.01)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    await asyncio.sleep(0.01)
    assert ended == ["cancelled"]


@pytest.mark.parametrize("own", [None, True, False])
async def test_a_readiness_that_is_not_shown_is_not_done_and_a_port_of_its_own_is_told(own: Any) -> None:
    told: list[bool] = []

    async def set_ready(ready: bool) -> Any:
        told.append(ready)
        return own

    wire = Wire()
    outputs = AssertedOutputs(wire)
    signal = SessionSignal(outputs, SimpleNamespace(set_ready=set_ready, listen=None))
    assert await signal.set_ready(True) is own
    wire.show = lambda action: False  # type: ignore[method-assign, assignment]
    with pytest.raises(HardwareError, match=r"signalling.show returned False: it was not done"):
        await signal.set_ready(False)
    assert told == [True, False]


@pytest.mark.filterwarnings("error")
async def test_a_frame_that_the_wire_carries_later_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One whose ``carry`` only seems to be a plain function."""
    bench = Bench()

    async def later() -> None: ...

    bench.wire.carry = lambda action: later()  # type: ignore[method-assign, assignment]
    await bench.driver.open()
    bench.machine.answers = lambda event: [SetPhy(True)]
    bench.driver.tell(B)
    assert flush(60.0)
    assert "SetPhy could not be carried out: medium.carry returned coroutine, for which nobody" in caplog.text
    await bench.driver.close()
