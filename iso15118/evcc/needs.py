"""What a vehicle needs and until when, whatever the edition: energy, departure, and when it has had enough.

No message type of an edition is known here; how a quantity is rounded for the wire is the edition's business.
"""

from __future__ import annotations

from typing import Protocol

from iso15118.messages.values import floored
from iso15118.session.actions import EndReason, SessionEnded

from .conversation import Conversation

__all__ = ["Progress", "departure_s", "enough", "has_enough", "no_way_on", "target_voltage", "wanted_wh"]


_ABOVE_V = 2.0
"""A target so far above the battery lets it take current."""
_FLOWS_A = 1.0
"""Less than this is a measurement of nothing."""


class Progress(Protocol):
    """What an edition keeps of a charge, as far as it is asked here."""

    idle_since: float | None
    """Since when nothing has flowed, though something might."""
    too_little_since: float | None
    """Since when the battery wants less than the two sides can charge with."""

    def scheduled_power_w(self, now: float) -> float:
        """What was agreed on for ``now`` (s), in W."""
        ...

    def schedule_over(self, now: float) -> bool:
        """Nothing was agreed on for ``now`` any more."""
        ...


def departure_s(talk: Conversation) -> int | None:
    """Time until the vehicle leaves, in s from now; None if nobody knows."""
    return None if talk.departure_at is None else max(int(talk.departure_at - talk.now), 0)


def target_voltage(talk: Conversation, headroom_v: float) -> float:
    """EVTargetVoltage in V: what the battery is charged to, and ``headroom_v`` below the vehicle's maximum
    where that costs no charge: some stations end as over-voltage when the two are close."""
    battery, most = talk.battery, talk.limits.maximum_voltage_v
    wanted = floored(min(battery.target_voltage_v, battery.maximum_voltage_v, most))
    roomy = most - headroom_v
    return wanted if wanted <= roomy else max(roomy, min(wanted, battery.voltage_v + _ABOVE_V))


def wanted_wh(talk: Conversation) -> float:
    """What the battery lacks until its own target or the driver's, whichever comes first, in
    Wh; below zero: it has more."""
    battery = talk.battery
    to_driver_wh = (talk.target_soc - battery.soc) / 100.0 * battery.capacity_wh
    return min(battery.energy_to_target_wh, to_driver_wh)


def has_enough(talk: Conversation, lacks_wh: float) -> bool:
    """The battery has what it wants, or lacks so little (``lacks_wh``) that it cannot be asked for."""
    battery, config = talk.battery, talk.config
    return (
        battery.complete
        or 0.0 < battery.target_current_a < config.least_current_a
        or lacks_wh <= config.least_energy_wh
    )


def enough(
    talk: Conversation, progress: Progress, *, below_minimum: bool, flows: bool | None = None
) -> SessionEnded | None:
    """How the vehicle ends the charge now; None if it goes on. Asked in every turn of the loop.
    ``below_minimum``: the battery takes less than the least that the two sides can charge with. ``flows``:
    something is measured; None: by the current at the inlet."""
    if talk.stop_wanted:
        return SessionEnded(EndReason.STOPPED_BY_EV, talk.stop_wanted)
    if talk.pause_wanted:
        return SessionEnded(EndReason.PAUSED, talk.pause_wanted)
    if has_enough(talk, wanted_wh(talk)):
        return SessionEnded(EndReason.STOPPED_BY_EV, "")
    if talk.departure_at is not None and talk.now >= talk.departure_at:
        return SessionEnded(EndReason.STOPPED_BY_EV, "departure")
    measured = abs(talk.inlet.current_a) >= _FLOWS_A if flows is None else flows
    return no_way_on(
        talk, progress, progress.scheduled_power_w(talk.now), flows=measured, below_minimum=below_minimum
    )


def no_way_on(
    talk: Conversation, progress: Progress, scheduled_w: float, *, flows: bool, below_minimum: bool
) -> SessionEnded | None:
    """Nothing flows, and nothing will: the vehicle does not wait for ever. ``scheduled_w``: what was agreed
    on for now; ``flows`` and ``below_minimum`` as in ``enough``."""
    config, now = talk.config, talk.now
    # As agreed: a schedule that is over rests nothing.
    if flows or (scheduled_w <= 0.0 and not progress.schedule_over(now)):
        progress.idle_since = None
    elif progress.idle_since is None:
        progress.idle_since = now
    elif now - progress.idle_since >= config.no_power_s:
        return SessionEnded(EndReason.STOPPED_BY_EV, f"no power for {config.no_power_s:g} s")
    if not below_minimum:
        progress.too_little_since = None
    elif progress.too_little_since is None:
        progress.too_little_since = now
    elif now - progress.too_little_since >= config.below_minimum_s:
        return SessionEnded(
            EndReason.STOPPED_BY_EV, "the battery takes less than the least that can be given"
        )
    return None
