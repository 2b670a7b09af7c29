"""What a result says of the energy that flowed: its extremes, when it began, and for how long, over each kind
of connection."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.aio.results import Tally
from iso15118.session.coupling_events import PadMeasured, ReceiverMeasured
from iso15118.session.events import AcMeasured, InletMeasured, PowerMeasured


def extremes(tally: Tally) -> tuple[float, float, float]:
    return tally.maximum_voltage_v, tally.peak_current_a, tally.peak_power_w


@pytest.mark.parametrize("kind", [PowerMeasured, InletMeasured])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_extremes_of_direct_current_are_magnitudes_of_one_reading_each(kind: Any, sign: float) -> None:
    """Either way; the greatest power is one that was measured, and no product of two moments."""
    tally = Tally()
    for voltage, current in ((400.0, 10.0), (300.0, 100.0), (900.0, 0.0), (380.0, 50.0)):
        tally.measured(kind(voltage, sign * current), 0.0)
    assert extremes(tally) == (900.0, 100.0, 30_000.0)


def test_energy_flows_while_there_is_more_than_one_ampere() -> None:
    """1 A is none. It began once; the time is that of all parts, the last one until the session is over."""
    tally = Tally()
    for current, now in ((1.0, 1.0), (1.01, 2.0), (5.0, 2.5), (1.0, 3.0), (0.0, 4.0), (-1.01, 10.0)):
        tally.measured(PowerMeasured(400.0, current), now)
    assert (tally.began, tally.transfer_s) == (2.0, 1.0)
    tally.over(10.5)
    tally.over(20.0)
    assert (tally.began, tally.transfer_s) == (2.0, 1.5)


def test_of_alternating_current_the_greatest_phase_counts_and_the_power_of_all() -> None:
    """Either way; energy flows while one phase has more than 1 A."""
    tally = Tally()
    phases = ((1.0, 0.0, 0.5), (0.0, 1.01, 0.0), (1.0, 1.0, 1.0))
    for now, current in enumerate(phases):
        tally.alternating(
            AcMeasured(voltage_v=(230.0, 231.0, 229.0), current_a=current, power_w=(-200.0, -30.0, -1.0)),
            float(now),
        )
    assert extremes(tally) == (231.0, 1.01, 231.0)
    assert (tally.began, tally.transfer_s) == (1.0, 1.0)


def test_without_a_wire_energy_flows_while_there_is_more_than_fifty_watts() -> None:
    """Of a pad there is the power alone: what circles in a coil flows to nobody. A vehicle's coil has an
    output with a voltage and a current."""
    pad, receiver = Tally(), Tally()
    for now, power in enumerate((50.0, 50.1, 50.0)):
        pad.wireless(PadMeasured(power_w=power, coil_a=70.0), float(now))
        receiver.wireless(
            ReceiverMeasured(power_w=power, coil_a=70.0, voltage_v=0.5, current_a=0.25), float(now)
        )
    assert extremes(pad) == (0.0, 0.0, 50.1)
    assert extremes(receiver) == (0.5, 0.25, 50.1)
    for tally in (pad, receiver):
        assert (tally.began, tally.transfer_s) == (1.0, 1.0)
