"""Every state of the station against every request there is: what the table lists is served, everything else
is refused and ends safely."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.secc.iso2.replies import RESPONSES
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.test_sequence import EXPECTED_DC
from tests.secc.iso2.vehicle import REQUESTS, ZERO, Drive, decide, replace

STATES = tuple(state for state in EXPECTED_DC if state is not State.ENDED)
MEANINGS: list[tuple[type, dict[str, Any]]] = [
    (kind, {}) for kind in REQUESTS if kind not in (iso2.PowerDeliveryReq, iso2.SessionStopReq)
]
MEANINGS += [(iso2.PowerDeliveryReq, {"charge_progress": one}) for one in iso2.ChargeProgress]
MEANINGS += [(iso2.SessionStopReq, {"charging_session": one}) for one in iso2.ChargingSession]
CELLS = [(state, *meaning) for state in STATES for meaning in MEANINGS]
FAILED_812 = {
    (State.CURRENT_DEMAND, iso2.ChargeProgress.Start),
    (State.POWER_DELIVERY, iso2.ChargeProgress.Renegotiate),
}
"""The right message with the wrong meaning."""
OUTPUT_MAY_BE_LIVE = (
    State.CABLE_CHECK,
    State.PRE_CHARGE,
    State.POWER_DELIVERY,
    State.CURRENT_DEMAND,
    State.METERING_RECEIPT,
    State.RENEGOTIATION,
    State.RENEGOTIATED,
)


def at(state: State) -> Drive:
    """A session that waits in ``state``, some of which lie off the ordinary way."""
    drive = Drive()
    match state:
        case State.CONTRACT_CERTIFICATE | State.PAYMENT_DETAILS:
            # What leads there needs contracts, which tests/secc/iso2/test_plug_and_charge.py has.
            drive.to(State.PAYMENT_SERVICE_SELECTION)
            drive.session._enter(drive.session._edition, state)  # type: ignore[arg-type]
        case State.METERING_RECEIPT:
            drive.to(State.CURRENT_DEMAND)
            drive.session._enter(drive.session._edition, state)  # type: ignore[arg-type]
        case State.RENEGOTIATION:
            drive.to(State.CURRENT_DEMAND)
            drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
        case State.RENEGOTIATED:
            drive.to(State.CURRENT_DEMAND)
            drive.renegotiate()
        case _:
            drive.to(state)
    assert drive.session.state == state.value
    return drive


def name(value: object) -> str:
    if isinstance(value, dict):
        return "-".join(one.value for one in value.values())
    return value.name if isinstance(value, State) else getattr(value, "__name__", str(value))


def code_of(response: Any) -> str:
    return response.response_code.value  # type: ignore[no-any-return]


def key(kind: type, changes: dict[str, Any]) -> Any:
    return (kind, next(iter(changes.values()))) if changes else kind


def test_the_matrix_covers_every_request_of_the_message_set() -> None:
    assert set(REQUESTS) == {getattr(iso2, one) for one in iso2.__all__ if one.endswith("Req")}
    assert len(CELLS) == 15 * 20


@pytest.mark.parametrize(("state", "kind", "changes"), CELLS, ids=name)
def test_a_request_is_served_if_listed_and_refused_if_not(
    state: State, kind: type, changes: dict[str, Any]
) -> None:
    drive = at(state)
    response: Any = drive.send(kind, **changes)
    following = EXPECTED_DC[state].get(key(kind, changes))
    if following is None:
        assert isinstance(response, RESPONSES[kind])
        meaning = next(iter(changes.values()), None)
        code = "FAILED" if (state, meaning) in FAILED_812 else "FAILED_SequenceError"
        assert code_of(response) == code
        drive.book.ends(EndReason.SEQUENCE_ERROR)
        ended(drive)
        return
    if response is None:  # the answer waits for contactors, or for a service that nobody has here
        waits: dict[Any, list[type]] = {
            iso2.ChargeProgress.Start: [act.CloseContactors],
            iso2.ChargeProgress.Stop: [act.StopPower, act.OpenContactors],
        }
        wanted = waits.get(next(iter(changes.values()), None), [act.RequestContractCertificate])
        drive.book.does(*wanted)
        return
    assert isinstance(response, RESPONSES[kind])
    if code_of(response).startswith("OK"):
        assert drive.session.state in {one.value for one in following}
        return
    # Served, and then refused for what is in it: a pause out of place, contracts that are none, no meter.
    assert code_of(response) != "FAILED_SequenceError"
    assert kind in (iso2.PaymentDetailsReq, iso2.MeteringReceiptReq) or changes == {
        "charging_session": iso2.ChargingSession.Pause
    }
    ended(drive)


def ended(drive: Drive) -> None:
    """Nothing is live, nothing runs."""
    assert not drive.session.energized
    assert drive.session.state == "Ended"
    assert drive.session.deadline is None


@pytest.mark.parametrize("session_id", [ZERO, b"\xff" * 8, b"", b"\0", "short"], ids=str)
@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_a_foreign_session_id_is_an_unknown_session(state: State, session_id: bytes | str) -> None:
    """Zero is no exception, and seven of eight octets are another id. (The first state opens the session.)"""
    for kind, changes in MEANINGS:
        if kind is iso2.SessionSetupReq:
            continue
        drive = at(state)
        own = drive.session.session_id
        drive.session_id = own[:7] if isinstance(session_id, str) else session_id
        response: Any = drive.send(kind, **changes)
        assert isinstance(response, RESPONSES[kind])
        assert code_of(response) == "FAILED_UnknownSession"
        assert drive.header().session_id == own
        drive.book.ends(EndReason.UNKNOWN_SESSION)
        ended(drive)
        assert any(
            isinstance(action, act.CloseTransport) and action.grace_s <= 5.0 for action in drive.book.actions
        )


@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_session_stop_is_answered_in_every_state_after_session_setup(state: State) -> None:
    drive = at(state)
    response = drive.send(iso2.SessionStopReq)
    assert code_of(response) == "OK"
    drive.book.ends(EndReason.STOPPED_BY_EV)
    ended(drive)
    if state in OUTPUT_MAY_BE_LIVE and drive.session._facts.contactors_closed:
        assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]


@pytest.mark.parametrize("state", [State.CURRENT_DEMAND, State.METERING_RECEIPT], ids=name)
def test_session_stop_under_power_is_out_of_sequence_by_setting(state: State) -> None:
    drive = at(state)
    decide(drive.context, replace(drive.context.settings, session_stop_anywhere=False))
    response = drive.send(iso2.SessionStopReq)
    assert code_of(response) == "FAILED_SequenceError"
    ended(drive)


@pytest.mark.parametrize("state", STATES, ids=name)
def test_silence_ends_every_state_after_a_minute(state: State) -> None:
    drive = at(state)
    drive.book.wait(70.0)
    assert drive.session.ended is not None
    assert drive.session.ended.reason in (EndReason.TIMEOUT, EndReason.PRE_CHARGE_FAILED)
    assert not [action for action in drive.book.actions if isinstance(action, act.Send)]
    ended(drive)


@pytest.mark.parametrize("state", STATES, ids=name)
@pytest.mark.parametrize("element", [None, iso2.SessionStopRes(response_code=iso2.ResponseCode.OK)])
def test_a_message_that_is_no_request_ends_without_an_answer(state: State, element: Any) -> None:
    drive = at(state)
    header = iso2.MessageHeader(session_id=drive.session_id)
    assert drive.say(iso2.V2GMessage(header=header, body=iso2.Body(body_element=element))) is None
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    ended(drive)


@pytest.mark.parametrize("state", STATES, ids=name)
@pytest.mark.parametrize(
    ("event", "reason", "code"),
    [
        (ev.EmergencyShutdown("button"), EndReason.EMERGENCY, "EVSE_EmergencyShutdown"),
        (ev.HardwareFault("power", "gone"), EndReason.HARDWARE_FAULT, "EVSE_Malfunction"),
    ],
)
def test_an_alarm_makes_the_output_safe_at_once_and_is_told_with_the_next_answer(
    state: State, event: ev.Event, reason: EndReason, code: str
) -> None:
    drive = at(state)
    live = drive.session.energized
    drive.book.tell(event)
    if live:
        assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
    assert not drive.session.energized
    response = drive.send(iso2.CurrentDemandReq)
    assert code_of(response) == "FAILED"
    assert response.dc_evse_status.evse_status_code.value == code
    drive.book.ends(reason)


@pytest.mark.parametrize("state", STATES, ids=name)
@pytest.mark.parametrize(
    "event",
    [
        ev.SignalChanged(ev.SignalState.A),
        ev.SignalChanged(ev.SignalState.E),
        ev.TransportLost(ev.TransportLoss.RESET),
    ],
    ids=["A", "E", "reset"],
)
def test_a_vehicle_that_is_gone_ends_every_state_at_once(state: State, event: ev.Event) -> None:
    drive = at(state)
    live = drive.session.energized
    drive.book.tell(event)
    ended(drive)
    assert drive.book.actions
    if live:
        assert [type(action) for action in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
