"""The station with AC, message by message: what its table lists, how charge parameters are judged, what it
says in the loop, and when the contactors close."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages.iso20 import ac, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification, Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.ac_part import AC
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.sequence import State
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.actions import EndReason, PeerDeviates
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.ac_vehicle import AC_SERVICES, WAY, AcDrive

DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
MODES = list(ControlMode)
REQUESTS = tuple(
    getattr(module, name) for module in (cm, ac) for name in module.__all__ if name.endswith("Req")
)
LISTED = {
    "SessionSetup": {"SessionSetupReq"},
    "AuthorizationSetup": {"AuthorizationSetupReq", "SessionStopReq"},
    "Authorization": {"AuthorizationReq", "SessionStopReq"},
    "ServiceDiscovery": {"ServiceDiscoveryReq", "SessionStopReq"},
    "ServiceDetail": {"ServiceDetailReq", "SessionStopReq"},
    "ServiceSelection": {"ServiceDetailReq", "ServiceSelectionReq", "SessionStopReq"},
    "AC_ChargeParameterDiscovery": {"ACChargeParameterDiscoveryReq", "SessionStopReq"},
    "ScheduleExchange": {"ScheduleExchangeReq", "SessionStopReq"},
    "PowerDelivery": {"PowerDeliveryReq", "SessionStopReq"},
    "AC_ChargeLoop": {"ACChargeLoopReq", "PowerDeliveryReq", "SessionStopReq"},
    "SessionStop": {"SessionStopReq"},
}
"""What may be said when, written without looking at the table; installation and metering
confirmation are not offered here."""


def of(drive: AcDrive, kind: type) -> Any:
    return [action for action in drive.book.actions if type(action) is kind]


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("state", WAY, ids=lambda state: state.name)
def test_every_state_against_every_request(state: State, request_type: type) -> None:
    drive = AcDrive().to(state)
    changes: dict[str, Any] = {}
    if request_type is cm.PowerDeliveryReq and state is not State.POWER_DELIVERY:
        changes["charge_progress"] = cm.ChargeProgress.Stop
    response = drive.send(request_type, **changes)
    if request_type.__name__ in LISTED[state.value]:
        if response is None:  # it waits for the pilot, or for contactors
            assert request_type is cm.PowerDeliveryReq
            return
        assert response.response_code.value.startswith("OK"), response
        return
    assert response.response_code is ResponseCode.FAILED_SequenceError
    assert type(response).__name__ == request_type.__name__.replace("Req", "Res")
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized


def test_messages_of_dc_are_none_of_an_ac_session() -> None:
    drive = AcDrive().to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    drive.book.receive(dc.DCCableCheckReq(header=drive.header()))
    drive.book.ends(EndReason.SEQUENCE_ERROR)


def test_every_row_has_a_source_and_every_state_a_timer() -> None:
    table = table_of(AC)
    assert all(row.source for rows in table.values() for row in rows.values())
    assert not any(state.value.startswith("DC_") for state in table)
    for state in WAY:
        assert AcDrive().to(state).session.deadline is not None


@pytest.mark.parametrize("state", WAY, ids=lambda state: state.name)
def test_silence_ends_every_state(state: State) -> None:
    drive = AcDrive().to(state)
    drive.book.wait(120.0)
    assert drive.session.ended is not None
    assert not drive.session.energized


def test_silence_in_the_loop_ends_after_half_a_second() -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    drive.book.wait(0.499)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.ends(EndReason.TIMEOUT)
    assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]


# -- charge parameters -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("service", "mode"),
    [
        (ServiceID.AC_BPT, ac.ACCPDReqEnergyTransferMode),
        (ServiceID.AC, ac.BPTACCPDReqEnergyTransferMode),
    ],
)
def test_a_type_of_the_other_service_is_refused(service: ServiceID, mode: type) -> None:
    drive = AcDrive(service).to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    other = AcDrive(ServiceID.AC if service is ServiceID.AC_BPT else ServiceID.AC_BPT)
    assert type(other.cpd_mode()) is mode
    response = drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=other.cpd_mode())
    assert response.response_code is ResponseCode.FAILED_WrongChargeParameter
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("maximum", "minimum", "code"),
    [
        (11_040.0, 4_140.0, ResponseCode.OK),
        (4_000.0, 4_140.0, ResponseCode.FAILED_WrongChargeParameter),
        (-1.0, -2.0, ResponseCode.FAILED_WrongChargeParameter),
        (30_000.0, 25_000.0, ResponseCode.OK),  # above the station: it waits
        (0.0, 0.0, ResponseCode.OK),
    ],
)
def test_charge_parameters_are_judged(maximum: float, minimum: float, code: ResponseCode) -> None:
    drive = AcDrive(control_mode=DYNAMIC).to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.cpd_mode(
        ev_maximum_charge_power=rational(maximum), ev_minimum_charge_power=rational(minimum)
    )
    response = drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=mode)
    assert response.response_code is code
    if minimum > 22_080.0:
        assert [news.name for news in of(drive, PeerDeviates)] == ["nothing-flows"]
        drive.to(State.AC_CHARGE_LOOP)
        loop = drive.loop(
            ev_maximum_charge_power=rational(maximum), ev_minimum_charge_power=rational(minimum)
        )
        answer = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=loop)
        assert si(answer.cl_res_control_mode.evse_target_active_power) == 0.0


def test_an_offer_without_peers_says_the_sum_and_no_peers_anywhere() -> None:
    drive = AcDrive(ServiceID.AC_BPT, DYNAMIC).to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    response = drive.send(ac.ACChargeParameterDiscoveryReq)
    offer = response.ac_cpd_res_energy_transfer_mode
    assert si(offer.evse_maximum_charge_power) == si(offer.evse_maximum_discharge_power) == 22_080.0
    drive.to(State.AC_CHARGE_LOOP)
    drive.values = ev.AcMeasured(
        voltage_v=(230.0, 230.0, 230.0), current_a=(16.0, 16.0, 16.0), power_w=(3_680.0, 3_680.0, 3_680.0)
    )
    drive.book.tell(drive.values)
    loop = drive.send(ac.ACChargeLoopReq).cl_res_control_mode
    assert si(loop.evse_present_active_power) == 11_040.0
    for element in (offer, loop):
        peers = [name for name in element.__struct_fields__ if name.endswith(("_l2", "_l3"))]
        assert peers
        assert all(getattr(element, name) is None for name in peers)


def test_a_vehicle_with_peers_is_told_each_phase() -> None:
    drive = AcDrive(control_mode=DYNAMIC).to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    each = {
        f"ev_{what}_charge_power{at}": rational(watts)
        for what, watts in (("maximum", 3_680.0), ("minimum", 1_380.0))
        for at in ("", "_l2", "_l3")
    }
    mode = drive.cpd_mode(**each)
    offer = drive.send(
        ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=mode
    ).ac_cpd_res_energy_transfer_mode
    assert [si(getattr(offer, f"evse_maximum_charge_power{at}")) for at in ("", "_l2", "_l3")] == [
        7_360.0
    ] * 3
    drive.to(State.AC_CHARGE_LOOP)
    loop = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=drive.loop(**each)).cl_res_control_mode
    assert [si(getattr(loop, f"evse_target_active_power{at}")) for at in ("", "_l2", "_l3")] == [3_680.0] * 3


def test_peers_of_one_phase_are_left_out_of_account_and_noted() -> None:
    drive = AcDrive(control_mode=DYNAMIC, phases=1).to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.cpd_mode(ev_maximum_charge_power_l2=rational(99.0))
    response = drive.send(ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=mode)
    assert response.response_code is ResponseCode.OK
    assert [news.name for news in of(drive, PeerDeviates)] == ["ac-phases"]
    drive.to(State.AC_CHARGE_LOOP)
    loop = drive.send(ac.ACChargeLoopReq).cl_res_control_mode
    assert (si(loop.evse_target_active_power), loop.evse_target_active_power_l2) == (3_680.0, None)


# -- the loop ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
@pytest.mark.parametrize("service", AC_SERVICES, ids=lambda one: one.name)
def test_a_loop_request_of_another_kind_fails(service: ServiceID, mode: ControlMode) -> None:
    for other_service in AC_SERVICES:
        for other_mode in MODES:
            if (other_service, other_mode) == (service, mode):
                continue
            drive = AcDrive(service, mode).to(State.AC_CHARGE_LOOP)
            other = AcDrive(other_service, other_mode).loop()
            response = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=other)
            assert response.response_code is ResponseCode.FAILED
            drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
            assert not drive.session.energized


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_target_changes_at_once_and_is_told_to_the_outlet(mode: ControlMode) -> None:
    drive = AcDrive(ServiceID.AC_BPT, mode).to(State.AC_CHARGE_LOOP)
    changes: dict[str, Any] = {}
    if mode is SCHEDULED:
        changes["cl_req_control_mode"] = drive.loop(ev_minimum_energy_request=rational(-5_000.0))
    drive.send(ac.ACChargeLoopReq, **changes)
    for point, watts in ((6_000.0, 6_000.0), (-6_000.0, -6_000.0), (None, 11_040.0), (1_000.0, 0.0)):
        drive.book.tell(ev.SetPointChanged(point))
        (told,) = of(drive, act.SetAcPower)
        assert sum(told.bounds.target_w) == pytest.approx(watts)
        assert sum(told.bounds.discharge_w) == pytest.approx(max(-watts, 0.0))
        response = drive.send(ac.ACChargeLoopReq, **changes)
        assert si(response.cl_res_control_mode.evse_target_active_power) == pytest.approx(watts)


@pytest.mark.parametrize("least", [0.0, 100.0])
def test_a_vehicle_that_needs_energy_gives_none(least: float) -> None:
    drive = AcDrive(ServiceID.AC_BPT, DYNAMIC).to(State.AC_CHARGE_LOOP)
    drive.book.tell(ev.SetPointChanged(-6_000.0))
    loop = drive.loop(ev_minimum_energy_request=rational(least))
    response = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=loop)
    assert si(response.cl_res_control_mode.evse_target_active_power) == 0.0


def test_what_the_vehicle_repeats_lowers_the_target_and_never_raises_it() -> None:
    drive = AcDrive(control_mode=DYNAMIC).to(State.AC_CHARGE_LOOP)
    for repeated, expected in ((6_000.0, 6_000.0), (20_000.0, 11_040.0), (4_000.0, 0.0), (-5.0, 0.0)):
        loop = drive.loop(ev_maximum_charge_power=rational(repeated))
        response = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=loop)
        assert si(response.cl_res_control_mode.evse_target_active_power) == pytest.approx(expected), repeated


def test_a_target_is_never_rounded_up() -> None:
    outlet = AcStationLimits.of(current_a=32.0, nominal_voltage_v=229.0)
    drive = AcDrive(control_mode=DYNAMIC, outlet=outlet).to(State.AC_CHARGE_LOOP)
    for point in (10_000.9, 7_777.77, 4_321.5):
        drive.book.tell(ev.SetPointChanged(point))
        loop = drive.send(ac.ACChargeLoopReq).cl_res_control_mode
        assert point - 1.0 <= si(loop.evse_target_active_power) <= point


def test_a_reading_of_one_meter_is_told_as_a_sum() -> None:
    drive = AcDrive(control_mode=DYNAMIC).to(State.AC_CHARGE_PARAMETER_DISCOVERY)
    each = {f"ev_maximum_charge_power{at}": rational(3_680.0) for at in ("", "_l2", "_l3")}
    least = {f"ev_minimum_charge_power{at}": rational(1_380.0) for at in ("", "_l2", "_l3")}
    drive.send(
        ac.ACChargeParameterDiscoveryReq, ac_cpd_req_energy_transfer_mode=drive.cpd_mode(**each, **least)
    )
    drive.to(State.AC_CHARGE_LOOP)
    drive.values = ev.AcMeasured(
        voltage_v=(230.0, 230.0, 230.0),
        current_a=(8.0, 8.0, 8.0),
        power_w=(1_840.0, 1_840.0, 1_840.0),
        one_meter=True,
    )
    drive.book.tell(drive.values)
    loop = drive.send(ac.ACChargeLoopReq, cl_req_control_mode=drive.loop(**each, **least)).cl_res_control_mode
    assert (si(loop.evse_present_active_power), loop.evse_present_active_power_l2) == (5_520.0, None)


def test_a_pause_is_asked_for_and_counts_down() -> None:
    drive = AcDrive(control_mode=DYNAMIC).to(State.AC_CHARGE_LOOP)
    drive.book.tell(ev.PauseRequested("peak"))
    delays = []
    for _ in range(4):
        status = drive.send(ac.ACChargeLoopReq).evse_status
        assert status.evse_notification is EvseNotification.Pause
        delays.append(status.notification_max_delay)
        drive.book.wait(0.4)
    assert delays[0] == 60
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] < 60


# -- contactors --------------------------------------------------------------------------------------------


def waits(drive: AcDrive) -> None:
    assert drive.send(cm.PowerDeliveryReq) is None
    assert not of(drive, act.CloseContactors)


def test_contactors_close_behind_state_c_with_the_phases_told_before() -> None:
    for phases in (1, 3):
        drive = AcDrive(phases=phases).to(State.POWER_DELIVERY)
        waits(drive)
        drive.book.wait(0.2)
        drive.book.tell(ev.SignalChanged(ev.SignalState.C))
        kinds = [type(action) for action in drive.book.actions if isinstance(action, act.HardwareAction)]
        assert kinds == [act.SetAcPower, act.CloseContactors]
        (told,) = of(drive, act.SetAcPower)
        assert told.bounds.phases == phases
        assert not any(told.bounds.charge_w)
        drive.book.tell(ev.ContactorsChanged(True))
        (sent,) = of(drive, act.Send)
        assert sent.message.response_code is ResponseCode.OK
        assert drive.session.state == "AC_ChargeLoop"


def test_state_b_after_start_is_an_error_by_the_answer_time() -> None:
    drive = AcDrive().to(State.POWER_DELIVERY)
    waits(drive)
    drive.book.wait(1.39)
    assert drive.session.ended is None
    drive.book.wait(0.02)
    drive.book.ends(EndReason.SIGNAL_LOST)
    (sent,) = of(drive, act.Send)
    assert sent.message.response_code is ResponseCode.FAILED_ContactorError
    assert not drive.session.energized


@pytest.mark.parametrize(
    ("shows", "closes", "fails"), [(0.2, 1.1, False), (0.2, 1.25, True), (1.3, 0.2, True)]
)
def test_pilot_and_contactors_share_the_time_of_one_answer(shows: float, closes: float, fails: bool) -> None:
    drive = AcDrive().to(State.POWER_DELIVERY)
    waits(drive)
    drive.book.wait(shows)
    drive.book.tell(ev.SignalChanged(ev.SignalState.C))
    drive.book.wait(closes)
    if not fails:
        drive.book.tell(ev.ContactorsChanged(True))
        assert drive.session.state == "AC_ChargeLoop"
        return
    drive.book.ends(EndReason.CONTACTOR_FAILED)
    drive.book.tell(ev.ContactorsChanged(True))  # late: told to open again
    assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]


def test_contactors_that_report_open_do_not_end_the_wait() -> None:
    drive = AcDrive().to(State.POWER_DELIVERY)
    waits(drive)
    drive.book.tell(ev.SignalChanged(ev.SignalState.C))
    drive.book.tell(ev.ContactorsChanged(False))
    assert not of(drive, act.Send)
    drive.book.wait(1.41)
    drive.book.ends(EndReason.CONTACTOR_FAILED)


def test_start_that_is_still_computed_closes_nothing() -> None:
    drive = AcDrive().to(State.POWER_DELIVERY)
    for _ in range(5):
        response = drive.send(cm.PowerDeliveryReq, ev_processing=Processing.Ongoing)
        assert response.response_code is ResponseCode.OK
        assert not of(drive, act.CloseContactors)
        assert drive.session.state == "PowerDelivery"
    waits(drive)


def test_the_pilot_falls_to_b_in_the_loop() -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.send(ac.ACChargeLoopReq)
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))
    assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
    assert drive.book.actions[0] == act.StopPower(act.Urgency.EMERGENCY)


def test_stop_is_answered_once_the_contactors_are_open() -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop) is None
    assert [type(a) for a in drive.book.actions if isinstance(a, act.HardwareAction)] == [
        act.StopPower,
        act.OpenContactors,
    ]
    drive.book.tell(ev.SignalChanged(ev.SignalState.B))  # how the vehicle lets go
    assert drive.session.ended is None
    drive.book.tell(ev.ContactorsChanged(False))
    (sent,) = of(drive, act.Send)
    assert sent.message.response_code is ResponseCode.OK
    assert drive.session.state == "SessionStop"


def test_a_welded_contactor_is_an_error_and_not_forgotten() -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.wait(1.41)
    drive.book.ends(EndReason.CONTACTOR_FAILED)
    (sent,) = of(drive, act.Send)
    assert sent.message.response_code is ResponseCode.FAILED_ContactorError


def test_a_standby_is_not_granted_where_the_station_lets_none() -> None:
    config = SeccConfig(services=AC_SERVICES, renegotiation=RenegotiationSettings(standby=False))
    drive = AcDrive(config=config).to(State.AC_CHARGE_LOOP)
    response = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
    assert response.response_code is ResponseCode.WARNING_StandbyNotAllowed
    assert drive.session.state == "AC_ChargeLoop"
