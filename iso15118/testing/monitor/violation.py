"""What a monitor raises, and what both of its halves need: alarms, causes and wire numbers."""

from __future__ import annotations

from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency

__all__ = ["ALARMS", "TOLERANCE", "AtOnce", "Causes", "SafetyViolation"]

ALARMS = (ev.HardwareFault, ev.EmergencyShutdown, ev.TransportLost, ev.Undecodable)
TOLERANCE = 1.001  # limits travel as RationalNumber: a part in a thousand is rounding

_TALK = frozenset(
    {
        EndReason.REFUSED,
        EndReason.TIMEOUT,
        EndReason.SEQUENCE_ERROR,
        EndReason.UNKNOWN_SESSION,
        EndReason.UNDECODABLE,
        EndReason.PEER_VANISHED,
        EndReason.SIGNAL_LOST,
        EndReason.HARDWARE_FAULT,
        EndReason.EMERGENCY,
        EndReason.INTERNAL_ERROR,
    }
)
"""What may still happen after a side has taken itself off for another reason."""


_GIVES = (
    act.StartCableCheck,
    act.PreCharge,
    act.CloseContactors,
    act.SetPower,
    act.SetAcPower,
    act.SetPad,
    act.SetCharger,
    act.SetReceiver,
)
"""What makes a stop necessary again."""


class SafetyViolation(AssertionError):  # noqa: N818 - named for what happened
    """A session did what must never happen."""


class AtOnce:
    """An emergency stop stays one: no ramp is asked for after it, until something may flow again."""

    def __init__(self, role: str) -> None:
        self._role = role
        self.asked = False
        """One was asked for, and nothing since that flows."""
        self._opens = False
        """With the contactors."""

    def look(self, event: ev.Event | None, actions: list[act.Action]) -> None:
        """One call."""
        urgency: Urgency | None = None
        before = self.asked
        for action in actions:
            if type(action) is act.StopPower:
                urgency = action.urgency  # a second one may be the more urgent
                if self.asked and urgency is not Urgency.EMERGENCY:
                    raise SafetyViolation(f"{self._role}: a ramp after a stop at once, on {event}: {actions}")
                self.asked = urgency is Urgency.EMERGENCY
            elif isinstance(action, _GIVES) or type(action) is act.SessionEnded:
                self.asked = self._opens = False
            elif type(action) is act.OpenContactors:
                at_once = action.urgency is Urgency.EMERGENCY
                # Where the current alone was taken away at once before, contactors wait for it to be gone.
                if action.urgency is not urgency and not (before and not self._opens and not at_once):
                    raise SafetyViolation(
                        f"{self._role}: current and contactors in different haste: {actions}"
                    )
                self._opens = at_once


class Causes:
    """How urgent a stop was, against what it was for: what ends in an orderly way ramps down,
    everything else is an emergency, and stays one: no ramp is asked for after it."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._broke_off: Urgency | None = None
        self._at_once = AtOnce(role)

    def look(self, event: ev.Event | None, actions: list[act.Action], *, alarmed: bool, agreed: bool) -> None:
        """One call. ``alarmed``: its event is an alarm; ``agreed``: the other side was told, or tells, that
        power is no longer wanted."""
        if len(actions) == 1 and type(actions[0]) is act.Send:
            return  # a message stops nothing
        urgency: Urgency | None = None
        behind = self._at_once.asked
        self._at_once.look(event, actions)
        for action in actions:
            if type(action) is act.StopPower:
                urgency = action.urgency
        if urgency is not None:
            if alarmed and urgency is not Urgency.EMERGENCY:
                raise SafetyViolation(f"{self._role}: {event} is no emergency to it: {actions}")
            if not alarmed and not any(type(action) is act.OpenContactors for action in actions):
                pass  # current alone is taken away, or faster: that breaks nothing off
            elif behind and not alarmed:
                self._broke_off = None  # it says nothing of its own cause
            elif not agreed and not alarmed:
                self._broke_off = urgency
            elif agreed and urgency is Urgency.ORDERLY:
                self._broke_off = None
        for action in actions:
            if type(action) is not act.SessionEnded:
                continue
            wanted = Urgency.ORDERLY if action.reason.orderly else Urgency.EMERGENCY
            now = urgency if not (alarmed or behind) else wanted  # behind a stop at once there is no other
            if now is not None and now is not wanted:
                raise SafetyViolation(f"{self._role}: {action.reason.name} by a stop that is {now.name}")
            before = self._broke_off
            if before is not None and before is not wanted and action.reason not in _TALK:
                raise SafetyViolation(
                    f"{self._role}: {action.reason.name} after a stop that was {before.name}"
                )
