"""A whole connector under a virtual clock: plug, data link, discovery, sessions, and unplugged
again, as often as a test likes.

Above the pair of sessions there are both connections, below them a cable that can be pulled, cut
and disturbed at any moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address
from typing import Any

from iso15118.connector import ConnectorSettings, EvccInlet, Phase, SeccConnector
from iso15118.connector.basic import BasicMode, Steps
from iso15118.connector.news import (
    ConnectionClosed,
    ConnectionFailed,
    ConnectionOpened,
    DropConnection,
    SessionFinished,
    SessionSetUp,
    StartBasic,
    StartDiscovery,
    StartSession,
    StationFound,
    StopDiscovery,
    is_set_up,
)
from iso15118.errors import LinkError
from iso15118.evcc import EvccConfig
from iso15118.link.deadlines import earliest
from iso15118.link.primitives import DataLink, DutyChanged, PowerOn, SetPilot, ShowState
from iso15118.link.slac.events import SendFrame
from iso15118.link.spe.signalling import CeAndId, CeChanged, IdChanged, SetPhy, SetS3, as_signal
from iso15118.secc import SeccConfig
from iso15118.session.actions import Action, Notify
from iso15118.session.events import (
    Event,
    SignalChanged,
    SignalState,
    StopRequested,
    TransportLoss,
    TransportLost,
)
from iso15118.session.ticket import EvccTicket, SeccTicket
from iso15118.simulation.ac_station import SimulatedAcStation
from iso15118.simulation.ac_vehicle import SimulatedAcVehicle
from iso15118.simulation.cable import Cable
from iso15118.simulation.station import SimulatedStation
from iso15118.simulation.vehicle import SimulatedVehicle
from iso15118.testing.basic import BasicEnd, station_end, vehicle_end
from iso15118.testing.discovery import MemoryDiscovery
from iso15118.testing.pair import Pair
from iso15118.testing.side import Side

__all__ = ["PluggedPair", "Side", "describe"]

_SETTLE_S = 7.0
"""How long a driver waits for hardware that does not confirm that it is safe."""


class PluggedPair:
    """Both ends and the cable between them; it starts unplugged.

    ``cable`` makes the cable, given the clock; ``links`` are the station's and the vehicle's, and so are two
    ``settings``. ``delay_s``: one way above the link. The rest is as in ``Pair``; ``pairs`` are the pairs of
    sessions so far, each with a safety monitor of its own.
    """

    def __init__(
        self,
        secc: SeccConfig,
        evcc: EvccConfig,
        station: SimulatedStation | SimulatedAcStation,
        vehicle: SimulatedVehicle | SimulatedAcVehicle,
        cable: Callable[[Callable[[], float]], Cable],
        links: tuple[DataLink, DataLink],
        *,
        settings: ConnectorSettings | tuple[ConnectorSettings, ConnectorSettings] | None = None,
        wire: bool = True,
        secure: bool = True,
        tls_version: str = "TLSv1.3",
        delay_s: float = 0.003,
        on_message: Callable[[str, object, float], bool | None] | None = None,
        on_state: Callable[[str, str, float], None] | None = None,
        on_news: Callable[[str, Notify, float], None] | None = None,
        on_pair: Callable[[Pair], None] | None = None,
    ) -> None:
        self.now = 0.0
        self.station: Any = station  # of DC or of AC, as is the vehicle: a test knows which
        self.vehicle: Any = vehicle
        first, second = settings if isinstance(settings, tuple) else (settings, settings)
        self.secc = Side("secc", SeccConnector(links[0], secc.timing.communication_setup_performance, first))
        self.evcc = Side("evcc", EvccInlet(links[1], evcc.timing.communication_setup_timeout, second))
        self.sides = (self.secc, self.evcc)
        self.cable = cable(lambda: self.now)
        self.pairs: list[Pair] = []
        self.paused: list[SeccTicket] = []
        """What the station keeps of sessions that were paused since it was plugged in; a test may
        change it, and the vehicle's."""
        self.resume: EvccTicket | None = None
        self.leaves = (b"station", b"vehicle")
        """What stands for the certificates; a test may exchange them."""
        self._configs, self._wire = (secc, evcc), wire
        self._secure, self._tls_version, self._delay_s = secure, tls_version, delay_s
        self._on_message, self._on_state, self._on_pair = on_message, on_state, on_pair
        self._on_news = on_news
        self.discovery = MemoryDiscovery(
            self.cable.carries, self._found, secure=secure, timing=evcc.timing, delay_s=delay_s
        )
        self._seen: SignalState | None = None
        self._percent: float | None = None
        """The duty cycle at the vehicle."""
        self.evccid = ""
        """What a session that read it left for the authorizer."""
        self._contacts, self._station_contacts = CeAndId(), CeAndId()
        self._queue: deque[tuple[Side, Event | None]] = deque()
        self._busy = False
        self._stale = True
        self._next: float | None = None
        self.cable.changed = self._changed
        self.cable.station.attach(lambda event: self.tell(self.secc, event))
        self.cable.vehicle.attach(lambda event: self.tell(self.evcc, event))
        for side in self.sides:
            self.tell(side, PowerOn())
        self.cable.station.listen(self._station_sees)
        self.cable.vehicle.listen(self._vehicle_sees)

    # -- what a test does

    @property
    def pair(self) -> Pair | None:
        """The sessions of the present connection, or of the last."""
        return self.pairs[-1] if self.pairs else None

    @property
    def linked_s(self) -> float | None:
        """From plug-in to D-LINK_READY on both sides, in s; None before that."""
        linked = [side.machine.linked_at for side in self.sides]
        plugged = self.secc.machine.plugged_at
        if plugged is None or None in linked:
            return None
        return max(at for at in linked if at is not None) - plugged

    def plug_in(self) -> None:
        """Push the plug in."""
        self.cable.plug_in()

    def unplug(self) -> None:
        """Pull it out. What was paused is over with it."""
        self.paused, self.resume, self.evccid = [], None, ""
        self.cable.unplug()

    def tell(self, side: Side, event: Event) -> None:
        """Hand an event to one connection, and carry out at once what follows from it."""
        self._queue.append((side, event))
        self._drain()

    @property
    def safe(self) -> bool:
        """Nothing flows, and the contactors of both sides are open."""
        self.station.circuit.advance(self.now)
        closed = self.station.outlet.closed or self._vehicle_closed
        return not (closed or self.station.circuit.current_a)

    @property
    def _vehicle_closed(self) -> bool:
        """A vehicle with an on-board charger has no contactors that a session could close."""
        return isinstance(self.vehicle, SimulatedVehicle) and self.vehicle.inlet.closed

    def phases(self) -> tuple[Phase, Phase]:
        """Where station and vehicle stand."""
        return self.secc.phase, self.evcc.phase

    def run(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Let time pass, at most so much, or until the condition holds; whether it does."""
        end = self.now + seconds
        while True:
            if until is not None and until():
                return True
            below, above = self._below(), self._above()
            at = earliest((below, above))
            if at is None or at > end:
                self.now = end
                return until is not None and until()
            self._happen(at, below, above)

    @property
    def deadline(self) -> float | None:
        """When something happens next."""
        return earliest((self._below(), self._above()))

    def step(self) -> None:
        """Jump to the next moment, and let happen what is due then."""
        below, above = self._below(), self._above()
        at = earliest((below, above))
        if at is not None:
            self._happen(at, below, above)

    # -- inside

    def _happen(self, at: float, below: float | None, above: float | None) -> None:
        self.now = max(self.now, at)
        if below is not None and below <= self.now:
            self._stale = True
            self.cable.advance(self.now)
            self.discovery.advance(self.now)
            for side in self.sides:
                due = side.machine.deadline
                if due is not None and due <= self.now:
                    self._queue.append((side, None))
            self._drain()
        if above is not None and above <= self.now:
            self._advance_sessions()
        self._look()

    def _below(self) -> float | None:
        """When something happens next below the sessions. It is asked for with every
        message, and changes seldom."""
        if self._stale:
            self._stale = False
            machines = (side.machine.deadline for side in self.sides)
            waits = (
                side.over_at + _SETTLE_S
                for side in self.sides
                if side.over_at is not None and not side.told_over
            )
            self._next = earliest((*machines, *waits, self.cable.deadline, self.discovery.deadline))
        return self._next

    def _changed(self) -> None:
        self._stale = True

    def _above(self) -> float | None:
        basic = [side.basic.deadline for side in self.sides if side.basic is not None and side.charges_basic]
        if any(self._basic_told(side) for side in self.sides):
            return self.now
        if self.pairs and not basic:
            return self.pairs[-1].deadline
        return earliest((*basic, self.station.deadline, self.vehicle.deadline))

    def _advance_sessions(self) -> None:
        pair = self.pair
        basic = [side.basic for side in self.sides if side.basic is not None and side.charges_basic]
        for end in basic:
            end.advance()
        if basic or pair is None:
            for plant in (self.station, self.vehicle):
                if all(end.plant is not plant for end in basic):
                    plant.advance(self.now)
            return
        pair.to_secc.broken = pair.to_evcc.broken = not self.cable.carries()
        pair.now = self.now
        pair.happen()

    def _station_sees(self, event: Event) -> None:
        # The session hears of it through its hardware, and before its link goes: it has to know why.
        state = self._state_in(event, self._station_contacts)
        if self.secc.basic is not None and self.secc.charges_basic:
            self.secc.basic.advance()
        elif self.pairs:
            pair = self._in_time(self.pairs[-1])
            pair.hear_station()
            if isinstance(event, IdChanged) and state is not None:  # which the power hardware does not watch
                pair.tell_secc(SignalChanged(state))
        else:
            self.station.advance(self.now)
        self.tell(self.secc, event)

    def _vehicle_sees(self, event: Event) -> None:
        state = self._state_in(event, self._contacts)
        if isinstance(event, DutyChanged):
            self._percent = event.percent
        if self.evcc.basic is not None and self.evcc.charges_basic:
            self.evcc.basic.tell(event)
        if state is not None and state is not self._seen:
            self._seen = state
            if self.pairs:
                self._in_time(self.pairs[-1]).tell_evcc(SignalChanged(state))
        self.tell(self.evcc, event)

    @staticmethod
    def _state_in(event: Event, contacts: CeAndId) -> SignalState | None:
        if isinstance(event, CeChanged | IdChanged):
            changed = contacts.changed(event)
            return as_signal(changed.state) if changed is not None else None
        return event.state if isinstance(event, SignalChanged) else None

    def _in_time(self, pair: Pair) -> Pair:
        pair.now = max(pair.now, self.now)
        return pair

    def _drain(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            while self._queue:
                self._stale = True
                side, event = self._queue.popleft()
                machine = side.machine
                self._perform(
                    side,
                    machine.handle_timeout(self.now) if event is None else machine.handle(event, self.now),
                )
        finally:
            self._busy = False

    def _perform(self, side: Side, actions: list[Action]) -> None:
        end = self.cable.station if side is self.secc else self.cable.vehicle
        for action in actions:
            if isinstance(action, SendFrame | SetPhy):
                end.carry(action)
                continue
            side.journal.append((self.now, action))
            if isinstance(action, SetPilot | ShowState | SetS3):
                end.show(action)
            elif side is self.secc:
                self._for_station(action)
            else:
                self._for_vehicle(action)

    def _for_station(self, action: Action) -> None:
        match action:
            case StartBasic(steps=steps):
                self._station_begins(steps)
            case DropConnection() if self.secc.basic is not None and self.secc.charges_basic:
                self.secc.basic.tell(TransportLost(TransportLoss.LINK_DOWN))
            case StartDiscovery():
                self.discovery.be_found(True)
            case StopDiscovery():
                self.discovery.be_found(False)
            case DropConnection() if self.pairs:
                pair = self._in_time(self.pairs[-1])
                pair.tell_secc(TransportLost(TransportLoss.LINK_DOWN))
                pair.to_evcc.close(self.now, TransportLoss.RESET)
                self.secc.told_closed = True
            case _:
                pass

    def _for_vehicle(self, action: Action) -> None:
        match action:
            case StartBasic(number=number, percent=percent):
                self._vehicle_begins(number, percent)
            case DropConnection() if self.evcc.basic is not None and self.evcc.charges_basic:
                self.evcc.basic.tell(TransportLost(TransportLoss.LINK_DOWN))
            case StartDiscovery(number=number):
                self.evcc.number = number
                self.discovery.look(self.now)
            case StopDiscovery():
                self.discovery.stop()
            case StartSession(number=number):
                self._connect(number)
            case DropConnection() if self.pairs and not self.evcc.told_closed:
                pair = self._in_time(self.pairs[-1])
                pair.tell_evcc(TransportLost(TransportLoss.LINK_DOWN))
                pair.to_secc.close(self.now, TransportLoss.RESET)
                self.evcc.told_closed = True
            case _:
                pass

    def _station_begins(self, steps: Steps) -> None:
        side, plant = self.secc, self.station
        if not isinstance(plant, SimulatedAcStation):
            raise LinkError("there is no AC outlet")
        side.number += 1
        self._queue.append((side, ConnectionOpened(side.number)))
        basic, show = side.machine.settings.basic, self.cable.station.show
        end = station_end(basic, plant, show, lambda: self.now, steps=steps, evccid=self.evccid)
        self._begins(side, end)
        end.start(SignalChanged(plant.circuit.signal))

    def _vehicle_begins(self, number: int, percent: float | None) -> None:
        side, plant = self.evcc, self.vehicle
        if not isinstance(plant, SimulatedAcVehicle):
            raise LinkError("there is no on-board charger")
        side.number = number
        end = vehicle_end(side.machine.settings.basic, plant, lambda: self.now, percent=percent)
        self._begins(side, end)
        end.start(*(() if self._seen is None else (SignalChanged(self._seen),)))

    def _begins(self, side: Side, end: BasicEnd) -> None:
        side.basic, side.told_over, side.told_closed, side.over_at = end, False, False, None
        self._stale = True

    def _look_basic(self, side: Side) -> None:
        """Tell the connection what became of basic charging, once its hardware is safe."""
        end = side.basic
        if end is None or end.session.ended is None or not self._basic_told(side):
            return
        side.told_over = side.told_closed = True
        self.tell(side, SessionFinished(side.number, end.session.ended))
        self.tell(side, ConnectionClosed(side.number))

    def _basic_told(self, side: Side) -> bool:
        """It is over and safe, or as safe as it will be, and that has not been told yet."""
        end = side.basic
        if end is None or not side.charges_basic or end.over_at is None:
            return False
        closed = side is self.secc and self.station.outlet.closed
        return not closed or self.now >= end.over_at + _SETTLE_S

    def _found(self, what: tuple[IPv6Address, int] | LinkError) -> None:
        number = self.evcc.number
        failed = isinstance(what, LinkError)
        self.tell(self.evcc, ConnectionFailed(number, str(what)) if failed else StationFound(number, what))

    def _connect(self, number: int) -> None:
        taken = self.pairs and not self.pairs[-1].done
        if taken or not self.cable.carries() or self.secc.phase is not Phase.DISCOVERY:
            self._queue.append((self.evcc, ConnectionFailed(number, "nobody accepts the connection")))
            return
        pair = Pair(
            *self._configs,
            self.station,
            self.vehicle,
            wire=self._wire,
            secure=self._secure,
            tls_version=self._tls_version,
            delay_s=self._delay_s,
            on_message=self._on_message,
            on_state=self._state_entered,
            on_news=self._on_news,
            now=self.now,
            leaves=self.leaves,
            paused=self.paused,
            resume=self.resume,
        )
        self.pairs.append(pair)
        if self._on_pair is not None:
            self._on_pair(pair)
        self.secc.number += 1
        for side in self.sides:
            side.told_over = side.told_closed = False
            side.over_at = None
        self._queue.append((self.secc, ConnectionOpened(self.secc.number)))
        self._queue.append((self.evcc, ConnectionOpened(number)))
        pair.start()
        pair.tell_secc(SignalChanged(self.station.circuit.signal))
        if self._seen is not None:
            pair.tell_evcc(SignalChanged(self._seen))

    def _state_entered(self, role: str, state: str, now: float) -> None:
        if self._on_state is not None:
            self._on_state(role, state, now)
        if is_set_up(state):
            side = self.secc if role == "secc" else self.evcc
            self._queue.append((side, SessionSetUp(side.number)))

    def _look(self) -> None:
        """Tell the connections what became of the sessions."""
        self._drain()
        pair = self.pair
        for side in self.sides:
            self._look_basic(side)
        if pair is None:
            return
        self._read(pair)
        for side, session, closed in (
            (self.secc, pair.secc, self.station.outlet.closed),
            (self.evcc, pair.evcc, self._vehicle_closed),
        ):
            if session.ended is None or side.charges_basic:
                continue
            if side.over_at is None:
                side.over_at, self._stale = self.now, True
            settled = not closed or self.now >= side.over_at + _SETTLE_S
            if not side.told_over and settled:
                side.told_over = True
                self._keep(side, pair)
                self.tell(side, SessionFinished(side.number, session.ended))
            if side.told_over and not side.told_closed and (pair.done or not self.cable.carries()):
                side.told_closed = True
                self.tell(side, ConnectionClosed(side.number))

    def _read(self, pair: Pair) -> None:
        """A session that only reads is ended once it knows who the vehicle says it is."""
        reads = self.secc.machine.settings.basic.mode is BasicMode.READ and not self.secc.charges_basic
        if reads and pair.secc.ended is None and pair.secc.evccid and not self.evccid:
            self.evccid = pair.secc.evccid
            self._in_time(pair).tell_secc(StopRequested("read"))

    def _keep(self, side: Side, pair: Pair) -> None:
        if side.phase is Phase.UNPLUGGED:
            return
        if side is self.evcc:
            self.resume = pair.evcc.ticket
            return
        self.paused = [ticket for ticket in self.paused if ticket not in pair.secc.used_tickets]
        if pair.secc.ticket is not None:
            self.paused.append(pair.secc.ticket)


def describe(actions: list[tuple[float, Action]]) -> list[str]:
    """A journal in words, for messages of tests."""
    return [f"{time:.3f} {action}" for time, action in actions]
