"""Which ports the services of ISO 15118-20 work with: asked when a session's owner is put together,
not when a vehicle comes."""

from __future__ import annotations

from iso15118.errors import ConfigError

from .energy_ports import GridEnergyPort
from .ports import Station, Vehicle
from .services import DER_SERVICES, SERVICES, Namespace, ServiceID

__all__ = ["check_services"]


def check_services(
    editions: tuple[str, ...], services: tuple[ServiceID, ...], bundle: Station | Vehicle
) -> None:
    """A service of ISO 15118-20 that is asked for needs its ports. Raises ``ConfigError`` naming both."""
    if "iso20" not in editions:
        return
    kind = type(bundle).__name__
    wanted = _STATION_NEEDS if isinstance(bundle, Station) else _VEHICLE_NEEDS
    for service in services:
        needs = wanted[SERVICES[service].namespace] if service in SERVICES else ()
        if any(getattr(bundle, name) is None for name in needs):
            port = f"{kind}({', '.join(f'{name}=...' for name in needs)})"
            raise ConfigError(
                "services", f"{service.name} has no port to work with", f"give {port}, or leave it out"
            )
        if service in DER_SERVICES and isinstance(bundle, Station):
            _check_grid_code(service, bundle)


def _check_grid_code(service: ServiceID, station: Station) -> None:
    """Somebody at the station has to know the grid code."""
    if not isinstance(station.energy, GridEnergyPort):
        raise ConfigError(
            "services",
            f"{service.name} has no port to work with",
            "give Station(energy=...) a grid_code, or leave it out",
        )


_DIRECT = ("power", "cable_check")
_STATION_NEEDS: dict[str, tuple[str, ...]] = {
    Namespace.DC.value: _DIRECT,
    Namespace.AC.value: ("ac",),
    Namespace.AC_DER_IEC.value: ("ac",),
    Namespace.AC_DER_SAE.value: ("ac",),
    Namespace.ACDP.value: (*_DIRECT, "connection_device", "vehicle_position"),
    Namespace.WPT.value: ("pad",),
}
_VEHICLE_NEEDS: dict[str, tuple[str, ...]] = {
    Namespace.DC.value: ("inlet", "contactors"),
    Namespace.AC.value: ("charger",),
    Namespace.AC_DER_IEC.value: ("charger", "inverter"),
    Namespace.AC_DER_SAE.value: ("charger", "inverter"),
    Namespace.ACDP.value: ("inlet", "contactors", "mobility"),
    Namespace.WPT.value: ("receiver",),
}
"""The ports that the services of each set of messages work with."""
