"""The DC family of ISO 15118-20: the rows, stages and handlers that DC, DC_BPT, MCS and
MCS_BPT add to the common table."""

from __future__ import annotations

from typing import Any

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, RationalNumber
from iso15118.session.edition import Stage
from iso15118.session.services import SERVICES, ControlMode, Namespace, ServiceID
from iso15118.timing import Timer

from . import delivery, loop, parameters, telling
from .context import Context
from .sequence import Part, State, row
from .wire import offer

__all__ = ["DC", "TOLERATED"]

S = State
_ZERO = RationalNumber(exponent=0, value=0)
_DC = SERVICES[ServiceID.DC]


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


DC = Part(
    name="DC",
    schema="iso20-dc",
    namespace=Namespace.DC.value,
    parameters=S.DC_CHARGE_PARAMETER_DISCOVERY,
    ready=S.DC_CABLE_CHECK,
    loop=S.DC_CHARGE_LOOP,
    after=S.DC_WELDING_DETECTION,
    rows={
        S.DC_CHARGE_PARAMETER_DISCOVERY: {
            dc.DCChargeParameterDiscoveryReq: row("V2G20-2272", S.SCHEDULE_EXCHANGE),
        },
        S.DC_CABLE_CHECK: {
            dc.DCCableCheckReq: row("docs/sources.md", S.DC_CABLE_CHECK, S.DC_PRE_CHARGE),
            # A vehicle that only wanted a schedule goes to pause without ever taking power, or asks for
            # standby, which is not granted [V2G20-2122].
            (cm.PowerDeliveryReq, cm.ChargeProgress.Stop): row("V2G20-2122", S.SESSION_STOP),
            (cm.PowerDeliveryReq, cm.ChargeProgress.Standby): row("V2G20-2122", S.DC_CABLE_CHECK),
        },
        S.DC_PRE_CHARGE: {
            # EVProcessing Ongoing: pre-charge again; Finished: power delivery [V2G20-2005, V2G20-2006].
            dc.DCPreChargeReq: row("V2G20-2005, -2006", S.DC_PRE_CHARGE, S.POWER_DELIVERY),
        },
        S.DC_CHARGE_LOOP: {
            dc.DCChargeLoopReq: row("V2G20-1500", S.DC_CHARGE_LOOP),
        },
        S.DC_WELDING_DETECTION: {
            # The vehicle ends the poll by EVProcessing Finished; it may leave welding detection out.
            dc.DCWeldingDetectionReq: row("docs/sources.md", S.DC_WELDING_DETECTION, S.SESSION_STOP),
        },
    },
    handlers={
        dc.DCChargeParameterDiscoveryReq: parameters.charge_parameter_discovery,
        dc.DCCableCheckReq: delivery.cable_check,
        dc.DCPreChargeReq: delivery.pre_charge,
        cm.PowerDeliveryReq: delivery.power_delivery,
        dc.DCChargeLoopReq: loop.charge_loop,
        dc.DCWeldingDetectionReq: delivery.welding_detection,
    },
    stages=(
        (S.DC_CHARGE_PARAMETER_DISCOVERY, Stage(name=S.DC_CHARGE_PARAMETER_DISCOVERY.value)),
        (S.DC_CABLE_CHECK, Stage(name=S.DC_CABLE_CHECK.value, live=True, timer=Timer.CABLE_CHECK)),
        (S.DC_PRE_CHARGE, Stage(name=S.DC_PRE_CHARGE.value, live=True, timer=Timer.PRE_CHARGE)),
        (S.DC_CHARGE_LOOP, Stage(name=S.DC_CHARGE_LOOP.value, live=True, holds=True, lasts=True)),
        (
            S.DC_WELDING_DETECTION,
            Stage(
                name=S.DC_WELDING_DETECTION.value,
                refuses=False,
                timer=Timer.WELDING_DETECTION,
                limit="welding_detection_performance",
            ),
        ),
    ),
    responses={
        dc.DCChargeParameterDiscoveryReq: (
            dc.DCChargeParameterDiscoveryRes,
            lambda ctx: {
                "dc_cpd_res_energy_transfer_mode": offer(
                    ctx.facts.offered or ctx.facts.hardware,
                    ctx.service or _DC,
                    ctx.facts.config.discharge_limit_sign,
                )
            },
        ),
        dc.DCCableCheckReq: (dc.DCCableCheckRes, lambda ctx: {"evse_processing": Processing.Finished}),
        dc.DCPreChargeReq: (dc.DCPreChargeRes, lambda ctx: {"evse_present_voltage": _ZERO}),
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
    },
    loop_request=dc.DCChargeLoopReq,
    refresh=parameters.refresh_limits,
    advice=telling.unasked_reading,
    bounds=loop.present_bounds,
    declared=parameters.declared,
)

TOLERATED: dict[tuple[State, type], State] = {
    # SeccConfig.accept_ongoing_pre_charge, off by default.
    (S.DC_PRE_CHARGE, cm.PowerDeliveryReq): S.POWER_DELIVERY,
}
"""Habits of known vehicles that a setting lets pass, and the state in whose row they are then looked up."""
