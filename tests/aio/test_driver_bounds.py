"""How often a session's driver looks, how long its end may take, and how much of a session it keeps."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from iso15118.aio.logs import flush
from iso15118.messages.iso20 import dc
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.coupling_events import PadMeasured, ReceiverMeasured
from tests.aio.bench import LOOP_RES, OVER, Bench, Plant


@pytest.mark.parametrize(("live", "most"), [(False, 5), (True, 100)])
async def test_hardware_is_looked_at_each_second_and_twenty_times_a_second_while_energy_may_flow(
    live: bool, most: int
) -> None:
    """Also where nobody says anything."""
    bench = Bench(plant=Plant(live=live)).begin()
    await asyncio.sleep(5.02)
    assert most - 1 <= len(bench.plant.looked) <= most + 1
    bench.driver.abandon(OVER.reason, "enough")
    await bench.result()


async def test_the_end_has_the_time_of_its_calls_and_of_what_is_wound_up_then() -> None:
    """12 s for a meter and contracts, or what the ports need, and 2 s more for either; without hardware as
    if it had none."""
    bench = Bench(plant=Plant(settles_within_s=3.0))
    assert bench.driver.settles_within_s == 2.0 + 12.0
    bench.begin()
    assert bench.driver.settles_within_s == 3.0 + 2.0 + 12.0
    bench.plant.winds_up_within_s = 10.0
    assert bench.driver.settles_within_s == 3.0 + 2.0 + 12.0
    bench.plant.winds_up_within_s = 20.0
    assert bench.driver.settles_within_s == 3.0 + 2.0 + 20.0 + 2.0
    bench.driver.abandon(OVER.reason, "enough")
    await bench.result()


async def test_a_result_has_the_last_five_messages_each_with_its_time_before_the_end() -> None:
    """Whoever sent them."""
    bench = Bench(role="evcc").begin()
    for _ in range(7):
        bench.receive(LOOP_RES)
        await asyncio.sleep(1.0)
    bench.driver.abandon(OVER.reason, "enough")
    last = (await bench.result()).last_messages
    assert [one.before_s for one in last] == pytest.approx([5.0, 4.0, 3.0, 2.0, 1.0], abs=0.05)
    assert {(one.sender, one.message) for one in last} == {("secc", dc.DCChargeLoopRes.__name__)}


async def test_a_result_has_the_last_64_faults_that_were_told_from_outside() -> None:
    """Each of them once."""
    bench = Bench().begin()
    faults = [ev.HardwareFault("door", str(number)) for number in range(70)]
    for fault in faults:
        bench.driver.tell(fault)
        bench.driver.tell(fault)
    bench.driver.abandon(OVER.reason, "enough")
    assert list((await bench.result()).faults) == faults[-64:]


@pytest.mark.parametrize("reading", [PadMeasured(power_w=5e3), ReceiverMeasured(power_w=5e3)])
async def test_what_flows_without_a_wire_counts_on_either_side(reading: Any) -> None:
    """A station's pad, or a vehicle's coil."""
    bench = Bench(plant=Plant(shows=[reading], live=True)).begin()
    await asyncio.sleep(1.02)
    bench.driver.abandon(OVER.reason, "enough")
    assert (await bench.result()).peak_power_kw == 5.0


async def test_a_timer_that_was_moved_forward_is_no_late_one_at_its_old_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The end of a session would be explained with a loop that did not turn."""
    bench = Bench().begin()
    late: list[float] = []
    monkeypatch.setattr(bench.driver.blocked, "late", lambda seconds, at: late.append(seconds))
    now = asyncio.get_running_loop().time()
    bench.script.deadline = now + 5.0
    bench.receive(LOOP_RES)
    bench.script.deadline = now + 1.0
    bench.receive(LOOP_RES)
    await asyncio.sleep(10.0)
    assert max(late) < 0.5
    assert [name for name, _ in bench.script.heard].count("timer") == 1
    bench.driver.abandon(OVER.reason, "enough")
    await bench.result()


async def test_an_observer_that_answers_with_more_is_told_the_rest_once_in_another_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However often something happens meanwhile; and when all was told, nothing turns any more."""
    answers = [1000]

    def observer(now: float, what: Any) -> None:
        if what == "more" and answers[0]:
            answers[0] -= 1
            bench.driver.audience.note(now, "more")

    bench = Bench(observer=observer).begin()
    driver, turns = bench.driver, list[int]()
    rest = driver._tell_rest

    def told() -> None:
        turns.append(answers[0])
        rest()

    monkeypatch.setattr(driver, "_tell_rest", told)
    driver.audience.note(0.0, "more")
    for _ in range(5):
        driver._tell_audience()
    await asyncio.sleep(0)
    assert len(turns) == 1
    await asyncio.sleep(1.0)
    assert answers == [0]
    assert not driver._tells_later
    count = len(turns)
    await asyncio.sleep(0.5)
    assert len(turns) == count
    driver.abandon(OVER.reason, "enough")
    await bench.result()


async def test_news_alone_are_told_to_the_application_of_a_session_that_nobody_observes() -> None:
    """In the turn in which they arise."""
    news: list[Any] = []
    bench = Bench(news=news.append).begin()
    said = act.PeerDeviates("about", "this")
    bench.on(ev.MessageReceived, said)
    bench.receive(LOOP_RES)
    assert news == [said]
    bench.driver.abandon(OVER.reason, "enough")
    await bench.result()


async def test_the_log_says_how_a_session_ended(caplog: pytest.LogCaptureFixture) -> None:
    """Once, when its hardware is safe; with the reason in words."""
    with caplog.at_level("INFO"):
        bench = Bench().begin()
        bench.driver.abandon(OVER.reason, "enough")
        await bench.result()
        await asyncio.sleep(0)
        assert flush(60.0)
    (line,) = (text for text in caplog.messages if "the session ended" in text)
    assert OVER.reason.name in line
    assert line.endswith(": enough")
