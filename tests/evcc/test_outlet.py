"""A vehicle of ISO 15118-20 at an AC outlet: what it reads in the offer and in the answers, and what its
charger is told to do by them.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.ac import NOTHING, each
from iso15118.energy.schedule import Schedule
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso20 import ac_energy, ac_loop, ac_setup
from iso15118.evcc.iso20.plan import AcPlan, ChosenSchedule, Plan
from iso15118.messages.iso20 import ac
from iso15118.messages.iso20.common_types import MessageHeader, ResponseCode
from iso15118.messages.values import DischargeLimitSign, rational, si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits, Islanding
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from tests.evcc.station import battery

DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED
CHARGER = AcVehicleLimits.of(current_a=16.0, discharge_a=16.0)
W16 = 16.0 * 230.0


def talk_of(charger: AcVehicleLimits = CHARGER, cells: Any = None, **settings: Any) -> Conversation:
    config = EvccConfig(services=(ServiceID.AC, ServiceID.AC_BPT), **settings)
    return EvccSession(config, None, battery(**(cells or {})), epoch=1.79e9, charger=charger)._talk


def plan_of(
    talk: Conversation, mode: ControlMode = DYNAMIC, *, back: bool = True, phases: int = 3, **outlet: Any
) -> Plan:
    plan = Plan(service=SERVICES[ServiceID.AC_BPT if back else ServiceID.AC], control_mode=mode)
    plan.ac.phases = phases
    plan.ac.own = ac_setup.declared(talk, plan)
    most = AcStationLimits.of(current_a=32.0, phases=phases, discharge_a=32.0)
    plan.ac.offer = replace(most, **outlet)
    return plan


def told(talk: Conversation, plan: Plan, **options: Any) -> Any:
    """The bounds that the charger is told now; None: nothing new."""
    talk.outbox.clear()
    ac_loop.set_charger(talk, plan, **options)
    found = [one.bounds for one in talk.outbox if isinstance(one, act.SetCharger)]
    return found[0] if found else None


def target(talk: Conversation, plan: Plan, watts: float | None, **changes: Any) -> None:
    kind: Any = plan.service.dynamic_res if plan.control_mode is DYNAMIC else plan.service.scheduled_res
    fields = {} if watts is None else {"evse_target_active_power": rational(watts)}
    take(talk, plan, kind(**fields, **changes))


def take(talk: Conversation, plan: Plan, mode: Any, frequency: float | None = None) -> None:
    header = MessageHeader(session_id=bytes(8), time_stamp=0)
    hertz = None if frequency is None else rational(frequency)
    answer = ac.ACChargeLoopRes(
        header=header, response_code=ResponseCode.OK, cl_res_control_mode=mode, evse_target_frequency=hertz
    )
    ac_loop.take_answer(talk, plan, answer)


def schedule(power_w: float, back_w: float | None = None) -> ChosenSchedule:
    back = None if back_w is None else Schedule.of(0.0, [(3600.0, back_w)])
    charging = Schedule.of(0.0, [(3600.0, power_w)])
    return ChosenSchedule(tuple_id=1, charging=charging, discharging=back, anchor=0, names_tolerance=False)


# -- the chosen parameter set ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("volts", "taken"),
    [(None, 230.0), (49, 230.0), (50, 50.0), (400, 400.0), (1000, 1000.0), (1001, 230.0)],
)
def test_a_nominal_voltage_that_is_none_is_noted(volts: int | None, taken: float) -> None:
    talk, plan = talk_of(), AcPlan()
    ac_setup.take_parameters(talk, plan, {"Connector": 2, "EVSENominalVoltage": volts})
    assert plan.nominal_voltage_v == taken
    assert ("nominal-voltage" in talk.noted) is (volts != taken)


@pytest.mark.parametrize(
    ("parameters", "phases", "functions", "forms", "islanding"),
    [
        ({}, 1, 0, False, None),
        ({"Connector": 1}, 1, 0, False, None),
        ({"Connector": 2, "DERControlFunctions": 5}, 3, 5, False, None),
        ({"GeneratorMode": 1, "GridCodeIslandingDetectionMethod": 1}, 1, 0, False, Islanding.ACTIVE),
        ({"GeneratorMode": 2, "GridCodeIslandingDetectionMethod": 2}, 1, 0, True, Islanding.PASSIVE),
        ({"GeneratorMode": None, "GridCodeIslandingDetectionMethod": 3}, 1, 0, False, None),
    ],
    ids=str,
)
def test_what_else_the_set_says(
    parameters: dict[str, int | None], phases: int, functions: int, forms: bool, islanding: Any
) -> None:
    plan = AcPlan()
    ac_setup.take_parameters(talk_of(), plan, parameters)
    assert (plan.phases, plan.der_functions, plan.forms_grid, plan.islanding) == (
        phases,
        functions,
        forms,
        islanding,
    )


# -- what is declared --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phases", "back", "allowed", "charge_w", "back_w"),
    [
        (3, True, True, each(W16, 3), each(W16, 3)),
        (3, True, False, each(W16, 3), NOTHING),
        (3, False, True, each(W16, 3), NOTHING),
        (1, True, True, each(W16, 1), each(W16, 1)),
    ],
)
def test_a_charger_declares_what_the_service_and_the_outlet_let_it_do(
    phases: int, back: bool, allowed: bool, charge_w: Any, back_w: Any
) -> None:
    talk = talk_of(allow_discharge=allowed)
    own = plan_of(talk, back=back, phases=phases).ac.own
    assert own is not None
    assert own.phases == phases
    assert own.maximum_charge_power_w == pytest.approx(charge_w)
    assert own.maximum_discharge_power_w == pytest.approx(back_w)


@pytest.mark.parametrize("sign", list(DischargeLimitSign), ids=lambda one: one.name)
def test_limits_of_giving_back_have_the_sign_that_was_set(sign: DischargeLimitSign) -> None:
    talk = talk_of(discharge_limit_sign=sign)
    for back in (True, False):
        plan = plan_of(talk, back=back)
        assert plan.ac.own is not None
        said = ac_setup.limits_of(talk, plan, plan.ac.own)
        assert si(said["ev_maximum_charge_power"]) == pytest.approx(3 * W16)
        assert ("ev_maximum_discharge_power" in said) is back
        if back:
            factor = -1.0 if sign is DischargeLimitSign.MINUS else 1.0
            assert si(said["ev_maximum_discharge_power"]) == pytest.approx(factor * 3 * W16)


def test_a_vehicle_without_a_charger_leaves() -> None:
    talk = talk_of()
    plan = plan_of(talk)
    talk.charger = talk.charger_now = None
    for call in (ac_setup.declared, ac_loop.present_limits):
        with pytest.raises(Leave, match="no on-board charger"):
            call(talk, plan)


# -- the offer ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"maximum_asymmetry_w": None, "power_ramp_percent_per_min": None}),
        ({"maximum_power_asymmetry": -3.0}, {"maximum_asymmetry_w": 0.0}),
        ({"maximum_power_asymmetry": 4_600.0}, {"maximum_asymmetry_w": 4_600.0}),
        ({"evse_power_ramp_limitation": 0.0}, {"power_ramp_percent_per_min": None}),
        ({"evse_power_ramp_limitation": 0.5}, {"power_ramp_percent_per_min": 0.5}),
        ({"evse_nominal_frequency": 45.0}, {"nominal_frequency_hz": 45.0}),
        ({"evse_nominal_frequency": 65.0}, {"nominal_frequency_hz": 65.0}),
        ({"evse_nominal_frequency": 44.9}, None),
        ({"evse_nominal_frequency": 65.1}, None),
        ({"evse_maximum_discharge_power": -12_000.0}, {"maximum_discharge_power_w": each(4_000.0, 3)}),
        ({"evse_maximum_charge_power": 0.0}, {"maximum_current_a": each(20.0, 3)}),
        (
            {"evse_maximum_charge_power": 0.0, "evse_maximum_discharge_power": 0.0},
            {"maximum_current_a": (0.0, 0.0, 0.0)},
        ),
    ],
    ids=str,
)
def test_what_is_read_in_an_offer(changes: dict[str, float], expected: dict[str, Any] | None) -> None:
    talk = talk_of()
    plan = plan_of(talk)
    fields = {
        "evse_maximum_charge_power": 6_900.0,
        "evse_minimum_charge_power": 0.0,
        "evse_nominal_frequency": 50.0,
        "evse_maximum_discharge_power": 13_800.0,
        "evse_minimum_discharge_power": 0.0,
    } | changes
    said = ac.BPTACCPDResEnergyTransferMode(**{name: rational(value) for name, value in fields.items()})
    response = ac.ACChargeParameterDiscoveryRes(
        header=MessageHeader(session_id=bytes(8), time_stamp=0),
        response_code=ResponseCode.OK,
        ac_cpd_res_energy_transfer_mode=said,
    )
    if expected is None:
        with pytest.raises(Leave, match="no grid"):
            ac_setup.take_offer(talk, plan, response)
        return
    ac_setup.take_offer(talk, plan, response)
    for name, value in expected.items():
        found = getattr(plan.ac.offer, name)
        assert found == (value if value is None else pytest.approx(value))


# -- what the charger is told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "watts", "cells", "takes_w"),
    [
        (DYNAMIC, 6_000.0, {}, 6_000.0),
        (DYNAMIC, 60_000.0, {}, 3 * W16),
        (DYNAMIC, 0.0, {}, 0.0),
        (DYNAMIC, -6_000.0, {}, -6_000.0),
        (DYNAMIC, -6_000.0, {"energy_to_minimum_wh": 0.0}, 0.0),
        (DYNAMIC, -6_000.0, {"soc": 20.0}, 0.0),
        (DYNAMIC, -6_000.0, {"soc": 20.1}, -6_000.0),
        (DYNAMIC, 9_000.0, {"maximum_charge_power_w": 6_000.0}, 6_000.0),
        (DYNAMIC, -9_000.0, {"maximum_discharge_power_w": 6_000.0}, -6_000.0),
        (DYNAMIC, 9_000.0, {"maximum_charge_power_w": -1.0}, 0.0),
        (SCHEDULED, None, {}, 3 * W16),
        (SCHEDULED, 6_000.0, {}, 6_000.0),
    ],
)
def test_a_target_is_followed_within_charger_and_battery(
    mode: ControlMode, watts: float | None, cells: dict[str, float], takes_w: float
) -> None:
    talk = talk_of(cells=cells)
    plan = plan_of(talk, mode)
    target(talk, plan, watts)
    bounds = told(talk, plan)
    assert sum(bounds.power_w) == pytest.approx(takes_w, abs=1.0)
    assert (bounds.phases, bounds.supports_grid) == (3, False)
    assert told(talk, plan) is None  # it is no news
    rest = told(talk, plan, winding_down=True)
    assert (rest is None) is (takes_w == 0.0)
    assert rest is None or rest.power_w == NOTHING


def test_a_station_that_has_said_nothing_yet_is_waited_for_in_dynamic_mode() -> None:
    talk = talk_of()
    assert sum(told(talk, plan_of(talk)).power_w) == 0.0
    assert sum(told(talk, plan_of(talk, SCHEDULED)).power_w) == pytest.approx(3 * W16)


@pytest.mark.parametrize(
    ("watts", "back_w", "takes_w"),
    [
        (None, None, 6_000.0),
        (9_000.0, None, 6_000.0),
        (0.0, None, 0.0),
        (-9_000.0, None, -9_000.0),
        (-9_000.0, 4_500.0, -4_500.0),
        (-4_500.0, 4_500.0, -4_500.0),
        (-4_500.0, 9_000.0, -4_500.0),
    ],
)
def test_the_schedule_holds_in_both_directions(
    watts: float | None, back_w: float | None, takes_w: float
) -> None:
    talk = talk_of()
    plan = plan_of(talk, SCHEDULED)
    plan.schedule, talk.now = schedule(6_000.0, back_w), 100.0
    target(talk, plan, watts)
    assert sum(told(talk, plan).power_w) == pytest.approx(takes_w, abs=1.0)


def test_reactive_power_frequency_and_asymmetry_are_passed_on() -> None:
    talk = talk_of(replace(CHARGER, uneven=True))
    plan = plan_of(talk, maximum_asymmetry_w=500.0)
    kind: Any = plan.service.dynamic_res
    fields = {"": 3_000.0, "_l2": 1_500.0, "_l3": 1_700.0}
    powers = {f"evse_target_active_power{at}": rational(one) for at, one in fields.items()}
    take(talk, plan, kind(**powers, evse_target_reactive_power=rational(900.0)), frequency=50.2)
    bounds = told(talk, plan)
    assert bounds.power_w == pytest.approx((2_000.0, 1_500.0, 1_700.0))
    assert bounds.reactive_var == pytest.approx(each(300.0, 3))
    assert bounds.frequency_hz == 50.2
    assert told(talk, plan, winding_down=True).reactive_var == NOTHING


@pytest.mark.parametrize(
    ("watts", "allowed", "mode", "goes"),
    [
        (5_000.0, True, DYNAMIC, False),
        (0.0, True, DYNAMIC, None),
        (-5_000.0, True, DYNAMIC, True),
        (-5_000.0, False, DYNAMIC, None),
        (None, True, SCHEDULED, False),
    ],
)
def test_which_way_energy_is_to_go(
    watts: float | None, allowed: bool, mode: ControlMode, goes: bool | None
) -> None:
    talk = talk_of(allow_discharge=allowed)
    plan = plan_of(talk, mode)
    assert ac_loop.goes_back(talk, plan) is (None if mode is DYNAMIC else False)
    target(talk, plan, watts)
    assert ac_loop.goes_back(talk, plan) is goes
    assert ac_energy._gives(plan) is (watts is not None and watts < 0.0)


def test_power_rises_no_faster_than_the_station_lets_it() -> None:
    """10 % of 22 kW per minute, from the least that the charger can do."""
    talk = talk_of()
    plan = plan_of(talk, power_ramp_percent_per_min=10.0)
    least_w = 3.0 * 6.0 * 230.0
    powers = []

    def takes(now: float, watts: float) -> float:
        talk.now = now
        target(talk, plan, watts)
        ac_loop.set_charger(talk, plan)
        assert plan.ac.taken is not None
        return sum(plan.ac.taken.power_w)

    for now, watts in ((0.0, 9_000.0), (60.0, 9_000.0), (120.0, 9_000.0), (180.0, 9_000.0), (181.0, 0.0)):
        powers.append(takes(now, watts))
    step = 0.1 * 3 * 32.0 * 230.0
    assert powers == pytest.approx([least_w, least_w + step, least_w + 2 * step, 9_000.0, 0.0], abs=2.0)
    assert takes(182.0, -9_000.0) == pytest.approx(-9_000.0)  # falling is free
    assert takes(183.0, 9_000.0) == pytest.approx(least_w, abs=2.0 + step / 60.0)


def test_what_was_measured_is_told_in_tenths() -> None:
    talk = talk_of()
    talk.charger_measured = ev.AcMeasured(power_w=(100.04, 200.04, 300.04), reactive_var=(1.0, 2.0, 3.26))
    mode: Any = ac_loop.loop_request(talk, plan_of(talk), True, winding_down=False).cl_req_control_mode
    assert si(mode.ev_present_active_power) == pytest.approx(600.0, abs=0.2)
    assert si(mode.ev_present_reactive_power) == pytest.approx(6.3, abs=0.05)
    assert mode.ev_present_active_power_l2 is None
    rest: Any = ac_loop.loop_request(talk, plan_of(talk), True, winding_down=True)
    assert rest.meter_info_requested
    assert si(rest.cl_req_control_mode.ev_target_energy_request) == 0.0


def test_a_battery_that_takes_less_is_followed_in_the_next_turn() -> None:
    talk = talk_of()
    plan = plan_of(talk)
    target(talk, plan, 9_000.0)
    assert sum(told(talk, plan).power_w) == pytest.approx(9_000.0)
    for most_w in (6_000.0, 9_000.0):
        talk.battery = battery(maximum_charge_power_w=most_w)
        assert sum(told(talk, plan).power_w) == pytest.approx(most_w)
        assert si(plan.ac.said["ev_maximum_charge_power"]) == pytest.approx(most_w)
