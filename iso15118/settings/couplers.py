"""What a station's preset, or what a vehicle is charged by, says of services and connector where the file
does not; and what does not fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from iso15118.errors import ConfigError
from iso15118.session.couplers import COUPLERS
from iso15118.session.services import ACDP_SERVICES, WPT_SERVICES, ServiceID
from iso15118.simulation import AC_CAR_PACK, AC_PRESETS, PAD_PRESETS

from .fields import enum_names

if TYPE_CHECKING:
    from .link import LinkSettings
    from .parts import VehicleSettings

__all__ = [
    "SERVICES_OF",
    "check_connector",
    "check_inlet",
    "check_means",
    "check_services_fit",
    "fit_to_inlet",
    "fit_to_preset",
    "means_of",
    "preset_connector",
    "vehicle_means_of",
]

_COUPLER_OF: Final = {"chaoji": "chaoji", "ultra-chaoji-gen1": "ultra-chaoji", "ultra-chaoji": "ultra-chaoji"}
"""Preset of a station with a coupler of its own -> the coupler."""
_MEGAWATT: Final = (ServiceID.MCS, ServiceID.MCS_BPT)
_DC: Final = (ServiceID.DC, ServiceID.DC_BPT)

SERVICES_OF: Final[dict[str, tuple[ServiceID, ...]]] = {
    "dc": _DC,
    "mcs": _MEGAWATT,
    "ac": (ServiceID.AC, ServiceID.AC_BPT, ServiceID.AC_DER_IEC, ServiceID.AC_DER_SAE),
    "pantograph": tuple(sorted(ACDP_SERVICES)),
    "pad": tuple(sorted(WPT_SERVICES)),
    "plug": (*_DC, *_MEGAWATT),
}
"""By what energy comes -> the services that fit; a vehicle's "plug" is a DC inlet of either kind."""
UNPLUGGED: Final = ("pantograph", "pad")


def means_of(preset: str) -> str:
    """By what a station of this preset gives energy: "dc", "mcs", "ac", "pantograph" or "pad"."""
    if preset in PAD_PRESETS:
        return "pad"
    if preset in AC_PRESETS:
        return "ac"
    if preset.startswith("mcs") or preset in _COUPLER_OF:
        return "mcs"
    return "pantograph" if preset == "pantograph" else "dc"


def vehicle_means_of(vehicle: VehicleSettings) -> str:
    """By what this vehicle is charged: "plug", "ac", "pantograph" or "pad". Raises ``ConfigError`` for two of
    them."""
    said = {
        "vehicle.charger": "" if vehicle.charger == "none" else "ac",
        "vehicle.receiver": "" if vehicle.receiver == "none" else "pad",
        "vehicle.inlet": "" if vehicle.inlet == "any" else "pantograph",
    }
    if vehicle.inlet not in ("any", "pantograph"):
        said["vehicle.inlet"] = "plug"
    there = [(key, means) for key, means in said.items() if means]
    if len(there) > 1:
        raise ConfigError(there[1][0], f"there is {there[0][0]}, too", "one of the two")
    return there[0][1] if there else "plug"


def check_means(means: str, link: LinkSettings, editions: tuple[str, ...], key: str) -> None:
    """Without a plug there is no data link of one, and no older edition. Raises ``ConfigError``."""
    if means not in UNPLUGGED:
        return
    if link.plugged:
        raise ConfigError("link.backend", f"a {means} has no plug ({key})", '"none"')
    if editions != ("iso20",):
        raise ConfigError(
            "session.editions", f"a {means} ({key}) is of ISO 15118-20 alone", 'editions = ["iso20"]'
        )


def check_services_fit(services: Iterable[ServiceID], means: str, what: str) -> list[ConfigError]:
    """A ``ConfigError`` for each service that does not fit what energy comes by."""
    names = [name for name, service in enum_names(ServiceID).items() if service in SERVICES_OF[means]]
    return [
        ConfigError("session.services", f"{one.name} does not fit {what}", f"any of {', '.join(names)}")
        for one in services
        if one not in SERVICES_OF[means]
    ]


def preset_connector(preset: str) -> int | None:
    """The Connector parameter of a station's preset that has a coupler of its own; None for the others."""
    return COUPLERS[_COUPLER_OF[preset]].connector if preset in _COUPLER_OF else None


def fit_to_preset(preset: str, session: dict[str, Any], grid_code: str = "none") -> None:
    """What ``session`` does not say follows from the preset, and from the grid code of an AC outlet."""
    means = means_of(preset)
    names = {"ac": ["ac", "ac-bpt"], "pantograph": ["dc-acdp", "dc-acdp-bpt"], "pad": ["wpt"]}
    der = {"european": ["ac-der-iec"], "north-american": ["ac-der-sae"]}.get(grid_code, [])
    usual = names.get(means, [means, f"{means}-bpt"])
    session.setdefault("services", [*usual, *(der if means == "ac" else [])])
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
    if own is None and means_of(preset) == "mcs" and connector in reserved:
        raise ConfigError(
            "session.connector",
            f"{connector} is the coupler {reserved[connector]}, which station.preset = {preset!r} has not",
            f"a preset such as {reserved[connector]!r}, or another connector",
        )


def fit_to_inlet(table: dict[str, Any]) -> None:
    """What the file does not say follows from what the vehicle is charged by: an on-board charger or a coil
    are of a car, a megawatt inlet has its own service and connector."""
    vehicle = table.get("vehicle")
    session = table.setdefault("session", {})
    if not isinstance(vehicle, dict) or not isinstance(session, dict):
        return
    charger, receiver = vehicle.get("charger", "none"), vehicle.get("receiver", "none")
    inlet = vehicle.get("inlet", "any")
    if charger in AC_PRESETS or receiver in PAD_PRESETS:
        for key, value in AC_CAR_PACK.items():
            vehicle.setdefault(key, value)
        session.setdefault("services", ["ac" if charger in AC_PRESETS else "wpt"])
    elif inlet == "pantograph":
        session.setdefault("services", ["dc-acdp"])
    elif isinstance(inlet, str) and inlet in COUPLERS:
        session.setdefault("services", ["mcs"])
        session.setdefault("connectors", [COUPLERS[inlet].connector])


def check_inlet(vehicle: VehicleSettings, services: Iterable[ServiceID], connectors: tuple[int, ...]) -> None:
    """A megawatt inlet has its own services and its own connector. Raises ``ConfigError``."""
    if vehicle.inlet in ("any", "pantograph"):
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
