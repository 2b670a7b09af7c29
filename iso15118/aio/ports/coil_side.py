"""A port of wireless power of either side: the pad of a station, or the coil of a vehicle.

Present values, limits, and the calls that set and stop; which call gives way to which
is settled in ``port_calls``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from msgspec import structs

from iso15118.errors import HardwareError
from iso15118.session.checks import is_coil_reading
from iso15118.session.events import PadMeasured, ReceiverMeasured
from iso15118.session.supervision.idle import NO_COIL_W
from iso15118.session.wireless import PadLimits, ReceiverLimits

from .guard import Port, shown
from .plain import made_again, plain
from .port_calls import PowerCalls, Report

if TYPE_CHECKING:
    import asyncio

__all__ = ["NONE_W", "CoilSide", "coil", "id_code_of", "pad", "receiver_limits"]

NONE_W: Final = NO_COIL_W
"""Below this nothing flows."""

Limits = TypeVar("Limits", PadLimits, ReceiverLimits)
Measured = TypeVar("Measured", PadMeasured, ReceiverMeasured)


class CoilSide(Generic[Limits, Measured]):
    """One session's hold on such a port."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        port: object,
        name: str,
        report: Report,
        power_s: float,
        read: Callable[[Any, str], Limits],
        measured: Callable[[Any, str], Measured],
    ) -> None:
        self.name = name
        self.port = Port(port, name)
        self._read_limits: Callable[[Any, str], Limits] = read
        self._read_present: Callable[[Any, str], Measured] = measured
        self.calls = PowerCalls(loop, self.port, report, power_s, power_s, name, zero=0.0)
        self.known: Limits | None = None
        """What it said it can do, when that was last read; a copy, since a port
        may change its own in place."""

    def present(self) -> Measured:
        """Values of now. Raises ``HardwareError``."""
        return self.port.read("present", self._read_present)

    def limits(self) -> Limits:
        """What it can do now. Raises ``HardwareError``."""
        limits: Limits = self.port.read("limits", self._read_limits)
        if limits != self.known:
            self.known = copy.copy(limits)
        return limits


def pad(
    loop: asyncio.AbstractEventLoop, port: object, report: Report, power_s: float
) -> CoilSide[PadLimits, PadMeasured]:
    """The pad of a station."""
    return CoilSide(loop, port, "pad", report, power_s, _pad_limits, _pad_measured)


def coil(
    loop: asyncio.AbstractEventLoop, port: object, report: Report, power_s: float
) -> CoilSide[ReceiverLimits, ReceiverMeasured]:
    """The coil of a vehicle."""
    return CoilSide(loop, port, "receiver", report, power_s, receiver_limits, _receiver_measured)


def id_code_of(value: Any, port: str) -> int:
    """``pad.id_code``. Raises ``HardwareError``."""
    if type(value) is not int or not 1 <= value <= 0xFFFF_FFFF:
        raise HardwareError(f"{port}.id_code is {value!r:.50}, not 1 to 4294967295")
    return value


def _pad_limits(value: Any, port: str) -> PadLimits:
    name = f"{port}.limits"
    return made_again(_exact(value, PadLimits, name), name)


def receiver_limits(value: Any, port: str) -> ReceiverLimits:
    """``receiver.limits``. Raises ``HardwareError``."""
    name = f"{port}.limits"
    return made_again(_exact(value, ReceiverLimits, name), name)


def _pad_measured(value: Any, port: str) -> PadMeasured:
    return _reading(_exact(value, PadMeasured, f"{port}.present"), port)


def _receiver_measured(value: Any, port: str) -> ReceiverMeasured:
    return _reading(_exact(value, ReceiverMeasured, f"{port}.present"), port)


def _reading(value: Measured, port: str) -> Measured:
    reading = plain(value, f"{port}.present")
    if not is_coil_reading(reading):
        raise HardwareError(f"{port}.present{_why_no_reading(reading)}")
    return reading


def _why_no_reading(reading: Measured) -> str:
    """The first field of it that cannot be, with its value."""
    for field in reading.__struct_fields__:
        found = structs.replace(type(reading)(), **{field: getattr(reading, field)})
        if not is_coil_reading(found):
            wanted = _WANTED.get(field, "a finite number, 0 or more and within what any coil has,")
            return f".{field} is {shown(getattr(reading, field))}: {wanted} is wanted"
    return " is no measurement"


_WANTED: Final = {
    "in_place": "True or False",
    "vehicle_here": "True, False or None",
    "pad_code": "a whole number from 1 to 4294967295, or None,",
    "frequency_hz": "a number from 0 to 1e6 Hz, or None,",
    "diagnosis": "a CoilDiagnosis",
    "at": "a time in s, or None,",
}


Value = TypeVar("Value")


def _exact(value: Any, kind: type[Value], name: str) -> Value:
    if type(value) is not kind:
        raise HardwareError(f"{name} is {type(value).__name__}, not {kind.__name__}")
    return value
