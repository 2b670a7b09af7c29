"""Ports on which several calls meet: what is said again and when, what waits for what, how long a call may
still have an effect, and which complaints are told once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.ports import answers
from iso15118.aio.ports.by_signature import run_cable_check
from iso15118.aio.ports.calls import Call
from iso15118.aio.ports.contactor_calls import ContactorCalls
from iso15118.aio.ports.guard import Port as Guarded
from iso15118.aio.ports.port_calls import Echo
from iso15118.session.actions import PreCharge, StartCableCheck
from iso15118.session.events import ContactorsChanged, HardwareFault
from tests.aio.test_port_calls import EMERGENCY, ORDERLY, Port, amperes, turns

SOON = 0.01


def cut_short(limit_s: float) -> Call:
    """A call that began now."""
    call = Call("x", lambda: None, limit_s, lambda call: None, lambda call: None)
    call.began = asyncio.get_running_loop().time()
    return call


async def test_the_safe_call_is_made_once_more_when_the_last_one_that_was_cut_short_has_had_its_time() -> (
    None
):
    said: list[float] = []
    loop = asyncio.get_running_loop()
    began = loop.time()
    echo = Echo(loop, lambda: said.append(loop.time() - began))
    assert (echo.pending, echo.due_in) == (False, 0.0)
    for limit_s, due_in in ((0.5, 0.5), (0.2, 0.5), (0.8, 0.8)):
        echo.after(cut_short(limit_s))
        assert echo.pending
        assert echo.due_in == pytest.approx(due_in, abs=SOON)
    await asyncio.sleep(2.0)
    assert said == [pytest.approx(0.8, abs=SOON)]
    assert not echo.pending
    echo.after(cut_short(9.0), most_s=0.3)
    assert echo.due_in == pytest.approx(0.3, abs=SOON)
    echo.close()
    assert (echo.pending, echo.due_in) == (False, 0.0)
    await asyncio.sleep(10.0)
    assert len(said) == 1


async def test_how_long_a_call_that_energises_may_still_have_an_effect() -> None:
    port = Port("stop", "open")
    power, signal, contactors = port.power(), port.signal(), port.contactors()
    assert (power.open_s, signal.open_s, contactors.open_s) == (None, None, None)
    power.want(amperes(1.0))
    signal.set_ready(True)
    contactors.close()
    await turns()
    assert (power.open_s, signal.open_s, contactors.open_s) == (0.0, 0.0, 0.0)
    power.stop(EMERGENCY)
    signal.set_ready(False)
    contactors.open(EMERGENCY, "test")
    await turns()
    assert port.cancelled == ["set_power", "set_ready", "close"]
    for open_s in (power.open_s, signal.open_s, contactors.open_s):
        assert open_s == pytest.approx(0.2, abs=SOON)
    await asyncio.sleep(0.5)
    assert (power.open_s, contactors.open_s) == (None, None)
    # At once, when the call had ended, and when its time was over.
    safe = ("stop EMERGENCY", "set_ready False", "open EMERGENCY")
    assert [port.made.count(one) for one in safe] == [3, 3, 3]
    for one in (power.close, signal.close, contactors.shut_down):
        one()
    await turns()


# -- power


async def test_a_stop_is_said_again_though_the_first_has_not_been_answered() -> None:
    port = Port()
    port.stubborn = True
    power = port.power()
    power.want(amperes(1.0))
    await turns()
    power.stop(EMERGENCY)
    await turns()
    port.answer("set_power")  # it may have done its work after the stop began
    await turns()
    assert port.made == ["set_power 1.0", "stop EMERGENCY", "stop EMERGENCY"]
    power.close()
    await turns()


async def test_a_new_set_point_waits_for_the_stop_and_for_the_old_one() -> None:
    port = Port()
    port.stubborn = True
    power = port.power()
    power.want(amperes(1.0))
    await turns()
    power.stop(ORDERLY)
    power.want(amperes(2.0))
    await turns()
    port.answer("set_power")
    await turns()
    assert port.made == ["set_power 1.0", "stop ORDERLY"]
    port.answer("stop")
    await turns()
    assert port.made == ["set_power 1.0", "stop ORDERLY", "set_power 2.0"]
    power.stop(ORDERLY)
    power.want(amperes(3.0))
    await turns()
    port.answer("stop")
    await turns()
    assert port.made[3:] == ["stop ORDERLY"], "the set-point before it has not ended"
    port.answer("set_power")
    await turns()
    assert port.made[3:] == ["stop ORDERLY", "set_power 3.0"]
    power.close()
    await turns()


async def test_pre_charge_that_follows_a_set_point_waits_for_it() -> None:
    port = Port()
    power = port.power()
    power.want(PreCharge(800.0, 2.0))
    await turns()
    port.answer("pre_charge")
    await turns()
    power.want(amperes(5.0))
    await turns()
    power.want(amperes(6.0))
    await turns()
    assert port.cancelled == []
    power.close()
    await turns()


# -- complaints


class Raises(Port):
    """Every call fails at once."""

    async def _call(self, call: str, *arguments: Any) -> Any:
        self.made.append(call)
        raise ValueError(call)


async def test_a_call_that_raises_is_one_fault_and_so_is_one_that_is_late() -> None:
    for port, words in ((Raises(), "raised ValueError"), (Port(), "did not answer within 0.2 s")):
        power, signal, contactors = port.power(), port.signal(), port.contactors()
        power.want(amperes(1.0))
        signal.set_ready(True)
        contactors.close()
        await asyncio.sleep(1.0)
        faults = [event for event in port.events if isinstance(event, HardwareFault)]
        assert sorted(fault.port for fault in faults) == ["contactors", "power", "signal"]
        assert all(words in fault.reason for fault in faults)
        assert len(port.events) == 3
        for one in (power.close, signal.close, contactors.shut_down):
            one()
        await turns()


async def test_a_call_that_was_cut_short_is_no_fault_when_it_ends_late() -> None:
    port = Port("stop", "open")
    port.stubborn = True
    power, signal, contactors = port.power(), port.signal(), port.contactors()
    power.want(amperes(1.0))
    signal.set_ready(True)
    contactors.close()
    await turns()
    power.stop(EMERGENCY)
    contactors.open(EMERGENCY, "test")
    signal.set_ready(False)
    await asyncio.sleep(0.15)
    port.answer("set_ready")
    port.answer("set_ready")
    await asyncio.sleep(1.0)
    assert [
        event for event in port.events if isinstance(event, HardwareFault) and event.port != "signal"
    ] == []
    for one in (power.close, signal.close, contactors.shut_down):
        one()
    await turns()


async def test_what_is_said_once_a_process_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_graced", set())
    for _ in range(3):
        answers.meant_yes("contactors.close", "True")
    answers.meant_yes("contactors.open", "True")
    assert flush(60.0)
    assert [record.message.split(" ", 1)[0] for record in caplog.records] == [
        "contactors.close",
        "contactors.open",
    ]


class Older:
    """How a port's cable check may be written, and what it was called with."""

    def __init__(self) -> None:
        self.called: list[tuple[float, ...]] = []

    async def both(self, voltage_v: float, ohm: float) -> bool:
        self.called.append((voltage_v, ohm))
        return True

    async def voltage(self, voltage_v: float) -> bool:
        self.called.append((voltage_v,))
        return True


@pytest.mark.parametrize(("kind", "called"), [("both", (500.0, 125e3)), ("voltage", (500.0,))])
async def test_a_cable_check_of_an_older_kind_is_called_without_the_threshold(
    kind: str, called: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_graced", set())
    older = Older()
    port = Guarded(SimpleNamespace(run=getattr(older, kind)), "cable_check")
    assert await run_cable_check(port, StartCableCheck(500.0, 10.0, 125e3)) is True
    assert older.called == [called]


def test_a_cable_check_that_does_not_say_what_it_takes_is_called_with_both() -> None:
    assert (
        run_cable_check(Guarded(SimpleNamespace(run=max), "cable_check"), StartCableCheck(500.0, 1.0, 125e3))
        == 125e3
    )


# -- readiness


async def test_readiness_that_was_taken_back_does_not_come_back_by_itself() -> None:
    port = Port("set_ready")
    signal = port.signal()
    signal.set_ready(True)
    signal.set_ready(False)
    await asyncio.sleep(1.0)
    assert port.made == ["set_ready True", "set_ready False"]
    signal.set_ready(True)
    await turns()
    assert port.made[2:] == ["set_ready True"]
    signal.close()
    await turns()


async def test_readiness_waits_for_its_withdrawal() -> None:
    port = Port()
    signal = port.signal()
    signal.set_ready(False)
    signal.set_ready(True)
    await turns()
    assert port.made == ["set_ready False"]
    port.answer("set_ready")
    await turns()
    assert port.made == ["set_ready False", "set_ready True"]
    signal.close()
    await turns()


# -- contactors


async def test_an_opening_is_said_again_though_the_first_has_not_been_answered() -> None:
    port = Port()
    port.stubborn = True
    contactors = port.contactors()
    contactors.close()
    await turns()
    contactors.open(EMERGENCY, "test")
    await turns()
    port.answer("close", True)
    await turns()
    assert port.made == ["close", "open EMERGENCY", "open EMERGENCY"]
    contactors.shut_down()
    await turns()


async def test_closing_again_waits_for_the_opening_between() -> None:
    port = Port()
    contactors = port.contactors()
    contactors.close()
    await turns()
    contactors.open(ORDERLY, "test")
    contactors.close()
    await turns()
    assert port.cancelled == ["close"]
    assert port.made == ["close", "open ORDERLY"]
    port.answer("open")
    await turns()
    assert port.made == ["close", "open ORDERLY", "close"]
    assert port.events == [], "the opening is not the last word"
    port.answer("close", True)
    await turns()
    assert port.events == [ContactorsChanged(True)]
    contactors.shut_down()


async def test_a_level_that_cannot_be_read_is_no_news_but_one_fault() -> None:
    class Blind(Port):
        @property
        def closed(self) -> bool:
            raise OSError("bus")

        @closed.setter
        def closed(self, closed: bool) -> None:
            pass

        async def close(self) -> bool:
            return bool(await self._call("close"))

    port = Blind()
    contactors = port.contactors()
    contactors.close()
    port.answer("close", True)
    await turns()
    for _ in range(3):
        assert contactors.changed() is None
    assert port.events == [HardwareFault("contactors", "contactors.closed raised OSError: bus")]
    contactors.shut_down()
    await turns()


def bouncing(port: Port, feedback_s: float = 0.0) -> ContactorCalls:
    loop = asyncio.get_running_loop()
    return ContactorCalls(loop, Guarded(port, "contactors"), port.report, 0.2, feedback_s, 0.1)


async def test_a_level_that_nobody_asked_for_has_to_last() -> None:
    port = Port("open")
    contactors = bouncing(port)
    port.closed = True
    assert contactors.changed() is None
    await asyncio.sleep(0.05)
    port.closed = False
    assert contactors.changed() is None
    port.closed = True
    assert contactors.changed() is None, "it begins anew"
    await asyncio.sleep(0.08)
    assert contactors.changed() is None
    await asyncio.sleep(0.03)
    assert contactors.changed() == ContactorsChanged(True)
    contactors.shut_down()
    contactors = bouncing(port)
    assert contactors.changed(begins=True) == ContactorsChanged(True), "a session begins with it"
    port.closed = False
    assert contactors.changed() == ContactorsChanged(False), "that was the last word"
    contactors.shut_down()
    await turns()


class Slow(Port):
    """Opening is answered at once; the feedback says so when the test does."""

    async def open(self, urgency: Any, reason: str) -> None:
        self.made.append("open")


@pytest.mark.parametrize("opens", [False, True])
async def test_feedback_has_its_time(opens: bool) -> None:
    port = Slow()
    contactors = bouncing(port, 0.5)
    port.closed = True
    assert contactors.changed(begins=True) == ContactorsChanged(True)
    contactors.open(EMERGENCY, "test")
    await asyncio.sleep(0.45)
    assert not contactors.stuck
    assert port.events == []
    port.closed = not opens
    await asyncio.sleep(0.1)
    assert contactors.stuck is not opens
    assert port.events == ([] if opens else [ContactorsChanged(True)])
    port.closed = False
    assert contactors.changed() == ContactorsChanged(False)
    assert not contactors.stuck
    contactors.shut_down()
    await turns()


async def test_contactors_that_bounce_when_their_feedback_has_come_are_not_stuck() -> None:
    port = Slow()
    contactors = bouncing(port, 0.5)
    port.closed = True
    assert contactors.changed(begins=True) == ContactorsChanged(True)
    contactors.open(EMERGENCY, "test")
    await asyncio.sleep(0.3)
    port.closed = False
    assert contactors.changed() == ContactorsChanged(False)
    port.closed = True
    await asyncio.sleep(0.3)
    assert not contactors.stuck
    assert port.events == []
    contactors.shut_down()
    await turns()


@pytest.mark.parametrize(("result", "warns"), [(True, False), (False, False), (None, True)])
async def test_a_closing_that_says_nothing_is_taken_for_a_yes(
    result: Any, warns: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "_graced", set())
    port = Port()
    contactors = port.contactors()
    contactors.close()
    port.answer("close", result)
    await turns()
    assert flush(60.0)
    assert ("contactors.close returned None" in caplog.text) is warns
    reasons = [event.reason for event in port.events if isinstance(event, HardwareFault)]
    assert not any("contactors.close " in reason for reason in reasons)
    contactors.shut_down()
    await turns()


async def test_for_how_long_contactors_are_closed_against_the_last_word() -> None:
    """Since the first word of several, or since they closed by themselves if that was later."""
    port = Port()
    contactors = port.contactors()
    told: list[float] = []

    async def after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        told.append(round(contactors.told_to_open_s, 1))

    await after(10.0)  # nobody has asked for anything, and they are open
    port.closed = True
    contactors._know(True)  # they closed by themselves
    await after(1.0)
    contactors._know(True)
    await after(1.0)
    contactors.open(EMERGENCY, "test")
    contactors.open(EMERGENCY, "again")
    await after(1.0)
    contactors._know(False)
    await after(1.0)
    contactors._know(True)
    await after(1.0)
    assert told == [0.0, 1.0, 2.0, 3.0, 0.0, 1.0]
    told.clear()
    contactors.close()
    await after(1.0)
    contactors.open(EMERGENCY, "test")
    await after(1.0)
    contactors.open(EMERGENCY, "again")
    await after(1.0)
    assert told == [0.0, 1.0, 2.0]
    contactors.shut_down()
    await turns()
