"""Pause and resume in ISO 15118-2: when it is granted, what the vehicle finds
afterwards, and who is not joined."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import TicketError
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.ticket import Iso2Choice, SeccTicket
from tests.secc.iso2.contracts import CONTRACT, NOW, ContractDrive, pki, trust
from tests.secc.iso2.vehicle import MAC, Drive, configured, dc_parameters, replace, selection, settings

PAUSE = {"charging_session": iso2.ChargingSession.Pause}
EPOCH = 1.79e9


def paused(drive: Drive | None = None) -> SeccTicket:
    """The ticket of a session that was paused after power, as storage gives it back."""
    drive = drive or Drive()
    drive.to(State.CURRENT_DEMAND)
    drive.loop()
    drive.stopped()
    assert drive.send(iso2.SessionStopReq, **PAUSE).response_code.value == "OK"
    drive.book.ends(EndReason.PAUSED)
    ticket = drive.session.ticket
    assert ticket is not None
    return SeccTicket.from_bytes(ticket.to_bytes())


def returns(ticket: SeccTicket, drive: Drive, mac: bytes = MAC) -> str:
    """The code of SessionSetupRes to the vehicle that names the paused session."""
    drive.connect()
    drive.session_id = ticket.session_id
    answer = drive.send(iso2.SessionSetupReq, evccid=mac)
    drive.session_id = drive.session.session_id
    return answer.response_code.value  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "state",
    [State.AUTHORIZATION, State.CABLE_CHECK, State.POWER_DELIVERY, State.CURRENT_DEMAND],
    ids=lambda s: s.name,
)
def test_a_pause_before_power_delivery_stop_is_refused_and_ends_safely(state: State) -> None:
    drive = Drive().to(state)
    assert drive.send(iso2.SessionStopReq, **PAUSE).response_code.value == "FAILED"
    drive.book.ends(EndReason.REFUSED)
    assert not drive.session.energized


def test_a_pause_is_refused_where_it_is_not_offered_or_a_stop_is_wanted() -> None:
    drive = Drive(config=configured(allow_pause=False)).to(State.WELDING_DETECTION)
    assert drive.send(iso2.SessionStopReq, **PAUSE).response_code.value == "FAILED"
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.book.tell(ev.StopRequested("operator"))
    drive.stopped()
    assert drive.send(iso2.SessionStopReq, **PAUSE).response_code.value == "FAILED"
    drive.book.ends(EndReason.STOPPED_BY_STATION)


def test_a_vehicle_that_returns_finds_what_it_chose_and_the_driver_need_not_be_asked_again() -> None:
    both = (iso2.EnergyTransferMode.DC_core, iso2.EnergyTransferMode.DC_extended)
    first = Drive(settings(energy_transfer_modes=both))
    first.book.tell(ev.PlanChanged((((2700.0, 30_000.0), (900.0, 60_000.0)), ((7200.0, 1000.0),))))
    ticket = paused(first)
    drive = Drive(settings(energy_transfer_modes=both), epoch=EPOCH + 1800.0, resume=ticket, trust=trust())
    assert returns(ticket, drive) == "OK_OldSessionJoined"
    assert drive.session.session_id == ticket.session_id
    assert any(isinstance(a, act.SessionResumed) for a in drive.book.actions)
    assert drive.session.used_tickets == (ticket,)
    found = drive.send(iso2.ServiceDiscoveryReq)
    assert found.payment_option_list.payment_option == (iso2.PaymentOption.ExternalPayment,)
    modes = found.charge_service.supported_energy_transfer_mode.energy_transfer_mode
    assert modes == (iso2.EnergyTransferMode.DC_extended,)
    drive.send(iso2.PaymentServiceSelectionReq)
    assert drive.send(iso2.AuthorizationReq).evse_processing is iso2.EVSEProcessing.Finished
    assert drive.done == []
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(departure_time=5400)
    )
    (one,) = answer.sa_schedules.sa_schedule_tuple
    assert one.sa_schedule_tuple_id == 1
    entries = [
        (entry.time_interval.start, entry.time_interval.duration, quantity(entry.p_max))
        for entry in one.p_max_schedule.p_max_schedule_entry
    ]
    assert entries == [(0, None, 30_000.0), (900, 900, 60_000.0)]
    for step in (Drive.checked, Drive.pre_charged, Drive.started):
        step(drive)
    drive.loop()
    assert "CloseContactors" in drive.done


def test_another_way_to_pay_or_charge_is_a_wrong_selection() -> None:
    both = (iso2.EnergyTransferMode.DC_extended, iso2.EnergyTransferMode.DC_core)
    ticket = paused(Drive(settings(energy_transfer_modes=both)))
    drive = Drive(settings(energy_transfer_modes=both), resume=ticket)
    returns(ticket, drive)
    drive.send(iso2.ServiceDiscoveryReq)
    answer = drive.send(iso2.PaymentServiceSelectionReq, selected_payment_option=CONTRACT)
    assert answer.response_code.value == "FAILED_PaymentSelectionInvalid"
    drive = Drive(settings(energy_transfer_modes=both), resume=ticket)
    returns(ticket, drive)
    drive.send(iso2.ServiceDiscoveryReq)
    drive.send(iso2.PaymentServiceSelectionReq)
    drive.send(iso2.AuthorizationReq)
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq, requested_energy_transfer_mode=iso2.EnergyTransferMode.DC_core
    )
    assert answer.response_code.value == "FAILED_WrongEnergyTransferMode"


def test_a_contract_signs_another_challenge_and_is_asked_about_again() -> None:
    first = ContractDrive()
    first.charges()
    first.loop()
    first.stopped()
    first.send(iso2.SessionStopReq, **PAUSE)
    ticket = first.session.ticket
    assert ticket is not None
    assert ticket.emaid
    drive = ContractDrive(resume=ticket, epoch=NOW.timestamp() + 600.0)
    assert returns(ticket, drive) == "OK_OldSessionJoined"
    found = drive.send(iso2.ServiceDiscoveryReq)
    assert found.payment_option_list.payment_option == (CONTRACT,)
    drive.send(
        iso2.PaymentServiceSelectionReq,
        selected_payment_option=CONTRACT,
        selected_service_list=selection((1, None)),
    )
    drive.details()
    assert drive.challenge != first.challenge
    fresh, drive.challenge = drive.challenge, first.challenge
    assert drive.signs().response_code.value == "FAILED_ChallengeInvalid"
    again = ContractDrive(resume=ticket, epoch=NOW.timestamp() + 600.0)
    returns(ticket, again)
    again.send(iso2.ServiceDiscoveryReq)
    again.send(iso2.PaymentServiceSelectionReq, selected_payment_option=CONTRACT)
    again.details()
    assert again.challenge != fresh
    assert again.signs().response_code.value == "OK"
    again.book.does(act.RequestContractAuthorization)
    assert pki().chain("contract") == ticket.claim.chain  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "options", "mac"),
    [
        ({"session_id": b"\x09" * 8}, {}, MAC),
        ({}, {"epoch": EPOCH + 86_500.0}, MAC),
        ({}, {"secure": True}, MAC),
        ({}, {}, b"\x02" * 6),
        ({"iso2": Iso2Choice(mode="DC_unique", tuple_id=1)}, {}, MAC),
    ],
    ids=["another id", "too late", "TLS", "another vehicle", "a mode that is not offered"],
)
def test_who_cannot_be_joined_gets_a_new_session(change: dict[str, Any], options: Any, mac: bytes) -> None:
    ticket = paused()
    kept = replace(ticket, **change)
    drive = Drive(resume=kept, **options)
    assert returns(ticket, drive, mac) == "OK_NewSessionEstablished"
    assert drive.session.session_id not in (ticket.session_id, kept.session_id)
    drive.to(State.CURRENT_DEMAND)
    assert drive.done[0] == "RequestAuthorization"
    assert (kept in drive.session.used_tickets) is (options.get("epoch", 0.0) > EPOCH)


def test_another_vehicle_is_joined_by_setting_only() -> None:
    ticket = paused()
    drive = Drive(settings(resume_checks_evccid=False), resume=ticket)
    drive.monitor = None  # which knows no such setting
    assert returns(ticket, drive, b"\x02" * 6) == "OK_OldSessionJoined"


def test_of_two_paused_vehicles_each_finds_its_own() -> None:
    one, other = paused(), paused()
    drive = Drive(resume=(one, other))
    assert returns(other, drive) == "OK_OldSessionJoined"
    assert drive.session.session_id == other.session_id
    assert drive.session.used_tickets == (other,)


def test_an_authorization_taken_back_in_the_pause_ends_the_session_that_goes_on() -> None:
    ticket = paused()
    drive = Drive(resume=ticket)
    returns(ticket, drive)
    drive.book.tell(ev.AuthorizationDecided(False))
    assert drive.send(iso2.ServiceDiscoveryReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.STOPPED_BY_STATION)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"binding": bytes(64)}, "binding"),
        ({"iso2": None}, "iso2"),
        ({"edition": "iso20"}, "parameter_set"),
        ({"edition": "din"}, "edition"),
    ],
)
def test_a_ticket_that_no_session_left_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(TicketError, match=words):
        replace(paused(), **change)
    with pytest.raises(TicketError, match="tuple_id"):
        Iso2Choice(mode="DC_extended", tuple_id=0)
    with pytest.raises(TicketError, match="schedule"):
        Iso2Choice(mode="DC_extended", tuple_id=1, schedule=((float("nan"), 1.0),))


def test_a_ticket_of_this_edition_is_no_way_into_another() -> None:
    from tests.secc.vehicle import Drive as Drive20

    ticket = paused()
    drive = Drive20(resume=(replace(ticket, evccid="WVWV123456789ABCDEF7"),))
    drive.connect()
    drive.session_id = ticket.session_id
    from iso15118.messages.iso20 import common_messages as cm

    assert drive.send(cm.SessionSetupReq).response_code.value == "OK_NewSessionEstablished"
