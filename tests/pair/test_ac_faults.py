"""AC sessions in which something fails: contactors, the control pilot, a phase, the charger, what is
measured, ports and the link."""

from __future__ import annotations

import pytest

from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode
from iso15118.session.supervision import Rule
from iso15118.simulation import ContactorFault, ReadingFault
from tests.pair.ac_rig import ac_pair, ended, total_w, until_charging

DYNAMIC = ControlMode.DYNAMIC


def test_contactors_that_do_not_close() -> None:
    pair = ac_pair(station_options={"contactor_fault": ContactorFault.STUCK_OPEN})
    pair.run()
    assert ended(pair)[0] is EndReason.CONTACTOR_FAILED


@pytest.mark.parametrize(("late_s", "fails"), [(1.25, False), (1.45, True)])
def test_contactors_that_close_late(late_s: float, fails: bool) -> None:
    pair = ac_pair(station_options={"contactor_s": late_s})
    pair.run()
    reason = EndReason.CONTACTOR_FAILED if fails else EndReason.STOPPED_BY_EV
    assert ended(pair)[0] is reason
    pair.let_pass(5.0)
    assert not pair.station.outlet.closed


def test_a_welded_contactor_is_found_at_the_end() -> None:
    pair = until_charging(ac_pair())
    pair.station.outlet.fault = ContactorFault.WELDED
    pair.run()
    assert ended(pair) == (EndReason.CONTACTOR_FAILED, EndReason.REFUSED)
    assert total_w(pair) == 0.0  # the charger has stopped all the same


def test_the_pilot_never_shows_c() -> None:
    pair = ac_pair()
    pair.station.circuit.signal_by = lambda state: None
    pair.run()
    assert ended(pair)[0] is EndReason.SIGNAL_LOST
    assert pair.station.outlet.closings == 0


@pytest.mark.parametrize("state", [ev.SignalState.A, ev.SignalState.B, ev.SignalState.E, ev.SignalState.F])
def test_the_pilot_leaves_c_under_power(state: ev.SignalState) -> None:
    pair = until_charging(ac_pair())
    pair.station.circuit.show_signal(state)
    pair.let_pass(0.1)
    assert not pair.station.outlet.closed
    pair.run()
    assert ended(pair)[0] is EndReason.SIGNAL_LOST


@pytest.mark.parametrize("uneven", [False, True])
def test_a_phase_that_is_lost(uneven: bool) -> None:
    pair = until_charging(ac_pair(mode=DYNAMIC, uneven=uneven))
    pair.station.lose_phase(1, pair.now)
    pair.hear_station()
    pair.let_pass(3.0)
    expected = (3_680.0, 0.0, 3_680.0) if uneven else (0.0, 0.0, 0.0)
    assert pair.station.circuit.power_w == pytest.approx(expected, abs=1.0)
    pair.run()
    assert pair.secc.ended is not None
    assert (pair.secc.ended.reason, pair.secc.ended.rule) == (
        EndReason.STOPPED_BY_STATION,
        Rule.PHASE_LOST.value,
    )


@pytest.mark.parametrize("more_w", [200.0, 2_000.0])
def test_a_charger_that_takes_more_than_it_was_told(more_w: float) -> None:
    """2 kW more in each phase breaks the bounds of both roles; 200 W is within the tolerance of both."""
    pair = until_charging(ac_pair(mode=DYNAMIC))
    pair.vehicle.charger.ignores = more_w
    if more_w < 1_000.0:
        pair.let_pass(20.0)
        assert pair.secc.ended is None
        assert pair.evcc.ended is None
        return
    pair.run()
    ends = [pair.secc.ended, pair.evcc.ended]
    rules = {end.rule for end in ends if end is not None}
    assert rules & {Rule.OVER_POWER.value, Rule.OVER_CURRENT.value}, ends


def test_a_charger_that_does_not_stop_is_cut_off_by_the_station() -> None:
    pair = until_charging(ac_pair(mode=DYNAMIC))
    pair.vehicle.charger.stuck = True
    pair.tell_secc(ev.SetPointChanged(0.0))
    pair.run()
    ended(pair)
    assert total_w(pair) == 0.0


@pytest.mark.parametrize("role", ["secc", "evcc"])
@pytest.mark.parametrize(
    ("fault", "by", "rules"),
    [
        (ReadingFault.OVER_CURRENT, 20.0, {Rule.OVER_CURRENT}),
        (ReadingFault.OVER_VOLTAGE, 60.0, {Rule.OVER_VOLTAGE}),
        (ReadingFault.REVERSE, 60.0, {Rule.REVERSE_CURRENT}),
        (ReadingFault.STALE, 0.0, {Rule.STALE_READINGS}),
    ],
)
def test_measured_values_end_the_session_of_either_role(
    role: str, fault: ReadingFault, by: float, rules: set[Rule]
) -> None:
    pair = until_charging(ac_pair())
    side, name = (pair.station, "present") if role == "secc" else (pair.vehicle, "charger")
    side.faults.shows(name, fault, by)
    began = pair.now
    pair.run(until=lambda: not pair.station.outlet.closed or not pair.evcc.energized)
    assert pair.now - began < 3.0
    pair.run()
    found = (pair.secc if role == "secc" else pair.evcc).ended
    assert found is not None
    assert found.reason is EndReason.HARDWARE_FAULT, found
    assert found.rule in {rule.value for rule in rules}
    assert total_w(pair) == 0.0


@pytest.mark.parametrize(
    "call", ["set_power", "stop_power", "close_contactors", "open_contactors", "present"]
)
def test_a_port_of_the_outlet_that_raises(call: str) -> None:
    pair = ac_pair()
    if call in ("present", "stop_power", "open_contactors"):
        until_charging(pair)
    pair.station.faults.raises(call, times=1)
    pair.run()
    assert ended(pair)[0] is EndReason.HARDWARE_FAULT
    assert total_w(pair) == 0.0


@pytest.mark.parametrize("call", ["set_charger", "stop_power", "signal", "charger", "battery"])
def test_a_port_of_the_vehicle_that_raises(call: str) -> None:
    pair = ac_pair()
    if call in ("charger", "stop_power"):
        until_charging(pair)
    pair.vehicle.faults.raises(call, times=1)
    pair.run()
    assert ended(pair)[1] is EndReason.HARDWARE_FAULT
    assert total_w(pair) == 0.0


@pytest.mark.parametrize("event", [ev.EmergencyShutdown("button"), ev.HardwareFault("rcd", "tripped")])
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_an_emergency_of_either_role(role: str, event: ev.Event) -> None:
    pair = until_charging(ac_pair())
    (pair.tell_secc if role == "secc" else pair.tell_evcc)(event)
    pair.let_pass(0.1)
    assert total_w(pair) == 0.0
    pair.run()
    ended(pair)


def test_a_link_that_is_cut() -> None:
    pair = until_charging(ac_pair())
    pair.cut()
    pair.run()
    assert ended(pair) == (EndReason.PEER_VANISHED, EndReason.PEER_VANISHED)
    pair.let_pass(1.0)
    assert total_w(pair) == 0.0
