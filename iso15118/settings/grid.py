"""What files say of support for the grid, and of services beside energy: grid codes, inverters, what is
offered and what is wanted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from iso15118.errors import ConfigError
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.der import GridCode
from iso15118.session.services import DER_SERVICES, ServiceID
from iso15118.session.value_added import (
    INTERNET,
    PARKING_STATUS,
    ValueAddedService,
    WantedService,
    internet,
    parking_status,
)
from iso15118.simulation import AcPreset, OnBoardCharger, SimulatedInverter, european, north_american

from .own_services import offered, wanted

if TYPE_CHECKING:
    from .parts import StationSettings, VehicleSettings

__all__ = [
    "SERVICE_OF",
    "charger_of",
    "check_grid",
    "check_inverter",
    "grid_code_of",
    "offered_of",
    "wanted_of",
]

SERVICE_OF: Final = {"european": ServiceID.AC_DER_IEC, "north-american": ServiceID.AC_DER_SAE}
"""Grid code of a file -> the service in which it is told."""
_IDS: Final = {"internet": INTERNET, "parking-status": PARKING_STATUS}


def grid_code_of(settings: StationSettings, limits: AcStationLimits) -> GridCode | None:
    """The grid code that the file asks for; None: the site has none."""
    volts, hertz = limits.nominal_voltage_v, limits.nominal_frequency_hz
    if settings.grid_code == "european":
        return european(volts, hertz)
    return north_american(volts, hertz) if settings.grid_code == "north-american" else None


def charger_of(kind: VehicleSettings, preset: AcPreset) -> OnBoardCharger:
    """The on-board charger that the file asks for."""
    if kind.inverter:
        return SimulatedInverter(preset.rated_charger, nominal_voltage_v=preset.limits.nominal_voltage_v)
    return OnBoardCharger(preset.rated_charger)


def offered_of(settings: StationSettings) -> tuple[ValueAddedService, ...]:
    """The services beside energy that a station's file names."""
    known = [internet() if name == "internet" else parking_status() for name in settings.value_added]
    return (*known, *offered(settings.own_services))


def wanted_of(settings: VehicleSettings) -> tuple[WantedService, ...]:
    """Those that a vehicle's file names."""
    known = [WantedService(id=_IDS[name]) for name in settings.value_added]
    return (*known, *wanted(settings.own_services))


def check_grid(settings: StationSettings, services: Iterable[ServiceID], *, alternating: bool) -> None:
    """A grid code is of an AC outlet, and its service needs it. Raises ``ConfigError``."""
    if settings.grid_code != "none" and not alternating:
        raise ConfigError(
            "station.grid_code",
            f"station.preset = {settings.preset!r} has no AC outlet",
            '"none", or an AC preset',
        )
    own = SERVICE_OF.get(settings.grid_code)
    for service in services:
        if service in DER_SERVICES and service is not own:
            raise ConfigError(
                "session.services",
                f"{service.name} does not fit station.grid_code = {settings.grid_code!r}",
                "the grid code of that service, or leave it out",
            )


def check_inverter(vehicle: VehicleSettings, services: Iterable[ServiceID]) -> None:
    """An inverter is an on-board charger, and who supports the grid has one. Raises ``ConfigError``."""
    if vehicle.inverter and vehicle.charger == "none":
        raise ConfigError(
            "vehicle.inverter", "there is no on-board charger", 'a vehicle.charger such as "ac-11"'
        )
    for service in services:
        if service in DER_SERVICES and not vehicle.inverter:
            raise ConfigError(
                "session.services",
                f"{service.name} needs an inverter",
                "vehicle.inverter = true, or another service",
            )
