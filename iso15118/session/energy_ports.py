"""What a station's energy manager implements: limits, set-points and plans; and what it may know beside:
schedules with their prices, what a vehicle lets it show, and the grid code of the site.

As with the other ports (``session.ports``): methods that take time are coroutines with a
deadline, properties answer at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from iso15118.energy.offer import ScheduleOffer, SignedOffers

from .actions import ChargingNeeds, VehicleDisplay
from .der import GridCode
from .events import Event

__all__ = [
    "DisplayEnergyPort",
    "EnergyPort",
    "GridEnergyPort",
    "Listener",
    "SchedulingEnergyPort",
]

Listener = Callable[[Event], None]
"""How a port pushes: the driver hands each port one, and the port may call it from the event loop's thread at
any time."""


@runtime_checkable
class EnergyPort(Protocol):
    """The energy manager: limits, set-points and plans pushed as ``LimitsChanged``,
    ``SetPointChanged`` and ``PlanChanged``."""

    def needs(self, needs: ChargingNeeds) -> None:
        """The vehicle said what it needs; called again when it changes its mind."""
        ...

    def listen(self, listener: Listener) -> None:
        """Push changes to ``listener`` from now on."""
        ...


@runtime_checkable
class DisplayEnergyPort(EnergyPort, Protocol):
    """An energy manager that also hears what the vehicle lets the station show: states of charge,
    and how long it will take."""

    def display(self, display: VehicleDisplay) -> None:
        """Told again when it changes."""
        ...


@runtime_checkable
class SchedulingEnergyPort(EnergyPort, Protocol):
    """An energy manager that is asked for schedules with their prices whenever a vehicle wants some. The
    vehicle is told to wait meanwhile, for ``SeccConfig.schedule_wait_s`` at most; then what was pushed before
    holds, or the limits. Schedules that change later are pushed as ``SchedulesGiven``.

    It may have an attribute ``price_signers``: signers of the provider (``iso15118.pki.keys.signer.Signer``),
    with whose key price schedules are signed on the way that have no ``id`` yet; P-521 or Ed448 for ISO
    15118-20, P-256 for ISO 15118-2. It is read when a session begins.
    """

    async def schedules(self, needs: ChargingNeeds) -> Sequence[ScheduleOffer] | SignedOffers:
        """One to three schedules for these needs, the first is the default; none: the limits hold. Times are
        on the clock of the event loop, as ``needs.departure_at`` is."""
        ...


@runtime_checkable
class GridEnergyPort(Protocol):
    """What an ``EnergyPort`` has beside, if it knows the grid code of the site: then a vehicle may be
    a distributed energy resource (AC_DER_IEC, AC_DER_SAE). Changes are pushed as ``GridCodeChanged``
    and ``DsoSetPointChanged``."""

    @property
    def grid_code(self) -> GridCode | None:
        """What the site asks for now; read once when a session begins."""
        ...
