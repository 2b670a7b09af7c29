"""Every await point of the vehicle against every response there is, every response code, foreign
session ids and endless Ongoing.

Whatever does not belong ends the session with the vehicle off the cable; nothing raises.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus, Processing, ResponseCode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from tests.evcc.station import ANSWERS, BATTERY_V, RESPONSES, STATES, Host

OF_SESSION = STATES[1:]
ENERGY_STATES = ("DC_PreCharge", "PowerDelivery", "DC_ChargeLoop")
OPENED = (EndReason.SEQUENCE_ERROR, EndReason.UNKNOWN_SESSION, EndReason.REFUSED)


def expected_of(state: str) -> type:
    return next(response for response, name in RESPONSES.values() if name == state)


def test_the_matrix_covers_every_response_of_the_sets() -> None:
    of_the_sets = {
        getattr(module, name) for module in (app, cm, dc) for name in module.__all__ if name.endswith("Res")
    }
    assert set(ANSWERS) == of_the_sets
    assert len(STATES) == 15


def off_the_cable(host: Host) -> None:
    """The vehicle's contactors are open or told to open, before anything else happened."""
    assert host.session.state == "Ended"
    assert host.session.deadline is None
    kinds = [type(action) for action in host.book.actions if isinstance(action, act.HardwareAction)]
    if act.OpenContactors in kinds:
        assert kinds.index(act.StopPower) < kinds.index(act.OpenContactors)


@pytest.mark.parametrize("state", STATES)
def test_only_the_awaited_response_is_taken(state: str) -> None:
    for kind in ANSWERS:
        host = Host(ServiceID.DC_BPT).to(state)
        response = host.response(kind) if kind is not app.SupportedAppProtocolRes else _sap(host)
        host.tell(ev.MessageReceived(response))
        if kind is expected_of(state):
            ended = host.session.ended
            assert ended is None or (state == "SessionStop" and ended.reason is EndReason.STOPPED_BY_EV), (
                state,
                ended,
            )
            continue
        host.book.ends(EndReason.SEQUENCE_ERROR)
        off_the_cable(host)


def _sap(host: Host) -> Any:
    return app.SupportedAppProtocolRes(response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=1)


@pytest.mark.parametrize("code", list(ResponseCode), ids=lambda code: code.value)
def test_every_response_code_in_every_state(code: ResponseCode) -> None:
    """FAILED ends at once and without a word; OK goes on; a warning never ends in
    anything but an orderly way out."""
    for state in OF_SESSION:
        host = Host(ServiceID.DC).to(state)
        host.answer(response_code=code)
        if code.value.startswith("FAILED"):
            host.book.ends(EndReason.REFUSED)
            assert not any(isinstance(action, act.Send) for action in host.book.actions)
            off_the_cable(host)
        elif host.session.ended is not None:
            assert state == "SessionStop"
        else:
            assert host.session.deadline is not None


@pytest.mark.parametrize("session_id", [bytes(8), b"\xee" * 8], ids=["zero", "other"])
@pytest.mark.parametrize("state", OF_SESSION)
def test_an_answer_with_a_foreign_session_id_ends_the_session(state: str, session_id: bytes) -> None:
    host = Host().to(state)
    if state == "SessionSetup" and session_id != bytes(8):
        host.session_id = session_id  # the first answer brings the id, whatever it is
        host.answer()
        assert host.session.session_id == session_id
        return
    host.session_id = session_id
    host.answer()
    host.book.ends(EndReason.UNKNOWN_SESSION)
    off_the_cable(host)


@pytest.mark.parametrize("state", STATES)
def test_silence_ends_every_state_in_its_time(state: str) -> None:
    host = Host().to(state)
    limit = {"DC_ChargeLoop": 0.5, "ServiceDetail": 5.0}.get(state, 2.0)
    host.wait(limit - 0.001)
    assert host.session.state == state
    host.wait(0.002)
    host.book.ends(EndReason.TIMEOUT)
    off_the_cable(host)


@pytest.mark.parametrize(
    ("state", "processing", "limit", "reason"),
    [
        (
            "Authorization",
            Processing.Ongoing_WaitingForCustomerInteraction,
            180.0,
            EndReason.ONGOING_TOO_LONG,
        ),
        ("Authorization", Processing.Ongoing, 180.0, EndReason.ONGOING_TOO_LONG),
        ("ScheduleExchange", Processing.Ongoing, 60.0, EndReason.ONGOING_TOO_LONG),
        ("DC_CableCheck", Processing.Ongoing, 40.0, EndReason.CABLE_CHECK_FAILED),
    ],
)
def test_endless_ongoing_ends_in_its_time(
    state: str, processing: Processing, limit: float, reason: EndReason
) -> None:
    host = Host().to(state)
    began = host.book.now
    for _ in range(5000):
        if host.session.state != state:
            break
        if host.waiting:
            host.answer(evse_processing=processing)
        else:
            host.wait(0.1)
    assert limit <= host.book.now - began <= limit + 1.0
    if host.session.ended is None:  # the orderly way out: SessionStop
        assert host.session.state == "SessionStop"
        host.answer()
    assert host.session.ended is not None
    assert host.session.ended.reason is reason


def test_pre_charge_that_never_matches_ends_in_its_time() -> None:
    host = Host().to("DC_PreCharge")
    began = host.book.now
    while host.session.state == "DC_PreCharge":
        if host.waiting:
            host.measure(BATTERY_V - 25.0)
            host.answer()
        else:
            host.wait(0.1)
    assert 10.0 <= host.book.now - began <= 10.5
    assert not any(isinstance(action, act.CloseContactors) for action in host.book.actions)
    host.answer()
    host.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert host.session.ended is not None
    stands = f"{BATTERY_V - 25.0:.1f} V, the target is {BATTERY_V:g} V, the battery is at {BATTERY_V:.1f} V"
    assert (
        host.session.ended.detail == f"DCPreChargeRes still not finished after 10 s: the inlet is at {stands}"
    )


@pytest.mark.parametrize(("offered", "chosen"), [((2, 1), 2), ((1, 2), 1), ((2,), 1), ((None, 2), 1)])
def test_the_vehicle_knows_its_own_needs_where_it_may_choose(
    offered: tuple[int | None, ...], chosen: int
) -> None:
    """Parameter sets that differ in MobilityNeedsMode only, numbered from 1."""
    sets = []
    for number, needs in enumerate(offered, start=1):
        parameters = [cm.Parameter(name="ControlMode", int_value=2)]
        if needs is not None:
            parameters.append(cm.Parameter(name="MobilityNeedsMode", int_value=needs))
        sets.append(cm.ParameterSet(parameter_set_id=number, parameter=tuple(parameters)))
    host = Host(control_mode=ControlMode.DYNAMIC).to("ServiceDetail")
    host.answer(service_parameter_list=cm.ServiceParameterList(parameter_set=tuple(sets)))
    assert host.request.selected_energy_transfer_service.parameter_set_id == chosen


def _in_vain() -> Host:
    """A vehicle that has given up pre-charge and said SessionStop."""
    host = Host().to("DC_PreCharge")
    while host.session.state == "DC_PreCharge":
        if host.waiting:
            host.measure(0.0)
            host.answer()
        else:
            host.wait(0.1)
    return host


def test_why_the_vehicle_left_is_told_even_if_the_station_refuses_its_farewell() -> None:
    host = _in_vain()
    host.answer(response_code=ResponseCode.FAILED_SequenceError)
    host.book.ends(EndReason.PRE_CHARGE_FAILED)
    assert host.session.ended is not None
    assert "FAILED_SequenceError" in host.session.ended.detail


def test_why_the_vehicle_left_is_told_even_if_the_station_does_not_answer() -> None:
    host = _in_vain()
    host.wait(2.0)
    host.book.ends(EndReason.PRE_CHARGE_FAILED)


@pytest.mark.parametrize("notification", list(EvseNotification), ids=lambda n: n.value)
@pytest.mark.parametrize("mode", list(ControlMode), ids=lambda m: m.name)
def test_every_notification_in_the_charge_loop(notification: EvseNotification, mode: ControlMode) -> None:
    host = Host(ServiceID.MCS_BPT, mode).to("DC_ChargeLoop")
    host.measure(BATTERY_V, 500.0)
    host.answer(evse_status=EVSEStatus(notification_max_delay=10, evse_notification=notification))
    host.measure(BATTERY_V, 0.0)
    for _ in range(40):
        if host.session.ended is not None or host.session.state in ("SessionStop", "ScheduleExchange"):
            break
        host.step()
    stops = (EvseNotification.Terminate, EvseNotification.Pause, EvseNotification.ServiceRenegotiation)
    if notification in stops:
        assert host.session.state == "SessionStop"
        host.answer()
        host.book.ends(EndReason.STOPPED_BY_STATION)
    elif notification is EvseNotification.ScheduleRenegotiation:
        assert host.session.state == "ScheduleExchange"
        host.to("DC_ChargeLoop")
        assert not any(isinstance(action, act.OpenContactors) for action in host.book.actions)
    else:
        assert host.session.state == "DC_ChargeLoop"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("how", list(ev.TransportLoss), ids=lambda how: how.name)
def test_a_lost_link_takes_the_vehicle_off_the_cable(state: str, how: ev.TransportLoss) -> None:
    host = Host().to(state)
    host.tell(ev.TransportLost(how))
    host.book.ends(EndReason.PEER_VANISHED)
    off_the_cable(host)
    assert not any(isinstance(action, act.Send) for action in host.book.actions)


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
    host.answer()
    for _ in range(60):
        if host.session.ended is not None:
            break
        host.measure(BATTERY_V if host.session.state == "DC_PreCharge" else 0.0)
        host.step()
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.STOPPED_BY_EV
    assert host.session.states[-2] == "SessionStop"


def test_a_charge_loop_answer_of_another_service_is_refused() -> None:
    host = Host(ServiceID.DC).to("DC_ChargeLoop")
    other = Host(ServiceID.DC_BPT)
    host.measure(BATTERY_V, 0.0)
    host.answer(cl_res_control_mode=other.loop_mode())
    assert any(isinstance(action, act.OpenContactors) for action in host.book.actions)
    for _ in range(10):
        if host.session.ended is not None:
            break
        host.step()
    assert host.session.ended is not None
    assert host.session.ended.reason is EndReason.PARAMETERS_NOT_ACCEPTED


@pytest.mark.parametrize(
    ("schema_id", "words"), [(None, "without SchemaID"), (99, "SchemaID 99 was not offered")]
)
def test_a_positive_answer_to_the_only_protocol_offered_is_borne_with_and_noted(
    schema_id: int | None, words: str
) -> None:
    host = Host().to("supportedAppProtocol")
    host.answer(schema_id=schema_id)
    assert host.session.state == "SessionSetup"
    (note,) = (action for action in host.book.actions if isinstance(action, act.PeerDeviates))
    assert note.name == "schema-id"
    assert words in note.detail


def test_a_negative_answer_is_the_end_whatever_schema_it_names() -> None:
    host = Host().to("supportedAppProtocol")
    host.answer(response_code=app.ResponseCode.Failed_NoNegotiation, schema_id=1)
    host.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)
