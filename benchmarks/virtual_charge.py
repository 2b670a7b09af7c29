"""A whole charge of a truck under the virtual clock, every message as bytes: what ``iso15118 loopback
--transport memory`` does."""

from __future__ import annotations

import time
from collections.abc import Iterator

from iso15118.evcc import EvccConfig
from iso15118.secc import SeccConfig
from iso15118.session.services import ServiceID
from iso15118.simulation import Battery, DcCircuit, SimulatedStation, SimulatedVehicle, preset
from iso15118.testing import Pair

from .figure import Figure, Scale, median

__all__ = ["run"]

_CAPACITY_WH = 540e3
_POWER_W = 1e6
_LOOPS_FULL = 7_818  # at four loops a second, from empty to full


def run(scale: Scale) -> Iterator[Figure]:
    """Wall time of a charge from 0 to 100 % at 1 MW, or of the share that has so many loops."""
    share = min(1.0, scale.loops / _LOOPS_FULL)
    walls: list[float] = []
    cpu: list[float] = []
    for _ in range(1 if share < 1.0 else 3):
        pair = _pair(share)
        began, cpu_began = time.perf_counter(), time.process_time()
        pair.run()
        walls.append(time.perf_counter() - began)
        cpu.append(time.process_time() - cpu_began)
    yield Figure(
        figure="virtual-charge",
        case="540 kWh at 1 MW",
        value=median(walls),
        unit="s",
        aim=2.0,
        details={
            "charge_loops": pair.loops,
            "cpu_s": median(cpu),
            "cpu_us_per_loop": median(cpu) / pair.loops * 1e6,
            "energy_kwh": pair.station.meter.read().charged_wh / 1e3,
            "charges": len(walls),
        },
    )


def _pair(share: float) -> Pair:
    circuit = DcCircuit()
    battery = Battery(
        capacity_wh=_CAPACITY_WH * share,
        soc=0.0,
        target_soc=100.0,
        minimum_soc=0.0,
        resistance_ohm=0.00025,
        constant_power_w=_POWER_W,
    )
    return Pair(
        SeccConfig(services=(ServiceID.MCS,)),
        EvccConfig(services=(ServiceID.MCS,), minimum_soc=0, target_soc=100),
        SimulatedStation(circuit, preset("mcs-max")),
        SimulatedVehicle(circuit, battery),
        wire=True,
    )
