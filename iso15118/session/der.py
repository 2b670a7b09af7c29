"""The vehicle as a distributed energy resource: what its inverter can do, and what it reports of the grid.

The functions of the grid codes themselves are in ``energy.grid_functions`` and ``energy.sae_functions``.
Plain frozen values, checked when they are made.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from iso15118.energy.curves import finite
from iso15118.energy.grid_functions import ALL_IEC, IecGridCode
from iso15118.energy.sae_functions import ALL_SAE, SaeGridCode
from iso15118.errors import ConfigError

__all__ = ["GridCode", "GridCondition", "InverterAbilities", "check_inverter"]

GridCode: TypeAlias = IecGridCode | SaeGridCode

_TEXT = 80


class InverterAbilities(Struct, frozen=True, kw_only=True):
    """What an inverter can do for the grid; read once when a session begins. Raises ``ConfigError``.

    The defaults are an inverter that has every function, and reactive power up to 44 % of its apparent power
    as category B of IEEE 1547 wants it.
    """

    iec_functions: int = ALL_IEC
    """Functions of AC_DER_IEC that it has, as the bits of ``IecFunction``."""
    sae_functions: int = int(ALL_SAE)
    """Those of AC_DER_SAE, as the bits of ``SaeFunction``."""
    apparent_va: float
    """The most of active and reactive power together, of all phases."""
    reactive_var: float
    """The most that it absorbs or injects, of all phases."""
    nominal_v: float = 230.0
    """Phase to neutral."""
    maximum_v: float = 264.0
    minimum_v: float = 184.0
    over_excited_factor: float = 0.9
    """The power factor that it is specified for while it injects reactive power."""
    under_excited_factor: float = 0.9
    usable_wh: int = 0
    """EVUseableWattHours of AC_DER_SAE."""
    software: str = "0"
    hardware: str = ""
    manufacturer: str = "unknown"
    model: str = "unknown"
    serial_number: str = "0"
    normal_category: Literal["A", "B"] = "B"
    """Of IEEE 1547."""
    abnormal_category: Literal["I", "II", "III"] = "III"
    certified: bool = False
    """By SAE J3072."""
    certified_at: int = 0
    """When, in s since 1970."""

    def __post_init__(self) -> None:
        for name, most in (("iec_functions", ALL_IEC), ("sae_functions", 2**32 - 1)):
            value = getattr(self, name)
            if type(value) is not int or not 0 <= value <= most:
                raise ConfigError(name, f"{value!r} is no set of bits", f"0 to {most:#x}")
        for name in ("apparent_va", "reactive_var"):
            finite(name, getattr(self, name), 0.0, 1e9)
        for name in ("nominal_v", "maximum_v", "minimum_v"):
            finite(name, getattr(self, name), 1.0, 2000.0)
        for name in ("over_excited_factor", "under_excited_factor"):
            finite(name, getattr(self, name), 0.0, 1.0)
        for name in ("software", "hardware", "manufacturer", "model", "serial_number"):
            text = getattr(self, name)
            if type(text) is not str or len(text) > _TEXT or (name != "hardware" and not text):
                raise ConfigError(name, f"{text!r} does not fit", f"1 to {_TEXT} characters")
        if self.normal_category not in ("A", "B") or self.abnormal_category not in ("I", "II", "III"):
            raise ConfigError("normal_category", "or abnormal_category is none", "A or B, and I, II or III")
        for name in ("usable_wh", "certified_at"):
            if type(getattr(self, name)) is not int or not 0 <= getattr(self, name) < 2**32:
                raise ConfigError(name, f"{getattr(self, name)!r} does not fit", "0 or more, in 32 bits")


class GridCondition(Struct, frozen=True, kw_only=True):
    """What the inverter sees of the grid, and whether it works. Raises ``ConfigError``."""

    events: int = 0
    """As the bits of ``energy.grid_support.GridEvent``; 0: nothing."""
    in_service: bool = True
    """It acts as an energy resource."""
    connected: bool = True
    """To the grid."""

    def __post_init__(self) -> None:
        if type(self.events) is not int or not 0 <= self.events <= 0xFF:
            raise ConfigError("events", f"{self.events!r} are no bits", "0 to 255")
        for name in ("in_service", "connected"):
            if type(getattr(self, name)) is not bool:
                raise ConfigError(name, f"{getattr(self, name)!r}", "True or False")


def check_inverter(value: object) -> None:
    """What an inverter can do, or None where there is none. Raises ``ConfigError``."""
    if value is not None and not isinstance(value, InverterAbilities):
        kind = type(value).__name__
        raise ConfigError(
            "inverter", f"{kind} is no InverterAbilities", "iso15118.session.der.InverterAbilities(...)"
        )
