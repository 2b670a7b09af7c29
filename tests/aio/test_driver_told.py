"""What a session's driver tells, and whom: alarms that nobody heard of, messages with their sender, a
listener that answers everything, and a recording on the connection."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.aio.net.ending import Ending, StreamEnd
from iso15118.channel import Received
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, SessionEnded
from iso15118.v2gtp import SIDE_STREAMS, PayloadType
from tests.aio.bench import LOOP_RES, OVER, Bench
from tests.aio.test_audience import Tap
from tests.sample_messages import SETUP

FAULT, OTHER = ev.HardwareFault("power", "bus"), ev.EmergencyShutdown("the button")


async def over(bench: Bench) -> Any:
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("the test is over"))
    return await bench.result()


# -- alarms


async def test_an_alarm_is_unheard_until_a_session_that_runs_has_dealt_with_it() -> None:
    bench = Bench()
    bench.driver.tell(FAULT)
    bench.driver.tell(OTHER)
    assert bench.driver.unheard == [FAULT, OTHER]
    heard: list[Any] = []
    bench.script.answers = lambda event: heard.append((event, bench.driver.unheard)) or []  # type: ignore[func-returns-value]
    bench.begin()
    assert [one for one in heard if one[0] in (FAULT, OTHER)] == [(FAULT, [OTHER]), (OTHER, [])]
    assert bench.driver.unheard == []
    await over(bench)
    bench.driver.tell(OTHER)
    assert bench.driver.unheard == [], "after the result it is the next one's"


async def test_an_alarm_in_a_session_that_has_ended_holds_beyond_it() -> None:
    bench = Bench().begin()
    bench.plant.settling_s = 1.0
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    bench.driver.tell(OTHER)
    assert bench.driver.unheard == [OTHER]
    await bench.result()
    assert bench.driver.unheard == [OTHER]


async def test_a_fault_of_its_own_hardware_is_of_no_interest_beyond_it() -> None:
    bench = Bench().begin()
    bench.plant.settling_s = 1.0
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    bench.driver._take(FAULT)
    assert bench.driver.unheard == []
    result = await bench.result()
    assert result.faults == (FAULT,), "but it stands in the result"


# -- messages


@pytest.mark.parametrize(("role", "other"), [("secc", "evcc"), ("evcc", "secc")])
async def test_the_last_messages_have_their_sender(
    role: str, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        bench = Bench(role).begin()
        bench.on(ev.MessageReceived, act.Send(LOOP_RES))
        bench.receive(SETUP)
        result = await over(bench)
        assert flush(60.0)
    kept = [(one.sender, one.message) for one in result.last_messages]
    assert kept == [(other, type(SETUP).__name__), (role, type(LOOP_RES).__name__)]
    lines = [one.getMessage() for one in caplog.records if one.levelname == "DEBUG"]
    assert any("received SessionSetup" in line for line in lines), lines
    assert any("sent DCChargeLoopRes" in line for line in lines), lines


async def test_a_message_that_stands_beside_the_order_is_told_as_one() -> None:
    bench = Bench().begin()
    told: list[Any] = []
    bench.script.answers = lambda event: told.append(event) or []  # type: ignore[func-returns-value]
    for payload_type in (PayloadType.ISO20_DC, min(SIDE_STREAMS)):
        item = Received(SETUP, payload_type, b"")
        bench.driver.stream_received(bench.stream, item)  # type: ignore[arg-type]
    assert [one.beside for one in told if isinstance(one, ev.MessageReceived)] == [False, True]
    await over(bench)


# -- listeners


async def test_a_listener_that_answers_everything_is_told_all_of_it_in_several_turns() -> None:
    heard: list[float | None] = []

    def observer(now: float, what: Any) -> None:
        if isinstance(what, ev.SetPointChanged):
            heard.append(what.power_w)
            if what.power_w is not None and what.power_w < 50.0:
                bench.driver.tell(ev.SetPointChanged(what.power_w + 1.0))

    bench = Bench(observer=observer).begin()
    bench.driver.tell(ev.SetPointChanged(1.0))
    turns: list[int] = []
    while not turns or turns[-1] < 50:
        turns.append(len(heard))
        await asyncio.sleep(0)
    assert heard == [float(number) for number in range(1, 51)]
    assert turns == sorted(turns)
    assert 2 < len(turns) < 20
    heard.clear()
    bench.driver.tell(ev.SetPointChanged(30.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert heard == [float(number) for number in range(30, 51)], "and again"
    await over(bench)


async def test_the_end_of_the_connection_is_told_at_once_also_after_the_session() -> None:
    seen: list[Any] = []
    bench = Bench(observer=lambda now, what: seen.append(what)).begin()
    bench.plant.settling_s = 5.0
    bench.on(ev.StopRequested, ends=OVER)
    bench.driver.tell(ev.StopRequested("x"))
    end = StreamEnd(Ending.CLOSED)
    bench.driver.stream_ended(bench.stream, end)  # type: ignore[arg-type]
    assert seen[-1] is end
    assert (await bench.result()).link is end


@pytest.mark.parametrize("records", [None, False, True])
async def test_a_session_is_recorded_where_its_connection_is(records: bool | None) -> None:
    bench, tap = Bench(), Tap()
    if records is not None:
        bench.stream.ear = SimpleNamespace(session=tap if records else None)  # type: ignore[assignment]
    bench.begin()
    result = await over(bench)
    assert len(tap.began) == (1 if records else 0)
    assert [one for one, _ in tap.results] == ([result] if records else [])


# -- a loop that turns


async def test_timers_that_fire_in_time_explain_no_end() -> None:
    bench = Bench().begin()
    silent = SessionEnded(EndReason.TIMEOUT, "nothing came")
    bench.on(None, ends=silent)
    bench.script.deadline = asyncio.get_running_loop().time() + 2.0
    bench.driver._after()
    result = await bench.result()
    assert result.ended == silent


async def test_a_loop_that_stood_still_explains_an_end_by_silence() -> None:
    bench = Bench().begin()
    bench.on(None, ends=SessionEnded(EndReason.TIMEOUT, "nothing came"))
    loop: Any = asyncio.get_running_loop()
    bench.script.deadline = loop.time() + 2.0
    bench.driver._after()
    await asyncio.sleep(1.9)
    loop.pass_time(0.6)
    result = await bench.result()
    assert result.ended.cause == "loop-blocked"
    assert "did not turn for 0.5" in result.ended.detail
