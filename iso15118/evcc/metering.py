"""What the vehicle has measured itself, and whether a reading of the station's meter fits it:
only such a reading is signed.

The vehicle's signature is what the driver is billed by. Quantities are in SI units and Wh; no message type
of an edition is known here.
"""

from __future__ import annotations

import math

from msgspec import Struct

from iso15118.session.events import InletMeasured

from .config import EvccConfig

__all__ = ["MeterReading", "MeterWatch"]


class MeterReading(Struct, frozen=True, kw_only=True):
    """One reading of the station's meter, whatever the edition: energy to and from the vehicle in Wh, and
    the time on its face in s."""

    meter_id: str
    charged_wh: float
    discharged_wh: float | None = None
    at: float | None = None


class _Energy(Struct, frozen=True):
    """Energy to and from the vehicle in Wh, by its own measurement."""

    charged_wh: float = 0.0
    discharged_wh: float = 0.0


def _is_count(energy_wh: object) -> bool:
    """A counter's value: it comes from a port."""
    return type(energy_wh) in (float, int) and math.isfinite(energy_wh)  # type: ignore[arg-type]


class MeterWatch:
    """Counts the energy of one session, at the inlet, the on-board charger and the coil, and follows the
    readings that the station shows."""

    def __init__(self, config: EvccConfig) -> None:
        self._config = config
        self._charged_wh = self._discharged_wh = 0.0
        """By the vehicle's own measurement, since the session began."""
        self._counted: _Energy | None = None
        """The vehicle's own counters when they were first seen."""
        self._flows: dict[str, tuple[float, float]] = {}
        """Of each place that is measured: when it last was, and the power there in W."""
        self._peak_w = 0.0
        self._first: tuple[MeterReading, _Energy] | None = None
        """The first reading of the session, and what the vehicle had measured by then."""
        self._last: MeterReading | None = None
        """The highest one."""

    def measured(self, inlet: InletMeasured, now: float) -> None:
        """Take a measurement of the inlet at ``now``: its counters if it has some, otherwise voltage times
        current since the last one."""
        power_w = inlet.voltage_v * inlet.current_a
        charged_wh, discharged_wh = inlet.charged_wh, inlet.discharged_wh
        if not (math.isfinite(power_w) and (charged_wh is None or _is_count(charged_wh))):
            return
        if discharged_wh is not None and not _is_count(discharged_wh):
            return
        self._peak_w = max(self._peak_w, abs(power_w))
        if charged_wh is not None:
            if self._counted is None:
                self._counted = _Energy(charged_wh, discharged_wh or 0.0)
            self._charged_wh = charged_wh - self._counted.charged_wh
            self._discharged_wh = (discharged_wh or 0.0) - self._counted.discharged_wh
            return
        self._add("inlet", power_w, now if inlet.at is None or inlet.at > now else inlet.at)

    def power(self, where: str, power_w: float, at: float | None, now: float) -> None:
        """The same for a power that is measured as such, in W; negative: from the vehicle. ``where``: each
        place is measured by itself. The vehicle's own counters count all of them."""
        if not math.isfinite(power_w):
            return
        self._peak_w = max(self._peak_w, abs(power_w))
        if self._counted is None:
            self._add(where, power_w, now if at is None or at > now else at)

    def _add(self, where: str, power_w: float, at: float) -> None:
        since, before_w = self._flows.get(where, (at, 0.0))
        self._flows[where] = at, power_w
        if at <= since:
            return
        energy_wh = (before_w + power_w) / 2.0 * (at - since) / 3600.0
        if energy_wh > 0.0:
            self._charged_wh += energy_wh
        else:
            self._discharged_wh -= energy_wh

    def saw(self, reading: MeterReading) -> None:
        """A reading came with an answer of the station, to be signed or not: the first one
        is where the session began."""
        if self._first is None:
            self._first = reading, _Energy(self._charged_wh, self._discharged_wh)
            self._last = reading

    def why_not(self, reading: MeterReading) -> str:
        """Why this reading is not signed; empty if it may be. One that may be is where the
        next must not fall below."""
        self.saw(reading)
        if self._first is None or self._last is None:
            return "no reading was seen"
        first, own = self._first
        problem = self._of_this_session(reading, self._last) or self._fits(reading, first, own)
        if not problem:
            self._last = reading
        return problem

    def _of_this_session(self, reading: MeterReading, last: MeterReading) -> str:
        if reading.meter_id != last.meter_id:
            return "of another meter than before in this session"
        if reading.charged_wh < last.charged_wh or (reading.discharged_wh or 0.0) < (
            last.discharged_wh or 0.0
        ):
            return "lower than one before in this session"
        if reading.at is not None and last.at is not None and reading.at < last.at:
            return "older than one before in this session"
        return ""

    def _fits(self, reading: MeterReading, first: MeterReading, own: _Energy) -> str:
        if not self._tallies(own.charged_wh + own.discharged_wh, 0.0):
            return "the first one that was seen is not from the beginning of the session"
        for what, metered, mine in (
            ("charged", reading.charged_wh - first.charged_wh, self._charged_wh - own.charged_wh),
            (
                "given back",
                (reading.discharged_wh or 0.0) - (first.discharged_wh or 0.0),
                self._discharged_wh - own.discharged_wh,
            ),
        ):
            if not self._tallies(metered, mine):
                return f"{metered:.0f} Wh {what} since the session began, where the vehicle measured {mine:.0f} Wh"
        return ""

    def _tallies(self, metered_wh: float, mine_wh: float) -> bool:
        """The two differ by no more than meters do, and by what may have flowed
        since the reading was taken."""
        config = self._config
        late_wh = self._peak_w * config.meter_delay_s / 3600.0
        part_wh = abs(mine_wh) * config.meter_tolerance_percent / 100.0
        allowed = part_wh + config.meter_tolerance_wh + late_wh
        return abs(metered_wh - mine_wh) <= allowed
