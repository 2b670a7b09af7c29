"""Responses: the pair of every request of DIN 70121, the envelope around it, and a refusal with
its mandatory fields filled.

The fields of a refusal follow from the type of the response; only the status, the limits
and the identity say something.
"""

from __future__ import annotations

from typing import Any, Final

from iso15118.messages import din
from iso15118.messages.neutral import neutral
from iso15118.session.edition import Fault

from .context import SERVICE_ID, Context
from .status import refusing
from .wire import offer, offered_limits, schedules

__all__ = ["CODES", "PAIRS", "charge_service", "evse_id", "refusal", "reply"]

Code = din.ResponseCode

CODES: Final[dict[Fault, din.ResponseCode]] = {
    Fault.FAILED: Code.FAILED,  # [V2G-DC-393]
    Fault.SEQUENCE: Code.FAILED_SequenceError,  # [V2G-DC-390]
    Fault.UNKNOWN_SESSION: Code.FAILED_UnknownSession,  # [V2G-DC-391]
    Fault.SERVICE_ID: Code.FAILED_ServiceIDInvalid,  # of ServiceDetail, which is not served
    Fault.SERVICE_SELECTION: Code.FAILED_ServiceSelectionInvalid,  # [V2G-DC-396]
    Fault.NO_ENERGY_SERVICE: Code.FAILED_ServiceSelectionInvalid,  # [V2G-DC-396]
    Fault.PAYMENT_SELECTION: Code.FAILED_PaymentSelectionInvalid,  # [V2G-DC-395]
    Fault.ENERGY_TRANSFER_MODE: Code.FAILED_WrongEnergyTransferType,  # [V2G-DC-397]
    Fault.CHARGE_PARAMETER: Code.FAILED_WrongChargeParameter,  # [V2G-DC-398]
    Fault.SCHEDULE: Code.FAILED_TariffSelectionInvalid,  # [V2G-DC-400]
    Fault.POWER_PROFILE: Code.FAILED_ChargingProfileInvalid,  # [V2G-DC-399]
    Fault.POWER_PROFILE_VIOLATED: Code.FAILED,  # no such code: the limits of the loop hold
    Fault.NOT_APPLIED: Code.FAILED_PowerDeliveryNotApplied,  # [V2G-DC-401]
    Fault.ASSOCIATION: Code.FAILED,  # only -20 has a connection device
    Fault.CONTACTOR: Code.FAILED_PowerDeliveryNotApplied,  # [V2G-DC-401], the nearest there is
    Fault.SIGNATURE: Code.FAILED_SignatureError,  # no payment by contract
    Fault.CHALLENGE: Code.FAILED_ChallengeInvalid,  # likewise
    Fault.CERTIFICATE: Code.FAILED_CertChainError,  # likewise
    Fault.METERING_SIGNATURE: Code.FAILED_MeteringSignatureNotValid,  # likewise
    Fault.PAUSE: Code.FAILED,  # no pause
    Fault.SERVICE_RENEGOTIATION: Code.FAILED,  # no renegotiation
}
"""What DIN 70121 says to each fault."""

PAIRS: Final[dict[type, type]] = {
    getattr(din, name): getattr(din, name.removesuffix("Req") + "Res")
    for name in din.__all__
    if name.endswith("Req") or name == "SessionStop"
}
"""Request class -> response class, of every request that the schema has."""


def reply(ctx: Context, body: Any) -> din.V2GMessage:
    """A response in its envelope."""
    return din.V2GMessage(header=ctx.header(), body=din.Body(body_element=body))


def evse_id(ctx: Context) -> bytes:
    """EVSEID: the octets of the text; 0 where there is none."""
    return ctx.facts.config.evse_id.encode("ascii")


def charge_service(ctx: Context) -> din.ServiceCharge:
    """The one service."""
    return din.ServiceCharge(
        service_tag=din.ServiceTag(service_id=SERVICE_ID, service_category=din.ServiceCategory.EVCharging),
        free_service=False,
        energy_transfer_type=din.EVSESupportedEnergyTransfer[ctx.settings.energy_transfer],
    )


def refusal(request: Any, ctx: Context, code: din.ResponseCode) -> din.V2GMessage:
    """The response to ``request`` that says ``code`` and nothing else."""
    facts, status = ctx.facts, refusing(ctx)
    limits = facts.offered or offered_limits(facts.hardware)
    known: dict[Any, Any] = {
        din.ResponseCode: code,
        din.EVSEProcessing: din.EVSEProcessing.Finished,
        din.DCEVSEStatus: status,
        din.DCEVSEChargeParameter: offer(limits, status, ctx.settings),
        din.SAScheduleList: schedules(limits),
        din.ServiceCharge: charge_service(ctx),
        din.PaymentOption: din.PaymentOption.ExternalPayment,
        bytes: evse_id(ctx),
    }
    return reply(ctx, neutral(PAIRS[type(request)], known))
