"""Responses: the pair of every request, and a refusal with its mandatory fields filled.

A refusal is always the right response message [V2G20-736]; what its other fields say carries no meaning, so
they are neutral and the
same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.session.edition import Fault
from iso15118.session.services import ControlMode

from .context import Context

__all__ = ["CODES", "RESPONSES", "neutral"]


CODES: dict[Fault, ResponseCode] = {
    Fault.FAILED: ResponseCode.FAILED,
    Fault.SEQUENCE: ResponseCode.FAILED_SequenceError,  # [V2G20-459]
    Fault.UNKNOWN_SESSION: ResponseCode.FAILED_UnknownSession,  # [V2G20-460]
    Fault.SERVICE_ID: ResponseCode.FAILED_ServiceIDInvalid,  # [V2G20-425, V2G20-464]
    Fault.SERVICE_SELECTION: ResponseCode.FAILED_ServiceSelectionInvalid,  # [V2G20-467]
    Fault.NO_ENERGY_SERVICE: ResponseCode.FAILED_NoEnergyTransferServiceSelected,  # [V2G20-1618]
    Fault.PAYMENT_SELECTION: ResponseCode.FAILED,  # -20 answers it with a warning
    Fault.ENERGY_TRANSFER_MODE: ResponseCode.FAILED_ServiceSelectionInvalid,
    Fault.CHARGE_PARAMETER: ResponseCode.FAILED_WrongChargeParameter,  # [V2G20-2272]
    Fault.SCHEDULE: ResponseCode.FAILED_ScheduleSelectionInvalid,
    Fault.POWER_PROFILE: ResponseCode.FAILED_EVPowerProfileInvalid,
    Fault.POWER_PROFILE_VIOLATED: ResponseCode.FAILED_EVPowerProfileViolation,  # [V2G20-1864]
    Fault.NOT_APPLIED: ResponseCode.FAILED_PowerDeliveryNotApplied,
    Fault.CONTACTOR: ResponseCode.FAILED_ContactorError,  # [V2G20-860, V2G20-862]
    Fault.ASSOCIATION: ResponseCode.FAILED_AssociationError,
    Fault.SIGNATURE: ResponseCode.FAILED_SignatureError,  # [V2G20-461]
    Fault.CHALLENGE: ResponseCode.FAILED,  # -20 answers it with a warning
    Fault.CERTIFICATE: ResponseCode.FAILED,  # likewise
    Fault.METERING_SIGNATURE: ResponseCode.FAILED_MeteringSignatureNotValid,  # [V2G2-481]
    Fault.PAUSE: ResponseCode.FAILED_PauseNotAllowed,
    Fault.SERVICE_RENEGOTIATION: ResponseCode.FAILED_NoServiceRenegotiationSupported,
}
"""What ISO 15118-20 says to each fault."""


def neutral(request: Any, ctx: Context, code: ResponseCode) -> Any:
    """The response to ``request`` that says ``code`` and nothing else."""
    kind = type(request)
    response, fields = ctx.part.responses.get(kind) or RESPONSES[kind]
    return response(header=ctx.header(), response_code=code, **fields(ctx))


_ZERO = RationalNumber(exponent=0, value=0)


def _nothing(ctx: Context) -> dict[str, Any]:
    return {}


def _schedule_control_mode(ctx: Context) -> Any:
    if ctx.control_mode is ControlMode.DYNAMIC:
        return cm.DynamicSEResControlMode()
    entry = cm.PowerScheduleEntry(duration=0, power=_ZERO)
    schedule = cm.PowerSchedule(
        time_anchor=0, power_schedule_entries=cm.PowerScheduleEntryList(power_schedule_entry=(entry,))
    )
    return cm.ScheduledSEResControlMode(
        schedule_tuple=(
            cm.ScheduleTuple(
                schedule_tuple_id=1, charging_schedule=cm.ChargingSchedule(power_schedule=schedule)
            ),
        )
    )


def _installation(ctx: Context) -> dict[str, Any]:
    return {
        "evse_processing": Processing.Finished,
        "cps_certificate_chain": cm.CertificateChain(certificate=b""),
        "signed_installation_data": cm.SignedInstallationData(
            id="id0",
            contract_certificate_chain=cm.ContractCertificateChain(
                certificate=b"", sub_certificates=cm.SubCertificates(certificate=(b"",))
            ),
            ecdh_curve=cm.EcdhCurve.SECP521,
            dh_public_key=bytes(133),
            secp521_encrypted_private_key=bytes(94),
        ),
        "remaining_contract_certificate_chains": 0,
    }


def _services(ctx: Context) -> cm.ServiceList:
    return cm.ServiceList(service=tuple(cm.Service(service_id=s, free_service=False) for s in ctx.services))


RESPONSES: dict[type, tuple[type, Callable[[Context], dict[str, Any]]]] = {
    cm.SessionSetupReq: (cm.SessionSetupRes, lambda ctx: {"evseid": ctx.facts.config.evse_id}),
    cm.AuthorizationSetupReq: (
        cm.AuthorizationSetupRes,
        lambda ctx: {
            "authorization_services": (cm.Authorization.EIM,),
            "certificate_installation_service": False,
            "as_res_authorization_mode": cm.EIMASResAuthorizationMode(),
        },
    ),
    cm.AuthorizationReq: (cm.AuthorizationRes, lambda ctx: {"evse_processing": Processing.Finished}),
    cm.CertificateInstallationReq: (cm.CertificateInstallationRes, _installation),
    cm.ServiceDiscoveryReq: (
        cm.ServiceDiscoveryRes,
        lambda ctx: {
            "service_renegotiation_supported": ctx.facts.config.service_renegotiation,
            "energy_transfer_service_list": _services(ctx),
        },
    ),
    cm.ServiceDetailReq: (
        cm.ServiceDetailRes,
        lambda ctx: {
            "service_id": ctx.services[0],
            "service_parameter_list": cm.ServiceParameterList(
                parameter_set=(
                    cm.ParameterSet(
                        parameter_set_id=0, parameter=(cm.Parameter(name="Connector", int_value=0),)
                    ),
                )
            ),
        },
    ),
    cm.ServiceSelectionReq: (cm.ServiceSelectionRes, _nothing),
    cm.ScheduleExchangeReq: (
        cm.ScheduleExchangeRes,
        lambda ctx: {
            "evse_processing": Processing.Finished,
            "se_res_control_mode": _schedule_control_mode(ctx),
        },
    ),
    cm.PowerDeliveryReq: (cm.PowerDeliveryRes, _nothing),
    cm.MeteringConfirmationReq: (cm.MeteringConfirmationRes, _nothing),
    cm.SessionStopReq: (cm.SessionStopRes, _nothing),
    cm.VehicleCheckInReq: (cm.VehicleCheckInRes, _nothing),
    cm.VehicleCheckOutReq: (
        cm.VehicleCheckOutRes,
        lambda ctx: {"evse_check_out_status": cm.EvseCheckOutStatus.Completed},
    ),
}
"""Request class -> response class and the neutral values of its mandatory fields."""
