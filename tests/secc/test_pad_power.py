"""The pad's power at the station, number by number: how the position is tried, what is told, and what is
sent at every bound. Each precondition of power is missing once, alone."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import EvseNotification, Processing
from iso15118.messages.values import rational, si
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.services import ControlMode
from iso15118.session.wireless import PadLimits
from tests.secc.pad import FAILED, PAD, UNKNOWN, PadDrive

S = State
STOP = {"charge_progress": cm.ChargeProgress.Stop}
TRY = {"ev_processing": Processing.Ongoing, "ev_result_code": UNKNOWN}


def at(
    state: State, pad: PadLimits = PAD, mode: ControlMode = ControlMode.DYNAMIC, **session: Any
) -> PadDrive:
    """A vehicle over this pad."""
    drive = PadDrive(mode, **session)
    facts = drive.session._facts
    facts.pad_hardware = facts.pad_capabilities = pad
    return drive.to(state)


def told(drive: PadDrive) -> list[act.HardwareAction]:
    """What the pad was told with the last message."""
    return [one for one in drive.book.actions if isinstance(one, act.SetPad | act.StopPower)]


def nothing_sent(drive: PadDrive) -> bool:
    return not any(isinstance(one, act.SetPad) for one in drive.book.actions)


def why(drive: PadDrive) -> str:
    assert drive.session.ended is not None
    return drive.session.ended.detail


# -- the position


@pytest.mark.parametrize("missing", ["authorized", "paired", "pad_vehicle"])
def test_the_position_is_not_tried_without(missing: str) -> None:
    drive = at(S.WPT_ALIGNMENT_CHECK)
    owner: Any = drive.context.wpt if missing == "paired" else drive.context.facts
    setattr(owner, missing, None if missing == "pad_vehicle" else False)
    assert drive.send(wpt.WPTAlignmentCheckReq, **TRY).response_code.value == "FAILED"
    drive.book.ends(EndReason.INTERNAL_ERROR)
    assert nothing_sent(drive)


def test_nor_over_something_that_lies_there() -> None:
    drive = at(S.WPT_ALIGNMENT_CHECK)
    drive.session._facts.pad_barred = "over the pad: a foreign object"
    assert drive.send(wpt.WPTAlignmentCheckReq, **TRY).response_code.value == "FAILED"
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert nothing_sent(drive)


@pytest.mark.parametrize("least", ["setting", "hardware", "now", "vehicle"])
def test_the_trial_is_the_least_of_what_setting_pad_and_coil_say(least: str) -> None:
    low = PadLimits(maximum_power_w=70.0)
    drive = at(S.WPT_CHARGE_PARAMETER_DISCOVERY, PadLimits(maximum_power_w=11_000.0))
    power = 70.0 if least == "vehicle" else 7_000.0
    drive.send(wpt.WPTChargeParameterDiscoveryReq, evpc_max_receivable_power=rational(power))
    drive.send(cm.ScheduleExchangeReq)
    if least == "hardware":
        drive.session._facts.pad_hardware = low
    elif least == "now":
        drive.session._facts.pad_capabilities = low
    drive.send(wpt.WPTAlignmentCheckReq, **TRY)
    assert told(drive) == [act.SetPad(100.0 if least == "setting" else 70.0)]


@pytest.mark.parametrize("tried", [True, False])
@pytest.mark.parametrize("good", [True, False])
def test_the_end_of_the_trial_takes_away_what_it_gave(good: bool, tried: bool) -> None:
    drive = at(S.WPT_ALIGNMENT_CHECK)
    if tried:
        drive.send(wpt.WPTAlignmentCheckReq, **TRY)
        assert told(drive) == [act.SetPad(100.0)]
    answer = drive.send(wpt.WPTAlignmentCheckReq, **({} if good else {"ev_result_code": FAILED}))
    assert answer.evse_processing is Processing.Finished
    assert answer.response_code.value == ("OK" if good else "WARNING_WPT")
    assert told(drive) == ([act.StopPower(Urgency.ORDERLY)] if tried else [])
    assert drive.context.wpt.aligned is good
    assert not drive.context.wpt.aligning
    assert drive.session.state == (S.POWER_DELIVERY if good else S.WPT_FINE_POSITIONING_SETUP).value


# -- power delivery


def test_who_still_computes_is_waited_for_and_hears_what_is_wanted() -> None:
    drive = at(S.POWER_DELIVERY)
    drive.book.tell(ev.PauseRequested("the grid"))
    later = drive.send(cm.PowerDeliveryReq, ev_processing=Processing.Ongoing)
    assert later.evse_status.evse_notification is EvseNotification.Pause
    assert drive.session.state == S.POWER_DELIVERY.value
    assert drive.send(cm.PowerDeliveryReq).evse_status.evse_notification is EvseNotification.Pause
    last = drive.send(cm.PowerDeliveryReq, **STOP)
    assert last.evse_status is None, "who stops is asked for nothing more"


@pytest.mark.parametrize("missing", ["authorized", "paired", "aligned", "pad_vehicle"])
@pytest.mark.parametrize("state", [S.POWER_DELIVERY, S.WPT_CHARGE_LOOP], ids=lambda one: one.name)
def test_power_does_not_begin_without(missing: str, state: State) -> None:
    drive = at(state)
    owner: Any = drive.context.wpt if missing in ("paired", "aligned") else drive.context.facts
    setattr(owner, missing, None if missing == "pad_vehicle" else False)
    assert drive.send(cm.PowerDeliveryReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.INTERNAL_ERROR)


@pytest.mark.parametrize("missing", ["delivered", "aligned", "pad_vehicle"])
def test_no_loop_without(missing: str) -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    owner: Any = drive.context.wpt if missing == "aligned" else drive.context.facts
    setattr(owner, missing, None if missing == "pad_vehicle" else False)
    assert drive.send(wpt.WPTChargeLoopReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.INTERNAL_ERROR)
    assert nothing_sent(drive)


def test_nothing_begins_over_something_that_lies_there() -> None:
    drive = at(S.POWER_DELIVERY)
    drive.session._facts.pad_barred = "over the pad: a living object"
    assert drive.send(cm.PowerDeliveryReq).response_code.value == "FAILED_PowerDeliveryNotApplied"
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert why(drive) == "over the pad: a living object"


def test_a_pad_that_does_not_see_what_stands_over_it_begins_all_the_same() -> None:
    drive = at(S.POWER_DELIVERY)
    drive.pad = ev.PadMeasured(vehicle_here=None)
    assert drive.send(cm.PowerDeliveryReq).response_code.value == "OK"


@pytest.mark.parametrize(("left_w", "at_once"), [(49.9, True), (50.0, False)])
def test_who_stops_before_there_was_power_waits_only_for_what_is_sent(left_w: float, at_once: bool) -> None:
    drive = at(S.WPT_ALIGNMENT_CHECK)
    drive.pad = ev.PadMeasured(power_w=left_w, vehicle_here=True)
    answer = drive.send(cm.PowerDeliveryReq, **STOP)
    assert (answer is not None) is at_once
    assert drive.book.does(*([act.ReadMeter] if at_once else [])) is not None


@pytest.mark.parametrize(("left_w", "ends"), [(49.9, False), (50.0, True)])
def test_after_a_stop_the_pad_has_a_moment_to_fall_silent(left_w: float, ends: bool) -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.pad = ev.PadMeasured(power_w=4_900.0, vehicle_here=True)
    drive.book.tell(ev.PauseRequested("the grid"))
    assert drive.send(cm.PowerDeliveryReq, **STOP) is None
    drive.book.does(act.StopPower, act.OpenContactors)
    assert act.StopPower(Urgency.ORDERLY) in drive.book.actions
    patience = drive.config.timing.contactor_answer
    drive.book.wait(patience - 0.01)
    drive.pad = ev.PadMeasured(power_w=left_w, vehicle_here=True)
    drive.book.tell(drive.pad)
    if ends:
        drive.book.does()
        drive.book.wait(0.02)
        drive.book.ends(EndReason.HARDWARE_FAULT)
    else:
        answer = drive.book.sends(cm.PowerDeliveryRes, "OK")
        assert answer.evse_status is None, "who stops is asked for nothing more"
        drive.book.waits_for(S.SESSION_STOP.value)


def test_another_schedule_lets_the_power_rest() -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
    assert told(drive) == [act.StopPower(Urgency.ORDERLY)]


# -- the loop


@pytest.mark.parametrize(
    ("asked", "sent"), [(0.5, 0.5), (2_999.0, 2_999.0), (3_001.0, 3_000.0), (0.0, 0.0)], ids=str
)
@pytest.mark.parametrize("bound", ["hardware", "now", "vehicle", "point"])
def test_whatever_is_least_is_sent(bound: str, asked: float, sent: float) -> None:
    low = PadLimits(maximum_power_w=3_000.0)
    drive = at(S.WPT_CHARGE_LOOP, PadLimits(maximum_power_w=11_000.0))
    facts = drive.session._facts
    if bound == "hardware":
        facts.pad_hardware = low
    elif bound == "now":
        facts.pad_capabilities = low
    elif bound == "vehicle":
        assert facts.pad_vehicle is not None
        facts.pad_vehicle = replace(facts.pad_vehicle, maximum_power_w=3_000.0)
    else:
        drive.book.tell(ev.SetPointChanged(3_000.0))
    answer = drive.send(wpt.WPTChargeLoopReq, evpc_power_request=rational(asked))
    assert told(drive) == [act.SetPad(sent)]
    assert si(answer.spc_max_output_power_limit) == 3_000.0
    drive.send(wpt.WPTChargeLoopReq, evpc_power_request=rational(asked))
    assert told(drive) == [], "not twice"


@pytest.mark.parametrize(
    ("point", "most", "least"),
    [(None, 7_000.0, 500.0), (501.0, 501.0, 500.0), (300.0, 300.0, 300.0), (0.0, 0.0, 0.0), (-1e3, 0.0, 0.0)],
    ids=str,
)
def test_which_limits_the_vehicle_is_told(point: float | None, most: float, least: float) -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    drive.book.tell(ev.SetPointChanged(point))
    answer = drive.send(wpt.WPTChargeLoopReq)
    limits = si(answer.spc_max_output_power_limit), si(answer.spc_min_output_power_limit)
    assert limits == (most, least)


@pytest.mark.parametrize(("hertz", "shown"), [(None, None), (85_004.4, 85_000.0)])
def test_the_answer_tells_what_is_measured(hertz: float | None, shown: float | None) -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    drive.pad = ev.PadMeasured(power_w=12.34, coil_a=3.21, frequency_hz=hertz, vehicle_here=True)
    answer = drive.send(wpt.WPTChargeLoopReq)
    coil = answer.spc_power_control_parameter.spc_primary_device_coil_current_information
    assert (si(answer.sd_power_input), si(coil)) == (12.3, 3.2)
    frequency = answer.spc_operating_frequency
    assert (None if frequency is None else si(frequency)) == shown


def test_the_first_of_several_faults_is_the_reason() -> None:
    drive = at(S.WPT_CHARGE_LOOP)
    drive.send(wpt.WPTChargeLoopReq)
    faults = wpt.WPTEVPCChargeDiagnostics
    first, second = [one for one in faults if one is not faults.EVPCNoIssue][:2]
    drive.send(wpt.WPTChargeLoopReq, evpc_charge_diagnostics=first)
    assert told(drive) == [act.StopPower(Urgency.EMERGENCY)]
    drive.send(wpt.WPTChargeLoopReq, evpc_charge_diagnostics=second)
    assert told(drive) == [], "there is nothing left to stop"
    assert drive.context.facts.pad_barred == f"the vehicle reports {first.value}"


def test_a_vehicle_that_stands_by_is_sent_nothing() -> None:
    drive = at(S.WPT_CHARGE_LOOP, PadLimits(maximum_power_w=11_000.0))
    drive.send(wpt.WPTChargeLoopReq)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
    assert told(drive) == [act.SetPad(0.0)]
    drive.send(wpt.WPTChargeLoopReq)
    assert told(drive) == []
    assert drive.send(cm.PowerDeliveryReq).response_code.value == "OK"
    drive.send(wpt.WPTChargeLoopReq)
    assert told(drive) == [act.SetPad(5_000.0)]
