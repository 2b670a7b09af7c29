"""What a team with wireless power implements: the pad on the ground, and the coil in the vehicle.

As with the other ports (``session.ports``): methods that take time are coroutines with a deadline,
and properties answer at once.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from .actions import Urgency
from .events import PadMeasured, ReceiverMeasured
from .wireless import PadLimits, ReceiverLimits

__all__ = ["PadPort", "ReceiverPort"]


@runtime_checkable
class PadPort(Protocol):
    """The station's pad with its electronics. Its own detection of foreign and living objects switches it
    off, whatever these calls say."""

    async def set_power(self, power_w: float) -> None:
        """Send this power from now on, to be held at the vehicle's output."""
        ...

    async def stop(self, urgency: Urgency) -> None:
        """Send nothing. Must be harmless when nothing is sent, and while another call is under way; it may be
        asked for again at any time. False, or a number below 0, says that it failed, as an error does."""
        ...

    @property
    def limits(self) -> PadLimits:
        """What it can send now."""
        ...

    @property
    def id_code(self) -> int:
        """The code by which a vehicle over it knows it, 1 to 4294967295."""
        ...

    @property
    def present(self) -> PadMeasured:
        """What it sends and sees now."""
        ...


@runtime_checkable
class ReceiverPort(Protocol):
    """The vehicle's coil with its electronics, which hand what they receive to the battery."""

    async def set_power(self, power_w: float) -> None:
        """Take this power at most from now on."""
        ...

    async def stop(self, urgency: Urgency) -> None:
        """Take nothing; the same duties as ``PadPort.stop``."""
        ...

    @property
    def limits(self) -> ReceiverLimits:
        """What the vehicle declares; it holds for the session."""
        ...

    @property
    def present(self) -> ReceiverMeasured:
        """What it receives and sees now."""
        ...
