"""The AC family of ISO 15118-20: the rows, stages and handlers that AC and AC_BPT add to the common table,
and power delivery with a contactor."""

from __future__ import annotations

from iso15118.messages.iso20 import ac
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.secc.ac_outlet import close_contactors, open_contactors
from iso15118.secc.hardware import bounds_change
from iso15118.session.actions import ReadMeter
from iso15118.session.edition import Answer, Refused, Stage, Wait
from iso15118.session.services import SERVICES, Namespace, ServiceID

from . import ac_loop, ac_parameters, telling
from .channels import take_channel
from .context import Context
from .notices import agreed_at_rest, status
from .profiles import take_profile
from .sequence import Part, State, key_of, row
from .standby import over as standby_over
from .standby import stand_by

__all__ = ["AC"]

S = State
Code = ResponseCode


def power_delivery(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """Start, stop, standby or renegotiate, each where it makes sense. While a schedule is agreed on
    anew the old bounds hold."""
    match key_of(request):
        case _, Processing.Ongoing:
            return Answer(_ok(ctx), ctx.state)
        case _, cm.ChargeProgress.Start:
            return _start(request, ctx)
        case _, cm.ChargeProgress.Standby:
            return stand_by(request, ctx)
        case _, cm.ChargeProgress.ScheduleRenegotiation:
            return Answer(_ok(ctx), S.SCHEDULE_RENEGOTIATION)
    standby_over(ctx)
    return open_contactors(ctx.facts, lambda: Answer(_ok(ctx, stops=True), S.SESSION_STOP, (ReadMeter(),)))


def _start(request: cm.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    code = take_profile(request, ctx)
    if isinstance(code, Refused):
        return code
    take_channel(request, ctx)
    agreed_at_rest(ctx)
    standby_over(ctx)

    def closed() -> Answer:
        # The vehicle draws from now on, whenever its first request of the loop comes.
        bounds = bounds_change(ctx.facts, ac_loop.present_bounds(ctx))
        return Answer(_ok(ctx, code), S.AC_CHARGE_LOOP, (*bounds, ReadMeter()))

    return close_contactors(ctx.facts, ac_parameters.phases(ctx), closed)


def _ok(ctx: Context, code: ResponseCode = Code.OK, *, stops: bool = False) -> cm.PowerDeliveryRes:
    """``stops``: the vehicle ends power, and nothing else is wanted of it any more."""
    wanted = None if stops else status(ctx, confirm=False)
    return cm.PowerDeliveryRes(header=ctx.header(), response_code=code, evse_status=wanted)


AC = Part(
    name="AC",
    schema="iso20-ac",
    namespace=Namespace.AC.value,
    parameters=S.AC_CHARGE_PARAMETER_DISCOVERY,
    ready=S.POWER_DELIVERY,
    loop=S.AC_CHARGE_LOOP,
    after=S.SESSION_STOP,
    rows={
        S.AC_CHARGE_PARAMETER_DISCOVERY: {
            ac.ACChargeParameterDiscoveryReq: row("V2G20-2272", S.SCHEDULE_EXCHANGE),
        },
        S.AC_CHARGE_LOOP: {
            ac.ACChargeLoopReq: row("V2G20-1500", S.AC_CHARGE_LOOP),
        },
    },
    handlers={
        ac.ACChargeParameterDiscoveryReq: ac_parameters.charge_parameter_discovery,
        cm.PowerDeliveryReq: power_delivery,
        ac.ACChargeLoopReq: ac_loop.charge_loop,
    },
    stages=(
        (S.AC_CHARGE_PARAMETER_DISCOVERY, Stage(name=S.AC_CHARGE_PARAMETER_DISCOVERY.value)),
        (S.AC_CHARGE_LOOP, Stage(name=S.AC_CHARGE_LOOP.value, live=True, holds=True, lasts=True)),
    ),
    responses={
        ac.ACChargeParameterDiscoveryReq: (
            ac.ACChargeParameterDiscoveryRes,
            lambda ctx: {
                "ac_cpd_res_energy_transfer_mode": ac_parameters.neutral_offer(ctx, SERVICES[ServiceID.AC])
            },
        ),
        ac.ACChargeLoopReq: (
            ac.ACChargeLoopRes,
            lambda ctx: {"cl_res_control_mode": ac_loop.loop_mode(ctx)},
        ),
    },
    loop_request=ac.ACChargeLoopReq,
    refresh=ac_parameters.refresh_limits,
    advice=telling.unasked_reading,
    bounds=ac_loop.present_bounds,
    declared=ac_parameters.declared,
)
