"""The charge loop of DIN 70121 at the station: bounds within both sides' limits, limits that change,
status, and the ways to stop."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.events import SignalState
from tests.secc.din.vehicle import BATTERY_V, STATION, Drive, value, with_fault

S = State


def loop(**settings: Any) -> Drive:
    drive = Drive(config=SeccConfig(editions=("din",), din=DinSeccSettings(**settings)))
    return drive.to(S.CURRENT_DEMAND)


def turn(drive: Drive, current_a: float = 100.0, voltage_v: float = 420.0, **more: Any) -> Any:
    return drive.send(
        din.CurrentDemandReq,
        ev_target_current=value(current_a, "A"),
        ev_target_voltage=value(voltage_v),
        **more,
    )


def bounds(drive: Drive) -> tuple[float, float, float] | None:
    """What the last call asked of the supply."""
    for one in drive.book.actions:
        if isinstance(one, act.SetPower):
            return one.voltage_v, one.current_a, one.power_w
    return None


def limits(answer: din.CurrentDemandRes) -> list[float | None]:
    fields = (
        answer.evse_maximum_voltage_limit,
        answer.evse_maximum_current_limit,
        answer.evse_maximum_power_limit,
    )
    return [None if field is None else quantity(field) for field in fields]


def test_what_is_asked_for_is_given_once_and_told() -> None:
    drive = loop()
    answer = turn(drive)
    assert bounds(drive) == (420.0, 100.0, 120_000.0)
    assert limits(answer) == [920.0, 400.0, 150_000.0]
    drive.measure(391.26, 99.94)
    answer = turn(drive)
    assert bounds(drive) is None  # nothing has changed
    assert quantity(answer.evse_present_voltage) == 391.3
    assert quantity(answer.evse_present_current) == 99.9
    assert answer.dc_evse_status.evse_status_code is din.DCEVSEStatusCode.EVSE_Ready
    assert answer.dc_evse_status.evse_isolation_status is din.IsolationLevel.Valid
    assert answer.dc_evse_status.notification_max_delay == 0


def test_a_slow_vehicle_is_waited_for() -> None:
    """One maker's vehicles take 0.43 s from one request to the next."""
    drive = loop()
    for _ in range(200):
        drive.measure(390.0, 100.0)
        assert turn(drive).response_code is din.ResponseCode.OK
        drive.wait(0.43)
        drive.measure(390.1, 99.9)
    assert drive.session.state == "CurrentDemand"


def test_limits_that_change_are_told_all_three_and_hold_before_the_next_request() -> None:
    drive = loop()
    turn(drive, 300.0)
    drive.tell(
        ev.LimitsChanged(replace(STATION, maximum_charge_power_w=20_000.0, maximum_charge_current_a=60.0))
    )
    asked = bounds(drive)
    assert asked is not None
    assert asked[1] <= 20_000.0 / BATTERY_V
    assert asked[2] == 20_000.0
    assert limits(turn(drive, 300.0)) == [920.0, 60.0, 20_000.0]
    drive.tell(ev.LimitsChanged(STATION))
    assert limits(turn(drive, 300.0)) == [920.0, 400.0, 150_000.0]


def test_without_power_no_current_is_offered_and_the_session_goes_on() -> None:
    drive = loop()
    drive.tell(ev.SetPointChanged(0.0))
    answer = turn(drive)
    assert limits(answer)[1:] == [0.0, 0.0]
    assert bounds(drive) == (420.0, 0.0, 0.0)
    assert answer.evse_current_limit_achieved
    drive.tell(ev.SetPointChanged(-5_000.0))  # nothing can be taken back
    assert limits(turn(drive))[1:] == [0.0, 0.0]
    drive.tell(ev.SetPointChanged(None))
    assert limits(turn(drive))[1:] == [400.0, 150_000.0]


def test_limits_may_be_left_out() -> None:
    assert limits(turn(loop(send_loop_limits=False))) == [None, None, None]


def test_more_than_the_offer_is_never_given() -> None:
    """The hardware that was offered binds, whatever it says it can later."""
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=500.0)))
    assert limits(turn(drive)) == [920.0, 400.0, 150_000.0]


@pytest.mark.parametrize(
    ("target_a", "target_v", "own", "asked"),
    [
        (85.0, 420.0, 80.0, (420.0, 80.0)),
        (799.0, 420.0, 9.0, (420.0, 9.0)),
        (32_000.0, 420.0, None, (420.0, 300.0)),
        (-50.0, 420.0, None, (420.0, 0.0)),
        (100.0, 900.0, None, (450.0, 100.0)),
        (100.0, 0.0, None, (150.0, 0.0)),
        (100.0, -420.0, None, (150.0, 0.0)),
        (100.0, 149.0, None, (150.0, 0.0)),
        (100.0, 420.0, -9.0, (420.0, 0.0)),
        (100.0, 420.0, 5000.0, (420.0, 100.0)),
    ],
)
def test_odd_targets_are_cut_to_what_both_sides_have(
    target_a: float, target_v: float, own: float | None, asked: tuple[float, float]
) -> None:
    drive = loop()
    more = {} if own is None else {"ev_maximum_current_limit": value(own, "A")}
    answer = turn(drive, target_a, target_v, **more)
    assert answer.response_code is din.ResponseCode.OK
    given = bounds(drive)
    assert given is not None
    assert given[0] == asked[0]
    assert given[1] == pytest.approx(asked[1])


@pytest.mark.parametrize(
    ("target_a", "target_v", "notes"),
    [
        (100.0, 450.0, []),
        (0.0, 0.0, []),
        (100.0, 450.5, ["target-voltage"]),
        (100.0, 450.6, ["target-voltage"]),
        (100.0, -0.1, ["target-voltage"]),
        (-0.1, 420.0, ["target-current"]),
    ],
)
def test_targets_that_a_vehicle_cannot_mean_are_noted_once(
    target_a: float, target_v: float, notes: list[str]
) -> None:
    drive = loop()
    turn(drive, target_a, target_v)
    assert drive.notes() == notes
    turn(drive, target_a, target_v)
    assert drive.notes() == []


@pytest.mark.parametrize(
    ("target_a", "measured_a", "achieved"),
    [(79.9, 50.0, False), (80.0, 50.0, True), (85.0, 80.0, True), (79.0, 79.2, True), (79.0, 79.1, False)],
)
def test_whether_the_current_is_at_the_stations_limit(
    target_a: float, measured_a: float, achieved: bool
) -> None:
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=80.0)))
    turn(drive, target_a)
    drive.measure(BATTERY_V, measured_a)
    answer = turn(drive, target_a)
    assert answer.evse_current_limit_achieved is achieved
    assert not answer.evse_voltage_limit_achieved
    assert not answer.evse_power_limit_achieved


def test_the_least_limits_are_limits_too() -> None:
    """One ampere, one watt: small, and not nothing."""
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=1.0)))
    assert not turn(drive, 0.5).evse_current_limit_achieved
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=1.0)))
    assert limits(turn(drive, 0.0))[1:] == [400.0, 1.0]


def test_the_voltage_is_at_the_limit_while_a_little_current_flows_and_not_without() -> None:
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_voltage_v=385.0)))
    turn(drive, 10.0, 380.0)
    drive.measure(384.0, 0.5)
    assert turn(drive, 10.0, 380.0).evse_voltage_limit_achieved
    drive.measure(384.0, 0.0)
    assert not turn(drive, 10.0, 380.0).evse_voltage_limit_achieved


def test_whether_voltage_and_power_are_at_the_stations_limit() -> None:
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=30_000.0, maximum_voltage_v=400.0)))
    answer = turn(drive, 100.0, 420.0)
    assert answer.evse_power_limit_achieved
    assert answer.evse_voltage_limit_achieved


@pytest.mark.parametrize("code", [one for one in din.DCEVErrorCode if one.value.startswith("FAILED_")])
def test_a_vehicle_with_a_fault_is_given_no_current_and_an_answer(code: din.DCEVErrorCode) -> None:
    drive = loop()
    turn(drive)
    answer = turn(drive, dc_ev_status=with_fault(code))
    assert answer.response_code is din.ResponseCode.OK
    assert bounds(drive) == (420.0, 0.0, 120_000.0) or bounds(drive) == (420.0, 0.0, 0.0)
    assert drive.notes() == ["vehicle-fault"]
    drive.stopped()
    assert drive.session.state == "WeldingDetection"


def test_a_vehicle_that_ignores_the_limits_is_told_of_once() -> None:
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=50.0)))
    warnings = 0
    for _ in range(200):
        turn(drive, 100.0)
        warnings += sum(isinstance(one, act.SupervisionWarning) for one in drive.book.actions)
    assert warnings == 1


def test_what_the_vehicle_tells_of_itself_is_shown_when_it_changes() -> None:
    drive = loop()
    turn(
        drive,
        remaining_time_to_full_soc=value(1800.0, "s"),
        remaining_time_to_bulk_soc=value(-1.0, "s"),
        dc_ev_status=din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, evresssoc=41),
    )
    (shown,) = (one for one in drive.book.actions if isinstance(one, act.VehicleDisplay))
    assert (shown.present_soc, shown.to_maximum_s, shown.to_target_s, shown.target_soc) == (
        41,
        1800,
        None,
        80,
    )
    turn(
        drive,
        dc_ev_status=din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.NO_ERROR, evresssoc=41),
    )
    assert not any(isinstance(one, act.VehicleDisplay) for one in drive.book.actions)


# -- the ways to stop --------------------------------------------------------------------------------------


def test_a_wish_to_stop_is_told_by_shutdown_and_notification() -> None:
    drive = loop()
    turn(drive)
    drive.tell(ev.StopRequested("closing time"))
    status = turn(drive).dc_evse_status
    assert status.evse_status_code is din.DCEVSEStatusCode.EVSE_Shutdown
    assert status.evse_notification is din.EVSENotification.StopCharging
    assert status.notification_max_delay == 0
    drive.stopped()
    drive.send(din.SessionStop)
    drive.book.ends(EndReason.STOPPED_BY_STATION)


def test_an_interrupt_of_the_grid_is_told_as_such() -> None:
    drive = loop()
    turn(drive)
    drive.tell(ev.StopRequested("the grid", utility_interrupt=True))
    status = turn(drive).dc_evse_status
    assert status.evse_status_code is din.DCEVSEStatusCode.EVSE_UtilityInterruptEvent
    assert status.evse_notification is din.EVSENotification.StopCharging
    drive.stopped()
    drive.send(din.SessionStop)
    drive.book.ends(EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize("off", [-0.001, 0.0])
@pytest.mark.parametrize("current_a", [0.0, 100.0])
def test_a_vehicle_that_does_not_stop_is_stopped(off: float, current_a: float) -> None:
    drive = loop()
    turn(drive)
    drive.tell(ev.StopRequested("closing time"))
    began = drive.book.now
    stops: list[Urgency] = []
    while drive.book.now < began + 10.0 + off - 1e-9:
        drive.measure(BATTERY_V, current_a)
        turn(drive)
        drive.wait(min(0.5, began + 10.0 + off - drive.book.now))
        stops += [one.urgency for one in drive.book.actions if isinstance(one, act.StopPower)]
    if off < 0.0:
        assert stops == []
        return
    assert stops == [Urgency.EMERGENCY if current_a else Urgency.ORDERLY]
    drive.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    answer = turn(drive)
    assert answer.response_code is din.ResponseCode.FAILED
    ended = drive.session.ended
    assert ended is not None
    assert ended.reason is (EndReason.HARDWARE_FAULT if current_a else EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize("state", [s for s in State if s not in (S.SESSION_SETUP, S.ENDED)])
def test_a_wish_to_stop_before_power_is_told_by_refusing(state: State) -> None:
    drive = Drive().to(state)
    drive.tell(ev.StopRequested("closing time"))
    kind = {
        "CurrentDemand": din.CurrentDemandReq,
        "WeldingDetection": din.WeldingDetectionReq,
        "PowerDelivery": din.PreChargeReq,
    }.get(state.value) or getattr(din, state.value + "Req")
    answer = drive.send(kind)
    if state in (S.CURRENT_DEMAND, S.WELDING_DETECTION):
        assert answer.response_code is din.ResponseCode.OK
        return
    assert answer.response_code is din.ResponseCode.FAILED
    status = getattr(answer, "dc_evse_status", None)
    if status is not None:
        assert status.evse_status_code is din.DCEVSEStatusCode.EVSE_Shutdown
    drive.book.ends(EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize(
    ("event", "code", "isolation"),
    [
        (ev.EmergencyShutdown("button"), "EVSE_EmergencyShutdown", "Valid"),
        (ev.HardwareFault("power", "hot"), "EVSE_Malfunction", "Valid"),
        (ev.ContactorsChanged(False), "EVSE_Malfunction", "Valid"),
        (ev.SignalChanged(SignalState.B), "EVSE_EmergencyShutdown", "Valid"),
        (ev.InsulationMeasured(10_000.0), "EVSE_EmergencyShutdown", "Fault"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_alarm_switches_off_at_once_and_is_named_in_the_next_answer(
    event: ev.Event, code: str, isolation: str
) -> None:
    drive = loop()
    turn(drive)
    drive.tell(event)
    for _ in range(40):
        if any(isinstance(one, act.StopPower) for one in drive.book.actions):
            break
        drive.wait(0.1)
        drive.measure(BATTERY_V, 0.0)
        drive.tell(event)
    first = [type(one) for one in drive.book.actions if isinstance(one, act.HardwareAction)][:2]
    assert first == [act.StopPower, act.OpenContactors]
    drive.tell(ev.ContactorsChanged(False))
    drive.measure(0.0)
    answer = turn(drive)
    assert answer.response_code is din.ResponseCode.FAILED
    status = answer.dc_evse_status
    assert status.evse_status_code.value == code
    assert status.evse_isolation_status is not None
    assert status.evse_isolation_status.value == isolation
    assert drive.session.ended is not None


def test_session_stop_in_the_loop_may_be_refused() -> None:
    drive = loop(session_stop_anywhere=False)
    turn(drive)
    answer = drive.send(din.SessionStop)
    assert answer.response_code is din.ResponseCode.FAILED_SequenceError
    ended = drive.session.ended
    assert ended is not None
    assert "session_stop_anywhere" in ended.detail
    assert not drive.session.energized


def test_every_value_of_every_number_is_borne() -> None:
    """The whole range of the type, in every field of the request."""
    drive = loop()
    for field in (
        "ev_target_current",
        "ev_target_voltage",
        "ev_maximum_current_limit",
        "ev_maximum_power_limit",
        "ev_maximum_voltage_limit",
        "remaining_time_to_full_soc",
    ):
        for number in (-32_768, -1, 0, 1, 32_767):
            for multiplier in (-3, 0, 3):
                extreme = din.PhysicalValue(multiplier=multiplier, value=number)
                answer = drive.send(din.CurrentDemandReq, **{field: extreme})
                assert answer.response_code is din.ResponseCode.OK
                given = drive.context.facts.power
                assert given is not None
                assert all(math.isfinite(one) and one >= 0.0 for one in given[:3])
