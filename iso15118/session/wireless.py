"""What a pad on the ground can send and a coil in the vehicle can receive without a wire, in
SI units and without messages.

Plain frozen values, checked when they are made. Powers are W, currents A, frequencies Hz; clearances are mm
(unsettled: no public source names their unit) from the ground pad to the vehicle's coil.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.ranges import shown

__all__ = [
    "AlignmentMethod",
    "CoilDiagnosis",
    "PadLimits",
    "PairingMethod",
    "PositioningMethod",
    "ReceiverLimits",
    "check_receiver",
]


class PositioningMethod(Enum):
    """How the vehicle finds its place over the pad."""

    MANUAL = "Manual"
    LF_TX_EV = "LF_TxEV"
    LF_TX_PRIMARY_DEVICE = "LF_TxPrimaryDevice"
    LPE = "LPE"
    PROPRIETARY = "Proprietary"


class PairingMethod(Enum):
    """How both know that they talk of the same pad."""

    EXTERNAL_CONFIRMATION = "External confirmation"
    LPE = "LPE"
    LF_TX_EV = "LF_TxEV"
    LF_TX_PRIMARY_DEVICE = "LF_TxPrimaryDevice"
    OPTICAL = "Optical"
    PROPRIETARY = "Proprietary"


class AlignmentMethod(Enum):
    """How a position is tried before power flows."""

    POWER_CHECK = "PowerCheck"
    LPE = "LPE"
    PROPRIETARY = "Proprietary"


class CoilDiagnosis(Enum):
    """What is wrong over the pad, or in the vehicle's coil: anything but ``NO_ISSUE`` takes the power away at
    once. A vehicle knows neither foreign nor living objects."""

    NO_ISSUE = "nothing"
    FOREIGN_OBJECT = "a foreign object"
    LIVING_OBJECT = "a living object"
    OVERHEATED = "too hot"
    POWER_ANOMALY = "power goes astray"
    ANOMALY = "something else"


def _check(limits: Any, names: tuple[str, ...], pairs: tuple[tuple[str, str], ...]) -> None:
    for name in names:
        value = getattr(limits, name)
        if not (type(value) in (float, int) and 0.0 <= value <= 1e9):  # which no NaN and no infinity is
            raise ConfigError(name, f"{shown(value)} is no limit", "a finite number, 0 or more")
    for low, high in pairs:
        if getattr(limits, low) > getattr(limits, high):
            raise ConfigError(
                low, f"{getattr(limits, low)} is above {high} = {getattr(limits, high)}", "at most that"
            )


_CLASSES = ((3_700.0, 1), (7_700.0, 2), (11_100.0, 3))


class PadLimits(Struct, frozen=True, kw_only=True):
    """What a pad can send now. Raises ``ConfigError``."""

    maximum_power_w: float
    minimum_power_w: float = 0.0
    """The least that it can send while it sends anything."""
    maximum_coil_a: float = 75.0
    minimum_coil_a: float = 0.0
    maximum_clearance_mm: float = 250.0
    minimum_clearance_mm: float = 100.0

    def __post_init__(self) -> None:
        _check(
            self,
            self.__struct_fields__,
            (
                ("minimum_power_w", "maximum_power_w"),
                ("minimum_coil_a", "maximum_coil_a"),
                ("minimum_clearance_mm", "maximum_clearance_mm"),
            ),
        )

    @property
    def power_class(self) -> int:
        """MF-WPT class 1 to 4 by input power: 3.7, 7.7, 11.1, 22 kVA (SAE J2954)."""
        return next((number for most, number in _CLASSES if self.maximum_power_w <= most), 4)


class ReceiverLimits(Struct, frozen=True, kw_only=True):
    """What the vehicle's coil can receive, as it declares it. Raises ``ConfigError``."""

    maximum_power_w: float
    maximum_clearance_mm: float = 210.0
    """Of the ground clearance at which it works; Z2 of SAE J2954 is 140 to 210 mm."""
    minimum_clearance_mm: float = 140.0
    natural_frequency_hz: float = 85_000.0
    natural_offset_mm: float = 0.0
    """Distance of the best position from the geometric one."""
    local_control: bool = False
    """The vehicle's side controls its power itself."""

    def __post_init__(self) -> None:
        names = tuple(name for name in self.__struct_fields__ if name != "local_control")
        _check(self, names, (("minimum_clearance_mm", "maximum_clearance_mm"),))
        if type(self.local_control) is not bool:
            raise ConfigError("local_control", f"{shown(self.local_control)} is neither", "True or False")


def check_receiver(receiver: object) -> None:
    """What a vehicle declares as its coil is that, or None. Raises ``ConfigError``."""
    if receiver is not None and not isinstance(receiver, ReceiverLimits):
        raise ConfigError(
            "receiver",
            f"{type(receiver).__name__} is no ReceiverLimits",
            "iso15118.session.wireless.ReceiverLimits(...)",
        )
