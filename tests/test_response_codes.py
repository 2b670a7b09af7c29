"""Every ResponseCode of ISO 15118-20: a station of ours says it in the case that is written here, or
there is a reason why none does.

That a vehicle of ours takes each of them in every state is in tests/evcc/test_matrix.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc.config import Identification
from iso15118.messages.iso20 import acdp, dc, wpt
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import floor_rational, rational
from iso15118.pnc.contracts import Refusal
from iso15118.secc import SeccConfig
from iso15118.secc.iso20.sequence import State
from iso15118.secc.renegotiation_settings import RenegotiationSettings
from iso15118.secc.schedule_settings import ScheduleSeccSettings
from iso15118.session import events as ev
from iso15118.session.services import ServiceID
from iso15118.simulation.backend import ContractBackend
from tests.pair.contracts import contract_pair, issued, trust
from tests.pair.test_plug_and_charge import Heard
from tests.secc.pad import PadDrive, lists
from tests.secc.pantograph import HERE, PantographDrive
from tests.secc.test_beside import LoopDrive
from tests.secc.test_pause import back, ticket
from tests.secc.vehicle import ALL_SERVICES, BATTERY_V, Drive, held_back

Code = ResponseCode
Progress = cm.ChargeProgress

NEVER_SAID = {
    Code.FAILED_ScheduleRenegotiation: "a renegotiation that fails leaves the old schedule in force, which is no reason to end a charge",
}
"""Codes that no station of this package says, each with the reason."""


def config(**changes: Any) -> SeccConfig:
    return SeccConfig(services=ALL_SERVICES, **changes)


def at(state: State, **changes: Any) -> Drive:
    return Drive(config=config(**changes)).to(state)


def loop(drive: Drive, **changes: Any) -> Any:
    drive.measure(BATTERY_V, 100.0)
    return drive.send(dc.DCChargeLoopReq, **changes)


def profile(
    watts: float, said: cm.PowerToleranceAcceptance | None = None, tuple_id: int = 1
) -> cm.EVPowerProfile:
    entry = cm.PowerScheduleEntry(duration=3600, power=floor_rational(watts))
    return cm.EVPowerProfile(
        time_anchor=1_790_000_000,
        evppt_control_mode=cm.ScheduledEVPPTControlMode(
            selected_schedule_tuple_id=tuple_id, power_tolerance_acceptance=said
        ),
        ev_power_profile_entries=cm.EVPowerProfileEntryList(ev_power_profile_entry=(entry,)),
    )


def started(watts: float, said: str | None = None, tuple_id: int = 1, **changes: Any) -> Any:
    """The answer to PowerDelivery(Start) with such a profile."""
    acceptance = None if said is None else cm.PowerToleranceAcceptance(f"PowerTolerance{said}")
    drive = at(State.POWER_DELIVERY, **changes)
    answer = drive.send(cm.PowerDeliveryReq, ev_power_profile=profile(watts, acceptance, tuple_id))
    if answer is not None:
        return answer
    drive.book.tell(ev.ContactorsChanged(True))
    return drive.book.sends(cm.PowerDeliveryRes)


def violated(seconds: float) -> Any:
    """The charge loop after more power than the vehicle's own profile for so long."""
    drive = at(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq, ev_power_profile=profile(50_000.0))
    drive.book.tell(ev.ContactorsChanged(True))
    answer = loop(drive)
    until = drive.book.now + seconds
    while drive.book.now < until and drive.session.ended is None:
        drive.book.wait(0.25)
        answer = loop(drive)
    return answer


def authorization(refusal: Refusal) -> Any:
    heard = Heard()
    contract_pair(
        "p521",
        "contract-0",
        backend=ContractBackend(trust(issued("p521")), lambda claim: refusal),
        on_message=heard,
        evcc={"identification": (Identification.PNC,)},
    ).run()
    return heard.of(cm.AuthorizationRes)[-1]


def soon_over() -> Any:
    heard = Heard()
    contract_pair("p521", "contract-0", on_message=heard, secc={"contract_expiry_days": 3650.0}).run()
    return heard.of(cm.AuthorizationRes)[-1]


def installation(refusal: Refusal) -> Any:
    from tests.secc.test_plug_and_charge import drive

    one = drive()
    one.send(cm.CertificateInstallationReq)
    request = one.session._facts.installation
    assert request is not None
    one.book.tell(ev.ContractCertificateAnswered(None, refusal, request.asked))
    return one.book.sends(cm.CertificateInstallationRes)


def other_bus() -> Any:
    drive = PantographDrive().to(State.ACDP_CONNECT)
    drive.place = replace(HERE, associated=False)
    return drive.send(acdp.ACDPConnectReq)


def metering() -> Any:
    from tests.secc.test_plug_and_charge import in_the_loop

    one = in_the_loop()
    one.book.tell(ev.MeterRead("M1", 4711.0))
    one.book.wait(0.2)
    one.send(dc.DCChargeLoopReq)
    return one.send(cm.MeteringConfirmationReq)


def eim_refused() -> Any:
    drive = at(State.AUTHORIZATION)
    drive.send(cm.AuthorizationReq)
    drive.book.tell(ev.AuthorizationDecided(False))
    return drive.send(cm.AuthorizationReq)


def not_offered() -> Any:
    mode = cm.PnCAReqAuthorizationMode(
        id="id1",
        gen_challenge=bytes(16),
        contract_certificate_chain=cm.ContractCertificateChain(
            certificate=b"\x30\x00", sub_certificates=cm.SubCertificates(certificate=(b"\x30\x00",))
        ),
    )
    return at(State.AUTHORIZATION).send(
        cm.AuthorizationReq,
        selected_authorization_service=cm.Authorization.PnC,
        a_req_authorization_mode=mode,
    )


def beside() -> Any:
    drive = LoopDrive(config=config(renegotiation=RenegotiationSettings(beside_the_loop=False)))
    drive.to(State.DC_CHARGE_LOOP)
    return drive.beside(cm.ScheduleExchangeReq)


def contactor() -> Any:
    drive = at(State.POWER_DELIVERY)
    drive.send(cm.PowerDeliveryReq)
    drive.book.wait(2.0)
    return drive.book.sends(cm.PowerDeliveryRes)


def not_applied() -> Any:
    drive = at(State.POWER_DELIVERY)
    drive.measure(BATTERY_V - 100.0)
    return held_back(drive, drive.send(cm.PowerDeliveryReq))


def emergency() -> Any:
    drive = at(State.DC_CHARGE_LOOP)
    drive.book.tell(ev.EmergencyShutdown("test"))
    return loop(drive)


def foreign() -> Any:
    drive = at(State.SCHEDULE_EXCHANGE)
    drive.session_id = b"\xee" * 8
    return drive.send(cm.ScheduleExchangeReq)


def service(chosen: int, parameter_set: int) -> Any:
    selected = cm.SelectedService(service_id=chosen, parameter_set_id=parameter_set)
    return at(State.SERVICE_SELECTION).send(cm.ServiceSelectionReq, selected_energy_transfer_service=selected)


def wrong_parameter() -> Any:
    drive = at(State.DC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.cpd_mode(ev_maximum_charge_power=rational(-1.0))
    return drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=mode)


def stop(state: State, session: cm.ChargingSession, **changes: Any) -> Any:
    return at(state, **changes).send(cm.SessionStopReq, charging_session=session)


def no_choice() -> Any:
    """Two methods of positioning where one is to be chosen."""
    drive = PadDrive().to(State.AUTHORIZATION_SETUP)
    methods = (wpt.WPTFinePositioningMethod.Manual, wpt.WPTFinePositioningMethod.LPE)
    return drive.send(wpt.WPTFinePositioningSetupReq, **lists(positioning=methods))


TOLERANT: dict[str, Any] = {"power_tolerance_w": 500.0}
SAID: dict[ResponseCode, Callable[[], Any]] = {
    Code.OK: lambda: at(State.AUTHORIZATION_SETUP).send(cm.AuthorizationSetupReq),
    Code.OK_CertificateExpiresSoon: soon_over,
    Code.OK_NewSessionEstablished: lambda: at(State.SESSION_SETUP).send(cm.SessionSetupReq),
    Code.OK_OldSessionJoined: lambda: back(ticket())[1],
    Code.OK_PowerToleranceConfirmed: lambda: started(1e5, "Confirmed", **TOLERANT),
    Code.WARNING_PowerToleranceNotConfirmed: lambda: started(1e5, "NotConfirmed", **TOLERANT),
    Code.FAILED_PowerToleranceNotConfirmed: lambda: started(
        1e5, "NotConfirmed", **TOLERANT, schedules=ScheduleSeccSettings(require_tolerance=True)
    ),
    Code.WARNING_AuthorizationSelectionInvalid: not_offered,
    Code.WARNING_CertificateExpired: lambda: authorization(Refusal.EXPIRED),
    Code.WARNING_CertificateNotYetValid: lambda: authorization(Refusal.NOT_YET_VALID),
    Code.WARNING_CertificateRevoked: lambda: authorization(Refusal.REVOKED),
    Code.WARNING_CertificateValidationError: lambda: authorization(Refusal.CHAIN),
    Code.WARNING_ChallengeInvalid: lambda: authorization(Refusal.CHALLENGE),
    Code.WARNING_eMSPUnknown: lambda: authorization(Refusal.PROVIDER_UNKNOWN),
    Code.WARNING_GeneralPnCAuthorizationError: lambda: authorization(Refusal.REJECTED),
    Code.FAILED_SignatureError: lambda: authorization(Refusal.SIGNATURE),
    Code.WARNING_EIMAuthorizationFailure: eim_refused,
    Code.WARNING_EVPowerProfileViolation: lambda: violated(6.0),
    Code.FAILED_EVPowerProfileViolation: lambda: violated(61.0),
    Code.WARNING_NoCertificateAvailable: lambda: installation(Refusal.REJECTED),
    Code.WARNING_NoContractMatchingPCIDFound: lambda: installation(Refusal.NO_CONTRACT),
    Code.WARNING_ScheduleRenegotiationFailed: beside,
    Code.WARNING_WPT: no_choice,
    Code.WARNING_StandbyNotAllowed: lambda: at(State.DC_CABLE_CHECK).send(
        cm.PowerDeliveryReq, charge_progress=Progress.Standby
    ),
    Code.FAILED: emergency,
    Code.FAILED_AssociationError: other_bus,
    Code.FAILED_ContactorError: contactor,
    Code.FAILED_EVPowerProfileInvalid: lambda: started(9e6),
    Code.FAILED_ScheduleSelectionInvalid: lambda: started(1e5, tuple_id=9),
    Code.FAILED_MeteringSignatureNotValid: metering,
    Code.FAILED_NoEnergyTransferServiceSelected: lambda: service(64, 1),
    Code.FAILED_ServiceSelectionInvalid: lambda: service(int(ServiceID.DC), 99),
    Code.FAILED_NoServiceRenegotiationSupported: lambda: stop(
        State.SESSION_STOP, cm.ChargingSession.ServiceRenegotiation
    ),
    Code.FAILED_PauseNotAllowed: lambda: stop(
        State.SESSION_STOP, cm.ChargingSession.Pause, allow_pause=False
    ),
    Code.FAILED_PowerDeliveryNotApplied: not_applied,
    Code.FAILED_SequenceError: lambda: at(State.SERVICE_DISCOVERY).send(cm.ScheduleExchangeReq),
    Code.FAILED_ServiceIDInvalid: lambda: at(State.SERVICE_DETAIL).send(cm.ServiceDetailReq, service_id=4711),
    Code.FAILED_UnknownSession: foreign,
    Code.FAILED_WrongChargeParameter: wrong_parameter,
}


def test_every_code_has_its_case_or_its_reason() -> None:
    assert SAID.keys() | NEVER_SAID.keys() == set(ResponseCode)
    assert SAID.keys().isdisjoint(NEVER_SAID)
    assert all(NEVER_SAID.values())


@pytest.mark.parametrize("code", list(SAID), ids=lambda code: code.value)
def test_a_station_says_it(code: ResponseCode) -> None:
    response = SAID[code]()
    assert response.response_code is code
    processing = getattr(response, "evse_processing", None)
    if code.value.startswith("WARNING") and processing is not None and "Renegotiation" not in code.value:
        assert processing is Processing.Finished  # the vehicle may correct itself [V2G20-2219]


def test_what_is_never_said_is_not_in_the_code() -> None:
    """A reason would outlive its truth otherwise."""
    from pathlib import Path

    import iso15118.secc.iso20 as station

    text = "".join(path.read_text(encoding="utf-8") for path in Path(station.__path__[0]).glob("*.py"))
    for code in NEVER_SAID:
        assert f"Code.{code.name}" not in text, code
