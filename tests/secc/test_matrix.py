"""Every state of the station against every request there is: what the table lists is served, everything
else is refused and ends safely.

The expectation of a cell comes from the table of ``sequence.py``; that the table itself says the right thing
is tested below, row by row, against a list written independently of it.
"""

from __future__ import annotations

import pytest

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.values import NO_SESSION
from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session.actions import EndReason
from iso15118.session.events import ContactorsChanged
from iso15118.session.services import ControlMode, ServiceID
from tests.secc.table import PAIRS, SEQUENCE, SOURCES
from tests.secc.table import STATES as ALL_STATES
from tests.secc.vehicle import ALL_SERVICES, REQUESTS, Drive

STATES = tuple(state for state in ALL_STATES if state is not State.ENDED)
CELLS = [(state, request) for state in STATES for request in REQUESTS]


ONLY_IF_OFFERED = {
    (State.AUTHORIZATION, cm.CertificateInstallationReq),
    (State.DC_CHARGE_LOOP, cm.MeteringConfirmationReq),
    *((state, kind) for state in STATES for kind in (cm.VehicleCheckInReq, cm.VehicleCheckOutReq)),
}
"""Refused here like what is not listed, since nobody offered them; tests/secc/test_plug_and_charge.py and
tests/secc/test_value_added.py have them offered."""


def at(state: State) -> Drive:
    """A session that waits in ``state``; renegotiation lies off the ordinary way."""
    drive = Drive(ServiceID.DC_BPT)
    if state is State.SCHEDULE_RENEGOTIATION:
        drive.to(State.DC_CHARGE_LOOP)
        drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
        assert drive.session.state == state.value
        return drive
    return drive.to(state)


def name(value: object) -> str:
    return value.name if isinstance(value, State) else getattr(value, "__name__", str(value))


def test_the_matrix_covers_every_request_of_both_message_sets() -> None:
    of_the_sets = {
        getattr(module, name) for module in (cm, dc) for name in module.__all__ if name.endswith("Req")
    }
    assert set(REQUESTS) == of_the_sets == set(PAIRS)
    assert len(CELLS) == 15 * 18


@pytest.mark.parametrize(("state", "request_type"), CELLS, ids=name)
def test_a_request_is_served_if_listed_and_refused_with_sequence_error_if_not(
    state: State, request_type: type
) -> None:
    drive = at(state)
    changes = {}
    if request_type is cm.PowerDeliveryReq and state is not State.POWER_DELIVERY:
        changes["charge_progress"] = cm.ChargeProgress.Stop  # Start belongs to the state that waits for it
    response = drive.send(request_type, **changes)
    following = SEQUENCE[state].get(request_type)
    if following is not None and (state, request_type) not in ONLY_IF_OFFERED:
        if response is None:  # the answer waits for a contactor
            drive.book.does(
                *(
                    [act.CloseContactors]
                    if state is State.POWER_DELIVERY
                    else [act.StopPower, act.OpenContactors]
                )
            )
            return
        assert response.response_code.value.startswith("OK"), response
        reached = drive.session.state
        assert reached in {state.value for state in following}
        return
    assert type(response).__name__ == PAIRS[request_type].__name__
    assert response.response_code.value == "FAILED_SequenceError"
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized
    assert drive.session.state == "Ended"
    assert drive.session.deadline is None


@pytest.mark.parametrize("session_id", [NO_SESSION, b"\xff" * 8], ids=["zero", "other"])
@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_a_foreign_session_id_is_an_unknown_session(state: State, session_id: bytes) -> None:
    """Zero is no exception: it is never the id of an open session. (The first state opens the session.)"""
    for request_type in SEQUENCE[state]:
        drive = at(state)
        drive.session_id = session_id
        response = drive.send(request_type)
        assert type(response).__name__ == PAIRS[request_type].__name__
        assert response.response_code.value == "FAILED_UnknownSession"
        assert response.header.session_id == drive.session.session_id
        drive.book.ends(EndReason.UNKNOWN_SESSION)
        assert not drive.session.energized


@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_session_stop_is_answered_in_every_state_after_session_setup(state: State) -> None:
    drive = at(state)
    response = drive.send(cm.SessionStopReq)
    assert response.response_code.value == "OK"
    drive.book.ends(EndReason.STOPPED_BY_EV)
    assert not drive.session.energized


@pytest.mark.parametrize("state", STATES, ids=name)
def test_silence_ends_every_state(state: State) -> None:
    drive = at(state)
    # The charge loop is silent only after its first answer; before it, the ordinary time holds.
    drive.book.wait(120.0)
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.TIMEOUT
    assert not drive.session.energized


def test_silence_in_the_charge_loop_ends_after_half_a_second() -> None:
    drive = at(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    drive.book.wait(0.499)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.ends(EndReason.TIMEOUT)
    assert [type(a) for a in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]


def test_every_state_leads_to_the_end_and_has_a_timer() -> None:
    reach = {State.ENDED}
    while True:
        more = {
            state for state, rows in SEQUENCE.items() if any(after & reach for after in rows.values())
        } | reach
        if more == reach:
            break
        reach = more
    assert reach == set(ALL_STATES)
    for state in STATES:
        assert at(state).session.deadline is not None, state


def test_every_row_names_its_source() -> None:
    assert SOURCES
    assert all(SOURCES)


# Who may reach the charge loop, written without looking at the table.
ALLOWED = {
    "SessionSetup": ["SessionSetupReq"],
    "AuthorizationSetup": ["AuthorizationSetupReq"],
    "Authorization": ["AuthorizationReq", "CertificateInstallationReq"],
    "ServiceDiscovery": ["ServiceDiscoveryReq"],
    "ServiceDetail": ["ServiceDetailReq"],
    "ServiceSelection": ["ServiceDetailReq", "ServiceSelectionReq"],
    "DC_ChargeParameterDiscovery": ["DCChargeParameterDiscoveryReq"],
    "ScheduleExchange": ["ScheduleExchangeReq"],
    "DC_CableCheck": ["DCCableCheckReq", "PowerDeliveryReq"],
    "DC_PreCharge": ["DCPreChargeReq"],
    "PowerDelivery": ["PowerDeliveryReq"],
    "DC_ChargeLoop": ["DCChargeLoopReq", "MeteringConfirmationReq", "PowerDeliveryReq"],
    "ScheduleRenegotiation": ["DCChargeParameterDiscoveryReq", "PowerDeliveryReq", "ScheduleExchangeReq"],
    "DC_WeldingDetection": ["DCWeldingDetectionReq"],
    "SessionStop": [],
    "Ended": [],
}


def test_the_table_lists_what_the_facts_list() -> None:
    beside = {cm.VehicleCheckInReq, cm.VehicleCheckOutReq}
    selected = [state.value for state, rows in SEQUENCE.items() if beside <= rows.keys()]
    assert sorted(selected) == sorted(list(ALLOWED)[6:-1])
    assert not any(beside & rows.keys() for state, rows in SEQUENCE.items() if state.value not in selected)
    listed = {
        state.value: sorted(kind.__name__ for kind in rows.keys() - beside if kind is not cm.SessionStopReq)
        for state, rows in SEQUENCE.items()
    }
    assert listed == {state: sorted(kinds) for state, kinds in ALLOWED.items()}
    without_stop = [state.value for state, rows in SEQUENCE.items() if cm.SessionStopReq not in rows]
    assert without_stop == ["SessionSetup", "Ended"]


@pytest.mark.parametrize("service", ALL_SERVICES)
@pytest.mark.parametrize("mode", list(ControlMode))
def test_the_ordinary_way_works_for_every_service_and_mode(service: ServiceID, mode: ControlMode) -> None:
    drive = Drive(service, mode).to(State.DC_CHARGE_LOOP)
    assert drive.send(dc.DCChargeLoopReq).response_code.value == "OK"
    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    drive.book.tell(ContactorsChanged(False))
    drive.send(dc.DCWeldingDetectionReq)
    drive.send(cm.SessionStopReq)
    drive.book.ends(EndReason.STOPPED_BY_EV)
