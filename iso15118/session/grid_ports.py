"""What a team implements whose vehicle is a distributed energy resource: the inverter in the vehicle, and
what a vehicle wants beside energy.

As with the other ports (``session.ports``): methods that take time are coroutines with a
deadline, properties answer at once.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from iso15118.energy.grid_functions import DsoSetPoint

from .der import GridCode, GridCondition, InverterAbilities
from .value_added import WantedService

__all__ = ["InverterPort", "WantedServices"]


@runtime_checkable
class InverterPort(Protocol):
    """The on-board charger as an inverter that supports the grid. What it does at which voltage and
    frequency is its own business and within ``OnBoardChargerPort.set_power``; the session brings it the
    functions, and checks them before."""

    @property
    def abilities(self) -> InverterAbilities:
        """What it can do; read once when a session begins."""
        ...

    @property
    def condition(self) -> GridCondition:
        """What it sees of the grid now."""
        ...

    async def follow(self, code: GridCode | None, set_point: DsoSetPoint) -> None:
        """Follow these functions, and none but these, from now on; None: those
        that hold without a session."""
        ...


@runtime_checkable
class WantedServices(Protocol):
    """What the vehicle wants beside energy. What it chose is told as ``ServicesSelected``."""

    @property
    def wanted(self) -> tuple[WantedService, ...]:
        """The services that it takes where they are offered; read once when a session begins."""
        ...
