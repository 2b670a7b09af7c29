"""Responses: the pair of every request, and a refusal with its mandatory fields filled.

A refusal is always the right response message [V2G2-736]; what its other fields say is neutral, or last
known, and a DC vehicle reads EVSE_Shutdown in it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from iso15118.messages import iso2
from iso15118.messages.neutral import mandatory
from iso15118.messages.neutral import neutral as neutral_value
from iso15118.session.edition import Fault

from .context import Context
from .status import ac_status, dc_status

__all__ = [
    "CHALLENGE_OCTETS",
    "CODES",
    "RESPONSES",
    "SERVICE_CERTIFICATE",
    "SERVICE_CHARGE",
    "charge_service",
    "neutral",
    "payment_options",
]

Code = iso2.ResponseCode

SERVICE_CHARGE: Final = 1
SERVICE_CERTIFICATE: Final = 2
CHALLENGE_OCTETS: Final = 16

CODES: dict[Fault, iso2.ResponseCode] = {
    Fault.FAILED: Code.FAILED,
    Fault.SEQUENCE: Code.FAILED_SequenceError,  # [V2G2-459, V2G2-538]
    Fault.UNKNOWN_SESSION: Code.FAILED_UnknownSession,  # [V2G2-460]
    Fault.SERVICE_ID: Code.FAILED_ServiceIDInvalid,  # [V2G2-425, V2G2-464]
    Fault.SERVICE_SELECTION: Code.FAILED_ServiceSelectionInvalid,  # [V2G2-467]
    Fault.NO_ENERGY_SERVICE: Code.FAILED_NoChargeServiceSelected,  # [V2G2-804]
    Fault.PAYMENT_SELECTION: Code.FAILED_PaymentSelectionInvalid,  # [V2G2-465]
    Fault.ENERGY_TRANSFER_MODE: Code.FAILED_WrongEnergyTransferMode,  # [V2G2-476]
    Fault.CHARGE_PARAMETER: Code.FAILED_WrongChargeParameter,  # [V2G2-477]
    Fault.SCHEDULE: Code.FAILED_TariffSelectionInvalid,  # [V2G2-479]
    Fault.POWER_PROFILE: Code.FAILED_ChargingProfileInvalid,  # [V2G2-225, V2G2-478]
    Fault.POWER_PROFILE_VIOLATED: Code.FAILED_ChargingProfileInvalid,  # there is no other word for it
    Fault.NOT_APPLIED: Code.FAILED_PowerDeliveryNotApplied,  # [V2G2-480]
    Fault.ASSOCIATION: Code.FAILED,  # only -20 has a connection device
    Fault.CONTACTOR: Code.FAILED_ContactorError,  # [V2G2-862, V2G2-865]
    Fault.SIGNATURE: Code.FAILED_SignatureError,
    Fault.CHALLENGE: Code.FAILED_ChallengeInvalid,  # [V2G2-475]
    Fault.CERTIFICATE: Code.FAILED_CertChainError,
    Fault.METERING_SIGNATURE: Code.FAILED_MeteringSignatureNotValid,  # [V2G2-481]
    Fault.PAUSE: Code.FAILED,  # [V2G2-739]
    Fault.SERVICE_RENEGOTIATION: Code.FAILED,  # ISO 15118-2 knows none
}
"""What ISO 15118-2 says to each fault."""

RESPONSES: dict[type, type] = {
    getattr(iso2, name): getattr(iso2, f"{name[:-3]}Res") for name in iso2.__all__ if name.endswith("Req")
}
"""Request class -> response class."""

_UNITS = {"voltage": iso2.UnitSymbol.V, "current": iso2.UnitSymbol.A}


def neutral(request: Any, ctx: Context, code: iso2.ResponseCode) -> iso2.V2GMessage:
    """The response to ``request`` that says ``code`` and nothing else."""
    kind = RESPONSES[type(request)]
    fields: dict[str, Any] = {"response_code": code}
    for name, part in mandatory(kind):
        if name not in fields:
            make = _BY_FIELD.get(name)
            fields[name] = neutral_value(part, _known(name)) if make is None else make(request, ctx)
    return ctx.envelope(kind(**fields))


def _known(name: str) -> dict[Any, Any]:
    """A quantity in the unit of its field."""
    unit = next((unit for what, unit in _UNITS.items() if what in name), iso2.UnitSymbol.W)
    return {iso2.PhysicalValue: iso2.PhysicalValue(multiplier=0, unit=unit, value=0)}


def payment_options(ctx: Context) -> iso2.PaymentOptionList:
    """What is offered, in the station's order."""
    return iso2.PaymentOptionList(payment_option=ctx.payments)


def charge_service(ctx: Context) -> iso2.ChargeService:
    """The service of charging, with the ways that are offered."""
    return iso2.ChargeService(
        service_id=SERVICE_CHARGE,
        service_category=iso2.ServiceCategory.EVCharging,
        free_service=False,
        supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(energy_transfer_mode=ctx.modes),
    )


# What the type cannot say: the rules beside the schema, and what is known better than nothing.
_BY_FIELD: dict[str, Callable[[Any, Context], Any]] = {
    "evse_processing": lambda request, ctx: iso2.EVSEProcessing.Finished,
    "evseid": lambda request, ctx: ctx.facts.config.evse_id,
    "sa_schedule_tuple_id": lambda request, ctx: ctx.tuple_id,
    "service_id": lambda request, ctx: getattr(request, "service_id", SERVICE_CHARGE),
    "payment_option_list": lambda request, ctx: payment_options(ctx),
    "charge_service": lambda request, ctx: charge_service(ctx),
    "gen_challenge": lambda request, ctx: secrets.token_bytes(CHALLENGE_OCTETS),
    "evse_charge_parameter": lambda request, ctx: ctx.part.offer(ctx, refused=True),
    "contract_signature_encrypted_private_key": lambda request, ctx: (
        iso2.ContractSignatureEncryptedPrivateKey(id="id2", value=bytes(48))
    ),
    "dhpublickey": lambda request, ctx: iso2.DiffieHellmanPublickey(id="id3", value=bytes(65)),
    "emaid": lambda request, ctx: iso2.EMAID(id="id4", value="ZZ000000000000"),
    "evse_status": lambda request, ctx: ctx.part.status(ctx),
    "ac_evse_status": lambda request, ctx: ac_status(ctx),
    "dc_evse_status": lambda request, ctx: dc_status(ctx),
}
