"""One end with simulated hardware in a thread, over TLS on the loopback interface, for whatever is
under test at the other end.

The building blocks of the pytest plugin and of the keywords for Robot Framework.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from iso15118.aio.background import BackgroundStation, BackgroundVehicle
from iso15118.channel import Received
from iso15118.errors import ConfigError
from iso15118.evcc import EvccConfig
from iso15118.pki import IssuedPki
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.settings.couplers import fit_to_preset
from iso15118.settings.fields import enum_names
from iso15118.settings.hardware import station_of, vehicle_of
from iso15118.settings.parts import StationSettings, VehicleSettings
from iso15118.settings.roles import EvccSettings
from iso15118.settings.trust import evcc_context, secc_context

__all__ = ["station_end", "vehicle_end"]

S = TypeVar("S", StationSettings, VehicleSettings)


def station_end(pki: IssuedPki, config: SeccConfig | None = None, **hardware: Any) -> BackgroundStation:
    """A station on ``::1`` with any free ports, to be used with ``with``.

    ``config``: by default it offers what its connector can. ``hardware``: keys of ``[station]`` in the
    file of `iso15118 secc`, numbers also as text. Raises ``ConfigError`` naming a key that is not there
    or has a value that is not possible.
    """
    settings = _settings("station", StationSettings, hardware)
    if config is None:
        session: dict[str, Any] = {}
        fit_to_preset(settings.preset, session, settings.grid_code)
        names = enum_names(ServiceID)
        config = SeccConfig(
            services=tuple(ServiceID(names[name].value) for name in session["services"]),
            connector=session.get("connector"),
        )
    station, reported = station_of(settings)
    observer = partial(_reported, reported)
    return BackgroundStation(config, station.ports, "lo", secc_context(pki), sdp_port=0, observer=observer)


def vehicle_end(pki: IssuedPki, config: EvccConfig | None = None, **hardware: Any) -> BackgroundVehicle:
    """A vehicle with a simulated battery, to be used with ``with``; ``run((address, port))`` is one session.

    ``hardware``: keys of ``[vehicle]`` in the file of `iso15118 evcc`. Raises as ``station_end``.
    """
    config = EvccConfig() if config is None else config
    settings = EvccSettings(session=config, vehicle=_settings("vehicle", VehicleSettings, hardware))
    vehicle, reported = vehicle_of(settings)
    return BackgroundVehicle(
        config, vehicle.ports, "lo", evcc_context(pki), observer=partial(_reported, reported)
    )


def _settings(table: str, kind: type[S], keys: dict[str, Any]) -> S:
    for key in keys:
        if key not in kind.__struct_fields__:
            raise ConfigError(f"{table}.{key}", "there is no such key", ", ".join(kind.__struct_fields__))
    try:
        return msgspec.convert(keys, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(table, str(error), "`iso15118 config show` has the ranges") from error


def _reported(reported: Callable[[object, float], None], now: float, what: Any) -> None:
    """What the far end says of itself is passed on to the simulated hardware, which has no cable to it."""
    if type(what) is Received:
        reported(what.message, now)
