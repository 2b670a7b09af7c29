"""Pause and resume at the station: granted where it may be, and gone on with by the vehicle that
paused, only it, and only once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from iso15118.errors import ConfigError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.pki.chain.parsed import parse
from iso15118.pki.issuing.issue import load_key
from iso15118.pki.status.crl import crl
from iso15118.pki.status.revocation import Revocation
from iso15118.pnc.contracts import ContractClaim, Refusal
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import PAUSE_STATES, State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.secured import TlsPeer
from iso15118.session.services import ServiceID
from iso15118.session.ticket import SeccTicket
from iso15118.testing import SafetyMonitor, SafetyViolation
from tests.pair.contracts import DAY, held, issued, trust
from tests.secc.table import SEQUENCE, STATES
from tests.secc.vehicle import ALL_SERVICES, REQUESTS, STATION, Drive

TLS = TlsPeer(version="TLSv1.3", peer_chain=(b"vehicle",))
BEFORE_PAUSE = [state for state in STATES if state not in (State.SESSION_SETUP, State.ENDED)]
PAUSE = {"charging_session": cm.ChargingSession.Pause}
JOINED = State.DC_CHARGE_PARAMETER_DISCOVERY
BESIDE = {cm.VehicleCheckInReq, cm.VehicleCheckOutReq}
"""They lead nowhere, and nothing was selected that they belong to."""


def at(state: State, **options: Any) -> Drive:
    drive = Drive(ServiceID.DC_BPT, tls=TLS, **options)
    if state is State.SCHEDULE_RENEGOTIATION:
        drive.to(State.DC_CHARGE_LOOP)
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
        return drive
    return drive.to(state)


def ticket(**changes: Any) -> SeccTicket:
    """Of a session that was paused in the ordinary way."""
    drive = at(State.SESSION_STOP)
    drive.send(cm.SessionStopReq, **PAUSE)
    assert drive.session.ticket is not None
    return msgspec.structs.replace(drive.session.ticket, **changes)


def back(*tickets: SeccTicket, session_id: bytes | None = None, **options: Any) -> tuple[Drive, Any]:
    """A vehicle that comes back with that session id, by default the first ticket's; and what it is told."""
    drive = Drive(ServiceID.DC_BPT, resume=tickets, **({"tls": TLS} | options))
    drive.to(State.SESSION_SETUP)
    drive.session_id = tickets[0].session_id if session_id is None else session_id
    response = drive.send(cm.SessionSetupReq)
    drive.session_id = drive.session.session_id
    return drive, response


@pytest.mark.parametrize("state", BEFORE_PAUSE, ids=lambda state: state.name)
def test_a_pause_is_granted_after_power_delivery_stop_and_nowhere_else(state: State) -> None:
    drive = at(state)
    response = drive.send(cm.SessionStopReq, **PAUSE)
    assert not drive.session.energized
    assert drive.session.deadline is None
    if state in PAUSE_STATES:
        assert response.response_code is ResponseCode.OK
        drive.book.ends(EndReason.PAUSED)
        kept = drive.session.ticket
        assert kept is not None
        assert (kept.session_id, kept.service) == (drive.session.session_id, ServiceID.DC_BPT)
    else:
        assert response.response_code is ResponseCode.FAILED_PauseNotAllowed
        drive.book.ends(EndReason.REFUSED)
        assert drive.session.ticket is None


@pytest.mark.parametrize("allowed", [True, False])
def test_a_vehicle_is_asked_for_a_pause_for_a_minute(allowed: bool) -> None:
    config = SeccConfig(services=ALL_SERVICES, allow_pause=allowed)
    drive = at(State.DC_CHARGE_LOOP, config=config)
    drive.book.tell(ev.PauseRequested("no power until eight"))
    asked = []
    for _ in range(180):
        status = drive.send(dc.DCChargeLoopReq).evse_status
        drive.measure(800.0, 100.0)
        asked.append(status.evse_notification.value if status is not None else None)
        drive.book.wait(0.35)
    assert asked == (["Pause"] * 172 + [None] * 8 if allowed else [None] * 180)
    drive.book.tell(ev.PauseRequested("please"))
    drive.book.tell(ev.StopRequested("or else"))
    assert drive.send(dc.DCChargeLoopReq).evse_status.evse_notification.value == "Terminate"


def test_a_vehicle_may_pause_without_ever_taking_power() -> None:
    drive = at(State.DC_CABLE_CHECK)
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert drive.send(cm.SessionStopReq, **PAUSE).response_code is ResponseCode.OK
    assert drive.session.ticket is not None


def test_a_vehicle_that_could_not_be_recognised_may_not_pause() -> None:
    drive = Drive().to(State.SESSION_STOP)  # TLS, but nobody told its certificate
    assert drive.send(cm.SessionStopReq, **PAUSE).response_code is ResponseCode.FAILED_PauseNotAllowed
    drive.book.ends(EndReason.REFUSED)


@pytest.mark.parametrize("event", [ev.StopRequested("closing time"), ev.AuthorizationDecided(False)], ids=str)
def test_a_session_that_the_station_wants_to_end_is_not_kept(event: ev.Event) -> None:
    drive = at(State.DC_CHARGE_LOOP)
    drive.book.tell(event)
    drive._stopped()
    assert drive.send(cm.SessionStopReq, **PAUSE).response_code is ResponseCode.FAILED_PauseNotAllowed
    drive.book.ends(EndReason.STOPPED_BY_STATION)
    assert drive.session.ticket is None


def test_a_fault_outweighs_a_pause() -> None:
    drive = at(State.SESSION_STOP)
    drive.book.tell(ev.HardwareFault("contactors", "welded"))
    assert drive.send(cm.SessionStopReq, **PAUSE).response_code is ResponseCode.FAILED
    drive.book.ends(EndReason.HARDWARE_FAULT)
    assert drive.session.ticket is None


def test_the_same_vehicle_goes_on_at_the_charge_parameters() -> None:
    kept = ticket()
    drive, response = back(kept)
    assert response.response_code is ResponseCode.OK_OldSessionJoined
    assert response.header.session_id == drive.session.session_id == kept.session_id
    drive.book.waits_for(JOINED.value)
    (news,) = [action for action in drive.book.actions if isinstance(action, act.SessionResumed)]
    assert (news.session_id, news.evccid, news.emaid) == (kept.session_id, kept.evccid, "")
    assert drive.session.used_tickets == (kept,)
    drive.to(State.SESSION_STOP)
    drive.send(cm.SessionStopReq)
    drive.book.ends(EndReason.STOPPED_BY_EV)


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda kind: kind.__name__)
def test_after_a_resume_the_table_is_what_it_always_was(request_type: type) -> None:
    drive, _ = back(ticket())
    response = drive.send(request_type)
    if request_type in SEQUENCE[JOINED].keys() - BESIDE:
        assert response.response_code.value.startswith("OK")
    else:
        assert response.response_code is ResponseCode.FAILED_SequenceError
        drive.book.ends(EndReason.SEQUENCE_ERROR)


def test_the_set_up_time_is_over_with_the_resume() -> None:
    drive, _ = back(ticket())
    drive.book.wait(59.0)
    assert drive.session.ended is None


@pytest.mark.parametrize(
    "kind", ["zero", "unknown", "stranger", "plaintext", "no certificate", "expired", "not offered"]
)
def test_who_cannot_go_on_gets_a_new_session(kind: str) -> None:
    kept = ticket()
    options: dict[str, Any] = {}
    session_id = kept.session_id
    lost = True
    if kind == "zero":
        session_id = bytes(8)
    elif kind == "unknown":
        session_id = b"\x55" * 8
    elif kind == "expired":
        kept = msgspec.structs.replace(kept, paused_at=1.79e9 - 86_401.0)
    elif kind == "not offered":
        options["config"] = SeccConfig(services=(ServiceID.DC, ServiceID.MCS))
    else:
        lost = False  # a stranger does not cost the other vehicle its session
        options["tls"] = None
        if kind == "stranger":
            options["tls"] = TlsPeer(version="TLSv1.3", peer_chain=(b"another",))
        if kind == "plaintext":
            kept = msgspec.structs.replace(kept, secure=False, binding=b"")
    drive, response = back(kept, session_id=session_id, **options)
    assert response.response_code is ResponseCode.OK_NewSessionEstablished
    assert drive.session.session_id not in (bytes(8), kept.session_id, session_id)
    drive.book.waits_for("AuthorizationSetup")
    assert drive.session.used_tickets == ((kept,) if lost else ())
    assert drive.send(cm.AuthorizationSetupReq).response_code is ResponseCode.OK


def test_pausing_that_was_switched_off_meanwhile() -> None:
    _, response = back(ticket(), config=SeccConfig(services=ALL_SERVICES, allow_pause=False))
    assert response.response_code is ResponseCode.OK_NewSessionEstablished


def test_among_several_the_right_one() -> None:
    tickets = [ticket(), ticket(evccid="WVWVSOMEBODYELSE"), ticket()]
    drive, response = back(*tickets, session_id=tickets[2].session_id)
    assert response.response_code is ResponseCode.OK_OldSessionJoined
    assert drive.session.session_id == tickets[2].session_id
    assert drive.session.used_tickets == (tickets[0], tickets[2]), "its older one is worth nothing any more"


def test_another_name_is_another_vehicle() -> None:
    _, response = back(ticket(evccid="WVWVSOMEBODYELSE"))
    assert response.response_code is ResponseCode.OK_NewSessionEstablished


def test_a_resumed_session_is_paused_again() -> None:
    drive, _ = back(ticket())
    drive.to(State.SESSION_STOP)
    drive.send(cm.SessionStopReq, **PAUSE)
    drive.book.ends(EndReason.PAUSED)
    assert drive.session.ticket is not None
    assert drive.session.ticket.session_id == drive.session_id


def test_an_authorization_is_withdrawn_after_the_resume() -> None:
    drive, _ = back(ticket())
    drive.book.tell(ev.AuthorizationDecided(False))
    response = drive.send(next(iter(SEQUENCE[JOINED].keys() - BESIDE - {cm.SessionStopReq})))
    assert response.response_code is ResponseCode.FAILED
    drive.book.ends(EndReason.STOPPED_BY_STATION)


def test_a_contract_comes_back_with_the_session_and_may_be_withdrawn() -> None:
    claim = contract()
    kept = ticket(claim=claim)
    _, response = back(kept)
    assert response.response_code is ResponseCode.OK_NewSessionEstablished, (
        "no contracts without somebody to trust"
    )
    drive, response = back(kept, trust=trust(issued("ed448")))
    assert response.response_code is ResponseCode.OK_OldSessionJoined
    assert drive.session.emaid == claim.emaid
    drive.book.does(act.RequestContractAuthorization)
    drive.book.tell(ev.ContractDecided(claim, Refusal.REVOKED))
    response = drive.send(next(iter(SEQUENCE[JOINED].keys() - BESIDE - {cm.SessionStopReq})))
    assert response.response_code is ResponseCode.FAILED
    drive.book.ends(EndReason.STOPPED_BY_STATION)
    assert drive.session.ended is not None
    assert drive.session.ended.detail == "authorization withdrawn: revoked"


def test_a_backend_that_decides_late_or_not_at_all_does_not_keep_a_paused_vehicle_waiting() -> None:
    claim = contract()
    drive, _ = back(ticket(claim=claim), trust=trust(issued("ed448")))
    drive.book.tell(ev.ContractDecided(claim, Refusal.NOT_AVAILABLE))
    drive.to(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.ContractDecided(claim, Refusal.REJECTED))
    drive.measure(800.0, 100.0)
    assert drive.send(dc.DCChargeLoopReq).evse_status.evse_notification.value == "Terminate"
    drive._stopped()
    drive.send(cm.SessionStopReq)
    drive.book.ends(EndReason.STOPPED_BY_STATION)


def test_a_driver_is_not_asked_for_the_card_again_when_the_session_goes_on() -> None:
    drive, _ = back(ticket())
    drive.book.does()


@pytest.mark.parametrize("verified", [True, False])
def test_a_contract_that_was_revoked_in_the_pause_is_authorized_anew(verified: bool) -> None:
    pki = issued("ed448")
    claim = contract(verified=verified)
    listed = crl(
        claim.chain[1],
        load_key(pki.keys["mo-sub2"]),
        last_update=DAY,
        next_update=DAY + timedelta(days=1),
        revoked=[parse(claim.chain[0]).serial_number],
    )
    strict = trust(pki, revocation=Revocation(crls=(listed,), required=False))
    drive, response = back(ticket(claim=claim), trust=strict)
    # Whether the root is known or only the backend can tell: the station's own list counts.
    assert response.response_code is ResponseCode.OK_NewSessionEstablished
    assert drive.session.state == State.AUTHORIZATION_SETUP.value
    assert not drive.session.emaid


def contract(**changes: Any) -> ContractClaim:
    """A contract that paid before the pause."""
    (signer,) = held(issued("ed448"), "contract-0").present.signers
    claim = ContractClaim(
        emaid="DE8AA000000001", chain=signer.chain, evccid="WVWV123456789ABCDEF7", verified=True
    )
    return msgspec.structs.replace(claim, **changes)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9, float("nan")])
def test_a_validity_that_is_none(seconds: float) -> None:
    with pytest.raises(ConfigError, match="pause_validity_s"):
        SeccConfig(pause_validity_s=seconds)


def test_the_monitor_knows_who_paused() -> None:
    """A watchdog that would let anybody join proves nothing."""
    kept = ticket()

    def join(monitor: SafetyMonitor, evccid: str, asked: bytes) -> None:
        request = cm.SessionSetupReq(header=MessageHeader(session_id=asked, time_stamp=1), evccid=evccid)
        response = cm.SessionSetupRes(
            header=MessageHeader(session_id=kept.session_id, time_stamp=1),
            response_code=ResponseCode.OK_OldSessionJoined,
            evseid="ZZ00000",
        )
        monitor.secc(ev.MessageReceived(request), [act.Send(response)], 0.0)

    join(SafetyMonitor(SeccConfig(), STATION, paused=(kept,)), kept.evccid, kept.session_id)
    for paused, evccid, asked in (
        ((), kept.evccid, kept.session_id),
        ((kept,), "SOMEBODYELSE", kept.session_id),
        ((kept,), kept.evccid, bytes(8)),
    ):
        with pytest.raises(SafetyViolation, match="joined"):
            join(SafetyMonitor(SeccConfig(), STATION, paused=paused), evccid, asked)
