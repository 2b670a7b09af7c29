"""The contactors of the vehicle in a DC session of any edition: closed when pre-charge has matched, and seen
open before anybody says goodbye.

What was asked for proves nothing: it is their own level that counts, and the voltage behind them.
"""

from __future__ import annotations

from iso15118.messages.values import floored
from iso15118.session.actions import CloseContactors, EndReason
from iso15118.session.supervision import Rule

from .conversation import Conversation, Leave, Until

__all__ = [
    "above_battery",
    "close_contactors",
    "found_open",
    "pre_charge_stands",
    "pre_charge_target",
    "pre_charged",
]


def pre_charge_target(talk: Conversation) -> float:
    """What to ask the station for, in V: the battery's voltage, and no more than was declared. Raises
    ``Leave`` where that is more than the battery can stand."""
    target_v = floored(min(talk.battery.voltage_v, talk.limits.maximum_voltage_v))
    talk.supervisor.pre_charge(target_v)
    if (leave := above_battery(talk)) is not None:
        raise leave
    return target_v


def above_battery(talk: Conversation) -> Leave | None:
    """The way out where pre-charge asks for more than the battery can stand by now; None if it does not."""
    why = talk.supervisor.above_battery
    return Leave(EndReason.PRE_CHARGE_FAILED, why, cause="battery-limit-lowered") if why else None


def pre_charged(talk: Conversation, target_v: float) -> bool:
    """Contactors may close: by readings of now the inlet is at what was asked for, and at the battery as it
    is. A battery of some time ago counts where nobody minds old readings with closed contactors either."""
    limits, volts = talk.supervisor.limits, talk.inlet.voltage_v
    off = max(abs(volts - target_v), abs(volts - talk.battery.voltage_v))
    oldest = limits.beyond(Rule.STALE_READINGS, limits.stale_s)
    fresh = talk.inlet_is_fresh and talk.now - talk.supervisor.battery_at <= oldest
    bears = volts <= talk.supervisor.most_v
    return off <= talk.config.precharge_tolerance_v and bears and fresh and not talk.stop_wanted


def pre_charge_stands(talk: Conversation, target_v: float) -> str:
    """The voltages that pre-charge is to bring together, in words that follow others."""
    return (
        f": the inlet is at {talk.inlet.voltage_v:.1f} V, the target is {target_v:g} V, "
        f"the battery is at {talk.battery.voltage_v:.1f} V"
    )


async def close_contactors(talk: Conversation) -> None:
    """Join the battery to the cable. Raises ``Leave`` if they do not close in time."""
    deadline = talk.now + talk.timing.contactor_close
    talk.act(CloseContactors(deadline))
    if not await Until(deadline, lambda: talk.contactors_closed):
        raise Leave(
            EndReason.CONTACTOR_FAILED,
            "the vehicle's contactors did not close in time",
            cause="contactors-not-closed",
        )


def found_open(talk: Conversation, welded: str = "") -> None:
    """Raises ``Leave`` for contactors that did not open, and for those that voltage shows to be closed all
    the same: ``welded`` says how."""
    if talk.contactors_closed:
        raise Leave(
            EndReason.CONTACTOR_FAILED, "the vehicle's contactors did not open", cause="contactors-not-opened"
        )
    if welded:
        raise Leave(EndReason.CONTACTOR_FAILED, welded)
