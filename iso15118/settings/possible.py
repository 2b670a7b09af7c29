"""Values that are right one by one and can never work together: the durations of simulated hardware against each other and the timers."""

from __future__ import annotations

import math

from iso15118.errors import ConfigError
from iso15118.settings.parts import StationSettings
from iso15118.simulation import PRESETS
from iso15118.simulation.cable_check import shortest_check_s
from iso15118.timing import Timing

__all__ = ["check_station"]


def check_station(station: StationSettings, timing: Timing) -> None:
    """Refuse hardware that would fail in every session. Raises ``ConfigError`` with the reason and what would do."""
    preset = PRESETS[station.preset]
    volts, slope = preset.limits.maximum_voltage_v, preset.pre_charge_v_per_s
    shortest = shortest_check_s(volts, slope)
    if station.cable_check_s < shortest:
        raise ConfigError(
            "station.cable_check_s",
            f"{station.cable_check_s:g} s are too short: {station.preset} needs {shortest:g} s to bring its output to "
            f"{volts:g} V and down again, and fails every check that is over before",
            f"{shortest:g} or more; station.time_scale makes the clock's share of it shorter",
        )
    pace = station.time_scale
    _within(
        "station.cable_check_s",
        station.cable_check_s / pace,
        f"{station.cable_check_s:g} s at station.time_scale = {pace:g}",
        timing.cable_check_performance,
        "cable_check_performance",
    )
    _within(
        "station.time_scale",
        volts / slope / pace,
        f"at {pace:g}, pre-charge to {volts:g} V",
        timing.pre_charge_performance,
        "pre_charge_performance",
    )
    _within(
        "station.authorization_s",
        station.authorization_s,
        f"{station.authorization_s:g} s of authorization",
        timing.authorization_ongoing_timeout,
        "authorization_ongoing_timeout",
    )


def _within(key: str, takes_s: float, what: str, most_s: float, timer: str) -> None:
    if takes_s >= most_s:
        takes = f"{takes_s:.3g}" if math.isfinite(takes_s) else "endless"
        raise ConfigError(
            key,
            f"{what} takes {takes} s of the clock, and after {most_s:g} s the session ends",
            f"less than session.timing.{timer} = {most_s:g}, or a longer one",
        )
