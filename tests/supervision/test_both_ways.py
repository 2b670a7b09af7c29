"""What is judged one way is judged the other way, too: current out of a vehicle as into it, in every edition,
at an outlet as at a DC output, and behind the end of a session without messages.

Each was a rule of one side alone.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.secc.iso20.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.session.supervision import Rule, StationSupervisor, SupervisionLimits, VehicleSupervisor
from iso15118.simulation.faults import ReadingFault
from tests.connector.test_basic_stops import AT_ONCE, BOTH_AT_ONCE, STOP, flowing
from tests.connector.test_basic_stops import station as basic_station
from tests.connector.test_basic_stops import vehicle as basic_vehicle
from tests.pair.rig import pair
from tests.secc.ac_vehicle import AcDrive
from tests.supervision.test_no_time_gained import found
from tests.supervision.test_numbers import FAULT
from tests.supervision.test_numbers import STOP as STOPS
from tests.supervision.test_vehicle_numbers import bidirectional, vehicle
from tests.supervision.test_wireless_numbers import Bench, numbers


@pytest.mark.parametrize("amperes", [5.1, -5.1])
def test_a_hot_inlet_carries_no_current_in_either_direction(amperes: float) -> None:
    supervisor = vehicle()
    bidirectional(supervisor)
    supervisor.battery(880.0, 300.0, True, -50.0, -50.0)
    assert found(supervisor, 800.0, amperes, 12.0) == [
        (5.0, Rule.INLET_HOT, STOPS),
        (10.0, Rule.INLET_HOT, FAULT),
    ]
    supervisor = vehicle()
    bidirectional(supervisor)
    supervisor.battery(880.0, 300.0, True, -50.0, -50.0)
    supervisor.measured(800.0, 0.0, 0.0, 0.0)
    assert supervisor.within(800.0, amperes / 1.1, 1.0)
    assert not supervisor.within(800.0, amperes, 1.0)


# -- the wrong way, where nobody can give


def charge_only(**limits: Any) -> tuple[StationSupervisor, VehicleSupervisor]:
    """3,000 A into the vehicle and none out of it: a supply with its contactors closed, and an inlet."""
    settings = SupervisionLimits(**limits)
    supply = StationSupervisor(settings)
    supply.negotiated(1250.0, 3000.0, 0.0)
    supply.contactors(True)
    supply.told(True)
    supply.set_power(1000.0, 100.0, 100_000.0, False, -100.0)
    inlet = VehicleSupervisor(settings, maximum_v=1250.0, charge_a=3000.0, discharge_a=0.0)
    inlet.told(True, -100.0)
    inlet.contactors(True)
    inlet.battery(1250.0, 3000.0, False, -100.0, -100.0)
    inlet.asked(100.0, 0.0, -100.0)
    return supply, inlet


def test_the_offset_of_a_large_sensor_is_no_over_current_the_wrong_way() -> None:
    for supervisor in charge_only():
        assert found(supervisor, 1000.0, -30.0) == []
    for amperes in (-30.1, -3000.0):
        for supervisor in charge_only():
            assert found(supervisor, 1000.0, amperes)[0] == (0.2, Rule.REVERSE_CURRENT, FAULT)
    for supervisor in charge_only(off=(Rule.REVERSE_CURRENT,)):
        assert found(supervisor, 1000.0, -5.0) == []
        assert found(supervisor, 1000.0, -5.1)[0][1:] == (Rule.OVER_CURRENT, FAULT)  # type: ignore[index]


def test_who_can_give_but_little_has_a_rating_the_other_way() -> None:
    supply = charge_only()[0]
    supply.negotiated(1250.0, 3000.0, 1.0)
    inlet = VehicleSupervisor(SupervisionLimits(), maximum_v=1250.0, charge_a=3000.0, discharge_a=1.0)
    inlet.told(True, -100.0)
    inlet.contactors(True)
    inlet.battery(1250.0, 3000.0, False, -100.0, -100.0)
    inlet.asked(100.0, 0.0, -100.0)
    both: tuple[StationSupervisor | VehicleSupervisor, ...] = (supply, inlet)
    for supervisor in both:
        assert found(supervisor, 1000.0, -6.0) == []
        assert found(supervisor, 1000.0, -6.1)[0][1:] == (Rule.OVER_CURRENT, FAULT)  # type: ignore[index]


@pytest.mark.parametrize("edition", ["din", "iso2", "iso20"])
def test_a_vehicle_of_every_edition_finds_what_it_did_not_ask_for_the_wrong_way(edition: str) -> None:
    plain = {"secure": False} if edition == "din" else {"tls_version": "TLSv1.2"} if edition == "iso2" else {}
    rig = pair(
        look_s=0.05,
        battery={"target_soc": 90.0},
        evcc={"target_soc": 90, "editions": (edition,)},
        secc={"editions": (edition,)},
        **plain,
    )
    rig.run(until=lambda: rig.loops == 100)
    began = rig.now
    rig.vehicle.faults.shows("inlet", ReadingFault.REVERSE, 100.0)
    while rig.evcc.ended is None and rig.now < began + 5.0:
        rig.step()
    assert rig.evcc.ended is not None
    assert (rig.evcc.ended.reason, rig.evcc.ended.rule) == (EndReason.HARDWARE_FAULT, "reverse-current")
    assert rig.now - began < 0.35


# -- without a DC output


def test_what_counts_as_no_power_at_a_pad_does_not_hang_on_another_rule() -> None:
    assert SupervisionLimits(over_power_w=300.0).no_power_w == 300.0
    assert SupervisionLimits(over_power_w=None).no_power_w == 500.0
    bench = Bench(over_power_w=None)
    assert bench.show(1.0, 500.0) == []
    assert numbers(bench.show(1.0, 500.1)) == [(Rule.CURRENT_WITHOUT_PERMISSION, 500.1, 500.0)]


def test_contactors_of_an_outlet_that_do_not_open_are_found() -> None:
    drive = AcDrive().to(State.AC_CHARGE_LOOP)
    drive.book.tell(ev.EmergencyShutdown("button"))
    assert drive.session._facts.contactors_closed
    told: list[str] = []
    for _ in range(80):
        drive.book.now += 0.05
        drive.book.tell(ev.AcMeasured(voltage_v=(230.0,) * 3))
        told += [one.rule for one in drive.book.actions if isinstance(one, act.SupervisionWarning)]
        if told:
            break
    assert told == [Rule.CONTACTOR_LEVEL.value]
    assert [one.urgency for one in drive.book.actions if isinstance(one, act.OpenContactors)] == [
        Urgency.EMERGENCY
    ]


def test_a_session_without_messages_asks_again_when_its_end_did_not_help() -> None:
    for end, asks in ((basic_station(), BOTH_AT_ONCE), (basic_vehicle(), [(STOP, AT_ONCE)])):
        end.tell(ev.HardwareFault("meter", "short circuit"))
        asked = []
        for _ in range(30):
            end.now = round(end.now + 0.1, 1)
            asked += [one for one in end.tell(flowing(16.0)) if one in asks]
        assert asked[: len(asks)] == asks
        assert len(asked) <= 2 * len(asks), "once by each rule"
    end = basic_station()
    end.tell(ev.HardwareFault("meter", "short circuit"))
    for _ in range(30):
        end.now = round(end.now + 0.1, 1)
        assert end.tell(flowing(0.0)) == []
