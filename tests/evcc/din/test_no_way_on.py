"""A vehicle of DIN 70121 that would wait for ever does not: nothing flows, or it is time to leave."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages import din
from iso15118.messages.physical import quantity
from tests.evcc.din.station import BATTERY_V, Host


def left_after(current_a: float, **settings: Any) -> tuple[float, str]:
    """When power was switched off after the first turns of the loop, in s, and why."""
    host = Host(EvccConfig(editions=("din",), **settings)).to("CurrentDemand", 2)
    began = host.book.now
    host.measure(BATTERY_V, current_a)
    for _ in range(4000):
        if not isinstance(host.request, din.CurrentDemandReq):
            break
        if host.book.now - began >= 60.0 or not quantity(host.request.ev_target_current):
            host.measure(BATTERY_V, 0.0)
        host.step()
    assert isinstance(host.request, din.PowerDeliveryReq)
    return host.book.now - began, host.finish().detail


def test_without_power_it_leaves() -> None:
    seconds, why = left_after(0.0, no_power_s=30.0)
    assert 29.0 <= seconds <= 34.0
    assert why == "no power for 30 s"


@pytest.mark.parametrize("departure", [40, 60])
def test_it_leaves_at_its_departure(departure: int) -> None:
    seconds, why = left_after(100.0, departure_time_s=departure, no_power_s=1000.0)
    assert seconds < departure + 4.0
    assert why == "departure"
