"""When a vehicle of any edition has had enough, what it signs of a meter, and how it says that no contract
pays: at the edges.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc import EvccConfig
from iso15118.evcc import needs as common
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso2.setup import modes_of
from iso15118.evcc.metering import MeterReading, MeterWatch
from iso15118.evcc.negotiation import _chosen
from iso15118.evcc.no_contract import Untold, leave_without_contract
from iso15118.messages import app
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason
from iso15118.session.limits import NO_DC_SIDE
from iso15118.session.services import ServiceID
from tests.evcc.station import Host, battery

NOW = 1_000.0


@dataclass
class Charge:
    """What an edition keeps of one."""

    power_w: float = 1_000.0
    over: bool = False
    idle_since: float | None = None
    too_little_since: float | None = None

    def scheduled_power_w(self, now: float) -> float:
        return self.power_w

    def schedule_over(self, now: float) -> bool:
        return self.over


def talk_of(cells: Any = None, **settings: Any) -> Conversation:
    talk = Host(config=EvccConfig(**settings)).session._talk
    talk.battery, talk.now = battery(**(cells or {})), NOW
    return talk


# -- enough ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("departs_at", "left_s"), [(None, None), (NOW + 1.9, 1), (NOW, 0), (NOW - 5.0, 0)])
def test_a_departure_counts_down_to_nothing(departs_at: float | None, left_s: int | None) -> None:
    talk = talk_of()
    talk.departure_at = departs_at
    assert common.departure_s(talk) == left_s


@pytest.mark.parametrize(
    ("soc", "to_target_wh", "lacks_wh"),
    [(50.0, 100.0, 100.0), (79.0, 1e6, 5_400.0), (81.0, 1e6, -5_400.0), (50.0, -3.0, -3.0)],
)
def test_the_nearer_of_two_targets_counts(soc: float, to_target_wh: float, lacks_wh: float) -> None:
    talk = talk_of({"soc": soc, "energy_to_target_wh": to_target_wh})
    assert common.wanted_wh(talk) == pytest.approx(lacks_wh)


@pytest.mark.parametrize(
    ("cells", "lacks_wh", "enough"),
    [
        ({}, 1.0, False),
        ({"complete": True}, 1.0, True),
        ({"target_current_a": 0.0}, 1.0, False),
        ({"target_current_a": 0.09}, 1.0, True),
        ({"target_current_a": 0.1}, 1.0, False),
        ({}, 0.05, True),
        ({}, 0.051, False),
    ],
)
def test_who_has_enough(cells: dict[str, Any], lacks_wh: float, enough: bool) -> None:
    assert common.has_enough(talk_of(cells), lacks_wh) is enough


@pytest.mark.parametrize(
    ("target_v", "volts", "told_v"),
    [
        (940.0, 800.0, 940.0),
        (941.0, 800.0, 940.0),
        (948.0, 945.0, 947.0),
        (948.0, 949.0, 948.0),
        (960.0, 949.0, 950.0),
    ],
)
def test_a_target_keeps_off_the_maximum_where_that_costs_nothing(
    target_v: float, volts: float, told_v: float
) -> None:
    talk = talk_of({"target_voltage_v": target_v, "maximum_voltage_v": 960.0, "voltage_v": volts})
    assert common.target_voltage(talk, 10.0) == told_v


@pytest.mark.parametrize(
    ("current_a", "flows", "idle"),
    [(1.0, None, False), (-1.0, None, False), (0.9, None, True), (0.0, True, False), (5.0, False, True)],
)
def test_what_flows_is_no_reason_to_leave(current_a: float, flows: bool | None, idle: bool) -> None:
    talk, charge = talk_of(), Charge()
    talk.inlet = ev.InletMeasured(800.0, current_a)
    assert common.enough(talk, charge, below_minimum=False, flows=flows) is None
    assert charge.idle_since == (NOW if idle else None)


@pytest.mark.parametrize(
    ("power_w", "over", "rests"),
    [(0.0, False, True), (0.5, False, False), (0.0, True, False), (1.0, True, False)],
)
def test_what_was_agreed_on_rests_as_agreed(power_w: float, over: bool, rests: bool) -> None:
    talk, charge = talk_of(no_power_s=60.0), Charge(over=over)
    ends = []
    for later in (0.0, 59.9, 60.0):
        talk.now = NOW + later
        ends.append(common.no_way_on(talk, charge, power_w, flows=False, below_minimum=False))
    assert ends[:2] == [None, None]
    left = act.SessionEnded(EndReason.STOPPED_BY_EV, "no power for 60 s")
    assert ends[2] == (None if rests else left)


def test_too_little_for_its_time() -> None:
    talk, charge = talk_of(below_minimum_s=60.0), Charge()
    for later, below, leaves in (
        (0.0, True, False),
        (59.9, True, False),
        (59.9, False, False),
        (60.0, True, False),
        (119.9, True, False),
        (120.0, True, True),
    ):
        talk.now = NOW + later
        end = common.no_way_on(talk, charge, 1.0, flows=True, below_minimum=below)
        assert (end is not None) is leaves


def test_a_wish_comes_before_the_battery_and_the_battery_before_the_departure() -> None:
    talk, charge = talk_of({"energy_to_target_wh": 0.0}), Charge()
    talk.departure_at = NOW
    talk.stop_wanted, talk.pause_wanted = "stop", "pause"
    said = []
    for change in ("stop_wanted", "pause_wanted", "", None):
        end = common.enough(talk, charge, below_minimum=False)
        said.append(None if end is None else end.detail)
        if change:
            setattr(talk, change, "")
        talk.battery = battery(energy_to_target_wh=0.0 if change else 100.0)
    assert said == ["stop", "pause", "", "departure"]
    talk.departure_at = NOW + 0.1
    assert common.enough(talk, charge, below_minimum=False) is None


# -- the meter ---------------------------------------------------------------------------------------------


def test_the_greatest_power_of_either_direction_is_what_may_be_on_its_way() -> None:
    """A reading may be 10 s old: with 36 kW, 100 Wh to either side."""
    config = EvccConfig(meter_delay_s=10.0, meter_tolerance_wh=0.0, meter_tolerance_percent=0.0)
    for powers in (
        (36_000.0, 100.0),
        (100.0, 36_000.0),
        (-36_000.0, 100.0),
        (100.0, -36_000.0),
        (36_000.0, -36_000.0),
    ):
        watch = MeterWatch(config)
        watch.saw(MeterReading(meter_id="m", charged_wh=0.0))
        for power_w in powers:
            watch.power("charger", power_w, None, 0.0)
        assert watch.why_not(MeterReading(meter_id="m", charged_wh=100.0)) == ""
        assert watch.why_not(MeterReading(meter_id="m", charged_wh=100.1)) != ""


def test_a_power_is_counted_as_such() -> None:
    watch = MeterWatch(EvccConfig(meter_delay_s=0.0, meter_tolerance_wh=0.5, meter_tolerance_percent=0.0))
    watch.saw(MeterReading(meter_id="m", charged_wh=0.0))
    watch.power("charger", 1_000.0, 0.0, 0.0)
    watch.power("charger", 1_000.0, 1_800.0, 1_800.0)
    watch.power("charger", 1_000.0, 9_999.0, 3_600.0)  # nobody measures tomorrow
    assert watch.why_not(MeterReading(meter_id="m", charged_wh=1_000.0)) == ""
    assert watch.why_not(MeterReading(meter_id="m", charged_wh=1_001.0)) != ""


@pytest.mark.parametrize("place", ["inlet", "charger", "coil"])
def test_places_that_show_nothing_take_nothing_from_the_one_where_it_flows(place: str) -> None:
    """A vehicle with all of them reads each several times a second, one after the other."""
    watch = MeterWatch(EvccConfig(meter_delay_s=0.0, meter_tolerance_wh=0.5, meter_tolerance_percent=0.0))
    watch.saw(MeterReading(meter_id="m", charged_wh=0.0))
    for minute in range(61):
        now = 60.0 * minute
        powers = {one: 7_200.0 if one == place else 0.0 for one in ("inlet", "charger", "coil")}
        watch.measured(ev.InletMeasured(400.0, powers.pop("inlet") / 400.0), now)
        for where, power_w in powers.items():
            watch.power(where, power_w, None, now)
    assert watch.why_not(MeterReading(meter_id="m", charged_wh=7_200.0)) == ""


def test_counters_of_the_vehicle_count_what_flows_through_its_charger_as_well() -> None:
    watch = MeterWatch(EvccConfig(meter_delay_s=0.0, meter_tolerance_wh=0.5, meter_tolerance_percent=0.0))
    watch.saw(MeterReading(meter_id="m", charged_wh=0.0))
    for hour in range(3):
        watch.measured(ev.InletMeasured(0.0, charged_wh=500.0 + 1_000.0 * hour), 3_600.0 * hour)
        watch.power("charger", 1_000.0, None, 3_600.0 * hour)
    assert watch.why_not(MeterReading(meter_id="m", charged_wh=2_000.0)) == ""


# -- no contract pays --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("set_aside", "detail"),
    [
        ((), ""),
        (("a: old", "the way out"), "no; a: old; the way out"),
        (("x" * 280, "the way out"), "no; " + "x" * 280 + "; the way out"),
        (("x" * 290, "the way out"), "no; and 1 more; the way out"),
        (
            ("a" * 130, "b" * 130, "c" * 130, "the way out"),
            "no; " + "a" * 130 + "; " + "b" * 130 + "; and 1 more; the way out",
        ),
        (("a" * 285, "b" * 100, "c", "way"), "no; and 3 more; way"),
    ],
)
def test_as_many_contracts_are_named_as_a_detail_can_carry(set_aside: tuple[str, ...], detail: str) -> None:
    talk = talk_of()
    talk.refusals, talk.set_aside = ["no"] if set_aside else [], set_aside
    leave = leave_without_contract(talk)
    assert leave.detail == detail
    assert len(leave.detail) <= 300
    assert leave.told == ("no" if set_aside else "")


@pytest.mark.parametrize(("length", "beside"), [(279, False), (280, True)])
def test_a_detail_of_three_hundred_characters_is_one(length: int, beside: bool) -> None:
    talk = talk_of()
    talk.refusals, talk.set_aside = ["no", Untold("me")], ("x" * length, "the way out")
    leave = leave_without_contract(talk)
    assert ("and 1 more" in leave.detail) is beside
    assert beside or len(leave.detail) == 300
    assert leave.told == "no"


# -- what is offered and chosen ----------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "place"), [(1, 0), (2, 1), (0, None), (3, None), (None, None)])
def test_a_choice_is_one_of_those_that_were_offered(number: int | None, place: int | None) -> None:
    offers: list[Any] = ["first", "second"]
    answer = app.SupportedAppProtocolRes(
        response_code=app.ResponseCode.OK_SuccessfulNegotiation, schema_id=number
    )
    talk = talk_of()
    if place is None:
        with pytest.raises(Exception, match="SchemaID"):
            _chosen(talk, answer, offers)
        only: Any = _chosen(talk, answer, offers[:1])
        assert only == "first"  # it can mean nothing else
        return
    assert _chosen(talk, answer, offers) == offers[place]


M = EnergyTransferMode


@pytest.mark.parametrize(
    ("services", "phases", "dc", "modes"),
    [
        ((ServiceID.AC,), 3, False, [M.AC_three_phase_core, M.AC_single_phase_core]),
        ((ServiceID.AC,), 1, False, [M.AC_single_phase_core]),
        ((ServiceID.AC,), 0, True, []),
        ((ServiceID.DC,), 3, True, [M.DC_extended, M.DC_core]),
        ((ServiceID.DC,), 3, False, []),
        ((ServiceID.DC_ACDP,), 3, True, []),
    ],
)
def test_the_modes_of_the_older_edition_need_service_and_hardware(
    services: Any, phases: int, dc: bool, modes: list[M]
) -> None:
    every = (M.DC_extended, M.DC_core, M.AC_three_phase_core, M.AC_single_phase_core)
    talk = talk_of(services=services)
    talk.config = replace(talk.config, iso2=replace(talk.config.iso2, energy_transfer_modes=every))
    talk.charger = AcVehicleLimits.of(current_a=16.0, phases=phases) if phases else None
    talk.limits = talk.limits if dc else NO_DC_SIDE
    assert list(modes_of(talk)) == modes
