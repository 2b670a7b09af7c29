"""The control pilot of a station with SLAC: what it shows, why, and for how long; and what the
vehicle means by what it shows.

The pilot rests in X1, invites with 5 %, and shows F to wake a vehicle up or to start anew. F always has an
end. Matching is ``evse``'s, which is told by a ``Demand`` what the pilot asks of it.
"""

from __future__ import annotations

import math
from enum import Enum

from iso15118.link.deadlines import Deadlines
from iso15118.link.primitives import LinkNote, LinkState, Pilot, SetPilot
from iso15118.vocabulary import Action, SignalState

from .settings import SlacSettings, SlacTiming

__all__ = ["Demand", "StationPilot"]

_CONNECTED = (SignalState.B, SignalState.C, SignalState.D)


class Demand(Enum):
    """What the pilot asks of the matching."""

    NOTHING = "nothing"
    OPEN = "wait for vehicles"
    AGAIN = "go on waiting for vehicles after E/F"
    LEAVE = "forget everybody"
    FAILED = "the pilot has failed: forget everybody, and start anew within the budget"
    RESUME = "end the pause"
    GIVE_UP = "nobody came"


class _Timer(Enum):
    INIT = "TT_EVSE_SLAC_init"
    EF_END = "T_step_EF"
    ERROR_PAUSE = "steady pilot before E/F"
    WAKE = "a state C that lasts"


class StationPilot:
    """``signal`` is what is seen now; ``driving``: this side shows F, or rests before it, on purpose."""

    def __init__(self, settings: SlacSettings, timing: SlacTiming) -> None:
        self._settings, self._timing = settings, timing
        self._timers: Deadlines[_Timer] = Deadlines(_Timer)
        self.signal = SignalState.A
        self.driving = False
        self._begun = False  # since it was plugged in
        self._asked_to_rest = False
        self._gone_at = -math.inf
        self._c_since = 0.0
        self._wake_ups = 0
        self._faults = settings.c_fault_restarts
        self._patience = self._grace = 0.0
        self._granted = False

    @property
    def deadline(self) -> float | None:
        """When ``due`` has something to do."""
        return self._timers.earliest

    @property
    def connected(self) -> bool:
        """B, C or D."""
        return self.signal in _CONNECTED

    # -- what it shows

    def rest(self, *, asked: bool) -> list[Action]:
        """X1, until the vehicle or the application wants more. ``asked``: by the upper layers, so a pilot
        that was lost and comes back begins nothing."""
        self._timers.clear_all()
        self.driving, self._asked_to_rest = False, asked
        return [SetPilot(Pilot.STEADY)]

    def invite(self, now: float, wait_s: float | None = None, *, again: bool = False) -> list[Action]:
        """5 %. ``wait_s``: only so long before the vehicle is woken up, if it is at all. ``again``:
        after that, which is bounded."""
        self._begun, self._asked_to_rest = True, False
        self._wake_ups = self._wake_ups if again else self._settings.c_sequ_retry
        init = self._timing.tt_evse_slac_init
        at = now + (init if wait_s is None or not self._wake_ups else wait_s)
        self.driving, self._granted = False, False
        self._patience = at + init
        self._timers.clear_all()
        self._wait_until(at)
        return [SetPilot(Pilot.FIVE_PERCENT)]

    def _wait_until(self, at: float) -> None:
        """A matching that is under way then may still come to its end."""
        timing, answers = self._timing, self._settings.c_ev_match_retry + 1
        matching = (
            timing.tt_evse_match_mnbc + answers * timing.tt_match_response + timing.tt_evse_match_session
        )
        self._grace = at + matching
        self._timers.set(_Timer.INIT, at)

    def start_anew(self, now: float, *, rested: bool = False) -> list[Action]:
        """X1, F, and 5 % again. ``rested``: it has been in X1 already."""
        self._timers.clear_all()
        self.driving, self._begun, self._asked_to_rest = True, True, False
        self._wake_ups = self._settings.c_sequ_retry
        pause = 0.0 if rested else self._timing.error_pause
        self._timers.set(_Timer.ERROR_PAUSE, now + pause)
        return [SetPilot(Pilot.STEADY)]

    def _show_f(self, now: float) -> list[Action]:
        self.driving = True
        self._timers.set(_Timer.EF_END, now + self._timing.t_step_ef)
        return [SetPilot(Pilot.STATE_F)]

    def refill(self) -> None:
        """A new plug-in, or the application asks: budgets are full."""
        self._faults = self._settings.c_fault_restarts

    def matched(self) -> list[Action]:
        """A vehicle joins: nobody else is waited for. One that matched while it was being
        woken up gets its 5 % back."""
        was_driving, self.driving = self.driving, False
        self._timers.clear_all()
        return [SetPilot(Pilot.FIVE_PERCENT)] if was_driving else []

    def wait_on(self, now: float) -> None:
        """The vehicle that joined does not, and another one is waited for."""
        self._patience = now + 2 * self._timing.tt_evse_slac_init
        self._wait_until(now + self._timing.tt_evse_slac_init)

    def heard_out(self, now: float) -> None:
        """A vehicle that had sounded came to nothing: it gets TT_EVSE_SLAC_init once more. Not without
        end: others sound as well."""
        if _Timer.INIT in self._timers:
            self._wait_until(min(now + self._timing.tt_evse_slac_init, self._patience))

    # -- what the vehicle shows

    def changed(self, signal: SignalState, now: float, state: LinkState, *, paused: bool) -> Demand:
        """The pilot shows something else."""
        self.signal, before = signal, self.signal
        self._timers.clear(_Timer.WAKE)
        if signal is SignalState.A:
            self._begun, self._gone_at = False, now
            return Demand.LEAVE
        if self.driving:
            return Demand.NOTHING
        if signal not in _CONNECTED:
            return Demand.FAILED if state is LinkState.MATCHED else Demand.NOTHING
        if paused and signal is SignalState.C:
            return Demand.RESUME
        if state is not LinkState.UNMATCHED:
            return Demand.NOTHING
        if not self._begun or (before not in _CONNECTED and not self._asked_to_rest):
            return Demand.OPEN
        if before is SignalState.B and signal is SignalState.C:  # a vehicle that wakes the station up
            self._timers.set(_Timer.WAKE, now + self._timing.t_vald_detect / 2)
        return Demand.NOTHING

    def is_new_plug_in(self, now: float) -> bool:
        """It was out for longer than a contact bounces."""
        return not self._begun and now - self._gone_at >= self._timing.replug_debounce

    def toggle(self, before: SignalState, now: float) -> int:
        """What the change from ``before`` counts as in a validation: 1, or -1 where the
        last one was a glitch, or 0."""
        if before is SignalState.B and self.signal is SignalState.C:
            self._c_since = now
            return 1
        if before is SignalState.C and self.signal is SignalState.B:
            return -1 if now - self._c_since < self._timing.t_vald_detect / 2 else 0
        return 0

    def may_restart(self) -> bool:
        """One of the restarts that are left after a fault."""
        if self._faults == 0:
            return False
        self._faults -= 1
        return True

    # -- time

    def due(self, now: float, *, hearing: bool, asked: bool) -> tuple[list[Action], Demand]:
        """What the deadline brings. ``hearing``: a vehicle sounds or has sounded;
        ``asked``: one has asked at least."""
        timer = self._timers.pop(now)
        if timer is _Timer.WAKE:
            return [LinkNote("the vehicle wakes the station up")], Demand.OPEN
        if timer is _Timer.ERROR_PAUSE:
            return self._show_f(now), Demand.NOTHING
        if timer is _Timer.EF_END:
            return [], Demand.AGAIN
        if timer is None:
            return [], Demand.NOTHING
        if (hearing and now < self._grace) or (asked and not hearing and not self._granted):
            self._granted = self._granted or not hearing
            self._timers.set(_Timer.INIT, now + self._timing.tt_match_sequence)
            return [], Demand.NOTHING
        if self._wake_ups == 0:
            return [LinkNote("no vehicle began to match")], Demand.GIVE_UP
        self._wake_ups -= 1
        return [*self._show_f(now), LinkNote("wake the vehicle up")], Demand.NOTHING
