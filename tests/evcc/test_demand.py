"""What a vehicle of ISO 15118-20 asks for in a turn over direct current, and what it takes from the answer.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig
from iso15118.evcc.conversation import Conversation
from iso15118.evcc.iso20 import energy, loop
from iso15118.evcc.iso20.plan import ChosenSchedule, Plan
from iso15118.messages.iso20 import dc
from iso15118.messages.values import DischargeLimitSign, rational, si
from iso15118.session.events import InletMeasured
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.evcc.station import BATTERY_V, STATION, VEHICLE, Host, battery

DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
ASKING = {"maximum_charge_power_w": 0.0, "minimum_discharge_power_w": 80_000.0}
"""A station that wants energy."""


def talk_of(cells: Any = None, limits: VehicleLimits = VEHICLE, **settings: Any) -> Conversation:
    talk = Host(config=EvccConfig(**settings), limits=limits).session._talk
    talk.battery = battery(**(cells or {}))
    talk.inlet = InletMeasured(BATTERY_V, 10.0)
    return talk


def plan_of(mode: ControlMode = SCHEDULED, *, bidirectional: bool = False, **station: float) -> Plan:
    limits = replace(STATION, **station)
    service = SERVICES[ServiceID.DC_BPT if bidirectional else ServiceID.DC]
    return Plan(service=service, control_mode=mode, offer=limits, station=limits)


def gives(**station: float) -> Plan:
    """At a station that asks for energy."""
    plan = plan_of(bidirectional=True)
    asks = ASKING | station
    asks["minimum_discharge_power_w"] = min(80_000.0, asks.get("maximum_discharge_power_w", 80_000.0))
    plan.station = replace(plan.station, **asks)
    plan.ask_to_discharge_w = asks["minimum_discharge_power_w"]
    return plan


def said(talk: Conversation, plan: Plan, *, winding_down: bool = False) -> Any:
    return loop.loop_request(talk, plan, False, winding_down=winding_down).cl_req_control_mode


def current_a(talk: Conversation, plan: Plan, *, winding_down: bool = False) -> float:
    return si(said(talk, plan, winding_down=winding_down).ev_target_current)


def scheduled(power_w: float, back_w: float | None = None) -> ChosenSchedule:
    back = None if back_w is None else Schedule.of(0.0, [(3600.0, back_w)])
    return ChosenSchedule(
        tuple_id=1,
        charging=Schedule.of(0.0, [(3600.0, power_w)]),
        discharging=back,
        anchor=0,
        names_tolerance=False,
    )


# -- charging ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "station", "asked_a"),
    [
        ({}, {}, 1000.0),
        ({"target_current_a": 1_500.0, "maximum_charge_power_w": 80_000.0}, {}, 100.0),
        ({"maximum_charge_current_a": 90.0}, {}, 90.0),
        ({"maximum_charge_power_w": 80_000.0}, {"minimum_charge_current_a": 100.0}, 100.0),
        ({"maximum_charge_power_w": 80_000.0}, {"minimum_charge_current_a": 100.1}, 0.0),
        ({"maximum_charge_power_w": 80_000.0}, {"minimum_charge_power_w": 80_000.0}, 100.0),
        ({"maximum_charge_power_w": 80_000.0}, {"minimum_charge_power_w": 81_000.0}, 0.0),
        ({"target_voltage_v": 700.0}, {"minimum_voltage_v": 701.0}, 0.0),
        ({"maximum_voltage_v": 700.0}, {"minimum_voltage_v": 701.0}, 0.0),
        ({"maximum_voltage_v": 701.0, "target_voltage_v": 702.0}, {"minimum_voltage_v": 701.0}, 1000.0),
        ({"voltage_v": 0.0, "maximum_charge_power_w": 100.0}, {}, 100.0),
        ({"voltage_v": 0.5, "maximum_charge_power_w": 100.0}, {}, 100.0),
        ({"voltage_v": 1.2, "maximum_charge_power_w": 120.0}, {}, 100.0),
        ({"voltage_v": 1.5, "maximum_charge_power_w": 150.0}, {}, 100.0),
    ],
)
def test_the_current_that_is_asked_for(
    cells: dict[str, float], station: dict[str, float], asked_a: float
) -> None:
    talk, plan = talk_of(cells), plan_of(SCHEDULED, bidirectional=False, **station)
    assert current_a(talk, plan) == asked_a
    assert current_a(talk, plan, winding_down=True) == 0.0


def test_the_schedule_and_the_other_channel_let_no_more_flow() -> None:
    talk, plan = talk_of(), plan_of(bidirectional=True)
    plan.schedule = scheduled(80_000.0)
    talk.now = 100.0
    assert current_a(talk, plan) == 100.0
    plan.separate_channels = plan.discharge_channel = True
    assert current_a(talk, plan) == 0.0


def test_what_is_told_of_the_vehicle_in_scheduled_mode() -> None:
    cells = {"maximum_voltage_v": 890.0, "maximum_discharge_power_w": 12_000.0}
    for sign, factor in ((DischargeLimitSign.PLUS, 1.0), (DischargeLimitSign.MINUS, -1.0)):
        mode = said(talk_of(cells, discharge_limit_sign=sign), plan_of(bidirectional=True))
        assert si(mode.ev_target_voltage) == 890.0
        assert si(mode.ev_maximum_voltage) == VEHICLE.maximum_voltage_v
        assert si(mode.ev_maximum_charge_power) == 1_200_000.0
        assert si(mode.ev_maximum_charge_current) == 1_500.0
        assert si(mode.ev_maximum_discharge_power) == factor * 12_000.0
        assert si(mode.ev_maximum_discharge_current) == factor * 400.0
    assert type(said(talk_of(), plan_of())) is dc.ScheduledDCCLReqControlMode


def test_a_battery_that_changes_is_told_in_the_next_turn() -> None:
    talk, plan = talk_of(), plan_of()
    assert si(said(talk, plan).ev_maximum_charge_current) == 1_500.0
    for field, value in (("maximum_charge_current_a", 50.0), ("maximum_charge_power_w", 9_000.0)):
        talk.battery = battery(**{field: value})
        name = {"maximum_charge_current_a": "ev_maximum_charge_current"}.get(field, "ev_maximum_charge_power")
        assert si(getattr(said(talk, plan), name)) == value


# -- giving back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "settings", "bidirectional", "asks_w", "wanted"),
    [
        ({}, {}, True, 80_000.0, True),
        ({}, {}, True, 0.0, False),
        ({}, {}, False, 80_000.0, False),
        ({}, {"allow_discharge": False}, True, 80_000.0, False),
        ({"energy_to_minimum_wh": 0.0}, {}, True, 80_000.0, False),
        ({"energy_to_minimum_wh": -0.1}, {}, True, 80_000.0, True),
        ({"soc": 20.0}, {}, True, 80_000.0, False),
        ({"soc": 20.1}, {}, True, 80_000.0, True),
        ({"soc": 20.1}, {"minimum_soc": 21}, True, 80_000.0, False),
    ],
)
def test_energy_is_given_where_station_driver_and_battery_want_it(
    cells: dict[str, float], settings: dict[str, Any], bidirectional: bool, asks_w: float, wanted: bool
) -> None:
    plan = plan_of(bidirectional=bidirectional)
    plan.ask_to_discharge_w = asks_w
    assert loop.discharging_wanted(talk_of(cells, **settings), plan) is wanted


@pytest.mark.parametrize(
    ("cells", "station", "back_w", "asked_a"),
    [
        ({}, {}, None, -375.0),
        ({"maximum_discharge_current_a": 50.0}, {}, None, -50.0),
        ({}, {"maximum_discharge_current_a": 60.0}, None, -60.0),
        ({}, {"maximum_discharge_power_w": 40_000.0}, None, -50.0),
        ({}, {}, 16_000.0, -20.0),
        ({}, {}, 0.0, 0.0),
        ({"voltage_v": 0.0}, {"maximum_discharge_power_w": 100.0}, None, -100.0),
    ],
)
def test_what_is_given_back(
    cells: dict[str, float], station: dict[str, float], back_w: float | None, asked_a: float
) -> None:
    talk, plan = talk_of(cells), gives(**station)
    if back_w is not None:
        plan.schedule = scheduled(0.0, back_w)
        talk.now = 100.0
    assert current_a(talk, plan) == asked_a
    assert current_a(talk, plan, winding_down=True) == 0.0


def test_what_the_station_asks_for_is_a_wish_and_only_its_hardware_needs_a_least() -> None:
    talk, plan = talk_of({"maximum_discharge_power_w": 40_000.0}), gives()
    assert current_a(talk, plan) == -50.0  # less than the 80 kW that it would like
    plan.offer = replace(plan.offer, minimum_discharge_power_w=50_000.0)
    assert current_a(talk, plan) == 0.0


# -- Dynamic mode ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "winding_down", "allowed", "current", "back"),
    [
        ({}, False, True, 1_000.0, 400.0),
        ({"target_current_a": -5.0}, False, True, 0.0, 400.0),
        ({"target_current_a": 1_600.0}, False, True, 1_500.0, 400.0),
        ({}, True, True, 0.0, 0.0),
        ({}, False, False, 1_000.0, 0.0),
        ({"soc": 20.0}, False, True, 1_000.0, 0.0),
        ({"soc": 20.1}, False, True, 1_000.0, 400.0),
    ],
)
def test_what_a_station_may_do_with_the_battery(
    cells: dict[str, float], winding_down: bool, allowed: bool, current: float, back: float
) -> None:
    limits = replace(VEHICLE, minimum_discharge_power_w=1_000.0, minimum_charge_power_w=2_000.0)
    talk = talk_of(cells, limits, allow_discharge=allowed)
    mode = said(talk, plan_of(DYNAMIC, bidirectional=True), winding_down=winding_down)
    assert si(mode.ev_maximum_charge_current) == current
    assert si(mode.ev_minimum_charge_power) == 2_000.0
    assert si(mode.ev_maximum_discharge_current) == back
    assert si(mode.ev_maximum_discharge_power) == (300_000.0 if back else 0.0)
    assert si(mode.ev_minimum_discharge_power) == (1_000.0 if back else 0.0)
    assert type(said(talk, plan_of(DYNAMIC))) is dc.DynamicDCCLReqControlMode


def test_a_least_is_never_above_what_the_battery_takes_now() -> None:
    limits = replace(VEHICLE, minimum_charge_power_w=2_000.0, minimum_discharge_power_w=2_000.0)
    cells = {
        "maximum_charge_power_w": 1_500.0,
        "maximum_discharge_power_w": 1_000.0,
        "maximum_voltage_v": 500.0,
    }
    mode = said(talk_of(cells, limits), plan_of(DYNAMIC, bidirectional=True))
    assert si(mode.ev_minimum_charge_power) <= si(mode.ev_maximum_charge_power) <= 1_500.0
    assert si(mode.ev_minimum_discharge_power) <= si(mode.ev_maximum_discharge_power) <= 1_000.0
    assert si(mode.ev_minimum_voltage) == si(mode.ev_maximum_voltage) == 500.0


# -- what is taken from an answer --------------------------------------------------------------------------

LEAST = StationLimits(
    maximum_charge_power_w=100_000.0,
    minimum_charge_power_w=1_000.0,
    maximum_charge_current_a=200.0,
    minimum_charge_current_a=5.0,
    maximum_voltage_v=900.0,
    minimum_voltage_v=200.0,
    maximum_discharge_power_w=50_000.0,
    minimum_discharge_power_w=500.0,
    maximum_discharge_current_a=100.0,
    minimum_discharge_current_a=2.0,
)


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"evse_maximum_charge_power": 60_000.0}, {"maximum_charge_power_w": 60_000.0}),
        ({"evse_maximum_charge_power": 160_000.0}, {}),
        ({"evse_maximum_charge_power": -1.0}, {"maximum_charge_power_w": 0.0, "minimum_charge_power_w": 0.0}),
        (
            {"evse_maximum_charge_power": 999.0},
            {"maximum_charge_power_w": 0.0, "minimum_charge_power_w": 0.0},
        ),
        ({"evse_maximum_charge_power": 1_000.0}, {"maximum_charge_power_w": 1_000.0}),
        ({"evse_minimum_charge_power": 2_000.0}, {"minimum_charge_power_w": 2_000.0}),
        ({"evse_minimum_charge_power": 10.0}, {}),
        (
            {"evse_maximum_charge_power": 3_000.0, "evse_minimum_charge_power": 4_000.0},
            {"maximum_charge_power_w": 3_000.0, "minimum_charge_power_w": 3_000.0},
        ),
        (
            {"evse_maximum_charge_current": 4.9},
            {"maximum_charge_current_a": 0.0, "minimum_charge_current_a": 0.0},
        ),
        ({"evse_maximum_voltage": 150.0}, {"maximum_voltage_v": 150.0, "minimum_voltage_v": 150.0}),
        ({"evse_minimum_voltage": 300.0}, {"minimum_voltage_v": 300.0}),
        ({"evse_maximum_discharge_power": -30_000.0}, {"maximum_discharge_power_w": 30_000.0}),
        ({"evse_maximum_discharge_current": -30.0}, {"maximum_discharge_current_a": 30.0}),
        ({"evse_minimum_discharge_power": -600.0}, {"minimum_discharge_power_w": 600.0}),
    ],
    ids=str,
)
def test_an_answer_narrows_the_offer_and_the_next_one_lets_it_hold_again(
    fields: dict[str, float], changed: dict[str, float]
) -> None:
    plan = Plan(service=SERVICES[ServiceID.DC_BPT], offer=LEAST, station=LEAST)
    whole = dict.fromkeys(("evse_maximum_charge_power", "evse_maximum_discharge_power"), 1e6) | {
        "evse_minimum_charge_power": 1_000.0,
        "evse_maximum_charge_current": 1_000.0,
        "evse_maximum_voltage": 900.0,
        "evse_minimum_voltage": 200.0,
        "evse_minimum_discharge_power": 500.0,
        "evse_maximum_discharge_current": 1_000.0,
    }

    def mode(values: dict[str, float]) -> Any:
        return dc.BPTScheduledDCCLResControlMode(**{name: rational(one) for name, one in values.items()})

    loop.take_limits(plan, mode(whole | fields))
    assert plan.station == replace(LEAST, **changed)
    assert plan.ask_to_discharge_w == (500.0 if plan.station.maximum_charge_power_w == 0.0 else 0.0)
    loop.take_limits(plan, mode(whole))
    assert (plan.station, plan.ask_to_discharge_w) == (LEAST, 0.0)


# -- what the supervision is told --------------------------------------------------------------------------


@pytest.mark.parametrize("target", [5.0, 0.0, -7.0])
def test_the_target_is_what_may_flow_in_scheduled_mode(target: float) -> None:
    mode = said(talk_of(), plan_of(bidirectional=True))
    asked = energy._asked(replace(mode, ev_target_current=rational(target)))
    assert asked == (max(target, 0.0), max(-target, 0.0))


@pytest.mark.parametrize("sign", list(DischargeLimitSign), ids=lambda one: one.name)
def test_the_maxima_are_what_may_flow_in_dynamic_mode(sign: DischargeLimitSign) -> None:
    talk = talk_of(discharge_limit_sign=sign)
    assert energy._asked(said(talk, plan_of(DYNAMIC, bidirectional=True))) == (1_000.0, 400.0)
    assert energy._asked(said(talk, plan_of(DYNAMIC))) == (1_000.0, 0.0)
