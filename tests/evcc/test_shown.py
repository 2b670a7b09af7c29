"""How long a charge will take, as a vehicle of ISO 15118-20 lets the station show it: until the least that is
wanted, and where nothing is left.

The function is called with a conversation of a session that has just begun.
"""

from __future__ import annotations

import pytest

from iso15118.evcc.iso20 import shown
from iso15118.evcc.iso20.plan import Plan
from tests.evcc.station import Host, battery


@pytest.mark.parametrize(("minimum_soc", "seconds"), [(60, 3_600), (55, 1_800), (50, 0), (20, 0)])
def test_how_long_the_least_that_is_wanted_will_take(minimum_soc: int, seconds: int) -> None:
    """10 % of 540 kWh with 54 kW are an hour."""
    talk = Host().session._talk
    talk.battery, talk.minimum_soc = battery(soc=50.0, capacity_wh=540_000.0), minimum_soc
    assert shown.shown(talk, Plan(), 54_000.0).remaining_time_to_minimum_soc == seconds


@pytest.mark.parametrize(("energy_wh", "seconds"), [(0.0, 0), (-1.0, 0), (0.5, None)])
def test_what_is_there_already_takes_no_time_though_nothing_flows(
    energy_wh: float, seconds: int | None
) -> None:
    assert shown._time(energy_wh, 0.0) == seconds
