"""A schedule renegotiation beside the charge loop, on a stream of its own: what is legal there, and
when what was agreed on holds.

The loop goes on undisturbed by the old agreement until PowerDeliveryRes says OK; then the new one holds, all
of it at once. An attempt that fails, or that the vehicle leaves unfinished, changes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.secc.hardware import bounds_change
from iso15118.session.actions import Action, EndReason, ScheduleRenegotiated
from iso15118.session.edition import Answer, Fault, Refused, Wait

from .channels import take_channel
from .context import Context
from .exchange import schedule_exchange
from .notices import lapse, over, status
from .profiles import take_profile
from .replies import neutral
from .sequence import Key, State, key_of

if TYPE_CHECKING:
    from iso15118.session.ac_limits import AcVehicleLimits
    from iso15118.session.limits import VehicleLimits
    from iso15118.session.wireless import ReceiverLimits

Declared: TypeAlias = "VehicleLimits | AcVehicleLimits | ReceiverLimits"

__all__ = ["TABLE", "Attempt", "Beside", "answer_beside", "declare_anew"]

Code = ResponseCode


class Beside(Enum):
    """What is waited for on the stream. ``IDLE``: there is no attempt."""

    IDLE = "nothing"
    SCHEDULE_EXCHANGE = "ScheduleExchange"
    POWER_DELIVERY = "PowerDelivery"

    __hash__ = object.__hash__


B = Beside
PARAMETERS = "charge parameters"
"""Key of the table for the charge parameters of whatever family it is."""
_BEGIN: Mapping[Key | str, set[Beside]] = {
    PARAMETERS: {B.SCHEDULE_EXCHANGE},
    cm.ScheduleExchangeReq: {B.IDLE, B.SCHEDULE_EXCHANGE, B.POWER_DELIVERY},
}
TABLE: Mapping[Beside, Mapping[Key | str, set[Beside]]] = {
    # Who begins anew while an attempt is open gives that one up: it may have waited in vain for an answer.
    B.IDLE: _BEGIN,
    B.SCHEDULE_EXCHANGE: _BEGIN,
    B.POWER_DELIVERY: {
        **_BEGIN,
        # What stands in ChargeProgress on this stream is unsettled: both are taken (docs/sources.md).
        (cm.PowerDeliveryReq, cm.ChargeProgress.Start): {B.IDLE},
        (cm.PowerDeliveryReq, cm.ChargeProgress.ScheduleRenegotiation): {B.IDLE},
        (cm.PowerDeliveryReq, Processing.Ongoing): {B.POWER_DELIVERY},
    },
}
"""What is legal on the stream, and what is waited for then. Everything else is
FAILED_SequenceError, and ends the session."""


@dataclass(slots=True)
class Attempt:
    """One attempt that is under way."""

    base: Context
    """What was agreed on when it began, a copy."""
    terms: Context
    """What would hold, a copy too."""
    waits_for: Beside
    due: float
    """Until then the vehicle is waited for."""
    vehicle: Declared | None = None
    """What the vehicle declared anew."""


def answer_beside(request: Any, ctx: Context, state: State) -> Answer | Refused:
    """The answer to a request on the stream, while the session is in ``state``, where it stays."""
    lapse(ctx)
    key: Key | str = key_of(request)
    if type(request) is ctx.part.parameters_request:
        key = PARAMETERS
    waits_for = B.IDLE if ctx.attempt is None else ctx.attempt.waits_for
    following = TABLE[waits_for].get(key)
    if following is None or state is not ctx.part.loop:
        what = (
            f"{type(request).__name__} {key[1].value}" if isinstance(key, tuple) else type(request).__name__
        )
        where = f"waiting for {waits_for.value}" if state is ctx.part.loop else f"in {state.value}"
        return _out_of_sequence(f"{what} beside the loop while {where}")
    if waits_for is B.POWER_DELIVERY and key in _BEGIN:
        over(ctx, "the vehicle began anew")
    if key == PARAMETERS:
        return _stays(_parameters(request, ctx), state)
    if why := _why_not(ctx):
        over(ctx, why)
        return Answer(neutral(request, ctx, Code.WARNING_ScheduleRenegotiationFailed), state)
    reply = _schedule(request, ctx) if type(request) is cm.ScheduleExchangeReq else _power(request, ctx)
    now_waits_for = B.IDLE if ctx.attempt is None else ctx.attempt.waits_for
    if type(reply) is Answer and now_waits_for not in following:
        raise RuntimeError(f"{type(request).__name__} led to {now_waits_for}, which the table does not list")
    return _stays(reply, state)


def _stays(reply: Answer | Refused, state: State) -> Answer | Refused:
    """Whatever happens beside it, the main conversation is where it is."""
    if isinstance(reply, Refused):
        return reply
    return msgspec.structs.replace(reply, next=state)


def _out_of_sequence(why: str) -> Refused:
    return Refused(Fault.SEQUENCE, EndReason.SEQUENCE_ERROR, why)


def _why_not(ctx: Context) -> str:
    facts = ctx.facts
    if not facts.config.renegotiation.beside_the_loop:
        return "renegotiation beside the loop is not offered (session.renegotiation.beside_the_loop)"
    return facts.stop_wanted


def _begin(ctx: Context) -> Attempt:
    """The attempt that is under way, or a new one."""
    attempt = ctx.attempt
    if attempt is None:
        ctx.attempt = None  # a copy holds no attempt
        attempt = Attempt(copy.copy(ctx), copy.copy(ctx), B.SCHEDULE_EXCHANGE, 0.0)
        attempt.terms.state = State.SCHEDULE_RENEGOTIATION
        ctx.attempt = attempt
    attempt.due = ctx.facts.now + ctx.facts.config.renegotiation.silence_s
    return attempt


def _schedule(request: cm.ScheduleExchangeReq, ctx: Context) -> Answer | Refused:
    attempt = _begin(ctx)
    reply: Answer | Refused | Wait | None = schedule_exchange(request, attempt.terms)
    before: tuple[Action, ...] = ()
    while isinstance(reply, Wait):
        # Nothing beside the loop holds up an answer: what is not there now is asked for again.
        before += reply.before
        reply = reply.finish(True)
    if reply is None:
        raise RuntimeError("an answer beside the loop is missing")
    if isinstance(reply, Refused):
        return reply
    if reply.response.response_code is Code.WARNING_ScheduleRenegotiationFailed:
        over(ctx, "there is no other schedule")
    elif reply.response.evse_processing is Processing.Finished:
        attempt.waits_for = B.POWER_DELIVERY
    else:
        attempt.waits_for = B.SCHEDULE_EXCHANGE
    return msgspec.structs.replace(reply, before=(*before, *reply.before))


def _power(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused:
    attempt = ctx.attempt
    if attempt is None:  # the table does not lead here
        raise RuntimeError("power delivery beside the loop without an attempt")
    attempt.due = ctx.facts.now + ctx.facts.config.renegotiation.silence_s
    if key_of(request)[1] is Processing.Ongoing:  # type: ignore[index]
        return Answer(_ok(ctx, Code.OK), None)
    code = take_profile(request, attempt.terms)
    if isinstance(code, Refused):
        return code
    if code.value.startswith("FAILED"):
        return Refused(Fault.POWER_PROFILE, EndReason.PARAMETERS_NOT_ACCEPTED, code.value, code=code)
    take_channel(request, attempt.terms)
    _take_over(ctx, attempt)
    ctx.facts.news.append(ScheduleRenegotiated(beside=True, agreed=True))
    return Answer(_ok(ctx, code), None, _bounds(ctx))


def _ok(ctx: Context, code: ResponseCode) -> cm.PowerDeliveryRes:
    wanted = status(ctx, confirm=False)
    return cm.PowerDeliveryRes(header=ctx.header(), response_code=code, evse_status=wanted)


def _take_over(ctx: Context, attempt: Attempt) -> None:
    """What the attempt has changed holds from now on; all else has gone on meanwhile and stays as it is."""
    for one in fields(Context):
        name = one.name
        new = getattr(attempt.terms, name)
        if name not in _OWN and new is not getattr(attempt.base, name):
            setattr(ctx, name, new)
    if attempt.vehicle is not None:
        _declare(ctx, attempt.vehicle)
    ctx.exceeded_since = ctx.attempt = None


_OWN = frozenset({"attempt", "facts", "part", "state", "_header", "_header_from", "_header_until"})
"""Of the copies: no part of an agreement."""


def _bounds(ctx: Context) -> tuple[Action, ...]:
    """What the supply has to hold by it, if that is something else."""
    ctx.part.refresh(ctx)
    return bounds_change(ctx.facts, ctx.part.bounds(ctx))


# -- charge parameters, said again


def declare_anew(request: Any, ctx: Context) -> Answer | Refused:
    """Charge parameters in a renegotiation with the power at rest: they hold at once. The offer stands."""
    declared = ctx.part.declared(request, ctx)
    if isinstance(declared, Refused):
        return declared
    _declare(ctx, declared)
    ctx.part.refresh(ctx)
    return Answer(_offered(request, ctx), State.SCHEDULE_RENEGOTIATION)


def _parameters(request: Any, ctx: Context) -> Answer | Refused:
    """The same beside the loop: what is less than before holds at once, the rest with the new schedule."""
    declared = ctx.part.declared(request, ctx)
    if isinstance(declared, Refused):
        return declared
    attempt = _begin(ctx)
    attempt.vehicle, attempt.waits_for = declared, B.SCHEDULE_EXCHANGE
    facts = ctx.facts
    old = facts.vehicle or facts.ac_vehicle or facts.pad_vehicle
    _declare(ctx, declared if old is None else _lesser(old, declared))
    return Answer(_offered(request, ctx), None, _bounds(ctx))


def _offered(request: Any, ctx: Context) -> Any:
    """The offer as it stands."""
    again = ctx.part.offered_again(ctx)
    response = neutral(request, ctx, Code.OK)
    return msgspec.structs.replace(response, **again) if again else response


def _declare(ctx: Context, declared: Declared) -> None:
    """The cable was checked for the voltage that was declared first: it is never raised."""
    facts = ctx.facts
    if facts.vehicle is not None:
        limits: Any = declared
        most_v = min(limits.maximum_voltage_v, facts.vehicle.maximum_voltage_v)
        least_v = min(limits.minimum_voltage_v, most_v)
        facts.vehicle = msgspec.structs.replace(limits, maximum_voltage_v=most_v, minimum_voltage_v=least_v)
    elif facts.pad_vehicle is not None:
        facts.pad_vehicle = declared  # type: ignore[assignment]
    else:
        facts.ac_vehicle, ctx.ac_now = declared, None  # type: ignore[assignment]


def _lesser(old: Any, new: Any) -> Any:
    """What both declarations allow."""
    changes: dict[str, Any] = {}
    for name in new.__struct_fields__:
        if name.startswith("maximum_"):
            changes[name] = _least(getattr(old, name), getattr(new, name))
    for name in new.__struct_fields__:
        most = changes.get(name.replace("minimum_", "maximum_"))
        if name.startswith("minimum_") and most is not None:
            changes[name] = _least(getattr(new, name), most)
    return msgspec.structs.replace(new, **changes)


def _least(one: Any, other: Any) -> Any:
    """The lesser number, or of each phase the lesser. A number beside phases is that of each: it is no more
    than the greatest of them."""
    if not isinstance(other, tuple):
        return min(one, other)
    return tuple(map(min, one, other)) if isinstance(one, tuple) else min(one, max(other))
