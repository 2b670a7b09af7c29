"""How a session begins on the station's side: which protocol is chosen, how long set-up may take,
and the id of the session."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from iso15118.messages import app
from iso15118.messages.iso20 import common_messages as cm
from iso15118.secc import SeccConfig, SeccSession
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import NO_DC_OUTPUT, StationLimits
from iso15118.session.secured import TlsPeer
from tests.secc.vehicle import Drive


def offer(*entries: tuple[str, int, int, int, int]) -> app.SupportedAppProtocolReq:
    return app.SupportedAppProtocolReq(
        app_protocol=tuple(
            app.AppProtocol(
                protocol_namespace=namespace,
                version_number_major=major,
                version_number_minor=minor,
                schema_id=schema_id,
                priority=priority,
            )
            for namespace, major, minor, schema_id, priority in entries
        )
    )


DC20 = "urn:iso:std:iso:15118:-20:DC"
AC20 = "urn:iso:std:iso:15118:-20:AC"
ISO2 = "urn:iso:15118:2:2013:MsgDef"


@pytest.mark.parametrize(
    ("request_", "code", "schema_id"),
    [
        (offer((DC20, 1, 0, 4, 1)), "OK_SuccessfulNegotiation", 4),
        (offer((DC20, 1, 7, 4, 1)), "OK_SuccessfulNegotiationWithMinorDeviation", 4),
        (offer((ISO2, 2, 0, 1, 1), (AC20, 1, 0, 2, 2), (DC20, 1, 0, 9, 3)), "OK_SuccessfulNegotiation", 9),
        (offer((DC20, 1, 0, 5, 2), (DC20, 1, 0, 6, 1)), "OK_SuccessfulNegotiation", 6),
        (offer((DC20, 2, 0, 4, 1)), "Failed_NoNegotiation", None),
        (offer((ISO2, 2, 0, 1, 1), (AC20, 1, 0, 2, 2)), "Failed_NoNegotiation", None),
        (offer((DC20 + "x", 1, 0, 4, 1)), "Failed_NoNegotiation", None),
    ],
)
def test_negotiation(request_: app.SupportedAppProtocolReq, code: str, schema_id: int | None) -> None:
    drive = Drive()
    drive.book.tell(ev.Connected(secure=True))
    drive.book.receive(request_)
    response = drive.book.sends(app.SupportedAppProtocolRes, code)
    assert response.schema_id == schema_id
    if schema_id is None:
        drive.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)
    else:
        drive.book.waits_for("SessionSetup")


NOTHING = StationLimits(maximum_charge_power_w=0.0, maximum_charge_current_a=0.0, maximum_voltage_v=0.0)


@pytest.mark.parametrize(
    ("hardware", "wants", "said"),
    [
        (NOTHING, DC20, True),
        (replace(NOTHING, maximum_charge_power_w=1e5, maximum_charge_current_a=200.0), ISO2, True),
        (NOTHING, "urn:din:70121:2012:MsgDef", True),
        (NOTHING, AC20, False),
        (NO_DC_OUTPUT, DC20, False),
    ],
    ids=["not read yet", "no voltage alone", "DIN 70121", "a vehicle for AC", "no supply"],
)
def test_a_supply_whose_limits_have_no_voltage_is_named(
    hardware: StationLimits, wants: str, said: bool
) -> None:
    """That nothing is served on this connection would send the reader to the settings."""
    session = SeccSession(SeccConfig(editions=("iso20", "iso2", "din"), allow_plaintext=True), hardware)
    session.handle(ev.Connected(secure=False), 0.0)
    session.handle(ev.MessageReceived(offer((wants, 1 if wants in (DC20, AC20) else 2, 0, 1, 1))), 0.1)
    assert session.ended is not None
    assert session.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
    assert ("power.limits.maximum_voltage_v is 0 V" in session.ended.detail) is said
    assert session.ended.cause == ("no-dc-voltage" if said else "")


@pytest.mark.parametrize("allowed", [False, True])
def test_iso15118_20_is_not_selected_below_tls_1_3_unless_allowed(allowed: bool) -> None:
    drive = Drive(config=SeccConfig(allow_plaintext=allowed))
    drive.book.tell(ev.Connected(secure=False))
    drive.book.receive(offer((DC20, 1, 0, 4, 1)))
    drive.book.sends(
        app.SupportedAppProtocolRes, "OK_SuccessfulNegotiation" if allowed else "Failed_NoNegotiation"
    )


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(
    ("version", "code"), [("TLSv1.3", "OK_SuccessfulNegotiation"), ("TLSv1.2", "Failed_NoNegotiation")]
)
def test_iso15118_20_is_never_selected_on_tls_1_2(version: str, code: str, allowed: bool) -> None:
    """[V2G20-2356] Not even where plaintext is allowed."""
    drive = Drive(config=SeccConfig(allow_plaintext=allowed))
    drive.book.tell(ev.Connected(True, TlsPeer(version=version)))
    drive.book.receive(offer((DC20, 1, 0, 4, 1)))
    drive.book.sends(app.SupportedAppProtocolRes, code)
    if version == "TLSv1.2":
        drive.book.ends(EndReason.PROTOCOL_NEGOTIATION_FAILED)


def test_set_up_that_takes_too_long_ends() -> None:
    drive = Drive()
    drive.book.tell(ev.Connected(secure=True))
    drive.book.wait(17.999)
    assert drive.session.ended is None
    drive.book.wait(0.002)
    drive.book.ends(EndReason.TIMEOUT)


def test_every_session_has_an_id_of_its_own() -> None:
    ids = {Drive().to(State.AUTHORIZATION_SETUP).session.session_id for _ in range(200)}
    assert len(ids) == 200
    assert bytes(8) not in ids


def test_the_id_a_vehicle_brings_along_is_not_taken() -> None:
    drive = Drive()
    drive.connect()
    drive.session_id = b"\x11" * 8
    response = drive.send(cm.SessionSetupReq)
    assert response.response_code.value == "OK_NewSessionEstablished"
    assert response.header.session_id != b"\x11" * 8
