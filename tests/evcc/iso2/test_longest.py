"""Times in messages of ISO 15118-2 that a vehicle would tell longer than there is room for, and the day on
which a contract is renewed.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

import pytest

from iso15118.energy.schedule import Schedule
from iso15118.evcc.iso2 import demand, parameters, plug_and_charge, profile
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session.limits import StationLimits
from tests.evcc.iso2.contracts import EPOCH, held
from tests.evcc.iso2.station import Host, battery

DAY = 86_400.0
OFFER = StationLimits(
    maximum_charge_power_w=100_000.0, maximum_charge_current_a=250.0, maximum_voltage_v=900.0
)


def plan_of(*powers: tuple[float, float]) -> Plan:
    power = Schedule.of(0.0, powers or [(DAY, 1e6)])
    return Plan(offer=OFFER, station=OFFER, schedule=ChosenSchedule(tuple_id=1, power=power, read_at=0.0))


@pytest.mark.parametrize(
    ("lacks_wh", "told_s"), [(400.0, 3_600.0), (400.0 * 720.0, 30.0 * DAY), (1e9, 30.0 * DAY), (-1.0, 0.0)]
)
def test_how_long_the_charge_will_take_is_a_month_at_most(lacks_wh: float, told_s: float) -> None:
    """It is charged with 1 A at 400 V."""
    talk = Host().session._talk
    talk.battery = battery(voltage_v=400.0, target_current_a=1.0, energy_to_maximum_wh=lacks_wh)
    told = demand.demand(talk, plan_of(), winding_down=False).remaining_time_to_full_soc
    assert told is not None
    assert quantity(told) == told_s
    assert demand.demand(talk, plan_of(), winding_down=True).remaining_time_to_full_soc is None


@pytest.mark.parametrize(
    ("departs_s", "told"), [(None, None), (3_600.5, 3_600), (2.0**32 - 1, 2**32 - 1), (2.0**40, 2**32 - 1)]
)
def test_a_departure_is_told_as_late_as_there_is_room_for(departs_s: float | None, told: int | None) -> None:
    talk = Host().session._talk
    talk.departure_at = departs_s
    request = parameters._request(talk, Plan(mode=iso2.EnergyTransferMode.DC_extended))
    assert request.ev_charge_parameter.departure_time == told


def test_a_profile_has_no_entry_that_begins_later_than_there_is_room_for() -> None:
    """Three octets say 194 days."""
    days = ((100.0 * DAY, 10_000.0), (89.0 * DAY, 20_000.0), (2.0 * DAY, 30_000.0), (9.0 * DAY, 5_000.0))
    plan = plan_of(*days)
    made = profile.charging_profile(Host().session._talk, plan, 1e6)
    starts = [one.charging_profile_entry_start for one in made.profile_entry]
    assert [round(one / DAY) for one in starts] == [0, 100, 189]
    assert max(starts) < 2**24
    assert [quantity(one.charging_profile_entry_max_power) for one in made.profile_entry] == [
        10_000.0,
        20_000.0,
        5_000.0,
    ]


@pytest.mark.parametrize("now", [0.0, 1_000.0, 1_000.25])
def test_a_profile_goes_down_before_a_step_and_up_behind_it_whenever_it_is_made(now: float) -> None:
    """Steps lie between two seconds; entries begin with one."""
    talk = Host().session._talk
    talk.now = now
    power = Schedule.of(now, [(600.5, 10_000.0), (600.0, 2_000.0), (600.0, 10_000.0)])
    plan = Plan(offer=OFFER, station=OFFER, schedule=ChosenSchedule(tuple_id=1, power=power, read_at=now))
    made = profile.charging_profile(talk, plan, 1e6).profile_entry
    assert [
        (one.charging_profile_entry_start, quantity(one.charging_profile_entry_max_power)) for one in made
    ] == [(0, 10_000.0), (600, 2_000.0), (1_201, 10_000.0)]


@pytest.mark.parametrize(("left_s", "renews"), [(DAY + 1.0, False), (DAY, True), (DAY - 1.0, True)])
def test_a_contract_is_renewed_so_many_days_before_it_ends(left_s: float, renews: bool) -> None:
    talk = Host(contracts=held("contract-0"), iso2={"contract_update_days": 1.0}).session._talk
    assert talk.contracts is not None
    (contract,) = talk.contracts.usable(edition="iso2", unix_time=EPOCH)
    talk.now = contract.not_after.timestamp() - left_s - talk.epoch
    wanted = plug_and_charge._certificate_wanted(talk, contract)
    assert wanted == (2 if renews else None)
    talk.epoch = 0.0  # nobody knows what day it is
    assert plug_and_charge._certificate_wanted(talk, contract) is None
