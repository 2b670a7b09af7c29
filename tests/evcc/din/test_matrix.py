"""Every await point of the vehicle in DIN 70121 against every response of its schema, every code,
foreign ids, and endless Ongoing.

Whatever does not belong ends the session with the vehicle off the cable; nothing raises.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.din.exchange import RESPONSES
from iso15118.evcc.din.settings import DinEvccSettings
from iso15118.messages import app, din
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.timing import DinTiming
from tests.evcc.din.station import ANSWERS, NEGOTIATION, STATES, VEHICLE, Host, battery

AWAITED = {pair.state: pair.response for pair in RESPONSES.values()}
UNNEEDED = ("WeldingDetection", "SessionStop")
"""What the vehicle can do without."""


def off_the_cable(host: Host) -> None:
    """Whatever was shown or closed has been taken back."""
    last = {type(one): one for one in host.asked}
    ready = last.get(act.SignalReady)
    assert ready is None or not ready.ready  # type: ignore[attr-defined]
    kinds = [type(one) for one in host.asked]
    if act.CloseContactors in kinds:
        closing = len(kinds) - 1 - kinds[::-1].index(act.CloseContactors)
        assert act.OpenContactors in kinds[closing:]
        assert act.StopPower in kinds[closing : closing + kinds[closing:].index(act.OpenContactors)]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ANSWERS, ids=lambda kind: kind.__name__)
def test_another_response_than_the_awaited_one(state: str, kind: type) -> None:
    if AWAITED.get(state) is kind:
        host = Host().to(state)
        host.answer()
        assert host.session.ended is None or state == "SessionStop"
        return
    host = Host().to(state)
    host.tell(ev.MessageReceived(host.response(kind)))
    host.book.ends(EndReason.SEQUENCE_ERROR)
    off_the_cable(host)


@pytest.mark.parametrize("code", [one for one in din.ResponseCode if one.value.startswith("FAILED")])
@pytest.mark.parametrize("state", STATES[1:])
def test_every_refusal_ends_the_session_off_the_cable(state: str, code: din.ResponseCode) -> None:
    host = Host().to(state)
    sent = len(host.sent)
    host.answer(response_code=code)
    if state in UNNEEDED:
        assert host.finish().reason is EndReason.STOPPED_BY_EV
        assert f"without-{state.lower()}" in host.noted
    else:
        host.book.ends(EndReason.REFUSED)
        assert len(host.sent) == sent  # nothing more is said
    off_the_cable(host)


@pytest.mark.parametrize("code", [one for one in din.ResponseCode if one.value.startswith("OK")])
@pytest.mark.parametrize("state", STATES[1:])
def test_every_ok_is_one(state: str, code: din.ResponseCode) -> None:
    host = Host().to(state)
    host.answer(response_code=code)
    assert host.session.ended is None or state == "SessionStop"


@pytest.mark.parametrize("state", STATES[2:])
def test_another_session_id_than_before(state: str) -> None:
    host = Host().to(state)
    for foreign in (b"\xff" * 8, bytes(8), host.session_id[:7], b"\0" + host.session_id[:7]):
        other = Host().to(state)
        other.answer(session_id=foreign)
        other.book.ends(EndReason.UNKNOWN_SESSION)
        off_the_cable(other)


@pytest.mark.parametrize(
    "session_id", [b"\x01\x02\x03\x04", b"\0\0abcdef", b"\0" * 7 + b"\1", b"\7"], ids=repr
)
def test_the_id_is_given_back_as_it_came(session_id: bytes) -> None:
    """Four octets, or leading zeros: both are seen in the field."""
    host = Host()
    host.session_id = session_id
    host.to("SessionStop")
    assert host.session.session_id == session_id
    assert set(host.headers[1:]) == {session_id}
    assert host.headers[0] == bytes(8)


@pytest.mark.parametrize("session_id", [bytes(8), b"\0", b""], ids=repr)
def test_a_station_that_gives_no_id(session_id: bytes) -> None:
    host = Host().to("SessionSetup")
    host.answer(session_id=session_id)
    host.book.ends(EndReason.UNKNOWN_SESSION)


def test_a_choice_that_was_not_offered_is_borne_with_where_one_was() -> None:
    host = Host().to(NEGOTIATION)
    host.answer(schema_id=None)
    assert host.session.state == "SessionSetup"
    host = Host().to(NEGOTIATION)
    host.answer(response_code=app.ResponseCode.Failed_NoNegotiation)
    host.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)


def test_over_tls_din_is_not_offered() -> None:
    session = EvccSession(EvccConfig(editions=("din",)), VEHICLE, battery())
    actions = session.handle(ev.Connected(secure=True), 0.0)
    assert session.ended is not None
    assert session.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
    assert not any(isinstance(one, act.Send) for one in actions)


# -- time --------------------------------------------------------------------------------------------------

TIMEOUTS = dict.fromkeys(STATES, 2.0) | {"CurrentDemand": 0.5}


@pytest.mark.parametrize("off", [-0.001, 0.0])
@pytest.mark.parametrize("state", STATES)
def test_how_long_an_answer_is_waited_for(state: str, off: float) -> None:
    host = Host().to(state)
    host.wait(TIMEOUTS[state] + off)
    if off < 0.0:
        assert host.session.ended is None
        assert host.session.state == state
        return
    if state in UNNEEDED:
        assert f"without-{state.lower()}" in host.noted
        assert host.finish().reason is EndReason.STOPPED_BY_EV
    else:
        host.book.ends(EndReason.TIMEOUT)
    off_the_cable(host)


@pytest.mark.parametrize(("after", "ends"), [(0.240, False), (0.260, True)])
def test_a_laboratory_may_have_the_shorter_time_for_the_loop(after: float, ends: bool) -> None:
    timing = DinTiming(message_timeout_loop=0.25)
    host = Host(EvccConfig(editions=("din",), din=DinEvccSettings(timing=timing))).to("CurrentDemand")
    host.wait(after)
    assert (host.session.ended is not None) is ends


LIMITS = {
    "ContractAuthentication": (60.0, EndReason.ONGOING_TOO_LONG),
    "ChargeParameterDiscovery": (60.0, EndReason.ONGOING_TOO_LONG),
    "CableCheck": (40.0, EndReason.CABLE_CHECK_FAILED),
    "PreCharge": (7.0, EndReason.PRE_CHARGE_FAILED),
}


@pytest.mark.parametrize("off", [-0.001, 0.0])
@pytest.mark.parametrize("state", LIMITS)
def test_a_station_that_is_never_ready(state: str, off: float) -> None:
    host = Host().to(state)
    limit, reason = LIMITS[state]
    until = host.book.now + limit + off
    while host.book.now < until - 1e-9 and host.session.state == state:
        if host.waiting:
            host.measure(0.0)
            host.answer(**({} if state == "PreCharge" else {"evse_processing": din.EVSEProcessing.Ongoing}))
        host.wait(min(0.05, until - host.book.now))
    if off < 0.0:
        assert host.session.state == state
        return
    host.wait(1e-6)  # sums of steps fall short of it
    for _ in range(5):
        if host.session.state == state and host.waiting:
            host.answer(**({} if state == "PreCharge" else {"evse_processing": din.EVSEProcessing.Ongoing}))
    assert host.session.state == "SessionStop"
    assert act.CloseContactors not in [type(one) for one in host.asked]
    host.answer()
    host.book.ends(reason)
    off_the_cable(host)
    assert host.session.ended is not None
    stands = "the inlet is at 0.0 V, the target is 380 V, the battery is at 380.0 V"
    assert (stands in host.session.ended.detail) is (state == "PreCharge")


@pytest.mark.parametrize("off", [-0.001, 0.0])
def test_power_has_to_flow_150_s_after_the_connection(off: float) -> None:
    """Each phase keeps its own time, and all of them together have this one."""
    host = Host().to("ContractAuthentication")
    ongoing = {"evse_processing": din.EVSEProcessing.Ongoing}
    until = 150.0 + off
    spend = {"ContractAuthentication": 59.0, "ChargeParameterDiscovery": 59.0}
    entered = {host.session.state: host.book.now}
    while host.book.now < until - 1e-9 and host.session.state != "SessionStop":
        state = host.session.state
        since = entered.setdefault(state, host.book.now)
        if host.waiting:
            waits = host.book.now - since < spend.get(state, 1e9)
            host.answer(**(ongoing if waits else {}))
        host.wait(min(0.05, until - host.book.now))
    if off < 0.0:
        assert host.session.state == "CableCheck"
        return
    host.wait(1e-6)  # sums of steps fall short of it
    if host.waiting and host.session.state == "CableCheck":
        host.answer(**ongoing)
    assert host.session.state == "SessionStop"
    host.answer()
    host.book.ends(EndReason.ONGOING_TOO_LONG)
    off_the_cable(host)


def test_that_time_is_over_once_power_was_asked_for() -> None:
    host = Host().to("CurrentDemand")
    while host.book.now < 200.0:
        host.step()
    assert host.session.state == "CurrentDemand"


# -- leaving -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", list(ev.TransportLoss), ids=lambda how: how.name)
def test_a_lost_link_takes_the_vehicle_off_the_cable(state: str, how: ev.TransportLoss) -> None:
    host = Host().to(state)
    sent = len(host.sent)
    host.tell(ev.TransportLost(how))
    host.book.ends(EndReason.PEER_VANISHED)
    off_the_cable(host)
    assert len(host.sent) == sent


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "event",
    [
        ev.EmergencyShutdown("button"),
        ev.HardwareFault("contactors", "stuck"),
        ev.Undecodable("noise"),
        ev.SignalChanged(ev.SignalState.F),
    ],
    ids=lambda event: type(event).__name__,
)
def test_an_alarm_takes_the_vehicle_off_the_cable(state: str, event: ev.Event) -> None:
    host = Host().to(state)
    host.tell(event)
    assert host.session.ended is not None
    off_the_cable(host)


@pytest.mark.parametrize("state", STATES)
def test_a_wish_to_stop_ends_in_an_orderly_way_from_every_state(state: str) -> None:
    host = Host().to(state)
    host.tell(ev.StopRequested("driver"))
    ended = host.finish()
    assert ended.reason is EndReason.STOPPED_BY_EV
    assert host.session.states[-2] == "SessionStop"
    off_the_cable(host)
    urgencies = {one.urgency for one in host.asked if isinstance(one, act.StopPower)}
    assert urgencies <= {Urgency.ORDERLY}


def test_a_wish_to_pause_ends_the_session_since_there_is_no_pause() -> None:
    host = Host().to("CurrentDemand")
    host.tell(ev.PauseRequested("cheaper at night"))
    ended = host.finish()
    assert ended.reason is EndReason.STOPPED_BY_EV
    assert "no pause" in ended.detail
    assert host.session.ticket is None
    assert isinstance(host.request, din.SessionStop)


@pytest.mark.parametrize(
    ("state", "messages"),
    [
        ("PreCharge", ["SessionStop"]),
        ("CurrentDemand", ["CurrentDemandReq", "PowerDeliveryReq", "WeldingDetectionReq", "SessionStop"]),
    ],
)
def test_what_is_said_on_the_way_out(state: str, messages: list[str]) -> None:
    host = Host().to(state)
    sent = len(host.sent)
    host.tell(ev.StopRequested("driver"))
    host.finish()
    said: list[Any] = [type(one).__name__ for one in host.sent[sent:]]
    assert list(dict.fromkeys(said)) == messages


def test_a_station_that_closes_after_its_last_answer_is_a_success() -> None:
    host = Host().to("SessionStop")
    host.answer()
    host.book.ends(EndReason.STOPPED_BY_EV)
    host.tell(ev.TransportLost(ev.TransportLoss.CLOSED))
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.STOPPED_BY_EV
