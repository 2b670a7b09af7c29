"""Basic signalling of one end where the other end is another process or another machine, and no
pilot joins the two: what it would show is assumed. For laboratories and demonstrations; a real
connector has a port of its own.

A station presumes a vehicle that is plugged in and ready; a vehicle presumes a station that wants to talk.
"""

from __future__ import annotations

from enum import Enum

from iso15118.link.ports import Listener
from iso15118.link.primitives import DutyChanged, Pilot, SetPilot, ShowState
from iso15118.link.spe.signalling import CeChanged, CeState, SetS3
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalChanged, SignalState

__all__ = ["AssumedStation", "AssumedVehicle", "Coding"]


class Coding(Enum):
    """What carries the basic signalling."""

    CONTROL_PILOT = "control pilot"
    CE = "CE and ID"


class _Assumed:
    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self._listeners: list[Listener] = []
        self._states: dict[type[Event], Event] = {}

    def listen(self, listener: Listener) -> None:
        """Push what is assumed now, and every change; see ``BasicSignalling``."""
        self._listeners.append(listener)
        for event in tuple(self._states.values()):
            listener(event)

    def _push(self, event: Event) -> None:
        if self._states.get(type(event)) == event:
            return
        self._states[type(event)] = event
        for listener in self._listeners:
            listener(event)


class AssumedVehicle(_Assumed):
    """At a station: a vehicle that shows C whenever it could. ``next_plug_in`` makes another one of it."""

    def __init__(self, coding: Coding) -> None:
        super().__init__(coding)
        self._s3 = False
        self._mate()

    def show(self, action: Action) -> None:
        """The station's pilot or S3; see ``BasicSignalling``."""
        if isinstance(action, SetPilot) and self.coding is Coding.CONTROL_PILOT:
            driven = {Pilot.STATE_E: SignalState.E, Pilot.STATE_F: SignalState.F}
            self._push(SignalChanged(driven.get(action.pilot, SignalState.C)))
        elif isinstance(action, SetS3) and self.coding is Coding.CE:
            self._s3 = action.closed
            self._mate()

    def next_plug_in(self) -> None:
        """It leaves, and another one comes."""
        if self.coding is Coding.CE:
            self._push(CeChanged(CeState.A))
        else:
            self._push(SignalChanged(SignalState.A))
        self._mate()

    def _mate(self) -> None:
        if self.coding is Coding.CE:
            self._push(CeChanged(CeState.C if self._s3 else CeState.B0))
        else:
            self._push(SignalChanged(SignalState.C))


class AssumedStation(_Assumed):
    """At a vehicle: a station that shows 5 %, or S3 closed. ``start_again`` has it wake the
    vehicle up after a failure."""

    def __init__(self, coding: Coding) -> None:
        super().__init__(coding)
        self._shown = SignalState.B
        self._update()

    def show(self, action: Action) -> None:
        """The vehicle's state; see ``BasicSignalling``."""
        if isinstance(action, ShowState):
            self._shown = action.state
            self._update()

    def start_again(self) -> None:
        """E or F and back, or S3 open and closed."""
        if self.coding is Coding.CE:
            self._push(CeChanged(CeState.B0))
        else:
            self._push(DutyChanged(None))
            self._push(SignalChanged(SignalState.F))
        self._update()

    def _update(self) -> None:
        if self.coding is Coding.CE:
            self._push(CeChanged(CeState.C if self._shown is SignalState.C else CeState.B))
        else:
            self._push(SignalChanged(self._shown))
            self._push(DutyChanged(5.0))
