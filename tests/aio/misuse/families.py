"""The plants in which a port can misbehave: which ports are tried in which, in which phases, and which
calls make such a plant safe.

What a port of a family has is read from the tables of ``session.ports``; here stands only where it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from iso15118.session import ports
from iso15118.session.port_checks import Kind
from iso15118.session.services import ServiceID

__all__ = ["ENERGISES", "ISO20", "NOTHING_AT_ZERO", "OLDER", "TABLES", "Family", "family_of"]

_AC_PHASES = ("before", "authorization", "closing", "charging", "stopping", "session stop", "ended", "idle")
_DC_PHASES = (
    "before",
    "authorization",
    "cable check",
    "pre-charge",
    "closing",
    "charging",
    "stopping",
    "welding",
    "session stop",
    "ended",
    "idle",
)
_ACDP_PHASES = (
    "before",
    "positioning",
    "authorization",
    "connecting",
    *_DC_PHASES[2:8],
    "disconnecting",
    *_DC_PHASES[8:],
)
_WPT_PHASES = (
    "before",
    "positioning",
    "pairing",
    "authorization",
    "alignment",
    "charging",
    "stopping",
    "session stop",
    "ended",
    "idle",
)
_DC_SAFE = {"secc": ("power.stop", "contactors.open"), "evcc": ("contactors.open",)}
_AC_SAFE = {"secc": ("ac.stop", "contactors.open"), "evcc": ("charger.stop",)}
_WPT_SAFE: dict[str, tuple[str, ...]] = {"secc": ("pad.stop",), "evcc": ("receiver.stop",)}


@dataclass(frozen=True)
class _Plant:
    service: ServiceID
    phases: tuple[str, ...]
    makes_safe: dict[str, tuple[str, ...]]


class Family(Enum):
    """A kind of plant, by the service of its sessions."""

    DC = _Plant(ServiceID.MCS, _DC_PHASES, _DC_SAFE)
    SCHEDULES = _Plant(ServiceID.MCS, _DC_PHASES[:-1], _DC_SAFE)
    """DC, and an energy manager that is asked for schedules."""
    AC = _Plant(ServiceID.AC, _AC_PHASES, _AC_SAFE)
    DER = _Plant(ServiceID.AC_DER_IEC, _AC_PHASES, _AC_SAFE)
    ACDP = _Plant(ServiceID.DC_ACDP, _ACDP_PHASES, _DC_SAFE)
    WPT = _Plant(ServiceID.WPT, _WPT_PHASES, _WPT_SAFE)

    __hash__ = object.__hash__  # each is one object

    @property
    def phases(self) -> tuple[str, ...]:
        """In which a port may turn bad."""
        return self.value.phases

    @property
    def alternating(self) -> bool:
        """It has an outlet and an on-board charger."""
        return self in (Family.AC, Family.DER)


ISO20 = "iso20"
OLDER = {"iso2": (Family.DC, Family.AC), "din": (Family.DC,)}
"""The older editions, and the families that they have."""
_OF_PORT = {
    "ac": Family.AC,
    "charger": Family.AC,
    "connection_device": Family.ACDP,
    "vehicle_position": Family.ACDP,
    "mobility": Family.ACDP,
    "pad": Family.WPT,
    "receiver": Family.WPT,
    "inverter": Family.DER,
}
_OF_PLACE = {
    "energy.grid_code": Family.DER,
    "energy.schedules": Family.SCHEDULES,
    "energy.price_signers": Family.SCHEDULES,
    "energy.display": Family.SCHEDULES,
}
_BESIDE: dict[str, dict[str, dict[str, Kind]]] = {
    "secc": {"energy": {"grid_code": Kind.READ, "price_signers": Kind.READ}},
    "evcc": {},
}
"""What is asked of a port that has it, and is in no table since nothing is wrong with a port without it."""
ENERGISES = {
    "power.pre_charge",
    "power.set_power",
    "ac.set_power",
    "charger.set_power",
    "pad.set_power",
    "receiver.set_power",
    "contactors.close",
    "cable_check.run",
}
NOTHING_AT_ZERO = {"pad.set_power", "receiver.set_power"}
"""Those that switch nothing on when they are asked for 0 W."""


def _merged(*tables: dict[str, dict[str, Kind]]) -> dict[str, dict[str, Kind]]:
    merged: dict[str, dict[str, Kind]] = {}
    for table in tables:
        for port, attributes in table.items():
            merged[port] = merged.get(port, {}) | attributes
    return merged


TABLES = {
    "secc": _merged(ports._STATION, ports._STATION_MAY, _BESIDE["secc"]),
    "evcc": _merged(ports._VEHICLE, _BESIDE["evcc"]),
}
"""Every attribute of every port, and how it is used."""


def family_of(place: str) -> Family:
    """The plant in which this place misbehaves."""
    return _OF_PLACE.get(place) or _OF_PORT.get(place.split(".")[0], Family.DC)
