"""What a station's preset, or a vehicle's inlet, says of services and connector where the file does
not; and what does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from iso15118.errors import ConfigError
from iso15118.session.couplers import COUPLERS
from iso15118.session.services import ServiceID

if TYPE_CHECKING:
    from .parts import VehicleSettings

__all__ = [
    "check_connector",
    "check_inlet",
    "fit_to_inlet",
    "fit_to_preset",
    "is_megawatt",
    "preset_connector",
]

_COUPLER_OF: Final = {"chaoji": "chaoji", "ultra-chaoji-gen1": "ultra-chaoji", "ultra-chaoji": "ultra-chaoji"}
"""Preset of a station with a coupler of its own -> the coupler."""
_MEGAWATT: Final = (ServiceID.MCS, ServiceID.MCS_BPT)


def preset_connector(preset: str) -> int | None:
    """The Connector parameter of a station's preset that has a coupler of its own; None for the others."""
    return COUPLERS[_COUPLER_OF[preset]].connector if preset in _COUPLER_OF else None


def is_megawatt(preset: str) -> bool:
    """A station of this preset has the services of MCS."""
    return preset.startswith("mcs") or preset in _COUPLER_OF


def fit_to_preset(preset: str, session: dict[str, Any], grid_code: str = "none") -> None:
    """What ``session`` does not say follows from the preset, and from the grid code of an AC outlet."""
    kind = "mcs" if is_megawatt(preset) else "ac" if preset.startswith("ac") else "dc"
    der = {"european": ["ac-der-iec"], "north-american": ["ac-der-sae"]}.get(grid_code, [])
    session.setdefault("services", [kind, f"{kind}-bpt", *(der if kind == "ac" else [])])
    if (own := preset_connector(preset)) is not None:
        session.setdefault("connector", own)


def check_connector(preset: str, connector: int | None) -> None:
    """A station with a coupler of its own offers that one, and no other has it. Raises ``ConfigError``."""
    own = preset_connector(preset)
    reserved = {COUPLERS[name].connector: name for name in _COUPLER_OF.values()}
    if own is not None and connector != own:
        raise ConfigError(
            "session.connector",
            f"{connector} is not that of station.preset = {preset!r}",
            f"{own}, or leave it out",
        )
    if own is None and is_megawatt(preset) and connector in reserved:
        raise ConfigError(
            "session.connector",
            f"{connector} is the coupler {reserved[connector]}, which station.preset = {preset!r} has not",
            f"a preset such as {reserved[connector]!r}, or another connector",
        )


def fit_to_inlet(table: dict[str, Any]) -> None:
    """With a megawatt inlet, what the file does not say is of that."""
    vehicle = table.get("vehicle")
    name = vehicle.get("inlet", "any") if isinstance(vehicle, dict) else "any"
    if not isinstance(name, str) or name not in COUPLERS:
        return
    if isinstance(session := table.setdefault("session", {}), dict):
        session.setdefault("services", ["mcs"])
        session.setdefault("connectors", [COUPLERS[name].connector])


def check_inlet(vehicle: VehicleSettings, services: Iterable[ServiceID], connectors: tuple[int, ...]) -> None:
    """An inlet has its own services and its own connector. Raises ``ConfigError``."""
    if vehicle.inlet == "any":
        return
    coupler = COUPLERS[vehicle.inlet]
    for service in services:
        if service not in _MEGAWATT:
            raise ConfigError(
                "session.services",
                f"{service.name} does not fit vehicle.inlet = {vehicle.inlet!r}",
                "any of mcs, mcs-bpt",
            )
    if connectors != (coupler.connector,):
        raise ConfigError(
            "session.connectors",
            f"{list(connectors)} is not that of vehicle.inlet = {vehicle.inlet!r}",
            f"[{coupler.connector}], or leave it out",
        )
    if vehicle.full_v > coupler.maximum_voltage_v:
        raise ConfigError(
            "vehicle.full_v",
            f"{vehicle.full_v:g} is above what the coupler {coupler.name} carries",
            f"at most {coupler.maximum_voltage_v:g}",
        )
