"""What an AC station can give and an on-board charger can take, per phase and in SI units, and
what either is told to keep to.

Plain frozen values, checked when they are made: a NaN, an infinity or a negative limit never gets
further than its constructor. Tuples are L1, L2, L3; with one phase it is L1, and the others are 0.
Voltages are phase to neutral.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import msgspec
from msgspec import Struct

from iso15118.energy.ac import NOTHING, Phases, each, narrow, power_of
from iso15118.errors import ConfigError
from iso15118.ranges import is_number, shown

__all__ = [
    "AcBounds",
    "AcStationLimits",
    "AcVehicleLimits",
    "ChargerBounds",
    "Islanding",
    "check_charger",
]


class Islanding(IntEnum):
    """How a charger that forms a grid notices an island
    (GridCodeIslandingDetectionMethod of ISO 15118-20)."""

    ACTIVE = 1
    PASSIVE = 2


_PER_PHASE = (
    "maximum_current_a",
    "maximum_charge_power_w",
    "minimum_charge_power_w",
    "maximum_discharge_power_w",
    "minimum_discharge_power_w",
)


def _check(limits: Any) -> None:
    if type(limits.phases) is not int or limits.phases not in (1, 3):
        raise ConfigError("phases", f"{shown(limits.phases)} phases are not possible", "1 or 3")
    for name in _PER_PHASE:
        values = getattr(limits, name)
        if not (
            isinstance(values, tuple) and len(values) == 3 and all(is_number(value, 0.0) for value in values)
        ):
            raise ConfigError(
                name,
                f"{shown(values)} is no limit of three phases",
                "three finite numbers, 0 or more: L1, L2, L3",
            )
        if limits.phases == 1 and (values[1] or values[2]):
            raise ConfigError(name, f"{values!r} with one phase", "0 for L2 and L3, or phases = 3")
    for what in ("charge_power_w", "discharge_power_w"):
        low, high = getattr(limits, f"minimum_{what}"), getattr(limits, f"maximum_{what}")
        if any(least > most for least, most in zip(low, high, strict=True)):
            raise ConfigError(f"minimum_{what}", f"{low} is above maximum_{what} = {high}", "at most that")


def _are_numbers(**values: object) -> None:
    """What the short way is told is reckoned with before it stands in a field."""
    for name, value in values.items():
        if not is_number(value, 0.0):
            raise ConfigError(name, f"{shown(value)} is no limit", "a finite number, 0 or more")


class AcStationLimits(Struct, frozen=True, kw_only=True):
    """What an AC outlet offers now. Discharge limits of 0 mean that it takes nothing
    back. Raises ``ConfigError``.

    ``AcStationLimits.of(current_a=32)`` is the short way to one whose phases are alike.
    """

    phases: int = 3
    """1 or 3: how many are connected."""
    nominal_voltage_v: float = 230.0
    """Phase to neutral, in whole V: powers are converted by it [V2G20-1823]."""
    nominal_frequency_hz: float = 50.0
    """Of the grid, in Hz."""
    maximum_current_a: Phases
    """The most that may flow per phase, in A, whatever its direction."""
    maximum_charge_power_w: Phases
    """The most to the vehicle per phase, in W."""
    minimum_charge_power_w: Phases = NOTHING
    """The least that the outlet needs while it gives anything, in W per phase; 0 for a mere contactor."""
    maximum_discharge_power_w: Phases = NOTHING
    """The most from the vehicle per phase, in W."""
    minimum_discharge_power_w: Phases = NOTHING
    """The least of it, in W per phase."""
    maximum_asymmetry_w: float | None = None
    """The greatest difference between two phases, in W [V2G20-1828]; None: no limit."""
    power_ramp_percent_per_min: float | None = None
    """How fast the power may rise, in percent of the greatest charging power per minute; None: no limit."""

    def __post_init__(self) -> None:
        _check(self)
        if not is_number(self.nominal_voltage_v, 50.0, 1000.0):
            raise ConfigError(
                "nominal_voltage_v", f"{self.nominal_voltage_v!r} is no nominal voltage", "50 to 1000 V"
            )
        if not is_number(self.nominal_frequency_hz, 45.0, 65.0):
            raise ConfigError(
                "nominal_frequency_hz",
                f"{self.nominal_frequency_hz!r} is no frequency of a grid",
                "45 to 65 Hz",
            )
        for name in ("maximum_asymmetry_w", "power_ramp_percent_per_min"):
            value = getattr(self, name)
            if value is not None and not is_number(value, 0.0):
                raise ConfigError(name, f"{value!r} is no limit", "a finite number, 0 or more, or None")

    @classmethod
    def of(
        cls,
        *,
        current_a: float,
        phases: int = 3,
        nominal_voltage_v: float = 230.0,
        nominal_frequency_hz: float = 50.0,
        discharge_a: float = 0.0,
        minimum_a: float = 0.0,
    ) -> AcStationLimits:
        """Phases that are alike: currents per phase in A, the powers by the nominal voltage."""
        _are_numbers(
            current_a=current_a,
            discharge_a=discharge_a,
            minimum_a=minimum_a,
            nominal_voltage_v=nominal_voltage_v,
        )
        volts = nominal_voltage_v
        return cls(
            phases=phases,
            nominal_voltage_v=volts,
            nominal_frequency_hz=nominal_frequency_hz,
            maximum_current_a=each(max(current_a, discharge_a), phases),
            maximum_charge_power_w=each(current_a * volts, phases),
            minimum_charge_power_w=each(min(minimum_a, current_a) * volts, phases),
            maximum_discharge_power_w=each(discharge_a * volts, phases),
            minimum_discharge_power_w=each(min(minimum_a, discharge_a) * volts, phases),
        )

    @property
    def bidirectional(self) -> bool:
        """The outlet can take energy back."""
        return any(self.maximum_discharge_power_w)

    def within(self, other: AcStationLimits) -> AcStationLimits:
        """What both allow: the lesser maxima and the greater minima; what is left of a phase below
        its minimum cannot be given."""
        return narrow(self, other)

    def single_phase(self) -> AcStationLimits:
        """What of this is on L1 alone, for a vehicle with one phase."""
        values: dict[str, Any] = {name: (getattr(self, name)[0], 0.0, 0.0) for name in _PER_PHASE}
        return msgspec.structs.replace(self, phases=1, maximum_asymmetry_w=None, **values)


class AcVehicleLimits(Struct, frozen=True, kw_only=True):
    """What an on-board charger takes and gives. Discharge limits of 0 mean that it gives nothing
    back. Raises ``ConfigError``.

    ``AcVehicleLimits.of(current_a=16)`` is the short way to one whose phases are alike.
    """

    phases: int = 3
    """1 or 3: how many the charger uses."""
    maximum_current_a: Phases
    """The most per phase, in A."""
    minimum_current_a: float = 6.0
    """The least per phase while anything flows, in A; IEC 61851-1 begins at 6 A."""
    maximum_voltage_v: float = 250.0
    """The most that the inlet stands, phase to neutral, in V."""
    maximum_charge_power_w: Phases
    """The most that it takes per phase, in W."""
    minimum_charge_power_w: Phases
    """The least per phase, in W: below it the vehicle takes nothing, and pauses."""
    maximum_discharge_power_w: Phases = NOTHING
    """The most that it gives per phase, in W."""
    minimum_discharge_power_w: Phases = NOTHING
    """The least of it, in W per phase."""
    uneven: bool = False
    """It can do different powers in the three phases, and says so [V2G20-1821]."""
    forms_grid: bool = False
    """It can form a grid by itself, and not only follow one."""

    def __post_init__(self) -> None:
        _check(self)
        for name in ("minimum_current_a", "maximum_voltage_v"):
            if not is_number(getattr(self, name), 0.0):
                raise ConfigError(name, f"{getattr(self, name)!r} is no limit", "a finite number, 0 or more")
        for name in ("uneven", "forms_grid"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(name, f"{shown(getattr(self, name))} is neither", "True or False")
        if self.uneven and self.phases == 1:
            raise ConfigError("uneven", "one phase cannot be uneven", "False, or phases = 3")

    @classmethod
    def of(
        cls,
        *,
        current_a: float,
        phases: int = 3,
        minimum_a: float = 6.0,
        discharge_a: float = 0.0,
        nominal_voltage_v: float = 230.0,
        maximum_voltage_v: float = 250.0,
        uneven: bool = False,
        forms_grid: bool = False,
    ) -> AcVehicleLimits:
        """Phases that are alike: currents per phase in A, the powers by the nominal voltage."""
        _are_numbers(
            current_a=current_a,
            discharge_a=discharge_a,
            minimum_a=minimum_a,
            nominal_voltage_v=nominal_voltage_v,
        )
        volts = nominal_voltage_v
        return cls(
            phases=phases,
            maximum_current_a=each(max(current_a, discharge_a), phases),
            minimum_current_a=minimum_a,
            maximum_voltage_v=maximum_voltage_v,
            maximum_charge_power_w=power_of(each(current_a, phases), volts),
            minimum_charge_power_w=power_of(each(min(minimum_a, current_a), phases), volts),
            maximum_discharge_power_w=power_of(each(discharge_a, phases), volts),
            minimum_discharge_power_w=power_of(each(min(minimum_a, discharge_a), phases), volts),
            uneven=uneven,
            forms_grid=forms_grid,
        )

    def single_phase(self) -> AcVehicleLimits:
        """What of this is on L1 alone, at an outlet of one phase."""
        values: dict[str, Any] = {name: (getattr(self, name)[0], 0.0, 0.0) for name in _PER_PHASE}
        return msgspec.structs.replace(self, phases=1, uneven=False, **values)

    @property
    def bidirectional(self) -> bool:
        """The charger can give energy back."""
        return any(self.maximum_discharge_power_w)


class AcBounds(Struct, frozen=True, kw_only=True):
    """Station: what the vehicle was told that it may take and give, per phase. All four hold at
    any time; all are magnitudes.

    An edition that says currents (ISO 15118-2) fills the powers by the nominal voltage; one that says powers
    (ISO 15118-20) fills the currents with what the outlet may have.
    """

    phases: int
    """How many phases the outlet has to connect: 1 or 3."""
    charge_a: Phases = NOTHING
    charge_w: Phases = NOTHING
    discharge_a: Phases = NOTHING
    discharge_w: Phases = NOTHING
    target_w: Phases | None = None
    """What the vehicle was asked for, where the station sets the power: negative gives. None: the vehicle
    chooses within the bounds."""
    target_var: Phases | None = None
    """Reactive power asked for in var; positive: the vehicle absorbs it. None: nothing was said."""

    @property
    def permits(self) -> bool:
        """Something may flow."""
        return any((*self.charge_a, *self.charge_w, *self.discharge_a, *self.discharge_w))


class ChargerBounds(Struct, frozen=True, kw_only=True):
    """Vehicle: what the on-board charger is to do, per phase."""

    phases: int
    power_w: Phases
    """To take at most this, or, negative, to give this: the battery may take less. 0: nothing."""
    current_a: Phases
    """The most that may flow, in A, whatever its direction."""
    reactive_var: Phases = NOTHING
    """Reactive power to absorb (positive) or to inject, as far as the charger can."""
    frequency_hz: float | None = None
    """What the frequency is to be in an island that the charger forms; None: follow the grid."""
    forms_grid: bool = False
    """The chosen service has the charger form the grid (GeneratorMode 2)."""
    islanding: Islanding | None = None
    """How it has to notice an island; None: nothing was agreed."""
    supports_grid: bool = False
    """The charger follows a grid code, so that less may flow than ``power_w``, and
    reactive power whatever flows."""


def check_charger(value: object) -> None:
    """What an on-board charger declares, or None where there is none. Raises ``ConfigError``."""
    if value is not None and not isinstance(value, AcVehicleLimits):
        kind = type(value).__name__
        raise ConfigError("charger", f"{kind} is no AcVehicleLimits", "iso15118.AcVehicleLimits.of(...)")
