"""Insulations and second voltages with a time of another clock: a level that is dangerous is not lost."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.told_times import ToldTimes
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.aio.site import site
from tests.aio.test_settling import now

GOOD_OHM, POOR_OHM = 5e6, 9e4
NOW = 10_000.0


def insulation(ohm: float, at: float | None, to_earth_v: float | None = None) -> ev.InsulationMeasured:
    return ev.InsulationMeasured(ohm, to_earth_v, at)


def fault(port: str, what: str) -> ev.HardwareFault:
    return ev.HardwareFault(port, f"{what}: the time is of another clock than loop.time()")


@pytest.mark.parametrize(
    ("first", "second", "back"),
    [
        (insulation(GOOD_OHM, None), insulation(POOR_OHM, 1.0), "InsulationMeasured.at is 9999.0 s older"),
        (insulation(GOOD_OHM, 100.0), insulation(POOR_OHM, 1.0), "InsulationMeasured.at is 99.0 s older"),
        (insulation(GOOD_OHM, 2 * NOW), insulation(POOR_OHM, 1.0), "InsulationMeasured.at is 9999.0 s older"),
        (insulation(GOOD_OHM, NOW), insulation(GOOD_OHM, NOW - 5.1), "InsulationMeasured.at is 5.1 s older"),
        (
            ev.SecondVoltageMeasured(400.0, NOW),
            ev.SecondVoltageMeasured(500.0, NOW - 5.1),
            "SecondVoltageMeasured.at is 5.1 s older",
        ),
    ],
)
def test_a_time_far_behind_that_of_the_one_before_is_a_fault(first: Any, second: Any, back: str) -> None:
    times = ToldTimes()
    assert times.judged(first, NOW) is first
    port = "insulation" if isinstance(second, ev.InsulationMeasured) else "second voltage"
    found = times.judged(second, NOW)
    assert found == fault(port, f"{back} than the one before")
    assert times.judged(second, NOW + 1.0) is found, "one fault, however often"


def test_a_second_voltage_that_is_old_is_a_fault() -> None:
    """It is compared with a young reading only: another clock's time would switch its rule off."""
    times = ToldTimes()
    young, old = ev.SecondVoltageMeasured(400.0, NOW - 60.0), ev.SecondVoltageMeasured(400.0, 12.0)
    assert times.judged(young, NOW) is young
    a_little_older = ev.SecondVoltageMeasured(400.0, NOW - 60.5)
    assert isinstance(ToldTimes().judged(a_little_older, NOW), ev.HardwareFault)
    assert ToldTimes().judged(old, NOW) == fault("second voltage", "SecondVoltageMeasured.at is 9988.0 s old")


def test_an_insulation_may_have_been_measured_long_ago() -> None:
    """It holds until another one is told, and a program may tell the last one when a session begins."""
    old = insulation(GOOD_OHM, NOW - 3600.0)
    assert ToldTimes().judged(old, NOW) is old


@pytest.mark.parametrize(
    ("told", "counts_now"),
    [
        (insulation(POOR_OHM, NOW - 5.0), True),
        (insulation(GOOD_OHM, NOW - 5.0, 300.0), True),
        (insulation(GOOD_OHM, NOW - 5.0, 200.0), False),
        (insulation(2 * GOOD_OHM, NOW - 5.0), False),
    ],
)
def test_one_that_is_worse_and_a_little_older_counts_as_measured_now(
    told: ev.InsulationMeasured, counts_now: bool
) -> None:
    times = ToldTimes()
    times.judged(insulation(GOOD_OHM, NOW, 200.0), NOW)
    expected = insulation(told.resistance_ohm, None, told.to_earth_v) if counts_now else told
    assert times.judged(told, NOW) == expected
    if counts_now:
        later = insulation(GOOD_OHM, NOW + 1.0)
        assert times.judged(later, NOW + 1.0) is later


@pytest.mark.parametrize(("before_v", "told_v", "counts_now"), [(None, 0.5, True), (0.5, None, False)])
def test_a_voltage_to_earth_that_nobody_measures_is_none(
    before_v: float | None, told_v: float | None, counts_now: bool
) -> None:
    times = ToldTimes()
    times.judged(insulation(GOOD_OHM, NOW, before_v), NOW)
    found = times.judged(insulation(GOOD_OHM, NOW - 1.0, told_v), NOW)
    assert isinstance(found, ev.InsulationMeasured)
    assert (found.at is None) is counts_now


def test_what_has_no_time_to_judge_passes() -> None:
    times = ToldTimes()
    for event in (ev.StopRequested("x"), ev.PowerMeasured(400.0, 1.0, at=1.0), insulation(GOOD_OHM, None)):
        assert times.judged(event, NOW) is event


async def test_a_monitor_that_begins_its_clock_anew_ends_the_session_by_name() -> None:
    loops = 0

    def monitor(_at: float, what: Any) -> None:
        nonlocal loops
        if type(getattr(what, "message", None)).__name__ == "DCChargeLoopRes":
            loops += 1
            good = ev.InsulationMeasured(GOOD_OHM, at=now())
            at.server.tell(good if loops < 20 else ev.InsulationMeasured(1e4, at=loops - 1e4))
            if loops > 100:
                client.stop("nobody noticed")

    async with site() as at:
        client = at.client(observer=monitor)
        await client.run()
        station = await at.server.wait_finished(1)
    assert station.ended.reason is EndReason.HARDWARE_FAULT
    assert "insulation" in station.ended.detail
    assert "the time is of another clock than loop.time()" in station.ended.detail
    assert station.safe
