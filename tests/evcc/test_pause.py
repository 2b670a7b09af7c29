"""Pause and resume at the vehicle: asked for where it may be, kept only if granted, and gone on with
at the same station only."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.evcc.config import Identification
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.secured import TlsPeer
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.ticket import EvccTicket, peer_binding
from tests.evcc.station import BATTERY_V, SESSION_ID, STATES, Host
from tests.pair.contracts import EMAIDS, held, issued

TLS = TlsPeer(version="TLSv1.3", peer_chain=(b"station",))
OTHER = TlsPeer(version="TLSv1.3", peer_chain=(b"another station",))
NEW_ID = b"\x66" * 8
OLD = ResponseCode.OK_OldSessionJoined
NEW = ResponseCode.OK_NewSessionEstablished


def ticket(**changes: Any) -> EvccTicket:
    fields: dict[str, Any] = {
        "session_id": SESSION_ID,
        "evccid": EvccConfig().evccid,
        "secure": True,
        "binding": peer_binding(SESSION_ID, TLS),
        "service": ServiceID.MCS,
        "paused_at": 1.79e9 - 3600.0,
        "parameter_set_id": 2,
        "control_mode": ControlMode.DYNAMIC,
    }
    return EvccTicket(**(fields | changes))


def back(resume: EvccTicket | None = None, **options: Any) -> Host:
    """A vehicle that is about to be told whether its session goes on."""
    given: dict[str, Any] = {"tls": TLS, "resume": resume or ticket()} | options
    return Host(ServiceID.MCS, ControlMode.DYNAMIC, **given).to("SessionSetup")


def go(host: Host, steps: int = 80) -> None:
    for _ in range(steps):
        if host.session.ended is not None:
            return
        host.measure(BATTERY_V if host.session.state == "DC_PreCharge" else 0.0)
        host.step()


@pytest.mark.parametrize("state", STATES)
def test_a_wish_to_pause_is_granted_from_every_state_and_never_without_power_delivery_stop(
    state: str,
) -> None:
    host = Host(ServiceID.MCS, tls=TLS).to(state)
    asked = list(host.sent)
    host.tell(ev.PauseRequested("a better price"))
    go(host)
    assert host.session.ended is not None
    stop = host.sent[-1]
    assert isinstance(stop, cm.SessionStopReq)
    if stop in asked:  # it had said already that it ends the session
        assert host.session.ended.reason is EndReason.STOPPED_BY_EV
        assert host.session.ticket is None
        return
    assert host.session.ended.reason is EndReason.PAUSED
    assert stop.charging_session is cm.ChargingSession.Pause
    stops = [
        message
        for message in host.sent
        if isinstance(message, cm.PowerDeliveryReq) and message.charge_progress is cm.ChargeProgress.Stop
    ]
    assert len(stops) == 1
    kept = host.session.ticket
    assert kept is not None
    assert (kept.session_id, kept.service, kept.parameter_set_id) == (SESSION_ID, ServiceID.MCS, 1)
    assert kept.belongs_to(secure=True, tls=TLS)
    assert not kept.belongs_to(secure=True, tls=OTHER)


@pytest.mark.parametrize("how", ["refused", "silence", "lost"])
def test_a_pause_that_was_not_granted_leaves_no_ticket(how: str) -> None:
    host = Host(ServiceID.MCS, tls=TLS).to("DC_ChargeLoop")
    host.tell(ev.PauseRequested("a better price"))
    while host.session.state != "SessionStop":
        host.measure(0.0)
        host.step()
    if how == "refused":
        host.answer(response_code=ResponseCode.FAILED_PauseNotAllowed)
        host.book.ends(EndReason.REFUSED)
    elif how == "silence":
        host.wait(3.0)
        host.book.ends(EndReason.TIMEOUT)
    else:
        host.tell(ev.TransportLost(ev.TransportLoss.RESET))
        host.book.ends(EndReason.PEER_VANISHED)
    assert host.session.ticket is None


def test_a_station_that_could_not_be_recognised_leaves_no_ticket() -> None:
    host = Host(ServiceID.MCS).to("DC_ChargeLoop")
    host.tell(ev.PauseRequested("a better price"))
    go(host)
    host.book.ends(EndReason.PAUSED)
    assert host.session.ticket is None


@pytest.mark.parametrize("wanted", [True, False])
def test_a_station_that_asks_for_a_pause(wanted: bool) -> None:
    config = EvccConfig(services=(ServiceID.MCS,), pause_if_asked=wanted)
    host = Host(ServiceID.MCS, config=config, tls=TLS).to("DC_ChargeLoop")
    host.measure(BATTERY_V, 500.0)
    host.answer(evse_status=EVSEStatus(notification_max_delay=60, evse_notification=EvseNotification.Pause))
    go(host)
    host.book.ends(EndReason.PAUSED if wanted else EndReason.STOPPED_BY_STATION)
    assert (host.session.ticket is not None) is wanted


def test_a_stop_while_the_pause_is_on_its_way() -> None:
    host = Host(ServiceID.MCS, tls=TLS).to("DC_ChargeLoop")
    host.tell(ev.PauseRequested("a better price"))
    while host.session.state != "DC_WeldingDetection":
        host.measure(0.0)
        host.step()
    host.tell(ev.StopRequested("the driver leaves"))
    go(host)
    host.book.ends(EndReason.STOPPED_BY_EV)
    assert host.request.charging_session is cm.ChargingSession.Terminate


def test_the_session_goes_on_at_the_charge_parameters() -> None:
    host = back()
    assert host.request.header.session_id == SESSION_ID
    host.answer(response_code=OLD)
    assert host.session.state == "DC_ChargeParameterDiscovery"
    host.to("DC_ChargeLoop")
    assert host.session.session_id == SESSION_ID
    host.tell(ev.PauseRequested("again"))
    go(host)
    host.book.ends(EndReason.PAUSED)
    kept = host.session.ticket
    assert kept is not None
    assert (kept.service, kept.parameter_set_id) == (ServiceID.MCS, 2)


@pytest.mark.parametrize("code", [NEW, ResponseCode.OK])
def test_a_station_that_forgot_gives_a_new_session(code: ResponseCode) -> None:
    host = back()
    host.session_id = NEW_ID
    host.answer(response_code=code)
    assert host.session.state == "AuthorizationSetup"
    assert host.session.session_id == host.request.header.session_id == NEW_ID
    host.to("DC_ChargeLoop")


def test_a_new_session_under_the_old_id_is_a_new_session() -> None:
    host = back()
    host.answer(response_code=NEW)
    assert host.session.state == "AuthorizationSetup"


@pytest.mark.parametrize(
    ("session_id", "code", "reason"),
    [
        (NEW_ID, OLD, EndReason.UNKNOWN_SESSION),
        (bytes(8), OLD, EndReason.UNKNOWN_SESSION),
        (bytes(8), NEW, EndReason.UNKNOWN_SESSION),
        (SESSION_ID, ResponseCode.FAILED_UnknownSession, EndReason.REFUSED),
    ],
)
def test_answers_that_end_it(session_id: bytes, code: ResponseCode, reason: EndReason) -> None:
    host = back()
    host.session_id = session_id
    host.answer(response_code=code)
    host.book.ends(reason)


def test_a_later_answer_may_not_bring_another_id() -> None:
    host = back()
    host.answer(response_code=OLD)
    host.session_id = NEW_ID
    host.answer(response_code=NEW)
    host.book.ends(EndReason.UNKNOWN_SESSION)


@pytest.mark.parametrize(
    "changes",
    [
        {"evccid": "WVWVSOMEBODYELSE"},
        {"service": ServiceID.DC},
        {"control_mode": ControlMode.SCHEDULED},
        {"paused_at": 1.79e9 - 86_401.0},
        {"paused_at": 1.79e9 + 3600.0},
        {"emaid": "DE8AAC123456789"},
        {"binding": peer_binding(SESSION_ID, OTHER)},
        {"secure": False, "binding": b""},
    ],
    ids=str,
)
def test_a_ticket_that_does_not_fit_is_not_named(changes: dict[str, Any]) -> None:
    host = back(msgspec.structs.replace(ticket(), **changes))
    assert host.request.header.session_id == bytes(8)
    host.session_id = NEW_ID
    host.answer(response_code=NEW)
    assert host.session.state == "AuthorizationSetup"


@pytest.mark.parametrize(("emaid", "goes_on"), [(EMAIDS[0], True), (EMAIDS[1], False), ("", True)])
def test_a_session_by_contract_goes_on_as_long_as_that_contract_is_there(emaid: str, goes_on: bool) -> None:
    config = EvccConfig(
        identification=(Identification.PNC, Identification.EIM),
        services=(ServiceID.MCS,),
        control_modes=(ControlMode.DYNAMIC,),
    )
    contracts = held(issued("ed448"), "contract-0").present
    host = back(ticket(emaid=emaid), config=config, contracts=contracts)
    assert (host.request.header.session_id == SESSION_ID) is goes_on
    if goes_on:
        host.answer(response_code=OLD)
        contract = host.session._talk.contract
        assert ("" if contract is None else contract.emaid) == emaid


@pytest.mark.parametrize("tls", [OTHER, None], ids=["another", "unknown"])
def test_another_station_is_not_told_of_the_session(tls: TlsPeer | None) -> None:
    assert back(tls=tls).request.header.session_id == bytes(8)


def test_nothing_is_closed_without_a_cable_check_after_a_resume() -> None:
    host = back()
    host.answer(response_code=OLD)
    host.tell(ev.ContactorsChanged(True))
    host.book.ends(EndReason.CONTACTOR_FAILED)
    assert any(isinstance(action, act.OpenContactors) for action in host.book.actions)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9, float("nan")])
def test_a_validity_that_is_none(seconds: float) -> None:
    with pytest.raises(ConfigError, match="pause_validity_s"):
        EvccConfig(pause_validity_s=seconds)
