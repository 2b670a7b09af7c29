"""Before and beside power in ISO 15118-2 at the station, to the last digit: session ids, waiting for the
driver and for power, pauses, readings of the meter, and contracts.

The functions are called as they are where a moment has to be met exactly.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.pki.chain.parsed import parse
from iso15118.pnc.contracts import Refusal
from iso15118.pnc.installation_iso2 import installation_request
from iso15118.secc.iso2 import machine, metering, pause, plug_and_charge
from iso15118.secc.iso2.sequence import State
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.edition import Answer
from iso15118.session.ticket import Iso2Choice
from iso15118.timing import Iso2Timing
from tests.secc.iso2.contracts import ContractDrive, pki, signer
from tests.secc.iso2.test_certificates import service
from tests.secc.iso2.test_metering import due, receipt
from tests.secc.iso2.test_pause import EPOCH, paused
from tests.secc.iso2.vehicle import BATTERY_V, STATION, Drive, configured, replace, settings

ONGOING, FINISHED = iso2.EVSEProcessing.Ongoing, iso2.EVSEProcessing.Finished
EDGE = pytest.mark.parametrize(("off", "over"), [(-0.001, False), (0.0, True)])


def code(answer: Any) -> str:
    return answer.response_code.value  # type: ignore[no-any-return]


# -- messages out of their place


@pytest.mark.parametrize(
    ("state", "kind", "expected"),
    [
        (State.SESSION_SETUP, iso2.ServiceDiscoveryReq, "FAILED_SequenceError"),
        (State.SERVICE_DISCOVERY, iso2.SessionSetupReq, "FAILED_SequenceError"),
        (State.SERVICE_DISCOVERY, iso2.ServiceDiscoveryReq, "FAILED_UnknownSession"),
    ],
)
def test_before_there_is_a_session_no_id_is_a_wrong_one(state: State, kind: type, expected: str) -> None:
    drive = Drive().to(state)
    drive.session_id = bytes(range(1, 9))
    assert code(drive.send(kind)) == expected


def test_an_answer_that_leads_where_the_table_does_not_is_a_fault_of_this_software() -> None:
    """And the output goes off, whoever wrote the handler."""
    drive = Drive().to(State.POWER_DELIVERY)
    edition = drive.session._edition
    assert isinstance(edition, machine.Iso2)
    beyond = Answer(drive.request(iso2.PreChargeReq), State.CURRENT_DEMAND)
    edition._handlers = dict(edition._handlers) | {iso2.PreChargeReq: lambda request, ctx: beyond}
    drive.book.receive(drive.request(iso2.PreChargeReq))
    drive.book.ends(EndReason.INTERNAL_ERROR)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert "which the table does not list" in str(drive.session.error)


@EDGE
def test_the_next_request_has_times_of_its_own_inside_the_loop_and_outside(off: float, over: bool) -> None:
    chosen = settings(timing=Iso2Timing(sequence_timeout=7.0, sequence_timeout_loop=3.0))
    inside = Drive(chosen).to(State.CURRENT_DEMAND)
    inside.loop()
    inside.book.wait(3.0 + off)
    assert (inside.session.ended is not None) is over
    outside = Drive(chosen).to(State.SERVICE_DISCOVERY)
    outside.book.wait(7.0 + off)
    assert (outside.session.ended is not None) is over


def test_the_service_that_brings_contracts_is_free_and_charging_is_not() -> None:
    drive = ContractDrive(installs=True).to(State.SERVICE_DISCOVERY)
    found = drive.send(iso2.ServiceDiscoveryReq)
    assert found.charge_service.free_service is False
    assert [(one.service_name, one.free_service) for one in found.service_list.service] == [
        ("Certificate", True)
    ]


def test_a_refusal_says_nothing_in_the_unit_of_each_field() -> None:
    drive = Drive().to(State.SERVICE_DISCOVERY)
    answer = drive.send(iso2.CurrentDemandReq)
    assert code(answer) == "FAILED_SequenceError"
    for field, unit in ((answer.evse_present_voltage, "V"), (answer.evse_present_current, "A")):
        assert (field.multiplier, field.value, field.unit.value) == (0, 0, unit)


# -- the driver


@EDGE
@pytest.mark.parametrize("refused", [False, True])
def test_a_driver_nobody_decides_about_and_one_who_was_refused_are_told_apart(
    refused: bool, off: float, over: bool
) -> None:
    drive = Drive(settings(timing=Iso2Timing(authorization_ongoing_timeout=10.0)))
    drive.to(State.AUTHORIZATION).book.wait(5.0)
    drive.send(iso2.AuthorizationReq)
    if refused:
        drive.book.tell(ev.AuthorizationDecided(False))
        drive.send(iso2.AuthorizationReq)
    drive.book.wait(10.0 + off)
    answer = drive.send(iso2.AuthorizationReq)
    assert code(answer) == ("FAILED" if over else "OK")
    if over:
        ended = drive.session.ended
        assert ended is not None
        expected = ("the driver was refused", "") if refused else ("in time", "authorization-timeout")
        assert ended.detail.endswith(expected[0])
        assert ended.cause == expected[1]


@pytest.mark.parametrize(
    ("wanted", "refused", "reason", "detail"),
    [
        ("", False, EndReason.STOPPED_BY_EV, ""),
        ("closing", False, EndReason.STOPPED_BY_STATION, "closing"),
        ("", True, EndReason.AUTHORIZATION_FAILED, "the vehicle left after it was refused: the driver was refused"),
        ("closing", True, EndReason.STOPPED_BY_STATION, "closing"),
    ],
)  # fmt: skip
def test_why_a_vehicle_left(wanted: str, refused: bool, reason: EndReason, detail: str) -> None:
    drive = Drive().to(State.AUTHORIZATION)
    drive.send(iso2.AuthorizationReq)
    if refused:
        drive.book.tell(ev.AuthorizationDecided(False))
        drive.send(iso2.AuthorizationReq)
    if wanted:
        drive.book.tell(ev.StopRequested(wanted))
    drive.send(iso2.SessionStopReq)
    ended = drive.session.ended
    assert ended is not None
    assert (ended.reason, ended.detail) == (reason, detail)


# -- parameters and power


def test_a_mode_that_was_not_chosen_is_named_with_that_which_was() -> None:
    core, extended = iso2.EnergyTransferMode.DC_core, iso2.EnergyTransferMode.DC_extended
    drive = Drive(settings(energy_transfer_modes=(extended, core))).to(State.CURRENT_DEMAND)
    drive.loop()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq, requested_energy_transfer_mode=core)
    assert code(answer) == "FAILED_WrongEnergyTransferMode"
    ended = drive.session.ended
    assert ended is not None
    assert ended.detail == "DC_core in a renegotiation, where DC_extended was chosen"


@EDGE
@pytest.mark.parametrize("power_w", [0.0, 1.0])
def test_power_is_waited_for_from_the_first_request_on(power_w: float, off: float, over: bool) -> None:
    """A watt is some; the offer is what the hardware can do in either case."""
    little = replace(STATION, maximum_charge_power_w=power_w)
    drive = Drive(settings(no_power_wait_s=10.0), limits=little, hardware=STATION)
    drive.to(State.CHARGE_PARAMETER_DISCOVERY).book.wait(30.0)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq)
    assert answer.evse_processing is (FINISHED if power_w else ONGOING)
    if not power_w:
        needs = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
        drive.send(iso2.ChargeParameterDiscoveryReq)  # at once
        needs += [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
        assert len(needs) == 1, "what it wants is told once"
        drive.book.wait(10.0 + off)
        answer = drive.send(iso2.ChargeParameterDiscoveryReq)
        assert answer.evse_processing is (FINISHED if over else ONGOING)
        if not over:
            return
    (one,) = answer.sa_schedules.sa_schedule_tuple
    assert quantity(one.p_max_schedule.p_max_schedule_entry[0].p_max) == 150_000.0


@EDGE
def test_the_energy_manager_has_its_time_to_the_moment_and_is_asked_once(off: float, over: bool) -> None:
    config = configured(schedules=ScheduleSeccSettings(wait_s=5.0))
    drive = Drive(config=config, schedules=True).to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.wait(30.0)
    asked = []
    for seconds in (0.0, 5.0 + off):
        drive.book.wait(seconds)
        answer = drive.send(iso2.ChargeParameterDiscoveryReq)
        asked += [one for one in drive.book.actions if isinstance(one, act.RequestSchedules)]
    assert answer.evse_processing is (FINISHED if over else ONGOING)
    assert len(asked) == 1


def test_each_negotiation_tells_what_the_vehicle_wants() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    for _ in range(2):
        drive.loop()
        drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
        drive.measure(BATTERY_V)
        drive.send(iso2.ChargeParameterDiscoveryReq)
        assert [type(one) for one in drive.book.actions].count(act.ChargingNeeds) == 1
        drive.send(iso2.PowerDeliveryReq)


# -- a pause


def test_who_was_not_authorized_has_nothing_to_go_on_with() -> None:
    drive = Drive().to(State.WELDING_DETECTION)
    drive.send(iso2.WeldingDetectionReq)
    assert pause.why_no_pause(drive.context) == ""
    for owner, name in ((drive.context, "mode"), (drive.context.facts, "authorized")):
        kept = getattr(owner, name)
        setattr(owner, name, None)
        assert pause.why_no_pause(drive.context) == "there is nothing to go on with"
        setattr(owner, name, kept)


@pytest.mark.parametrize(
    ("now", "left"),
    [
        (0.0, Schedule.of(0.0, ((60.0, 9.0), (60.0, 4.0)))),
        (59.0, Schedule.of(59.0, ((1.0, 9.0), (60.0, 4.0)))),
        (60.0, Schedule.of(60.0, ((60.0, 4.0),))),
        (119.0, Schedule.of(119.0, ((1.0, 4.0),))),
        (120.0, None),
        (500.0, None),
    ],
)
def test_what_is_left_of_a_schedule_after_a_pause(now: float, left: Schedule | None) -> None:
    ticket = paused()
    choice = Iso2Choice(mode="DC_extended", tuple_id=3, schedule=((EPOCH + 60.0, 9.0), (EPOCH + 120.0, 4.0)))
    drive = Drive().to(State.SERVICE_DISCOVERY)
    ctx = drive.context
    ctx.resumed = replace(ticket, iso2=choice)
    ctx.facts.now = now
    assert pause.schedule_before(ctx) == (None if left is None else (3, left))


# -- the meter


@pytest.mark.parametrize(
    ("taken", "asked", "due_"),
    [(0.5, 0.5, True), (0.49, 9.0, False), (9.0, 0.49, False), (0.51, 0.51, True), (9.0, 9.0, True)],
)
def test_a_meter_is_read_again_at_half_the_age_of_a_reading(taken: float, asked: float, due_: bool) -> None:
    ctx = Drive().to(State.CURRENT_DEMAND).context
    assert metering.read_meter(ctx) == (), "there is no meter"
    ctx.facts.now = 64.0
    ctx.facts.meter = ev.MeterRead("M1", 5.0, at=64.0 - taken)
    ctx.facts.meter_asked = 64.0 - asked
    assert bool(metering.read_meter(ctx)) is due_


@pytest.mark.parametrize(("age", "told"), [(0.0, True), (1.0, True), (1.01, False)])
def test_a_reading_is_told_as_long_as_it_is_young(age: float, told: bool) -> None:
    ctx = Drive().to(State.CURRENT_DEMAND).context
    ctx.facts.now = 64.0
    ctx.facts.meter = ev.MeterRead("M1", 5.9, at=64.0 - age)
    info, wanted = metering.meter_info(ctx)
    assert ((info is not None), wanted) == (told, False)


def test_the_time_to_the_next_receipt_counts_from_the_last_one() -> None:
    drive = due()
    assert code(receipt(drive)) == "OK"
    ctx = drive.context
    assert ctx.metering_due == drive.book.now + 60.0
    ctx.facts.now = ctx.metering_due - 0.1
    assert not plug_and_charge.receipt_wanted(ctx)
    ctx.facts.now = ctx.metering_due
    assert plug_and_charge.receipt_wanted(ctx)
    ctx.facts.config = replace(ctx.facts.config, metering_confirmation_s=0.0)
    assert not plug_and_charge.receipt_wanted(ctx), "0 never asks"


def test_a_receipt_of_a_reading_without_a_number_says_nothing_of_energy() -> None:
    drive = due()
    sent = drive.context.receipt
    assert sent is not None
    drive.context.receipt = replace(sent, meter_reading=None)
    assert code(receipt(drive)) == "OK"
    (news,) = [one for one in drive.book.actions if isinstance(one, act.MeteringConfirmed)]
    assert news.charged_wh == 0.0


# -- a contract


@pytest.mark.parametrize(("days", "soon"), [(-0.001, True), (0.0, True), (0.001, False)])
def test_a_contract_that_ends_soon_to_the_day(days: float, soon: bool) -> None:
    ends = parse(pki().chain("contract")[0]).not_after.timestamp()
    drive = ContractDrive(epoch=ends - (21.0 + days) * 86_400.0)
    drive.selects()
    assert code(drive.details()) == ("OK_CertificateExpiresSoon" if soon else "OK")


def test_without_a_clock_nobody_knows_what_ends_soon() -> None:
    drive = ContractDrive(epoch=0.0).to(State.SERVICE_DISCOVERY)
    assert plug_and_charge._expires_soon(drive.context, pki().chain("contract")) is False


@EDGE
def test_a_backend_has_its_time_to_the_moment(off: float, over: bool) -> None:
    drive = ContractDrive()
    drive.selects()
    drive.book.wait(3.0)
    drive.details()
    drive.signs()
    drive.book.wait(55.0 + off)
    answer = drive.send(iso2.AuthorizationReq)
    assert code(answer).startswith("FAILED") is over
    assert (drive.session.ended is not None) is over
    if over:
        assert Refusal.NOT_AVAILABLE.value in drive.session.refusals[-1]


def test_a_service_that_refuses_is_believed_whatever_it_sends_beside() -> None:
    drive = ContractDrive(installs=True)
    drive.selects((2, None))
    request = installation_request(signer("oemprov"), [pki().v2g_root], drive.session_id)
    drive.say(request)
    drive.book.tell(ev.ContractCertificateAnswered(service().answer(request), Refusal.NOT_AVAILABLE, request))
    assert code(drive.heard()).startswith("FAILED")
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


@pytest.mark.parametrize("again", ["challenge", "signature"])
def test_a_repetition_that_has_half_of_a_signature_is_judged(again: str) -> None:
    """Neither a challenge that nobody signed nor a signature of no challenge is let through."""
    drive = ContractDrive()
    drive.selects()
    drive.details()
    drive.signs()
    if again == "challenge":
        answer = drive.send(iso2.AuthorizationReq, gen_challenge=drive.challenge)
        assert code(answer) == "FAILED_SignatureError"
    else:
        assert code(drive.signs(gen_challenge=None)) == "FAILED_ChallengeInvalid"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)
    assert drive.session.error is None
