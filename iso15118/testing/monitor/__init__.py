"""A watchdog for tests: it sees every event, every action and every measurement of both ends, and knows what
must never happen.

It shares no code with the sessions it watches: it learns what was negotiated from the messages
themselves, and judges measured values by rules of its own. The first violation raises, so that the test
that caused it fails where it happened.
"""

from __future__ import annotations

from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.coupling import DevicePosition
from iso15118.session.limits import NO_DC_OUTPUT, StationLimits, VehicleLimits
from iso15118.session.ticket import SeccTicket
from iso15118.session.wireless import PadLimits, ReceiverLimits

from .alternating import AcStationMonitor, AcVehicleMonitor
from .coupling import DeviceRules, HeldRules
from .station import StationMonitor
from .vehicle import VehicleMonitor
from .violation import SafetyViolation
from .wireless import PadMonitor, ReceiverMonitor

__all__ = ["SafetyMonitor", "SafetyViolation"]


class SafetyMonitor:
    """Watches one pair of sessions (either end may be missing). ``paused``: sessions that the station may be
    asked to go on with. ``outlet`` and ``charger``: the pair charges with AC. ``device``: where the station's
    connection device is; ``held``: the vehicle is charged under one. Raises ``SafetyViolation``."""

    def __init__(
        self,
        config: SeccConfig,
        station: StationLimits | None,
        vehicle: VehicleLimits | None = None,
        *,
        paused: tuple[SeccTicket, ...] = (),
        outlet: AcStationLimits | None = None,
        charger: AcVehicleLimits | None = None,
        device: DevicePosition | None = None,
        held: bool = False,
        pad: PadLimits | None = None,
        receiver: ReceiverLimits | None = None,
    ) -> None:
        self._device = None if device is None else DeviceRules(device)
        self._held = HeldRules() if held else None
        self._secc: StationMonitor | AcStationMonitor | PadMonitor = (
            PadMonitor(pad, resumes=bool(paused))
            if pad is not None
            else StationMonitor(config, station or NO_DC_OUTPUT, paused)
            if outlet is None
            else AcStationMonitor(outlet, resumes=bool(paused))
        )
        self._evcc: VehicleMonitor | AcVehicleMonitor | ReceiverMonitor = (
            ReceiverMonitor(receiver)
            if receiver is not None
            else VehicleMonitor(vehicle)
            if charger is None
            else AcVehicleMonitor(charger)
        )
        self.seen = 0
        """How many calls were watched: a monitor that saw nothing proves nothing."""

    def measured(
        self, values: ev.PowerMeasured | ev.AcMeasured | ev.PadMeasured, now: float | None = None
    ) -> None:
        """The station's output, before its session is told. ``now``: judge it, too; otherwise that is
        done when ``secc`` sees it."""
        self._secc.measured(values, now)  # type: ignore[arg-type]
        if self._device is not None and isinstance(values, ev.PowerMeasured):
            self._device.measured(values, now)

    def inlet(
        self, values: ev.InletMeasured | ev.AcMeasured | ev.ReceiverMeasured, now: float | None = None
    ) -> None:
        """The vehicle's inlet; the same."""
        self._evcc.inlet(values, now)  # type: ignore[arg-type]

    def secc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the station's session; returns ``actions`` unchanged."""
        self.seen += 1
        self._secc.look(event, actions, now)
        if self._device is not None:
            if type(event) is ev.PowerMeasured:
                self._device.measured(event, now)
            self._device.look(event, actions, now)
        if type(event) in (ev.PowerMeasured, ev.AcMeasured, ev.PadMeasured):
            self._secc.measured(event, now)  # type: ignore[arg-type]
        return actions

    def evcc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the vehicle's session; returns ``actions`` unchanged."""
        self.seen += 1
        self._evcc.look(event, actions, now)
        if self._held is not None:
            self._held.look(event, actions)
        if type(event) in (ev.InletMeasured, ev.AcMeasured, ev.ReceiverMeasured):
            self._evcc.inlet(event, now)  # type: ignore[arg-type]
        return actions
