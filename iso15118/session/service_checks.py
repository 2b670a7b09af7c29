"""Whether the parts of a ``Station`` or a ``Vehicle`` are those that the services asked for need."""

from __future__ import annotations

from iso15118.errors import ConfigError

from .ports import GridEnergyPort, Station, Vehicle
from .services import DER_SERVICES, OUTLET_SERVICES, ServiceID

__all__ = ["check_services"]


def check_services(
    editions: tuple[str, ...], services: tuple[ServiceID, ...], bundle: Station | Vehicle
) -> None:
    """A service of ISO 15118-20 that is asked for needs its port. Raises ``ConfigError`` naming both."""
    if "iso20" not in editions:
        return
    if isinstance(bundle, Station):
        direct, alternating = bundle.power is not None, bundle.ac is not None
        ports = "Station(power=..., cable_check=...)", "Station(ac=...)"
    else:
        direct, alternating = bundle.inlet is not None, bundle.charger is not None
        ports = "Vehicle(inlet=..., contactors=...)", "Vehicle(charger=...)"
    for service in services:
        there = alternating if service in OUTLET_SERVICES else direct
        if not there:
            port = ports[service in OUTLET_SERVICES]
            raise ConfigError(
                "services", f"{service.name} has no port to work with", f"give {port}, or leave it out"
            )
        if service in DER_SERVICES:
            _check_der(service, bundle)


def _check_der(service: ServiceID, bundle: Station | Vehicle) -> None:
    """An energy resource needs an inverter in the vehicle, and somebody at the station who knows the grid code."""
    if isinstance(bundle, Vehicle):
        there, port = bundle.inverter is not None, "Vehicle(inverter=...)"
    else:
        there, port = isinstance(bundle.energy, GridEnergyPort), "Station(energy=...) with grid_code"
    if not there:
        raise ConfigError(
            "services", f"{service.name} has no port to work with", f"give {port}, or leave it out"
        )
