"""Every state of an AC session against every request there is: what the table lists is served,
everything else ends safely."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.secc.iso2.replies import RESPONSES
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.outlet import SIGNAL_B, THREE, AcDrive, ac_parameters
from tests.secc.iso2.test_matrix import MEANINGS, code_of, ended, key, name
from tests.secc.iso2.test_sequence import EXPECTED_AC

STATES = tuple(state for state in EXPECTED_AC if state is not State.ENDED)
CELLS = [(state, *meaning) for state in STATES for meaning in MEANINGS]
FAILED_812 = {
    (State.CHARGING_STATUS, iso2.ChargeProgress.Start),
    (State.POWER_DELIVERY, iso2.ChargeProgress.Renegotiate),
}


def at(state: State) -> AcDrive:
    """A session that waits in ``state``, some of which lie off the ordinary way."""
    drive = AcDrive()
    match state:
        case State.CONTRACT_CERTIFICATE | State.PAYMENT_DETAILS:
            drive.to(State.PAYMENT_SERVICE_SELECTION)
            drive.session._enter(drive.session._edition, state)  # type: ignore[arg-type]
        case State.POWER_DELIVERY:
            drive.discover()
        case State.CHARGING_STATUS:
            drive.charging().status()
        case State.METERING_RECEIPT:
            drive.charging().status()
            drive.session._enter(drive.session._edition, state)  # type: ignore[arg-type]
        case State.RENEGOTIATION:
            drive.charging().status()
            drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
        case State.SESSION_STOP:
            drive.charging().status()
            drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Stop)
            drive.book.tell(ev.ContactorsChanged(False))
        case _:
            drive.to(state)
    assert drive.session.state == state.value
    return drive


def test_the_matrix_is_whole() -> None:
    assert len(CELLS) == 12 * 20


@pytest.mark.parametrize(("state", "kind", "changes"), CELLS, ids=name)
def test_a_request_is_served_if_listed_and_refused_if_not(
    state: State, kind: type, changes: dict[str, Any]
) -> None:
    drive = at(state)
    fields = dict(changes)
    if kind is iso2.ChargeParameterDiscoveryReq:
        fields |= {"requested_energy_transfer_mode": THREE, "ev_charge_parameter": ac_parameters()}
    if kind is iso2.PowerDeliveryReq:
        fields["charging_profile"] = None
    response: Any = drive.send(kind, **fields)
    following = EXPECTED_AC[state].get(key(kind, changes))
    if following is None:
        assert isinstance(response, RESPONSES[kind])
        meaning = next(iter(changes.values()), None)
        code = "FAILED" if (state, meaning) in FAILED_812 else "FAILED_SequenceError"
        assert code_of(response) == code
        drive.book.ends(EndReason.SEQUENCE_ERROR)
        ended(drive)
        return
    if response is None:
        waits: dict[Any, list[type]] = {
            iso2.ChargeProgress.Start: [act.SetAcPower, act.CloseContactors],
            iso2.ChargeProgress.Stop: [act.StopPower, act.OpenContactors],
        }
        drive.book.does(*waits.get(next(iter(changes.values()), None), [act.RequestContractCertificate]))
        return
    assert isinstance(response, RESPONSES[kind])
    if code_of(response).startswith("OK"):
        if drive.session.ended is None:
            assert drive.session.state in {one.value for one in following}
        else:
            assert State.ENDED in following
        return
    assert code_of(response) != "FAILED_SequenceError"
    assert kind in (iso2.PaymentDetailsReq, iso2.MeteringReceiptReq) or changes == {
        "charging_session": iso2.ChargingSession.Pause
    }
    ended(drive)


@pytest.mark.parametrize("state", STATES[1:], ids=name)
def test_another_session_id_silence_and_a_lost_vehicle_end_every_state(state: State) -> None:
    for how in ("id", "silence", "reset", "A", "emergency"):
        drive = at(state)
        live = drive.session.energized
        if how == "id":
            drive.session_id = b"\xff" * 8
            assert code_of(drive.status()) == "FAILED_UnknownSession"
            drive.book.ends(EndReason.UNKNOWN_SESSION)
        elif how == "silence":
            drive.book.wait(61.0)
            assert drive.session.ended is not None
            assert drive.session.ended.reason is EndReason.TIMEOUT
        elif how == "emergency":
            drive.book.tell(ev.EmergencyShutdown("button"))
            assert code_of(drive.status()) == "FAILED"
            drive.book.ends(EndReason.EMERGENCY)
        else:
            lost = (
                ev.TransportLost(ev.TransportLoss.RESET)
                if how == "reset"
                else ev.SignalChanged(ev.SignalState.A)
            )
            drive.book.tell(lost)
            if live:
                assert [type(a) for a in drive.book.actions[:2]] == [act.StopPower, act.OpenContactors]
        ended(drive)


def test_state_b_before_power_is_how_a_vehicle_waits() -> None:
    drive = at(State.POWER_DELIVERY)
    drive.book.tell(SIGNAL_B)
    assert drive.session.ended is None
    assert drive.book.does() == []
