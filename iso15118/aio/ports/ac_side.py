"""An AC port of either side: the outlet of a station, or the on-board charger of a vehicle.

Present values, limits, and the calls that set and stop; which call gives way to which
is settled in ``port_calls``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from iso15118.energy.ac import NOTHING
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, ChargerBounds
from iso15118.session.events import AcMeasured

from . import readings
from .guard import Port
from .port_calls import PowerCalls, Report

if TYPE_CHECKING:
    import asyncio

    from iso15118.session.supervision import SupervisionLimits

__all__ = ["AcSide", "charger", "no_alternating", "outlet"]

NO_CURRENT_A: Final = 1.0
"""Below this in every phase nothing flows; ISO 15118-2 opens below it."""

Limits = TypeVar("Limits", AcStationLimits, AcVehicleLimits)


def no_alternating(supervision: SupervisionLimits | None) -> float:
    """Below how many A in every phase nothing flows, for this supervision, which may know of a sensor that
    is off by more at zero."""
    known = None if supervision is None else supervision.ac_no_current_a
    return NO_CURRENT_A if known is None else max(NO_CURRENT_A, known)


class AcSide(Generic[Limits]):
    """One session's hold on such a port."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: object,
        name: str,
        report: Report,
        power_s: float,
        read: Callable[[Any, str], Limits],
        zero: object = None,
    ) -> None:
        self.name = name
        self._port = Port(port, name)
        self._read_limits: Callable[[Any, str], Limits] = read
        self.calls = PowerCalls(loop, self._port, report, power_s, power_s, name, zero=zero)
        self.known: Limits | None = None
        """What it said it can do, when that was last read; a copy, since a port
        may change its own in place."""

    def present(self) -> AcMeasured:
        """Values of every phase. Raises ``HardwareError``."""
        return self._port.read("present", readings.alternating)

    def limits(self) -> Limits:
        """What it can do now. Raises ``HardwareError``."""
        limits: Limits = self._port.read("limits", self._read_limits)
        if limits != self.known:
            self.known = copy.copy(limits)
        return limits

    def capabilities(self) -> Limits | None:
        """What it could do at best; None if it does not say. Raises ``HardwareError``."""
        return self._port.read("capabilities", self._read_limits) if self._port.has("capabilities") else None


def outlet(
    loop: asyncio.AbstractEventLoop, port: object, report: Report, power_s: float
) -> AcSide[AcStationLimits]:
    """The AC outlet of a station."""
    return AcSide(loop, port, "ac", report, power_s, readings.outlet_limits)


def charger(
    loop: asyncio.AbstractEventLoop, port: object, report: Report, power_s: float
) -> AcSide[AcVehicleLimits]:
    """The on-board charger of a vehicle."""
    # No contactor of the vehicle stands behind it; and every charger has one phase.
    nothing = ChargerBounds(phases=1, power_w=NOTHING, current_a=NOTHING)
    return AcSide(loop, port, "charger", report, power_s, readings.charger_limits, nothing)
