"""What a session of ISO 15118-20 knows while it runs: the choices made so far, the hardware as last reported,
and what is still pending.

The handlers read and write it; the machine owns it. Values of the peer stand here in SI units, already
checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from iso15118.messages.iso20.common_types import MessageHeader
from iso15118.messages.values import NO_SESSION
from iso15118.secc.config import SeccConfig
from iso15118.session.actions import EndReason
from iso15118.session.events import MeterRead, PowerMeasured
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import ControlMode, EnergyService, ParameterSet

from .wire import StationLimitsOnWire

__all__ = ["Context"]


@dataclass(slots=True, kw_only=True)
class Context:
    """One session. ``epoch`` is what must be added to the session's clock to get Unix time in seconds."""

    config: SeccConfig
    capabilities: StationLimits
    """What the station can give now; changes with LimitsChanged."""
    epoch: float = 0.0
    now: float = 0.0

    # -- who and what
    session_id: bytes = NO_SESSION
    evccid: str = ""
    authorization_requested: float | None = None
    """When the authorizer was asked; None before."""
    authorized: bool | None = None
    """What it decided; None while it has not."""
    service: EnergyService | None = None
    parameter_set: ParameterSet | None = None
    detailed: set[int] = field(default_factory=set)
    """Services whose ServiceDetail the vehicle has read."""

    # -- limits, in SI units
    vehicle: VehicleLimits | None = None
    offered: StationLimits | None = None
    """What ChargeParameterDiscoveryRes said; limits of the loop never exceed it [V2G20-2654]."""
    limits: StationLimits | None = None
    """What holds in the loop now: the offer, narrowed by the capabilities and the set-point."""
    wire: StationLimitsOnWire | None = None
    """``limits`` in wire types, rebuilt when they change."""
    loop_mode: Any = None
    """The control mode element of the next charge-loop response, rebuilt with ``wire``."""
    set_point_w: float | None = None
    """What the energy manager wants; None leaves it to the vehicle."""

    # -- the hardware as last reported
    measured: PowerMeasured = field(default_factory=lambda: PowerMeasured(0.0, 0.0))
    cable_check_started: float | None = None
    cable_check_ok: bool | None = None
    """Outcome of the cable check; None while there is none."""
    precharge_started: float | None = None
    precharge_target_v: float = 0.0
    precharging: bool = False
    """PreCharge was asked for and not yet taken back."""
    contactors_closed: bool = False
    meter: MeterRead | None = None

    # -- what has been asked of the hardware
    power: tuple[float, float, float] | None = None
    """The bounds of the last SetPower; None after StopPower."""
    energized: bool = False
    """Cable check, pre-charge or power was asked for and not yet taken back."""
    told_safe: bool = False
    """Current zero and contactors open were asked for since then."""

    # -- leaving
    stop_wanted: str = ""
    """The application asked for an orderly stop, for this reason."""
    stop_deadline: float | None = None
    doom: EndReason | None = None
    """Decided: the next request is answered FAILED and the session ends. No OK is sent any more."""
    doom_detail: str = ""

    _header: MessageHeader | None = None

    @property
    def control_mode(self) -> ControlMode:
        """The mode of the chosen parameter set; Scheduled before the choice."""
        return self.parameter_set.control_mode if self.parameter_set is not None else ControlMode.SCHEDULED

    def header(self) -> MessageHeader:
        """The header of a response sent now; kept while the second and the session id stay the same."""
        stamp = int(self.now + self.epoch)
        header = self._header
        if header is None or header.time_stamp != stamp or header.session_id != self.session_id:
            header = self._header = MessageHeader(session_id=self.session_id, time_stamp=max(stamp, 0))
        return header
