"""What the simulated hardware does wrong ends a session: both roles, every service and control mode, and how
long it takes in virtual time.

``pytest -s`` prints the table of times. The pair measures every 50 ms, as a driver does.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.session import actions as act
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.simulation import ReadingFault
from iso15118.testing import Pair
from tests.pair.rig import pair

LOOK_S = 0.05
KINDS = [
    (ServiceID.DC, ControlMode.SCHEDULED),
    (ServiceID.DC, ControlMode.DYNAMIC),
    (ServiceID.DC_BPT, ControlMode.SCHEDULED),
    (ServiceID.MCS_BPT, ControlMode.DYNAMIC),
]
FAULTS: dict[tuple[str, ReadingFault, float], tuple[Rule, float]] = {
    # whose measurement shows what, and by how much: the rule, and how long it has to last (debounce, s)
    ("secc", ReadingFault.OVER_VOLTAGE, 600.0): (Rule.OVER_VOLTAGE, 0.1),
    ("secc", ReadingFault.OVER_CURRENT, 60.0): (Rule.OVER_CURRENT, 0.5),
    ("secc", ReadingFault.OVER_CURRENT, 4000.0): (Rule.OVER_CURRENT, 0.0),
    ("secc", ReadingFault.REVERSE, 100.0): (Rule.REVERSE_CURRENT, 0.2),
    ("secc", ReadingFault.STALE, 0.0): (Rule.STALE_READINGS, 1.0),
    ("evcc", ReadingFault.OVER_VOLTAGE, 600.0): (Rule.OVER_VOLTAGE, 0.2),
    ("evcc", ReadingFault.OVER_CURRENT, 4000.0): (Rule.OVER_CURRENT, 0.5),
    ("evcc", ReadingFault.REVERSE, 100.0): (Rule.REVERSE_CURRENT, 0.2),
    ("evcc", ReadingFault.STALE, 0.0): (Rule.STALE_READINGS, 1.0),
}


class Seen:
    """Hears every hardware action of one end, with its time."""

    def __init__(self, rig: Pair, role: str) -> None:
        self.done: list[tuple[float, act.HardwareAction]] = []
        hardware: Any = rig.station if role == "secc" else rig.vehicle
        perform = hardware.perform

        def heard(action: act.HardwareAction, now: float) -> Any:
            self.done.append((now, action))
            return perform(action, now)

        hardware.perform = heard

    def emergency(self) -> tuple[float, list[type]] | None:
        """When the first emergency was asked for, and what was asked in that turn."""
        for when, action in self.done:
            if isinstance(action, act.StopPower) and action.urgency is Urgency.EMERGENCY:
                return when, [type(other) for at, other in self.done if at == when]
        return None


def charging(service: ServiceID, mode: ControlMode, **options: Any) -> Pair:
    cells = {
        "capacity_wh": 100e3,
        "soc": 40.0,
        "target_soc": 60.0,
        "maximum_charge_current_a": 200.0,
        "maximum_discharge_current_a": 200.0,
    }
    rig = pair(service, mode, look_s=LOOK_S, battery=cells, **options)
    rig.run(until=lambda: rig.loops == 100)
    return rig


@pytest.mark.parametrize(
    ("fault", "service", "mode"),
    [
        (fault, *kind)
        for fault in FAULTS
        for kind in KINDS
        # In the last mode the vehicle itself allows current both ways.
        if fault[:2] != ("evcc", ReadingFault.REVERSE) or kind != KINDS[3]
    ],
    ids=str,
)
def test_a_fault_that_a_measurement_shows(
    fault: tuple[str, ReadingFault, float], service: ServiceID, mode: ControlMode
) -> None:
    role, kind, by = fault
    rule, lasts = FAULTS[fault]
    rig = charging(service, mode)
    seen, began = Seen(rig, role), rig.now
    (rig.station if role == "secc" else rig.vehicle).faults.shows(
        "present" if role == "secc" else "inlet", kind, by
    )
    rig.run()
    ended = (rig.secc if role == "secc" else rig.evcc).ended
    assert ended is not None
    assert (ended.reason, ended.rule) == (EndReason.HARDWARE_FAULT, rule.value)
    assert rule.value in ended.detail
    emergency = seen.emergency()
    assert emergency is not None
    took, actions = emergency[0] - began, emergency[1]
    print(f"{role} {kind.name:12} {rule.value:16} {service.name:7} {mode.name:9} {took * 1000:6.0f} ms")
    assert took <= lasts + 2 * LOOK_S + 1e-6
    assert took >= lasts - LOOK_S - 1e-6
    order = [one for one in actions if one is not act.SignalReady]
    assert order[:2] == [act.StopPower, act.OpenContactors], "in the same turn, current first"
    rig.let_pass(5.0)
    assert not rig.station.outlet.closed
    assert not rig.vehicle.inlet.closed
    assert rig.station.circuit.current_a == 0.0


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_over_current_while_the_vehicle_can_still_be_asked(role: str) -> None:
    """A vehicle first asks the station to stop; both ways end within two seconds."""
    rig = charging(ServiceID.DC, ControlMode.SCHEDULED)
    hardware: Any = rig.vehicle if role == "evcc" else rig.station
    began = rig.now
    hardware.faults.shows("inlet" if role == "evcc" else "present", ReadingFault.OVER_CURRENT, 60.0)
    rig.run()
    ended = rig.evcc.ended if role == "evcc" else rig.secc.ended
    assert ended is not None
    assert ended.rule == Rule.OVER_CURRENT.value
    assert rig.now - began < 12.0


def test_frozen_readings_end_in_an_orderly_way() -> None:
    rig = charging(ServiceID.MCS, ControlMode.SCHEDULED)
    limits = rig.station.limits
    rig.station.derate(replace(limits, maximum_charge_current_a=100.0), rig.now)
    rig.let_pass(2.0)
    rig.station.faults.shows("present", ReadingFault.FROZEN)
    rig.station.derate(limits, rig.now)
    began = rig.now
    rig.run()
    ended = rig.secc.ended
    assert ended is not None
    assert (ended.reason, ended.rule) == (EndReason.STOPPED_BY_STATION, Rule.FROZEN_READINGS.value)
    assert re.search(r"\d A at the output, which does not move, asked for: \d", ended.detail)
    assert 10.0 <= rig.now - began <= 16.0


@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_a_rule_that_is_switched_off_ends_nothing(role: str) -> None:
    off = {"supervision": SupervisionLimits(off=(Rule.OVER_VOLTAGE, Rule.VOLTAGE_ABOVE_ASKED))}
    rig = charging(ServiceID.DC, ControlMode.SCHEDULED, **{role: off})
    hardware: Any = rig.station if role == "secc" else rig.vehicle
    hardware.faults.shows("present" if role == "secc" else "inlet", ReadingFault.OVER_VOLTAGE, 100.0)
    loops = rig.loops
    rig.run(until=lambda: rig.loops >= loops + 100)
    assert not rig.done


@pytest.mark.parametrize(
    ("state", "voltage", "current", "reason", "rule"),
    [
        ("DC_CableCheck", 1200.0, 0.0, EndReason.CABLE_CHECK_FAILED, Rule.CABLE_CHECK_VOLTAGE),
        ("DC_CableCheck", 0.0, 7.0, EndReason.CABLE_CHECK_FAILED, Rule.CABLE_CHECK_CURRENT),
        ("DC_PreCharge", 900.0, 0.0, EndReason.PRE_CHARGE_FAILED, Rule.PRE_CHARGE_VOLTAGE),
        ("DC_PreCharge", 0.0, 50.0, EndReason.PRE_CHARGE_FAILED, Rule.PRE_CHARGE_CURRENT),
        ("SessionStop", 0.0, 20.0, EndReason.HARDWARE_FAULT, Rule.CURRENT_WITHOUT_PERMISSION),
        ("ScheduleRenegotiation", 800.0, 60.0, EndReason.HARDWARE_FAULT, Rule.CURRENT_WITHOUT_PERMISSION),
        ("ScheduleRenegotiation", 1200.0, 0.0, EndReason.HARDWARE_FAULT, Rule.OVER_VOLTAGE),
    ],
)
def test_every_state_of_the_station_is_looked_at(
    state: str, voltage: float, current: float, reason: EndReason, rule: Rule
) -> None:
    from iso15118.messages.iso20 import common_messages as cm
    from iso15118.messages.iso20 import dc
    from iso15118.secc.iso20.sequence import State
    from tests.secc.vehicle import Drive

    drive = Drive()
    if state == "ScheduleRenegotiation":
        drive.to(State.DC_CHARGE_LOOP)
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    elif state == "DC_PreCharge":
        drive.to(State.DC_PRE_CHARGE)
        drive.send(dc.DCPreChargeReq, ev_processing=drive.request(dc.DCPreChargeReq).ev_processing.Ongoing)
    elif state == "DC_CableCheck":
        drive.to(State.DC_CABLE_CHECK)
        drive.send(dc.DCCableCheckReq)
    else:
        drive.to(State(state))
    stops: list[act.Action] = []
    began = drive.book.now
    while not stops and drive.book.now < began + 20.0:
        drive.measure(voltage, current)
        stops = [one for one in drive.book.actions if isinstance(one, act.StopPower)]
        drive.book.wait(LOOK_S)
    assert stops
    assert isinstance(stops[0], act.StopPower)
    assert stops[0].urgency is Urgency.EMERGENCY
    drive.send(cm.SessionStopReq)
    assert drive.session.ended is not None
    assert (drive.session.ended.reason, drive.session.ended.rule) == (reason, rule.value)


@pytest.mark.parametrize("late_s", [0.999, 1.0, 1.05])
@pytest.mark.parametrize("role", ["secc", "evcc"])
def test_the_timer_for_readings(role: str, late_s: float) -> None:
    from iso15118.secc.iso20.sequence import State
    from tests.evcc.station import Host
    from tests.secc.vehicle import Drive

    if role == "secc":
        side: Any = Drive().to(State.POWER_DELIVERY)
        side.measure(800.0)
        side.output = None
    else:
        side = Host().to("PowerDelivery")
        side.measure(800.0)
        side.battery()
        side.shown = []
    side.book.wait(late_s)
    stopped = any(isinstance(action, act.StopPower) for action in side.book.actions)
    assert stopped is (late_s >= 1.0)
