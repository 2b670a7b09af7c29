"""The supervisor of AC, rule by rule: just below the threshold, above it for too short, and above it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from iso15118.energy.ac import NOTHING, Phases, each
from iso15118.session.supervision import AcSupervisor, Reaction, Rule, SupervisionLimits

STEP = 0.05
GRID = each(230.0, 3)


def supervisor(**limits: Any) -> AcSupervisor:
    return AcSupervisor(SupervisionLimits(**limits), nominal_v=230.0, most_v=264.5, where="here")


class Bench:
    """A supervisor whose outlet is closed and told 16 A, 11 kW to the vehicle; samples come every 50 ms."""

    def __init__(self, *, discharge_w: float = 0.0, **limits: Any) -> None:
        self.supervisor = supervisor(**limits)
        self.now = 100.0
        self.supervisor.told(True)
        self.supervisor.contactors(True)
        self.tell(11_040.0, discharge_w)

    def tell(self, charge_w: float, discharge_w: float = 0.0, amperes: float = 16.0) -> None:
        self.supervisor.told_power(
            3,
            each(amperes, 3) if charge_w else NOTHING,
            charge_w,
            each(amperes, 3) if discharge_w else NOTHING,
            discharge_w,
            self.now,
        )

    def show(
        self, seconds: float, amperes: Phases, watts: float | None = None, volts: Phases = GRID
    ) -> list[tuple[Rule, Reaction]]:
        found = []
        total = sum(amperes) * 230.0 if watts is None else watts
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            finding = self.supervisor.measured(volts, amperes, total, self.now, self.now)
            if finding is not None:
                found.append((finding.rule, finding.reaction))
        return found


def test_what_is_told_may_flow() -> None:
    assert Bench().show(20.0, each(16.0, 3)) == []
    assert Bench(discharge_w=11_040.0).show(20.0, each(16.0, 3), -11_040.0) == []
    assert Bench().show(20.0, NOTHING) == []


@pytest.mark.parametrize("index", [0, 1, 2])
def test_over_current_of_any_phase(index: int) -> None:
    def amperes(value: float) -> Phases:
        values = [16.0, 16.0, 16.0]
        values[index] = value
        return values[0], values[1], values[2]

    assert Bench().show(20.0, amperes(18.0), 11_040.0) == []  # 2 A of tolerance
    assert Bench().show(1.0 - STEP, amperes(18.2), 11_040.0) == []
    assert Bench().show(1.2, amperes(18.2), 11_040.0) == [(Rule.OVER_CURRENT, Reaction.FAULT)]
    bench = Bench()
    bench.tell(22_080.0, amperes=32.0)
    assert bench.show(20.0, amperes(35.1), 22_080.0) == []  # a tenth of 32 A
    assert bench.show(1.2, amperes(35.3), 22_080.0) == [(Rule.OVER_CURRENT, Reaction.FAULT)]


def test_a_lowered_bound_has_five_seconds() -> None:
    bench = Bench()
    bench.tell(5_520.0, amperes=8.0)
    assert bench.show(5.0, each(16.0, 3)) == []
    assert (Rule.OVER_CURRENT, Reaction.FAULT) in bench.show(1.3, each(16.0, 3))
    again = Bench()
    for watts in (9_000.0, 8_000.0, 7_000.0, 6_000.0):  # lowered again and again buys no time
        again.tell(watts)
        found = again.show(2.0, each(16.0, 3))
    assert (Rule.OVER_POWER, Reaction.STOP) in found


def test_over_power() -> None:
    assert Bench().show(20.0, each(16.0, 3), 12_090.0) == []  # 5 % and 500 W
    assert Bench().show(1.0 - STEP, each(16.0, 3), 12_100.0) == []
    assert Bench().show(1.2, each(16.0, 3), 12_100.0) == [(Rule.OVER_POWER, Reaction.STOP)]
    back = Bench(discharge_w=5_000.0)
    assert back.show(20.0, each(8.0, 3), -5_740.0) == []
    assert back.show(1.2, each(8.0, 3), -5_760.0) == [(Rule.OVER_POWER, Reaction.STOP)]


def test_energy_that_comes_back_though_nobody_asked_for_it() -> None:
    assert Bench().show(20.0, each(1.0, 3), -299.0) == []
    assert Bench().show(0.2 - STEP, each(2.0, 3), -310.0) == []
    assert Bench().show(0.4, each(2.0, 3), -310.0) == [(Rule.REVERSE_CURRENT, Reaction.FAULT)]
    turned = Bench(discharge_w=11_040.0)
    turned.tell(11_040.0)  # the direction turns: it has its time
    assert turned.show(5.0, each(16.0, 3), -11_040.0) == []
    assert (Rule.REVERSE_CURRENT, Reaction.FAULT) in turned.show(0.5, each(16.0, 3), -11_040.0)


@pytest.mark.parametrize(("emergency", "allowed_s"), [(False, 3.0), (True, 1.0)])
def test_current_after_a_stop(emergency: bool, allowed_s: float) -> None:
    bench = Bench()
    bench.show(1.0, each(16.0, 3))
    bench.supervisor.stop(emergency, bench.now)
    assert bench.show(allowed_s, each(16.0, 3)) == []
    assert bench.show(0.3, each(16.0, 3)) == [(Rule.CURRENT_WITHOUT_PERMISSION, Reaction.FAULT)]
    quiet = Bench()
    quiet.supervisor.stop(emergency, quiet.now)
    quiet.show(allowed_s, each(16.0, 3))
    assert quiet.show(10.0, (0.9, 0.0, 1.0), 100.0) == []


def test_an_emergency_shortens_the_time_of_an_orderly_stop_that_is_under_way() -> None:
    bench = Bench()
    bench.show(1.0, each(16.0, 3))
    for emergency in (False, True, False):
        bench.supervisor.stop(emergency, bench.now)
    assert bench.show(1.0, each(16.0, 3)) == []
    assert bench.show(0.3, each(16.0, 3)) == [(Rule.CURRENT_WITHOUT_PERMISSION, Reaction.FAULT)]


def test_current_though_nothing_was_asked_for() -> None:
    made = supervisor()
    assert made.measured(NOTHING, NOTHING, 0.0, 1.0, 1.0) is None
    found = [made.measured(GRID, (0.0, 2.0, 0.0), 400.0, at, at) for at in (1.1, 1.2, 1.3)]
    assert {one.rule for one in found if one is not None} == {Rule.CURRENT_WITHOUT_PERMISSION}


def test_contactors_that_stay_closed_though_told_to_open() -> None:
    bench = Bench()
    bench.supervisor.stop(False, bench.now)
    bench.supervisor.told(False)
    assert bench.show(3.25, NOTHING) == []
    assert bench.show(0.2, NOTHING) == [(Rule.CONTACTOR_LEVEL, Reaction.FAULT)]
    opened = Bench()
    opened.supervisor.stop(False, opened.now)
    opened.supervisor.told(False)
    opened.show(1.0, NOTHING)
    opened.supervisor.contactors(False)
    assert opened.show(10.0, NOTHING, 0.0, NOTHING) == []


def test_over_voltage_of_any_phase() -> None:
    assert Bench().show(5.0, NOTHING, volts=(230.0, 264.0, 230.0)) == []
    assert Bench().show(0.1 - STEP, NOTHING, volts=(230.0, 265.0, 230.0)) == []
    assert Bench().show(0.3, NOTHING, volts=(230.0, 265.0, 230.0)) == [(Rule.OVER_VOLTAGE, Reaction.FAULT)]


def test_a_phase_that_is_lost() -> None:
    assert Bench().show(20.0, NOTHING, volts=(230.0, 120.0, 230.0)) == []
    assert Bench().show(4.9, NOTHING, volts=(230.0, 110.0, 230.0)) == []
    assert Bench().show(5.2, NOTHING, volts=(230.0, 110.0, 230.0)) == [(Rule.PHASE_LOST, Reaction.STOP)]
    single = Bench()
    single.supervisor.told_power(1, (16.0, 0.0, 0.0), 3_680.0, NOTHING, 0.0, single.now)
    assert single.show(20.0, (16.0, 0.0, 0.0), volts=(230.0, 0.0, 0.0)) == []


def test_readings_that_are_too_old() -> None:
    bench = Bench()
    assert bench.supervisor.fresh_until == pytest.approx(bench.now + 1.0)
    assert bench.supervisor.stale(bench.now + 0.9) is None
    found = bench.supervisor.stale(bench.now + 1.0)
    assert found is not None
    assert (found.rule, found.reaction) == (Rule.STALE_READINGS, Reaction.FAULT)
    assert bench.supervisor.stale(bench.now + 1.5) is None  # told again after another second
    late = Bench()
    late.supervisor.measured(GRID, NOTHING, 0.0, late.now - 5.0, late.now)  # an old one does not help
    assert late.supervisor.stale(late.now + 1.0) is not None
    assert supervisor().fresh_until == math.inf  # nobody minds before anything is told


OLD = [(0.01, 0.0, True), (5.0, 0.0, True), (0.0, 0.0, False)]


@pytest.mark.parametrize(("behind_s", "amperes", "dropped"), OLD)
def test_a_sample_that_was_measured_before_the_last_one_is_dropped(
    behind_s: float, amperes: float, dropped: bool
) -> None:
    """It makes no reading younger, ends no excess, and begins none."""
    bench = Bench(ac_over_current_s=1.0)
    assert bench.show(0.9, each(40.0, 3)) == []
    judge, last = bench.supervisor, bench.now
    fresh_until = judge.fresh_until
    assert judge.measured(GRID, each(amperes, 3), 0.0, last - behind_s, last + 0.01) is None
    assert (judge.sampled_at, judge.fresh_until) == (last, fresh_until)
    found = bench.show(0.2, each(40.0, 3))
    assert ((Rule.OVER_CURRENT, Reaction.FAULT) in found) is dropped


def test_an_older_sample_that_shows_too_much_is_none() -> None:
    bench = Bench(ac_over_current_s=0.1)
    assert bench.show(0.5, each(16.0, 3)) == []
    for late_s in (0.1, 0.2, 0.3, 0.4):
        old = bench.now - 0.5 + late_s
        found = bench.supervisor.measured(each(300.0, 3), each(40.0, 3), 60_000.0, old, bench.now + late_s)
        assert found is None


RULES = (
    Rule.OVER_CURRENT,
    Rule.OVER_POWER,
    Rule.REVERSE_CURRENT,
    Rule.CURRENT_WITHOUT_PERMISSION,
    Rule.CONTACTOR_LEVEL,
    Rule.OVER_VOLTAGE,
    Rule.PHASE_LOST,
    Rule.STALE_READINGS,
)


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_that_is_off_says_nothing(rule: Rule) -> None:
    bench = Bench(off=(rule,), over_power_s=1.5)  # of two at one moment only the worse is told
    found = bench.show(8.0, each(40.0, 3), 60_000.0, (300.0, 50.0, 230.0))
    found += bench.show(8.0, each(40.0, 3), -60_000.0)
    bench.supervisor.stop(True, bench.now)
    bench.supervisor.told(False)
    found += bench.show(8.0, each(40.0, 3))
    stale = bench.supervisor.stale(bench.now + 100.0)
    said = {one for one, _ in found} | ({stale.rule} if stale is not None else set())
    assert said == set(RULES) - {rule}
