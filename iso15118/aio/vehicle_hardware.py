"""The ports of a vehicle: carries out what a session asks of its contactors, its side of the control pilot and its contract store.

Nothing here knows a protocol, and nothing makes the session wait: answers, readings and failures come back as events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from iso15118.errors import HardwareError
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import Urgency

from . import readings
from .contract_calls import StoreCalls
from .guard import Port, each
from .hardware import PortLimits, SideHardware
from .logs import Log
from .port_calls import SignalCalls

if TYPE_CHECKING:
    from iso15118.session import ports
    from iso15118.session.supervision import SupervisionLimits

__all__ = ["VehicleHardware"]

_log = Log(__name__)


class VehicleHardware(SideHardware):
    """One session's hold on the ports of a vehicle. ``tell`` gets the events."""

    measures = "inlet"

    def __init__(
        self,
        vehicle: ports.Vehicle,
        limits: PortLimits,
        tell: Callable[[ev.Event], None],
        supervision: SupervisionLimits | None = None,
    ) -> None:
        super().__init__(vehicle.contactors, limits, tell, supervision)
        self._inlet = Port(vehicle.inlet, "inlet")
        self._battery = Port(vehicle.battery, "battery")
        self._signal = (
            SignalCalls(self._loop, Port(vehicle.signal, "signal"), self._report, limits.signal_s)
            if vehicle.signal is not None
            else None
        )
        self._store = StoreCalls(self._loop, vehicle.contracts, limits.store_s)

    def start(self) -> Sequence[ev.Event]:
        """The level of the contactors, if it is not open as it should be."""
        changed = self._contactors.changed(begins=True)
        return () if changed is None else (changed,)

    def do(self, action: act.HardwareAction) -> None:
        """Carry this out. Current to zero is the station's work: a vehicle opens."""
        match action:
            case act.CloseContactors():
                self._energise()
                self._contactors.close()
            case act.OpenContactors(urgency, reason):
                self._told_safe = True
                self._contactors.open(urgency, reason)
            case act.SignalReady(ready):
                if self._signal is not None:
                    self._signal.set_ready(ready)
            case act.StoreContract(contract):
                self._store.keep(contract)
            case _:
                pass

    def measure(self, now: float) -> Sequence[ev.Event]:
        """The inlet and the battery."""
        try:
            inlet = self._inlet.read("present", readings.inlet)
            self._measured_now("inlet.present.at", inlet.at, now)
        except HardwareError as error:
            return self._report.unreadable("inlet", str(error))
        try:
            battery = self._battery.read("state", readings.battery)
        except HardwareError as error:
            return (inlet, *self._report.unreadable("battery", str(error)))
        if now < self._look_at:
            return (inlet, battery)
        self._look_at = now + self._limits.look_s
        changed = self._contactors.changed()
        return (inlet, battery) if changed is None else (inlet, battery, changed)

    def make_safe(self, reason: str) -> None:
        """Contactors open and not ready, at once."""
        self._told_safe = True
        failed = each(partial(self._contactors.open, Urgency.EMERGENCY, reason), self._withdraw)
        for error in failed:
            _log.error("a step on the way to safety failed", error=error)

    async def wind_up(self) -> None:
        """Wait for contracts that are still being kept."""
        await self._store.settled()

    @property
    def energy(self) -> tuple[float, float] | None:
        """A vehicle has no meter of the station's kind."""
        return None

    def close(self) -> None:
        """No more calls."""
        self._contactors.shut_down()
        self._store.close()
        if self._signal is not None:
            self._signal.close()

    # -- safe ---------------------------------------------------------------------------------------------

    def _withdraw(self) -> None:
        if self._signal is not None:
            self._signal.set_ready(False)

    def _safe_calls_running(self) -> bool:
        return self._contactors.opens.running or (
            self._signal is not None and self._signal.withdrawals.running
        )

    def _safe_calls_failed(self) -> bool:
        return self._contactors.opens.failed or (self._signal is not None and self._signal.withdrawals.failed)

    def _open_calls(self) -> list[float]:
        ready = None if self._signal is None else self._signal.open_s
        return [left for left in (self._contactors.open_s, ready) if left is not None]

    def _measured(self) -> ev.InletMeasured | None:
        try:
            return self._inlet.read("present", readings.inlet)
        except HardwareError as error:
            self.unreadable = str(error)
            return None
