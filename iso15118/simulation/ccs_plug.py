"""The plug: it couples the pilots of a station and a vehicle, and nothing passes while it is out.

Each side says what it puts on the pilot; each side is told what it sees, as ``SignalChanged`` and, for the
vehicle, ``DutyChanged``. With a circuit the plug's contacts for power follow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from iso15118.link.primitives import DutyChanged, Pilot
from iso15118.session.events import Event, SignalChanged, SignalState

from .ac_circuit import AcCircuit
from .circuit import DcCircuit

__all__ = ["Plug"]

Listener = Callable[[Event], None]
_DRIVEN = {Pilot.STATE_E: SignalState.E, Pilot.STATE_F: SignalState.F}


class Plug:
    """One connector. It starts unplugged; ``to_station`` and ``to_vehicle`` are called with every
    change that the side can see.

    A ``circuit`` follows it: unplugged with it, and with the signal that is seen; what the simulated
    vehicle shows comes through here.
    """

    def __init__(self, circuit: DcCircuit | AcCircuit | None = None) -> None:
        self._circuit = circuit
        self._plugged = False
        self._pilot = Pilot.STEADY
        self._percent: float | None = None
        self._shown = SignalState.B
        self._duty: float | None = None
        self._seen = SignalState.A
        self.to_station: Listener = _nobody
        self.to_vehicle: Listener = _nobody
        self._news: deque[tuple[Listener, Event]] = deque()
        self._telling = False
        self._disturbed: SignalState | None = None
        if circuit is not None:
            circuit.unplug(circuit.clock(circuit.time))
            circuit.signal_by = self.show

    @property
    def plugged(self) -> bool:
        """Whether it is in."""
        return self._plugged

    @property
    def signal(self) -> SignalState:
        """What is on the pilot now; A while it is out."""
        return self._seen

    @property
    def pilot(self) -> Pilot:
        """What the station puts on the pilot."""
        return self._pilot

    def plug_in(self, now: float = 0.0) -> None:
        """Push it in: the vehicle shows B."""
        self._plugged, self._shown = True, SignalState.B
        if self._circuit is not None:
            self._circuit.plug_in(now)
        self._update()

    def unplug(self, now: float) -> None:
        """Pull it out."""
        self._plugged = False
        if self._circuit is not None:
            self._circuit.unplug(now)
        self._update()

    def show(self, state: SignalState) -> None:
        """The vehicle shows B, C or D."""
        self._shown = state
        self._update()

    @property
    def percent(self) -> float | None:
        """The duty cycle that a vehicle sees now; None: none, or nobody is there."""
        return self._duty

    def set_pilot(self, pilot: Pilot, percent: float | None = None) -> None:
        """The station changes the pilot. ``percent``: with a nominal duty cycle."""
        self._pilot, self._percent = pilot, percent
        self._update()

    def disturb(self, state: SignalState | None) -> None:
        """A fault of the pilot's wire: both sides see this state whatever is shown; None: it is mended."""
        self._disturbed = state
        self._update()

    def _update(self) -> None:
        seen = _DRIVEN.get(self._pilot, self._shown) if self._plugged else SignalState.A
        duty = self._driven_duty() if self._plugged else None
        if self._disturbed is not None and self._plugged:
            seen, duty = self._disturbed, None
        if duty is None and self._duty is not None:
            self._duty = None
            self._news.append((self._to_vehicle, DutyChanged(None)))
        if seen is not self._seen:
            self._seen = seen
            self._news += [(self._to_station, SignalChanged(seen)), (self._to_vehicle, SignalChanged(seen))]
            if self._circuit is not None and self._plugged:
                self._circuit.show_signal(seen)
        if duty is not None and duty != self._duty:
            self._duty = duty
            self._news.append((self._to_vehicle, DutyChanged(duty)))
        self._spread()

    def _driven_duty(self) -> float | None:
        if self._pilot is Pilot.NOMINAL:
            return self._percent
        return 5.0 if self._pilot is Pilot.FIVE_PERCENT else None

    def _spread(self) -> None:
        # A side may answer at once with another change; everybody hears of everything in
        # the order in which it happened.
        if self._telling:
            return
        self._telling = True
        try:
            while self._news:
                tell, news = self._news.popleft()
                tell(news)
        finally:
            self._telling = False

    def _to_station(self, event: Event) -> None:
        self.to_station(event)

    def _to_vehicle(self, event: Event) -> None:
        self.to_vehicle(event)


def _nobody(event: Event) -> None:
    """Nobody listens yet."""
