"""Stand-ins for the far end where no plug joins the two, and they are separate processes or machines; see
``remote_peer``.

A station presumes a vehicle that drives to its mark when a session begins, and takes what it is sent; a
vehicle presumes a device that is where the station's messages say, and a pad that sends what they say.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.session.coupling import DevicePosition
from iso15118.session.events import SignalState
from iso15118.session.wireless import PadLimits, ReceiverLimits

from .battery import Battery
from .circuit import DcCircuit
from .pantograph import Bay, PantographStation, PantographVehicle
from .presets import StationPreset
from .remote_peer import StationWithRemoteVehicle, VehicleWithRemoteStation
from .wireless import WirelessCircuit, WirelessStation, WirelessVehicle

__all__ = [
    "PadWithRemoteVehicle",
    "PantographWithRemoteVehicle",
    "ReceiverWithRemotePad",
    "RoofWithRemotePantograph",
]

_ENDLESS_WH = 1e9
_ANY_W, _ANY_A = 1e6, 1e4


class PantographWithRemoteVehicle(PantographStation, StationWithRemoteVehicle):
    """A station with a pantograph whose vehicle is somewhere else. ``settings`` are those of
    ``SimulatedStation``."""

    def __init__(self, circuit: DcCircuit, kind: StationPreset, **settings: Any) -> None:
        super().__init__(circuit, kind, Bay(circuit), **settings)
        self._shown = SignalState.C  # nothing shows the real one in contact; hardware would
        self.bay.leave()

    def vehicle_comes(self, now: float) -> None:
        """A vehicle sets out for its place."""
        self.circuit.advance(now)
        self.bay.approach()


class RoofWithRemotePantograph(PantographVehicle, VehicleWithRemoteStation):
    """A bus whose station is somewhere else. ``settings`` are those of ``SimulatedVehicle``."""

    def __init__(self, circuit: DcCircuit, battery: Battery, **settings: Any) -> None:
        super().__init__(circuit, Bay(circuit), battery, reports=True, **settings)
        self._shown = SignalState.B
        circuit.signal_by = self._shows
        circuit.plugged = False
        circuit.show_signal(SignalState.A)
        circuit.signal_news.clear()

    def device_is(self, position: DevicePosition, now: float) -> None:
        """The station reports where its device is: the pilot and the contacts of the power follow it."""
        circuit, down = self.circuit, position is DevicePosition.END_POSITION
        circuit.advance(now)
        if down and not circuit.plugged:
            circuit.plug_in(now)
            circuit.show_signal(self._shown)
        elif circuit.plugged and not down:
            circuit.unplug(now)

    def _shows(self, state: SignalState) -> None:
        self._shown = state
        if self.circuit.plugged:
            self.circuit.show_signal(state)


class PadWithRemoteVehicle(WirelessStation):
    """A pad whose vehicle is somewhere else. ``settings`` are those of ``WirelessStation``."""

    def __init__(self, circuit: WirelessCircuit, pad: PadLimits, **settings: Any) -> None:
        super().__init__(circuit, pad, **settings)
        circuit.battery = Battery(
            capacity_wh=_ENDLESS_WH,
            soc=50.0,
            target_soc=100.0,
            minimum_soc=0.0,
            maximum_charge_current_a=_ANY_A,
            maximum_charge_power_w=_ANY_W,
        )
        # What the vehicle takes is in what it asks for, and the pad is told no more.
        circuit.taken_w = math.inf
        circuit.bay.leave()

    def vehicle_comes(self, now: float) -> None:
        """A vehicle sets out for its place."""
        self.circuit.advance(now)
        self.circuit.bay.approach()


class ReceiverWithRemotePad(WirelessVehicle):
    """A coil whose pad is somewhere else. ``pad_code``: what stands on that pad; the other ``settings`` are
    those of ``WirelessVehicle``."""

    def __init__(
        self,
        circuit: WirelessCircuit,
        receiver: ReceiverLimits,
        battery: Battery,
        *,
        pad_code: int,
        **settings: Any,
    ) -> None:
        super().__init__(circuit, receiver, battery, reads=lambda: pad_code, **settings)

    def pad_sends(self, power_w: float, now: float) -> None:
        """The pad reports this power: it is there to be received from ``now`` on."""
        self.circuit.advance(now)
        self.circuit.told_w = max(power_w, 0.0)
