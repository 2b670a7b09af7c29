"""What the vehicle needs and until when: energies and departure as it tells them, and when it has had enough.

Energies are rounded so that none is lost: what is still wanted never becomes a request for nothing.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.energy.dc import reaches
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20.plan import Plan
from iso15118.evcc.needs import has_enough, no_way_on
from iso15118.messages.iso20.common_types import RationalNumber, ResponseCode
from iso15118.messages.values import ceil_rational, ceiled, floored, rational
from iso15118.session.actions import EndReason, ScheduleRemark, SessionEnded
from iso15118.session.services import ControlMode

__all__ = [
    "departure_or_a_day",
    "departure_s",
    "done",
    "energies",
    "enough",
    "lowest_soc",
    "most_w",
    "rests",
    "take_warning",
    "target_energy",
    "v2x",
    "wanted_wh",
    "wants_schedule",
]

_A_DAY = 86_400
_SHORT_WH = 50.0
"""By so much a profile has to fall short before another one is looked for: a
battery's own count is no finer."""
_FLOWS_A = 1.0
"""Less than this is a measurement of nothing."""


def departure_s(talk: Conversation) -> int | None:
    """Time until the vehicle leaves, in s from now; None if nobody knows."""
    return None if talk.departure_at is None else max(int(talk.departure_at - talk.now), 0)


def departure_or_a_day(talk: Conversation) -> int:
    """The same where the standard requires a time."""
    known = departure_s(talk)
    return _A_DAY if known is None else known


def energies(talk: Conversation, *, nothing: bool = False) -> dict[str, Any]:
    """The three energy requests in whole Wh; ``nothing``: none is wanted any more, and a minimum not yet
    reached does not count either."""
    battery = talk.battery
    target = 0.0 if nothing else ceiled(math.ceil(wanted_wh(talk)))
    most = max(floored(math.floor(battery.energy_to_maximum_wh)), target)
    least = 0.0 if nothing else min(ceiled(math.ceil(battery.energy_to_minimum_wh)), target)
    return {
        "ev_target_energy_request": rational(target),
        "ev_maximum_energy_request": rational(most),
        "ev_minimum_energy_request": ceil_rational(least),
    }


def target_energy(talk: Conversation) -> RationalNumber:
    """The first of them alone, which is all that a request in Scheduled mode says."""
    return rational(ceiled(math.ceil(wanted_wh(talk))))


def wanted_wh(talk: Conversation) -> float:
    """What the battery lacks until its own target or the driver's, whichever comes first."""
    battery = talk.battery
    to_target_wh = battery.energy_to_target_wh
    to_driver_wh = (talk.target_soc - battery.soc) / 100.0 * battery.capacity_wh
    return to_driver_wh if to_driver_wh < to_target_wh else to_target_wh


def v2x(talk: Conversation, plan: Plan) -> dict[str, RationalNumber]:
    """The energies to the ends of the range in which the battery may be cycled, in a
    bidirectional service of Dynamic mode."""
    if not _cycles(talk, plan):
        return {}
    least, most = talk.config.v2x_minimum_soc or 0, talk.config.v2x_maximum_soc or 0
    soc, percent_wh = talk.battery.soc, talk.battery.capacity_wh / 100.0
    return {
        "ev_maximum_v2x_energy_request": rational(floored(math.floor((most - soc) * percent_wh))),
        "ev_minimum_v2x_energy_request": ceil_rational(math.ceil((least - soc) * percent_wh)),
    }


def lowest_soc(talk: Conversation, plan: Plan) -> float:
    """Nothing is given back below this state of charge, in percent."""
    least = talk.config.v2x_minimum_soc if _cycles(talk, plan) else None
    return float(talk.minimum_soc if least is None else max(least, talk.minimum_soc))


def _cycles(talk: Conversation, plan: Plan) -> bool:
    return (
        plan.control_mode is ControlMode.DYNAMIC
        and plan.service.bidirectional
        and talk.config.allow_discharge
        and talk.config.v2x_minimum_soc is not None
    )


def enough(talk: Conversation, plan: Plan, scheduled_w: float) -> SessionEnded | None:
    """How the vehicle ends the charge now; None if it goes on. Asked in every turn of the loop.
    ``scheduled_w``: what the schedule allows now."""
    return done(talk, plan) or (None if rests(talk, plan) else _no_way_on(talk, plan, scheduled_w))


def rests(talk: Conversation, plan: Plan) -> bool:
    """It has what it wants, and waits to be cycled until its departure."""
    return talk.departure_at is not None and _full(talk) and _cycles(talk, plan)


def _full(talk: Conversation) -> bool:
    return has_enough(talk, wanted_wh(talk))


def done(talk: Conversation, plan: Plan) -> SessionEnded | None:
    """The same as far as driver and battery are asked."""
    if talk.stop_wanted:
        return SessionEnded(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    if talk.pause_wanted:
        return SessionEnded(EndReason.PAUSED, talk.pause_wanted)
    if talk.departure_at is not None and talk.now >= talk.departure_at:
        return SessionEnded(EndReason.STOPPED_BY_EV, "departure")
    if _full(talk) and not rests(talk, plan):
        return SessionEnded(EndReason.STOPPED_BY_EV, "")
    return None


def _no_way_on(talk: Conversation, plan: Plan, scheduled_w: float) -> SessionEnded | None:
    below = plan.declared.of(plan.station, talk.limits).has_minimum and _below_minimum(talk, plan)
    flows = abs(talk.inlet.current_a) >= _FLOWS_A
    return no_way_on(talk, plan, scheduled_w, flows=flows, below_minimum=below)


def wants_schedule(talk: Conversation, plan: Plan, *, gives: bool) -> bool:
    """Whether the station is to be asked for another schedule in this turn; ``gives``: the
    vehicle gives energy back."""
    config, now = talk.config, talk.now
    if plan.warned:
        why = "violated"
    elif _falls_short(talk, plan):
        why = "short"
    elif plan.scheduled_power_w(now) > 0.0:
        why = ""  # as almost always: it has power, and so is not over
    elif plan.schedule_over(now):
        why = "over"
    else:
        why = "nothing" if not gives and plan.nothing_scheduled(now) else ""
    every = config.schedule_renegotiation_s
    if why != plan.wants_anew:
        # One that is over is no use any more; the other one has just been agreed on.
        plan.wants_anew, plan.ask_anew_at = why, now if why in ("over", "violated") else now + every
    if not why or every <= 0.0 or now < max(plan.ask_anew_at, plan.refused_until):
        return False
    plan.ask_anew_at = now + every
    return True


def take_warning(talk: Conversation, plan: Plan, code: ResponseCode) -> None:
    """The station finds the power off the profile [V2G20-1864]: the vehicle, which keeps to what it told,
    asks for another exchange."""
    if code is not ResponseCode.WARNING_EVPowerProfileViolation or plan.warned:
        return
    plan.warned = True
    talk.act(
        ScheduleRemark("profile-violation", "the station finds that the vehicle leaves its power profile")
    )


def _falls_short(talk: Conversation, plan: Plan) -> bool:
    """The profile does not bring any more what is wanted until departure, though the schedule
    could; looked at now and then."""
    chosen, until, now = plan.schedule, talk.departure_at, talk.now
    if chosen is None or chosen.profile is None or until is None or chosen.profile == chosen.charging:
        return False
    if now < plan.look_again_at:
        return plan.falls_short
    plan.look_again_at = now + talk.config.schedules.look_again_s
    comes = chosen.profile.energy_wh(now, until)
    best = min(most_w(talk, plan), talk.battery.maximum_charge_power_w)
    possible = chosen.charging.changed(lambda power: min(power, best)).energy_wh(now, until)
    plan.falls_short = wanted_wh(talk) > comes + _SHORT_WH and possible > comes + _SHORT_WH
    return plan.falls_short


def most_w(talk: Conversation, plan: Plan) -> float:
    """What both sides can charge with at best, in W."""
    if plan.wpt_offer_w > 0.0 and talk.receiver_limits is not None:
        return min(plan.wpt_offer_w, talk.receiver_limits.maximum_power_w)
    own, offer = plan.ac.own, plan.ac.offer
    if own is not None and offer is not None:
        return min(sum(own.maximum_charge_power_w), sum(offer.maximum_charge_power_w))
    return min(talk.limits.maximum_charge_power_w, plan.station.maximum_charge_power_w)


def _below_minimum(talk: Conversation, plan: Plan) -> bool:
    if plan.ask_to_discharge_w > 0.0:
        return False
    battery, both = talk.battery, plan.declared.of(plan.station, talk.limits)
    amperes = min(battery.target_current_a, battery.maximum_charge_current_a)
    least_a, least_w = both.minimum_current_a, both.minimum_power_w
    return not reaches(amperes, battery.maximum_charge_power_w, battery.voltage_v, least_a, least_w)
