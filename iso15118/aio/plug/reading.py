"""The ports of a session that only reads: a DC output on paper, so that a vehicle tells its state of charge,
and nothing that could energise.

The contactors are those of the outlet, looked at and told to open as ever, and never told to close.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from iso15118.errors import HardwareError
from iso15118.session.events import PowerMeasured
from iso15118.session.limits import StationLimits
from iso15118.session.services import ServiceID

if TYPE_CHECKING:
    from iso15118.secc import SeccConfig
    from iso15118.session import ports
    from iso15118.session.actions import Urgency

__all__ = ["reading_config", "reading_ports"]

_OFFERED = StationLimits(
    maximum_voltage_v=500.0,
    minimum_voltage_v=150.0,
    maximum_charge_current_a=125.0,
    minimum_charge_current_a=0.0,
    maximum_charge_power_w=50_000.0,
    minimum_charge_power_w=0.0,
)
"""What a vehicle is offered: an ordinary station of 50 kW, of which nothing is ever given."""


class _Output:
    """A DC output on paper."""

    limits = _OFFERED
    present = PowerMeasured(0.0, 0.0)

    async def pre_charge(self, voltage_v: float, current_a: float) -> None:
        """Never."""
        raise HardwareError("this session only reads")

    async def set_power(self, voltage_v: float, current_a: float, power_w: float) -> None:
        """Never."""
        raise HardwareError("this session only reads")

    async def stop(self, urgency: Urgency) -> None:
        """Nothing flows."""


class _Contactors:
    """The outlet's, without a way to close them."""

    def __init__(self, real: ports.ContactorPort) -> None:
        self._real = real

    async def close(self) -> bool:
        """Never."""
        return False

    async def open(self, urgency: Urgency, reason: str) -> None:
        """As ever."""
        await self._real.open(urgency, reason)

    @property
    def closed(self) -> bool:
        """As ever."""
        return self._real.closed


class _CableCheck:
    """There is no cable that could be checked."""

    async def run(self, voltage_v: float, insulation_ohm: float) -> bool | str:
        """Never good."""
        return "this session only reads"


class _Anybody:
    """Whoever only reads asks nobody: energy flows behind the real authorizer alone."""

    async def authorize(self, evccid: str) -> bool:
        """Yes, to be told more."""
        return True


def reading_ports(station: ports.Station) -> ports.Station:
    """What a session may work with that only reads at ``station``."""
    return dataclasses.replace(
        station,
        power=_Output(),
        ac=None,
        cable_check=_CableCheck(),
        contactors=None if station.contactors is None else _Contactors(station.contactors),
        authorizer=_Anybody(),
        contract_authorizer=None,
        contract_certificates=None,
        value_added=None,
        energy=None,
        meter=None,
        heartbeat=None,
    )


def reading_config(config: SeccConfig) -> SeccConfig:
    """What is offered then: DC in every edition, since only there a vehicle tells its state of charge."""
    return msgspec.structs.replace(config, services=(ServiceID.DC,))
