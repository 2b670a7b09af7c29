"""What an AC outlet asks of a vehicle, bound by bound: set-point, schedule, energy, the grid's own limit,
channels. What is told of it stays told; before the first request the offer and the schedule hold."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20 import ac_loop, ac_parameters
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds, AcStationLimits
from iso15118.session.actions import ChargingNeeds, EndReason
from iso15118.session.services import BptChannel, ControlMode, MobilityNeedsMode, ServiceID
from tests.secc.ac_vehicle import AcDrive

S = State
DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
NO_LEAST = {"ev_minimum_charge_power": rational(0.0), "ev_minimum_discharge_power": rational(0.0)}
CAR_W = 11_040.0


class Small(AcDrive):
    """A car that charges and discharges with as little as there is."""

    def cpd_mode(self, **more: Any) -> Any:
        return super().cpd_mode(**(NO_LEAST | more))

    def loop(self, **more: Any) -> Any:
        return super().loop(**((NO_LEAST if self.control_mode is DYNAMIC else {}) | more))


def looping(mode: ControlMode = DYNAMIC, *, phases: int = 3) -> Small:
    drive = Small(ServiceID.AC_BPT, mode, phases=phases)
    drive.to(S.AC_CHARGE_LOOP)
    return drive


def asked(drive: AcDrive, **changes: Any) -> tuple[AcBounds, Any]:
    """What is held after a turn of the loop with these fields, and what was told."""
    response = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=drive.loop(**changes))
    assert response.response_code.value == "OK"
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    return bounds, response.cl_res_control_mode


def target_w(bounds: AcBounds) -> float:
    return sum(bounds.charge_w) - sum(bounds.discharge_w)


# -- what holds


@pytest.mark.parametrize(
    ("point", "energy", "least", "floor", "watts"),
    [
        (None, 20_000.0, -1.0, None, CAR_W),
        (None, 0.5, -1.0, None, CAR_W),
        (None, 0.0, -1.0, None, 0.0),
        (0.5, 20_000.0, -1.0, None, 0.5),
        (0.5, 0.0, -1.0, None, 0.0),
        (0.0, 20_000.0, -1.0, None, 0.0),
        (20_000.0, 20_000.0, -1.0, None, CAR_W),
        (-0.5, 20_000.0, -1.0, None, -0.5),
        (-6_000.0, 0.0, -1.0, None, -6_000.0),
        (-20_000.0, 20_000.0, -1.0, None, -CAR_W),
        (-6_000.0, 20_000.0, 0.0, None, 0.0),
        (-6_000.0, 20_000.0, 0.5, None, 0.0),
        (-6_000.0, 20_000.0, -0.5, None, -6_000.0),
        (-6_000.0, 20_000.0, -1.0, -0.5, -6_000.0),
        (-6_000.0, 20_000.0, -1.0, 0.0, 0.0),
        (-6_000.0, 20_000.0, -1.0, 0.5, 0.0),
        (-6_000.0, 20_000.0, 1.0, -1.0, 0.0),
    ],
    ids=str,
)
def test_a_station_that_sets_the_power(
    point: float | None, energy: float, least: float, floor: float | None, watts: float
) -> None:
    drive = looping()
    drive.book.tell(ev.SetPointChanged(point))
    v2x = {} if floor is None else {
        "ev_minimum_v2x_energy_request": rational(floor),
        "ev_maximum_v2x_energy_request": rational(5_000.0),
    }  # fmt: skip
    needs = {"ev_target_energy_request": rational(energy), "ev_minimum_energy_request": rational(least)}
    bounds, told = asked(drive, **needs, **v2x)
    assert target_w(bounds) == pytest.approx(watts)
    assert not any(bounds.charge_w) or not any(bounds.discharge_w), "one direction at a time"
    assert any(bounds.charge_a) is any(bounds.charge_w)
    assert any(bounds.discharge_a) is any(bounds.discharge_w)
    assert si(told.evse_target_active_power) == pytest.approx(watts, abs=1.0)


@pytest.mark.parametrize(
    ("point", "schedule", "back", "cap", "watts"),
    [
        (None, 5_000.0, 3_000.0, None, 5_000.0),
        (9_000.0, 5_000.0, 3_000.0, None, 5_000.0),
        (4_000.0, 5_000.0, 3_000.0, None, 4_000.0),
        (4_000.0, None, 3_000.0, None, 4_000.0),
        (None, None, 3_000.0, 1_000.0, CAR_W),
        (4_000.0, 5_000.0, 3_000.0, 1_000.0, 4_000.0),
        (-4_000.0, 1_000.0, 3_000.0, None, -3_000.0),
        (-2_000.0, 1_000.0, 3_000.0, None, -2_000.0),
        (-4_000.0, 1_000.0, None, None, -4_000.0),
        (-4_000.0, 1_000.0, 3_000.0, 1_500.0, -1_500.0),
        (-1_000.0, 1_000.0, 3_000.0, 1_500.0, -1_000.0),
        (-4_000.0, 1_000.0, 3_000.0, 0.0, 0.0),
    ],
    ids=str,
)
def test_a_schedule_binds_its_own_direction_and_the_grid_what_is_given_back(
    point: float | None, schedule: float | None, back: float | None, cap: float | None, watts: float
) -> None:
    drive = looping(SCHEDULED)
    ctx = drive.context
    ctx.schedule = None if schedule is None else Schedule.of(0.0, ((3600.0, schedule),))
    ctx.discharging = None if back is None else Schedule.of(0.0, ((3600.0, back),))
    ctx.facts.dso = DsoSetPoint(maximum_discharge_w=cap)
    drive.book.tell(ev.SetPointChanged(point))
    bounds, _ = asked(drive)
    assert target_w(bounds) == pytest.approx(watts)


def test_a_schedule_is_nothing_to_a_station_that_sets_the_power() -> None:
    drive = looping()
    drive.context.schedule = drive.context.discharging = Schedule.of(0.0, ((3600.0, 1_000.0),))
    assert target_w(asked(drive)[0]) == pytest.approx(CAR_W)
    drive.book.tell(ev.SetPointChanged(-6_000.0))
    assert target_w(asked(drive)[0]) == pytest.approx(-6_000.0)


@pytest.mark.parametrize("discharge", [True, False])
def test_nothing_flows_over_the_channel_that_is_not_chosen(discharge: bool) -> None:
    drive = looping()
    ctx = drive.context
    assert ctx.parameter_set is not None
    ctx.parameter_set = replace(ctx.parameter_set, bpt_channel=BptChannel.SEPARATED)
    ctx.discharge_channel = discharge
    for point in (6_000.0, -6_000.0):
        drive.book.tell(ev.SetPointChanged(point))
        bounds, told = asked(drive)
        open_ = discharge is (point < 0.0)
        assert target_w(bounds) == pytest.approx(point if open_ else 0.0)
        assert si(told.evse_target_active_power) == point, "by it the vehicle knows which channel to choose"


@pytest.mark.parametrize(("phases", "told_var"), [(3, (1_000.0,) * 3), (1, (3_000.0, 0.0, 0.0))], ids=str)
def test_reactive_power_is_shared_by_the_phases(phases: int, told_var: tuple[float, ...]) -> None:
    drive = looping(phases=phases)
    assert drive.send(ac.ACChargeLoopReq).cl_res_control_mode.evse_target_reactive_power is None
    drive.book.tell(ev.SetPointChanged(2_000.0, 3_000.0))
    bounds, told = asked(drive)
    assert bounds.target_var == told_var
    assert si(told.evse_target_reactive_power) == 3_000.0


def test_the_same_bounds_are_told_to_the_outlet_once() -> None:
    drive = looping()
    assert [one for one in drive.book.actions if isinstance(one, act.SetAcPower)]
    asked(drive)
    assert not [one for one in drive.book.actions if isinstance(one, act.SetAcPower)]
    asked(drive, ev_maximum_charge_power=rational(5_000.0))
    assert [one for one in drive.book.actions if isinstance(one, act.SetAcPower)]


@pytest.mark.parametrize("mode", [DYNAMIC, SCHEDULED])
def test_before_the_first_request_a_vehicle_may_take_what_both_sides_can_do(mode: ControlMode) -> None:
    """It draws from when the contactors are closed, and its first request may come up to a minute later."""
    drive = looping(mode)
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    assert target_w(bounds) == pytest.approx(CAR_W)
    assert bounds.discharge_w == (0.0,) * 3
    # A set-point is for those who are told their power; others have not heard of it yet.
    drive.book.tell(ev.SetPointChanged(3_000.0))
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    assert target_w(bounds) == pytest.approx(3_000.0 if mode is DYNAMIC else CAR_W)
    drive.book.tell(ev.SetPointChanged(-3_000.0))
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    assert bounds.discharge_w == (0.0,) * 3, "nobody gives before he was asked to"
    asked(drive)
    bounds = drive.session._facts.ac_power
    assert bounds is not None
    assert target_w(bounds) == pytest.approx(-3_000.0)


@pytest.mark.parametrize("mode", [DYNAMIC, SCHEDULED])
def test_a_vehicle_that_draws_before_its_first_request_is_left_alone(mode: ControlMode) -> None:
    drive = looping(mode)
    drive.values = ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=(15.5,) * 3, power_w=(3_565.0,) * 3)
    for _ in range(500):
        drive.book.wait(0.1)
        drive.book.tell(drive.values)
    assert drive.session.ended is None
    assert drive.session._facts.abort_reason is None
    assert drive.book.does() == []


@pytest.mark.parametrize("processing", [False, True])
def test_a_vehicle_draws_on_while_a_schedule_is_agreed_on_at_leisure(processing: bool) -> None:
    """Power that was taken back behind each request could not be taken from it: it ended as a fault."""
    drive = looping(SCHEDULED)
    asked(drive)
    before = drive.session._facts.ac_power
    drive.values = ev.AcMeasured(voltage_v=(230.0,) * 3, current_a=(15.5,) * 3, power_w=(3_565.0,) * 3)
    anew = cm.ChargeProgress.ScheduleRenegotiation
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Start if processing else anew)
    for _ in range(50):
        drive.book.wait(0.1)
        drive.book.tell(drive.values)
    assert drive.session._facts.ac_power == before
    if not processing:
        drive.send(cm.ScheduleExchangeReq)
    assert drive.session.ended is None
    assert drive.session._facts.abort_reason is None


# -- what has to be there


@pytest.mark.parametrize("missing", ["service", "ac_vehicle", "ac_limits", "contactors_closed"])
def test_no_loop_without(missing: str) -> None:
    drive = looping()
    owner: Any = drive.context if missing == "service" else drive.context.facts
    setattr(owner, missing, False if missing == "contactors_closed" else None)
    request = drive.request(ac.ACChargeLoopReq)
    reply: Any = ac_loop.charge_loop(request, drive.context)
    assert reply.end is EndReason.INTERNAL_ERROR


@pytest.mark.parametrize("missing", ["service", "ac_vehicle", "ac_limits"])
def test_no_bounds_without(missing: str) -> None:
    drive = looping()
    asked(drive)
    owner: Any = drive.context if missing == "service" else drive.context.facts
    setattr(owner, missing, None)
    assert ac_loop.present_bounds(drive.context) is None


def test_a_refusal_before_anything_was_chosen_is_of_one_phase() -> None:
    drive = AcDrive().to(S.AC_CHARGE_PARAMETER_DISCOVERY)
    refused = drive.send(ac.ACChargeLoopReq)
    assert refused.response_code.value == "FAILED_SequenceError"
    drive = Small(ServiceID.AC_BPT, DYNAMIC).to(S.AC_CHARGE_PARAMETER_DISCOVERY)
    element = drive.send(ac.ACChargeLoopReq).cl_res_control_mode
    assert (si(element.evse_target_active_power), element.evse_target_active_power_l2) == (0.0, None)
    drive.context.parameter_set = None
    assert ac_parameters.phases(drive.context) == 1


# -- in Scheduled mode: when a target is told


def test_a_target_is_told_once_more_holds_than_the_schedule_and_stays_told() -> None:
    for case in ("nothing", "point", "limits", "standby"):
        drive = looping(SCHEDULED)
        if case == "point":
            drive.book.tell(ev.SetPointChanged(6_000.0))
        elif case == "limits":
            drive.book.tell(ev.AcLimitsChanged(AcStationLimits.of(current_a=10.0, discharge_a=32.0)))
        elif case == "standby":
            drive.send(ac.ACChargeLoopReq)
            drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
        wanted = {"nothing": None, "point": 6_000.0, "limits": 6_900.0, "standby": 0.0}[case]
        bounds, told = asked(drive)
        said = told.evse_target_active_power
        assert (None if said is None else si(said)) == wanted, case
        assert (bounds.target_w is None) is (wanted is None)
        drive.book.tell(ev.SetPointChanged(None))
        drive.book.tell(ev.AcLimitsChanged(drive.outlet))
        if case == "standby":
            drive.send(cm.PowerDeliveryReq)
        again = asked(drive)[1].evse_target_active_power
        assert (None if again is None else si(again)) == (None if case == "nothing" else CAR_W), case


def test_needs_are_passed_on_where_the_station_sets_the_power() -> None:
    for mode in (DYNAMIC, SCHEDULED):
        drive = looping(mode)
        asked(drive)
        drive.book.now += 0.3
        asked(drive)
        drive.session.timers.clear_all()
        drive.book.now += 1.5
        asked(drive, ev_target_energy_request=rational(25_000.0))
        told = [one.target_wh for one in drive.book.actions if isinstance(one, ChargingNeeds)]
        assert told == ([25_000.0] if mode is DYNAMIC else [])


def told_needs(drive: AcDrive) -> tuple[int | None, ...]:
    element = drive.send(ac.ACChargeLoopReq).cl_res_control_mode
    names = ("departure_time", "minimum_soc", "target_soc", "ack_max_delay")
    return tuple(getattr(element, name) for name in names)


class AcDriver(AcDrive):
    """A vehicle whose parameter set lets the station be told of the driver's needs."""

    def request(self, kind: type, **changes: Any) -> Any:
        if kind is cm.ServiceSelectionReq:
            sets = self.context.parameter_sets(self.service.id)
            secc = MobilityNeedsMode.PROVIDED_BY_SECC
            chosen = next(one.id for one in sets if one.mobility_needs_mode is secc)
            selected = cm.SelectedService(service_id=int(self.service.id), parameter_set_id=chosen)
            changes = {"selected_energy_transfer_service": selected}
        return super().request(kind, **changes)


def test_an_outlet_tells_it_as_well() -> None:
    config = SeccConfig(services=(ServiceID.AC,), mobility_needs_modes=tuple(MobilityNeedsMode))
    drive = AcDriver(control_mode=DYNAMIC, config=config)
    drive.to(S.AC_CHARGE_LOOP)
    assert told_needs(drive) == (None,) * 4
    drive.book.tell(ev.MobilityNeedsChanged(1000.0, 20, 80, 30.0))
    assert told_needs(drive) == (1000, 20, 80, 30)
