"""The stations that can be simulated by name: limits, ramps and insulation threshold, as data.

Envelopes: CCS after IEC 61851-23 in its common liquid-cooled form, MCS up to 1250 V, 3000 A and 3.75 MW
(CharIN, MCS white paper 2.0).
"""

from __future__ import annotations

import math
from difflib import get_close_matches

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.session.limits import StationLimits

__all__ = ["PRESETS", "StationPreset", "preset"]


class StationPreset(Struct, frozen=True, kw_only=True):
    """A station's power hardware: what it can give and how fast.

    ``ramp_a_per_s`` limits the rise of the current in either direction, ``stop_ramp_a_per_s`` its fall at an
    orderly stop; a lowered bound is followed at once, since a converter sheds current in milliseconds, or
    with ``bound_ramp_a_per_s``, as many chargers do: 25 A/s are usual.
    ``pre_charge_v_per_s`` is the slope of the unloaded output, ``discharge_tau_s`` the time constant with
    which it falls when switched off (800 V are below 60 V after 2.6 of them).
    """

    name: str
    limits: StationLimits
    ramp_a_per_s: float
    stop_ramp_a_per_s: float
    insulation_threshold_ohm: float
    pre_charge_v_per_s: float = 500.0
    discharge_tau_s: float = 0.25
    bound_ramp_a_per_s: float = math.inf


def _station(
    name: str,
    *,
    volts: float,
    least_volts: float,
    amperes: float,
    watts: float,
    ramp_a_per_s: float,
    insulation_threshold_ohm: float,
) -> StationPreset:
    return StationPreset(
        name=name,
        limits=StationLimits(
            maximum_charge_power_w=watts,
            maximum_charge_current_a=amperes,
            maximum_voltage_v=volts,
            minimum_voltage_v=least_volts,
            maximum_discharge_power_w=watts,
            maximum_discharge_current_a=amperes,
        ),
        ramp_a_per_s=ramp_a_per_s,
        # Full current is gone within a second, so that an orderly stop fits the answer time of PowerDelivery
        # (4.5 s).
        stop_ramp_a_per_s=amperes,
        insulation_threshold_ohm=insulation_threshold_ohm,
    )


PRESETS: dict[str, StationPreset] = {
    station.name: station
    for station in (
        # 25 A/s is what chargers in the field use; 100 kOhm is the insulation threshold of CCS DC.
        _station(
            "ccs2",
            volts=1000.0,
            least_volts=150.0,
            amperes=500.0,
            watts=400_000.0,
            ramp_a_per_s=25.0,
            insulation_threshold_ohm=100_000.0,
        ),
        # A pantograph for buses: four contacts on the roof carry 600 A in steady state (the common figure of
        # public tenders; no standard was read), ramps as with CCS.
        _station(
            "pantograph",
            volts=1000.0,
            least_volts=150.0,
            amperes=600.0,
            watts=450_000.0,
            ramp_a_per_s=25.0,
            insulation_threshold_ohm=100_000.0,
        ),
        # First MCS stations: 1 MW; 1500 A reach it from 670 V up, so on the whole of an 800 V truck pack. MCS
        # ramps are chosen so that full current takes 12 to 15 s like CCS's 20 s; no published figure was
        # found.
        _station(
            "mcs-gen1",
            volts=1250.0,
            least_volts=400.0,
            amperes=1500.0,
            watts=1_000_000.0,
            ramp_a_per_s=100.0,
            insulation_threshold_ohm=125_000.0,
        ),
        # 2 MW; 2500 A reach it from 800 V up, which is the middle of today's truck packs.
        _station(
            "mcs-gen2",
            volts=1250.0,
            least_volts=400.0,
            amperes=2500.0,
            watts=2_000_000.0,
            ramp_a_per_s=200.0,
            insulation_threshold_ohm=125_000.0,
        ),
        # The ceiling of the coupler: 1250 V x 3000 A.
        _station(
            "mcs-max",
            volts=1250.0,
            least_volts=400.0,
            amperes=3000.0,
            watts=3_750_000.0,
            ramp_a_per_s=250.0,
            insulation_threshold_ohm=125_000.0,
        ),
        # The couplers of ChaoJi carry 1500 V: 800 A in the first form, 1.5 to 3 MW in the second. Ramps as of
        # MCS, so that full current takes 8 to 10 s; no published figure was found for these, and none for
        # their insulation threshold: that of MCS.
        _station(
            "chaoji",
            volts=1500.0,
            least_volts=200.0,
            amperes=800.0,
            watts=1_200_000.0,
            ramp_a_per_s=100.0,
            insulation_threshold_ohm=125_000.0,
        ),
        _station(
            "ultra-chaoji-gen1",
            volts=1500.0,
            least_volts=400.0,
            amperes=1500.0,
            watts=1_500_000.0,
            ramp_a_per_s=150.0,
            insulation_threshold_ohm=125_000.0,
        ),
        _station(
            "ultra-chaoji",
            volts=1500.0,
            least_volts=400.0,
            amperes=2000.0,
            watts=3_000_000.0,
            ramp_a_per_s=200.0,
            insulation_threshold_ohm=125_000.0,
        ),
    )
}
"""The stations by name."""


def preset(name: str) -> StationPreset:
    """The preset of that name. Raises ``ConfigError`` naming the nearest valid one."""
    try:
        return PRESETS[name]
    except KeyError:
        near = get_close_matches(name.lower(), PRESETS, n=1, cutoff=0.0)
        hint = (
            f"did you mean {near[0]}? one of {', '.join(PRESETS)}" if near else f"one of {', '.join(PRESETS)}"
        )
        raise ConfigError("station", f"{name!r} is no known station", hint) from None
