"""A bench of vehicles and stations on one power line, under a virtual clock: plugs go in, links come
up, everything is written down.

It drives any ``DataLink``; SLAC machines get a modem each, machines of other links none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from msgspec import Struct

from iso15118.link.primitives import DataLink, DLinkReady, LinkNote, PowerOn, SetPilot, ShowState
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.session.actions import Action
from iso15118.session.events import Event

from .ccs_plug import Plug
from .modem import PlcModem, PowerLine

__all__ = ["LinkBench", "LinkEnd", "Occurrence"]


class Occurrence(NamedTuple):
    """An action that a machine asked for. ``time`` is in s of the bench's clock."""

    time: float
    name: str
    action: Action


class LinkEnd(Struct, eq=False):
    """One machine with what is attached to it. ``ready``: what the layers above were told last."""

    name: str
    machine: DataLink
    modem: PlcModem | None
    is_station: bool
    plug: Plug | None = None
    ready: bool = False
    ready_at: float | None = None


class LinkBench:
    """``now`` starts at 0. ``journal`` has every action in order; ``sent`` every frame
    with its time and sender."""

    def __init__(self, line: PowerLine | None = None) -> None:
        self.line = line if line is not None else PowerLine()
        self.now = 0.0
        self.ends: list[LinkEnd] = []
        self.journal: list[Occurrence] = []
        self._queue: deque[tuple[LinkEnd, Event]] = deque()
        self._busy = False

    # -- assembly

    def station(self, name: str, machine: DataLink, modem: PlcModem | None) -> LinkEnd:
        """Put a station on the bench and switch it on."""
        return self._add(LinkEnd(name, machine, modem, True, Plug()))

    def vehicle(self, name: str, machine: DataLink, modem: PlcModem | None) -> LinkEnd:
        """Put a vehicle on the bench and switch it on."""
        return self._add(LinkEnd(name, machine, modem, False))

    def _add(self, end: LinkEnd) -> LinkEnd:
        self.ends.append(end)
        if end.modem is not None:
            self.line.attach(end.modem)
        if end.plug is not None:
            end.plug.to_station = lambda event: self.tell(end, event)
        self.tell(end, PowerOn())
        return end

    def plug_in(self, vehicle: LinkEnd, station: LinkEnd, attenuation_db: float = 15.0) -> None:
        """Plug a vehicle into a station."""
        plug = station.plug
        if plug is None:
            return
        vehicle.plug = plug
        plug.to_vehicle = lambda event: self.tell(vehicle, event)
        if vehicle.modem is not None and station.modem is not None:
            self.line.couple(vehicle.modem, station.modem, attenuation_db)
        plug.plug_in()

    def unplug(self, vehicle: LinkEnd, station: LinkEnd) -> None:
        """Pull the plug."""
        if vehicle.modem is not None and station.modem is not None:
            self.line.part(vehicle.modem, station.modem)
        if station.plug is not None:
            station.plug.unplug(self.now)

    # -- running

    def tell(self, end: LinkEnd, event: Event) -> None:
        """Hand an event to a machine, now, and everything that follows from it at once."""
        self._queue.append((end, event))
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                receiver, next_event = self._queue.popleft()
                self._perform(receiver, receiver.machine.handle(next_event, self.now))
        finally:
            self._busy = False

    def _perform(self, end: LinkEnd, actions: list[Action]) -> None:
        for action in actions:
            self.journal.append(Occurrence(self.now, end.name, action))
            if isinstance(action, SendFrame) and end.modem is not None:
                self.line.send(end.modem, action.frame.to_bytes(), self.now)
            elif isinstance(action, SetPilot) and end.plug is not None and end.is_station:
                end.plug.set_pilot(action.pilot)
            elif isinstance(action, ShowState) and end.plug is not None and not end.is_station:
                end.plug.show(action.state)
            elif isinstance(action, DLinkReady):
                end.ready, end.ready_at = action.link, self.now if action.link else None

    @property
    def deadline(self) -> float | None:
        """When something happens next."""
        times = [end.machine.deadline for end in self.ends] + [self.line.deadline]
        return min((time for time in times if time is not None), default=None)

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass, at most so much, or until the condition holds; whether it does."""
        end_time = self.now + seconds
        while True:
            if until is not None and until():
                return True
            at = self.deadline
            if at is None or at > end_time:
                self.now = end_time
                return until is not None and until()
            self.now = max(self.now, at)
            for modem, data in self.line.arrivals(self.now):
                for end in self.ends:
                    if end.modem is modem:
                        self.tell(end, FrameReceived(data))
            for end in self.ends:
                due = end.machine.deadline
                if due is not None and due <= self.now:
                    self._perform(end, end.machine.handle_timeout(self.now))

    # -- reading

    def frames(self, name: str | None = None) -> list[tuple[float, str, str]]:
        """Time, sender and message type of every frame that hosts sent."""
        return [
            (time, who, type(action.frame.message).__name__)
            for time, who, action in self.journal
            if isinstance(action, SendFrame) and name in (None, who)
        ]

    def notes(self) -> list[str]:
        """The machines' decisions in words."""
        return [f"{time:.3f} {who}: {a.text}" for time, who, a in self.journal if isinstance(a, LinkNote)]
