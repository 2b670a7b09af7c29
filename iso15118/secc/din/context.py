"""What a session in DIN 70121 has agreed on so far, beside the facts that every edition has.

The handlers read and write it; the machine owns it. Values of the peer stand here
in SI units, already checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from iso15118.energy.dc import Bounds, PresentLimits
from iso15118.messages import din
from iso15118.secc.facts import Facts
from iso15118.session.actions import VehicleDisplay

from .sequence import State
from .settings import DinSeccSettings
from .wire import LimitsOnWire

__all__ = ["SERVICE_ID", "Context"]

SERVICE_ID = 1
"""Id of the charge service, the only one."""


@dataclass(slots=True, kw_only=True)
class Context:
    """The choices of one session, and the ``facts`` that they are made by."""

    facts: Facts
    state: State | None = None
    """What the station waited for when the request came."""
    asked_first: float | None = None
    """When the vehicle first asked to be authorized."""
    parameters_asked: float | None = None
    """When the vehicle first asked for charge parameters."""
    target_fits: bool = False
    """The last target of pre-charge is a voltage that the supply has."""
    wire: LimitsOnWire | None = None
    """The limits of the loop in wire types, rebuilt when they change."""
    wish: Bounds | None = None
    """Target voltage and current of the last CurrentDemandReq, and no bound of power; None before."""
    vehicle_now: PresentLimits | None = None
    """The vehicle's limits as of that request."""
    loops_beyond: int = 0
    """Requests in a row in which the vehicle asked for more than it was told."""
    shown: VehicleDisplay | None = None
    """What the vehicle last told of itself."""

    @property
    def settings(self) -> DinSeccSettings:
        """What is decided about DIN 70121 alone."""
        return self.facts.config.din

    def header(self) -> din.MessageHeader:
        """The header of a response sent now."""
        return din.MessageHeader(session_id=self.facts.session_id)
