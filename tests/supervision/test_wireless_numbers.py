"""The supervisor of wireless power at its thresholds: what was told may flow with its room, less has
its time to be obeyed, and where nothing was told nothing may flow.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.session.supervision import Finding, Reaction, Rule, SupervisionLimits, WirelessSupervisor

STEP = 0.05
NOW = 100.0
LIMITS = SupervisionLimits()
STALE_S = LIMITS.beyond(Rule.STALE_READINGS, LIMITS.stale_s)


class Bench:
    """A pad that was told nothing yet; samples come every 50 ms."""

    def __init__(self, **limits: Any) -> None:
        self.supervisor = WirelessSupervisor(SupervisionLimits(**limits), where="of the pad")
        self.now = NOW

    def told(self, power_w: float) -> Bench:
        self.supervisor.told_power(power_w, self.now)
        return self

    def show(self, seconds: float, power_w: float) -> list[Finding]:
        found = []
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            finding = self.supervisor.measured(power_w, self.now, self.now)
            if finding is not None:
                found.append(finding)
        return found


def numbers(found: list[Finding]) -> list[tuple[Rule, float, float]]:
    return [(one.rule, one.value, one.limit) for one in found]


def test_where_nothing_was_told_nothing_may_flow_beyond_the_room() -> None:
    assert Bench().show(5.0, 500.0) == []
    assert numbers(Bench().show(1.0, 500.1)) == [(Rule.CURRENT_WITHOUT_PERMISSION, 500.1, 500.0)]
    assert Bench().supervisor.stale(1e9) is None, "and nobody waits for readings"


def test_what_was_told_may_flow_with_its_room() -> None:
    most = 10_000.0 * 1.05 + 500.0
    assert Bench().told(10_000.0).show(5.0, most) == []
    assert Bench().told(10_000.0).show(1.0 - STEP, most + 0.1) == []
    (found,) = Bench().told(10_000.0).show(1.2, most + 0.1)
    assert numbers([found]) == [(Rule.OVER_POWER, most + 0.1, most)]
    assert found.reaction is Reaction.FAULT
    assert Bench().told(10_000.0).show(5.0, 0.0) == []


def test_less_has_five_seconds() -> None:
    bench = Bench().told(10_000.0)
    bench.show(1.0, 10_000.0)
    bench.told(4_000.0)
    assert bench.show(LIMITS.ac_adapt_s, 10_000.0) == []
    assert [one.rule for one in bench.show(1.3, 10_000.0)] == [Rule.OVER_POWER]


@pytest.mark.parametrize(("emergency", "allowed_s"), [(False, LIMITS.ac_stop_s), (True, LIMITS.settle_s)])
def test_after_a_stop_the_power_has_its_time_to_end(emergency: bool, allowed_s: float) -> None:
    bench = Bench().told(10_000.0)
    bench.show(1.0, 10_000.0)
    bench.supervisor.stop(emergency, bench.now)
    assert bench.show(allowed_s, 10_000.0) == []
    assert [one.rule for one in bench.show(0.3, 10_000.0)] == [Rule.CURRENT_WITHOUT_PERMISSION]
    low = Bench().told(10_000.0)
    low.supervisor.stop(emergency, low.now)
    assert low.show(6.0, 500.0) == [], "what a coil needs for itself"
    assert numbers(low.show(0.3, 500.1)) == [(Rule.CURRENT_WITHOUT_PERMISSION, 500.1, 500.0)]
    assert low.told(10_000.0).show(3.0, 10_000.0) == [], "told again, it may flow again"


def test_an_emergency_shortens_the_time_of_an_orderly_stop_that_is_under_way() -> None:
    bench = Bench().told(10_000.0)
    bench.show(1.0, 10_000.0)
    bench.supervisor.stop(False, bench.now)
    bench.show(0.5, 10_000.0)
    bench.supervisor.stop(True, bench.now)
    assert bench.show(LIMITS.settle_s, 10_000.0) == []
    assert [one.rule for one in bench.show(0.3, 10_000.0)] == [Rule.CURRENT_WITHOUT_PERMISSION]
    assert LIMITS.settle_s + 0.8 < LIMITS.ac_stop_s


def test_readings_are_waited_for_from_the_first_power_on() -> None:
    supervisor = WirelessSupervisor(LIMITS, where="of the pad")
    assert supervisor.measured(0.0, NOW + 5.0, NOW) is None  # of a clock that is ahead
    supervisor.told_power(100.0, NOW)
    assert supervisor.sampled_at == NOW + 5.0
    fresh = WirelessSupervisor(LIMITS, where="of the pad")
    fresh.told_power(100.0, NOW)
    assert (fresh.sampled_at, fresh.fresh_until) == (-math.inf, NOW + STALE_S), "which is no reading"
    fresh.told_power(200.0, NOW + 0.5)
    assert fresh.fresh_until == NOW + STALE_S, "to tell another power is no reading"
    assert fresh.measured(0.0, NOW - 1.0, NOW + 0.5) is None
    assert fresh.sampled_at == NOW - 1.0
    assert fresh.fresh_until == NOW + STALE_S, "one from before then shortens no time"
    assert fresh.measured(0.0, NOW + 0.5, NOW + 0.5) is None
    assert fresh.fresh_until == NOW + 0.5 + STALE_S


def test_readings_that_are_missing_are_told_with_their_age_each_time_anew() -> None:
    bench = Bench().told(100.0)
    bench.show(STEP, 0.0)
    last, most = bench.now, STALE_S
    supervisor = bench.supervisor
    assert supervisor.stale(last + most - 0.001) is None
    for begins, age in ((last, most), (last + most, 1.5 * most)):
        found = supervisor.stale(begins + age)
        assert found is not None
        assert found.rule is Rule.STALE_READINGS
        assert (found.value, found.limit, found.since) == pytest.approx((age, most, begins))
    assert supervisor.stale(last + 2.5 * most) is None, "it has been told"
