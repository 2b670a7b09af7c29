"""DIN 70121 at the station to the last digit: where a value is just taken or just refused, and what each step
wants to be there before it does anything.

The ordinary courses stand in the tests of each phase; here are the edges of the same functions.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages import din
from iso15118.secc import SeccConfig
from iso15118.secc.din import machine
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer
from iso15118.session.events import SignalState
from iso15118.session.supervision import Rule, SupervisionLimits
from iso15118.timing import DinTiming
from tests.secc.din.test_loop import limits, loop, turn
from tests.secc.din.test_parameters import ask
from tests.secc.din.vehicle import BATTERY_V, READY, STATION, Drive, value

S = State
EDGE = pytest.mark.parametrize(("off", "over"), [(-0.001, False), (0.0, True)])


def drive_with(*, supervision: SupervisionLimits | None = None, **settings: Any) -> Drive:
    limits, chosen = supervision or SupervisionLimits(), DinSeccSettings(**settings)
    return Drive(config=SeccConfig(editions=("din",), din=chosen, supervision=limits))


# -- what a step wants to be there


@pytest.mark.parametrize(
    ("state", "kind", "owner", "name", "missing"),
    [
        (S.CABLE_CHECK, din.CableCheckReq, "facts", "authorized", None),
        (S.CABLE_CHECK, din.CableCheckReq, "facts", "vehicle", None),
        (S.CABLE_CHECK, din.CableCheckReq, "facts", "limits", None),
        (S.PRE_CHARGE, din.PreChargeReq, "facts", "vehicle", None),
        (S.PRE_CHARGE, din.PreChargeReq, "facts", "limits", None),
        (S.PRE_CHARGE, din.PreChargeReq, "facts", "cable_check_ok", None),
        (S.POWER_DELIVERY, din.PowerDeliveryReq, "facts", "authorized", False),
        (S.POWER_DELIVERY, din.PowerDeliveryReq, "facts", "cable_check_ok", None),
        (S.POWER_DELIVERY, din.PowerDeliveryReq, "facts", "precharge_started", None),
        (S.CURRENT_DEMAND, din.CurrentDemandReq, "facts", "vehicle", None),
        (S.CURRENT_DEMAND, din.CurrentDemandReq, "facts", "limits", None),
        (S.CURRENT_DEMAND, din.CurrentDemandReq, "facts", "contactors_closed", False),
        (S.CURRENT_DEMAND, din.CurrentDemandReq, "context", "wire", None),
    ],
)
def test_a_step_without_one_of_its_preconditions_is_refused(
    state: State, kind: type, owner: str, name: str, missing: bool | None
) -> None:
    drive = Drive().to(state)
    if state is S.POWER_DELIVERY:
        drive.measure(BATTERY_V)
    setattr(drive.session._facts if owner == "facts" else drive.context, name, missing)
    drive.book.receive(drive.request(kind))
    assert drive.answer.response_code is din.ResponseCode.FAILED
    drive.book.ends(EndReason.INTERNAL_ERROR)
    assert drive.session.error is None
    asked = [type(one) for one in drive.book.actions if isinstance(one, act.HardwareAction)]
    assert set(asked) <= {act.StopPower, act.OpenContactors}


def test_an_answer_that_leads_where_the_table_does_not_is_a_fault_of_this_software(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And the output goes off, whoever wrote the handler."""
    drive = Drive().to(S.POWER_DELIVERY)
    beyond = Answer(drive.request(din.PreChargeReq), S.CURRENT_DEMAND)
    monkeypatch.setitem(machine._HANDLERS, din.PreChargeReq, lambda request, ctx: beyond)
    drive.book.receive(drive.request(din.PreChargeReq))
    drive.book.ends(EndReason.INTERNAL_ERROR)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert "which the table does not list" in str(drive.session.error)


# -- times of the edition


@EDGE
def test_a_pilot_that_is_late_by_a_setting(off: float, over: bool) -> None:
    """The time for state C, where it is less than that of the answer."""
    drive = drive_with(timing=DinTiming(control_pilot_error=0.6)).to(S.CABLE_CHECK)
    drive.tell(ev.SignalChanged(SignalState.B))
    drive.send(din.CableCheckReq)
    drive.wait(0.6 + off)
    assert (drive.session.ended is not None) is over


@EDGE
def test_power_delivery_has_a_time_of_its_own_for_its_answer(off: float, over: bool) -> None:
    timing = DinTiming(answer_time=0.4, contactor_answer=1.4)
    check = drive_with(timing=timing).to(S.CABLE_CHECK)
    check.tell(ev.SignalChanged(SignalState.B))
    check.send(din.CableCheckReq)
    check.wait(0.4 + off)
    assert (check.session.ended is not None) is over
    power = drive_with(timing=timing).to(S.POWER_DELIVERY)
    power.measure(BATTERY_V)
    power.send(din.PowerDeliveryReq)
    power.wait(1.4 + off)
    assert (power.session.ended is not None) is over


@EDGE
def test_the_next_request_has_times_of_its_own_inside_the_loop_and_outside(off: float, over: bool) -> None:
    timing = DinTiming(sequence_timeout=7.0, sequence_timeout_loop=3.0)
    inside = drive_with(timing=timing).to(S.CURRENT_DEMAND)
    turn(inside)
    inside.wait(3.0 + off)
    assert (inside.session.ended is not None) is over
    outside = drive_with(timing=timing).to(S.SERVICE_DISCOVERY)
    outside.wait(7.0 + off)
    assert (outside.session.ended is not None) is over


@pytest.mark.parametrize(
    ("kind", "own_id", "answered"),
    [(din.SessionStop, True, True), (din.SessionStop, False, False), (din.ServiceDetailReq, True, False)],
)
def test_after_a_refusal_only_the_vehicle_of_this_session_may_say_goodbye(
    kind: type, own_id: bool, answered: bool
) -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.send(din.ServiceDetailReq)
    assert drive.session.ended is not None
    answer = drive.send(kind, session_id=None if own_id else bytes(range(1, 9)))
    assert (answer is not None) is answered
    if answered:
        assert (type(answer), answer.response_code) == (din.SessionStopRes, din.ResponseCode.OK)


def test_a_vehicle_that_switches_off_when_the_station_wants_to_stop_is_not_refused_for_it() -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.tell(ev.StopRequested("closing time"))
    answer = drive.send(din.PowerDeliveryReq, ready_to_charge_state=False)
    assert answer.response_code is din.ResponseCode.OK
    assert answer.evse_status.evse_notification is din.EVSENotification.StopCharging
    assert answer.evse_status.notification_max_delay == 0
    assert drive.session.state == "WeldingDetection"


@pytest.mark.parametrize("wanted", [False, True])
def test_a_refusal_tells_a_wish_to_stop_that_was_there_and_no_other(wanted: bool) -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    if wanted:
        drive.tell(ev.StopRequested("closing time"))
    drive.tell(ev.HardwareFault("power", "hot"))
    status = drive.send(din.PreChargeReq).dc_evse_status
    assert status.notification_max_delay == 0
    assert status.evse_status_code is din.DCEVSEStatusCode.EVSE_Malfunction
    assert (status.evse_notification is din.EVSENotification.StopCharging) is wanted


# -- the driver, and the first messages


def test_a_driver_nobody_decides_about_and_one_who_was_refused_are_told_apart() -> None:
    for refused, words, cause in (
        (False, "nobody decided", "authorization-timeout"),
        (True, "the driver was refused", ""),
    ):
        drive = drive_with(timing=DinTiming(authorization_ongoing_timeout=10.0)).to(S.CONTRACT_AUTHENTICATION)
        drive.send(din.ContractAuthenticationReq)
        if refused:
            drive.tell(ev.AuthorizationDecided(False))
            drive.send(din.ContractAuthenticationReq)
        drive.wait(10.0)
        answer = drive.send(din.ContractAuthenticationReq)
        assert answer.response_code is din.ResponseCode.FAILED
        ended = drive.session.ended
        assert ended is not None
        assert words in ended.detail
        assert ended.cause == cause


def test_a_clock_before_1970_tells_the_zero_of_the_schema_and_the_service_is_not_free() -> None:
    drive = Drive().to(S.SESSION_SETUP)
    drive.session._facts.epoch = -5000.0
    assert drive.send(din.SessionSetupReq).date_time_now == 0
    drive = Drive().to(S.SERVICE_DISCOVERY)
    assert drive.send(din.ServiceDiscoveryReq).charge_service.free_service is False


@pytest.mark.parametrize(("seconds", "works"), [(1.499, True), (1.5, False), (1.6, False)])
def test_contactors_may_not_take_the_whole_time_of_the_answer(seconds: float, works: bool) -> None:
    timing = DinTiming(contactor_answer=seconds)
    if works:
        DinSeccSettings(timing=timing)
        return
    with pytest.raises(ConfigError) as caught:
        DinSeccSettings(timing=timing)
    assert caught.value.key == "din.timing.contactor_answer"


# -- charge parameters

LEAST = replace(STATION, minimum_charge_current_a=5.0, minimum_charge_power_w=2000.0, minimum_voltage_v=0.0)


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({"ev_maximum_voltage_limit": value(1.0)}, True),
        ({"ev_maximum_voltage_limit": value(0.0), "ev_maximum_power_limit": value(9000.0, "W")}, False),
        ({"ev_maximum_current_limit": value(5.0, "A")}, True),
        ({"ev_maximum_current_limit": value(4.9, "A")}, False),
        ({"ev_maximum_power_limit": value(2000.0, "W")}, True),
        ({"ev_maximum_power_limit": value(1999.0, "W")}, False),
    ],
)
def test_a_vehicle_that_takes_just_the_least_of_the_station(changes: dict[str, Any], works: bool) -> None:
    drive = Drive(limits=LEAST).to(S.CHARGE_PARAMETER_DISCOVERY)
    code = ask(drive, **changes).response_code.value
    assert code == ("OK" if works else "FAILED_WrongChargeParameter")


@pytest.mark.parametrize(
    ("changes", "odd"),
    [
        ({"full_soc": 0, "bulk_soc": 0}, False),
        ({"full_soc": 100, "bulk_soc": 100}, False),
        ({"full_soc": 80, "bulk_soc": 80}, False),
        ({"full_soc": 80, "bulk_soc": 81}, True),
        ({"full_soc": 101}, True),
        ({"bulk_soc": -1}, True),
        ({"dc_ev_status": replace(READY, evresssoc=101)}, True),
        ({"dc_ev_status": replace(READY, evresssoc=0)}, False),
        ({"ev_energy_request": value(0.0, "Wh")}, False),
        ({"ev_energy_request": value(0.5, "Wh")}, False),
        ({"ev_energy_request": value(-0.5, "Wh")}, True),
        ({"ev_energy_request": value(60_000.0, "Wh")}, False),
        ({"ev_energy_request": value(60_010.0, "Wh")}, True),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else None,
)
def test_which_charge_parameters_make_no_sense(changes: dict[str, Any], odd: bool) -> None:
    """Also those that the codec does not read: whoever hands over messages may have another one."""
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    parameters = replace(
        drive.request(din.ChargeParameterDiscoveryReq).body.body_element.ev_charge_parameter,  # type: ignore[union-attr]
        **changes,
    )
    drive.receive(drive.request(din.ChargeParameterDiscoveryReq, ev_charge_parameter=parameters))
    assert drive.notes() == (["charge-parameters"] if odd else [])


@pytest.mark.parametrize(
    ("soc", "most"), [(-5, 60_000.0), (0, 60_000.0), (50, 30_000.0), (99, 600.0), (100, 500.0), (120, 500.0)]
)
def test_what_the_battery_lacks_is_the_most_that_is_needed(soc: int, most: float) -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    request = drive.request(din.ChargeParameterDiscoveryReq)
    parameters = replace(
        request.body.body_element.ev_charge_parameter,  # type: ignore[union-attr]
        dc_ev_status=replace(READY, evresssoc=soc),
        ev_energy_request=value(500.0, "Wh"),
    )
    drive.receive(drive.request(din.ChargeParameterDiscoveryReq, ev_charge_parameter=parameters))
    needs = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
    assert needs == [act.ChargingNeeds(500.0, most, 0.0)]


def test_a_station_without_power_waits_from_the_first_request_on_whatever_the_clock_shows() -> None:
    drive = drive_with(no_power_wait_s=10.0).to(S.CHARGE_PARAMETER_DISCOVERY)
    drive.wait(30.0)
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=0.0)))
    ongoing = []
    for _ in range(6):
        ongoing.append(ask(drive).evse_processing is din.EVSEProcessing.Ongoing)
        if not ongoing[-1]:
            break
        drive.wait(2.5)
    assert ongoing == [True, True, True, True, False]


# -- the loop


@pytest.mark.parametrize(
    ("limit_a", "asked_a", "warns"),
    [(50.0, 50.7, False), (50.0, 50.8, True), (0.0, 0.5, False), (0.0, 0.6, True), (200.0, 201.4, False)],
)
def test_half_a_per_cent_and_half_an_ampere_beyond_the_limit_are_rounding(
    limit_a: float, asked_a: float, warns: bool
) -> None:
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=limit_a)))
    warned = []
    for _ in range(5):
        turn(drive, asked_a)
        warned.append(any(isinstance(one, act.SupervisionWarning) for one in drive.book.actions))
    assert warned == [False, False, warns, False, False]


@pytest.mark.parametrize(
    ("supervision", "at"),
    [
        (SupervisionLimits(), 6),
        (SupervisionLimits(limits_ignored_loops=0), 1),
        (SupervisionLimits(limits_ignored_loops=None), None),
        (SupervisionLimits(off=(Rule.LIMITS_IGNORED,)), None),
    ],
    ids=["two loops", "none", "never", "off"],
)
def test_one_request_within_the_limits_begins_the_count_anew(
    supervision: SupervisionLimits, at: int | None
) -> None:
    drive = drive_with(supervision=supervision).to(S.CURRENT_DEMAND)
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=50.0)))
    warned = []
    for number, amperes in enumerate((90.0, 90.0, 50.0, 90.0, 90.0, 90.0, 90.0), start=1):
        turn(drive, amperes)
        if any(isinstance(one, act.SupervisionWarning) for one in drive.book.actions):
            warned.append(number)
    assert warned[:1] == ([] if at is None else [at])


def test_the_power_is_at_its_limit_when_what_flows_is() -> None:
    drive = loop()
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=30_000.0)))
    for measured_a, achieved in ((78.0, False), (78.2, True)):
        turn(drive, 70.0)
        drive.measure(BATTERY_V, measured_a)
        answer = turn(drive, 70.0)
        assert answer.evse_power_limit_achieved is achieved
        assert not answer.evse_current_limit_achieved


@pytest.mark.parametrize(("asked_a", "achieved"), [(0.0, False), (0.5, True), (10.0, True)])
def test_a_limit_of_nothing_is_reached_by_whoever_asks_for_something(asked_a: float, achieved: bool) -> None:
    drive = loop()
    drive.tell(ev.SetPointChanged(0.0))
    answer = turn(drive, asked_a)
    assert limits(answer)[1:] == [0.0, 0.0]
    assert answer.evse_current_limit_achieved is achieved
    assert answer.evse_power_limit_achieved is achieved
