"""A watchdog for tests: it sees every event, every action and every measurement of both ends, and knows what
must never happen.

It shares no code with the sessions it watches: it learns what was negotiated from the messages themselves, and judges measured values by
rules of its own. The first violation raises, so that the test that caused it fails where it happened.
"""

from __future__ import annotations

from iso15118.secc import SeccConfig
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.ticket import SeccTicket

from .station import StationMonitor
from .vehicle import VehicleMonitor
from .violation import SafetyViolation

__all__ = ["SafetyMonitor", "SafetyViolation"]


class SafetyMonitor:
    """Watches one pair of sessions (either end may be missing). ``paused``: sessions that the station may be asked to go on with.
    Raises ``SafetyViolation``."""

    def __init__(
        self,
        config: SeccConfig,
        station: StationLimits,
        vehicle: VehicleLimits | None = None,
        *,
        paused: tuple[SeccTicket, ...] = (),
    ) -> None:
        self._secc = StationMonitor(config, station, paused)
        self._evcc = VehicleMonitor(vehicle)
        self.seen = 0
        """How many calls were watched: a monitor that saw nothing proves nothing."""

    def measured(self, values: ev.PowerMeasured, now: float | None = None) -> None:
        """The station's output, before its session is told. ``now``: judge it, too; otherwise that is done when ``secc`` sees it."""
        self._secc.measured(values, now)

    def inlet(self, values: ev.InletMeasured, now: float | None = None) -> None:
        """The vehicle's inlet; the same."""
        self._evcc.inlet(values, now)

    def secc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the station's session; returns ``actions`` unchanged."""
        self.seen += 1
        self._secc.look(event, actions, now)
        if type(event) is ev.PowerMeasured:
            self._secc.measured(event, now)
        return actions

    def evcc(self, event: ev.Event | None, actions: list[act.Action], now: float) -> list[act.Action]:
        """One call of the vehicle's session; returns ``actions`` unchanged."""
        self.seen += 1
        self._evcc.look(event, actions, now)
        if type(event) is ev.InletMeasured:
            self._evcc.inlet(event, now)
        return actions
