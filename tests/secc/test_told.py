"""What a station tells in its answers: flags at the very limit, delays that count down, its opinion of the
vehicle's power over time, and names of vehicles that are just long enough to pause."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.schedule import Schedule
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.profiles import profile_exceeded
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.services import ControlMode, ServiceID
from tests.pair.contracts import issued, trust
from tests.secc.test_numbers import HELD_BACK, charging, drive_with
from tests.secc.test_pause import PAUSE, back, contract, ticket
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, STATION, Drive

# -- flags


@pytest.mark.parametrize(
    ("volts", "amperes", "asked_a", "flags"),
    [
        # power, current and voltage at 400 kW, 1000 A (500 A back) and 1000 V
        (800.0, 0.0, 0.0, (False, False, False)),
        (800.0, 495.0, 0.0, (True, False, False)),
        (800.0, 494.9, 0.0, (False, False, False)),
        (100.0, 990.0, 0.0, (False, True, False)),
        (100.0, 989.9, 0.0, (False, False, False)),
        (800.0, 0.0, 501.0, (True, False, False)),
        (800.0, 0.0, 500.0, (False, False, False)),
        (400.0, 0.0, 1000.0, (False, False, False)),
        (100.0, 0.0, 1001.0, (False, True, False)),
        (100.0, 0.0, -501.0, (False, True, False)),
        (100.0, 0.0, -500.0, (False, False, False)),
        (100.0, -495.0, 0.0, (False, True, False)),
        (990.0, 0.5, 0.0, (False, False, True)),
        (990.0, 0.0, 0.0, (False, False, False)),
        (989.9, 0.5, 0.0, (False, False, False)),
        (800.0, -250.0, 0.0, (True, False, False)),
    ],
)
def test_the_flags_at_the_very_limit(
    volts: float, amperes: float, asked_a: float, flags: tuple[bool, ...]
) -> None:
    limits = replace(
        STATION,
        maximum_charge_power_w=400_000.0,
        maximum_charge_current_a=1000.0,
        maximum_voltage_v=1000.0,
        maximum_discharge_current_a=500.0,
        maximum_discharge_power_w=200_000.0,
    )
    drive = drive_with(limits, ServiceID.DC_BPT).to(State.DC_CHARGE_LOOP)
    drive.output = None
    drive.book.tell(ev.PowerMeasured(volts, amperes))
    drive.session._facts.measured = ev.PowerMeasured(volts, amperes)
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(asked_a, 700.0))
    told = (
        answer.evse_power_limit_achieved,
        answer.evse_current_limit_achieved,
        answer.evse_voltage_limit_achieved,
    )
    assert told == flags


def test_a_limit_of_nothing_is_not_reached_by_nothing() -> None:
    drive = charging()
    drive.measure(BATTERY_V)
    drive.book.tell(
        ev.LimitsChanged(replace(STATION, maximum_charge_current_a=0.0, maximum_charge_power_w=0.0))
    )
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(0.0))
    assert not answer.evse_current_limit_achieved
    assert not answer.evse_power_limit_achieved


# -- delays


def delays(drive: Drive, seconds: int) -> list[tuple[str, int]]:
    """What every second is notified, and the time that is left."""
    seen = []
    for _ in range(seconds):
        drive.measure(BATTERY_V)
        status = drive.send(dc.DCChargeLoopReq).evse_status
        seen.append(
            ("", 0) if status is None else (status.evse_notification.value, status.notification_max_delay)
        )
        drive.session.timers.clear_all()
        drive.book.now += 1.0
    return seen


def test_the_time_to_stop_counts_down() -> None:
    drive = charging()
    drive.book.now += 100.0
    drive.book.tell(ev.StopRequested("closing time"))
    assert delays(drive, 4) == [("Terminate", left) for left in (10, 9, 8, 7)]


def test_the_time_to_agree_on_another_schedule_counts_down() -> None:
    drive = drive_with(HELD_BACK, hardware=STATION).to(State.DC_CHARGE_LOOP)
    drive.book.now += 100.0
    drive.book.tell(ev.LimitsChanged(STATION))
    assert delays(drive, 4) == [("ScheduleRenegotiation", left) for left in (30, 29, 28, 27)]


# -- the vehicle's own profile


def judged(profile: Schedule, watts: float, *times: float, **config: Any) -> list[str]:
    """What is said to so much power at these times."""
    ctx = Drive(config=SeccConfig(services=ALL_SERVICES, **config)).to(State.SESSION_SETUP).context
    ctx.profile = profile
    ctx.tolerance_w = config.get("power_tolerance_w", 0.0)  # which it has confirmed
    ctx.facts.measured = ev.PowerMeasured(800.0, watts / 800.0)
    said = []
    for now in times:
        ctx.facts.now = now
        said.append(profile_exceeded(ctx).value.removesuffix("_EVPowerProfileViolation"))
    return said


def test_power_above_the_profile_is_allowed_for_so_long() -> None:
    profile = Schedule.of(0.0, ((3600.0, 10_000.0),))
    assert judged(profile, 11_000.0, 100.0, 104.75, 105.0, 159.75, 160.0) == [
        "OK",
        "OK",
        "WARNING",
        "WARNING",
        "FAILED",
    ]


@pytest.mark.parametrize(
    ("planned", "watts", "room", "within"),
    [
        (8_000.0, 8_300.0, {}, True),  # 300 W
        (8_000.0, 8_301.0, {}, False),
        (80_000.0, 82_400.0, {}, True),  # three per cent
        (80_000.0, 82_401.0, {}, False),
        (8_000.0, 9_000.0, {"power_tolerance_w": 1000.0}, True),
        (8_000.0, 9_001.0, {"power_tolerance_w": 1000.0}, False),
        (-80_000.0, 2_400.0, {}, True),
        (-80_000.0, 2_401.0, {}, False),
        (-80_000.0, -40_000.0, {}, True),
    ],
)
def test_how_much_more_than_the_profile_is_none(
    planned: float, watts: float, room: dict[str, float], within: bool
) -> None:
    profile = Schedule.of(0.0, ((3600.0, planned),))
    assert judged(profile, watts, 0.0, 10.0, **room) == (["OK", "OK"] if within else ["OK", "WARNING"])


def test_a_profile_holds_from_its_beginning_and_its_last_power_beyond_its_end() -> None:
    profile = Schedule.of(100.0, ((50.0, 10_000.0), (50.0, 20_000.0)))
    assert judged(profile, 15_000.0, 90.0, 99.5) == ["OK", "OK"]
    assert judged(profile, 15_000.0, 100.0, 105.0) == ["OK", "WARNING"]
    assert judged(profile, 15_000.0, 160.0, 199.0, 200.0, 500.0) == ["OK", "OK", "OK", "OK"]
    assert judged(profile, 25_000.0, 195.0, 200.0, 300.0) == ["OK", "WARNING", "FAILED"]


# -- who may pause


@pytest.mark.parametrize(("length", "granted"), [(0, False), (1, True), (255, True), (256, False)])
def test_a_name_by_which_a_vehicle_can_be_known(length: int, granted: bool) -> None:
    drive = Drive().to(State.SESSION_STOP)
    drive.session._facts.evccid = "x" * length
    drive.session._facts.plain = True  # without a certificate nothing else is asked for
    answer = drive.send(cm.SessionStopReq, **PAUSE)
    assert (answer.response_code is ResponseCode.OK) is granted
    assert (drive.session.ticket is not None) is granted


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("service", None),
        ("parameter_set", None),
        ("authorized", None),
        ("energized", True),
        ("contactors_closed", True),
    ],
)
def test_without_any_of_these_there_is_no_pause(name: str, value: Any) -> None:
    drive = Drive().to(State.SESSION_STOP)
    drive.session._facts.plain = True
    chosen = name in ("service", "parameter_set")
    setattr(drive.context if chosen else drive.session._facts, name, value)
    answer = drive.send(cm.SessionStopReq, **PAUSE)
    assert answer.response_code is ResponseCode.FAILED_PauseNotAllowed
    assert drive.session.ticket is None


def test_after_a_pause_the_first_confirmation_is_due_as_after_an_authorization() -> None:
    config = SeccConfig(services=ALL_SERVICES, metering_confirmation_s=20.0)
    drive, response = back(ticket(claim=contract()), trust=trust(issued("ed448")), config=config)
    assert response.response_code is ResponseCode.OK_OldSessionJoined
    began = drive.book.now
    drive.to(State.DC_CHARGE_LOOP)
    due = None
    for _ in range(120):
        drive.measure(BATTERY_V, 100.0)
        drive.book.tell(ev.MeterRead("M1", 10.0, at=drive.book.now))
        status = drive.send(dc.DCChargeLoopReq).evse_status
        if status is not None:
            assert (status.evse_notification.value, status.notification_max_delay) == (
                "MeteringConfirmation",
                10,
            )
            due = drive.book.now - began
            break
        drive.book.now += 0.25
    assert due == pytest.approx(20.0, abs=0.3)


# -- dynamic control


@pytest.mark.parametrize(
    ("set_point", "energy_wh", "floor_wh", "current"),
    [
        (None, 0.5, None, 1500.0),
        (None, 0.0, None, 0.0),
        (0.0, 10e3, None, 0.0),
        (-0.5, 10e3, None, -0.5 / 800.0),
        (-80e3, 10e3, -0.5, -100.0),
        (-80e3, 10e3, 0.0, 0.0),
    ],
)
def test_what_a_station_gives_or_takes_where_it_chooses(
    set_point: float | None, energy_wh: float, floor_wh: float | None, current: float
) -> None:
    drive = charging(ServiceID.DC_BPT, ControlMode.DYNAMIC)
    drive.measure(BATTERY_V)
    drive.book.tell(ev.SetPointChanged(set_point))
    more: dict[str, Any] = (
        {}
        if floor_wh is None
        else {
            "ev_minimum_v2x_energy_request": rational(floor_wh),
            "ev_maximum_v2x_energy_request": rational(1000.0),
        }
    )
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.dynamic(energy_wh, **more))
    powers = [action.current_a for action in drive.book.actions if isinstance(action, act.SetPower)]
    assert powers == [pytest.approx(current, rel=0.01)]


# -- before the loop


def test_what_a_vehicle_does_not_say_it_needs_is_nothing() -> None:
    drive = Drive().to(State.SCHEDULE_EXCHANGE)
    drive.send(cm.ScheduleExchangeReq, se_req_control_mode=cm.ScheduledSEReqControlMode())
    (needs,) = (action for action in drive.book.actions if isinstance(action, act.ChargingNeeds))
    assert (needs.target_wh, needs.maximum_wh, needs.minimum_wh) == (0.0, 0.0, 0.0)


def test_no_service_is_free_and_contracts_are_offered_only_where_they_are_taken() -> None:
    for contracts in (False, True):
        drive = Drive(trust=trust(issued("ed448")) if contracts else None).to(State.AUTHORIZATION_SETUP)
        setup = drive.send(cm.AuthorizationSetupReq)
        ways = (cm.Authorization.EIM, cm.Authorization.PnC) if contracts else (cm.Authorization.EIM,)
        assert setup.authorization_services == ways
        drive.to(State.SERVICE_DISCOVERY)
        answer = drive.send(cm.ServiceDiscoveryReq)
        assert {one.free_service for one in answer.energy_transfer_service_list.service} == {False}


@pytest.mark.parametrize("mode", ControlMode)
def test_a_refusal_is_of_the_chosen_control_mode(mode: ControlMode) -> None:
    drive = Drive(control_mode=mode).to(State.SCHEDULE_EXCHANGE)
    wrong = (
        cm.ScheduledSEReqControlMode()
        if mode is ControlMode.DYNAMIC
        else cm.DynamicSEReqControlMode(departure_time=1, **_NEEDS)
    )
    answer = drive.send(cm.ScheduleExchangeReq, se_req_control_mode=wrong)
    assert answer.response_code.value.startswith("FAILED")
    kind = cm.DynamicSEResControlMode if mode is ControlMode.DYNAMIC else cm.ScheduledSEResControlMode
    assert type(answer.se_res_control_mode) is kind
    for service in (ServiceID.DC, ServiceID.DC_BPT):
        drive = Drive(service, mode).to(State.DC_CHARGE_LOOP)
        before = drive.send(dc.DCChargeLoopReq)
        drive.book.tell(ev.EmergencyShutdown("x"))
        refused = drive.send(dc.DCChargeLoopReq)
        assert refused.response_code is ResponseCode.FAILED
        assert type(refused.cl_res_control_mode) is type(before.cl_res_control_mode)


_NEEDS: dict[str, Any] = {
    f"ev_{name}_energy_request": rational(1000.0) for name in ("target", "maximum", "minimum")
}
