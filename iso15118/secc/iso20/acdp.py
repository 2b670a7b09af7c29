"""The messages of the connection device: where the vehicle stands, bringing the device down and up, and
the status beside the charge.

The device moves only while nothing is on the output; who may be joined is decided by what
the station itself measures.
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from iso15118.messages.iso20 import acdp
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.secc.dc_output import take_back
from iso15118.session.actions import Action, ConnectDevice, DisconnectDevice, EndReason
from iso15118.session.coupling import DevicePosition, PositioningPlace, VehiclePosition
from iso15118.session.edition import Answer, Fault, Refused, Wait
from iso15118.session.events import SignalState

from . import delivery
from .context import Context
from .sequence import State, key_of

__all__ = [
    "connect",
    "disconnect",
    "neutral_connection",
    "neutral_position",
    "neutral_status",
    "positioning_is_before_authorization",
    "positioning_is_here",
    "power_delivery",
    "system_status",
    "vehicle_positioning",
    "welding_detection",
]

S = State
Code = ResponseCode
_SHORT = 32_767
_MECHANICAL = {
    DevicePosition.HOME: acdp.MechanicalChargingDeviceStatus.Home,
    DevicePosition.MOVING: acdp.MechanicalChargingDeviceStatus.Moving,
    DevicePosition.END_POSITION: acdp.MechanicalChargingDeviceStatus.EndPosition,
}
_ELECTRICAL = {
    SignalState.A: acdp.ElectricalChargingDeviceStatus.State_A,
    SignalState.B: acdp.ElectricalChargingDeviceStatus.State_B,
    SignalState.C: acdp.ElectricalChargingDeviceStatus.State_C,
    SignalState.D: acdp.ElectricalChargingDeviceStatus.State_D,
}
_APART = acdp.ElectricalChargingDeviceStatus.State_A
_OTHER = VehiclePosition()


# -- where the vehicle stands ------------------------------------------------------------------------------


def positioning_is_before_authorization(ctx: Context) -> str:
    """Guard of the row between SessionSetup and AuthorizationSetup."""
    return _allowed(ctx, PositioningPlace.BEFORE_AUTHORIZATION)


def positioning_is_here(ctx: Context) -> str:
    """Guard of the row behind ServiceSelection."""
    return _allowed(ctx, PositioningPlace.AFTER_SERVICE_SELECTION)


def _allowed(ctx: Context, place: PositioningPlace) -> str:
    return (
        "" if place in ctx.facts.config.acdp.positioning else f"positioning {place.value} (acdp.positioning)"
    )


def vehicle_positioning(request: acdp.ACDPVehiclePositioningReq, ctx: Context) -> Answer | Refused:
    """Say how far the vehicle is off until it stands in its place, or stands and finds the place itself."""
    facts = ctx.facts
    if facts.positioning_since is None:
        facts.positioning_since = facts.now
    longest = facts.timing.positioning_performance
    if facts.now - facts.positioning_since > longest:
        why = f"the vehicle was not in its place after {longest:g} s (timing.positioning_performance)"
        return Refused(Fault.FAILED, EndReason.COUPLING_FAILED, why, cause="coupling-timeout")
    stands = facts.config.acdp.mobility_status.says(request.ev_mobility_status)
    place = _place_now(ctx)
    there = place is not None and place.in_position
    finished = stands and (there or request.ev_positioning_support)
    response = acdp.ACDPVehiclePositioningRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished if finished else Processing.Ongoing,
        **_told(place),
    )
    if finished:
        facts.positioning_since = None
    state = ctx.state if ctx.state is not None else S.ENDED
    return Answer(response, state)


def _place_now(ctx: Context) -> VehiclePosition | None:
    """Where it stands by a measurement of now; None: nobody knows."""
    facts = ctx.facts
    return facts.position if facts.now - facts.position_at <= facts.config.acdp.position_age_s else None


def _told(place: VehiclePosition | None) -> dict[str, Any]:
    known = place or _OTHER
    return {
        "evse_positioning_support": place is not None,
        "ev_relative_x_deviation": _short(known.x_cm),
        "ev_relative_y_deviation": _short(known.y_cm),
        "contact_window_xc": _short(known.window_x_cm),
        "contact_window_yc": _short(known.window_y_cm),
        "ev_in_charge_position": known.in_position,
    }


def _short(cm_off: float) -> int:
    return round(min(max(cm_off, -_SHORT), _SHORT))


def neutral_position(ctx: Context) -> dict[str, Any]:
    """Of a refusal."""
    return {"evse_processing": Processing.Finished, **_told(None)}


# -- down and up -------------------------------------------------------------------------------------------


def _electrical(ctx: Context) -> acdp.ElectricalChargingDeviceStatus:
    """The pilot as the station sees it; where nobody tells of one, a device in contact counts as state B."""
    facts = ctx.facts
    if facts.signal is not None:
        return _ELECTRICAL.get(facts.signal, _APART)
    joined = facts.device is DevicePosition.END_POSITION
    return acdp.ElectricalChargingDeviceStatus.State_B if joined else _APART


def _mechanical(ctx: Context) -> acdp.MechanicalChargingDeviceStatus:
    device = ctx.facts.device
    return acdp.MechanicalChargingDeviceStatus.Home if device is None else _MECHANICAL[device]


def neutral_connection(ctx: Context) -> dict[str, Any]:
    """Of a refusal."""
    return {
        "evse_processing": Processing.Finished,
        "evse_electrical_charging_device_status": _electrical(ctx),
        "evse_mechanical_charging_device_status": _mechanical(ctx),
    }


def connect(request: acdp.ACDPConnectReq, ctx: Context) -> Answer | Refused:
    """Bring the device down on the vehicle that stands here, and wait until both sides feel the other."""
    facts = ctx.facts
    if facts.device is None or facts.vehicle is None or facts.limits is None or not facts.authorized:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "connection without its preconditions")
    place = _place_now(ctx)
    if place is None or not place.in_position:
        where = (
            "nobody knows where the vehicle stands" if place is None else "the vehicle is not in its place"
        )
        return Refused(Fault.FAILED, EndReason.COUPLING_FAILED, where)
    if not place.associated:
        return Refused(
            Fault.ASSOCIATION, EndReason.COUPLING_FAILED, "another vehicle stands under the connection device"
        )
    before: tuple[Action, ...] = ()
    if not facts.device_down or facts.device_deadline <= 0.0:  # one that was left behind is told, too
        before = (ConnectDevice(facts.now + facts.timing.ongoing_performance),)
    ours = _electrical(ctx)
    joined = (
        facts.device is DevicePosition.END_POSITION
        and ours is not _APART
        and request.ev_electrical_charging_device_status is not _APART
    )
    if joined and facts.status_heard is None:
        facts.status_heard, facts.status_ever = facts.now, False
    response = acdp.ACDPConnectRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished if joined else Processing.Ongoing,
        evse_electrical_charging_device_status=ours,
        evse_mechanical_charging_device_status=_mechanical(ctx),
    )
    return Answer(response, S.DC_CABLE_CHECK if joined else S.ACDP_CONNECT, before)


def disconnect(request: acdp.ACDPDisconnectReq, ctx: Context) -> Answer:
    """Whatever is on the output is taken away first; then the device is retracted, and the
    vehicle waits until it is home."""
    facts = ctx.facts
    before: tuple[Action, ...] = ()
    if facts.energized or facts.contactors_closed:
        before = take_back("ACDP_Disconnect")
    elif facts.device_down and facts.dead:
        before = (DisconnectDevice(facts.now + facts.timing.ongoing_performance),)
    home = facts.device is DevicePosition.HOME and not facts.device_down
    if home:
        facts.status_heard = None
    response = acdp.ACDPDisconnectRes(
        header=ctx.header(),
        response_code=Code.OK,
        evse_processing=Processing.Finished if home else Processing.Ongoing,
        evse_electrical_charging_device_status=_electrical(ctx),
        evse_mechanical_charging_device_status=_mechanical(ctx),
    )
    return Answer(response, S.SESSION_STOP if home else S.ACDP_DISCONNECT, before)


# -- what the rows of DC lead to here ----------------------------------------------------------------------


def power_delivery(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """As with DC; who gives up before power was there has the device retracted before saying goodbye."""
    before_power = ctx.state in (S.ACDP_CONNECT, S.DC_CABLE_CHECK)
    if not before_power or key_of(request)[1] is not cm.ChargeProgress.Stop:  # type: ignore[index]
        return delivery.power_delivery(request, ctx)
    facts = ctx.facts
    ok = cm.PowerDeliveryRes(header=ctx.header(), response_code=Code.OK)
    if not facts.device_down:
        return Answer(ok, S.SESSION_STOP)
    return Answer(ok, S.ACDP_DISCONNECT, take_back("PowerDelivery stop"))


def welding_detection(request: object, ctx: Context) -> Answer:
    """As with DC; the device is still down."""
    answer = delivery.welding_detection(request, ctx)  # type: ignore[arg-type]
    return replace(answer, next=S.ACDP_DISCONNECT) if answer.next is S.SESSION_STOP else answer


# -- beside the charge -------------------------------------------------------------------------------------

_AT_ONCE = frozenset(
    {
        acdp.ErrorCode.FAILED_EmergencyEvent,
        acdp.ErrorCode.FAILED_Breaker,
        acdp.ErrorCode.FAILED_ChargingCurrentDifferential,
        acdp.ErrorCode.FAILED_ChargingVoltageOutOfRange,
    }
)
"""Faults of the vehicle by which nothing may flow any more; by the others the vehicle is asked to stop. Which
is which is our own decision: no public source says."""


def system_status(request: acdp.ACDPSystemStatusReq, ctx: Context) -> Answer | Refused:
    """What the vehicle says of itself is obeyed, and told what the station says of itself."""
    facts, status = ctx.facts, request.ev_technical_status
    facts.status_heard, facts.status_ever = facts.now, True
    state = ctx.state if ctx.state is not None else S.ENDED
    error = status.ev_error_code
    if error in _AT_ONCE:
        return Refused(
            Fault.FAILED, EndReason.EMERGENCY, f"the vehicle reports {error.value}", cause="peer-emergency"
        )
    if status.ev_immobilized is False and facts.device_down:
        why = "the vehicle may move under the connection device"
        return Refused(Fault.FAILED, EndReason.EMERGENCY, why, cause="vehicle-may-move")
    if error not in (None, acdp.ErrorCode.OK_NoEVError):
        facts.stop_asked = f"the vehicle reports {error.value}"
    elif status.ev_timeout:
        facts.stop_asked = "the vehicle reports a timeout"
    response = acdp.ACDPSystemStatusRes(header=ctx.header(), response_code=Code.OK, **neutral_status(ctx))
    return Answer(response, state)


def neutral_status(ctx: Context) -> dict[str, Any]:
    """What the station says of itself, in a refusal as well."""
    facts, place = ctx.facts, _place_now(ctx)
    ok = facts.cable_check_ok
    fault = facts.abort_reason is not None
    return {
        "evse_mechanical_charging_device_status": _mechanical(ctx),
        "evse_ready_to_charge": not fault and not facts.stop_wanted,
        "evse_isolation_status": (
            acdp.IsolationStatus.Invalid
            if ok is None
            else acdp.IsolationStatus.Safe
            if ok
            else acdp.IsolationStatus.Fault
        ),
        "evse_disabled": bool(facts.stop_wanted),
        "evse_utility_interrupt_event": facts.utility_interrupt,
        "evse_emergency_shutdown": facts.abort_reason is EndReason.EMERGENCY,
        "evse_malfunction": fault and facts.abort_reason is not EndReason.EMERGENCY,
        "ev_in_charge_position": place is not None and place.in_position,
        "ev_association_status": place is not None and place.associated,
    }
