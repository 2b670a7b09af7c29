"""Wireless power: charge parameters, the check of the position with a little power,
power delivery and the loop.

The pad sends at most what the vehicle asks for, within the limits of both sides, the schedule and the
set-point; below its least it sends nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.errors import ConfigError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import wpt
from iso15118.messages.iso20.common_types import Processing, RationalNumber, ResponseCode
from iso15118.messages.values import floor_rational, rational, si
from iso15118.session.actions import Action, EndReason, ReadMeter, SetPad, StopPower, Urgency
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.wireless import CoilDiagnosis, PadLimits, ReceiverLimits

from .context import Context
from .notices import agreed_at_rest
from .profiles import profile_exceeded, take_profile
from .schedules import allowed_w
from .sequence import State, key_of
from .standby import over as standby_over
from .standby import stand_by
from .telling import answered, lapse, meter_told, receipt_told, status, take_display
from .wpt import warned

__all__ = [
    "alignment_check",
    "charge_loop",
    "charge_parameter_discovery",
    "declared",
    "is_paired",
    "neutral_loop",
    "neutral_offer",
    "power_delivery",
    "present_bounds",
    "refresh_limits",
]

S = State
Code = ResponseCode
_BAND_HZ = (79_000.0, 90_000.0)
"""Of SAE J2954; a coil beside it takes no power from a pad within it."""
_NONE_W = 50.0
"""Below this nothing is sent: electronics and noise."""
_CLASSES = {
    1: wpt.WPTPowerClass.MF_WPT1,
    2: wpt.WPTPowerClass.MF_WPT2,
    3: wpt.WPTPowerClass.MF_WPT3,
    4: wpt.WPTPowerClass.MF_WPT4,
}
_DIAGNOSES = {
    CoilDiagnosis.NO_ISSUE: wpt.WPTSPCChargeDiagnostics.SPCNoIssue,
    CoilDiagnosis.FOREIGN_OBJECT: wpt.WPTSPCChargeDiagnostics.SPCFODDetected,
    CoilDiagnosis.LIVING_OBJECT: wpt.WPTSPCChargeDiagnostics.SPCLOPDetected,
    CoilDiagnosis.OVERHEATED: wpt.WPTSPCChargeDiagnostics.SPCTempOverheatDetected,
    CoilDiagnosis.POWER_ANOMALY: wpt.WPTSPCChargeDiagnostics.SPCPowerTransferAnomalyDetected,
    CoilDiagnosis.ANOMALY: wpt.WPTSPCChargeDiagnostics.SPCAnomalyDetected,
}
_ZERO = RationalNumber(exponent=0, value=0)
_NO_PAD = PadLimits(maximum_power_w=0.0)


def is_paired(ctx: Context) -> str:
    """Guard: nobody speaks of power with a pad that is not known."""
    return "" if ctx.wpt.paired else "charge parameters before WPT_Pairing"


# -- parameters --------------------------------------------------------------------------------------------


def charge_parameter_discovery(request: wpt.WPTChargeParameterDiscoveryReq, ctx: Context) -> Answer | Refused:
    """Power, clearance and frequency of both sides have to have something in common."""
    facts = ctx.facts
    hardware = facts.pad_hardware
    if hardware is None or ctx.service is None:
        return _wrong("there is no pad")
    vehicle = _said(request, hardware)
    if isinstance(vehicle, Refused):
        return vehicle
    facts.pad_vehicle = vehicle
    response = wpt.WPTChargeParameterDiscoveryRes(
        header=ctx.header(), response_code=Code.OK, **neutral_offer(ctx)
    )
    return Answer(response, S.SCHEDULE_EXCHANGE)


def declared(request: wpt.WPTChargeParameterDiscoveryReq, ctx: Context) -> ReceiverLimits | Refused:
    """What the vehicle declares when it says it again in a renegotiation: another power; it is still
    the coil that was paired."""
    facts = ctx.facts
    before, hardware = facts.pad_vehicle, facts.pad_hardware
    if before is None or hardware is None:
        return _wrong("there is no pad")
    vehicle = _said(request, hardware)
    if isinstance(vehicle, Refused):
        return vehicle
    if replace(vehicle, maximum_power_w=before.maximum_power_w) != before:
        return _wrong("another coil than the one that was paired")
    return vehicle


def _said(request: wpt.WPTChargeParameterDiscoveryReq, pad: PadLimits) -> ReceiverLimits | Refused:
    try:
        vehicle = ReceiverLimits(
            maximum_power_w=si(request.evpc_max_receivable_power),
            maximum_clearance_mm=float(request.sd_max_ground_clearence),
            minimum_clearance_mm=float(request.sd_min_ground_clearence),
            natural_frequency_hz=si(request.evpc_natural_frequency),
            local_control=request.evpc_device_local_control,
        )
    except ConfigError as error:
        return _wrong(str(error))
    why = _why_not(pad, vehicle)
    return _wrong(why) if why else vehicle


def _why_not(pad: PadLimits, vehicle: ReceiverLimits) -> str:
    if vehicle.maximum_power_w <= 0.0:
        return "EVPCMaxReceivablePower is 0"
    if vehicle.maximum_power_w < pad.minimum_power_w:
        return "the vehicle receives less than the least that the pad sends"
    if (
        vehicle.minimum_clearance_mm > pad.maximum_clearance_mm
        or vehicle.maximum_clearance_mm < pad.minimum_clearance_mm
    ):
        return "the vehicle's coil is too high or too low over the pad"
    if not _BAND_HZ[0] <= vehicle.natural_frequency_hz <= _BAND_HZ[1]:
        return f"a natural frequency of {vehicle.natural_frequency_hz:g} Hz"
    return ""


def _wrong(why: str) -> Refused:
    return Refused(Fault.CHARGE_PARAMETER, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def neutral_offer(ctx: Context) -> dict[str, Any]:
    """What the pad can do, in a refusal as well."""
    pad = ctx.facts.pad_hardware or _NO_PAD
    return {
        "pd_input_power_class": _CLASSES[pad.power_class],
        "sd_min_output_power": rational(pad.minimum_power_w),
        "sd_max_output_power": floor_rational(pad.maximum_power_w),
        "sd_max_ground_clearance_support": _short(pad.maximum_clearance_mm),
        "sd_min_ground_clearance_support": _short(pad.minimum_clearance_mm),
        "pd_min_coil_current": rational(pad.minimum_coil_a),
        "pd_max_coil_current": floor_rational(pad.maximum_coil_a),
    }


def _short(value: float) -> int:
    return round(min(max(value, 0.0), 32_767.0))


def refresh_limits(ctx: Context) -> None:
    """Nothing is derived ahead: the loop looks at the limits of the moment."""


# -- the position, with a little power ---------------------------------------------------------------------


def alignment_check(request: wpt.WPTAlignmentCheckReq, ctx: Context) -> Answer | Refused:
    """Send a little while the vehicle measures; it says how it went."""
    facts, state = ctx.facts, ctx.wpt
    if not facts.authorized or not state.paired or facts.pad_vehicle is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "alignment check without its preconditions")
    if facts.pad_barred:
        return Refused(Fault.FAILED, EndReason.HARDWARE_FAULT, facts.pad_barred)
    before: tuple[Action, ...] = ()
    code, processing, following = Code.OK, Processing.Ongoing, S.WPT_ALIGNMENT_CHECK
    gone = facts.pad.vehicle_here is False  # nothing is sent where nobody stands
    if request.ev_processing is not Processing.Finished and not gone:
        state.aligning = True
        before = () if facts.pad_power is not None else (SetPad(_trial_w(ctx)),)
    else:
        processing, state.aligning = Processing.Finished, False
        before = (StopPower(Urgency.ORDERLY),) if facts.pad_power is not None else ()
        if request.ev_result_code is wpt.WPTEVResult.EVResultSuccess and not gone:
            state.aligned, following = True, S.POWER_DELIVERY
        else:
            if (over := warned(ctx)) is not None:
                return over
            code, following = Code.WARNING_WPT, S.WPT_FINE_POSITIONING_SETUP
            state.back, state.since = S.WPT_ALIGNMENT_CHECK, None
    response = wpt.WPTAlignmentCheckRes(
        header=ctx.header(),
        response_code=code,
        evse_processing=processing,
        power_transmitted=rational(round(facts.pad.power_w, 1)),
        supply_device_current=rational(round(facts.pad.coil_a, 1)),
    )
    return Answer(response, following, before)


def _trial_w(ctx: Context) -> float:
    """What is sent to try the position, within what pad and coil can now. As at a cable check, schedule and
    set-point do not matter yet: they are about what the vehicle charges with."""
    facts = ctx.facts
    most = [one.maximum_power_w for one in (facts.pad_hardware, facts.pad_capabilities) if one is not None]
    if facts.pad_vehicle is not None:
        most.append(facts.pad_vehicle.maximum_power_w)
    return min(facts.config.wpt.alignment_w, *most)


# -- power -------------------------------------------------------------------------------------------------


def power_delivery(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """Start, stop, standby or renegotiate. No power flows before the vehicle asks for some in the loop."""
    facts = ctx.facts
    match key_of(request):
        case _, Processing.Ongoing:
            return Answer(_ok(ctx), ctx.state)
        case _, cm.ChargeProgress.Start:
            return _start(request, ctx)
        case _, cm.ChargeProgress.Standby:
            return stand_by(request, ctx)
        case _, cm.ChargeProgress.ScheduleRenegotiation:
            return Answer(_ok(ctx), S.SCHEDULE_RENEGOTIATION, (StopPower(Urgency.ORDERLY),))
    standby_over(ctx)
    facts.delivered = ctx.wpt.aligning = False

    def finish(timed_out: bool) -> Answer | Refused | None:
        if facts.pad.power_w < _NONE_W:
            return Answer(_ok(ctx, stops=True), S.SESSION_STOP, (ReadMeter(),))
        if timed_out:
            why = f"the pad still sends {facts.pad.power_w:.0f} W after PowerDelivery stop"
            return Refused(Fault.NOT_APPLIED, EndReason.HARDWARE_FAULT, why)
        return None

    return Wait(_taken_back(ctx), facts.now + facts.timing.contactor_answer, finish)


def _taken_back(ctx: Context) -> tuple[Action, ...]:
    from iso15118.secc.dc_output import take_back

    return take_back("PowerDelivery stop") if ctx.facts.energized else ()


def _start(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused:
    facts = ctx.facts
    code = take_profile(request, ctx)
    if isinstance(code, Refused):
        return code
    if not (facts.authorized and ctx.wpt.paired and ctx.wpt.aligned) or facts.pad_vehicle is None:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "power delivery without its preconditions")
    if facts.pad_barred:
        return Refused(Fault.NOT_APPLIED, EndReason.HARDWARE_FAULT, facts.pad_barred)
    if facts.pad.vehicle_here is False:
        gone = "the vehicle is not over the pad any more"
        return Refused(Fault.NOT_APPLIED, EndReason.COUPLING_FAILED, gone)
    agreed_at_rest(ctx)
    facts.delivered = True
    standby_over(ctx)
    return Answer(_ok(ctx, code), S.WPT_CHARGE_LOOP, (ReadMeter(),))


def _ok(ctx: Context, code: ResponseCode = Code.OK, *, stops: bool = False) -> cm.PowerDeliveryRes:
    """``stops``: the vehicle ends power, and nothing else is wanted of it any more."""
    wanted = None if stops else status(ctx, confirm=False)
    return cm.PowerDeliveryRes(header=ctx.header(), response_code=code, evse_status=wanted)


def charge_loop(request: wpt.WPTChargeLoopReq, ctx: Context) -> Answer | Refused | Wait:
    """One turn: send what is asked for as far as it goes, and tell what flows."""
    facts = ctx.facts
    if facts.pad_vehicle is None or not (facts.delivered and ctx.wpt.aligned):
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "charge loop without its preconditions")
    asked = si(request.evpc_power_request)
    if asked < 0.0:
        return _wrong(f"the vehicle asks for {asked:g} W in a service that only charges")
    code = profile_exceeded(ctx)
    if code is Code.FAILED_EVPowerProfileViolation:
        return Refused(
            Fault.POWER_PROFILE_VIOLATED,
            EndReason.PARAMETERS_NOT_ACCEPTED,
            "more power than the vehicle's own profile",
        )
    if request.evpc_charge_diagnostics is not wpt.WPTEVPCChargeDiagnostics.EVPCNoIssue:
        facts.pad_barred = facts.pad_barred or f"the vehicle reports {request.evpc_charge_diagnostics.value}"
        facts.stop_asked = facts.pad_barred
    ctx.wish = request
    bounds = present_bounds(ctx) or 0.0
    before: tuple[Action, ...] = () if bounds == facts.pad_power else (SetPad(bounds),)
    if facts.pad_barred:
        before = () if facts.pad_power is None else (StopPower(Urgency.EMERGENCY),)
    take_display(request.display_parameters, ctx)
    lapse(ctx)

    def reply(actions: tuple[Action, ...], *, told: bool, confirm: bool) -> Answer:
        meter_info = meter_told(ctx, confirm=confirm) if told else None
        response = wpt.WPTChargeLoopRes(
            header=ctx.header(),
            response_code=code,
            evse_status=status(ctx, confirm=confirm and meter_info is not None),
            meter_info=meter_info,
            receipt=receipt_told(ctx, meter_info, confirm=confirm),
            evpc_power_request=request.evpc_power_request,
            **_flows(ctx),
        )
        return Answer(response, S.WPT_CHARGE_LOOP, actions)

    return answered(ctx, "WPTChargeLoopReq", before, reply, meter_asked_for=request.meter_info_requested)


def _most_w(ctx: Context) -> float:
    """What the pad may send now, whatever is asked for."""
    facts = ctx.facts
    pad, vehicle = facts.pad_capabilities, facts.pad_vehicle
    if pad is None or vehicle is None or facts.pad_hardware is None or facts.pad_barred:
        return 0.0
    most = min(
        pad.maximum_power_w, facts.pad_hardware.maximum_power_w, vehicle.maximum_power_w, allowed_w(ctx)
    )
    if facts.set_point_w is not None:
        most = min(most, max(facts.set_point_w, 0.0))
    return most


def present_bounds(ctx: Context) -> float | None:
    """What the pad has to send by the vehicle's last request and the limits of this moment, in W; None
    before the first request. While the position is tried: what it is tried with."""
    request, pad = ctx.wish, ctx.facts.pad_capabilities
    if ctx.wpt.aligning:
        return _trial_w(ctx)
    if request is None or pad is None:
        return None
    power = 0.0 if ctx.facts.wishes.standing_by else min(si(request.evpc_power_request), _most_w(ctx))
    return power if power >= pad.minimum_power_w else 0.0


def _flows(ctx: Context) -> dict[str, Any]:
    facts = ctx.facts
    pad = facts.pad
    hertz = pad.frequency_hz
    most = floor_rational(_most_w(ctx))
    return {
        "sd_power_input": rational(round(pad.power_w, 1)),
        "spc_max_output_power_limit": most,
        "spc_min_output_power_limit": rational(
            min((facts.pad_capabilities or _NO_PAD).minimum_power_w, si(most))
        ),
        "spc_charge_diagnostics": _diagnosis(ctx),
        "spc_operating_frequency": None if hertz is None else rational(round(hertz)),
        "spc_power_control_parameter": wpt.WPTSPCPowerControlParameter(
            spc_primary_device_coil_current_information=rational(round(pad.coil_a, 1))
        ),
    }


def _diagnosis(ctx: Context) -> wpt.WPTSPCChargeDiagnostics:
    return _DIAGNOSES[ctx.facts.pad.diagnosis]


def neutral_loop(ctx: Context) -> dict[str, Any]:
    """Of a refusal."""
    return {
        "evpc_power_request": _ZERO,
        "spc_max_output_power_limit": _ZERO,
        "spc_min_output_power_limit": _ZERO,
        "spc_charge_diagnostics": _diagnosis(ctx),
    }
