"""Responses: the pair of every request, and a refusal with its mandatory fields filled.

A refusal is always the right response message [V2G20-736]; what its other fields say carries no meaning, so
they are neutral and the
same every time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.session.actions import Action, EndReason
from iso15118.session.services import SERVICES, ControlMode, ServiceID

from .context import Context
from .sequence import State
from .wire import offer

__all__ = ["REQUESTS", "Reply", "Wait", "refusal"]


class Reply(Struct, frozen=True):
    """What a handler answers: the response, the state that follows, what the hardware has to do before, and
    whether that is the end.

    With ``end`` set the session is over after the response, whatever ``next`` says.
    """

    response: Any
    next: State
    before: tuple[Action, ...] = ()
    end: EndReason | None = None
    detail: str = ""
    rule: str = ""
    """The supervision's rule that is the reason for ``end``."""


class Wait(Struct, frozen=True):
    """A handler cannot answer before the hardware did: carry out ``before`` and ask ``finish`` again on every
    event, at the latest at ``deadline``.

    ``finish(context, timed_out)`` gives the reply or None to go on waiting; with ``timed_out`` it must give
    one.
    """

    before: tuple[Action, ...]
    deadline: float
    finish: Callable[[Context, bool], Reply | None]


def refusal(request: Any, ctx: Context, code: ResponseCode) -> Any:
    """The response to ``request`` that says ``code`` and nothing else."""
    response, neutral = REQUESTS[type(request)]
    return response(header=ctx.header(), response_code=code, **neutral(ctx))


_ZERO = RationalNumber(exponent=0, value=0)
_DC = SERVICES[ServiceID.DC]


def _nothing(ctx: Context) -> dict[str, Any]:
    return {}


def _loop_control_mode(ctx: Context) -> Any:
    service = ctx.service or _DC
    if ctx.control_mode is ControlMode.DYNAMIC:
        if ctx.wire is not None:
            return ctx.wire.control_mode(service.dynamic_res)
        return dc.DynamicDCCLResControlMode(
            evse_maximum_charge_power=_ZERO,
            evse_minimum_charge_power=_ZERO,
            evse_maximum_charge_current=_ZERO,
            evse_maximum_voltage=_ZERO,
        )
    return service.scheduled_res()


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
    return cm.ServiceList(
        service=tuple(cm.Service(service_id=s, free_service=False) for s in ctx.config.services)
    )


REQUESTS: dict[type, tuple[type, Callable[[Context], dict[str, Any]]]] = {
    cm.SessionSetupReq: (cm.SessionSetupRes, lambda ctx: {"evseid": ctx.config.evse_id}),
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
            "service_renegotiation_supported": ctx.config.service_renegotiation,
            "energy_transfer_service_list": _services(ctx),
        },
    ),
    cm.ServiceDetailReq: (
        cm.ServiceDetailRes,
        lambda ctx: {
            "service_id": ctx.config.services[0],
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
    dc.DCChargeParameterDiscoveryReq: (
        dc.DCChargeParameterDiscoveryRes,
        lambda ctx: {
            "dc_cpd_res_energy_transfer_mode": offer(ctx.offered or ctx.hardware, ctx.service or _DC)
        },
    ),
    cm.ScheduleExchangeReq: (
        cm.ScheduleExchangeRes,
        lambda ctx: {
            "evse_processing": Processing.Finished,
            "se_res_control_mode": _schedule_control_mode(ctx),
        },
    ),
    dc.DCCableCheckReq: (dc.DCCableCheckRes, lambda ctx: {"evse_processing": Processing.Finished}),
    dc.DCPreChargeReq: (dc.DCPreChargeRes, lambda ctx: {"evse_present_voltage": _ZERO}),
    cm.PowerDeliveryReq: (cm.PowerDeliveryRes, _nothing),
    dc.DCChargeLoopReq: (
        dc.DCChargeLoopRes,
        lambda ctx: {
            "evse_present_current": _ZERO,
            "evse_present_voltage": _ZERO,
            "evse_power_limit_achieved": False,
            "evse_current_limit_achieved": False,
            "evse_voltage_limit_achieved": False,
            "cl_res_control_mode": _loop_control_mode(ctx),
        },
    ),
    dc.DCWeldingDetectionReq: (dc.DCWeldingDetectionRes, lambda ctx: {"evse_present_voltage": _ZERO}),
    cm.MeteringConfirmationReq: (cm.MeteringConfirmationRes, _nothing),
    cm.SessionStopReq: (cm.SessionStopRes, _nothing),
    cm.VehicleCheckInReq: (cm.VehicleCheckInRes, _nothing),
    cm.VehicleCheckOutReq: (
        cm.VehicleCheckOutRes,
        lambda ctx: {"evse_check_out_status": cm.EvseCheckOutStatus.Completed},
    ),
}
"""Request class -> response class and the neutral values of its mandatory fields."""
