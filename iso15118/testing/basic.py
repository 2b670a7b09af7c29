"""One end of a connector while it charges by the duty cycle, under a virtual clock: session,
simulated hardware, and a monitor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from iso15118.connector.basic import BasicSettings, BasicStation, BasicVehicle, Steps
from iso15118.link.deadlines import earliest
from iso15118.link.primitives import Pilot, SetPilot
from iso15118.session import actions as act
from iso15118.session.actions import Action
from iso15118.session.events import Connected, Event, HardwareFault
from iso15118.simulation.ac_station import SimulatedAcStation
from iso15118.simulation.ac_vehicle import SimulatedAcVehicle
from iso15118.testing.monitor.basic import BasicStationMonitor, BasicVehicleMonitor

__all__ = ["BasicEnd", "station_end", "vehicle_end"]

_LOOK_S = 0.05
"""How often a driver measures."""


class BasicEnd:
    """``session`` on ``plant``, watched by ``monitor``; ``show`` puts ``SetPilot`` on the pilot. ``journal``:
    all it asked for and said."""

    def __init__(
        self,
        session: BasicStation | BasicVehicle,
        plant: SimulatedAcStation | SimulatedAcVehicle,
        monitor: BasicStationMonitor | BasicVehicleMonitor,
        show: Callable[[Action], None],
        clock: Callable[[], float],
    ) -> None:
        self.session, self.plant, self.monitor = session, plant, monitor
        self._show, self._clock = show, clock
        self.journal: list[tuple[float, Action]] = []
        self.over_at: float | None = None
        self._queue: deque[Event | None] = deque()
        self._busy = False
        self._look_at = clock()

    def start(self, *known: Event) -> None:
        """Begin; ``known``: what the ports told before."""
        self.tell(Connected(False))
        for event in known:
            self.tell(event)

    @property
    def deadline(self) -> float | None:
        """When ``advance`` has something to do."""
        look = self._look_at if self.session.ended is None else None
        return earliest((self.session.deadline, self.plant.deadline, look))

    def advance(self) -> None:
        """Let happen what is due."""
        now = self._clock()
        for event in self.plant.advance(now):
            self.tell(event)
        if self.session.ended is None and now >= self._look_at:
            self._look_at = now + _LOOK_S
            self._measure(now)
        due = self.session.deadline
        if due is not None and due <= now:
            self.tell(None)

    def _measure(self, now: float) -> None:
        try:
            self.tell(self.plant.measure(now))
            if isinstance(self.plant, SimulatedAcVehicle):
                self.tell(self.plant.battery_state(now))
        except Exception as error:  # what the simulated hardware was told to raise
            self.tell(HardwareFault("hardware", str(error) or type(error).__name__))

    def tell(self, event: Event | None) -> None:
        """Hand an event to the session now, or after what it deals with; None: its deadline has come."""
        self._queue.append(event)
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                self._step(self._queue.popleft())
        finally:
            self._busy = False

    def _step(self, event: Event | None) -> None:
        now, session = self._clock(), self.session
        actions = session.handle_timeout(now) if event is None else session.handle(event, now)
        for action in self.monitor.look(event, actions, now):
            self.journal.append((now, action))
            if isinstance(action, SetPilot):
                self._show(action)
            elif isinstance(action, act.HardwareAction):
                try:
                    self._queue.extend(self.plant.perform(action, now))
                except Exception as error:
                    port = type(action).__name__
                    self._queue.append(HardwareFault(port, str(error) or type(error).__name__))
        if session.ended is not None and self.over_at is None:
            self.over_at = now


def station_end(
    settings: BasicSettings,
    plant: SimulatedAcStation,
    show: Callable[[Action], None],
    clock: Callable[[], float],
    *,
    steps: Steps = Steps.NONE,
    evccid: str = "",
) -> BasicEnd:
    """A station's end that has not started yet. ``show`` gets its pilot."""
    outlet = plant.ac_limits
    session = BasicStation(settings, outlet, hardware=plant.ac_capabilities, steps=steps, evccid=evccid)
    monitor = BasicStationMonitor(
        outlet,
        most_a=settings.maximum_current_a,
        before=Pilot.STEADY if steps is Steps.NONE else Pilot.FIVE_PERCENT,
        matched=steps is Steps.REST,
        accepts_d=settings.accept_d,
    )
    return BasicEnd(session, plant, monitor, show, clock)


def vehicle_end(
    settings: BasicSettings,
    plant: SimulatedAcVehicle,
    clock: Callable[[], float],
    *,
    percent: float | None,
) -> BasicEnd:
    """A vehicle's end that has not started yet."""
    limits = plant.charger.limits
    session = BasicVehicle(settings, limits, plant.battery_state(clock()), percent=percent)
    monitor = BasicVehicleMonitor(limits, percent=percent)
    return BasicEnd(session, plant, monitor, lambda action: None, clock)
