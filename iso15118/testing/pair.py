"""A car and a charger in one process under a virtual clock: hours of charging in a second, the same every
time.

The pair jumps from one deadline to the next; sessions, link and simulated hardware never see another clock. A
safety monitor watches both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Protocol

from iso15118.evcc import EvccConfig, EvccSession
from iso15118.pnc.contracts import Refusal
from iso15118.secc import SeccConfig, SeccSession
from iso15118.session import actions as act
from iso15118.session.events import (
    Connected,
    ContractCertificateAnswered,
    ContractDecided,
    Event,
    HardwareFault,
    KeyUsed,
    MessageReceived,
    SchedulesMissing,
    TransportLoss,
)
from iso15118.session.secured import TlsPeer
from iso15118.session.ticket import EvccTicket, SeccTicket
from iso15118.session.value_added import ValueAddedService, WantedService
from iso15118.simulation.ac_station import SimulatedAcStation
from iso15118.simulation.ac_vehicle import SimulatedAcVehicle
from iso15118.simulation.station import SimulatedStation
from iso15118.simulation.vehicle import SimulatedVehicle
from iso15118.simulation.wireless import WirelessStation, WirelessVehicle
from iso15118.testing.link import MemoryTransport
from iso15118.testing.monitor import SafetyMonitor
from iso15118.testing.monitor.reading import name_of

__all__ = ["AcPair", "Beside", "Pair", "Records"]

EPOCH = 1_790_000_000.0  # Unix time of the virtual clock's zero: September 2026

_LOOPS = frozenset(
    {"DCChargeLoopRes", "ACChargeLoopRes", "WPTChargeLoopRes", "CurrentDemandRes", "ChargingStatusRes"}
)
"""What a station answers once in a turn of the charge loop."""


class Beside(Protocol):
    """What watches a pair and does something to it: it is asked to look after whatever happened, never
    while a session is at work."""

    @property
    def deadline(self) -> float | None:
        """When it wants to look at the latest; None: only after something has happened."""

    def look(self, now: float) -> None:
        """Something may have happened."""


class Records(Protocol):
    """What writes down a pair, as ``iso15118.loopback.recording.SessionFolder`` does. Times are
    those of the virtual clock."""

    def link(self, from_vehicle: bool, data: bytes, now: float) -> None:
        """V2GTP on the link."""

    def told(self, role: str, what: act.Notify, now: float) -> None:
        """News of one end, states entered among them."""


class Pair:
    """Both ends and everything between them.

    ``wire``: messages travel as bytes (V2GTP and EXI); ``secure``: both are told that TLS of
    ``tls_version`` holds; ``delay_s``: one way on the link. ``on_message(sender, message, now)`` may watch
    or, by returning False, swallow a message; ``leaves``: what stands for the certificates of station and
    vehicle, by which a paused session knows its peer; ``paused`` and ``resume`` are the tickets of earlier
    sessions. ``contrary_station`` and ``contrary_vehicle`` take the place of one of our sessions.
    ``look_s``: while anything is asked of the hardware or contactors are closed, both ends are measured at
    least so often, in s of the virtual clock; the default adds nothing to a charge loop, which measures
    with every message. A driver looks every 50 ms. ``value_added``: what the station offers beside energy;
    ``wanted``: what the vehicle takes of it. ``on_state(role, state, now)`` hears of every state entered,
    ``on_news(role, news, now)`` of all news of a session. ``recorder`` writes all of it down. The bytes are
    to be had from the ``tap`` of each link.
    """

    def __init__(
        self,
        secc: SeccConfig,
        evcc: EvccConfig,
        station: SimulatedStation | SimulatedAcStation | WirelessStation,
        vehicle: SimulatedVehicle | SimulatedAcVehicle | WirelessVehicle,
        *,
        wire: bool = True,
        secure: bool = True,
        delay_s: float = 0.0,
        on_message: Callable[[str, object, float], bool | None] | None = None,
        on_state: Callable[[str, str, float], None] | None = None,
        on_news: Callable[[str, act.Notify, float], None] | None = None,
        now: float = 0.0,
        leaves: tuple[bytes, bytes] = (b"station", b"vehicle"),
        paused: Sequence[SeccTicket] = (),
        resume: EvccTicket | None = None,
        contrary_station: Any = None,
        contrary_vehicle: Any = None,
        look_s: float = 0.3,
        tls_version: str = "TLSv1.3",
        value_added: Sequence[ValueAddedService] = (),
        wanted: Sequence[WantedService] = (),
        recorder: Records | None = None,
    ) -> None:
        self.now = self.begun_at = now
        self.station: SimulatedStation = station  # type: ignore[assignment]  # AcPair has the others
        self.vehicle: SimulatedVehicle = vehicle  # type: ignore[assignment]
        backend, store = station.contracts, vehicle.contracts
        self.secc = SeccSession(
            secc,
            station.limits,
            epoch=EPOCH,
            trust=None if backend is None else backend.trust,
            installs=backend is not None and backend.service is not None,
            schedules=station.timetable is not None,
            price_signers=() if station.timetable is None else station.timetable.price_signers,
            resume=paused,
            hardware=station.capabilities,
            ac=station.ac_limits,
            ac_hardware=station.ac_capabilities,
            grid_code=station.grid_code,
            value_added=value_added,
            device=station.device,
            pad=station.pad_limits,
            pad_id=station.id_code,
        )
        self.evcc = EvccSession(
            evcc,
            vehicle.limits,
            vehicle.battery_state(now),
            epoch=EPOCH,
            contracts=None if store is None else store.present,
            resume=resume,
            charger=vehicle.charger_limits,
            inverter=vehicle.inverter,
            value_added=wanted,
            mobility=vehicle.mobility,
            receiver=vehicle.receiver_limits,
        )
        # A peer with other habits in the place of one of ours: the same outer
        # contract, and the same hardware.
        self.secc = self.secc if contrary_station is None else contrary_station
        self.evcc = self.evcc if contrary_vehicle is None else contrary_vehicle
        self.monitor = SafetyMonitor(
            secc,
            station.capabilities,
            vehicle.limits,
            paused=tuple(paused),
            outlet=station.ac_capabilities,
            charger=vehicle.charger_limits,
            device=station.device,
            held=vehicle.mobility is not None,
            pad=station.pad_limits,
            receiver=vehicle.receiver_limits,
        )
        self.to_secc = MemoryTransport(wire=wire, delay_s=delay_s)
        self.to_evcc = MemoryTransport(wire=wire, delay_s=delay_s)
        self.transfer_s = 0.0
        """Time during which energy flowed, in s."""
        self.first_energy_at: float | None = None
        """When it first did."""
        self.loops = 0
        """Charge-loop answers seen."""
        self.exchanges = 0
        """Answers of the station, all of them."""
        self.beside: Beside | None = None
        """Looks on, as the steps of a scenario do."""
        self._secure, self._leaves, self._tls_version = secure, leaves, tls_version
        self._on_message = on_message
        self._on_state = on_state
        self._on_news = on_news
        self._look_s = look_s
        self._look_at = now
        self._ends = (self.to_secc, self.to_evcc, self.secc, self.evcc, station, vehicle)
        self._flowing_since: float | None = None
        self._recorder: Records | None = None
        if recorder is not None:
            self.record(recorder)

    def record(self, recorder: Records) -> None:
        """Have everything from now on written down."""
        self._recorder = recorder
        self.to_secc.tap = partial(recorder.link, True)
        self.to_evcc.tap = partial(recorder.link, False)

    # -- running

    @property
    def done(self) -> bool:
        """Both sessions have ended."""
        return self.secc.ended is not None and self.evcc.ended is not None

    def start(self) -> None:
        """Plug in and connect."""
        station, vehicle = self._leaves
        self.tell_secc(Connected(self._secure, self._tls(vehicle)))
        self.tell_evcc(Connected(self._secure, self._tls(station)))

    def _tls(self, leaf: bytes) -> TlsPeer | None:
        return TlsPeer(version=self._tls_version, peer_chain=(leaf,)) if self._secure else None

    def run(
        self, *, until: Callable[[], bool] | None = None, max_s: float = 36_000.0, max_steps: int = 2_000_000
    ) -> None:
        """Run to the end of both sessions, or until ``until()``. Raises ``RuntimeError`` if that takes too
        long in virtual time or steps."""
        if self.secc.state == "Connecting":
            self.start()
        steps = 0
        while not self.done and not (until is not None and until()):
            steps += 1
            if not self.step():
                raise RuntimeError(f"nothing left to happen; SECC {self.secc.state}, EVCC {self.evcc.state}")
            if self.now > max_s or steps > max_steps:
                raise RuntimeError(
                    f"no end after {self.now:.1f} s; SECC {self.secc.state}, EVCC {self.evcc.state}"
                )

    @property
    def deadline(self) -> float | None:
        """When something happens next; it may lie in the past: then at once."""
        earliest: float | None = None
        for end in self._ends:
            moment = end.deadline
            if moment is not None and (earliest is None or moment < earliest):
                earliest = moment
        if self.beside is not None:
            moment = self.beside.deadline
            if moment is not None and (earliest is None or moment < earliest):
                earliest = moment
        if (earliest is None or self._look_at < earliest) and self._live():
            return self._look_at
        return earliest

    def _live(self) -> bool:
        """Somebody has to be measured even if nothing else happens."""
        return (
            self.secc.energized
            or self.evcc.energized
            or self.station.outlet.closed
            or (isinstance(self.vehicle, SimulatedVehicle) and self.vehicle.inlet.closed)
        )

    def step(self) -> bool:
        """Jump to the next moment at which something happens, and let it happen. False if nothing is left to
        happen."""
        moment = self.deadline
        if moment is None:
            return False
        if moment > self.now:
            self.now = moment
        self.happen()
        return True

    def happen(self) -> None:
        """Let happen what is due now."""
        now = self.now
        if (due := self.station.deadline) is not None and due <= now:
            self._secc_events(self.station.advance(now))
        if (due := self.vehicle.deadline) is not None and due <= now:
            self._evcc_events(self.vehicle.advance(now))
        if (due := self.to_secc.deadline) is not None and due <= now:
            self._secc_events(self.to_secc.deliver(now))
        if (due := self.to_evcc.deadline) is not None and due <= now:
            self._evcc_events(self.to_evcc.deliver(now))
        if now >= self._look_at and self._live():
            self._measure_secc()
            self._measure_evcc()
        if (due := self.secc.deadline) is not None and due <= now:
            self._measure_secc()
            self._carry_out_secc(self.monitor.secc(None, self.secc.handle_timeout(now), now))
        if (due := self.evcc.deadline) is not None and due <= now:
            self._measure_evcc()
            self._carry_out_evcc(self.monitor.evcc(None, self.evcc.handle_timeout(now), now))
        if self.beside is not None:
            self.beside.look(now)

    def let_pass(self, seconds: float) -> None:
        """Let virtual time pass, with everything that falls into it."""
        until = self.now + seconds
        while True:
            moment = self.deadline
            if moment is None or moment > until:
                break
            self.step()
        self.now = until
        self._secc_events(self.station.advance(until))
        self._evcc_events(self.vehicle.advance(until))

    # -- saying something to one end from outside

    def tell_secc(self, event: Event) -> None:
        """Hand an event to the station's session now."""
        self._secc_events([event])

    def tell_evcc(self, event: Event) -> None:
        """Hand an event to the vehicle's session now."""
        self._evcc_events([event])

    def hear_station(self) -> None:
        """Let the station's session hear at once what its hardware has to tell."""
        self._secc_events(self.station.advance(self.now))

    def cut(self, how: TransportLoss = TransportLoss.LINK_DOWN) -> None:
        """The connection is lost on both ends."""
        self.to_secc.close(self.now, how)
        self.to_evcc.close(self.now, how)

    # -- inside

    def _secc_events(self, events: Iterable[Event]) -> None:
        for event in events:
            if type(event) is MessageReceived:
                self._measure_secc()
            self._carry_out_secc(self._tell_secc(event))

    def _tell_secc(self, event: Event) -> list[act.Action]:
        return self.monitor.secc(event, self.secc.handle(event, self.now), self.now)

    def _tell_evcc(self, event: Event) -> list[act.Action]:
        return self.monitor.evcc(event, self.evcc.handle(event, self.now), self.now)

    def _evcc_events(self, events: Iterable[Event]) -> None:
        for event in events:
            self._measure_evcc()
            self._carry_out_evcc(self._tell_evcc(event))

    def _measure_secc(self) -> None:
        self._look_at = self.now + self._look_s
        try:
            measured = self.station.measure(self.now)
            beside = self.station.look(self.now)
        except Exception as error:
            self._carry_out_secc(self._tell_secc(HardwareFault("power", str(error) or type(error).__name__)))
            return
        for event in beside:
            self._carry_out_secc(self._tell_secc(event))
        self.monitor.measured(measured, self.now)
        actions = self.secc.handle(measured, self.now)
        if actions:
            self._carry_out_secc(self.monitor.secc(measured, actions, self.now))
        flowing = abs(self.station.circuit.current_a) > 1.0
        if flowing and self._flowing_since is None:
            self._flowing_since = self.now
            if self.first_energy_at is None:
                self.first_energy_at = self.now
        elif not flowing and self._flowing_since is not None:
            self.transfer_s += self.now - self._flowing_since
            self._flowing_since = None

    def _measure_evcc(self) -> None:
        try:
            inlet, battery = self.vehicle.measure(self.now), self.vehicle.battery_state(self.now)
        except Exception as error:
            self._carry_out_evcc(
                self._tell_evcc(HardwareFault("battery", str(error) or type(error).__name__))
            )
            return
        self.monitor.inlet(inlet, self.now)
        actions = self.evcc.handle(battery, self.now)
        if actions:
            self._carry_out_evcc(self.monitor.evcc(battery, actions, self.now))
        actions = self.evcc.handle(inlet, self.now)
        if actions:
            self._carry_out_evcc(self.monitor.evcc(inlet, actions, self.now))

    def _tell(self, role: str, news: act.Notify, now: float) -> None:
        if self._on_news is not None:
            self._on_news(role, news, now)
        if self._recorder is not None:
            self._recorder.told(role, news, now)

    def _carry_out_secc(self, actions: list[act.Action]) -> None:
        now = self.now
        for action in actions:
            if isinstance(action, act.HardwareAction):
                self._secc_events(_guarded(self.station, action, now))
                continue
            if isinstance(action, act.Notify):
                self._tell("secc", action, now)
            match action:
                case act.Send(message=message, beside=beside):
                    self.exchanges += 1
                    if name_of(message) in _LOOPS:
                        self.loops += 1
                    if self._on_message is None or self._on_message("secc", message, now) is not False:
                        self.to_evcc.send(message, now, beside=beside)
                case act.UseSchema(edition=edition):
                    self.to_evcc.use_schema(edition)
                    self.to_secc.expect_schema(edition)
                case act.CloseTransport():
                    # What was sent arrives first; the vehicle closes on it, so waiting for that changes
                    # nothing here.
                    self.to_evcc.close(now)
                case act.ChargingNeeds():
                    self.station.needs(action, now)
                case act.StateEntered(state=state) if self._on_state is not None:
                    self._on_state("secc", state, now)

    def _carry_out_evcc(self, actions: list[act.Action]) -> None:
        now = self.now
        for action in actions:
            if isinstance(action, act.HardwareAction):
                self._evcc_events(_guarded(self.vehicle, action, now))
                continue
            if isinstance(action, act.Notify):
                self._tell("evcc", action, now)
            match action:
                case act.Send(message=message, beside=beside):
                    if self._on_message is None or self._on_message("evcc", message, now) is not False:
                        self.to_secc.send(message, now, beside=beside)
                case act.UseSchema(edition=edition):
                    self.to_secc.use_schema(edition)
                    self.to_evcc.expect_schema(edition)
                case act.CloseTransport():
                    self.to_secc.close(now)
                case act.StateEntered(state=state) if self._on_state is not None:
                    self._on_state("evcc", state, now)


class AcPair(Pair):
    """A pair that charges with AC: the same with other hardware."""

    station: SimulatedAcStation  # type: ignore[assignment]
    vehicle: SimulatedAcVehicle  # type: ignore[assignment]


def _guarded(
    hardware: SimulatedStation
    | SimulatedAcStation
    | SimulatedVehicle
    | SimulatedAcVehicle
    | WirelessStation
    | WirelessVehicle,
    action: act.HardwareAction,
    now: float,
) -> Iterable[Event]:
    """What a driver does with hardware that raises, whatever it raises: a fault of that port, told to its
    session; a refusal if it is a backend far away."""
    try:
        return hardware.perform(action, now)
    except Exception as error:
        match action:
            case act.RequestContractAuthorization(claim):
                return [ContractDecided(claim, Refusal.NOT_AVAILABLE)]
            case act.RequestContractCertificate(request):
                return [ContractCertificateAnswered(None, Refusal.NOT_AVAILABLE, request)]
            case act.RequestSchedules(number=number):
                return [SchedulesMissing(number)]
            case act.UseKey(number=number):
                return [KeyUsed(number, error=error)]
            case act.StoreContract():
                return []
        return [HardwareFault(type(action).__name__, str(error) or type(error).__name__)]
