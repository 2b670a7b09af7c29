"""The supervisor of AC to the last ampere, watt and volt: exactly at a threshold nothing is broken,
and which phase and which bound are meant is told.

Powers near zero have a direction of their own: what is 0 or a little more flows to the vehicle.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.ac import NOTHING, Phases, each
from iso15118.session.supervision import AcSupervisor, Finding, Reaction, Rule, SupervisionLimits

GRID = each(230.0, 3)
STEP = 0.05


class Bench:
    """An outlet of 230 V, on which 264.5 V are too much; samples come every 50 ms."""

    def __init__(self, *, closed: bool = True, **limits: Any) -> None:
        self.supervisor = AcSupervisor(
            SupervisionLimits(**limits), nominal_v=230.0, most_v=264.5, where="here"
        )
        self.now = 100.0
        if closed:
            self.supervisor.told(True)
            self.supervisor.contactors(True)

    def tell(
        self,
        charge_w: float,
        discharge_w: float = 0.0,
        *,
        charge_a: Phases = (16.0, 16.0, 16.0),
        discharge_a: Phases = NOTHING,
    ) -> Bench:
        self.supervisor.told_power(3, charge_a, charge_w, discharge_a, discharge_w, self.now)
        return self

    def show(
        self, seconds: float, amperes: Phases = NOTHING, watts: float = 0.0, volts: Phases = GRID
    ) -> list[Finding]:
        found = []
        for _ in range(round(seconds / STEP)):
            self.now += STEP
            finding = self.supervisor.measured(volts, amperes, watts, self.now, self.now)
            if finding is not None:
                found.append(finding)
        return found


def rules(found: list[Finding]) -> list[tuple[Rule, Reaction]]:
    return [(one.rule, one.reaction) for one in found]


# -- voltages


@pytest.mark.parametrize("off", [{"off": (Rule.OVER_VOLTAGE,)}, {"ac_voltage_factor": None}])
def test_over_voltage_can_be_switched_off_for_whoever_has_a_maximum_of_his_own(off: dict[str, Any]) -> None:
    assert rules(Bench().show(1.0, volts=each(300.0, 3))) == [(Rule.OVER_VOLTAGE, Reaction.FAULT)]
    assert Bench(**off).show(1.0, volts=each(300.0, 3)) == []


@pytest.mark.parametrize("index", [0, 1, 2])
def test_a_voltage_at_its_most_is_none_too_much(index: int) -> None:
    volts = [230.0, 230.0, 230.0]
    volts[index] = 264.5
    assert Bench().tell(11_040.0).show(2.0, volts=(volts[0], volts[1], volts[2])) == []
    volts[index] = 264.51
    (found,) = Bench().tell(11_040.0).show(2.0, volts=(volts[0], volts[1], volts[2]))
    assert (found.rule, found.value, found.limit) == (Rule.OVER_VOLTAGE, 264.51, 264.5)


def test_a_phase_at_half_its_voltage_is_not_lost() -> None:
    assert Bench().tell(11_040.0).show(20.0, volts=(230.0, 115.0, 230.0)) == []
    assert Bench().tell(11_040.0).show(5.0, volts=(230.0, 114.9, 230.0)) == []
    (found,) = Bench().tell(11_040.0).show(5.1, volts=(230.0, 114.9, 230.0))
    assert (found.rule, found.value, found.limit) == (Rule.PHASE_LOST, 114.9, 115.0)


def test_no_phase_is_lost_where_nothing_says_that_the_contactors_are_closed() -> None:
    bench = Bench(closed=False).tell(11_040.0)
    assert bench.show(20.0, volts=NOTHING) == []
    bench.supervisor.contactors(True)
    assert rules(bench.show(5.1, volts=NOTHING)) == [(Rule.PHASE_LOST, Reaction.STOP)]


@pytest.mark.parametrize("limits", [{"ac_phase_lost_share": None}, {"off": (Rule.PHASE_LOST,)}], ids=str)
def test_a_rule_that_is_off_finds_no_lost_phase(limits: dict[str, Any]) -> None:
    assert Bench(**limits).tell(11_040.0).show(20.0, volts=(230.0, 0.0, 230.0)) == []


# -- current without permission


def test_an_ampere_may_flow_after_a_stop_in_each_phase() -> None:
    for index in range(3):
        for amperes, broken in ((1.0, False), (1.1, True)):
            bench = Bench().tell(11_040.0)
            bench.show(1.0, each(16.0, 3), 11_040.0)
            bench.supervisor.stop(False, bench.now)
            flows = [0.0, 0.0, 0.0]
            flows[index] = amperes
            found = bench.show(5.0, (flows[0], flows[1], flows[2]))
            assert [one.rule for one in found] == [Rule.CURRENT_WITHOUT_PERMISSION] * broken
            assert all((one.value, one.limit) == (1.1, 1.0) for one in found)


def test_each_phase_is_held_to_its_own_bound_while_the_contactors_open() -> None:
    bench = Bench().tell(11_040.0, charge_a=(32.0, 6.0, 6.0))
    bench.supervisor.told(False)
    found = bench.show(0.2, (20.0, 10.0, 0.0))
    assert [(one.rule, one.value, one.limit) for one in found] == [
        (Rule.CURRENT_WITHOUT_PERMISSION, 10.0, 7.0)
    ]
    assert Bench().tell(11_040.0, charge_a=(32.0, 6.0, 6.0)).show(0.2, (20.0, 6.0, 0.0)) == []


def test_contactors_that_stay_closed_are_told_as_a_level() -> None:
    bench = Bench().tell(11_040.0)
    bench.supervisor.told(False)
    (found,) = bench.show(3.4)
    assert (found.rule, found.value, found.limit) == (Rule.CONTACTOR_LEVEL, 1.0, 0.0)


# -- current and power


@pytest.mark.parametrize("watts", [0.0, 0.5])
def test_current_without_power_is_current_to_the_vehicle(watts: float) -> None:
    """Reactive current alone: the bounds for charging hold."""
    assert Bench().tell(11_040.0).show(5.0, each(16.0, 3), watts) == []
    back = Bench().tell(0.0, 11_040.0, charge_a=NOTHING, discharge_a=each(16.0, 3))
    assert Rule.OVER_CURRENT in [one.rule for one in back.show(5.0, each(16.0, 3), watts)]
    assert back.show(0.0) == []


def test_the_phase_that_is_most_above_its_bound_is_told() -> None:
    bench = Bench().tell(11_040.0, charge_a=(16.0, 10.0, 10.0))
    (found,) = bench.show(1.2, (18.5, 20.0, 12.5), 11_000.0)
    assert (found.rule, found.value, found.limit) == (Rule.OVER_CURRENT, 20.0, 12.0)
    assert Bench().tell(11_040.0).show(5.0, (18.0, 18.0, 18.0), 11_000.0) == []


def test_power_that_comes_back_is_judged_only_where_none_may() -> None:
    assert Bench().tell(11_040.0).show(5.0, each(1.0, 3), -300.0) == []
    found = Bench().tell(11_040.0).show(0.3, each(1.0, 3), -300.1)
    assert [(one.rule, one.value, one.limit) for one in found] == [(Rule.REVERSE_CURRENT, -300.1, -300.0)]
    some = Bench().tell(11_040.0, 0.5, discharge_a=each(16.0, 3))
    assert some.show(5.0, each(1.0, 3), -310.0) == []


def test_power_is_too_much_beyond_its_bound_in_either_direction() -> None:
    most = 11_040.0 * 1.05 + 500.0
    assert Bench().tell(11_040.0).show(5.0, each(16.0, 3), most) == []
    assert rules(Bench().tell(11_040.0).show(1.2, each(16.0, 3), most + 0.1)) == [
        (Rule.OVER_POWER, Reaction.STOP)
    ]
    back = Bench().tell(11_040.0, 0.5, discharge_a=each(16.0, 3))
    (found,) = back.show(1.2, each(3.0, 3), -2000.0)
    assert (found.rule, found.value, found.limit) == (Rule.OVER_POWER, -2000.0, 0.5 * 1.05 + 500.0)


def test_what_comes_back_though_nothing_may_is_told_once_by_its_own_rule() -> None:
    found = Bench().tell(11_040.0).show(3.0, each(2.0, 3), -690.0)
    assert rules(found) == [(Rule.REVERSE_CURRENT, Reaction.FAULT)]


def test_without_any_room_half_a_watt_is_judged_by_the_bound_of_its_direction() -> None:
    bare: dict[str, Any] = {"over_power_w": 0.0}
    some = (1.1, 0.0, 0.0)
    assert Bench(**bare).tell(11_040.0).show(3.0, some, 0.5) == []
    assert Bench(**bare).tell(11_040.0).show(3.0, some, 0.0) == []
    assert rules(Bench(**bare).tell(0.0).show(3.0, some, 0.5)) == [(Rule.OVER_POWER, Reaction.STOP)]


@pytest.mark.parametrize(("none_a", "most_a"), [(1.0, 1.0), (2.0, 2.0), (None, 1.0)])
def test_what_counts_as_no_current_in_any_phase_is_no_power(none_a: float | None, most_a: float) -> None:
    """Three phases of 0.9 A at rest were too much."""
    rest: dict[str, Any] = {"ac_no_current_a": none_a}
    assert Bench(**rest).tell(0.0).show(3.0, each(most_a, 3), 900.0) == []
    found = Bench(**rest).tell(0.0).show(1.2, (0.0, most_a + 0.1, 0.0), 900.0)
    assert (Rule.OVER_POWER, Reaction.STOP) in rules(found)


@pytest.mark.parametrize(
    ("watts", "least"), [(11_040.0, 12_144.0), (11_039.5, 12_144.0), (11_000.0, 11_000.0)]
)
def test_a_power_that_says_what_the_currents_give_follows_the_voltage(watts: float, least: float) -> None:
    """A vehicle that is told currents keeps to them; grids are a tenth above their nominal voltage."""
    most = least * 1.05 + 500.0
    for watt, found in ((most - 0.5, []), (most + 0.5, [(Rule.OVER_POWER, Reaction.STOP)])):
        bench = Bench().tell(watts)
        assert rules(bench.show(1.2, each(16.0, 3), watt, volts=each(253.0, 3))) == found
    below = Bench().tell(11_040.0)
    at_least = 11_040.0 * 1.05 + 500.0
    assert below.show(1.2, each(16.0, 3), at_least, volts=each(210.0, 3)) == []


# -- no readings


def test_readings_that_are_missing_are_told_with_their_age_each_time_anew() -> None:
    bench = Bench().tell(11_040.0)
    bench.show(STEP)
    last, most = bench.now, bench.supervisor.fresh_until - bench.now
    assert most == SupervisionLimits().stale_s
    assert bench.supervisor.stale(last + most - 0.001) is None
    found = bench.supervisor.stale(last + most)
    assert found is not None
    assert (found.rule, found.limit) == (Rule.STALE_READINGS, most)
    assert found.value == pytest.approx(most)
    assert found.since == pytest.approx(last)
    assert bench.supervisor.stale(last + most) is None, "it has been told"
    again = bench.supervisor.stale(last + 2.5 * most)
    assert again is not None
    assert again.value == pytest.approx(1.5 * most)
    assert again.since == pytest.approx(last + most)
