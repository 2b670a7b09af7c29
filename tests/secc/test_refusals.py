"""What a station refuses, with which response code, and that every refusal of this
edition ends the session safely."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118 import exi
from iso15118.channel import EDITIONS
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, REQUESTS, Drive, held_back


def refused(drive: Drive, response: Any, code: str, reason: EndReason) -> None:
    assert response.response_code.value == code
    drive.book.ends(reason)
    assert not drive.session.energized
    assert drive.session.state == "Ended"


# -- authorization


def test_authorization_says_ongoing_until_somebody_decides() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    first = drive.send(cm.AuthorizationReq)
    assert first.evse_processing is Processing.Ongoing_WaitingForCustomerInteraction
    assert drive.book.does(act.RequestAuthorization) == [
        act.RequestAuthorization("WVWV123456789ABCDEF7", "", 1)
    ]
    assert drive.send(cm.AuthorizationReq).evse_processing is Processing.Ongoing_WaitingForCustomerInteraction
    drive.book.does()
    drive.book.tell(ev.AuthorizationDecided(True))
    last = drive.send(cm.AuthorizationReq)
    assert (last.response_code.value, last.evse_processing) == ("OK", Processing.Finished)
    drive.book.waits_for("ServiceDiscovery")


def test_a_rejection_reaches_the_vehicle_with_the_next_answer_and_lets_it_try_again() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    drive.send(cm.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    response = drive.send(cm.AuthorizationReq)
    assert response.response_code.value == "WARNING_EIMAuthorizationFailure"
    assert response.evse_processing is Processing.Finished
    drive.book.waits_for("Authorization")
    drive.book.wait(1.0)
    drive.send(cm.AuthorizationReq)
    drive.book.does(act.RequestAuthorization)
    drive.book.tell(ev.AuthorizationDecided(True))
    assert drive.send(cm.AuthorizationReq).response_code.value == "OK"


def test_a_vehicle_that_asks_again_at_once_does_not_make_the_backend_busy() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    asked = 0
    for _ in range(500):  # five seconds of a vehicle in a hurry, and a backend that says no at once
        drive.send(cm.AuthorizationReq)
        if any(isinstance(action, act.RequestAuthorization) for action in drive.book.actions):
            asked += 1
            drive.book.tell(ev.AuthorizationDecided(False))
        drive.book.wait(0.01)
    assert 4 <= asked <= 6
    drive.book.waits_for("Authorization")


def test_attempts_at_a_terminal_are_bounded_and_the_end_names_the_setting() -> None:
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, authorization_attempts=3)).to(State.AUTHORIZATION)
    for _ in range(3):
        drive.send(cm.AuthorizationReq)
        drive.book.tell(ev.AuthorizationDecided(False))
        assert drive.send(cm.AuthorizationReq).response_code.value == "WARNING_EIMAuthorizationFailure"
        drive.book.wait(1.0)
    response = drive.send(cm.AuthorizationReq)
    refused(drive, response, "FAILED", EndReason.AUTHORIZATION_FAILED)
    ended = drive.session.ended
    assert ended is not None
    assert "authorization_attempts" in ended.detail


def test_a_vehicle_that_leaves_because_it_was_refused_did_not_end_the_session_by_its_own_wish() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    drive.send(cm.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    drive.send(cm.AuthorizationReq)
    assert drive.send(cm.SessionStopReq).response_code.value == "OK"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)
    ended = drive.session.ended
    assert ended is not None
    assert not ended.reason.orderly
    assert ended.detail == "the vehicle left after it was refused: the driver was refused"


def test_nobody_deciding_is_a_rejection_before_the_vehicle_gives_up() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    answers = []
    for _ in range(40):
        answers.append(drive.send(cm.AuthorizationReq).response_code.value)
        drive.book.wait(5.0)
    assert "WARNING_EIMAuthorizationFailure" in answers
    assert answers.index("WARNING_EIMAuthorizationFailure") * 5.0 < 180.0


def test_a_contract_that_was_not_offered_is_a_warning() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    chain = cm.ContractCertificateChain(
        certificate=b"\x30\x00", sub_certificates=cm.SubCertificates(certificate=(b"\x30\x00",))
    )
    mode = cm.PnCAReqAuthorizationMode(id="id1", gen_challenge=bytes(16), contract_certificate_chain=chain)
    response = drive.send(
        cm.AuthorizationReq,
        selected_authorization_service=cm.Authorization.PnC,
        a_req_authorization_mode=mode,
    )
    assert response.response_code.value == "WARNING_AuthorizationSelectionInvalid"
    drive.book.waits_for("Authorization")


def test_an_authorization_withdrawn_while_charging_stops_the_session() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.AuthorizationDecided(False))
    response = drive.send(dc.DCChargeLoopReq)
    assert response.evse_status.evse_notification.value == "Terminate"


# -- services


@pytest.mark.parametrize("service_id", [0, 1, 3, 7, 10, 65, 65535])
def test_detail_of_a_service_that_is_not_offered(service_id: int) -> None:
    drive = Drive().to(State.SERVICE_DETAIL)
    response = drive.send(cm.ServiceDetailReq, service_id=service_id)
    refused(drive, response, "FAILED_ServiceIDInvalid", EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("service_id", "parameter_set_id", "code"),
    [
        (2, 3, "FAILED_ServiceSelectionInvalid"),
        (2, 0, "FAILED_ServiceSelectionInvalid"),
        (8, 1, "FAILED_ServiceSelectionInvalid"),  # offered, but its detail was never read
        (1, 1, "FAILED_NoEnergyTransferServiceSelected"),
        (65, 1, "FAILED_NoEnergyTransferServiceSelected"),
    ],
)
def test_selection_of_what_was_not_offered(service_id: int, parameter_set_id: int, code: str) -> None:
    drive = Drive().to(State.SERVICE_SELECTION)
    chosen = cm.SelectedService(service_id=service_id, parameter_set_id=parameter_set_id)
    response = drive.send(cm.ServiceSelectionReq, selected_energy_transfer_service=chosen)
    refused(drive, response, code, EndReason.PARAMETERS_NOT_ACCEPTED)


def test_selection_of_a_value_added_service_that_nobody_offered() -> None:
    drive = Drive().to(State.SERVICE_SELECTION)
    extra = cm.SelectedServiceList(selected_service=(cm.SelectedService(service_id=65, parameter_set_id=1),))
    response = drive.send(cm.ServiceSelectionReq, selected_vas_list=extra)
    refused(drive, response, "FAILED_ServiceSelectionInvalid", EndReason.PARAMETERS_NOT_ACCEPTED)


# -- charge parameters


@pytest.mark.parametrize("service", ALL_SERVICES, ids=lambda s: s.name)
@pytest.mark.parametrize("other", ALL_SERVICES, ids=lambda s: s.name)
def test_service_and_message_type_must_agree(service: ServiceID, other: ServiceID) -> None:
    drive = Drive(service).to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    mode = Drive(other).cpd_mode()
    response = drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=mode)
    if SERVICES[service].bidirectional == SERVICES[other].bidirectional:
        assert response.response_code.value == "OK"
    else:
        refused(drive, response, "FAILED_WrongChargeParameter", EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    "limits",
    [
        {"ev_maximum_voltage": rational(0.0)},
        {"ev_maximum_voltage": rational(-900.0)},
        {"ev_maximum_voltage": rational(150.0), "ev_minimum_voltage": rational(100.0)},
        {"ev_minimum_voltage": rational(951.0)},
        {"ev_maximum_charge_current": rational(0.0)},
        {"ev_maximum_charge_current": rational(-5.0)},
        {"ev_maximum_charge_power": rational(-1.0)},
        {"ev_minimum_charge_power": rational(2e6)},
        {"ev_minimum_voltage": rational(1300.0), "ev_maximum_voltage": rational(1400.0)},
    ],
)
def test_implausible_charge_parameters(limits: dict[str, Any]) -> None:
    drive = Drive().to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.cpd_mode(**limits)
    response = drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=mode)
    refused(drive, response, "FAILED_WrongChargeParameter", EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda m: m.name)
def test_a_schedule_request_of_the_other_control_mode(mode: ControlMode) -> None:
    drive = Drive(ServiceID.DC, mode).to(State.SCHEDULE_EXCHANGE)
    other = ControlMode.DYNAMIC if mode is ControlMode.SCHEDULED else ControlMode.SCHEDULED
    needs = Drive(ServiceID.DC, other).request(cm.ScheduleExchangeReq).se_req_control_mode
    response = drive.send(cm.ScheduleExchangeReq, se_req_control_mode=needs)
    refused(drive, response, "FAILED_ScheduleSelectionInvalid", EndReason.PARAMETERS_NOT_ACCEPTED)


# -- cable check, pre-charge and power delivery


def test_a_failed_cable_check_is_safe_before_the_vehicle_learns_it() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    drive.book.tell(ev.CableCheckFinished(False, "80 kOhm"))
    drive.book.does(act.StopPower, act.OpenContactors)
    refused(drive, drive.send(dc.DCCableCheckReq), "FAILED", EndReason.CABLE_CHECK_FAILED)


def test_a_cable_check_that_takes_too_long() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    for _ in range(38):
        assert drive.send(dc.DCCableCheckReq).evse_processing is Processing.Ongoing
        drive.book.wait(1.0)
    drive.book.wait(0.1)
    refused(drive, drive.send(dc.DCCableCheckReq), "FAILED", EndReason.CABLE_CHECK_FAILED)


@pytest.mark.parametrize("target", [-1.0, 951.0, 1251.0, 32767.0])
def test_a_pre_charge_target_beyond_the_limits(target: float) -> None:
    drive = Drive().to(State.DC_PRE_CHARGE)
    response = drive.send(dc.DCPreChargeReq, ev_target_voltage=rational(target))
    refused(drive, response, "FAILED", EndReason.PRE_CHARGE_FAILED)


@pytest.mark.parametrize("off", [21.0, -21.0, 200.0])
def test_power_delivery_needs_a_pre_charge_that_matches(off: float) -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.measure(BATTERY_V + off)
    response = held_back(drive, drive.send(cm.PowerDeliveryReq))
    assert not any(isinstance(action, act.CloseContactors) for action in drive.book.actions)
    refused(drive, response, "FAILED_PowerDeliveryNotApplied", EndReason.PRE_CHARGE_FAILED)


def _ongoing(*, accepted: bool) -> Drive:
    """A station in pre-charge whose vehicle has not said Finished."""
    drive = Drive(config=SeccConfig(services=ALL_SERVICES, accept_ongoing_pre_charge=accepted))
    return drive.to(State.DC_PRE_CHARGE)


def test_power_delivery_after_an_unfinished_pre_charge_is_a_setting() -> None:
    for accepted in (False, True):
        drive = _ongoing(accepted=accepted)
        drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
        drive.measure(BATTERY_V)
        response = drive.send(cm.PowerDeliveryReq)
        if not accepted:
            refused(drive, response, "FAILED_SequenceError", EndReason.SEQUENCE_ERROR)
            continue
        drive.book.does(act.CloseContactors)
        drive.book.tell(ev.ContactorsChanged(True))
        drive.book.sends(cm.PowerDeliveryRes, "OK")
        drive.book.waits_for("DC_ChargeLoop")


def test_that_setting_still_compares_the_voltages() -> None:
    drive = _ongoing(accepted=True)
    drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
    drive.measure(BATTERY_V - 21.0)
    response = held_back(drive, drive.send(cm.PowerDeliveryReq))
    assert not any(isinstance(action, act.CloseContactors) for action in drive.book.actions)
    refused(drive, response, "FAILED_PowerDeliveryNotApplied", EndReason.PRE_CHARGE_FAILED)


def test_that_setting_still_wants_a_pre_charge() -> None:
    drive = _ongoing(accepted=True)
    refused(drive, drive.send(cm.PowerDeliveryReq), "FAILED_SequenceError", EndReason.SEQUENCE_ERROR)


def test_contactors_that_do_not_close_in_time() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    assert drive.send(cm.PowerDeliveryReq) is None
    drive.book.wait(1.399)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.sends(cm.PowerDeliveryRes, "FAILED_ContactorError")
    drive.book.ends(EndReason.CONTACTOR_FAILED)
    drive.book.tell(ev.ContactorsChanged(True))  # and then they do
    drive.book.does(act.StopPower, act.OpenContactors)


def test_contactors_that_do_not_open_in_time() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.wait(1.5)
    drive.book.sends(cm.PowerDeliveryRes, "FAILED_ContactorError")
    drive.book.does(act.StopPower, act.OpenContactors)


def profile(drive: Drive, power_w: float, tuple_id: int = 1) -> cm.EVPowerProfile:
    mode: cm.EVPPTControlMode = (
        cm.ScheduledEVPPTControlMode(selected_schedule_tuple_id=tuple_id)
        if drive.control_mode is ControlMode.SCHEDULED
        else cm.DynamicEVPPTControlMode()
    )
    entry = cm.PowerScheduleEntry(duration=3600, power=rational(power_w))
    entries = cm.EVPowerProfileEntryList(ev_power_profile_entry=(entry,))
    return cm.EVPowerProfile(time_anchor=0, evppt_control_mode=mode, ev_power_profile_entries=entries)


@pytest.mark.parametrize(
    ("power_w", "tuple_id", "code"),
    [
        (3_800_000.0, 1, "FAILED_EVPowerProfileInvalid"),
        (-1_100_000.0, 1, "FAILED_EVPowerProfileInvalid"),
        (100_000.0, 2, "FAILED_ScheduleSelectionInvalid"),
    ],
)
def test_a_power_profile_that_does_not_fit(power_w: float, tuple_id: int, code: str) -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    response = drive.send(cm.PowerDeliveryReq, ev_power_profile=profile(drive, power_w, tuple_id))
    refused(drive, response, code, EndReason.PARAMETERS_NOT_ACCEPTED)


def test_a_profile_of_the_other_control_mode() -> None:
    drive = Drive(ServiceID.DC, ControlMode.DYNAMIC).to(State.POWER_DELIVERY)
    response = drive.send(cm.PowerDeliveryReq, ev_power_profile=profile(Drive(), 1e5))
    refused(drive, response, "FAILED_EVPowerProfileInvalid", EndReason.PARAMETERS_NOT_ACCEPTED)


def test_a_profile_within_the_schedule_is_taken() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    assert drive.send(cm.PowerDeliveryReq, ev_power_profile=profile(drive, 1e6)) is None
    drive.book.does(act.CloseContactors)


@pytest.mark.parametrize("state", [State.DC_CABLE_CHECK, State.POWER_DELIVERY, State.DC_CHARGE_LOOP])
@pytest.mark.parametrize("progress", list(cm.ChargeProgress), ids=lambda p: p.name)
def test_every_charge_progress_where_it_may_come(state: State, progress: cm.ChargeProgress) -> None:
    drive = Drive().to(state)
    response = drive.send(cm.PowerDeliveryReq, charge_progress=progress)
    expected = {
        (State.DC_CABLE_CHECK, "Stop"): "OK",
        (State.DC_CABLE_CHECK, "Standby"): "WARNING_StandbyNotAllowed",  # [V2G20-2122]
        (State.POWER_DELIVERY, "Start"): None,
        (State.POWER_DELIVERY, "Stop"): "OK",  # contactors never closed: nothing to wait for
        (State.DC_CHARGE_LOOP, "Start"): "OK",
        (State.DC_CHARGE_LOOP, "Stop"): None,
        (State.DC_CHARGE_LOOP, "Standby"): "OK",
        (State.DC_CHARGE_LOOP, "ScheduleRenegotiation"): "OK",
    }.get((state, progress.value), "FAILED_SequenceError")
    assert (response.response_code.value if response is not None else None) == expected


# -- the charge loop


def test_a_voltage_target_above_the_vehicles_own_maximum_ends_the_session() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    response = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(voltage_v=951.0))
    refused(drive, response, "FAILED_WrongChargeParameter", EndReason.PARAMETERS_NOT_ACCEPTED)


def test_a_negative_current_in_a_charge_only_service_ends_the_session() -> None:
    drive = Drive(ServiceID.MCS).to(State.DC_CHARGE_LOOP)
    response = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(current_a=-10.0))
    refused(drive, response, "FAILED_WrongChargeParameter", EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize("service", ALL_SERVICES, ids=lambda s: s.name)
@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda m: m.name)
def test_a_loop_request_of_another_service_or_mode_ends_the_session(
    service: ServiceID, mode: ControlMode
) -> None:
    for other in (ServiceID.DC, ServiceID.DC_BPT):
        for other_mode in ControlMode:
            drive = Drive(service, mode).to(State.DC_CHARGE_LOOP)
            foreign = Drive(other, other_mode).request(dc.DCChargeLoopReq).cl_req_control_mode
            response = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=foreign)
            if SERVICES[other].bidirectional == SERVICES[service].bidirectional and other_mode is mode:
                assert response.response_code.value == "OK"
            else:
                refused(drive, response, "FAILED_WrongChargeParameter", EndReason.PARAMETERS_NOT_ACCEPTED)


# -- leaving


def test_pause_is_refused_if_it_is_not_offered() -> None:
    config = SeccConfig(services=ALL_SERVICES, allow_pause=False)
    drive = Drive(config=config).to(State.DC_WELDING_DETECTION)
    response = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.Pause)
    refused(drive, response, "FAILED_PauseNotAllowed", EndReason.REFUSED)


def test_service_renegotiation_is_refused_unless_offered() -> None:
    drive = Drive().to(State.DC_WELDING_DETECTION)
    response = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    refused(drive, response, "FAILED_NoServiceRenegotiationSupported", EndReason.REFUSED)


def test_service_renegotiation_keeps_the_authorization_and_nothing_else() -> None:
    config = SeccConfig(services=ALL_SERVICES, service_renegotiation=True)
    drive = Drive(config=config).to(State.DC_WELDING_DETECTION)
    response = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    assert response.response_code.value == "OK"
    drive.book.waits_for("ServiceDiscovery")
    drive.to(State.DC_CHARGE_LOOP)  # by way of a new cable check
    assert drive.send(dc.DCChargeLoopReq).response_code.value == "OK"


@pytest.mark.parametrize("state", [State.SERVICE_DISCOVERY, State.AUTHORIZATION_SETUP, State.DC_CHARGE_LOOP])
def test_service_renegotiation_is_no_way_round_authorization_or_past_power(state: State) -> None:
    config = SeccConfig(services=ALL_SERVICES, service_renegotiation=True)
    drive = Drive(config=config).to(state)
    response = drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    refused(drive, response, "FAILED_NoServiceRenegotiationSupported", EndReason.REFUSED)


def test_a_second_request_before_the_answer_to_the_first() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq)
    refused(drive, drive.send(cm.PowerDeliveryReq), "FAILED_SequenceError", EndReason.SEQUENCE_ERROR)


def test_a_response_instead_of_a_request_ends_the_session() -> None:
    drive = Drive().to(State.SERVICE_DISCOVERY)
    drive.book.receive(cm.ServiceSelectionRes(header=drive.header(), response_code=ResponseCode.OK))
    drive.book.ends(EndReason.SEQUENCE_ERROR)


def test_leaving_during_the_cable_check_takes_the_voltage_away_first() -> None:
    drive = Drive().to(State.DC_CABLE_CHECK)
    drive.send(dc.DCCableCheckReq)
    response = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert response.response_code.value == "OK"
    drive.book.does(act.StopPower, act.OpenContactors)
    assert not drive.session.energized


@pytest.mark.parametrize("state", [State.AUTHORIZATION, State.DC_CABLE_CHECK, State.POWER_DELIVERY])
def test_after_an_emergency_a_silent_vehicle_is_not_waited_for_long(state: State) -> None:
    drive = Drive().to(state)
    drive.book.tell(ev.EmergencyShutdown("button"))
    drive.book.does(act.StopPower, act.OpenContactors)
    drive.book.wait(10.1)
    drive.book.ends(EndReason.EMERGENCY)


def test_refusals_are_valid_messages_of_their_schema() -> None:
    """A refusal that cannot be encoded would be no refusal."""
    schema_of = {
        message: stream.schema
        for stream in EDITIONS["iso20-dc"]
        if not stream.shared
        for message in stream.message_types
    }
    for mode in ControlMode:
        for request_type in REQUESTS:
            drive = Drive(ServiceID.DC_BPT, mode).to(State.DC_CHARGE_LOOP)
            if request_type in (dc.DCChargeLoopReq, cm.PowerDeliveryReq, cm.SessionStopReq):
                drive.book.tell(ev.EmergencyShutdown("test"))
            response = drive.send(request_type)
            assert response.response_code.value.startswith("FAILED")
            schema = schema_of[type(response)]
            assert exi.decode(schema, exi.encode(schema, response)) == response


def test_replacing_fields_keeps_requests_valid() -> None:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    mode = msgspec.structs.replace(drive.scheduled(), ev_maximum_charge_current=rational(50.0))
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=mode)
    (power,) = drive.book.does(act.SetPower)
    assert isinstance(power, act.SetPower)
    assert power.current_a == 50.0


def test_a_refusal_that_a_setting_would_avoid_names_it() -> None:
    drive = Drive().to(State.DC_PRE_CHARGE)
    drive.send(dc.DCPreChargeReq, ev_processing=Processing.Ongoing)
    drive.send(cm.PowerDeliveryReq)
    ended = drive.session.ended
    assert ended is not None
    assert ended.reason is EndReason.SEQUENCE_ERROR
    assert "session.accept_ongoing_pre_charge" in ended.detail
