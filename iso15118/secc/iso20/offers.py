"""What is offered over time: from the energy manager's values to schedule tuples
with their prices and signature.

What was offered is kept as the vehicle reads it: rounded to whole seconds and to numbers of the wire,
never above what was planned.
"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from iso15118.energy.offer import PowerOffer, ScheduleOffer
from iso15118.energy.price import Prices
from iso15118.energy.schedule import Schedule, fewer
from iso15118.errors import MisuseError, PkiError
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.values import floor_rational, floored, rational, time_stamp
from iso15118.messages.xmldsig import Signature
from iso15118.secc.price_signing import PriceSigning, begin_signing
from iso15118.session.actions import ScheduleRemark, UseKey
from iso15118.session.price_wire import PriceElement, price_element, shortened

from .context import Context

if TYPE_CHECKING:
    from iso15118.pki.keys.signer import Signer

__all__ = ["Offered", "offer", "relayed", "sign"]

_DAY: Final = 86_400
"""A schedule without a departure time covers a day [V2G20-1563]."""
_LONGEST: Final = 2**32 - 1
_POINTS: Final = range(12, 1025)
"""Of MaximumSupportingPoints."""
_SIGNS: Final = ("secp521r1", "ed448")


class Offered(Struct, frozen=True, kw_only=True):
    """One schedule tuple as the vehicle reads it."""

    id: int
    charging: Schedule
    discharging: Schedule | None
    """Magnitudes; None: its limits alone count."""
    tolerance_w: float
    """0: none is named."""


def offer(
    ctx: Context, departure_s: int | None, points: int
) -> tuple[cm.ScheduledSEResControlMode, list[PriceElement]]:
    """One to three schedule tuples, which are kept in ``ctx.offered``, and those of their prices that are to
    be signed. Without a plan of the energy manager the present limits hold until departure."""
    facts, service = ctx.facts, ctx.service
    limits = facts.limits_w
    if limits is None or service is None:  # the table does not lead here without both
        raise RuntimeError("schedule exchange before charge parameter discovery")
    # Whoever leaves at once, or does not say when, is given a day.
    lasts = min(max(departure_s or _DAY, 1), _LONGEST)
    points = min(max(points, _POINTS[0]), _POINTS[-1])
    ctx.offers_made = facts.offers
    offers = [one for one in facts.offers if one.charging.schedule(facts.now).over_at >= facts.now + 1.0]
    ctx.managed = bool(offers)
    if not offers:
        charge_w, discharge_w = limits
        back = PowerOffer(entries=((lasts, discharge_w),)) if service.bidirectional else None
        offers = [ScheduleOffer(charging=PowerOffer(entries=((lasts, charge_w),)), discharging=back)]
    elements: list[PriceElement] = []
    ctx.offered = {}  # a new one: what was offered before may hold meanwhile, beside the loop
    tuples = []
    for place, one in enumerate(offers, start=1):
        number = place if one.id is None else one.id
        charging, allowed = _direction(ctx, one.charging, lasts, points, elements, back=False)
        discharging = given_back = None
        if service.bidirectional and one.discharging is not None:
            discharging, given_back = _direction(ctx, one.discharging, lasts, points, elements, back=True)
        ctx.offered[number] = Offered(
            id=number, charging=allowed, discharging=given_back, tolerance_w=_tolerance(ctx, one.charging)
        )
        tuples.append(
            cm.ScheduleTuple(
                schedule_tuple_id=number, charging_schedule=charging, discharging_schedule=discharging
            )
        )
    ctx.follow(next(iter(ctx.offered)))
    return cm.ScheduledSEResControlMode(schedule_tuple=tuple(tuples)), elements


def _tolerance(ctx: Context, said: PowerOffer) -> float:
    tolerance_w = ctx.facts.config.power_tolerance_w if said.tolerance_w is None else said.tolerance_w
    return floored(tolerance_w)


def _direction(
    ctx: Context, said: PowerOffer, lasts: int, points: int, elements: list[PriceElement], *, back: bool
) -> tuple[cm.ChargingSchedule, Schedule]:
    """The element of one direction, and its powers as they are read. What has passed is left out, and the
    last power goes on until the vehicle leaves, or for a day."""
    facts = ctx.facts
    most_w = facts.offered_discharge_w if back else facts.offered_charge_w
    if most_w is None:  # as above
        raise RuntimeError("schedule exchange before charge parameter discovery")
    try:
        plan = said.schedule(facts.now).from_now(facts.now)
    except ValueError:  # of discharging: what is over gives nothing any more
        plan = Schedule.of(facts.now, ((float(lasts), 0.0),))
    plan = fewer(_in_seconds(plan.lasting(facts.now + lasts)), points)
    entries = tuple(
        cm.PowerScheduleEntry(
            duration=round(ends - begins), power=floor_rational(min(max(power, 0.0), most_w))
        )
        for begins, ends, power in plan.pieces()
    )
    tolerance_w = _tolerance(ctx, said)
    element = cm.ChargingSchedule(
        power_schedule=cm.PowerSchedule(
            time_anchor=time_stamp(facts.now + facts.epoch, facts.config.time_stamp_unit),
            available_energy=None if said.available_wh is None else floor_rational(said.available_wh),
            power_tolerance=rational(tolerance_w) if tolerance_w > 0.0 else None,
            power_schedule_entries=cm.PowerScheduleEntryList(
                power_schedule_entry=tuple(
                    replace(one, power=facts.config.discharge_limit_sign.of(one.power)) for one in entries
                )
                if back
                else entries
            ),
        ),
        price_schedule=_price(ctx, said.prices, lasts, points, elements),
    )
    return element, plan.changed(lambda power: floored(min(max(power, 0.0), most_w)))


def _in_seconds(plan: Schedule) -> Schedule:
    """The same with its edges in whole seconds from its begin; what is shorter than half a second is gone."""
    begins = plan.begins
    ends: list[float] = []
    powers: list[float] = []
    at = 0
    for end, power in zip(plan.ends, plan.powers, strict=True):
        until = min(round(end - begins), _LONGEST)
        if until > at:
            ends.append(begins + until)
            powers.append(power)
            at = until
    if not ends:
        return Schedule(begins, (begins + 1.0,), (plan.powers[-1],))
    return Schedule(begins, tuple(ends), tuple(powers))


# -- prices


def _price(
    ctx: Context, prices: Prices | None, lasts: int, points: int, elements: list[PriceElement]
) -> PriceElement | None:
    facts = ctx.facts
    config = facts.config
    if prices is not None:
        prices = shortened(prices, points, facts.now)
        if prices is None:
            detail = f"a signed price schedule has more than the {points} entries that the vehicle takes, and is left out"
            facts.news.append(ScheduleRemark("price-points", detail))
            return None
        if prices.id is None and _signer(ctx) is not None:
            prices = replace(prices, id=_free_name(ctx, elements))
        element = price_element(prices, facts.epoch, config.time_stamp_unit)
        if element.id is not None:
            elements.append(element)
        return element
    if not config.price_level_schedule:
        return None
    # One level for all of it: nothing to choose by. [V2G20-2176]
    entry = cm.PriceLevelScheduleEntry(duration=lasts, price_level=1)
    return cm.PriceLevelSchedule(
        time_anchor=time_stamp(facts.now + facts.epoch, config.time_stamp_unit),
        price_schedule_id=1,
        number_of_price_levels=1,
        price_level_schedule_entries=cm.PriceLevelScheduleEntryList(price_level_schedule_entry=(entry,)),
    )


def _free_name(ctx: Context, elements: list[PriceElement]) -> str:
    """An id that no other price schedule of this answer has: signatures refer to them by it."""
    taken = {one.id for one in elements} | {
        one.id for told in ctx.facts.offers for one in told.price_schedules
    }
    return next(name for number in count(1) if (name := f"price{number}") not in taken)


def _signer(ctx: Context) -> Signer | None:
    """The key that prices are signed with here; none where the provider has signed them already."""
    if ctx.facts.offers_signature is not None:
        return None
    return next((one for one in ctx.facts.price_signers if one.algorithm in _SIGNS), None)


def relayed(ctx: Context, elements: list[PriceElement]) -> Signature | None:
    """The signature of the provider's backend, as it came; None where there is none."""
    value = ctx.facts.offers_signature
    if value is None or not elements:
        return None
    from iso15118.pnc.prices import relayed_prices  # here: only who has prices loads it

    try:
        return relayed_prices(elements, value)
    except (PkiError, MisuseError) as error:
        ctx.facts.news.append(ScheduleRemark("price-signature", f"prices go out unsigned: {error}"))
        return None


def sign(
    ctx: Context, elements: list[PriceElement], mode: cm.ScheduledSEResControlMode
) -> tuple[PriceSigning, UseKey] | None:
    """Have them signed with the provider's key; None where nothing is to be signed here. ``mode``: what
    is told when that is done."""
    signer = _signer(ctx)
    if signer is None or not elements:
        return None
    from iso15118.pnc.prices import signed_elements, signed_prices  # here: as above

    return begin_signing(
        ctx.facts, signer, signed_elements(elements), partial(signed_prices, elements, signer), mode
    )
