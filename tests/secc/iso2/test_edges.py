"""Corners of ISO 15118-2 at the station: the last word after a refusal, warnings, limits that meet
nowhere, plans of the future."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.messages import app, iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.secc.iso2.schedules import _from_now, _shortened
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from iso15118.session.supervision import SupervisionLimits
from tests.secc.iso2.contracts import ContractDrive
from tests.secc.iso2.outlet import ONE, OUTLET, THREE, AcDrive, ac_parameters
from tests.secc.iso2.vehicle import STATION, VEHICLE_V, Drive, configured, dc_parameters, decide, replace


def test_after_a_refusal_the_vehicle_may_still_say_goodbye_and_nothing_else() -> None:
    for request, answered in ((iso2.SessionStopReq, True), (iso2.CurrentDemandReq, False)):
        drive = Drive().to(State.CABLE_CHECK)
        drive.send(iso2.PaymentDetailsReq)
        drive.book.ends(EndReason.SEQUENCE_ERROR)
        drive.book.wait(1.0)
        answer = drive.send(request)
        assert (answer is not None) is answered
    drive = Drive().to(State.CABLE_CHECK)
    drive.send(iso2.PaymentDetailsReq)
    drive.session_id = b"\x01" * 8
    assert drive.send(iso2.SessionStopReq) is None
    drive = Drive().to(State.CABLE_CHECK)
    drive.send(iso2.PaymentDetailsReq)
    drive.book.wait(5.1)
    assert drive.send(iso2.SessionStopReq) is None


def test_after_session_stop_nothing_more_is_said() -> None:
    drive = Drive().to(State.CABLE_CHECK)
    drive.send(iso2.SessionStopReq)
    (close,) = [action for action in drive.book.actions if isinstance(action, act.CloseTransport)]
    assert close.grace_s == 5.0
    assert drive.send(iso2.SessionStopReq) is None


def test_a_second_negotiation_of_the_protocol_gets_no_answer() -> None:
    drive = Drive().to(State.SERVICE_DISCOVERY)
    entry = app.AppProtocol(
        protocol_namespace="urn:iso:15118:2:2013:MsgDef",
        version_number_major=2,
        version_number_minor=0,
        schema_id=1,
        priority=1,
    )
    assert drive.say(app.SupportedAppProtocolReq(app_protocol=(entry,))) is None
    drive.book.ends(EndReason.SEQUENCE_ERROR)


def test_an_undecodable_message_ends_at_once_without_an_answer() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.book.tell(ev.Undecodable("bit 12"))
    assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
    assert drive.heard() is None
    drive.book.ends(EndReason.UNDECODABLE)


def test_a_second_request_before_the_first_answer_ends_the_session() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(iso2.PowerDeliveryReq)
    assert drive.send(iso2.CurrentDemandReq).response_code.value == "FAILED_SequenceError"
    assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]


def test_a_vehicle_that_leaves_after_it_was_refused_ends_as_not_authorized() -> None:
    drive = Drive().to(State.AUTHORIZATION)
    drive.send(iso2.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    drive.send(iso2.AuthorizationReq)
    assert drive.send(iso2.SessionStopReq).response_code.value == "OK"
    drive.book.ends(EndReason.AUTHORIZATION_FAILED)


def test_a_vehicle_that_ignores_the_limit_is_warned_of_once() -> None:
    supervision = SupervisionLimits(limits_ignored_loops=3)
    small = replace(STATION, maximum_charge_current_a=80.0)
    drive = Drive(config=configured(supervision=supervision), limits=small).to(State.CURRENT_DEMAND)
    warned = 0
    for _ in range(10):
        drive.loop(120.0)
        warned += sum(isinstance(action, act.SupervisionWarning) for action in drive.book.actions)
    assert warned == 1


@pytest.mark.parametrize(
    ("limits", "parameters"),
    [
        ({"minimum_charge_current_a": 301.0}, {}),
        ({"minimum_charge_power_w": 100_100.0}, {}),
        ({"minimum_voltage_v": 451.0}, {}),
        (
            {"minimum_charge_power_w": 2_000.0},
            {"ev_maximum_power_limit": None, "ev_maximum_current_limit": amperes(4.0)},
        ),
    ],
)
def test_minima_of_the_station_above_maxima_of_the_vehicle(
    limits: dict[str, float], parameters: dict[str, Any]
) -> None:
    drive = Drive(limits=replace(STATION, **limits)).to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(**parameters))
    assert answer.response_code.value == "FAILED_WrongChargeParameter"


def test_a_power_that_is_not_told_is_current_times_voltage() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    said = dc_parameters(ev_maximum_power_limit=None)
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    assert drive.session._facts.vehicle is not None
    assert drive.session._facts.vehicle.maximum_charge_power_w == 450.0 * 300.0


def test_a_station_of_many_megawatts_says_what_the_message_can() -> None:
    huge = StationLimits(
        maximum_charge_power_w=50e6, maximum_charge_current_a=3000.0, maximum_voltage_v=1250.0
    )
    drive = Drive(limits=huge).to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq)
    assert quantity(answer.evse_charge_parameter.evse_maximum_power_limit) == 32_767_000.0


def test_a_plan_of_the_future_begins_with_nothing() -> None:
    plan = Schedule.of(100.0, ((50.0, 1000.0), (50.0, 2000.0)))
    assert _from_now(plan, 40.0, 86_400, 1500.0) == [(60, 0.0), (50, 1000.0), (50, 1500.0)]
    assert _from_now(plan, 40.0, 30, 1500.0) == [(30, 0.0)]
    assert _from_now(plan, 120.0, 86_400, 1500.0) == [(30, 1000.0), (50, 1500.0)]


def test_a_long_plan_is_shortened_in_reasonable_steps() -> None:
    plan = [(60, float(1000 + 7 * (n % 13))) for n in range(1024)]
    merged = _shortened(plan, 3)
    assert len(merged) == 3
    assert sum(duration for duration, _ in merged) == 1024 * 60
    assert sum(duration * quantity(power) for duration, power in merged) >= 1024 * 60 * 1000.0


def test_a_negotiation_without_power_asks_again_and_keeps_its_contactors() -> None:
    drive = AcDrive().charging()
    drive.status()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    drive.book.tell(ev.AcLimitsChanged(replace(OUTLET, maximum_current_a=(0.0, 0.0, 0.0))))
    three = iso2.EnergyTransferMode.AC_three_phase_core
    for _ in range(2):
        answer = drive.send(
            iso2.ChargeParameterDiscoveryReq,
            requested_energy_transfer_mode=three,
            ev_charge_parameter=ac_parameters(),
        )
        assert answer.evse_processing is iso2.EVSEProcessing.Ongoing
        drive.book.waits_for("Renegotiation")
    assert drive.session._facts.contactors_closed
    assert "OpenContactors" not in drive.done


def test_a_signed_reading_at_an_outlet() -> None:
    """The contract of one test, the outlet of another: the receipt leads back to the loop of AC."""
    drive = AcDrive(changes={"metering_confirmation_s": 1.0}).charging()
    facts = drive.session._facts
    facts.contract, drive.context.payment = b"\x30\x00", iso2.PaymentOption.Contract
    decide(drive.context, replace(drive.context.settings, verify_receipt=False))
    drive.book.tell(ev.MeterRead("M1", 10.0))
    answer = drive.status()
    assert (answer.receipt_required, answer.meter_info.meter_reading) == (True, 10)
    drive.book.waits_for("MeteringReceipt")
    receipt = drive.send(iso2.MeteringReceiptReq, meter_info=answer.meter_info)
    assert receipt.response_code.value == "OK"
    assert receipt.evse_status.evse_notification is iso2.EVSENotification.None_
    drive.book.waits_for("ChargingStatus")


def test_what_is_not_safe_or_has_no_name_is_not_paused() -> None:
    drive = Drive().to(State.WELDING_DETECTION)
    drive.session._facts.contactors_closed = True
    answer = drive.send(iso2.SessionStopReq, charging_session=iso2.ChargingSession.Pause)
    assert answer.response_code.value == "FAILED"
    drive = Drive()
    drive.connect()
    drive.send(iso2.SessionSetupReq, evccid=b"")
    drive.session_id = drive.session.session_id
    drive.to(State.WELDING_DETECTION)
    answer = drive.send(iso2.SessionStopReq, charging_session=iso2.ChargingSession.Pause)
    assert answer.response_code.value == "FAILED"


def test_a_contract_that_was_paused_begins_anew_where_none_are_taken() -> None:
    first = ContractDrive()
    first.charges()
    first.loop()
    first.stopped()
    first.send(iso2.SessionStopReq, charging_session=iso2.ChargingSession.Pause)
    ticket = first.session.ticket
    assert ticket is not None
    for options in ({"trust": None}, {"config": configured(allow_pause=False)}):
        again = ContractDrive(resume=ticket, **options)
        again.connect()
        again.session_id = ticket.session_id
        assert again.send(iso2.SessionSetupReq).response_code.value == "OK_NewSessionEstablished"


def test_volts_and_watts_beyond_the_wire_do_not_break_the_loop() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    greatest = iso2.PhysicalValue(multiplier=3, unit=iso2.UnitSymbol.V, value=32767)
    answer = drive.send(
        iso2.CurrentDemandReq,
        ev_target_voltage=greatest,
        ev_target_current=replace(greatest, unit=iso2.UnitSymbol.A),
        ev_maximum_voltage_limit=volts(-1.0),
        ev_maximum_power_limit=watts(0.0),
    )
    assert answer.response_code.value == "OK"
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[1] == 0.0


@pytest.mark.parametrize("short", [True, False], ids=["short", "full"])
def test_the_voltage_never_exceeds_what_the_cable_was_checked_for(short: bool) -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    more = dc_parameters(ev_maximum_voltage_limit=volts(900.0))
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=more)
    if not short:
        drive.send(iso2.CableCheckReq)
        drive.book.tell(ev.ContactorsChanged(False))
        drive.measure(0.0)
        drive.checked()
        drive.pre_charged()
    drive.started()
    drive.send(iso2.CurrentDemandReq, ev_target_voltage=volts(900.0))
    assert drive.context.facts.power is not None
    assert drive.context.facts.power[0] == (VEHICLE_V if short else 900.0)


@pytest.mark.parametrize("first", [ONE, THREE], ids=lambda mode: mode.value)
def test_an_outlet_connects_no_other_phases_in_a_renegotiation(first: iso2.EnergyTransferMode) -> None:
    drive = AcDrive().charging(first)
    drive.status()
    bounds = drive.context.facts.ac_power
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq,
        requested_energy_transfer_mode=THREE if first is ONE else ONE,
        ev_charge_parameter=ac_parameters(),
    )
    assert answer.response_code.value == "FAILED_WrongEnergyTransferMode"
    assert bounds is not None
    assert bounds.phases == (1 if first is ONE else 3)
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)
    assert drive.done[-2:] == ["StopPower", "OpenContactors"]
