"""A station's numbers to the last digit: what the cable check and pre-charge are asked for, where a
request is just allowed, and when the meter is asked. And the preconditions of each step, which hold
whatever the table of messages says."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.dc import cable_check_voltage
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.test_numbers import charging, drive_with, power_of
from tests.secc.vehicle import BATTERY_V, STATION, Drive


def asked(drive: Drive, *kinds: type) -> list[Any]:
    return [action for action in drive.book.actions if isinstance(action, kinds)]


# -- cable check and pre-charge


@pytest.mark.parametrize(
    ("vehicle", "station", "test"),
    [
        (400.0, 1000.0, 450.0),
        (460.0, 1000.0, 500.0),
        (500.0, 1000.0, 500.0),
        (510.0, 1000.0, 561.0),
        (400.0, 420.0, 420.0),
        (950.0, 1000.0, 1000.0),
        (900.0, 1000.0, 990.0),
    ],
)
def test_the_voltage_of_the_cable_check(vehicle: float, station: float, test: float) -> None:
    assert cable_check_voltage(vehicle, station) == pytest.approx(test)


def test_the_cable_check_and_the_contactors_are_told_their_time() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    now = drive.book.now
    drive.send(dc.DCCableCheckReq)
    assert [one.deadline for one in asked(drive, act.StartCableCheck)] == [now + 38.0]
    drive = Drive().to(State.POWER_DELIVERY)
    now = drive.book.now
    drive.measure(BATTERY_V)
    drive.send(cm.PowerDeliveryReq)
    assert [one.deadline for one in asked(drive, act.CloseContactors)] == [now + 1.4]


@pytest.mark.parametrize("progress", [cm.ChargeProgress.Start, cm.ChargeProgress.Stop])
def test_contactors_that_do_not_move_are_answered_in_time(progress: cm.ChargeProgress) -> None:
    start = progress is cm.ChargeProgress.Start
    drive = Drive().to(State.POWER_DELIVERY if start else State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    assert drive.send(cm.PowerDeliveryReq, charge_progress=progress) is None
    drive.book.wait(1.39)
    assert asked(drive, act.Send) == []
    drive.book.wait(0.02)
    assert drive.book.sends(cm.PowerDeliveryRes).response_code.value == "FAILED_ContactorError"


def test_pre_charge_is_asked_for_when_its_target_changes() -> None:
    drive = Drive().to(State.DC_PRE_CHARGE)
    seen = []
    for target in (800.0, 800.0, 799.0, 950.0, 950.5):
        drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing, ev_target_voltage=rational(target))
        seen.append([one.voltage_v for one in asked(drive, act.PreCharge)])
    assert seen == [[800.0], [], [799.0], [950.0], []], "what is above the limit by its rounding is the limit"


@pytest.mark.parametrize(
    ("target", "minimum", "works"),
    [
        (599.0, 200.0, True),
        (598.9, 200.0, False),
        (950.5, 200.0, True),
        (950.6, 200.0, False),
        (699.0, 700.0, True),
        (698.9, 700.0, False),
    ],
)
def test_a_volt_of_room_for_the_target_of_pre_charge(target: float, minimum: float, works: bool) -> None:
    drive = drive_with(replace(STATION, minimum_voltage_v=minimum)).to(State.DC_PRE_CHARGE)
    answer = drive.send(
        dc.DCPreChargeReq, ev_processing=Processing.Ongoing, ev_target_voltage=rational(target)
    )
    assert answer.response_code.value == ("OK" if works else "FAILED")


# -- preconditions

PRECONDITIONS: list[tuple[State, type, str, tuple[Any, ...]]] = [
    (State.DC_CABLE_CHECK, dc.DCCableCheckReq, "authorized", (None, False)),
    (State.DC_CABLE_CHECK, dc.DCCableCheckReq, "vehicle", (None,)),
    (State.DC_CABLE_CHECK, dc.DCCableCheckReq, "limits", (None,)),
    (State.DC_PRE_CHARGE, dc.DCPreChargeReq, "cable_check_ok", (None, False)),
    (State.DC_PRE_CHARGE, dc.DCPreChargeReq, "vehicle", (None,)),
    (State.DC_PRE_CHARGE, dc.DCPreChargeReq, "limits", (None,)),
    (State.POWER_DELIVERY, cm.PowerDeliveryReq, "authorized", (None, False)),
    (State.POWER_DELIVERY, cm.PowerDeliveryReq, "cable_check_ok", (None, False)),
    (State.POWER_DELIVERY, cm.PowerDeliveryReq, "precharge_started", (None,)),
    (State.DC_CHARGE_LOOP, dc.DCChargeLoopReq, "contactors_closed", (False,)),
    (State.DC_CHARGE_LOOP, dc.DCChargeLoopReq, "vehicle", (None,)),
    (State.DC_CHARGE_LOOP, dc.DCChargeLoopReq, "service", (None,)),
    (State.DC_CHARGE_LOOP, dc.DCChargeLoopReq, "limits", (None,)),
]


@pytest.mark.parametrize(
    ("state", "kind", "name", "values"), PRECONDITIONS, ids=lambda value: str(value)[:30]
)
def test_a_step_without_one_of_its_preconditions_is_refused(
    state: State, kind: type, name: str, values: tuple[Any, ...]
) -> None:
    for value in values:
        drive = Drive().to(state)
        drive.measure(BATTERY_V if kind is not dc.DCCableCheckReq else 0.0)
        request = drive.request(kind)
        setattr(drive.context if name == "service" else drive.session._facts, name, value)
        drive.book.receive(request)
        ended = drive.session.ended
        assert ended is not None
        assert ended.reason is EndReason.INTERNAL_ERROR
        assert drive.session.error is None
        assert asked(drive, act.StartCableCheck, act.PreCharge, act.CloseContactors, act.SetPower) == []


# -- the charge loop


def loop(drive: Drive, amperes: float, volts: float = 850.0) -> Any:
    return drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(amperes, volts))


@pytest.mark.parametrize(
    ("amperes", "volts", "works"),
    [
        (0.0, 850.0, True),
        (0.5, 850.0, True),
        (-0.5, 850.0, False),
        (100.0, 950.5, True),
        (100.0, 950.6, False),
        (100.0, 0.0, True),
        (100.0, -1.0, False),
    ],
)
def test_where_a_target_is_just_allowed(amperes: float, volts: float, works: bool) -> None:
    answer = loop(charging(), amperes, volts)
    assert answer.response_code.value == ("OK" if works else "FAILED_WrongChargeParameter")


@pytest.mark.parametrize(
    ("service", "amperes", "warns"),
    [
        (ServiceID.DC, 100.9, False),
        (ServiceID.DC, 101.1, True),
        (ServiceID.DC_BPT, -50.7, False),
        (ServiceID.DC_BPT, -50.8, True),
        (ServiceID.DC_BPT, 101.1, True),
    ],
)
def test_half_a_per_cent_and_half_an_ampere_beyond_a_limit_are_rounding(
    service: ServiceID, amperes: float, warns: bool
) -> None:
    limits = replace(STATION, maximum_charge_current_a=100.0, maximum_discharge_current_a=50.0)
    drive = drive_with(limits, service).to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    warned = []
    for _ in range(5):
        assert loop(drive, amperes).response_code.value == "OK"
        warned.append(bool(asked(drive, act.SupervisionWarning)))
    assert warned == [False, False, warns, False, False]


@pytest.mark.parametrize("within", [100.0, 100.9, 3.0])
def test_one_request_within_the_limits_begins_the_count_anew(within: float) -> None:
    drive = drive_with(replace(STATION, maximum_charge_current_a=100.0)).to(State.DC_CHARGE_LOOP)
    drive.measure(BATTERY_V)
    warned = []
    for amperes in (200.0, 200.0, within, 200.0, 200.0, 200.0):
        loop(drive, amperes)
        warned.append(bool(asked(drive, act.SupervisionWarning)))
    assert warned == [False, False, False, False, False, True]


@pytest.mark.parametrize("which", ["measured", "told", "pre-charged"])
def test_the_power_bound_is_kept_at_the_greatest_voltage_that_is_known(which: str) -> None:
    known = {"measured": 780.0, "told": 780.0, "pre-charged": 780.0} | {which: 799.5}
    drive = drive_with(replace(STATION, maximum_charge_power_w=80_000.0)).to(State.DC_CHARGE_LOOP)
    drive.session._facts.precharge_target_v = known["pre-charged"]
    drive.measure(known["measured"])
    drive.send(
        dc.DCChargeLoopReq,
        cl_req_control_mode=drive.scheduled(1000.0),
        ev_present_voltage=rational(known["told"]),
    )
    assert power_of(drive)[1] == pytest.approx(100.0)


@pytest.mark.parametrize(("watts", "amperes"), [(0.0, 0.0), (0.5, 0.5 / 800.0), (8000.0, 10.0)])
def test_no_power_is_no_current(watts: float, amperes: float) -> None:
    drive = charging(mode=ControlMode.DYNAMIC)
    drive.measure(BATTERY_V)
    drive.send(dc.DCChargeLoopReq)
    drive.book.tell(ev.SetPointChanged(watts))
    assert power_of(drive)[1:] == pytest.approx((amperes, watts))


def test_nothing_that_is_asked_for_is_nothing_to_charge_with() -> None:
    drive = charging(ServiceID.DC_BPT)
    drive.measure(BATTERY_V)
    loop(drive, 0.0)
    (power,) = asked(drive, act.SetPower)
    assert (power.voltage_v, power.current_a, power.takes_back) == (850.0, 0.0, False)
    loop(drive, -10.0, 700.0)
    (power,) = asked(drive, act.SetPower)
    assert (power.current_a, power.takes_back) == (-10.0, True)


def test_after_another_schedule_the_battery_holds_the_output() -> None:
    """Contactors are closed, and nothing has to be compared, however far the battery
    has gone since pre-charge."""
    drive = charging()
    drive.measure(BATTERY_V)
    loop(drive, 100.0)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    drive.measure(BATTERY_V + 60.0)
    drive.send(cm.ScheduleExchangeReq)
    answer = drive.send(cm.PowerDeliveryReq)
    assert answer.response_code.value == "OK"
    assert asked(drive, act.HardwareAction) == []


def test_another_schedule_begins_with_current_taken_back_in_order() -> None:
    drive = charging()
    drive.measure(BATTERY_V)
    loop(drive, 100.0)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert asked(drive, act.HardwareAction) == [act.StopPower(Urgency.ORDERLY)]


# -- the meter


def metered(age_s: float, **config: Any) -> Drive:
    """In the loop, with a reading that is so old, and the first answer behind."""
    drive = charging(**config)
    drive.measure(BATTERY_V)
    drive.book.tell(ev.MeterRead("M1", 10.0, at=drive.book.now))
    drive.send(dc.DCChargeLoopReq, meter_info_requested=True)
    drive.book.now += age_s
    drive.measure(BATTERY_V)
    drive.session.timers.clear_all()  # so much time between two requests would end it
    return drive


@pytest.mark.parametrize(
    ("age_s", "waits", "asks"),
    [(0.25, False, False), (0.45, False, False), (0.5, False, True), (1.0, False, True), (1.25, True, True)],
)
def test_a_reading_is_told_as_long_as_it_is_young_and_taken_anew_at_half_of_that(
    age_s: float, waits: bool, asks: bool
) -> None:
    drive = metered(age_s)
    answer = drive.send(dc.DCChargeLoopReq, meter_info_requested=True)
    assert (answer is None) is waits
    assert bool(asked(drive, act.ReadMeter)) is asks
    assert waits or answer.meter_info is not None


def test_a_reading_that_comes_old_is_waited_on_for_its_time_and_not_told() -> None:
    drive = metered(1.25)
    assert drive.send(dc.DCChargeLoopReq, meter_info_requested=True) is None
    drive.book.tell(ev.MeterRead("M1", 11.0, at=drive.book.now - 1.5))
    assert asked(drive, act.Send) == []
    drive.book.tell(ev.MeterRead("M1", 12.0, at=drive.book.now - 1.0))
    answer = drive.book.sends(dc.DCChargeLoopRes)
    assert answer.meter_info.charged_energy_reading_wh == 12
    assert answer.evse_status is None, "nothing has to be confirmed without a contract"


# -- headers


def test_every_answer_carries_the_time_at_which_it_is_sent_and_its_session() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    stamps = []
    for _ in range(3):
        header = drive.send(cm.AuthorizationReq).header
        assert header.session_id == drive.session_id
        stamps.append(header.time_stamp)
        drive.book.wait(10.0)
    assert [stamp - stamps[0] for stamp in stamps] == [0, 10, 20]


# -- whoever decides about the driver


def test_after_a_refusal_whoever_decides_is_asked_again_once_and_not_at_once() -> None:
    """A vehicle that asks again within the pause waits, and its question is passed
    on when the pause is over."""
    drive = drive_with(authorization_pause_s=2.0).to(State.AUTHORIZATION)
    drive.send(cm.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    drive.send(cm.AuthorizationReq)
    told = []
    for _ in range(5):
        drive.send(cm.AuthorizationReq)
        told.append(len(asked(drive, act.RequestAuthorization)))
        drive.book.now += 1.0
    assert told == [0, 0, 1, 0, 0], told


@pytest.mark.parametrize(("after_s", "ongoing"), [(-0.5, True), (0.0, False), (0.5, False)])
def test_a_vehicle_is_told_five_seconds_before_it_gives_up_that_nobody_decided(
    after_s: float, ongoing: bool
) -> None:
    drive = drive_with().to(State.AUTHORIZATION)
    drive.book.now += 100.0
    drive.session.timers.clear_all()  # so much time between two requests would end it
    drive.send(cm.AuthorizationReq)
    drive.book.now += drive.session._facts.config.timing.authorization_ongoing_timeout - 5.0 + after_s
    drive.session.timers.clear_all()
    answer = drive.send(cm.AuthorizationReq)
    assert (answer.evse_processing is not Processing.Finished) is ongoing
    assert (answer.response_code is ResponseCode.OK) is ongoing
