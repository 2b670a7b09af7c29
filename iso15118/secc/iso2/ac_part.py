"""The AC family of ISO 15118-2: the rows, stages and handlers that it adds to the common table, power
delivery with a contactor, and the loop in which the station says one current."""

from __future__ import annotations

from iso15118.energy.ac import each, power_of
from iso15118.messages import iso2
from iso15118.secc.ac_outlet import close_contactors, open_contactors
from iso15118.secc.hardware import bounds_change
from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import Action, EndReason, ReadMeter, SetAcPower
from iso15118.session.edition import Answer, Fault, Refused, Stage, Wait

from . import ac_parameters
from .ac_parameters import present_a, told_a
from .context import Context
from .metering import held_back, meter_info, read_meter
from .schedules import agreed_anew, allowed_w, ask_anew, take_profile
from .sequence import START, STOP, Part, State, row
from .status import ac_status

__all__ = ["AC"]

S = State
Code = iso2.ResponseCode


def power_delivery(request: iso2.PowerDeliveryReq, ctx: Context) -> Answer | Refused | Wait:
    """Start, stop or renegotiate. While a schedule is agreed on anew the contactor stays closed
    and the old current holds."""
    facts = ctx.facts
    match request.charge_progress:
        case iso2.ChargeProgress.Renegotiate:
            ctx.asked_anew = None
            return Answer(_ok(ctx), S.RENEGOTIATION)
        case iso2.ChargeProgress.Stop:
            return open_contactors(facts, lambda: Answer(_ok(ctx), S.SESSION_STOP, (ReadMeter(),)))
    refused = take_profile(request, ctx)
    if refused is not None:
        return refused
    phases = 1 if facts.ac_offered is None else facts.ac_offered.phases

    def closed() -> Answer:
        agreed_anew(ctx)
        # The vehicle draws from now on, whenever its first request of the loop comes.
        bounds = bounds_change(facts, present_bounds(ctx))
        return Answer(_ok(ctx), S.CHARGING_STATUS, (*bounds, ReadMeter()))

    return close_contactors(facts, phases, closed, pilot_s=ctx.settings.timing.control_pilot_error)


def _ok(ctx: Context) -> iso2.V2GMessage:
    return ctx.envelope(iso2.PowerDeliveryRes(response_code=Code.OK, evse_status=ac_status(ctx)))


def charging_status(request: iso2.ChargingStatusReq, ctx: Context) -> Answer | Refused | Wait:
    """One turn: say what the vehicle may take, and what the station wants it to know."""
    if ctx.facts.ac_limits is None or not ctx.facts.contactors_closed:
        return Refused(Fault.FAILED, EndReason.INTERNAL_ERROR, "charge loop without its preconditions")
    ctx.wish = request
    ask_anew(ctx)
    bounds = present_bounds(ctx)
    before: tuple[Action, ...] = ()
    if bounds is not None and bounds != ctx.facts.ac_power:
        before = (SetAcPower(bounds),)
    return held_back(ctx, before + read_meter(ctx), lambda: _reply(ctx))


def _reply(ctx: Context) -> Answer:
    info, receipt = meter_info(ctx)
    by_contract = ctx.payment is iso2.PaymentOption.Contract
    tells = ctx.settings.send_max_current == "always" or not by_contract
    response = iso2.ChargingStatusRes(
        response_code=Code.OK,
        evseid=ctx.facts.config.evse_id,
        sa_schedule_tuple_id=ctx.tuple_id,
        evse_max_current=told_a(present_a(ctx, allowed_w(ctx))) if tells else None,
        meter_info=info,
        receipt_required=receipt,
        ac_evse_status=ac_status(ctx),
    )
    return Answer(ctx.envelope(response), S.METERING_RECEIPT if receipt else S.CHARGING_STATUS)


def present_bounds(ctx: Context) -> AcBounds | None:
    """What the vehicle is told that it may take, and what it may take by the offer and its schedule before it
    is told anything else; None before it declared what it can."""
    limits = ctx.facts.ac_limits
    if limits is None:
        return None
    current = each(present_a(ctx, allowed_w(ctx)), limits.phases)
    return AcBounds(
        phases=limits.phases, charge_a=current, charge_w=power_of(current, limits.nominal_voltage_v)
    )


AC = Part(
    name="AC",
    ready=S.POWER_DELIVERY,
    renegotiated=S.POWER_DELIVERY,
    loop=S.CHARGING_STATUS,
    after=S.SESSION_STOP,
    rows={
        S.POWER_DELIVERY: {
            START: row("V2G2-847", S.CHARGING_STATUS),
            STOP: row("docs/sources.md", S.SESSION_STOP),
        },
        S.CHARGING_STATUS: {
            iso2.ChargingStatusReq: row("V2G2-691", S.CHARGING_STATUS, S.METERING_RECEIPT),
        },
    },
    handlers={
        iso2.PowerDeliveryReq: power_delivery,
        iso2.ChargingStatusReq: charging_status,
    },
    stages={
        # After a renegotiation contactors are closed here.
        S.POWER_DELIVERY: Stage(name=S.POWER_DELIVERY.value, live=True, holds=True),
        S.CHARGING_STATUS: Stage(name=S.CHARGING_STATUS.value, live=True, holds=True, lasts=True),
    },
    parameters=ac_parameters.take_parameters,
    offer=ac_parameters.offered,
    most_w=ac_parameters.most_w,
    wanted_wh=ac_parameters.wanted_wh,
    status=ac_status,
    running=ac_status,
    loop_request=iso2.ChargingStatusReq,
    refresh=ac_parameters.refresh,
    bounds=present_bounds,
)
