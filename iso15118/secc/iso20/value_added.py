"""Value-added services at the station: what is offered beside energy, what a vehicle may select of it, and
check-in and check-out of a parking space on their own stream.

The provider's services are data (``session.value_added``); check-in and check-out never wait for the
provider: they say what is known.
"""

from __future__ import annotations

from collections.abc import Iterable

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import rational, unix_time
from iso15118.session.actions import EndReason, ServicesSelected, VehicleChecksIn, VehicleChecksOut
from iso15118.session.edition import Answer, Fault, Refused
from iso15118.session.value_added import (
    CHECK_IN,
    CHECK_OUT,
    PARKING_STATUS,
    ServiceParameters,
    ValueAddedService,
    offered_in_iso20,
)

from .context import Context

__all__ = [
    "check_in",
    "check_in_is_selected",
    "check_out",
    "check_out_is_selected",
    "detail",
    "forget",
    "listed",
    "service",
    "take",
]

_WITHOUT_SETS = 0
"""The parameter set of a service that has none: a list has to name one at least."""


def service(ctx: Context, number: int) -> ValueAddedService | None:
    """The value-added service of this id, if it is offered."""
    return next((one for one in offered_in_iso20(ctx.facts.value_added) if one.id == number), None)


def listed(ctx: Context, wanted: cm.ServiceIDList | None) -> cm.ServiceList | None:
    """VASList: of what is offered that which the vehicle says it supports [V2G20-1249]; a vehicle that
    says nothing is told all."""
    supported = None if wanted is None else set(wanted.service_id)
    told = tuple(
        cm.Service(service_id=one.id, free_service=one.free)
        for one in offered_in_iso20(ctx.facts.value_added)
        if supported is None or one.id in supported
    )
    return cm.ServiceList(service=told) if told else None


def detail(one: ValueAddedService) -> cm.ServiceParameterList:
    """The parameter sets of a value-added service."""
    variants = one.parameter_sets or (
        ServiceParameters(id=1, values=(("Name", one.name or f"service {one.id}"),)),
    )
    return cm.ServiceParameterList(
        parameter_set=tuple(
            cm.ParameterSet(
                parameter_set_id=variant.id if one.parameter_sets else _WITHOUT_SETS,
                parameter=tuple(_parameter(name, value) for name, value in variant.values),
            )
            for variant in variants
        )
    )


def _parameter(name: str, value: bool | int | float | str) -> cm.Parameter:
    if isinstance(value, bool):
        return cm.Parameter(name=name, bool_value=value)
    if isinstance(value, int):
        return cm.Parameter(name=name, int_value=value)
    if isinstance(value, float):
        return cm.Parameter(name=name, rational_number=rational(value))
    return cm.Parameter(name=name, finite_string=value)


def take(
    ctx: Context, selected: Iterable[cm.SelectedService]
) -> tuple[tuple[int, int | None], ...] | Refused:
    """What a vehicle selects: each pair of service and parameter set must be offered [V2G20-433,
    V2G20-467], and stands there once."""
    found: list[tuple[int, int | None]] = []
    for pair in selected:
        number, chosen = pair.service_id, pair.parameter_set_id
        one = service(ctx, number)
        if one is None:
            return _not_offered(f"value-added service {number} is not offered")
        parameters = chosen if one.parameter_sets else None
        if not one.has(parameters) or (parameters is None and chosen != _WITHOUT_SETS):
            return _not_offered(f"value-added service {number} has no parameter set {chosen}")
        if (number, parameters) in found:
            return _not_offered(f"value-added service {number} is selected twice with parameter set {chosen}")
        found.append((number, parameters))
    return tuple(found)


def _not_offered(why: str) -> Refused:
    return Refused(Fault.SERVICE_SELECTION, EndReason.PARAMETERS_NOT_ACCEPTED, why)


def forget(ctx: Context) -> None:
    """The vehicle chooses anew: what it chose before is in use no more."""
    facts = ctx.facts
    facts.may_check_out, ctx.checks_in, ctx.checks_out = False, None, None
    if facts.selected:
        facts.selected = ()
        facts.news.append(ServicesSelected(()))


# -- parking -----------------------------------------------------------------------------------------------


def _way_is_selected(ctx: Context, way: int) -> bool:
    one = service(ctx, PARKING_STATUS)
    chosen = {parameters for number, parameters in ctx.facts.selected if number == PARKING_STATUS}
    return one is not None and any(
        variant.id in chosen and dict(variant.values).get("IntendedService") == way
        for variant in one.parameter_sets
    )


def check_in_is_selected(ctx: Context) -> str:
    """Why there is no check-in in this session; empty if there is one."""
    return "" if _way_is_selected(ctx, CHECK_IN) else "check-in was not selected"


def check_out_is_selected(ctx: Context) -> str:
    """The same of check-out."""
    return "" if _way_is_selected(ctx, CHECK_OUT) else "check-out was not selected"


_IN = cm.EvCheckInStatus
_OUT = cm.EvCheckOutStatus
_IN_ORDER = {None: {_IN.CheckIn}, _IN.CheckIn: {_IN.CheckIn, _IN.Processing, _IN.Completed}}
_IN_ORDER |= {_IN.Processing: {_IN.Processing, _IN.Completed}, _IN.Completed: {_IN.CheckIn, _IN.Completed}}
_OUT_ORDER = {None: {_OUT.CheckOut}, _OUT.CheckOut: {_OUT.CheckOut, _OUT.Processing, _OUT.Completed}}
_OUT_ORDER |= {
    _OUT.Processing: {_OUT.Processing, _OUT.Completed},
    _OUT.Completed: {_OUT.CheckOut, _OUT.Completed},
}
"""The status of a request -> those of the next one, on its stream."""


def check_in(request: cm.VehicleCheckInReq, ctx: Context) -> Answer | Refused:
    """The vehicle drives in; it is told where to go, as far as the provider has said so."""
    facts, status = ctx.facts, request.ev_check_in_status
    if status not in _IN_ORDER[ctx.checks_in]:
        return _out_of_order(f"check-in {status.value}", ctx.checks_in)
    if ctx.state is None:
        return _out_of_order("check-in", None)
    ctx.checks_in = status
    news = VehicleChecksIn(
        status=status.value,
        method=request.parking_method.value,
        vehicle_frame=request.vehicle_frame,
        device_offset=request.device_offset,
        vehicle_travel=request.vehicle_travel,
    )
    where = facts.guidance
    response = cm.VehicleCheckInRes(
        header=ctx.header(),
        response_code=ResponseCode.OK,
        parking_space=where.parking_space,
        device_location=where.device_location,
        target_distance=where.target_distance_cm,
    )
    return Answer(response, ctx.state, (news,))


def check_out(request: cm.VehicleCheckOutReq, ctx: Context) -> Answer | Refused:
    """The vehicle wants to leave its space; Scheduled until the provider lets it go, or it
    says itself that it has left."""
    facts, status = ctx.facts, request.ev_check_out_status
    if status not in _OUT_ORDER[ctx.checks_out]:
        return _out_of_order(f"check-out {status.value}", ctx.checks_out)
    if ctx.state is None:
        return _out_of_order("check-out", None)
    ctx.checks_out = status
    done = facts.may_check_out or status is _OUT.Completed
    response = cm.VehicleCheckOutRes(
        header=ctx.header(),
        response_code=ResponseCode.OK,
        evse_check_out_status=cm.EvseCheckOutStatus.Completed if done else cm.EvseCheckOutStatus.Scheduled,
    )
    news = VehicleChecksOut(status=status.value, at=unix_time(request.check_out_time))
    return Answer(response, ctx.state, (news,))


def _out_of_order(what: str, before: cm.EvCheckInStatus | cm.EvCheckOutStatus | None) -> Refused:
    after = "at the beginning" if before is None else f"after {before.value}"
    return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, f"{what} {after}")
