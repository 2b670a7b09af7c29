"""A vehicle that stays in a phase of its session for ever, by asking again and again what is legal there: it
is ended, in every phase but the charge loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iso15118.messages.iso20 import ac, acdp, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.session.actions import EndReason
from iso15118.session.services import ServiceID
from iso15118.timing import Timer, Timing
from tests.pair.contracts import issued, trust
from tests.secc.der_vehicle import DER_SERVICES, DerDrive
from tests.secc.pad import UNKNOWN, PadDrive
from tests.secc.pantograph import PantographDrive
from tests.secc.table import STATES
from tests.secc.vehicle import REQUESTS, Drive

S = State
ONGOING: dict[str, Any] = {"ev_processing": Processing.Ongoing}
NOT_YET: dict[str, Any] = ONGOING | {"ev_result_code": UNKNOWN}
STANDBY: dict[str, Any] = {"charge_progress": cm.ChargeProgress.Standby}
FINDS: dict[str, Any] = {"ev_positioning_support": True}

POLLS: dict[str, tuple[Callable[[], Any], State, type, dict[str, Any]]] = {
    "pairing": (PadDrive, S.WPT_PAIRING, wpt.WPTPairingReq, NOT_YET | {"observed_id_code": None}),
    "alignment": (PadDrive, S.WPT_ALIGNMENT_CHECK, wpt.WPTAlignmentCheckReq, NOT_YET),
    "standby over a pad": (PadDrive, S.WPT_ALIGNMENT_CHECK, cm.PowerDeliveryReq, STANDBY),
    "found again and again": (PantographDrive, S.AUTHORIZATION_SETUP, acdp.ACDPVehiclePositioningReq, FINDS),
    "found before connecting": (PantographDrive, S.ACDP_CONNECT, acdp.ACDPVehiclePositioningReq, FINDS),
    "standby before connecting": (PantographDrive, S.ACDP_CONNECT, cm.PowerDeliveryReq, STANDBY),
    "standby before a cable check": (Drive, S.DC_CABLE_CHECK, cm.PowerDeliveryReq, STANDBY),
    "parameters anew": (PadDrive, S.SCHEDULE_RENEGOTIATION, wpt.WPTChargeParameterDiscoveryReq, {}),
}


def stays(drive: Any, kind: type, changes: dict[str, Any], until_s: float) -> None:
    """The vehicle asks this every 20 s."""
    began = drive.book.now
    while drive.session.ended is None and drive.book.now - began < until_s:
        drive.book.wait(20.0)
        if drive.session.ended is None:
            drive.send(kind, **changes)


def ends(drive: Any) -> None:
    over = drive.session.ended
    assert over is not None, drive.session.state
    assert over.reason is EndReason.ONGOING_TOO_LONG
    assert over.cause == "vehicle-ongoing-timeout"
    assert "timing.phase_performance" in over.detail
    assert not drive.session.energized


def test_who_lists_ways_of_positioning_for_ever_is_late_for_positioning() -> None:
    drive = PadDrive().to(S.WPT_FINE_POSITIONING_SETUP)
    drive.send(wpt.WPTFinePositioningSetupReq, **ONGOING)
    stays(drive, wpt.WPTFinePositioningSetupReq, ONGOING, 700.0)
    over = drive.session.ended
    assert over is not None
    assert over.reason is EndReason.COUPLING_FAILED
    assert "timing.positioning_performance" in over.detail


@pytest.mark.parametrize("name", POLLS)
def test_nobody_stays_for_ever(name: str) -> None:
    make, state, kind, changes = POLLS[name]
    drive = make().to(state)
    drive.send(kind, **changes)
    assert drive.session.ended is None
    stays(drive, kind, changes, 700.0)
    ends(drive)


@pytest.mark.parametrize("service", DER_SERVICES, ids=lambda one: one.name)
def test_nor_does_an_inverter_that_still_computes(service: Any) -> None:
    drive = DerDrive(service)
    drive.to(S.AC_CHARGE_PARAMETER_DISCOVERY)
    again = {"ac_cpd_req_energy_transfer_mode": drive.cpd_mode(**ONGOING)}
    stays(drive, ac.ACChargeParameterDiscoveryReq, again, 700.0)
    ends(drive)


NO_EIM = cm.PnCAReqAuthorizationMode(
    id="id1",
    gen_challenge=bytes(16),
    contract_certificate_chain=cm.ContractCertificateChain(
        certificate=b"\x30\x00", sub_certificates=cm.SubCertificates(certificate=(b"\x30\x00",))
    ),
)
PNC: dict[str, Any] = {"selected_authorization_service": cm.Authorization.PnC}


@pytest.mark.parametrize("changes", [PNC, {"a_req_authorization_mode": NO_EIM}], ids=["PnC", "EIM"])
def test_nor_does_one_that_chooses_what_is_not_offered(changes: dict[str, Any]) -> None:
    """Not offered is a warning, behind which it may choose again, as often as contracts may be tried."""
    drive = Drive(config=SeccConfig(authorization_attempts=3)).to(S.AUTHORIZATION)
    codes: list[str] = []
    while drive.session.ended is None and len(codes) < 10:
        codes.append(drive.send(cm.AuthorizationReq, **changes).response_code.name)
        drive.book.wait(59.0)
    assert codes == ["WARNING_AuthorizationSelectionInvalid"] * 3 + ["FAILED"]
    assert drive.session.ended is not None
    assert drive.session.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert "session.authorization_attempts" in drive.session.ended.detail


def test_a_wrong_choice_takes_no_attempt_from_the_right_one() -> None:
    drive = Drive(config=SeccConfig(authorization_attempts=1)).to(S.AUTHORIZATION)
    drive.send(cm.AuthorizationReq, **PNC)
    drive._authorized()
    assert drive.session.state == S.SERVICE_DISCOVERY.value


def test_authorization_has_a_bound_whatever_is_asked_there() -> None:
    """Contracts that are not to be had are asked for again and again: nothing but the clock ends that."""
    timing = Timing(authorization_ongoing_timeout=100.0)
    config = SeccConfig(authorization_attempts=2, authorization_pause_s=5.0, timing=timing)
    drive = Drive(config=config, trust=trust(issued("ed448")), installs=True).to(S.AUTHORIZATION)
    bound_s = timing.phase_performance + 2 * (100.0 + 5.0)
    assert drive.session.timers.deadline_of(Timer.PHASE) == drive.book.now + bound_s
    drive.context.installations = 1_000
    stays(drive, cm.CertificateInstallationReq, {}, bound_s + 100.0)
    over = drive.session.ended
    assert over is not None
    assert over.reason is EndReason.ONGOING_TOO_LONG
    assert (
        over.detail
        == f"the vehicle stayed in Authorization for {bound_s:g} s (session.authorization_attempts)"
    )


def test_every_request_that_is_repeated_alone_comes_to_an_end() -> None:
    """Once a minute, every request in every state of the DC table, in each of its meanings."""
    for state in set(STATES) - {S.ENDED}:
        for kind in REQUESTS:
            for changes in meanings(kind):
                drive = Drive().to(S.DC_CHARGE_LOOP if state is S.SCHEDULE_RENEGOTIATION else state)
                if state is S.SCHEDULE_RENEGOTIATION:
                    drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.ScheduleRenegotiation)
                assert drive.session.state == state.value
                drive.book._watch = None  # the output shows nothing of what is asked for
                began = drive.book.now
                while drive.session.ended is None and drive.book.now - began < 5_000.0:
                    drive.send(kind, **changes)
                    drive.book.wait(59.0)
                assert drive.session.ended is not None, (state, kind, changes)


def meanings(kind: type) -> list[dict[str, Any]]:
    """What changes what the table makes of a request."""
    if kind is cm.PowerDeliveryReq:
        return [
            {"charge_progress": one, "ev_processing": two} for one in cm.ChargeProgress for two in Processing
        ]
    if kind is cm.SessionStopReq:
        return [{"charging_session": one} for one in cm.ChargingSession]
    if kind is cm.AuthorizationReq:
        return [{}, PNC]
    return [ONGOING, {}] if "ev_processing" in getattr(kind, "__struct_fields__", ()) else [{}]


def test_the_charge_loop_lasts() -> None:
    patient = SeccConfig(services=(ServiceID.WPT,), timing=Timing(sequence_timeout_loop=60.0))
    drive = PadDrive(config=patient).to(S.WPT_CHARGE_LOOP)
    stays(drive, wpt.WPTChargeLoopReq, {}, 1_400.0)
    assert drive.session.ended is None
    assert drive.session.state == S.WPT_CHARGE_LOOP.value


def test_the_bound_is_never_shorter_than_what_a_phase_may_last_anyway() -> None:
    for timing, longest_s in (
        (Timing(), 600.0),
        (Timing(phase_performance=10.0), Timing().positioning_performance),
        (Timing(cable_check_performance=900.0), 900.0),
    ):
        assert Drive(config=SeccConfig(timing=timing)).session._phase_s == longest_s
