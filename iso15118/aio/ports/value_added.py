"""What the port of value-added services says when a session begins; one that cannot be read offers none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from iso15118.aio.logs import Log
from iso15118.errors import ConfigError, HardwareError
from iso15118.session.value_added import ValueAddedService, check_value_added

from .guard import Port, brief

if TYPE_CHECKING:
    from iso15118.session import ports

__all__ = ["services_of"]

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


def _checked(value: Any, name: str) -> tuple[ValueAddedService, ...]:
    try:
        return check_value_added(value)
    except ConfigError as error:
        raise HardwareError(f"{name}: {error}") from error
