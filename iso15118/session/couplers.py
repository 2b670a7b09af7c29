"""Couplers by their value of the parameter Connector: what each carries at most,
which neither role goes beyond.

The values are those of Amendment 1 for MCS; the limits are public figures (docs/sources.md,
"Couplers"), not read in a standard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from .limits import StationLimits, VehicleLimits
from .services import ServiceID

__all__ = ["COUPLERS", "MCS_CONNECTORS", "Coupler", "carried", "through"]


class Coupler(Struct, frozen=True, kw_only=True):
    """What contacts and cable of one kind of coupler carry, in either direction: V, A and W."""

    name: str
    """As files write it."""
    connector: int
    """Value of the parameter Connector in the services MCS and MCS_BPT."""
    maximum_voltage_v: float
    maximum_current_a: float
    maximum_power_w: float

    def of_station(self, limits: StationLimits) -> StationLimits:
        """What a station with these limits gives through it."""
        return limits.within(
            StationLimits(
                maximum_voltage_v=self.maximum_voltage_v,
                maximum_charge_current_a=self.maximum_current_a,
                maximum_charge_power_w=self.maximum_power_w,
                maximum_discharge_current_a=self.maximum_current_a,
                maximum_discharge_power_w=self.maximum_power_w,
            )
        )

    def of_vehicle(self, limits: VehicleLimits) -> VehicleLimits:
        """What a vehicle with these limits takes and gives through it."""
        ceilings = {
            "voltage_v": self.maximum_voltage_v,
            "charge_current_a": self.maximum_current_a,
            "charge_power_w": self.maximum_power_w,
            "discharge_current_a": self.maximum_current_a,
            "discharge_power_w": self.maximum_power_w,
        }
        return replace(
            limits,
            **{
                f"{which}_{what}": min(getattr(limits, f"{which}_{what}"), most)
                for what, most in ceilings.items()
                for which in ("minimum", "maximum")
            },
        )


COUPLERS: Final = {
    one.name: one
    for one in (
        Coupler(
            name="mcs",
            connector=1,
            maximum_voltage_v=1250.0,
            maximum_current_a=3000.0,
            maximum_power_w=3_750_000.0,
        ),
        Coupler(
            name="chaoji",
            connector=2,
            maximum_voltage_v=1500.0,
            maximum_current_a=800.0,
            maximum_power_w=1_200_000.0,
        ),
        # 1.5 to 3 MW: a station says by its own limits which.
        Coupler(
            name="ultra-chaoji",
            connector=3,
            maximum_voltage_v=1500.0,
            maximum_current_a=2000.0,
            maximum_power_w=3_000_000.0,
        ),
        # Of these no figures are public: the ceiling of MCS holds for them.
        *(
            Coupler(
                name=name,
                connector=value,
                maximum_voltage_v=1250.0,
                maximum_current_a=3000.0,
                maximum_power_w=3_750_000.0,
            )
            for name, value in (("rmcs", 4), ("xmcs", 5), ("aviation", 6), ("marine", 7))
        ),
    )
}
"""By name."""
MCS_CONNECTORS: Final = {one.connector: one for one in COUPLERS.values()}
"""The couplers by their value of the parameter Connector in the MCS services."""
_MEGAWATT: Final = frozenset({ServiceID.MCS, ServiceID.MCS_BPT})


def carried(services: Iterable[ServiceID], connectors: Iterable[int]) -> Coupler | None:
    """What the best of these connectors carries, for services of MCS alone; None where nothing is known: of
    other services, and without connectors."""
    wanted = set(services)
    found = [MCS_CONNECTORS[one] for one in connectors if one in MCS_CONNECTORS]
    if not found or not wanted or not wanted <= _MEGAWATT:
        return None
    return Coupler(
        name=", ".join(one.name for one in found),
        connector=found[0].connector,
        maximum_voltage_v=max(one.maximum_voltage_v for one in found),
        maximum_current_a=max(one.maximum_current_a for one in found),
        maximum_power_w=max(one.maximum_power_w for one in found),
    )


def through(services: Iterable[ServiceID], connector: int | None, limits: StationLimits) -> StationLimits:
    """What a station with these limits offers and gives through its connector; all of it where nothing is
    known of that, or None is set."""
    coupler = carried(services, () if connector is None else (connector,))
    return limits if coupler is None else coupler.of_station(limits)
