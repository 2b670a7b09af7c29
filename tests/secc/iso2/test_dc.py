"""A DC charge with external identification, from supportedAppProtocol to the end: what is said, and what
is asked of the hardware."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.limits import StationLimits
from tests.secc.iso2.vehicle import (
    BATTERY_V,
    READY,
    VEHICLE_V,
    Drive,
    replace,
    settings,
    told,
)
from tests.secc.vehicle import held_back

SIGNAL_B, SIGNAL_C = ev.SignalChanged(ev.SignalState.B), ev.SignalChanged(ev.SignalState.C)


def test_a_whole_charge_asks_the_hardware_in_this_order() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.stopped()
    drive.send(iso2.WeldingDetectionReq)
    assert drive.send(iso2.SessionStopReq).response_code.value == "OK"
    drive.book.ends(EndReason.STOPPED_BY_EV)
    assert drive.done == [
        "RequestAuthorization",
        "StartCableCheck",
        "PreCharge",
        "CloseContactors",
        "ReadMeter",
        "SetPower",
        "StopPower",
        "OpenContactors",
        "ReadMeter",
    ]


def test_the_session_gets_an_id_of_eight_octets_whatever_the_vehicle_sends() -> None:
    """One zero octet, eight of them, and an id that nobody paused: a new id for each."""
    given = set()
    for sent in (b"\0", bytes(8), b"\x07", b"\xaa" * 8, b""):
        drive = Drive()
        drive.connect()
        drive.session_id = sent
        answer = drive.send(iso2.SessionSetupReq)
        assert answer.response_code.value == "OK_NewSessionEstablished"
        assert answer.evseid == "ZZ00000"
        assert answer.evse_time_stamp == 1_790_000_000
        own = drive.header().session_id
        assert len(own) == 8
        assert any(own)
        assert own != sent
        given.add(own)
    assert len(given) == 5
    assert drive.session.evccid == "021122334455"


def test_the_evccid_may_be_short_or_empty_and_no_clock_is_said_to_be_none() -> None:
    drive = Drive(epoch=0.0)
    drive.connect()
    answer = drive.send(iso2.SessionSetupReq, evccid=b"")
    assert (answer.response_code.value, answer.evse_time_stamp) == ("OK_NewSessionEstablished", None)
    assert drive.session.evccid == ""


def test_services_of_a_station_without_contracts() -> None:
    drive = Drive().to(State.SERVICE_DISCOVERY)
    for changes in ({}, {"service_category": iso2.ServiceCategory.EVCharging}, {"service_scope": "x"}):
        drive = Drive().to(State.SERVICE_DISCOVERY)
        found = drive.send(iso2.ServiceDiscoveryReq, **changes)
        assert found.payment_option_list.payment_option == (iso2.PaymentOption.ExternalPayment,)
        assert found.service_list is None
        charge = found.charge_service
        assert (charge.service_id, charge.free_service) == (1, False)
        assert charge.service_category is iso2.ServiceCategory.EVCharging
        modes = charge.supported_energy_transfer_mode.energy_transfer_mode
        assert modes == (iso2.EnergyTransferMode.DC_extended,)
    detail = drive.send(iso2.ServiceDetailReq, service_id=1)
    assert (detail.response_code.value, detail.service_id, detail.service_parameter_list) == ("OK", 1, None)


def test_the_offer_is_what_the_hardware_can_do_and_never_more_than_it() -> None:
    limits = StationLimits(
        maximum_charge_power_w=350_004.0,
        maximum_charge_current_a=499.97,
        maximum_voltage_v=920.04,
        minimum_voltage_v=150.003,
        minimum_charge_current_a=0.2504,
        maximum_discharge_power_w=10_000.0,
        maximum_discharge_current_a=20.0,
    )
    drive = Drive(settings(current_tolerance_a=0.5), limits=limits).to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq)
    offer = answer.evse_charge_parameter
    assert told(offer.dc_evse_status) == ("EVSE_Ready", None, "None", 0)
    assert quantity(offer.evse_maximum_power_limit) == 350_000.0
    assert offer.evse_maximum_power_limit == iso2.PhysicalValue(
        multiplier=2, unit=iso2.UnitSymbol.W, value=3500
    )
    assert quantity(offer.evse_maximum_current_limit) == 499.9
    assert quantity(offer.evse_maximum_voltage_limit) == 920.0
    assert quantity(offer.evse_minimum_voltage_limit) == 150.01
    assert quantity(offer.evse_minimum_current_limit) == 0.251
    assert quantity(offer.evse_peak_current_ripple) == 1.0
    assert quantity(offer.evse_current_regulation_tolerance) == 0.5


@pytest.mark.parametrize(("isolation", "said"), [("omit", None), ("invalid", "Invalid"), ("valid", "Valid")])
def test_isolation_before_the_cable_check_is_a_setting(isolation: Any, said: str | None) -> None:
    drive = Drive(settings(cpd_isolation=isolation)).to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq)
    assert told(answer.evse_charge_parameter.dc_evse_status) == ("EVSE_Ready", said, "None", 0)


def test_isolation_and_code_by_phase() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    answer = drive.send(iso2.CableCheckReq)
    assert told(answer.dc_evse_status) == ("EVSE_IsolationMonitoringActive", "Invalid", "None", 0)
    assert answer.evse_processing is iso2.EVSEProcessing.Ongoing
    (check,) = drive.book.does(act.StartCableCheck)
    assert isinstance(check, act.StartCableCheck)
    assert (check.voltage_v, check.insulation_ohm) == (500.0, 100_000.0)
    drive.book.tell(ev.CableCheckFinished(True))
    answer = drive.send(iso2.CableCheckReq)
    assert told(answer.dc_evse_status) == ("EVSE_Ready", "Valid", "None", 0)
    assert answer.evse_processing is iso2.EVSEProcessing.Finished
    assert told(drive.send(iso2.PreChargeReq).dc_evse_status) == ("EVSE_Ready", "Valid", "None", 0)
    drive.measure(BATTERY_V)
    drive.started()
    assert told(drive.heard().evse_status) == ("EVSE_Ready", "Valid", "None", 0)
    assert told(drive.loop().dc_evse_status) == ("EVSE_Ready", "Valid", "None", 0)
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    drive.book.tell(ev.ContactorsChanged(False))
    assert told(drive.heard().evse_status) == ("EVSE_Shutdown", "Valid", "None", 0)


# -- cable check


def test_the_cable_check_waits_for_state_c_and_puts_no_voltage_on_the_cable_before() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.book.tell(SIGNAL_B)
    assert drive.send(iso2.CableCheckReq) is None
    assert drive.done == ["RequestAuthorization"]
    drive.book.wait(1.0)
    drive.book.tell(SIGNAL_C)
    assert drive.heard().evse_processing is iso2.EVSEProcessing.Ongoing
    drive.book.does(act.StartCableCheck)


def test_state_c_that_does_not_show_within_a_second_and_a_half_ends_before_any_voltage() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.book.tell(SIGNAL_B)
    drive.send(iso2.CableCheckReq)
    drive.book.wait(1.49)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    failed = drive.heard()
    assert (failed.response_code.value, failed.evse_processing.value) == ("FAILED", "Finished")
    assert failed.dc_evse_status.evse_status_code.value == "EVSE_Shutdown"
    drive.book.ends(EndReason.SIGNAL_LOST)
    assert "StartCableCheck" not in drive.done


def test_state_b_in_the_check_ends_it_at_once() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.book.tell(SIGNAL_C)
    drive.send(iso2.CableCheckReq)
    drive.book.tell(SIGNAL_B)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(iso2.CableCheckReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.SIGNAL_LOST)


def test_a_bad_cable_is_told_as_failed_finished_shutdown_and_fault() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.send(iso2.CableCheckReq)
    drive.book.tell(ev.CableCheckFinished(False, "12 kOhm"))
    drive.book.does(act.StopPower, act.OpenContactors)
    answer = drive.send(iso2.CableCheckReq)
    assert (answer.response_code.value, answer.evse_processing.value) == ("FAILED", "Finished")
    assert told(answer.dc_evse_status) == ("EVSE_Shutdown", "Fault", "StopCharging", 0)
    drive.book.ends(EndReason.CABLE_CHECK_FAILED)


def test_a_cable_check_without_an_outcome_ends_after_38_seconds() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.send(iso2.CableCheckReq)
    for _ in range(37):
        drive.book.wait(1.0)
        assert drive.send(iso2.CableCheckReq).evse_processing is iso2.EVSEProcessing.Ongoing
    drive.book.wait(1.01)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(iso2.CableCheckReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.CABLE_CHECK_FAILED)


# -- pre-charge


def test_the_output_follows_each_target_and_0_a_are_fine() -> None:
    drive = Drive().to(State.PRE_CHARGE)
    for target in (400.0, 350.0, 350.0, 400.0):
        drive.send(iso2.PreChargeReq, ev_target_voltage=volts(target), ev_target_current=amperes(0.0))
    asked = [name for name in drive.done if name == "PreCharge"]
    assert len(asked) == 3
    assert drive.session._facts.precharge_target_v == 400.0


def test_a_target_beyond_the_limits_is_cut_and_noted() -> None:
    drive = Drive().to(State.PRE_CHARGE)
    answer = drive.send(iso2.PreChargeReq, ev_target_voltage=volts(900.0))
    assert answer.response_code.value == "OK"
    assert drive.book.does(act.PreCharge) == [act.PreCharge(VEHICLE_V, 2.0)]
    assert any(isinstance(a, act.PeerDeviates) and a.name == "precharge-target" for a in drive.book.actions)


@pytest.mark.parametrize(("target", "closes"), [(470.0, True), (470.5, False), (900.0, False)])
def test_contactors_close_over_the_target_that_the_vehicle_named_and_not_over_the_one_that_was_cut(
    target: float, closes: bool
) -> None:
    """Its battery may have that voltage."""
    drive = Drive().to(State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq, ev_target_voltage=volts(target))
    drive.measure(VEHICLE_V)
    answer = drive.send(iso2.PowerDeliveryReq)
    assert ("CloseContactors" in drive.done) is closes
    if closes:
        drive.measure(VEHICLE_V - 0.5)  # more than 20 V from the target, on their way
        assert drive.session._facts.abort_rule == "contactor-voltage"
        return
    answer = held_back(drive, answer)
    assert "CloseContactors" not in drive.done
    assert answer.response_code.value == "FAILED_PowerDeliveryNotApplied"
    assert drive.session.ended is not None
    assert drive.session.ended.detail.endswith(f"{target:g} V, which was cut to {VEHICLE_V:g} V")


def test_a_target_that_no_battery_has_is_not_followed_and_closes_nothing() -> None:
    drive = Drive().to(State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq)
    drive.measure(BATTERY_V)
    answer = drive.send(iso2.PreChargeReq, ev_target_voltage=volts(0.0))
    assert answer.response_code.value == "OK"
    (stop,) = drive.book.does(act.StopPower)
    assert stop == act.StopPower(Urgency.ORDERLY)
    facts = drive.session._facts
    assert (facts.precharge_target_v, facts.precharge_asked_v) == (0.0, 0.0)
    answer = drive.send(iso2.PowerDeliveryReq)
    assert answer.response_code.value == "FAILED_PowerDeliveryNotApplied"
    assert "CloseContactors" not in drive.done
    drive = Drive().to(State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq, ev_target_voltage=volts(20.0))
    assert drive.book.does() == []
    drive.pre_charged()
    drive.started()
    drive.book.waits_for("CurrentDemand")


@pytest.mark.parametrize(("setting", "code"), [("clip", "OK"), ("fail", "FAILED")])
def test_more_than_2_a_for_pre_charge(setting: Any, code: str) -> None:
    drive = Drive(settings(precharge_over_2a=setting)).to(State.PRE_CHARGE)
    answer = drive.send(iso2.PreChargeReq, ev_target_current=amperes(5.0))
    assert answer.response_code.value == code
    if code == "OK":
        assert drive.book.does(act.PreCharge) == [act.PreCharge(BATTERY_V, 2.0)]


def test_pre_charge_that_takes_longer_than_5_seconds_ends() -> None:
    drive = Drive().to(State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq)
    for _ in range(9):
        drive.book.wait(0.5)
        drive.send(iso2.PreChargeReq)
    assert drive.session.ended is None
    drive.book.wait(0.51)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(iso2.PreChargeReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)


@pytest.mark.parametrize("targets", [(0.0,), (0.0, BATTERY_V)], ids=["none", "now and then"])
def test_targets_that_are_not_followed_gain_no_time(targets: tuple[float, ...]) -> None:
    drive = Drive().to(State.PRE_CHARGE)
    for turn in range(10):
        drive.send(iso2.PreChargeReq, ev_target_voltage=volts(targets[turn % len(targets)]))
        drive.book.wait(0.5)
    assert drive.send(iso2.PreChargeReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert not drive.session.energized
    assert drive.session.ended is not None
    assert "pre-charge took too long: the output is at 0.0 V, the " in drive.session.ended.detail


@pytest.mark.parametrize("off_v", [20.4, -20.4])
def test_contactors_do_not_close_where_output_and_target_differ(off_v: float) -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.measure(BATTERY_V + off_v if off_v < 0 else BATTERY_V - off_v)
    answer = held_back(drive, drive.send(iso2.PowerDeliveryReq))
    assert answer.response_code.value == "FAILED_PowerDeliveryNotApplied"
    assert answer.evse_status.evse_status_code.value == "EVSE_Shutdown"
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert "CloseContactors" not in drive.done


def test_contactors_that_do_not_close_in_3_seconds_are_an_error_within_4_and_a_half() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(iso2.PowerDeliveryReq)
    drive.book.wait(2.99)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    assert drive.heard().response_code.value == "FAILED_ContactorError"
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.ends(EndReason.CONTACTOR_FAILED)


def test_contactors_that_do_not_open_are_an_error() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    drive.measure(BATTERY_V, 0.0)
    drive.book.wait(3.01)
    assert drive.heard().response_code.value == "FAILED_ContactorError"
    drive.book.ends(EndReason.CONTACTOR_FAILED)


_SAID_NOTHING = ("NO_ERROR", "NoData", "Reserved_A", "Reserved_B", "Reserved_C")


def _with_error(drive: Drive, code: iso2.DCEVErrorCode) -> Any:
    """The request that the drive's state waits for, from a vehicle that reports this of itself."""
    status = replace(READY, ev_error_code=code)
    match drive.session.state:
        case "CableCheck" | "Renegotiated":
            return drive.send(iso2.CableCheckReq, dc_ev_status=status)
        case "PreCharge":
            return drive.send(iso2.PreChargeReq, dc_ev_status=status)
    said = iso2.DCEVPowerDeliveryParameter(dc_ev_status=status, charging_complete=False)
    return drive.send(iso2.PowerDeliveryReq, ev_power_delivery_parameter=said)


@pytest.mark.parametrize(
    "state", [State.CABLE_CHECK, State.PRE_CHARGE, State.POWER_DELIVERY, State.RENEGOTIATED]
)
@pytest.mark.parametrize("code", iso2.DCEVErrorCode, ids=lambda code: code.value)
def test_a_vehicle_with_a_fault_is_given_no_voltage(state: State, code: iso2.DCEVErrorCode) -> None:
    drive = Drive().to(State.CURRENT_DEMAND if state is State.RENEGOTIATED else state)
    if state is State.RENEGOTIATED:
        drive.renegotiate()
    answer = _with_error(drive, code)
    if code.value in _SAID_NOTHING:
        assert drive.session.ended is None
        return
    assert answer.response_code.value == "FAILED"
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert not drive.session.energized
    assert drive.done[-2:] == ["StopPower", "OpenContactors"]


@pytest.mark.parametrize(
    "state", [State.CABLE_CHECK, State.PRE_CHARGE, State.POWER_DELIVERY], ids=lambda s: s.name
)
def test_a_stop_before_power_is_answered_and_switches_off(state: State) -> None:
    """Before CableCheck and in PreCharge, as vehicles do it."""
    drive = Drive().to(state)
    answer = drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
    assert answer.response_code.value == "OK"
    drive.book.does(act.StopPower, act.OpenContactors, act.ReadMeter)
    drive.book.waits_for("WeldingDetection")
    assert drive.send(iso2.SessionStopReq).response_code.value == "OK"


@pytest.mark.parametrize("state", [State.CABLE_CHECK, State.CURRENT_DEMAND], ids=lambda s: s.name)
def test_the_error_of_the_vehicle_does_not_change_the_answer_to_its_stop(state: State) -> None:
    drive = Drive().to(state)
    error = replace(READY, ev_error_code=iso2.DCEVErrorCode.FAILED_RESSTemperatureInhibit)
    drive.send(
        iso2.PowerDeliveryReq,
        charge_progress=iso2.ChargeProgress.Stop,
        ev_power_delivery_parameter=iso2.DCEVPowerDeliveryParameter(
            dc_ev_status=error, charging_complete=False
        ),
    )
    if state is State.CURRENT_DEMAND:
        drive.book.tell(ev.ContactorsChanged(False))
    assert drive.heard().response_code.value == "OK"
