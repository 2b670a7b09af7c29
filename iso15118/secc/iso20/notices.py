"""EVSEStatus: what the station wants of the vehicle now, one thing at a time, and
how much of its time is left.

The end goes before a pause, a pause before another service, another schedule, the end of a standby and a
confirmed reading. What a vehicle did not do in its time is withdrawn, and told to the application.
"""

from __future__ import annotations

from iso15118.messages.iso20.common_types import EvseNotification, EVSEStatus
from iso15118.session.actions import ScheduleRenegotiated, SupervisionWarning

from .context import Context
from .schedules import ask_anew
from .sequence import State

__all__ = ["IGNORED", "agreed_at_rest", "early_status", "lapse", "over", "status"]

IGNORED = "notification-ignored"
"""Name of the news that a vehicle did not do what it was asked for."""
_PAUSE_S = 60.0
"""How long a vehicle has to pause [V2G20-3308]."""
_MOST = 65_535


def status(ctx: Context, *, confirm: bool) -> EVSEStatus | None:
    """What the next response says; None: nothing is wanted. ``confirm``: it has a
    reading that is to be signed."""
    return _on_wire(_notice(ctx, confirm=confirm))


def early_status(ctx: Context) -> EVSEStatus | None:
    """The same before there is a schedule: an end and a pause. What else is wanted waits for the loop, and
    its delay with it."""
    return _on_wire(_urgent(ctx))


def _on_wire(found: tuple[EvseNotification, float] | None) -> EVSEStatus | None:
    if found is None:
        return None
    notification, left_s = found
    delay = int(min(max(left_s, 0.0), _MOST))
    return EVSEStatus(notification_max_delay=delay, evse_notification=notification)


def _urgent(ctx: Context) -> tuple[EvseNotification, float] | None:
    """Delays count down [V2G20-3318]."""
    facts, now = ctx.facts, ctx.facts.now
    if facts.stop_wanted:
        return EvseNotification.Terminate, (facts.stop_deadline or now) - now
    if facts.pause_until > now:
        facts.pause_until = min(facts.pause_until, now + _PAUSE_S)
        return EvseNotification.Pause, facts.pause_until - now
    return None


def _notice(ctx: Context, *, confirm: bool) -> tuple[EvseNotification, float] | None:
    if (urgent := _urgent(ctx)) is not None:
        return urgent
    wishes, settings, now = ctx.facts.wishes, ctx.facts.config.renegotiation, ctx.facts.now
    if wishes.service.why:
        left_s = wishes.service.told(now, settings.service_delay_s)
        if left_s > 0.0:
            return EvseNotification.ServiceRenegotiation, left_s
        _withdrawn(ctx, "ServiceRenegotiation")
        wishes.service.done()
    if ctx.attempt is None and (left := _schedule(ctx)) is not None:
        return EvseNotification.ScheduleRenegotiation, left
    if wishes.exit_standby.why and (left := _exit_standby(ctx)) is not None:
        return EvseNotification.ExitStandby, left
    if confirm and ctx.metering_until is not None:
        return EvseNotification.MeteringConfirmation, ctx.metering_until - now
    return None


def _schedule(ctx: Context) -> float | None:
    """Somebody wants another schedule, or the one that holds is of no use any more."""
    wish, now = ctx.facts.wishes.schedule, ctx.facts.now
    if wish.why:
        left = wish.told(now, ctx.facts.config.renegotiation.schedule_delay_s)
        if left > 0.0:
            return left
        wish.done()
        why = "the vehicle did not ask for another schedule in time"
        ctx.facts.news.append(ScheduleRenegotiated(beside=False, agreed=False, reason=why))
    return ctx.renegotiate_until - now if ask_anew(ctx) else None


def _exit_standby(ctx: Context) -> float | None:
    wishes = ctx.facts.wishes
    if not wishes.standing_by:
        wishes.exit_standby.done()
        return None
    left = wishes.exit_standby.told(ctx.facts.now, ctx.facts.config.renegotiation.exit_standby_delay_s)
    if left > 0.0:
        return left
    wishes.exit_standby.done()
    wishes.give_up = "the vehicle did not leave standby in time"
    return None


def _withdrawn(ctx: Context, what: str) -> None:
    ctx.facts.news.append(SupervisionWarning(IGNORED, f"the vehicle did not follow {what} in time"))


# -- another schedule


def agreed_at_rest(ctx: Context) -> None:
    """PowerDelivery(Start) is granted: where power was there before and only rested, another schedule has
    been agreed on meanwhile."""
    facts = ctx.facts
    there = facts.contactors_closed or (facts.pad_hardware is not None and facts.delivered)
    if there and ctx.state is State.POWER_DELIVERY:
        facts.news.append(ScheduleRenegotiated(beside=False, agreed=True))


def over(ctx: Context, why: str) -> None:
    """The attempt that is under way, if any, comes to nothing; the old agreement stays."""
    if ctx.attempt is not None:
        ctx.attempt = None
        ctx.facts.news.append(ScheduleRenegotiated(beside=True, agreed=False, reason=why))


def lapse(ctx: Context) -> None:
    """A vehicle that says nothing more is not waited for for ever."""
    if ctx.attempt is not None and ctx.facts.now >= ctx.attempt.due:
        over(ctx, "the vehicle did not finish it")
