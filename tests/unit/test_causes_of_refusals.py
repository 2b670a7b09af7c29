"""Causes of ends for which a session of a certain edition, contract or device is needed, each produced by
one: the code, whom it points at, the timer behind it and the requirement of the edition.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from iso15118.messages import din, iso2
from iso15118.messages.iso20 import acdp, dc
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.physical import amperes
from iso15118.messages.values import rational
from iso15118.pnc.contracts import Refusal
from iso15118.secc.din.sequence import State as DinState
from iso15118.secc.iso2.sequence import State as Iso2State
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.causes import cause_of
from iso15118.session.events import ContractDecided, MeterRead, SignalState, TransportLoss
from iso15118.simulation.backend import ContractBackend
from tests.evcc.din.station import Host as DinHost
from tests.evcc.din.station import status as din_status
from tests.pair.contracts import contract_pair, issued, trust
from tests.secc import test_acdp, test_identity, test_plug_and_charge
from tests.secc.din import vehicle as din_vehicle
from tests.secc.iso2 import vehicle as iso2_vehicle
from tests.secc.iso2.contracts import ContractDrive
from tests.secc.pantograph import HERE, PantographDrive
from tests.secc.test_schedules import FULL, profile
from tests.secc.vehicle import Drive


class Ended(NamedTuple):
    """What came of it, and in which edition."""

    session: Any
    edition: str = "iso20"


def profiled(one: cm.EVPowerProfile) -> Ended:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq, ev_power_profile=one)
    return Ended(drive.session)


def violated() -> Ended:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq, ev_power_profile=profile((86_400, 10_000.0)))
    drive.book.tell(ev.ContactorsChanged(True))
    drive.measure(800.0, 13.75)  # 11 kW
    for _ in range(200):
        if drive.session.ended is not None:
            break
        drive.send(dc.DCChargeLoopReq)
        drive.book.wait(0.4)
    return Ended(drive.session)


def undecided_driver(edition: str) -> Ended:
    """Nobody says a word about the driver."""
    if edition == "din":
        drive: Any = din_vehicle.Drive().to(DinState.CONTRACT_AUTHENTICATION)
        kind: Any = din.ContractAuthenticationReq
    elif edition == "iso2":
        drive, kind = iso2_vehicle.Drive().to(Iso2State.AUTHORIZATION), iso2.AuthorizationReq
    else:
        drive, kind = Drive().to(State.AUTHORIZATION), cm.AuthorizationReq
    for _ in range(16):
        if drive.session.ended is not None:
            break
        answer = drive.send(kind)
        if "WARNING" in answer.response_code.value:  # the vehicle of ISO 15118-20 may stop, or try again
            drive.send(cm.SessionStopReq)
        else:
            drive.book.wait(20.0)
    return Ended(drive.session, edition)


def contract_by(refusal: Refusal) -> Ended:
    """A vehicle of ISO 15118-20 that leaves after its contract was refused so."""
    one = test_plug_and_charge.drive()
    request = test_plug_and_charge.by_contract(one)
    test_plug_and_charge.said(one, request)
    (asked,) = [action for action in one.book.actions if hasattr(action, "claim")]
    one.book.tell(ContractDecided(asked.claim, refusal))
    test_plug_and_charge.said(one, request)
    if one.session.ended is None:
        one.send(cm.SessionStopReq)
    return Ended(one.session)


def of_iso2(signed_by: str = "contract", changes: dict[str, Any] | None = None, **more: Any) -> Ended:
    drive = ContractDrive(**more)
    drive.selects()
    drive.details()
    if drive.session.ended is None:
        drive.signs(signed_by, **(changes or {}))
    return Ended(drive.session, "iso2")


def receipt() -> Ended:
    one = test_plug_and_charge.in_the_loop()
    one.book.tell(MeterRead("M1", 4711.0))
    one.book.wait(0.2)
    answer = one.send(dc.DCChargeLoopReq)
    data = cm.SignedMeteringData(
        id="id1",
        smdt_control_mode=cm.DynamicSMDTControlMode(),
        meter_info=answer.meter_info,
        session_id=one.session_id,
    )
    one.send(cm.MeteringConfirmationReq, signed_metering_data=data)
    return Ended(one.session)


def no_contract() -> Ended:
    """The only one that the vehicle has is refused, and it has no other way to pay."""
    backend = ContractBackend(trust(issued("p521")), lambda claim: Refusal.PROVIDER_UNKNOWN)
    pair = contract_pair("p521", "contract-0", backend=backend)
    pair.run()
    return Ended(pair.evcc)


def misnamed() -> Ended:
    one = test_identity.drive(test_identity.right_digit("WVWV123456789ABCDEA")).to(State.SESSION_SETUP)
    one.book.receive(one.request(cm.SessionSetupReq))
    return Ended(one.session)


def of_iso2_request(state: Iso2State, kind: type, **fields: Any) -> Ended:
    drive = iso2_vehicle.Drive().to(state)
    drive.send(kind, **fields)
    return Ended(drive.session, "iso2")


def vehicle_fault() -> Ended:
    drive = din_vehicle.Drive().to(DinState.CABLE_CHECK)
    said = din.DCEVStatus(ev_ready=True, ev_error_code=din.DCEVErrorCode.FAILED_EVShiftPosition, evresssoc=40)
    drive.send(din.CableCheckReq, dc_ev_status=said)
    return Ended(drive.session, "din")


def din_station(at: str, *said: Any) -> Ended:
    host = DinHost().to(at)
    host.answer(dc_evse_status=din_status(*said))
    for _ in range(100):
        if host.session.ended is not None:
            break
        host.step()
    return Ended(host.session, "din")


def silent_pilot(kind: type, state: Iso2State) -> Ended:
    drive = iso2_vehicle.Drive().to(state)
    drive.book.tell(ev.SignalChanged(SignalState.B))
    drive.send(kind)
    drive.book.wait(1.6)
    return Ended(drive.session, "iso2")


def pantograph(place: Any = HERE, waited: float = 0.0) -> Ended:
    drive = PantographDrive().to(State.ACDP_CONNECT)
    drive.place = place
    drive.send(acdp.ACDPConnectReq)
    if waited:
        drive.moves(test_acdp.MOVING)
        drive.book.wait(waited)
        drive.send(acdp.ACDPConnectReq)
    return Ended(drive.session)


def system_status(**changes: Any) -> Ended:
    drive = PantographDrive().to(State.DC_CHARGE_LOOP)
    drive.send(dc.DCChargeLoopReq)
    drive.send(acdp.ACDPSystemStatusReq, ev_technical_status=test_acdp.status(**changes))
    return Ended(drive.session)


def unknown_contactors() -> Ended:
    drive = Drive().to(State.DC_CHARGE_LOOP)
    level: Any = None
    drive.book.tell(ev.ContactorsChanged(level))
    drive.send(dc.DCChargeLoopReq)
    return Ended(drive.session)


def service_anew(*, offered: bool) -> Ended:
    from iso15118.secc import SeccConfig
    from tests.secc.vehicle import ALL_SERVICES

    drive = Drive(config=SeccConfig(services=ALL_SERVICES, service_renegotiation=offered)).to(
        State.DC_WELDING_DETECTION
    )
    drive.send(cm.SessionStopReq, charging_session=cm.ChargingSession.ServiceRenegotiation)
    if offered:
        drive.book.tell(ev.TransportLost(TransportLoss.CLOSED))
    return Ended(drive.session)


def parameters() -> Ended:
    drive = Drive().to(State.DC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.request(dc.DCChargeParameterDiscoveryReq).dc_cpd_req_energy_transfer_mode
    low = replace(mode, ev_maximum_voltage=rational(1.0), ev_minimum_voltage=rational(0.0))
    drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=low)
    return Ended(drive.session)


FAR: dict[str, Any] = {"epoch": datetime(2040, 1, 1, tzinfo=UTC).timestamp()}
ONGOING = "V2G_SECC_Ongoing_Performance_Time"
CASES: list[tuple[str, str, str, str, Callable[[], Ended]]] = [
    # code, side, timer, requirement of the edition
    ("schedule-not-offered", "evcc", "", "", lambda: profiled(profile((3600, FULL), tuple_id=2))),
    ("power-profile-refused", "evcc", "", "", lambda: profiled(profile((3600, FULL * 1.1)))),
    ("power-profile-violated", "evcc", "", "", violated),
    ("parameters-refused", "evcc", "", "", parameters),
    ("authorization-timeout", "secc", ONGOING, "[V2G2-713]", lambda: undecided_driver("iso20")),
    ("authorization-timeout", "secc", ONGOING, "[V2G2-713]", lambda: undecided_driver("iso2")),
    ("authorization-timeout", "secc", ONGOING, "[V2G2-713]", lambda: undecided_driver("din")),
    ("authorization-timeout", "secc", ONGOING, "[V2G2-713]", lambda: contract_by(Refusal.NOT_AVAILABLE)),
    ("contract-refused", "evcc", "", "", lambda: contract_by(Refusal.PROVIDER_UNKNOWN)),
    ("contract-refused", "evcc", "", "", lambda: contract_by(Refusal.REVOKED)),
    ("contract-refused", "evcc", "", "", lambda: of_iso2(**FAR)),
    ("signature-refused", "evcc", "", "", lambda: of_iso2("fresh")),
    ("challenge-refused", "evcc", "", "", lambda: of_iso2(changes={"gen_challenge": bytes(16)})),
    ("no-contract", "evcc", "", "", no_contract),
    ("receipt-refused", "evcc", "", "", receipt),
    ("evccid-mismatch", "evcc", "", "", misnamed),
    (
        "payment-not-offered",
        "evcc",
        "",
        "",
        lambda: of_iso2_request(
            Iso2State.PAYMENT_SERVICE_SELECTION,
            iso2.PaymentServiceSelectionReq,
            selected_payment_option=iso2.PaymentOption.Contract,
        ),
    ),
    (
        "energy-mode-not-offered",
        "evcc",
        "",
        "",
        lambda: of_iso2_request(
            Iso2State.CHARGE_PARAMETER_DISCOVERY,
            iso2.ChargeParameterDiscoveryReq,
            requested_energy_transfer_mode=iso2.EnergyTransferMode.AC_three_phase_core,
        ),
    ),
    (
        "parameters-refused",
        "evcc",
        "",
        "",
        lambda: of_iso2_request(
            Iso2State.CHARGE_PARAMETER_DISCOVERY,
            iso2.ChargeParameterDiscoveryReq,
            ev_charge_parameter=iso2_vehicle.dc_parameters(ev_maximum_current_limit=amperes(-1.0)),
        ),
    ),
    ("peer-malfunction", "evcc", "", "", vehicle_fault),
    ("peer-malfunction", "secc", "", "", lambda: din_station("CurrentDemand", "EVSE_Malfunction", "Valid")),
    (
        "peer-emergency",
        "secc",
        "",
        "",
        lambda: din_station("CurrentDemand", "EVSE_EmergencyShutdown", "Valid"),
    ),
    (
        "peer-emergency",
        "evcc",
        "",
        "",
        lambda: system_status(ev_error_code=acdp.ErrorCode.FAILED_EmergencyEvent),
    ),
    (
        "insulation-fault-reported",
        "secc",
        "",
        "",
        lambda: din_station("CurrentDemand", "EVSE_Ready", "Fault"),
    ),
    (
        "pilot-late",
        "evcc",
        "V2G_EVCC_ControlPilot",
        "[V2G2-847]",
        lambda: silent_pilot(iso2.CableCheckReq, Iso2State.CABLE_CHECK),
    ),
    ("coupling-failed", "link", "", "", lambda: pantograph(replace(HERE, in_position=False))),
    ("wrong-place", "evcc", "", "", lambda: pantograph(replace(HERE, associated=False))),
    ("coupling-timeout", "secc", ONGOING, "", lambda: pantograph(waited=56.0)),
    ("vehicle-may-move", "evcc", "", "", lambda: system_status(ev_immobilized=False)),
    ("contactor-failed", "secc", "", "[V2G20-860] [V2G20-862]", unknown_contactors),
    ("service-renegotiation-refused", "evcc", "", "", lambda: service_anew(offered=False)),
    ("left-early", "evcc", "", "", lambda: service_anew(offered=True)),
]


@pytest.mark.parametrize(
    ("code", "side", "timer", "requirement", "made"),
    CASES,
    ids=[f"{n}-{one[0]}" for n, one in enumerate(CASES)],
)
def test_a_session_ends_with_this_cause(
    code: str, side: str, timer: str, requirement: str, made: Callable[[], Ended]
) -> None:
    session, edition = made()
    ended = session.ended
    assert ended is not None, session.state
    cause = cause_of(ended.reason, ended.cause)
    assert cause.code == code, ended
    role = "evcc" if type(session).__name__.startswith("Evcc") else "secc"
    assert (cause.side.of(role), cause.timer, cause.requirement(edition)) == (side, timer, requirement)
