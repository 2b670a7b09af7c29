"""The plug of MCS: CE between a station's switch S3 and a vehicle's switch V3, and a pair of
wires between two transceivers.

The carrier comes up a while after both transceivers are powered, and the interface is usable a while after
that; both sides are told then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from iso15118.link.primitives import LinkReported
from iso15118.link.spe.signalling import CeChanged, CeState, as_signal
from iso15118.session.events import Event, SignalState

from .circuit import DcCircuit

__all__ = ["CePlug"]

Listener = Callable[[Event], None]


class CePlug:
    """One connector; it starts unplugged. ``link_s``: both transceivers up to a usable address, which
    duplicate address detection makes about a second. ``to_station`` and ``to_vehicle`` are called with
    ``CeChanged`` and ``LinkReported``.

    A ``circuit`` follows it: unplugged with it, and with the signal that CE stands for; what the
    simulated vehicle shows moves V3."""

    def __init__(self, circuit: DcCircuit | None = None, *, link_s: float = 1.2) -> None:
        self._circuit = circuit
        self.link_s = link_s
        self.cut = False
        """The wires are broken."""
        self.to_station: Listener = _nobody
        self.to_vehicle: Listener = _nobody
        self._mated = self._s3 = self._v3 = False
        self._phys = {"station": False, "vehicle": False}
        self._ce = CeState.A
        self._carrier = False
        self._due: float | None = None
        self._news: deque[tuple[Listener, Event]] = deque()
        self._telling = False
        self._disturbed: CeState | None = None
        if circuit is not None:
            circuit.unplug(circuit.clock(circuit.time))
            circuit.signal_by = self._vehicle_shows

    @property
    def mated(self) -> bool:
        """Whether it is in."""
        return self._mated

    @property
    def carrier(self) -> bool:
        """Whether frames pass."""
        return self._carrier

    @property
    def ce(self) -> CeState:
        """What CE shows now."""
        return self._ce

    def plug_in(self, now: float) -> None:
        """Push it in."""
        self._mated = True
        if self._circuit is not None:
            self._circuit.plug_in(now)
        self._update(now)

    def unplug(self, now: float) -> None:
        """Pull it out."""
        self._mated = self._v3 = False
        if self._circuit is not None:
            self._circuit.unplug(now)
        self._update(now)

    def set_s3(self, closed: bool, now: float) -> None:
        """The station's switch."""
        self._s3 = closed
        self._update(now)

    def set_v3(self, closed: bool, now: float) -> None:
        """The vehicle's switch."""
        self._v3 = closed
        self._update(now)

    def set_phy(self, side: str, up: bool, now: float) -> None:
        """Power of a transceiver; ``side`` is "station" or "vehicle"."""
        self._phys[side] = up
        self._update(now)

    def disturb(self, state: CeState | None, now: float) -> None:
        """A fault of CE: both sides see this state whatever is shown; None: it is mended. The pair
        of wires is not concerned."""
        self._disturbed = state
        self._update(now)

    def break_wires(self, now: float, *, mend: bool = False) -> None:
        """Cut the pair of wires, or mend it; CE is another wire."""
        self.cut = not mend
        self._update(now)

    @property
    def deadline(self) -> float | None:
        """When the link comes up."""
        return self._due

    def advance(self, now: float) -> None:
        """Let the link come up if its time has come."""
        if self._due is not None and now >= self._due:
            self._due, self._carrier = None, True
            self._tell(LinkReported(True))

    def _update(self, now: float) -> None:
        # CE is faster than a carrier: what pulls both away is seen there first.
        ce = _STATES[self._s3, self._v3] if self._mated else CeState.A
        if self._disturbed is not None and self._mated:
            ce = self._disturbed
        news: list[Event] = []
        if ce is not self._ce:
            self._ce = ce
            if self._circuit is not None and self._mated:
                self._circuit.show_signal(as_signal(ce))
            news.append(CeChanged(ce))
        wired = self._mated and not self.cut and all(self._phys.values())
        if not wired:
            self._due = None
            if self._carrier:
                self._carrier = False
                news.append(LinkReported(False))
        elif not self._carrier and self._due is None:
            self._due = now + self.link_s
        self._tell(*news)

    def _vehicle_shows(self, state: SignalState) -> None:
        if self._circuit is not None:
            self.set_v3(state is SignalState.C, self._circuit.clock(self._circuit.time))

    def _tell(self, *events: Event) -> None:
        # A side may answer at once with another change; everybody hears of everything in
        # the order in which it happened.
        for event in events:
            self._news += [(self._to_station, event), (self._to_vehicle, event)]
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


_STATES = {
    (False, False): CeState.B0,
    (True, False): CeState.B,
    (True, True): CeState.C,
    (False, True): CeState.EC,
}


def _nobody(event: Event) -> None:
    """Nobody listens yet."""
