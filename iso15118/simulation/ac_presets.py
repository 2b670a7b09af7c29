"""The AC outlets that can be simulated by name, and the on-board charger that goes with each as a default.

Ratings are those of common Type 2 equipment: 16 A and 32 A on three phases, 32 A on one.
"""

from __future__ import annotations

from msgspec import Struct

from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits

__all__ = ["AC_CAR_PACK", "AC_PRESETS", "AcPreset"]


class AcPreset(Struct, frozen=True, kw_only=True):
    """An outlet, and ``charger_a``: the current per phase of a vehicle that is common on it, in A."""

    name: str
    limits: AcStationLimits
    charger_a: float

    @property
    def rated_charger(self) -> AcVehicleLimits:
        """An on-board charger of the outlet's own rating; it can give as much back."""
        limits = self.limits
        amperes = max(limits.maximum_current_a)
        return AcVehicleLimits.of(
            current_a=amperes,
            phases=limits.phases,
            discharge_a=amperes,
            nominal_voltage_v=limits.nominal_voltage_v,
        )


AC_CAR_PACK = {
    "battery_kwh": 40.0,
    "empty_v": 330.0,
    "full_v": 420.0,
    "resistance_ohm": 0.00025,
    "maximum_current_a": 200.0,
    "maximum_power_kw": 80.0,
}
"""The battery of a car that charges with AC, by the keys of a vehicle's file: its
charger is what limits it."""


def _outlet(name: str, *, phases: int, amperes: float, charger_a: float) -> AcPreset:
    return AcPreset(
        name=name,
        limits=AcStationLimits.of(current_a=amperes, phases=phases, discharge_a=amperes),
        charger_a=charger_a,
    )


AC_PRESETS: dict[str, AcPreset] = {
    outlet.name: outlet
    for outlet in (
        _outlet("ac-11", phases=3, amperes=16.0, charger_a=16.0),
        _outlet("ac-22", phases=3, amperes=32.0, charger_a=16.0),
        _outlet("ac-7-single", phases=1, amperes=32.0, charger_a=32.0),
    )
}
"""The outlets by name."""
