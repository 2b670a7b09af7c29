"""Communication stack for ISO 15118-20: the car (EVCC) and the charging station (SECC).

The front page: the few names most users need, loaded when they are first asked for. The rest lives in the
sub-packages, each of which has one subject.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from iso15118.moved import install as _old_names

if TYPE_CHECKING:
    from iso15118.aio import EvccClient, SeccServer
    from iso15118.errors import V2GError
    from iso15118.evcc import EvccConfig, EvccSession
    from iso15118.secc import SeccConfig, SeccSession
    from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
    from iso15118.session.actions import EndReason
    from iso15118.session.limits import StationLimits, VehicleLimits
    from iso15118.session.ports import Station, Vehicle
    from iso15118.session.services import ControlMode, ServiceID

__version__ = "0.1.0"
__all__ = [
    "AcStationLimits",
    "AcVehicleLimits",
    "ControlMode",
    "EndReason",
    "EvccClient",
    "EvccConfig",
    "EvccSession",
    "SeccConfig",
    "SeccServer",
    "SeccSession",
    "ServiceID",
    "Station",
    "StationLimits",
    "V2GError",
    "Vehicle",
    "VehicleLimits",
    "__version__",
]

_WHERE = {
    "AcStationLimits": "session.ac_limits",
    "AcVehicleLimits": "session.ac_limits",
    "ControlMode": "session.services",
    "EndReason": "session.actions",
    "EvccClient": "aio",
    "EvccConfig": "evcc",
    "EvccSession": "evcc",
    "SeccConfig": "secc",
    "SeccServer": "aio",
    "SeccSession": "secc",
    "ServiceID": "session.services",
    "Station": "session.ports",
    "StationLimits": "session.limits",
    "V2GError": "errors",
    "Vehicle": "session.ports",
    "VehicleLimits": "session.limits",
}

_old_names()


def __getattr__(name: str) -> Any:
    # A charger starts fast: asyncio, OpenSSL and the message classes are not loaded
    # for who only wants the version.
    if name in _WHERE:
        return getattr(import_module(f"iso15118.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
