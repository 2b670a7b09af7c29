"""What the port of value-added services says when a session begins; one that cannot be read offers none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError, HardwareError
from iso15118.session.value_added import (
    ValueAddedService,
    WantedService,
    check_value_added,
    check_wanted,
)

from .guard import Port, brief

if TYPE_CHECKING:
    from iso15118.session import ports
    from iso15118.session.actions import ServicesSelected

__all__ = ["services_of", "tell_selected", "wanted_of"]

_log = Log(__name__)


def services_of(station: ports.Station) -> tuple[ValueAddedService, ...]:
    """The services that the station offers beside energy, read now."""
    if station.value_added is None:
        return ()
    try:
        services: tuple[ValueAddedService, ...] = Port(station.value_added, "value_added").read(
            "services", _checked
        )
    except HardwareError as error:
        _log.warning("no value-added services in this session: %s", brief(error))
        return ()
    return services


def tell_selected(station: ports.Station, news: ServicesSelected) -> None:
    """What a vehicle chose, or that this is over, is told to a provider that wants to know."""
    port = None if station.value_added is None else Port(station.value_added, "value_added")
    if port is not None and port.has("selected") and (complaint := port.tell("selected", news.services)):
        _log.error("the provider of value-added services does not take what was chosen: %s", complaint)


def wanted_of(vehicle: ports.Vehicle) -> tuple[WantedService, ...]:
    """The services that the vehicle takes beside energy, read now."""
    if vehicle.value_added is None:
        return ()
    try:
        wanted: tuple[WantedService, ...] = Port(vehicle.value_added, "value_added").read("wanted", _wanted)
    except HardwareError as error:
        _log.warning("no value-added services in this session: %s", brief(error))
        return ()
    return wanted


def _wanted(value: Any, name: str) -> tuple[WantedService, ...]:
    try:
        return check_wanted(value)
    except ConfigError as error:
        raise HardwareError(f"{name}: {error}") from error


def _checked(value: Any, name: str) -> tuple[ValueAddedService, ...]:
    try:
        return check_value_added(value)
    except ConfigError as error:
        raise HardwareError(f"{name}: {error}") from error
