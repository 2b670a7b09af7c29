"""A simulated pantograph: a station whose connection device comes down on a vehicle that has
driven under it, and that vehicle.

The device is what the plug is elsewhere: the control pilot and the contacts of the power follow it. Lengths
are cm; times are the plant's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from iso15118.session import ports
from iso15118.session.actions import (
    ConnectDevice,
    DisconnectDevice,
    GuideVehicle,
    HardwareAction,
    Immobilize,
)
from iso15118.session.coupling import DevicePosition, VehiclePosition
from iso15118.session.events import (
    ConnectionDeviceChanged,
    HardwareFault,
    MobilityChanged,
    SignalChanged,
    SignalState,
    VehiclePositionMeasured,
)

from .circuit import DcCircuit
from .faults import PANTOGRAPH_STATION_CALLS, PANTOGRAPH_VEHICLE_CALLS, Faults
from .presets import StationPreset
from .station import SimulatedStation
from .vehicle import SimulatedVehicle

__all__ = ["Bay", "PantographStation", "PantographVehicle"]

_FAR_CM = 10_000.0


class Timed(Protocol):
    """A circuit, as far as the way of a vehicle to its place is concerned."""

    time: float


class Bay:
    """The place under the device, and the vehicle on its way to it: ``start_cm`` across and along,
    approached along with ``speed_cm_s`` until it is braked, or stands at its mark. ``window_cm``: how far
    off the contact is possible."""

    def __init__(
        self,
        circuit: Timed,
        *,
        start_cm: tuple[float, float] = (5.0, 300.0),
        speed_cm_s: float = 100.0,
        window_cm: tuple[float, float] = (40.0, 60.0),
    ) -> None:
        self._circuit = circuit
        self._start_cm, self.speed_cm_s, self.window_cm = start_cm, speed_cm_s, window_cm
        self._braked_y: float | None = None
        self._since = 0.0
        self.associated = True
        """The vehicle here is the one that is talked to."""

    @property
    def arrives_at(self) -> float:
        """The plant's time at which it reaches its mark."""
        return self._since + abs(self._start_cm[1]) / self.speed_cm_s

    @property
    def _y_cm(self) -> float:
        if self._braked_y is not None:
            return self._braked_y
        left = abs(self._start_cm[1]) - self.speed_cm_s * (self._circuit.time - self._since)
        return max(left, 0.0) if self._start_cm[1] >= 0.0 else -max(left, 0.0)

    def approach(self) -> None:
        """A vehicle sets out for its mark, from now on."""
        self._since, self._braked_y = self._circuit.time, None

    def leave(self) -> None:
        """Nobody is anywhere near, until somebody approaches."""
        self._braked_y = _FAR_CM

    def brake(self) -> None:
        """The vehicle stands where it is now."""
        self._braked_y = self._y_cm

    def move_to(self, x_cm: float, y_cm: float) -> None:
        """Somebody moves the vehicle, and it stands there."""
        self._start_cm, self._braked_y = (x_cm, y_cm), y_cm

    @property
    def position(self) -> VehiclePosition:
        """As a sensor of the station sees it."""
        x, y = self._start_cm[0], self._y_cm
        wide, long = self.window_cm
        return VehiclePosition(
            x_cm=x,
            y_cm=y,
            window_x_cm=wide,
            window_y_cm=long,
            in_position=abs(x) <= wide and abs(y) <= long,
            associated=self.associated,
        )


class PantographStation(SimulatedStation):
    """A station with a pantograph over ``bay``. ``moving_s``: how long it takes each way; ``jams``: it
    stops on its way down, or up."""

    def __init__(
        self, circuit: DcCircuit, kind: StationPreset, bay: Bay, *, moving_s: float = 4.0, **options: Any
    ) -> None:
        super().__init__(circuit, kind, **options)
        self.faults = Faults(PANTOGRAPH_STATION_CALLS)
        self.bay = bay
        self.moving_s = moving_s
        self.jams = False
        self.device: DevicePosition = DevicePosition.HOME
        self._shown = SignalState.B
        circuit.signal_by = self._vehicle_shows
        circuit.plugged = False
        circuit.show_signal(SignalState.A)
        circuit.signal_news.clear()
        self.lowered_live = 0
        """How often it was moved while contactors were closed or current flowed: never, if all is well."""

    def look(self, now: float) -> list[VehiclePositionMeasured]:
        """Where the vehicle stands."""
        self.circuit.advance(now)
        return [self.faults.reading("position", VehiclePositionMeasured(self.bay.position), now)]

    def slip(self, now: float) -> None:
        """The contact is lost: the device leaves the vehicle by itself."""
        self.circuit.advance(now)
        self._leave(DevicePosition.MOVING)

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Station:
        """The same plant as ports for an asynchronous driver."""
        from .coupling_ports import PantographPorts

        return PantographPorts(self, sleep, clock).bundle()

    def _do(self, action: HardwareAction) -> None:
        match action:
            case ConnectDevice():
                self._move(DevicePosition.END_POSITION)
            case DisconnectDevice():
                self._move(DevicePosition.HOME)
            case _:
                super()._do(action)

    def _move(self, goal: DevicePosition) -> None:
        circuit = self.circuit
        if self.device is goal:
            self._say(goal)
            return
        if self.outlet.closed or abs(circuit.current_a) > 1.0:
            self.lowered_live += 1
        self._leave(DevicePosition.MOVING)
        if not self.jams:
            self._agenda.put("device", circuit.time + self.moving_s, lambda: self._arrive(goal))

    def _arrive(self, goal: DevicePosition) -> None:
        circuit = self.circuit
        if goal is DevicePosition.END_POSITION and not self.bay.position.in_position:
            self._events.append(HardwareFault("connection device", "there is no vehicle under it"))
            return
        if goal is DevicePosition.END_POSITION:
            circuit.plug_in(circuit.clock(circuit.time))
        self._say(goal)
        if goal is DevicePosition.END_POSITION:
            circuit.show_signal(self._shown)

    def _leave(self, position: DevicePosition) -> None:
        circuit = self.circuit
        self._agenda.drop("device")
        self._say(position)
        if circuit.plugged:
            circuit.unplug(circuit.clock(circuit.time))

    def _say(self, position: DevicePosition) -> None:
        self.device = position
        self._events.append(ConnectionDeviceChanged(position))

    def _vehicle_shows(self, state: SignalState) -> None:
        self._shown = state
        if self.device is DevicePosition.END_POSITION:
            self.circuit.show_signal(state)


class PantographVehicle(SimulatedVehicle):
    """A bus that drives to its place in ``bay``, stands there, and can lock its drive."""

    def __init__(
        self, circuit: DcCircuit, bay: Bay, *args: Any, locking_s: float = 0.2, **options: Any
    ) -> None:
        super().__init__(circuit, *args, **options)
        self.faults = Faults(PANTOGRAPH_VEHICLE_CALLS)
        self.bay = bay
        self.locking_s = locking_s
        self.mobility: MobilityChanged = MobilityChanged(stands=False, immobilized=False)
        self._agenda.put("arrive", bay.arrives_at, self._stand)
        circuit.watch_signal(lambda: self._events.append(SignalChanged(circuit.signal)))

    def roll(self, now: float) -> None:
        """The lock gives way: the vehicle may move."""
        self.circuit.advance(now)
        self._is(stands=self.mobility.stands, immobilized=False)

    def ports(self, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> ports.Vehicle:
        """The same plant as ports for an asynchronous driver."""
        from .coupling_ports import PantographVehiclePorts

        return PantographVehiclePorts(self, sleep, clock).bundle()

    def _do(self, action: HardwareAction) -> None:
        match action:
            case GuideVehicle(position):
                if position.in_position and not self.mobility.stands:
                    self._stand()
            case Immobilize(immobile):
                self._agenda.put(
                    "lock",
                    self.circuit.time + self.locking_s,
                    lambda: self._is(stands=self.mobility.stands, immobilized=immobile),
                )
            case _:
                super()._do(action)

    def _stand(self) -> None:
        self._agenda.drop("arrive")
        self.bay.brake()
        self._is(stands=True, immobilized=self.mobility.immobilized)

    def _is(self, *, stands: bool, immobilized: bool) -> None:
        self.mobility = MobilityChanged(stands=stands, immobilized=immobilized)
        self._events.append(self.mobility)
