"""What a station knows of itself, by its edges: whether the output is dead, whether anything joins the two
sides, and how much may flow, with DC, AC and a pad.

The functions are called as they are; sessions that rest on them are tested elsewhere.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.secc import SeccConfig, ac_outlet, dc_output
from iso15118.secc.acdp_settings import AcdpSeccSettings
from iso15118.secc.facts import Facts
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.coupling import DevicePosition
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.limits import NO_DC_OUTPUT, StationLimits
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.timing import Timing
from tests.secc.vehicle import STATION, VEHICLE

OUTLET = AcStationLimits.of(current_a=32.0, discharge_a=10.0)
CAR = AcVehicleLimits.of(current_a=16.0)
HOME, MOVING, END = DevicePosition.HOME, DevicePosition.MOVING, DevicePosition.END_POSITION
NOW = 100.0


def facts(*, dc: StationLimits = STATION, config: SeccConfig | None = None, **known: Any) -> Facts:
    fields: dict[str, Any] = {
        "config": config or SeccConfig(),
        "timing": Timing(),
        "hardware": dc,
        "capabilities": dc,
        "now": NOW,
    }
    return Facts(**(fields | known))


def shows(volts: float, age_s: float = 0.0) -> dict[str, Any]:
    """An output that was measured so long ago."""
    return {"measured": ev.PowerMeasured(volts, 0.0), "measured_at": NOW - age_s}


# -- the output


@pytest.mark.parametrize(
    ("known", "dead"),
    [
        ({}, True),
        ({"contactors_closed": True}, False),
        ({"energized": True}, False),
        ({"measured": ev.PowerMeasured(60.0, 1.0)}, True),
        ({"measured": ev.PowerMeasured(-60.0, -1.0)}, True),
        ({"measured": ev.PowerMeasured(60.1, 0.0)}, False),
        ({"measured": ev.PowerMeasured(-60.1, 0.0)}, False),
        ({"measured": ev.PowerMeasured(0.0, 1.1)}, False),
        ({"measured": ev.PowerMeasured(0.0, -1.1)}, False),
        ({"measured_at": NOW - 1.0}, True),
        ({"measured_at": NOW - 1.001}, False),
    ],
    ids=str,
)
def test_an_output_is_dead_by_every_one_of_its_signs(known: dict[str, Any], dead: bool) -> None:
    assert facts(**({"measured_at": NOW} | known)).dead is dead


def test_what_counts_as_no_current_and_no_voltage_are_settings() -> None:
    config = SeccConfig(
        acdp=AcdpSeccSettings(no_current_a=3.0), supervision=SupervisionLimits(touch_safe_v=30.0)
    )
    for volts, amperes, dead in ((30.0, 3.0, True), (30.1, 3.0, False), (30.0, 3.1, False)):
        known = facts(config=config, measured=ev.PowerMeasured(volts, amperes), measured_at=NOW)
        assert known.dead is dead


@pytest.mark.parametrize(
    ("known", "apart"),
    [
        ({}, False),
        ({"device": HOME}, True),
        ({"device": MOVING, "device_down": True}, True),
        ({"device": END, "device_down": True}, False),
        ({"device": END, "device_down": False}, True),
        ({"device": HOME, "energized": True}, False),
        ({"device": HOME, "contactors_closed": True}, False),
        ({"device": HOME, "energized": True, "contactors_closed": True}, False),
    ],
    ids=str,
)
def test_whether_anything_joins_the_two(known: dict[str, Any], apart: bool) -> None:
    """By a device that is there and has not been told to leave, or by power: then an unplugged pilot is a
    fault."""
    assert facts(**known).apart is apart


@pytest.mark.parametrize(
    ("measured", "told", "charged", "watts", "amperes"),
    [
        (400.0, 0.0, 0.0, 40_000.0, 100.0),
        (400.0, 500.0, 0.0, 40_000.0, 80.0),
        (400.0, 500.0, 800.0, 40_000.0, 50.0),
        (400.0, 0.0, 0.0, 40_001.0, 100.0),
        (400.5, 0.0, 0.0, 40_000.0, 40_000.0 / 401.0),
        (0.0, 0.0, 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, 1.0, 100.0),
        (400.0, 0.0, 0.0, -5.0, 0.0),
    ],
)
def test_a_bound_of_power_is_one_of_current_at_the_greatest_voltage_that_is_known(
    measured: float, told: float, charged: float, watts: float, amperes: float
) -> None:
    known = facts(measured=ev.PowerMeasured(measured, 0.0), reported_v=told, precharge_target_v=charged)
    assert known.within_power(450.0, 100.0, watts, False) == (450.0, amperes, watts, False)
    assert known.within_power(450.0, 100.0, watts, True) == (450.0, -amperes, watts, True)


# -- how much may flow

PAD = PadLimits(maximum_power_w=11_000.0)
COIL = ReceiverLimits(maximum_power_w=7_000.0)
CHARGE_W, BACK_W = sum(OUTLET.maximum_charge_power_w), sum(OUTLET.maximum_discharge_power_w)


@pytest.mark.parametrize(
    ("known", "flows"),
    [
        ({}, None),
        ({"limits": STATION}, (3_750_000.0, 1_000_000.0)),
        ({"ac_limits": OUTLET}, (CHARGE_W, BACK_W)),
        ({"ac_limits": OUTLET, "limits": STATION}, (CHARGE_W, BACK_W)),
        ({"pad_vehicle": COIL, "pad_capabilities": PAD}, (7_000.0, 0.0)),
        ({"pad_vehicle": replace(COIL, maximum_power_w=12_000.0), "pad_capabilities": PAD}, (11_000.0, 0.0)),
        ({"pad_capabilities": PAD}, None),
    ],
    ids=["nothing", "DC", "AC", "AC of both", "coil", "pad", "no vehicle"],
)
def test_what_may_flow_now(known: dict[str, Any], flows: tuple[float, float] | None) -> None:
    assert facts(**known).limits_w == flows


@pytest.mark.parametrize(
    ("known", "offered"),
    [
        ({}, (None, None)),
        ({"offered": STATION}, (3_750_000.0, 1_000_000.0)),
        ({"ac_offered": OUTLET}, (CHARGE_W, BACK_W)),
        ({"pad_vehicle": COIL, "pad_hardware": PAD}, (7_000.0, 0.0)),
        ({"pad_vehicle": replace(COIL, maximum_power_w=12_000.0), "pad_hardware": PAD}, (11_000.0, 0.0)),
        ({"pad_hardware": PAD}, (None, None)),
        ({"pad_hardware": PAD, "offered": STATION}, (3_750_000.0, 1_000_000.0)),
    ],
    ids=["nothing", "DC", "AC", "coil", "pad", "no vehicle", "DC beside a pad"],
)
def test_what_was_offered(known: dict[str, Any], offered: tuple[float | None, float | None]) -> None:
    """A pad takes nothing back."""
    known_here = facts(**known)
    assert (known_here.offered_charge_w, known_here.offered_discharge_w) == offered


def test_what_flows_is_measured_where_it_flows() -> None:
    known = facts(
        measured=ev.PowerMeasured(400.0, -10.0),
        ac_measured=ev.AcMeasured(power_w=(1.0, 2.0, 3.0)),
        pad=ev.PadMeasured(power_w=77.0),
    )
    assert known.measured_w == -4_000.0
    known.ac_limits = OUTLET
    assert known.measured_w == 6.0
    known.pad_vehicle = COIL
    assert known.measured_w == 77.0


def test_what_a_station_has() -> None:
    assert not facts(dc=NO_DC_OUTPUT).has_dc
    assert facts(dc=replace(STATION, maximum_voltage_v=1.0, minimum_voltage_v=0.0)).has_dc
    assert not facts().has_ac
    assert facts(ac_hardware=OUTLET).has_ac


# -- what is noted


@pytest.mark.parametrize(("seconds", "noted"), [(54.9, False), (55.0, False), (55.1, True)])
def test_a_driver_who_takes_longer_than_the_older_editions_have_is_noted(seconds: float, noted: bool) -> None:
    known = facts()
    known.note_long_authorization(seconds)
    known.note_long_authorization(seconds)
    assert [one.name for one in known.news if isinstance(one, act.PeerDeviates)] == (
        ["long-authorization"] if noted else []
    )


@pytest.mark.parametrize(("volts", "noted"), [(449.9, False), (450.0, False), (450.1, True)])
def test_a_target_above_the_vehicles_own_maximum_is_noted(volts: float, noted: bool) -> None:
    known = facts()
    known.note_target(volts, 450.0)
    assert bool(known.news) is noted


# -- the steps of an AC outlet, and of a DC output


def _closed() -> Answer:
    return Answer("closed", None)


def outlet(**known: Any) -> Facts:
    fields: dict[str, Any] = {"authorized": True, "ac_limits": OUTLET, "ac_vehicle": CAR}
    return facts(dc=NO_DC_OUTPUT, ac_hardware=OUTLET, **(fields | known))


@pytest.mark.parametrize(
    ("closed", "energized", "at_once"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_an_outlet_is_connected_already_only_if_it_is_closed_and_alive(
    closed: bool, energized: bool, at_once: bool
) -> None:
    step = ac_outlet.close_contactors(outlet(contactors_closed=closed, energized=energized), 3, _closed)
    assert isinstance(step, Answer if at_once else Wait)


@pytest.mark.parametrize(
    ("name", "missing"),
    [("authorized", None), ("authorized", False), ("ac_limits", None), ("ac_vehicle", None)],
)
def test_an_outlet_is_not_connected_without_one_of_its_preconditions(name: str, missing: bool | None) -> None:
    step = ac_outlet.close_contactors(outlet(**{name: missing}), 3, _closed)
    assert isinstance(step, Refused)
    assert (step.fault, step.end) == (Fault.FAILED, EndReason.INTERNAL_ERROR)


@pytest.mark.parametrize("signal", [None, ev.SignalState.C, ev.SignalState.D])
@pytest.mark.parametrize("pilot_s", [None, 0.5])
def test_contactors_of_an_outlet_have_their_time_from_state_c_on(
    signal: ev.SignalState | None, pilot_s: float | None
) -> None:
    known = outlet(signal=signal)
    step = ac_outlet.close_contactors(known, 3, _closed, pilot_s=pilot_s)
    assert isinstance(step, Wait)
    power, close = step.before
    assert isinstance(power, act.SetAcPower)
    assert power.bounds.phases == 3
    assert close == act.CloseContactors(NOW + 1.4)
    assert step.deadline == NOW + 1.4
    assert step.finish(False) is None
    known.contactors_closed = True
    assert step.finish(False) == _closed()
    assert known.delivered


@pytest.mark.parametrize(("pilot_s", "late", "contactors"), [(None, 1.4, 1.4), (0.5, 0.5, 1.8)])
def test_state_c_of_an_outlet_is_waited_for(pilot_s: float | None, late: float, contactors: float) -> None:
    """Both have to be within one time, or each has its own."""
    known = outlet(signal=ev.SignalState.B, lets_go=True)
    step = ac_outlet.close_contactors(known, 1, _closed, pilot_s=pilot_s)
    assert isinstance(step, Wait)
    assert (step.before, step.deadline) == ((), NOW + late)
    assert known.lets_go is False, "from now on state B is a fault again"
    assert step.finish(False) is None
    refused = step.finish(True)
    assert isinstance(refused, Refused)
    assert (refused.fault, refused.end, refused.cause) == (
        Fault.CONTACTOR,
        EndReason.SIGNAL_LOST,
        "pilot-late",
    )
    known.now, known.signal = NOW + 0.4, ev.SignalState.C
    following = step.finish(False)
    assert isinstance(following, Wait)
    assert following.deadline == pytest.approx(NOW + contactors)
    refused = following.finish(True)
    assert isinstance(refused, Refused)
    assert refused.cause == "contactors-not-closed"


@pytest.mark.parametrize("open_contactors", [ac_outlet.open_contactors, dc_output.open_contactors])
def test_contactors_have_their_time_to_open(open_contactors: Any) -> None:
    known = outlet(contactors_closed=True)
    step = open_contactors(known, _closed)
    assert [type(one) for one in step.before] == [act.StopPower, act.OpenContactors]
    assert step.finish(False) is None
    if open_contactors is dc_output.open_contactors:
        assert step.deadline == pytest.approx(NOW + 0.4)  # what an emergency has is left
        step = step.finish(True)
        assert step.before == ()
        assert step.finish(False) is None
    assert step.deadline == NOW + 1.4
    assert step.finish(True).cause == "contactors-not-opened"
    known.contactors_closed = False
    assert step.finish(True) == step.finish(False) == _closed()


@pytest.mark.parametrize(
    ("present", "begins"), [(0.0, True), (60.0, True), (60.1, False), (-60.0, True), (-60.1, False)]
)
def test_the_cable_check_begins_at_a_voltage_that_nobody_minds(present: float, begins: bool) -> None:
    known = facts(authorized=True, vehicle=VEHICLE, limits=STATION, **shows(present))
    before = dc_output.start_cable_check(known)
    assert isinstance(before, tuple)
    assert [type(one) for one in before] == ([act.StartCableCheck] if begins else [])


@pytest.mark.parametrize(("waited_s", "waits"), [(0.0, True), (4.9, True), (5.0, False), (9.0, False)])
def test_an_output_that_falls_is_waited_for_by_setting(waited_s: float, waits: bool) -> None:
    known = facts(
        authorized=True,
        vehicle=VEHICLE,
        limits=STATION,
        **shows(300.0),
        cable_check_asked=NOW - waited_s,
    )
    before = dc_output.start_cable_check(known)
    assert (before == ()) is waits
    if not waits:
        assert isinstance(before, Refused)
        assert before.end is EndReason.CABLE_CHECK_FAILED
        assert "300 V at the output before the cable check, 5 s" in before.detail


@pytest.mark.parametrize(
    ("age_s", "limits", "begins"),
    [
        (0.9, SupervisionLimits(), True),
        (1.0, SupervisionLimits(), True),
        (1.1, SupervisionLimits(), False),
        (1.1, SupervisionLimits(stale_s=2.0), True),
        (100.0, SupervisionLimits(stale_s=None), True),
        (100.0, SupervisionLimits(off=(Rule.STALE_READINGS,)), True),
    ],
)
def test_the_cable_check_begins_by_a_reading_of_now(
    age_s: float, limits: SupervisionLimits, begins: bool
) -> None:
    config = SeccConfig(supervision=limits)
    known = facts(config=config, authorized=True, vehicle=VEHICLE, limits=STATION, **shows(0.0, age_s))
    before = dc_output.start_cable_check(known)
    assert isinstance(before, tuple)
    assert [type(one) for one in before] == ([act.StartCableCheck] if begins else [])


@pytest.mark.parametrize(("waited_s", "waits"), [(0.0, True), (4.9, True), (5.0, False)])
def test_a_reading_of_now_is_waited_for_by_setting(waited_s: float, waits: bool) -> None:
    known = facts(
        authorized=True,
        vehicle=VEHICLE,
        limits=STATION,
        **shows(0.0, 100.0),
        cable_check_asked=NOW - waited_s,
    )
    before = dc_output.start_cable_check(known)
    assert (before == ()) is waits
    if not waits:
        assert isinstance(before, Refused)
        assert (before.end, before.rule) == (EndReason.HARDWARE_FAULT, "stale-readings")
        assert "not measured within 1 s of the cable check, 5 s" in before.detail


def test_with_pre_charge_the_battery_no_longer_holds_the_output() -> None:
    known = facts(cable_check_ok=True, delivered=True)
    assert dc_output.pre_charge(known, 400.0, 500.0) == (act.PreCharge(400.0, 2.0),)
    assert not known.delivered
    assert known.precharge_started == NOW
