"""Deliberate failures of port calls: any of them can be told to raise, to answer late, or never to answer.

``station.faults.late("close_contactors", 5.0)`` holds for the next calls of that name; the names are in
``STATION_CALLS``, ``VEHICLE_CALLS`` and the other tables here. In the ``perform`` form a late call takes
effect and answers that much later, unless a later stop or opening takes it back; in the asynchronous form the
coroutine sleeps first. The properties ("present", "limits", "battery", "inlet") can raise, or freeze for a
time or for ever; "present" and "inlet" can show the faults of ``ReadingFault``. Failures of the hardware
behind the calls (welded contactors, bad insulation) are set on the parts themselves.
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from iso15118.errors import ConfigError, HardwareError
from iso15118.session.events import AcMeasured

__all__ = [
    "AC_VEHICLE_CALLS",
    "PAD_STATION_CALLS",
    "PAD_VEHICLE_CALLS",
    "PANTOGRAPH_STATION_CALLS",
    "PANTOGRAPH_VEHICLE_CALLS",
    "STATION_CALLS",
    "VEHICLE_CALLS",
    "Fault",
    "Faults",
    "ReadingFault",
]

STATION_CALLS = (
    "cable_check",
    "pre_charge",
    "close_contactors",
    "open_contactors",
    "set_power",
    "stop_power",
    "read_meter",
    "authorize",
    "authorize_contract",
    "certificate_installation",
    "schedules",
    "use_key",
    "present",
    "limits",
)
"""Calls of a DC station that can fail, and what it reads."""
PANTOGRAPH_STATION_CALLS = (*STATION_CALLS, "connect_device", "disconnect_device", "position")
"""The same of a station with a connection device."""
VEHICLE_CALLS = (
    "close_contactors",
    "open_contactors",
    "signal",
    "stop_power",
    "store_contract",
    "use_key",
    "battery",
    "inlet",
)
"""The same of a vehicle with a DC inlet."""
PAD_STATION_CALLS = (
    "set_pad",
    "stop_power",
    "read_meter",
    "authorize",
    "authorize_contract",
    "certificate_installation",
    "schedules",
    "pad",
    "limits",
)
"""The same of a station with a wireless pad."""
PAD_VEHICLE_CALLS = ("set_receiver", "stop_power", "store_contract", "use_key", "battery", "receiver")
"""The same of a vehicle with a coil."""
PANTOGRAPH_VEHICLE_CALLS = (*VEHICLE_CALLS, "immobilize", "guide")
"""The same of a vehicle under a connection device."""
AC_VEHICLE_CALLS = (
    "close_contactors",
    "open_contactors",
    "follow_grid",
    "set_charger",
    "signal",
    "stop_power",
    "store_contract",
    "use_key",
    "battery",
    "charger",
)
"""The same of a vehicle with an on-board charger."""


Reading = TypeVar("Reading")


class ReadingFault(Enum):
    """What a supply, an inlet or their sensors can do wrong, as far as a measurement shows it."""

    OVER_VOLTAGE = "so many volts more than there should be"
    OVER_CURRENT = "so many amperes more, in the direction in which they flow"
    REVERSE = "so many amperes the wrong way"
    FROZEN = "always the same values, however young they claim to be"
    STALE = "always the same values, and they say how old they are"


class Fault(Struct, frozen=True):
    """One failure: ``error`` is raised, or the call is late by ``delay_s`` clock seconds (infinite: it never
    answers)."""

    error: Exception | None = None
    delay_s: float = 0.0

    @property
    def never(self) -> bool:
        """It never answers."""
        return math.isinf(self.delay_s)


def _distorted_ac(fault: ReadingFault, present: AcMeasured, by: float) -> AcMeasured:
    """The same for L1 of an AC measurement."""
    (volts, *other_v), (amperes, *other_a), watts = present.voltage_v, present.current_a, present.power_w
    if fault is ReadingFault.OVER_VOLTAGE:
        return replace(present, voltage_v=(volts + by, *other_v))
    if fault is ReadingFault.OVER_CURRENT:
        return replace(present, current_a=(amperes + by, *other_a))
    return replace(present, power_w=(-by * volts, *watts[1:]), current_a=(by, *other_a))


class Faults:
    """The failures in force for the calls of one side."""

    def __init__(self, calls: tuple[str, ...]) -> None:
        self.calls = calls
        self._armed: dict[str, tuple[Fault, float]] = {}
        self._frozen: dict[str, tuple[Any, float]] = {}
        self._shown: dict[str, tuple[ReadingFault, float]] = {}
        self._kept: dict[str, Any] = {}

    def shows(self, call: str, fault: ReadingFault, by: float = 0.0) -> None:
        """From now on the measurement ``call`` ("present" or "inlet") shows this fault; ``by``: V or A."""
        self._name(call)
        self._shown[call] = (fault, by)
        self._kept.pop(call, None)

    def raises(self, call: str, error: Exception | None = None, *, times: float = math.inf) -> None:
        """The next ``times`` calls raise ``error`` (default: a ``HardwareError``)."""
        self._arm(call, Fault(error=error or HardwareError(f"{call} failed, as told")), times)

    def late(self, call: str, seconds: float, *, times: float = math.inf) -> None:
        """The next ``times`` calls take effect and answer ``seconds`` late, on the clock. Raises
        ``ConfigError`` for a time that is not possible."""
        if not seconds >= 0.0:
            raise ConfigError("seconds", f"{seconds!r} is no delay", "0 or more")
        self._arm(call, Fault(delay_s=seconds), times)

    def never(self, call: str, *, times: float = math.inf) -> None:
        """The next ``times`` calls do nothing and never answer."""
        self._arm(call, Fault(delay_s=math.inf), times)

    def clear(self, call: str | None = None) -> None:
        """All calls, or this one, work again."""
        if call is None:
            for table in (self._armed, self._frozen, self._shown, self._kept):
                table.clear()
        else:
            self._shown.pop(call, None)
            self._armed.pop(call, None)
            self._frozen.pop(call, None)

    def take(self, call: str) -> Fault | None:
        """What this call has to do wrong; None for nothing. Counts the call."""
        if not self._armed or call not in self._armed:
            return None
        fault, times = self._armed[call]
        if times > 1:
            self._armed[call] = (fault, times - 1)
        else:
            del self._armed[call]
        return fault

    def reading(self, call: str, present: Reading, now: float) -> Reading:
        """What the property ``call`` shows at the clock's time ``now``: ``present``, or what it froze at.
        Raises what it was told to."""
        if self._shown and call in self._shown:
            shown: Reading = self._distorted(call, present, now)
            return shown
        if not self._armed and not self._frozen:
            return present
        fault = self.take(call)
        if fault is not None and fault.error is not None:
            raise fault.error
        if fault is not None and call not in self._frozen:
            self._frozen[call] = (present, now + fault.delay_s)
        if call in self._frozen:
            frozen: Reading
            frozen, until = self._frozen[call]
            if now < until:
                return frozen
            del self._frozen[call]
        return present

    def _distorted(self, call: str, present: Any, now: float) -> Any:
        fault, by = self._shown[call]
        if fault in (ReadingFault.FROZEN, ReadingFault.STALE):
            kept = self._kept.setdefault(call, replace(present, at=now))
            return kept if fault is ReadingFault.STALE else replace(kept, at=None)
        volts, amperes = present.voltage_v, present.current_a
        if isinstance(present, AcMeasured):
            return _distorted_ac(fault, present, by)
        if fault is ReadingFault.OVER_VOLTAGE:
            return replace(present, voltage_v=volts + by)
        more = math.copysign(by, amperes)
        return replace(present, current_a=amperes + more if fault is ReadingFault.OVER_CURRENT else -more)

    def _name(self, call: str) -> None:
        if call not in self.calls:
            near = get_close_matches(call, self.calls, n=1, cutoff=0.0)[0]
            raise ConfigError("call", f"there is no call {call!r} here", f"did you mean {near}?")

    def _arm(self, call: str, fault: Fault, times: float) -> None:
        self._name(call)
        if times >= 1:
            self._armed[call] = (fault, times)
