"""Wireless power at the station: every state against every request with its next states pinned here,
positioning, pairing and alignment with their warnings, and what takes the power away."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import EvseNotification, Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.machine import table_of
from iso15118.secc.iso20.sequence import State
from iso15118.secc.iso20.wpt_part import WPT
from iso15118.secc.wpt_settings import WptSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.coupling import PositioningPlace
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.wireless import CoilDiagnosis, PadLimits
from iso15118.timing import Timing
from tests.secc.pad import ALL_REQUESTS, FAILED, PAD, STATES, UNKNOWN, PadDrive, lists

S = State
SETUP = {wpt.WPTFinePositioningSetupReq: {S.WPT_FINE_POSITIONING_SETUP, S.WPT_FINE_POSITIONING}}
PINNED: dict[State, dict[Any, set[State]]] = {
    S.AUTHORIZATION_SETUP: {**SETUP, cm.AuthorizationSetupReq: {S.AUTHORIZATION}},
    S.WPT_FINE_POSITIONING_SETUP: SETUP,
    S.WPT_FINE_POSITIONING: {
        **SETUP,
        wpt.WPTFinePositioningReq: {S.WPT_FINE_POSITIONING, S.WPT_PAIRING, S.WPT_FINE_POSITIONING_SETUP},
    },
    S.WPT_PAIRING: {
        **SETUP,
        wpt.WPTPairingReq: {
            S.WPT_PAIRING,
            S.WPT_FINE_POSITIONING_SETUP,
            S.AUTHORIZATION_SETUP,
            S.WPT_CHARGE_PARAMETER_DISCOVERY,
            S.WPT_ALIGNMENT_CHECK,
        },
    },
    S.WPT_CHARGE_PARAMETER_DISCOVERY: {
        **SETUP,
        wpt.WPTChargeParameterDiscoveryReq: {S.SCHEDULE_EXCHANGE},
    },
    S.WPT_ALIGNMENT_CHECK: {
        wpt.WPTAlignmentCheckReq: {S.WPT_ALIGNMENT_CHECK, S.POWER_DELIVERY, S.WPT_FINE_POSITIONING_SETUP},
        (cm.PowerDeliveryReq, cm.ChargeProgress.Stop): {S.SESSION_STOP},
        (cm.PowerDeliveryReq, cm.ChargeProgress.Standby): {S.WPT_ALIGNMENT_CHECK},
    },
}


def test_the_table_is_the_pinned_one() -> None:
    table = table_of(WPT)
    beside = (cm.SessionStopReq, cm.VehicleCheckInReq, cm.VehicleCheckOutReq)
    for state, rows in PINNED.items():
        listed = {
            key: set(row.next)
            for key, row in table[state].items()
            if (key[0] if isinstance(key, tuple) else key) not in beside
        }
        assert listed == rows, state
    assert table[S.WPT_CHARGE_LOOP][wpt.WPTChargeLoopReq].next == {S.WPT_CHARGE_LOOP}
    assert table[S.SCHEDULE_EXCHANGE][cm.ScheduleExchangeReq].next == {
        S.SCHEDULE_EXCHANGE,
        S.WPT_ALIGNMENT_CHECK,
    }


NOT_OFFERED = (
    cm.CertificateInstallationReq,
    cm.MeteringConfirmationReq,
    cm.VehicleCheckInReq,
    cm.VehicleCheckOutReq,
)
CELLS = [(state, kind) for state in STATES if state is not S.ENDED for kind in ALL_REQUESTS]


@pytest.mark.parametrize(
    ("state", "kind"), CELLS, ids=lambda one: getattr(one, "name", getattr(one, "__name__", ""))
)
def test_every_request_in_every_state(state: State, kind: type) -> None:
    drive = PadDrive().to(state)
    changes: dict[str, Any] = {}
    if kind is cm.PowerDeliveryReq and state is not S.POWER_DELIVERY:
        changes["charge_progress"] = cm.ChargeProgress.Stop
    response = drive.send(kind, **changes)
    wanted = {changes.get("charge_progress", cm.ChargeProgress.Start), cm.ChargingSession.Terminate}
    following: set[State] = set()
    for key, row in table_of(WPT)[state].items():
        if key is kind or (isinstance(key, tuple) and key[0] is kind and key[1] in wanted):
            following |= row.next
    if not following or kind in NOT_OFFERED:
        assert response.response_code is ResponseCode.FAILED_SequenceError
        assert not drive.session.energized
        assert drive.session.state == "Ended"
        return
    if kind is wpt.WPTChargeParameterDiscoveryReq and state is S.SCHEDULE_RENEGOTIATION:
        return
    assert response.response_code.value.startswith("OK"), response
    assert drive.session.state in {one.value for one in following}


# -- positioning and pairing -------------------------------------------------------------------------------


@pytest.mark.parametrize("place", list(PositioningPlace), ids=lambda place: place.name)
def test_the_place_of_positioning_is_a_setting(place: PositioningPlace) -> None:
    config = SeccConfig(services=(ServiceID.WPT,), wpt=WptSeccSettings(positioning=(place,)))
    drive = PadDrive(config=config).to(S.AUTHORIZATION_SETUP)
    early = drive.send(wpt.WPTFinePositioningSetupReq).response_code.value
    assert early == ("OK" if place is PositioningPlace.BEFORE_AUTHORIZATION else "FAILED_SequenceError")


def later() -> PadDrive:
    """At the charge parameters, not positioned."""
    drive = PadDrive().to(S.AUTHORIZATION_SETUP)
    drive.send(cm.AuthorizationSetupReq)
    drive._authorized()
    for kind in (cm.ServiceDiscoveryReq, cm.ServiceDetailReq, cm.ServiceSelectionReq):
        drive.send(kind)
    return drive


def test_nobody_speaks_of_power_with_a_pad_that_is_not_known() -> None:
    assert later().send(wpt.WPTChargeParameterDiscoveryReq).response_code.value == "FAILED_SequenceError"
    drive = later()
    drive.positioned()
    assert drive.session.state == S.WPT_CHARGE_PARAMETER_DISCOVERY.value
    assert drive.send(wpt.WPTChargeParameterDiscoveryReq).response_code.value == "OK"


def test_lists_first_and_then_one_method_of_each() -> None:
    drive = PadDrive().to(S.AUTHORIZATION_SETUP)
    both = (wpt.WPTFinePositioningMethod.Manual, wpt.WPTFinePositioningMethod.LPE)
    answer = drive.send(
        wpt.WPTFinePositioningSetupReq, ev_processing=Processing.Ongoing, **lists(positioning=both)
    )
    assert len(answer.primary_device_fine_positioning_method_list.wpt_fine_positioning_method) == 2
    answer = drive.send(wpt.WPTFinePositioningSetupReq, **lists(positioning=both))
    assert answer.response_code is ResponseCode.WARNING_WPT  # two are no choice
    foreign = (wpt.WPTFinePositioningMethod.Proprietary,)
    answer = drive.send(wpt.WPTFinePositioningSetupReq, **lists(positioning=foreign))
    assert answer.response_code is ResponseCode.WARNING_WPT
    answer = drive.send(wpt.WPTFinePositioningSetupReq)
    assert answer.response_code is ResponseCode.OK
    assert drive.session.state == S.WPT_FINE_POSITIONING.value


@pytest.mark.parametrize(("here", "state"), [(False, S.WPT_FINE_POSITIONING), (None, S.WPT_PAIRING)])
def test_a_vehicle_that_the_pad_does_not_see_is_not_in_its_place(here: bool | None, state: State) -> None:
    drive = PadDrive().to(S.WPT_FINE_POSITIONING)
    drive.pad = ev.PadMeasured(vehicle_here=here)
    drive.send(wpt.WPTFinePositioningReq)
    assert drive.session.state == state.value


@pytest.mark.parametrize(
    "changes",
    [{"observed_id_code": 99}, {"observed_id_code": None}, {"ev_result_code": FAILED}],
    ids=["other", "none", "failed"],
)
def test_another_pad_is_a_warning_three_times_and_then_an_end(changes: dict[str, Any]) -> None:
    drive = PadDrive().to(S.AUTHORIZATION_SETUP)
    for _ in range(3):
        drive.send(wpt.WPTFinePositioningSetupReq)
        drive.send(wpt.WPTFinePositioningReq)
        answer = drive.send(wpt.WPTPairingReq, **changes)
        assert answer.response_code is ResponseCode.WARNING_WPT
        assert drive.session.state == S.WPT_FINE_POSITIONING_SETUP.value
    drive.send(wpt.WPTFinePositioningSetupReq)
    drive.send(wpt.WPTFinePositioningReq)
    assert drive.send(wpt.WPTPairingReq, **changes).response_code.value == "FAILED_AssociationError"
    drive.book.ends(EndReason.COUPLING_FAILED)


def test_somebody_outside_may_confirm_the_pad() -> None:
    drive = PadDrive().to(S.AUTHORIZATION_SETUP)
    outside = (wpt.WPTPairingMethod.External_confirmation,)
    drive.send(wpt.WPTFinePositioningSetupReq, **lists(pairing=outside))
    drive.send(wpt.WPTFinePositioningReq)
    assert drive.send(wpt.WPTPairingReq, observed_id_code=None).response_code is ResponseCode.OK
    assert drive.session.state == S.AUTHORIZATION_SETUP.value


def test_positioning_takes_its_time_and_not_longer() -> None:
    drive = PadDrive().to(S.WPT_FINE_POSITIONING)
    ongoing = {"ev_processing": Processing.Ongoing, "ev_result_code": UNKNOWN}
    began = drive.book.now
    while drive.book.now - began < 300.0:
        drive.book.wait(20.0)
        assert drive.send(wpt.WPTFinePositioningReq, **ongoing).response_code.value == "OK"
    drive.book.wait(10.0)
    assert drive.send(wpt.WPTFinePositioningReq, **ongoing).response_code.value == "FAILED"
    drive.book.ends(EndReason.COUPLING_FAILED)


# -- parameters and alignment ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"evpc_max_receivable_power": rational(0.0)},
        {"evpc_max_receivable_power": rational(-5.0)},
        {"evpc_max_receivable_power": rational(300.0)},
        {"sd_min_ground_clearence": 260, "sd_max_ground_clearence": 300},
        {"sd_max_ground_clearence": 90, "sd_min_ground_clearence": 80},
        {"sd_max_ground_clearence": 100, "sd_min_ground_clearence": 120},
        {"evpc_natural_frequency": rational(50.0)},
    ],
)
def test_parameters_that_have_nothing_in_common(changes: dict[str, Any]) -> None:
    drive = PadDrive().to(S.WPT_CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(wpt.WPTChargeParameterDiscoveryReq, **changes)
    assert answer.response_code.value == "FAILED_WrongChargeParameter"


def test_the_position_is_tried_with_a_little_power() -> None:
    drive = PadDrive().to(S.WPT_ALIGNMENT_CHECK)
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    (told,) = drive.book.does(act.SetPad)
    assert told == act.SetPad(100.0)
    drive.pad = ev.PadMeasured(power_w=98.0, coil_a=3.0)
    answer = drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    assert si(answer.power_transmitted) == 98.0
    drive.book.does()
    drive.send(wpt.WPTAlignmentCheckReq)
    drive.book.does(act.StopPower)
    assert drive.session.state == S.POWER_DELIVERY.value


def test_a_position_that_is_not_good_is_left_for_another_one() -> None:
    drive = PadDrive().to(S.WPT_ALIGNMENT_CHECK)
    for _ in range(3):
        drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
        answer = drive.send(wpt.WPTAlignmentCheckReq, ev_result_code=FAILED)
        assert answer.response_code is ResponseCode.WARNING_WPT
        drive.positioned()
        assert drive.session.state == S.WPT_ALIGNMENT_CHECK.value
    answer = drive.send(wpt.WPTAlignmentCheckReq, ev_result_code=FAILED)
    assert answer.response_code.value == "FAILED_AssociationError"


def trying() -> PadDrive:
    """The position is tried with 100 W."""
    drive = PadDrive().to(S.WPT_ALIGNMENT_CHECK)
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    return drive


def test_the_position_is_tried_with_no_more_than_the_pad_can_send() -> None:
    drive = PadDrive().to(S.WPT_ALIGNMENT_CHECK)
    drive.book.tell(ev.PadLimitsChanged(PadLimits(maximum_power_w=60.0)))
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    assert told_w(drive) == 60.0
    drive.book.tell(ev.PadLimitsChanged(PadLimits(maximum_power_w=0.0)))
    assert told_w(drive) == 0.0


def test_it_is_tried_again_after_power_was_given_up() -> None:
    drive = trying()
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert not drive.session.energized
    assert not drive.context.wpt.aligning


def test_a_vehicle_that_leaves_while_it_is_tried_begins_again() -> None:
    drive = trying()
    drive.pad = ev.PadMeasured(power_w=98.0, vehicle_here=False)
    drive.book.tell(drive.pad)
    drive.book.does(act.StopPower)
    drive.pad = ev.PadMeasured(vehicle_here=False)
    answer = drive.send(wpt.WPTAlignmentCheckReq)  # whatever it says itself
    assert answer.response_code is ResponseCode.WARNING_WPT
    assert told_w(drive) is None
    drive.pad = ev.PadMeasured(vehicle_here=True)
    drive.positioned()
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    assert told_w(drive) == 100.0


def test_a_vehicle_that_came_back_in_between_has_power_again() -> None:
    drive = trying()
    drive.book.tell(ev.PadMeasured(vehicle_here=False))
    drive.send(wpt.WPTAlignmentCheckReq, ev_processing=Processing.Ongoing, ev_result_code=UNKNOWN)
    assert told_w(drive) == 100.0


def test_nothing_starts_where_nobody_stands() -> None:
    drive = PadDrive().to(S.POWER_DELIVERY)
    drive.pad = ev.PadMeasured(vehicle_here=False)
    assert drive.send(cm.PowerDeliveryReq).response_code.value == "FAILED_PowerDeliveryNotApplied"
    drive.book.ends(EndReason.COUPLING_FAILED)


def test_a_vehicle_that_leaves_under_power_has_none_in_the_same_turn() -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.book.tell(ev.PadMeasured(power_w=4_900.0, vehicle_here=False))
    (stop,) = drive.book.does(act.StopPower)
    assert stop == act.StopPower(act.Urgency.EMERGENCY)
    drive.pad = ev.PadMeasured(vehicle_here=True)  # back again: in this session nothing is sent any more
    answer = drive.send(wpt.WPTChargeLoopReq)
    assert told_w(drive) is None
    assert answer.evse_status is not None


@pytest.mark.parametrize("pad_id", [17, 0])
def test_the_code_is_told_to_nobody_who_has_not_read_it(pad_id: int) -> None:
    drive = PadDrive()
    drive.session._facts.pad_id = pad_id
    drive.to(S.WPT_PAIRING)
    waits = {"ev_processing": Processing.Ongoing, "ev_result_code": UNKNOWN, "observed_id_code": None}
    assert drive.send(wpt.WPTPairingReq, **waits).observed_id_code is None
    answer = drive.send(wpt.WPTPairingReq, observed_id_code=0)
    assert answer.response_code is ResponseCode.WARNING_WPT
    assert answer.observed_id_code is None
    drive.send(wpt.WPTFinePositioningSetupReq)
    drive.send(wpt.WPTFinePositioningReq)
    answer = drive.send(wpt.WPTPairingReq, observed_id_code=17)
    assert (answer.observed_id_code == 17) is (pad_id == 17)


def test_alignment_before_the_schedule_is_out_of_sequence() -> None:
    drive = PadDrive().to(S.SCHEDULE_EXCHANGE)
    assert drive.send(wpt.WPTAlignmentCheckReq).response_code.value == "FAILED_SequenceError"


# -- the loop ----------------------------------------------------------------------------------------------


def told_w(drive: PadDrive) -> float | None:
    told = [action.power_w for action in drive.book.actions if type(action) is act.SetPad]
    return told[0] if told else None


@pytest.mark.parametrize(
    ("asked", "sent"), [(5_000.0, 5_000.0), (20_000.0, 7_000.0), (400.0, 0.0), (500.0, 500.0), (0.0, 0.0)]
)
def test_what_is_sent(asked: float, sent: float) -> None:
    drive = PadDrive(ControlMode.DYNAMIC).to(S.WPT_CHARGE_LOOP)
    answer = drive.send(wpt.WPTChargeLoopReq, evpc_power_request=rational(asked))
    assert told_w(drive) == sent
    assert si(answer.evpc_power_request) == asked
    assert si(answer.spc_max_output_power_limit) == 7_000.0


def test_lower_limits_hold_at_once() -> None:
    drive = PadDrive(ControlMode.DYNAMIC).to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.book.tell(ev.PadLimitsChanged(PadLimits(maximum_power_w=3_000.0, minimum_power_w=500.0)))
    assert told_w(drive) == 3_000.0
    drive.book.tell(ev.SetPointChanged(1_000.0))
    assert told_w(drive) == 1_000.0
    drive.book.tell(ev.PadLimitsChanged(PAD))
    drive.book.tell(ev.SetPointChanged(None))
    assert told_w(drive) == 5_000.0


def test_a_negative_wish_is_no_charge() -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    answer = drive.send(wpt.WPTChargeLoopReq, evpc_power_request=rational(-1.0))
    assert answer.response_code.value == "FAILED_WrongChargeParameter"


@pytest.mark.parametrize("diagnosis", [one for one in CoilDiagnosis if one is not CoilDiagnosis.NO_ISSUE])
def test_what_lies_over_the_pad_takes_the_power_away_in_the_same_turn(diagnosis: CoilDiagnosis) -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.pad = ev.PadMeasured(power_w=4_900.0, diagnosis=diagnosis)
    drive.book.tell(drive.pad)
    (stop,) = drive.book.does(act.StopPower)
    assert stop == act.StopPower(act.Urgency.EMERGENCY)
    drive.pad = replace(drive.pad, power_w=0.0)
    answer = drive.send(wpt.WPTChargeLoopReq)
    assert answer.spc_charge_diagnostics is not wpt.WPTSPCChargeDiagnostics.SPCNoIssue
    assert answer.evse_status is not None
    assert si(answer.spc_max_output_power_limit) == 0.0
    drive.book.does()
    drive.pad = ev.PadMeasured()  # gone again: in this session nothing is sent any more
    drive.send(wpt.WPTChargeLoopReq)
    assert told_w(drive) is None
    assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop).response_code.value == "OK"
    assert drive.send(cm.SessionStopReq).response_code.value == "OK"


@pytest.mark.parametrize(
    "diagnosis",
    [one for one in wpt.WPTEVPCChargeDiagnostics if one is not wpt.WPTEVPCChargeDiagnostics.EVPCNoIssue],
)
def test_so_does_the_vehicles_own_coil(diagnosis: wpt.WPTEVPCChargeDiagnostics) -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.send(wpt.WPTChargeLoopReq, evpc_charge_diagnostics=diagnosis)
    assert act.StopPower(act.Urgency.EMERGENCY) in drive.book.actions
    assert drive.send(wpt.WPTChargeLoopReq).evse_status is not None


def test_a_vehicle_that_does_not_finish_beside_the_loop_is_asked_for_another_schedule() -> None:
    patient = SeccConfig(services=(ServiceID.WPT,), timing=Timing(sequence_timeout_loop=60.0))
    drive = PadDrive(config=patient).to(S.WPT_CHARGE_LOOP)
    drive.book.tell(ev.MessageReceived(drive.request(cm.ScheduleExchangeReq), beside=True))
    drive.book.tell(ev.ScheduleRenegotiationRequested("there is more power"))
    for seconds in (0.0, 59.0):
        drive.book.wait(seconds)
        assert drive.send(wpt.WPTChargeLoopReq).evse_status is None
    drive.book.wait(2.0)
    status = drive.send(wpt.WPTChargeLoopReq).evse_status
    assert status.evse_notification is EvseNotification.ScheduleRenegotiation


def test_a_receipt_goes_with_the_reading() -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    drive.book.tell(ev.MeterRead("M1", 1_000.0))
    drive.book.tell(ev.ReceiptIssued(energy=ev.Cost(12.5, 0.39)))
    answer = drive.send(wpt.WPTChargeLoopReq, meter_info_requested=True)
    assert answer.meter_info.meter_id == "M1"
    assert si(answer.receipt.energy_costs.amount) == 12.5


def test_a_pad_that_goes_on_sending_after_the_stop_is_a_fault() -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.pad = ev.PadMeasured(power_w=4_900.0)
    assert drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop) is None
    drive.book.wait(1.5)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.HARDWARE_FAULT


@pytest.mark.parametrize(("seconds", "ends"), [(0.49, False), (0.51, True)])
def test_a_loop_that_falls_silent(seconds: float, ends: bool) -> None:
    drive = PadDrive().to(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.book.wait(seconds)
    assert (drive.session.ended is not None) is ends


def test_too_much_power_is_a_fault_and_so_is_a_pad_that_nobody_measures() -> None:
    for reading in (ev.PadMeasured(power_w=9_000.0), None):
        drive = PadDrive().to(S.WPT_CHARGE_LOOP)
        drive.send(wpt.WPTChargeLoopReq)
        drive.pad = reading
        for _ in range(200):
            if drive.session.ended is not None:
                break
            drive.send(wpt.WPTChargeLoopReq)
            drive.book.wait(0.25)
        assert drive.session.ended is not None
        assert drive.session.ended.reason is EndReason.HARDWARE_FAULT


@pytest.mark.parametrize("state", [one for one in STATES if one not in (S.ENDED, S.SESSION_SETUP)])
def test_a_vanished_peer_leaves_no_power(state: State) -> None:
    drive = PadDrive().to(state)
    if state is S.WPT_CHARGE_LOOP:
        drive.send(wpt.WPTChargeLoopReq)
    drive.book.tell(ev.TransportLost(ev.TransportLoss.RESET))
    drive.book.ends(EndReason.PEER_VANISHED)
    assert not drive.session.energized
