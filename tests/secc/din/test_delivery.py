"""From the cable check to welding detection in DIN 70121: what is asked of the hardware in which order, and
what the vehicle is told."""

from __future__ import annotations

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
from iso15118.session.supervision import Rule
from tests.secc.din.vehicle import BATTERY_V, MAXIMUM_V, READY, STATION, Drive, value, with_fault
from tests.secc.vehicle import held_back

S = State
FAULTS = [code for code in din.DCEVErrorCode if code.value.startswith("FAILED_")]
HARMLESS = [code for code in din.DCEVErrorCode if code not in FAULTS]


def config(**settings: Any) -> SeccConfig:
    return SeccConfig(editions=("din",), din=DinSeccSettings(**settings))


def told(answer: Any) -> tuple[str, str | None]:
    """Status code and isolation of an answer."""
    status: Any = answer.evse_status if isinstance(answer, din.PowerDeliveryRes) else answer.dc_evse_status
    isolation = status.evse_isolation_status
    return status.evse_status_code.value, None if isolation is None else isolation.value


# -- cable check -------------------------------------------------------------------------------------------


def test_the_cable_is_checked_once_and_the_vehicle_told_ready_and_valid() -> None:
    drive = Drive().to(S.CABLE_CHECK)
    answer = drive.send(din.CableCheckReq)
    (check,) = drive.book.does(act.StartCableCheck)
    assert isinstance(check, act.StartCableCheck)
    assert (check.voltage_v, check.insulation_ohm) == (500.0, 100_000.0)
    assert check.deadline == drive.book.now + 38.0
    assert answer.evse_processing is din.EVSEProcessing.Ongoing
    assert told(answer) == ("EVSE_IsolationMonitoringActive", "Invalid")
    drive.wait(3.0)
    drive.measure(500.0)
    assert drive.send(din.CableCheckReq).evse_processing is din.EVSEProcessing.Ongoing
    drive.book.does()
    drive.measure(0.0)
    drive.tell(ev.CableCheckFinished(True))
    answer = drive.send(din.CableCheckReq)
    assert answer.evse_processing is din.EVSEProcessing.Finished
    assert told(answer) == ("EVSE_Ready", "Valid")


def test_a_cable_that_is_not_good() -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.send(din.CableCheckReq)
    drive.tell(ev.CableCheckFinished(False, "80 kOhm"))
    drive.book.does(act.StopPower, act.OpenContactors)
    answer = drive.send(din.CableCheckReq)
    assert answer.response_code is din.ResponseCode.FAILED
    assert answer.evse_processing is din.EVSEProcessing.Finished
    assert told(answer) == ("EVSE_Shutdown", "Fault")
    drive.book.ends(EndReason.CABLE_CHECK_FAILED)


@pytest.mark.parametrize("after", [0.0, 1.0, 1.499])
def test_state_c_is_waited_for_before_the_check(after: float) -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.tell(ev.SignalChanged(SignalState.B))
    assert not drive.send(din.CableCheckReq)
    drive.book.does()
    drive.wait(after)
    assert not drive.answer
    drive.measure(0.0)  # a check begins by a reading of now
    drive.tell(ev.SignalChanged(SignalState.C))
    drive.book.does(act.StartCableCheck)
    assert drive.answer.evse_processing is din.EVSEProcessing.Ongoing


def test_state_c_that_does_not_come() -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.tell(ev.SignalChanged(SignalState.B))
    drive.send(din.CableCheckReq)
    drive.wait(1.5)
    assert drive.answer.response_code is din.ResponseCode.FAILED
    drive.book.ends(EndReason.SIGNAL_LOST)
    assert not any(isinstance(one, act.StartCableCheck) for one in drive.asked)


def test_an_output_that_still_falls_is_waited_for() -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.measure(100.0)
    assert drive.send(din.CableCheckReq).evse_processing is din.EVSEProcessing.Ongoing
    drive.book.does()
    drive.measure(20.0)
    drive.send(din.CableCheckReq)
    drive.book.does(act.StartCableCheck)


@pytest.mark.parametrize("kind", [din.CableCheckReq, din.PreChargeReq, din.PowerDeliveryReq])
@pytest.mark.parametrize("code", FAULTS, ids=lambda code: code.value)
def test_a_vehicle_with_a_fault_is_given_no_voltage(kind: type, code: din.DCEVErrorCode) -> None:
    state = S.POWER_DELIVERY
    if kind is not din.PowerDeliveryReq:
        state = S.CABLE_CHECK if kind is din.CableCheckReq else S.PRE_CHARGE
    drive = Drive().to(state)
    status = with_fault(code)
    if kind is din.PowerDeliveryReq:
        drive.measure(BATTERY_V)
        parameter = din.DCEVPowerDeliveryParameter(dc_ev_status=status, charging_complete=False)
        answer = drive.send(kind, ev_power_delivery_parameter=parameter)
    else:
        answer = drive.send(kind, dc_ev_status=status)
    assert answer.response_code is din.ResponseCode.FAILED
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert not drive.session.energized


@pytest.mark.parametrize("code", HARMLESS, ids=lambda code: code.value)
def test_a_vehicle_that_says_nothing_of_itself_charges(code: din.DCEVErrorCode) -> None:
    drive = Drive().to(S.CABLE_CHECK)
    assert drive.send(din.CableCheckReq, dc_ev_status=with_fault(code)).response_code is din.ResponseCode.OK


# -- pre-charge --------------------------------------------------------------------------------------------


def targets(drive: Drive) -> list[float]:
    return [one.voltage_v for one in drive.asked if isinstance(one, act.PreCharge)]


def test_the_voltage_follows_the_last_target_and_zero_amperes_are_no_obstacle() -> None:
    drive = Drive().to(S.PRE_CHARGE)
    for volts in (400.0, 350.0, 350.0, 400.0):
        answer = drive.send(
            din.PreChargeReq, ev_target_voltage=value(volts), ev_target_current=value(0.0, "A")
        )
        assert told(answer) == ("EVSE_Ready", "Valid")
    assert targets(drive) == [400.0, 350.0, 400.0]
    assert {one.current_a for one in drive.asked if isinstance(one, act.PreCharge)} == {2.0}
    drive.measure(401.04)
    assert quantity(drive.send(din.PreChargeReq).evse_present_voltage) == 401.0


def test_two_amperes_for_pre_charge_are_what_it_is_for() -> None:
    drive = Drive(config=config(precharge_over_2a="fail")).to(S.PRE_CHARGE)
    assert drive.send(din.PreChargeReq, ev_target_current=value(2.0, "A")).response_code.value == "OK"
    assert drive.notes() == []


@pytest.mark.parametrize("fails", [False, True])
def test_more_than_two_amperes_for_pre_charge(fails: bool) -> None:
    drive = Drive(config=config(precharge_over_2a="fail" if fails else "clip")).to(S.PRE_CHARGE)
    answer = drive.send(din.PreChargeReq, ev_target_current=value(5.0, "A"))
    assert answer.response_code.value == ("FAILED" if fails else "OK")
    if not fails:
        assert drive.notes() == ["pre-charge-current"]
        assert [one.current_a for one in drive.asked if isinstance(one, act.PreCharge)] == [2.0]


@pytest.mark.parametrize(
    ("volts", "notes"), [(450.0, []), (450.1, ["pre-charge-voltage"]), (900.0, ["pre-charge-voltage"])]
)
def test_a_target_above_what_the_vehicle_stands_is_cut(volts: float, notes: list[str]) -> None:
    drive = Drive().to(S.PRE_CHARGE)
    assert drive.send(din.PreChargeReq, ev_target_voltage=value(volts)).response_code.value == "OK"
    assert drive.notes() == notes
    assert targets(drive) == [MAXIMUM_V]


@pytest.mark.parametrize(("target", "closes"), [(470.0, True), (470.5, False), (900.0, False)])
def test_contactors_close_over_the_target_that_the_vehicle_named_and_not_over_the_one_that_was_cut(
    target: float, closes: bool
) -> None:
    """Its battery may have that voltage."""
    drive = Drive().to(S.PRE_CHARGE)
    drive.send(din.PreChargeReq, ev_target_voltage=value(target))
    drive.measure(MAXIMUM_V)
    answer = drive.send(din.PowerDeliveryReq)
    assert any(isinstance(one, act.CloseContactors) for one in drive.asked) is closes
    if not closes:
        answer = held_back(drive, answer)
        assert not any(isinstance(one, act.CloseContactors) for one in drive.asked)
        assert answer.response_code is din.ResponseCode.FAILED_PowerDeliveryNotApplied
        assert drive.session.ended is not None
        assert drive.session.ended.detail.endswith(f"{target:g} V, which was cut to {MAXIMUM_V:g} V")


@pytest.mark.parametrize("volts", [0.0, -380.0, 100.0, 148.9])
def test_a_target_that_is_no_voltage_of_the_supply_is_not_followed_and_nothing_closes_on_it(
    volts: float,
) -> None:
    drive = Drive().to(S.PRE_CHARGE)
    assert drive.send(din.PreChargeReq, ev_target_voltage=value(volts)).response_code.value == "OK"
    drive.book.does()
    # A right one afterwards counts, and a wrong one after that counts again.
    drive.send(din.PreChargeReq)
    drive.book.does(act.PreCharge)
    drive.measure(BATTERY_V)
    drive.send(din.PreChargeReq, ev_target_voltage=value(volts))
    drive.book.does(act.StopPower)
    assert not drive.session._facts.precharging
    answer = drive.send(din.PowerDeliveryReq)
    assert answer.response_code is din.ResponseCode.FAILED_PowerDeliveryNotApplied
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)
    stands = f"the output is at {BATTERY_V:.1f} V, the vehicle has named no target"
    assert drive.session.ended is not None
    assert stands in drive.session.ended.detail
    assert not any(isinstance(one, act.CloseContactors) for one in drive.asked)


@pytest.mark.parametrize(
    ("volts", "least", "follows"),
    [
        (149.0, 150.0, True),
        (148.99, 150.0, False),
        (1.0, 0.0, True),
        (0.99, 0.0, False),
    ],
)
def test_a_volt_of_room_below_the_least_of_the_supply(volts: float, least: float, follows: bool) -> None:
    drive = Drive(limits=replace(STATION, minimum_voltage_v=least)).to(S.PRE_CHARGE)
    drive.send(din.PreChargeReq, ev_target_voltage=value(volts))
    assert targets(drive) == ([volts] if follows else [])
    assert drive.notes() == ([] if follows else ["pre-charge-voltage"])


# -- power delivery ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("volts", "works"), [(360.0, True), (359.9, False), (400.0, True), (400.1, False)])
def test_contactors_close_only_on_the_pre_charged_voltage(volts: float, works: bool) -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.measure(volts)
    answer = drive.send(din.PowerDeliveryReq)
    if works:
        (close,) = drive.book.does(act.CloseContactors)
        assert isinstance(close, act.CloseContactors)
        assert close.deadline == drive.book.now + 1.4
        return
    answer = held_back(drive, answer)
    assert answer.response_code is din.ResponseCode.FAILED_PowerDeliveryNotApplied
    assert drive.session.ended is not None
    assert drive.session.ended.rule == Rule.CONTACTOR_VOLTAGE.value


@pytest.mark.parametrize("after", [0.0, 1.399])
def test_the_answer_waits_for_the_contactors(after: float) -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    assert drive.send(din.PowerDeliveryReq) is None
    drive.wait(after)
    drive.tell(ev.ContactorsChanged(True))
    assert drive.answer.response_code is din.ResponseCode.OK
    assert told(drive.answer) == ("EVSE_Ready", "Valid")
    drive.book.does(act.ReadMeter)
    assert drive.session.state == "CurrentDemand"


def test_contactors_that_do_not_close_in_time() -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    drive.send(din.PowerDeliveryReq)
    drive.wait(1.4)
    assert drive.answer.response_code is din.ResponseCode.FAILED_PowerDeliveryNotApplied
    drive.book.ends(EndReason.CONTACTOR_FAILED)
    assert not drive.session.energized


def test_pre_charge_that_went_well_in_the_last_moment_is_not_ended_while_contactors_close() -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    drive.wait(4.8)
    assert drive.send(din.PowerDeliveryReq) is None
    drive.wait(0.5)
    drive.tell(ev.ContactorsChanged(True))
    assert drive.answer.response_code is din.ResponseCode.OK
    drive.wait(2.0)
    assert drive.session.state == "CurrentDemand"


def test_contactors_that_a_cable_check_left_closed_may_not_open_after_pre_charge_began() -> None:
    drive = Drive().to(S.CABLE_CHECK)
    drive.send(din.CableCheckReq)
    drive.tell(ev.ContactorsChanged(True))
    drive.tell(ev.CableCheckFinished(True))
    drive.send(din.CableCheckReq)
    drive.send(din.PreChargeReq)
    drive.wait(1.5)
    drive.tell(ev.ContactorsChanged(False))
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(din.PowerDeliveryReq).response_code is din.ResponseCode.FAILED
    drive.book.ends(EndReason.CONTACTOR_FAILED)


def profile(schedule: int = 1, *powers: int) -> din.ChargingProfile:
    return din.ChargingProfile(
        sa_schedule_tuple_id=schedule,
        profile_entry=tuple(
            din.ProfileEntry(
                charging_profile_entry_start=3600 * place, charging_profile_entry_max_power=power
            )
            for place, power in enumerate(powers or (30_000,))
        ),
    )


def test_power_without_a_profile_and_with_one() -> None:
    for given in (None, profile(), profile(1, 32_767, 0)):
        drive = Drive().to(S.POWER_DELIVERY)
        drive.measure(BATTERY_V)
        assert drive.send(din.PowerDeliveryReq, charging_profile=given) is None
        drive.book.does(act.CloseContactors)


def test_a_profile_for_a_schedule_that_was_not_offered() -> None:
    drive = Drive().to(S.POWER_DELIVERY)
    drive.measure(BATTERY_V)
    answer = drive.send(din.PowerDeliveryReq, charging_profile=profile(4))
    assert answer.response_code is din.ResponseCode.FAILED_TariffSelectionInvalid
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("power", "strict", "code"),
    [
        (20_000, True, None),
        (20_001, True, "FAILED_ChargingProfileInvalid"),
        (20_001, False, None),
    ],
)
def test_a_profile_above_the_schedule(power: int, strict: bool, code: str | None) -> None:
    small = replace(STATION, maximum_charge_power_w=20_000.0)
    drive = Drive(config=config(profile_check="strict" if strict else "note"), limits=small)
    drive.to(S.POWER_DELIVERY).measure(BATTERY_V)
    answer = drive.send(din.PowerDeliveryReq, charging_profile=profile(1, 1000, power))
    assert (None if answer is None else answer.response_code.value) == code


def test_power_is_switched_on_once() -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    assert drive.send(din.PowerDeliveryReq).response_code is din.ResponseCode.FAILED_SequenceError


@pytest.mark.parametrize("state", [S.CABLE_CHECK, S.PRE_CHARGE, S.POWER_DELIVERY, S.CURRENT_DEMAND])
@pytest.mark.parametrize("code", [None, *FAULTS])
def test_power_off_is_taken_from_the_cable_check_on_whatever_the_vehicle_says_of_itself(
    state: State, code: din.DCEVErrorCode | None
) -> None:
    drive = Drive().to(state)
    if state is S.CABLE_CHECK:
        drive.send(din.CableCheckReq)
    parameter = din.DCEVPowerDeliveryParameter(
        dc_ev_status=READY if code is None else with_fault(code), charging_complete=False
    )
    closed = state is S.CURRENT_DEMAND
    answer = drive.send(
        din.PowerDeliveryReq, ready_to_charge_state=False, ev_power_delivery_parameter=parameter
    )
    stops = [one for one in drive.book.actions if isinstance(one, act.StopPower)]
    assert [one.urgency for one in stops] == [Urgency.ORDERLY]
    if closed:
        assert answer is None
        drive.tell(ev.ContactorsChanged(False))
        answer = drive.answer
    assert answer.response_code is din.ResponseCode.OK
    assert told(answer)[0] == "EVSE_Shutdown"
    assert drive.session.state == "WeldingDetection"
    assert not drive.session.energized


@pytest.mark.parametrize("off", [-0.001, 0.0])
def test_contactors_that_do_not_open(off: float) -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    drive.send(din.PowerDeliveryReq, ready_to_charge_state=False)
    drive.wait(1.4 + off)
    if off < 0.0:
        assert drive.answer is None
        return
    assert drive.answer.response_code is din.ResponseCode.FAILED_PowerDeliveryNotApplied
    drive.book.ends(EndReason.CONTACTOR_FAILED)


# -- welding detection -------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [0, 1, 4])
@pytest.mark.parametrize("fails", [False, True])
def test_welding_detection_with_the_pilot_in_b(times: int, fails: bool) -> None:
    drive = Drive(config=config(welding_needs_cp_b="fail" if fails else "note")).to(S.WELDING_DETECTION)
    drive.tell(ev.SignalChanged(SignalState.B))
    drive.measure(42.0)
    for _ in range(times):
        answer = drive.send(din.WeldingDetectionReq)
        assert quantity(answer.evse_present_voltage) == 42.0
        assert told(answer)[0] == "EVSE_Shutdown"
        assert drive.notes() == []
    assert drive.send(din.SessionStop).response_code is din.ResponseCode.OK
    drive.book.ends(EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("fails", [False, True])
def test_welding_detection_while_the_vehicle_still_shows_c(fails: bool) -> None:
    drive = Drive(config=config(welding_needs_cp_b="fail" if fails else "note")).to(S.CABLE_CHECK)
    drive.tell(ev.SignalChanged(SignalState.C))
    drive.to(S.WELDING_DETECTION)
    answer = drive.send(din.WeldingDetectionReq)
    assert answer.response_code.value == ("FAILED" if fails else "OK")
    assert drive.notes() == ([] if fails else ["welding-detection-pilot"])


def test_a_vehicle_may_show_b_as_soon_as_it_has_switched_off() -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    drive.tell(ev.SignalChanged(SignalState.C))
    drive.send(din.PowerDeliveryReq, ready_to_charge_state=False)
    drive.tell(ev.SignalChanged(SignalState.B))
    stops = [one.urgency for one in drive.book.actions if isinstance(one, act.StopPower)]
    assert stops == [Urgency.EMERGENCY]  # the contactors are still closed: at once, but no fault
    assert drive.session.ended is None
    drive.tell(ev.ContactorsChanged(False))
    assert drive.answer.response_code is din.ResponseCode.OK
    assert drive.session.state == "WeldingDetection"
