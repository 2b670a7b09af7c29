"""Every await point of the vehicle against every response there is, every response code, foreign
session ids and endless Ongoing.

Whatever does not belong ends the session with the vehicle off the cable; nothing raises. The
watch of ``station`` looks on.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc.iso2.exchange import RESPONSES
from iso15118.messages import app, iso2
from iso15118.messages.iso20 import common_messages as iso20
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.timing import Iso2Timing
from tests.evcc.iso2.station import (
    ANSWERS,
    BATTERY_V,
    CODE,
    REQUESTS,
    SESSION_ID,
    STATES,
    Host,
    response_of,
)

LIVE = ("CurrentDemand",)
AFTER_POWER = ("WeldingDetection",)
PROCESSING = iso2.EVSEProcessing
TIMEOUTS = {"PowerDelivery": 5.0, "CurrentDemand": 0.25}
"""Tables 109 and 111 as public sources give them; all others of these states are 2 s."""


def test_the_matrix_covers_the_whole_schema_set() -> None:
    of_the_set = {getattr(iso2, name) for name in iso2.__all__ if name.endswith("Res")}
    assert set(ANSWERS) == of_the_set
    assert {response_of(request) for request in REQUESTS} == of_the_set
    assert {request: pair.response for request, pair in RESPONSES.items()} == {
        request: response_of(request) for request in REQUESTS
    }
    assert {pair.state for pair in RESPONSES.values()} >= set(STATES)


def off_the_cable(host: Host) -> None:
    assert host.session.state == "Ended"
    assert host.session.deadline is None
    assert not host.watch.told_closed
    kinds = [type(action) for action in host.book.actions if isinstance(action, act.HardwareAction)]
    if act.OpenContactors in kinds:
        assert kinds.index(act.StopPower) < kinds.index(act.OpenContactors)
    assert isinstance(host.book.actions[-1], act.CloseTransport)


@pytest.mark.parametrize("state", STATES)
def test_only_the_awaited_response_is_taken(state: str) -> None:
    for kind in ANSWERS:
        host = Host().to(state)
        host.tell(ev.MessageReceived(host.message(host.response(kind))))
        if kind.__name__ == f"{state}Res":
            ended = host.ended
            assert ended is None or (state == "SessionStop" and ended.reason is EndReason.STOPPED_BY_EV), (
                state
            )
            continue
        host.book.ends(EndReason.SEQUENCE_ERROR)
        off_the_cable(host)


@pytest.mark.parametrize("state", STATES)
def test_what_is_no_response_of_this_edition(state: str) -> None:
    strange: tuple[Any, ...] = (
        app.SupportedAppProtocolRes(response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=1),
        iso2.V2GMessage(header=iso2.MessageHeader(session_id=SESSION_ID), body=iso2.Body()),
        iso2.V2GMessage(
            header=iso2.MessageHeader(session_id=SESSION_ID),
            body=iso2.Body(body_element=iso2.ServiceDiscoveryReq()),
        ),
        iso20.SessionStopRes(
            header=MessageHeader(session_id=SESSION_ID, time_stamp=1), response_code=ResponseCode.OK
        ),
    )
    for message in strange:
        host = Host().to(state)
        host.tell(ev.MessageReceived(message))
        host.book.ends(EndReason.SEQUENCE_ERROR)
        off_the_cable(host)


@pytest.mark.parametrize("code", list(CODE), ids=lambda code: code.value)
def test_every_response_code_in_every_state(code: iso2.ResponseCode) -> None:
    """FAILED ends at once and without a word, but where nothing depends on the answer any
    more; anything else goes on."""
    for state in STATES:
        host = Host().to(state)
        sent = len(host.messages)
        host.answer(response_code=code)
        if code.value.startswith("FAILED") and state not in AFTER_POWER:
            host.book.ends(EndReason.REFUSED)
            assert host.ended is not None
            assert code.value in host.ended.detail
            assert len(host.messages) == sent
            off_the_cable(host)
        elif state == "SessionStop":
            assert host.ended is not None
            assert host.ended.reason is EndReason.STOPPED_BY_EV
        else:
            assert host.ended is None
            assert host.session.deadline is not None


@pytest.mark.parametrize(
    "session_id",
    [b"", b"\0", bytes(8), b"\xee" * 8, SESSION_ID[:7]],
    ids=["none", "0", "zero", "other", "7 of 8"],
)
@pytest.mark.parametrize("state", STATES)
def test_an_answer_with_a_foreign_session_id_ends_the_session(state: str, session_id: bytes) -> None:
    host = Host().to(state)
    host.session_id = session_id
    host.answer()
    if state == "SessionSetup" and any(session_id):
        assert host.session.session_id == session_id  # the first answer brings the id, whatever it is
        assert host.messages[-1].header.session_id == session_id
        return
    host.book.ends(EndReason.UNKNOWN_SESSION)
    off_the_cable(host)


@pytest.mark.parametrize(
    "session_id", [b"\x01", bytes.fromhex("a1b2c3d4"), b"\0\0\0\0\0\0\0\x07"], ids=["1", "4", "zeros before"]
)
def test_a_session_id_is_echoed_as_it_is(session_id: bytes) -> None:
    host = Host(session_id=session_id).to("CurrentDemand", 2)
    host.full()
    assert host.finish().reason is EndReason.STOPPED_BY_EV
    of_iso2 = [message for message in host.messages if isinstance(message, iso2.V2GMessage)]
    assert of_iso2[0].header.session_id == bytes(8)
    assert {message.header.session_id for message in of_iso2[1:]} == {session_id}


def test_plain_ok_is_taken_for_a_new_session_and_noted() -> None:
    host = Host().to("SessionSetup")
    host.answer(response_code=CODE.OK)
    assert host.session.state == "ServiceDiscovery"
    assert host.noted("session-setup-code")


@pytest.mark.parametrize(
    ("evse_id", "noted"),
    [("DE*ABC*E1", False), ("DEABCE1", False), ("ZZ00000", False), ("outlet 1", True)],
)
def test_an_evseid_that_is_none_is_noted_or_leads_away(evse_id: str, noted: bool) -> None:
    host = Host().to("SessionSetup")
    host.answer(evseid=evse_id)
    assert host.noted("evse-id") is noted
    strict = Host(strict_evse_id=True).to("SessionSetup")
    strict.answer(evseid=evse_id)
    assert (strict.ended is not None) is noted


def test_a_connection_that_closes_behind_the_last_answer_is_the_ordinary_end() -> None:
    host = Host().to("SessionStop")
    host.answer()
    host.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    assert host.ended is not None
    assert host.ended.reason is EndReason.STOPPED_BY_EV


def test_a_fault_in_the_header_is_noted() -> None:
    host = Host().to("ServiceDiscovery")
    body = host.response(iso2.ServiceDiscoveryRes)
    notification = iso2.Notification(fault_code=iso2.FaultCode.ParsingError)
    header = iso2.MessageHeader(session_id=SESSION_ID, notification=notification)
    host.tell(ev.MessageReceived(iso2.V2GMessage(header=header, body=iso2.Body(body_element=body))))
    assert host.session.state == "PaymentServiceSelection"
    assert host.noted("notification")


@pytest.mark.parametrize("state", STATES)
def test_silence_ends_every_state_in_its_time(state: str) -> None:
    host = Host().to(state)
    limit = TIMEOUTS.get(state, 2.0)
    host.wait(limit - 0.001)
    assert host.session.state == state
    assert host.ended is None
    host.wait(0.001001)  # sums of times are not exact
    if state in AFTER_POWER:
        assert host.session.state == "SessionStop"
        assert host.finish().reason is EndReason.STOPPED_BY_EV
        return
    host.book.ends(EndReason.TIMEOUT)
    off_the_cable(host)


@pytest.mark.parametrize("limit", [1.0, 20.0])
def test_communication_set_up_has_its_own_time(limit: float) -> None:
    timing = Iso2Timing(communication_setup_timeout=limit, message_timeout=60.0)
    host = Host(iso2={"timing": timing}).to("SessionSetup")
    host.wait(limit - 0.001 - host.book.now)
    assert host.ended is None
    host.wait(0.001)
    host.book.ends(EndReason.TIMEOUT)
    again = Host(iso2={"timing": timing}).to("ServiceDiscovery")
    again.wait(limit + 1.0)
    assert again.ended is None


@pytest.mark.parametrize(
    ("request_type", "limit"),
    [
        (iso2.ServiceDetailReq, 5.0),
        (iso2.CertificateInstallationReq, 5.0),
        (iso2.CertificateUpdateReq, 5.0),
        (iso2.PaymentDetailsReq, 5.0),
        (iso2.ChargingStatusReq, 2.0),
        (iso2.MeteringReceiptReq, 2.0),
    ],
)
def test_the_timeouts_of_the_other_requests(request_type: type, limit: float) -> None:
    assert getattr(Host().config.iso2.timing, RESPONSES[request_type].timeout) == limit


@pytest.mark.parametrize("after", [0.240, 0.260])
def test_a_charge_loop_answer_has_a_quarter_of_a_second(after: float) -> None:
    host = Host().to("CurrentDemand", 2)
    host.wait(after)
    if after < 0.25:
        host.answer()
        assert host.ended is None
    else:
        host.book.ends(EndReason.TIMEOUT)
        off_the_cable(host)


@pytest.mark.parametrize(
    ("state", "processing", "limit", "reason"),
    [
        ("Authorization", PROCESSING.Ongoing_WaitingForCustomerInteraction, 60.0, EndReason.ONGOING_TOO_LONG),
        ("Authorization", PROCESSING.Ongoing, 60.0, EndReason.ONGOING_TOO_LONG),
        ("ChargeParameterDiscovery", PROCESSING.Ongoing, 60.0, EndReason.ONGOING_TOO_LONG),
        ("CableCheck", PROCESSING.Ongoing, 40.0, EndReason.CABLE_CHECK_FAILED),
    ],
)
def test_endless_ongoing_ends_in_its_time(
    state: str, processing: iso2.EVSEProcessing, limit: float, reason: EndReason
) -> None:
    host = Host().to(state)
    began = host.book.now
    while host.session.state == state:
        if host.waiting:
            changes: dict[str, Any] = {"evse_processing": processing}
            if state == "ChargeParameterDiscovery":
                changes["sa_schedules"] = None
            host.answer(**changes)
        else:
            host.wait(0.1)
    assert limit <= host.book.now - began < limit + 0.2
    if host.ended is None:  # the orderly way out
        assert host.session.state == "SessionStop"
        host.answer()
    assert host.ended is not None
    assert host.ended.reason is reason
    assert host.watch.closings == 0


def test_the_clock_ends_ongoing_to_the_millisecond() -> None:
    host = Host().to("ChargeParameterDiscovery")
    began = host.book.now
    while host.book.now < began + 59.5:
        if host.waiting:
            host.answer(evse_processing=PROCESSING.Ongoing, sa_schedules=None)
        else:
            host.wait(0.1)
    if not host.waiting:
        host.wait(0.1)
    host.wait(began + 60.0 - host.book.now - 0.001)
    assert host.ended is None
    host.wait(0.001)
    host.book.ends(EndReason.ONGOING_TOO_LONG)
    off_the_cable(host)


@pytest.mark.parametrize("off", [20.0, 20.1])
def test_pre_charge_that_never_matches_ends_in_its_time(off: float) -> None:
    host = Host().to("PreCharge")
    began = host.book.now
    while host.session.state == "PreCharge" and host.watch.closings == 0:
        if host.waiting:
            host.measure(BATTERY_V - off)
            host.answer()
        else:
            host.wait(0.1)
    if off <= 20.0:
        assert host.watch.closings == 1
        return
    assert 7.0 <= host.book.now - began < 7.2
    assert host.watch.closings == 0
    assert host.session.state == "SessionStop"
    host.answer()
    host.book.ends(EndReason.PRE_CHARGE_FAILED)
    stands = f"the inlet is at {BATTERY_V - off:.1f} V, the target is {BATTERY_V:g} V"
    assert host.session.ended is not None
    assert stands in host.session.ended.detail


def test_pre_charge_is_not_believed_by_the_stations_word_or_an_old_reading() -> None:
    host = Host().to("PreCharge")
    host.measure(0.0)
    host.answer()  # it says 400 V
    assert host.watch.closings == 0
    host.measure(BATTERY_V)
    host.wait(0.1)
    host.shown.clear()  # nobody measures any more
    stale = host.config.supervision.stale_s
    assert stale is not None
    while host.watch.closings == 0 and host.session.state == "PreCharge" and host.book.now < 60.0:
        host.book.now += stale + 0.1
        host.answer()
    assert host.watch.closings == 0


@pytest.mark.parametrize("state", STATES)
def test_a_station_that_vanishes(state: str) -> None:
    for loss in ev.TransportLoss:
        host = Host().to(state)
        host.tell(ev.TransportLost(loss))
        host.book.ends(EndReason.PEER_VANISHED)
        assert not host.watch.told_closed
        assert not any(isinstance(action, act.Send | act.CloseTransport) for action in host.book.actions)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ev.SignalChanged(ev.SignalState.A), EndReason.SIGNAL_LOST),
        (ev.SignalChanged(ev.SignalState.F), EndReason.SIGNAL_LOST),
        (ev.EmergencyShutdown("button"), EndReason.EMERGENCY),
        (ev.HardwareFault("inlet", "hot"), EndReason.HARDWARE_FAULT),
        (ev.Undecodable("no message"), EndReason.UNDECODABLE),
    ],
    ids=["A", "F", "emergency", "fault", "undecodable"],
)
def test_alarms_end_every_state_at_once(state: str, event: ev.Event, reason: EndReason) -> None:
    host = Host().to(state)
    host.tell(event)
    host.book.ends(reason)
    off_the_cable(host)
    if state in LIVE:
        opened = [one for one in host.book.actions if isinstance(one, act.OpenContactors)]
        assert [one.urgency for one in opened] == [act.Urgency.EMERGENCY]
