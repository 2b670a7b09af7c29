"""A whole charging cable, plug and wire, between a station and a vehicle of one process: ``CcsCable`` has a
control pilot and power-line modems, ``McsCable`` has CE and single-pair Ethernet, ``PlainCable`` a control
pilot and a wire that is simply there.

Each end is the ``BasicSignalling`` and the ``LinkMedium`` of its side. Time is the caller's:
``clock``, ``deadline``, ``advance``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from iso15118.link.ports import Listener
from iso15118.link.primitives import DutyChanged, LinkReported, SetPilot, ShowState
from iso15118.link.slac.events import FrameReceived, SendFrame
from iso15118.link.spe.signalling import CeChanged, CeState, IdChanged, IdState, SetPhy, SetS3
from iso15118.session.actions import Action
from iso15118.session.events import Event, SignalChanged, SignalState

from .ac_circuit import AcCircuit
from .ccs_plug import Plug
from .circuit import DcCircuit
from .mcs_plug import CePlug
from .modem import PlcModem, PowerLine

__all__ = ["Cable", "CableEnd", "CcsCable", "McsCable", "PlainCable"]

STATION_MAC, VEHICLE_MAC = b"\x02EVSE\x01", b"\x02PEV\x00\x01"
TYPICAL_DB = 15.0
"""Attenuation between the ends; chargers that went on to match measured 8 to 37 dB."""

_KEEP_STATES = (SignalChanged, DutyChanged, CeChanged, IdChanged)


class CableEnd:
    """One end, as ``BasicSignalling`` and as ``LinkMedium``. ``do`` carries out what either is asked for."""

    def __init__(self, do: Callable[[Action], None]) -> None:
        self._do = do
        self._listeners: list[Listener] = []
        self._tell: Listener | None = None
        self._carrier: LinkReported | None = None
        self._present: dict[type[Event], Event] = {}

    def listen(self, listener: Listener) -> None:
        """Basic signalling: level and edge."""
        self._listeners.append(listener)
        for event in tuple(self._present.values()):
            listener(event)

    def show(self, action: Action) -> None:
        """Basic signalling: carry it out."""
        self._do(action)

    async def open(self, tell: Listener) -> None:
        """Wire: begin."""
        self.attach(tell)

    def attach(self, tell: Listener) -> None:
        """The same for who has no event loop."""
        self._tell = tell
        if self._carrier is not None:
            tell(self._carrier)

    def carry(self, action: Action) -> None:
        """Wire: carry it out."""
        self._do(action)

    async def close(self) -> None:
        """Wire: end."""
        self._tell = None

    def push(self, event: Event) -> None:
        """The cable has news for this end."""
        if isinstance(event, _KEEP_STATES):
            self._present[type(event)] = event
            for listener in self._listeners:
                listener(event)
            return
        if isinstance(event, LinkReported):
            self._carrier = event
        if self._tell is not None:
            self._tell(event)


class Cable(Protocol):
    """What the rigs need of any of them."""

    station: CableEnd
    vehicle: CableEnd
    changed: Callable[[], None]
    """Called when ``deadline`` may have moved."""

    @property
    def deadline(self) -> float | None:
        """When to call ``advance``."""
        ...

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        ...

    def plug_in(self) -> None:
        """Push it in."""
        ...

    def unplug(self) -> None:
        """Pull it out."""
        ...

    def carries(self) -> bool:
        """Whether IP passes from end to end now."""
        ...

    def cut(self, broken: bool) -> None:
        """Break the wire that carries data, or mend it; the basic signalling is not concerned."""
        ...

    def disturb(self, broken: bool) -> None:
        """Break the basic signalling, or mend it: both sides see state E."""
        ...


class PlainCable:
    """A control pilot, and a wire that carries whatever is sent as soon as the plug is in."""

    def __init__(self, clock: Callable[[], float], circuit: DcCircuit | AcCircuit | None = None) -> None:
        self.clock = clock
        self.changed: Callable[[], None] = _nothing
        self.plug = Plug(circuit)
        self.station = CableEnd(self._station_does)
        self.vehicle = CableEnd(self._vehicle_does)
        self.plug.to_station, self.plug.to_vehicle = self.station.push, self.vehicle.push
        self._cut = False

    @property
    def deadline(self) -> float | None:
        """Nothing here takes time."""
        return None

    def advance(self, now: float) -> None:
        """Nothing is ever due."""

    def plug_in(self) -> None:
        """Push it in."""
        self.plug.plug_in(self.clock())

    def unplug(self) -> None:
        """Pull it out."""
        self.plug.unplug(self.clock())

    def carries(self) -> bool:
        """Whether IP passes."""
        return self.plug.plugged and not self._cut

    def cut(self, broken: bool) -> None:
        """Break or mend the data wire."""
        self._cut = broken

    def disturb(self, broken: bool) -> None:
        """Break or mend the pilot."""
        self.plug.disturb(SignalState.E if broken else None)

    def _station_does(self, action: Action) -> None:
        if isinstance(action, SetPilot):
            self.plug.set_pilot(action.pilot, action.percent)

    def _vehicle_does(self, action: Action) -> None:
        if isinstance(action, ShowState):
            self.plug.show(action.state)


class CcsCable(PlainCable):
    """A control pilot and two power-line modems with so much attenuation between them. ``line`` may have
    noise, loss and neighbours."""

    def __init__(
        self,
        clock: Callable[[], float],
        circuit: DcCircuit | AcCircuit | None = None,
        *,
        line: PowerLine | None = None,
        attenuation_db: float = TYPICAL_DB,
    ) -> None:
        super().__init__(clock, circuit)
        self.line = line if line is not None else PowerLine()
        self.attenuation_db = attenuation_db
        self.modems = (
            PlcModem(STATION_MAC, b"\x06" + STATION_MAC[1:], measures=True),
            PlcModem(VEHICLE_MAC, b"\x06" + VEHICLE_MAC[1:]),
        )
        for modem in self.modems:
            self.line.attach(modem)

    @property
    def deadline(self) -> float | None:
        """When the next frame arrives."""
        return self.line.deadline

    def advance(self, now: float) -> None:
        """Deliver frames."""
        for modem, data in self.line.arrivals(now):
            (self.station if modem is self.modems[0] else self.vehicle).push(FrameReceived(data))
        self.changed()

    def plug_in(self) -> None:
        """Push it in: the modems hear each other."""
        self.line.couple(*self.modems, self.attenuation_db)
        super().plug_in()

    def unplug(self) -> None:
        """Pull it out."""
        self.line.part(*self.modems)
        super().unplug()

    def carries(self) -> bool:
        """Whether the modems share a network."""
        return bool(self.line.linked(self.modems[0], self.clock()))

    def cut(self, broken: bool) -> None:
        """Jam the power line, or no longer."""
        self.line.jammed = broken

    def _station_does(self, action: Action) -> None:
        self._frame(self.modems[0], action)
        super()._station_does(action)

    def _vehicle_does(self, action: Action) -> None:
        self._frame(self.modems[1], action)
        super()._vehicle_does(action)

    def _frame(self, modem: PlcModem, action: Action) -> None:
        if isinstance(action, SendFrame):
            self.line.send(modem, action.frame.to_bytes(), self.clock())
            self.changed()


class McsCable:
    """CE and a pair of wires. ``link_s``: both transceivers up to a usable address."""

    def __init__(
        self, clock: Callable[[], float], circuit: DcCircuit | None = None, *, link_s: float = 1.2
    ) -> None:
        self.clock = clock
        self.changed: Callable[[], None] = _nothing
        self.plug = CePlug(circuit, link_s=link_s)
        self.station = CableEnd(self._station_does)
        self.vehicle = CableEnd(self._vehicle_does)
        self.plug.to_station, self.plug.to_vehicle = self.station.push, self.vehicle.push

    @property
    def deadline(self) -> float | None:
        """When the carrier comes up."""
        return self.plug.deadline

    def advance(self, now: float) -> None:
        """Let the carrier come up."""
        self.plug.advance(now)
        self.changed()

    def plug_in(self) -> None:
        """Push it in."""
        self.plug.plug_in(self.clock())
        self.changed()

    def unplug(self) -> None:
        """Pull it out."""
        self.plug.unplug(self.clock())
        self.changed()

    def disturb_id(self, state: IdState) -> None:
        """ID shows this to both sides; it shows nothing of itself otherwise."""
        for end in (self.station, self.vehicle):
            end.push(IdChanged(state))

    def carries(self) -> bool:
        """Whether there is a carrier."""
        return self.plug.carrier

    def cut(self, broken: bool) -> None:
        """Break or mend the pair of wires."""
        self.plug.break_wires(self.clock(), mend=not broken)
        self.changed()

    def disturb(self, broken: bool) -> None:
        """Break or mend CE."""
        self.plug.disturb(CeState.E if broken else None, self.clock())
        self.changed()

    def _station_does(self, action: Action) -> None:
        if isinstance(action, SetS3):
            self.plug.set_s3(action.closed, self.clock())
        elif isinstance(action, SetPhy):
            self.plug.set_phy("station", action.up, self.clock())
            self.changed()

    def _vehicle_does(self, action: Action) -> None:
        if isinstance(action, ShowState):
            self.plug.set_v3(action.state is SignalState.C, self.clock())
        elif isinstance(action, SetPhy):
            self.plug.set_phy("vehicle", action.up, self.clock())
            self.changed()


def _nothing() -> None:
    """Nobody drives it by a timer."""
