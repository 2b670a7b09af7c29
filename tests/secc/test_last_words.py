"""What a station tells of meters, receipts and services at the edges of their time, what it forgets when
another service is chosen, and which tables cannot be composed."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import ac, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import MeterInfo, Processing
from iso15118.pki.chain.parsed import parse
from iso15118.pnc.contracts import ContractClaim
from iso15118.secc import SeccConfig
from iso15118.secc.iso20 import value_added
from iso15118.secc.iso20.dc_part import DC
from iso15118.secc.iso20.plug_and_charge import (
    _expires_soon,
    contract_decision,
    metering_confirmation,
)
from iso15118.secc.iso20.sequence import Row, State, compose, row
from iso15118.secc.iso20.setup import is_another
from iso15118.secc.iso20.telling import unasked_reading
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.value_added import ValueAddedService
from iso15118.testing import Playbook, SafetyMonitor
from iso15118.timing import Timing
from tests.pair.contracts import issued
from tests.secc.ac_vehicle import AcDrive
from tests.secc.pad import FAILED, PAD, UNKNOWN, PadDrive
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, Drive

S = State
PATIENT = Timing(sequence_timeout_loop=60.0)
AGAIN = {"charging_session": cm.ChargingSession.ServiceRenegotiation}
STANDBY = {"charge_progress": cm.ChargeProgress.Standby}


def looping(**config: Any) -> Drive:
    made = SeccConfig(services=ALL_SERVICES, timing=PATIENT, **config)
    return Drive(config=made).to(S.DC_CHARGE_LOOP)


def turn(drive: Drive, at: float, **changes: Any) -> Any:
    drive.book.now = at
    drive.measure(BATTERY_V)
    return drive.send(dc.DCChargeLoopReq, **changes)


# -- the meter


@pytest.mark.parametrize(
    ("unasked", "stop", "reason", "advised"),
    [
        (True, "", EndReason.PEER_VANISHED, True),
        (True, "", EndReason.TIMEOUT, True),
        (True, "", EndReason.HARDWARE_FAULT, False),
        (True, "closing", EndReason.PEER_VANISHED, False),
        (True, "closing", EndReason.HARDWARE_FAULT, False),
        (False, "", EndReason.PEER_VANISHED, False),
        (False, "", EndReason.HARDWARE_FAULT, False),
    ],
)
def test_advice_is_for_a_vehicle_that_leaves_by_itself(
    unasked: bool, stop: str, reason: EndReason, advised: bool
) -> None:
    ctx = looping().context
    ctx.meter_unasked, ctx.facts.stop_wanted = unasked, stop
    assert bool(unasked_reading(ctx, reason)) is advised


@pytest.mark.parametrize("asks", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("meter", ["none", "young", "old", "silent"])
def test_which_reading_was_told_unasked(meter: str, first: bool, asks: bool) -> None:
    drive = looping(first_meter_reading=first)
    drive.book.now = 5.0
    if meter != "none":
        drive.book.tell(ev.MeterRead("M1", 10.0, at=5.0 if meter == "young" else 1.0))
    answer = turn(drive, 5.0, meter_info_requested=asks)
    if answer is None:
        if meter == "old":
            drive.book.tell(ev.MeterRead("M1", 11.0, at=5.0))
        else:
            drive.book.wait(2.0)
        answer = drive.book.sends(dc.DCChargeLoopRes)
    told = answer.meter_info is not None
    assert told is (meter in ("young", "old") and (first or asks))
    assert drive.context.meter_unasked is (told and not asks)
    assert bool(unasked_reading(drive.context, EndReason.TIMEOUT)) is (told and not asks)


def test_a_meter_is_not_asked_again_before_it_could_answer() -> None:
    drive = looping()
    drive.book.now = 1.0
    drive.book.tell(ev.MeterRead("M1", 10.0, at=1.0))
    turn(drive, 1.0, meter_info_requested=True)
    asked = []
    for at in (1.45, 1.5, 1.75, 1.9, 1.95, 2.0):
        assert turn(drive, at, meter_info_requested=True).meter_info is not None
        if any(isinstance(one, act.ReadMeter) for one in drive.book.actions):
            asked.append(at)
    assert asked == [1.5, 2.0]


def test_a_receipt_says_when_it_was_told() -> None:
    drive = looping()
    drive.book.now = 7.0
    drive.book.tell(ev.MeterRead("M1", 10.0, at=7.0))
    drive.book.tell(ev.ReceiptIssued(energy=ev.Cost(12.5, 0.39)))
    answer = turn(drive, 7.0, meter_info_requested=True)
    assert answer.receipt.time_anchor == answer.header.time_stamp == 1_790_000_007


def test_a_standby_that_is_not_granted_asks_for_no_signature() -> None:
    drive = looping(metering_confirmation_s=5.0, renegotiation=RenegotiationSettings(standby=False))
    drive.session._facts.contract = b"a certificate"
    drive.book.now = 10.0
    drive.book.tell(ev.MeterRead("M1", 10.0, at=10.0))
    status = turn(drive, 10.0).evse_status
    assert status.evse_notification.value == "MeteringConfirmation"
    refused = drive.send(cm.PowerDeliveryReq, **STANDBY)
    assert (refused.response_code.value, refused.evse_status) == ("WARNING_StandbyNotAllowed", None)


class Believing:
    """A trust for which every signature holds."""

    def judge_metering(self, *what: Any) -> Any:
        class Good:
            ok = True

        return Good()


def test_a_reading_that_was_confirmed_makes_up_for_those_that_were_not() -> None:
    drive = looping(metering_confirmation_s=5.0)
    ctx = drive.context
    ctx.facts.trust = Believing()  # type: ignore[assignment]
    reading = MeterInfo(meter_id="M1", charged_energy_reading_wh=1)
    ctx.metering_asked.append((reading, None))
    ctx.metering_unanswered, ctx.metering_until = 1, 99.0
    ctx.facts.now = 20.0
    reply: Any = metering_confirmation(drive.request(cm.MeteringConfirmationReq), ctx)
    assert reply.response.response_code.value == "OK"
    left: tuple[Any, ...] = (ctx.metering_unanswered, ctx.metering_until, ctx.metering_due)
    assert left == (0, None, 25.0)


# -- contracts


@pytest.mark.parametrize(
    ("days", "soon"), [(0.0, True), (20.99, True), (21.0, True), (21.01, False), (-1.0, True)]
)
def test_a_contract_that_ends_within_so_many_days(days: float, soon: bool) -> None:
    drive = looping(contract_expiry_days=21)
    chain = (issued("ed448").certificates["contract-0"],)
    claim = ContractClaim(emaid="DE8AA000000001", chain=chain, evccid="x")
    ends = parse(chain[0]).not_after.timestamp()
    facts = drive.context.facts
    facts.now, facts.epoch = 0.0, ends - days * 86_400.0
    assert _expires_soon(drive.context, claim) is soon
    facts.authorized = True
    reply: Any = contract_decision(drive.context, claim)
    assert reply.response.response_code.value == ("OK_CertificateExpiresSoon" if soon else "OK")
    facts.epoch = 0.0
    assert not _expires_soon(drive.context, claim), "who has no clock says nothing"


def test_hyphens_and_no_certificate_are_no_other_vehicle() -> None:
    name = "WVWV123456789ABCDEF7"
    assert not is_another(name, "")
    assert not is_another("", "")
    assert not is_another(name, name)
    assert not is_another("WVW-V-123456789ABCDEF-7", name)
    assert not is_another(name, "a name that is none")


# -- another choice of service


def chosen_again(drive: Drive) -> None:
    assert drive.send(cm.SessionStopReq, **AGAIN).response_code.value == "OK"
    for kind in (cm.ServiceDiscoveryReq, cm.ServiceDetailReq, cm.ServiceSelectionReq):
        drive.send(kind)


def test_another_choice_of_service_begins_without_what_held_before() -> None:
    config = SeccConfig(services=(ServiceID.AC_BPT,), service_renegotiation=True, timing=PATIENT)
    drive = AcDrive(ServiceID.AC_BPT, ControlMode.SCHEDULED, config=config)
    drive.to(S.AC_CHARGE_LOOP)
    drive.context.discharge_channel = True
    drive.book.tell(ev.SetPointChanged(5_000.0))
    assert drive.send(ac.ACChargeLoopReq).cl_res_control_mode.evse_target_active_power is not None
    drive.book.tell(ev.SetPointChanged(None))
    drive._stopped()
    chosen_again(drive)
    assert not drive.context.discharge_channel
    drive.to(S.AC_CHARGE_LOOP)
    answer = drive.send(ac.ACChargeLoopReq)
    assert answer.cl_res_control_mode.evse_target_active_power is None
    assert answer.evse_status is None, "nobody asks for another schedule"


@pytest.mark.parametrize("missed", [True, False])
def test_over_a_pad_it_leads_past_neither_parameters_nor_schedule(missed: bool) -> None:
    """Whoever missed the pad and then chooses anew is not led back to where the old choice was left."""
    config = SeccConfig(services=(ServiceID.WPT,), service_renegotiation=True, timing=PATIENT)
    drive = PadDrive(config=config).to(S.WPT_ALIGNMENT_CHECK)
    if missed:
        answer = drive.send(wpt.WPTAlignmentCheckReq, ev_result_code=FAILED)
        assert answer.response_code.value == "WARNING_WPT"
    chosen_again(drive)
    assert drive.context.facts.pad_vehicle is None
    assert not drive.context.wpt.aligned
    if missed:
        drive.positioned()
    assert drive.session.state == S.WPT_CHARGE_PARAMETER_DISCOVERY.value
    drive.send(wpt.WPTChargeParameterDiscoveryReq)
    drive.send(cm.ScheduleExchangeReq)
    assert drive.session.state == S.WPT_ALIGNMENT_CHECK.value


def test_a_vehicle_that_chooses_anew_has_not_been_let_out() -> None:
    ctx = looping().context
    ctx.facts.may_check_out = True
    ctx.checks_in, ctx.checks_out = cm.EvCheckInStatus.CheckIn, cm.EvCheckOutStatus.CheckOut
    value_added.forget(ctx)
    left: tuple[Any, ...] = (ctx.facts.may_check_out, ctx.checks_in, ctx.checks_out)
    assert left == (False, None, None)


@pytest.mark.parametrize(("name", "told"), [("Toilet", "Toilet"), ("", "service 60002")])
def test_a_service_without_parameters_is_told_by_its_name(name: str, told: str) -> None:
    (one,) = value_added.detail(ValueAddedService(id=60_002, name=name)).parameter_set
    assert one.parameter_set_id == 0
    assert [(each.name, each.finite_string) for each in one.parameter] == [("Name", told)]


# -- over the pad


@pytest.mark.parametrize(("more", "code"), [(0.0, "OK"), (0.01, "FAILED")])
def test_the_last_moment_of_positioning(more: float, code: str) -> None:
    drive = PadDrive().to(S.AUTHORIZATION_SETUP)
    drive.session.timers.clear_all()
    drive.book.now = 100.0
    told = drive.send(wpt.WPTFinePositioningSetupReq)
    assert told.natural_offset == 0
    drive.session.timers.clear_all()
    drive.book.now += drive.config.timing.positioning_performance + more
    waits = {"ev_processing": Processing.Ongoing, "ev_result_code": UNKNOWN}
    assert drive.send(wpt.WPTFinePositioningReq, **waits).response_code.value == code


def test_positioning_that_is_begun_anew_again_and_again_takes_no_longer() -> None:
    drive = PadDrive().to(S.AUTHORIZATION_SETUP)
    longest = drive.config.timing.positioning_performance
    for number in range(100):
        processing = Processing.Finished if number % 2 else Processing.Ongoing
        answer = drive.send(wpt.WPTFinePositioningSetupReq, ev_processing=processing)
        if drive.session.ended is not None:
            break
        assert answer.response_code.value == "OK"
        drive.book.wait(10.0)
    drive.book.ends(EndReason.COUPLING_FAILED)
    assert answer.response_code.value == "FAILED"
    assert longest < drive.book.now <= longest + 10.0


def test_who_comes_back_from_a_pause_has_not_moved() -> None:
    drive = PadDrive().to(S.SESSION_STOP)
    drive.session._facts.plain = True
    assert (
        drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.Pause).response_code.value == "OK"
    )
    ticket = drive.session.ticket
    assert ticket is not None
    assert ticket.service is ServiceID.WPT
    again = PadDrive(resume=(ticket,))
    again.monitor = SafetyMonitor(again.config, None, None, pad=PAD, paused=(ticket,))
    again.book = Playbook(again.session, watch=again.monitor.secc, sample=again._sample)
    again.connect()
    again.session._facts.plain = True
    again.session_id = ticket.session_id
    assert again.send(cm.SessionSetupReq).response_code.value == "OK_OldSessionJoined"
    assert again.send(wpt.WPTChargeParameterDiscoveryReq).response_code.value == "OK"


# -- tables


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({S.DC_CABLE_CHECK: {dc.DCCableCheckReq: Row(frozenset(), "x")}}, "leads nowhere"),
        ({S.DC_CABLE_CHECK: {dc.DCCableCheckReq: row("x", S.WPT_PAIRING)}}, "leads nowhere"),
        ({S.DC_CABLE_CHECK: {dc.DCCableCheckReq: row("x", S.DC_PRE_CHARGE, S.WPT_PAIRING)}}, "leads nowhere"),
        (
            {S.DC_CABLE_CHECK: {dc.DCCableCheckReq: row("x", S.DC_CABLE_CHECK)}},
            "never reached: .*DC_PreCharge",
        ),
        ({S.POWER_DELIVERY: {cm.SessionStopReq: row("x", S.ENDED)}}, ""),
        ({S.SESSION_SETUP: {cm.SessionSetupReq: row("x", S.ENDED)}}, "lists"),
    ],
)
def test_a_table_that_cannot_be(rows: Any, said: str) -> None:
    part = replace(DC, rows=dict(DC.rows) | rows)
    if not said:
        assert compose(part)
        return
    with pytest.raises(ValueError, match=said):
        compose(part)
