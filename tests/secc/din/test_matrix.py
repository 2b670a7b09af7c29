"""Every state of the station in DIN 70121 against every request: what is listed is served, all
else is refused and ends safely.

The expectation is a list written without looking at the table of the station.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import din
from iso15118.secc.din.replies import CODES
from iso15118.secc.din.sequence import OFF, ON, STAGES, TABLE, Key, State, key_of
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.edition import Fault
from tests.secc.din.vehicle import FOREIGN, REQUESTS, ZERO_ID, Drive

S = State
STATES = tuple(state for state in State if state is not State.ENDED)

ALLOWED: dict[str, dict[str, set[str]]] = {
    "SessionSetup": {"SessionSetupReq": {"ServiceDiscovery"}},
    "ServiceDiscovery": {"ServiceDiscoveryReq": {"ServicePaymentSelection"}, "SessionStop": {"Ended"}},
    "ServicePaymentSelection": {
        "ServicePaymentSelectionReq": {"ContractAuthentication"},
        "SessionStop": {"Ended"},
    },
    "ContractAuthentication": {
        "ContractAuthenticationReq": {"ContractAuthentication", "ChargeParameterDiscovery"},
        "SessionStop": {"Ended"},
    },
    "ChargeParameterDiscovery": {
        "ChargeParameterDiscoveryReq": {"ChargeParameterDiscovery", "CableCheck"},
        "SessionStop": {"Ended"},
    },
    "CableCheck": {
        "CableCheckReq": {"CableCheck", "PreCharge"},
        "PowerDeliveryReq off": {"WeldingDetection"},
        "SessionStop": {"Ended"},
    },
    "PreCharge": {
        "PreChargeReq": {"PowerDelivery"},
        "PowerDeliveryReq off": {"WeldingDetection"},
        "SessionStop": {"Ended"},
    },
    "PowerDelivery": {
        "PreChargeReq": {"PowerDelivery"},
        "PowerDeliveryReq on": {"CurrentDemand"},
        "PowerDeliveryReq off": {"WeldingDetection"},
        "SessionStop": {"Ended"},
    },
    "CurrentDemand": {
        "CurrentDemandReq": {"CurrentDemand"},
        "PowerDeliveryReq off": {"WeldingDetection"},
        "SessionStop": {"Ended"},
    },
    "WeldingDetection": {"WeldingDetectionReq": {"WeldingDetection"}, "SessionStop": {"Ended"}},
    "Ended": {},
}
"""State -> request -> states that may follow."""

KEYS: tuple[Key, ...] = (*(kind for kind in REQUESTS if kind is not din.PowerDeliveryReq), ON, OFF)
CELLS = [(state, key) for state in STATES for key in KEYS]


def name(value: object) -> str:
    if isinstance(value, tuple):
        return f"{value[0].__name__} {'on' if value[1] else 'off'}"
    return value.value if isinstance(value, State) else getattr(value, "__name__", str(value))


def send(drive: Drive, key: Key) -> Any:
    if isinstance(key, tuple):
        return drive.send(key[0], ready_to_charge_state=key[1])
    return drive.send(key)


def test_the_matrix_covers_every_request_of_the_schema() -> None:
    of_the_schema = {getattr(din, one) for one in din.__all__ if one.endswith("Req")} | {din.SessionStop}
    assert set(REQUESTS) == of_the_schema
    assert len(CELLS) == 10 * 18


def test_the_table_is_the_list() -> None:
    listed = {
        state.value: {name(key): {one.value for one in row.next} for key, row in rows.items()}
        for state, rows in TABLE.items()
    }
    assert listed == ALLOWED


def test_every_row_names_its_source_and_every_state_has_a_stage_and_a_timer() -> None:
    assert all(row.source for rows in TABLE.values() for row in rows.values())
    assert STAGES.keys() == TABLE.keys()
    for state in STATES:
        assert Drive().to(state).session.deadline is not None, state


def test_every_fault_has_a_code() -> None:
    assert CODES.keys() == set(Fault)
    assert all(code.value.startswith("FAILED") for code in CODES.values())


@pytest.mark.parametrize(("state", "key"), CELLS, ids=name)
def test_a_request_is_served_if_listed_and_refused_with_sequence_error_if_not(state: State, key: Key) -> None:
    drive = Drive().to(state)
    if key is ON:
        drive.measure(380.0 if state is S.POWER_DELIVERY else 0.0)
    response = send(drive, key)
    following = ALLOWED[state.value].get(name(key))
    if following is None:
        assert type(response).__name__ == name(key).split()[0].removesuffix("Req") + "Res"
        assert response.response_code.value == "FAILED_SequenceError"
        drive.book.ends(EndReason.SEQUENCE_ERROR)
        assert not drive.session.energized
        assert drive.session.deadline is None
        return
    if response is None:  # the answer waits for the contactors
        drive.book.does(*([act.CloseContactors] if key is ON else [act.StopPower, act.OpenContactors]))
        drive.tell(ev.ContactorsChanged(key is ON))
        response = drive.answer
    assert response.response_code.value.startswith("OK"), response
    assert drive.session.state in following


@pytest.mark.parametrize("session_id", [ZERO_ID, b"\0", b"\xff" * 8, "short"], ids=repr)
@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_a_foreign_session_id_is_an_unknown_session(state: State, session_id: bytes | str) -> None:
    for key in TABLE[state]:
        drive = Drive().to(state)
        own = drive.session_id
        drive.session_id = own[:7] if isinstance(session_id, str) else session_id
        response = send(drive, key)
        assert response.response_code.value == "FAILED_UnknownSession"
        assert drive.header.session_id == own
        drive.book.ends(EndReason.UNKNOWN_SESSION)
        assert not drive.session.energized


@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_session_stop_is_answered_in_every_state_after_session_setup(state: State) -> None:
    drive = Drive().to(state)
    response = drive.send(din.SessionStop)
    assert response.response_code is din.ResponseCode.OK
    drive.book.ends(EndReason.STOPPED_BY_EV)
    assert not drive.session.energized
    assert [one.grace_s for one in drive.book.actions if isinstance(one, act.CloseTransport)] == [5.0]


@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_a_vehicle_that_was_refused_may_say_goodbye(state: State) -> None:
    drive = Drive().to(state)
    assert drive.send(FOREIGN[0]).response_code is din.ResponseCode.FAILED_SequenceError
    drive.wait(1.0)
    assert drive.send(din.SessionStop).response_code is din.ResponseCode.OK
    drive.wait(10.0)
    assert drive.send(din.SessionStop) is None


@pytest.mark.parametrize("kind", FOREIGN, ids=name)
def test_what_belongs_to_contracts_and_ac_is_out_of_sequence_everywhere(kind: type) -> None:
    for state in STATES:
        drive = Drive().to(state)
        assert drive.send(kind).response_code is din.ResponseCode.FAILED_SequenceError
        drive.book.ends(EndReason.SEQUENCE_ERROR)


@pytest.mark.parametrize("state", STATES, ids=name)
def test_key_of_a_message_that_is_no_request_ends_the_session(state: State) -> None:
    drive = Drive().to(state)
    drive.receive(
        din.V2GMessage(
            header=din.MessageHeader(session_id=drive.session_id),
            body=din.Body(body_element=din.SessionStopRes(response_code=din.ResponseCode.OK)),
        )
    )
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized


def test_an_envelope_without_a_body_ends_the_session() -> None:
    drive = Drive().to(S.CURRENT_DEMAND)
    header = din.MessageHeader(session_id=drive.session_id)
    drive.receive(din.V2GMessage(header=header, body=din.Body()))
    drive.book.ends(EndReason.SEQUENCE_ERROR)
    assert not drive.session.energized


def test_a_key_is_the_request_or_what_it_means() -> None:
    assert key_of(din.PowerDeliveryReq(ready_to_charge_state=True)) == ON
    assert key_of(din.PowerDeliveryReq(ready_to_charge_state=False)) == OFF
    assert key_of(din.SessionStop()) is din.SessionStop
