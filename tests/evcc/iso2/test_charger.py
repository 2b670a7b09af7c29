"""The on-board charger in ISO 15118-2: what is declared of it, what it is told to take by what the station
says, and when it is at rest.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.ac import NOTHING, each
from iso15118.energy.schedule import Schedule
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2 import ac, ac_parameters
from iso15118.evcc.iso2.plan import ChosenSchedule, Plan
from iso15118.evcc.iso2.settings import Plausibility
from iso15118.messages import iso2
from iso15118.messages.physical import quantity
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcVehicleLimits
from tests.evcc.iso2.station import Host, ac_offer, battery

MODE = iso2.EnergyTransferMode
CHARGER = AcVehicleLimits.of(current_a=16.0)
LEAST_W = 6.0 * 230.0


def talk_of(charger: AcVehicleLimits = CHARGER, cells: Any = None, **settings: Any) -> Conversation:
    talk = Host(charger=charger, **settings).session._talk
    talk.battery = battery(**(cells or {}))
    talk.outbox.clear()
    return talk


def plan_of(power_w: float = 1e6, *, phases: int = 3, most_a: float = 32.0) -> Plan:
    power = Schedule.of(0.0, [(3600.0, power_w)])
    plan = Plan(
        mode=MODE.AC_three_phase_core if phases == 3 else MODE.AC_single_phase_core,
        schedule=ChosenSchedule(tuple_id=1, power=power, read_at=0.0),
    )
    plan.ac.phases, plan.ac.most_a = phases, most_a
    return plan


@pytest.mark.parametrize(
    ("power_w", "phases", "most_a", "cells", "takes_w"),
    [
        (1e6, 3, 32.0, {}, 16.0 * 230.0),
        (1e6, 1, 32.0, {}, 16.0 * 230.0),
        (1e6, 3, 10.0, {}, 2_300.0),
        (1e6, 3, 6.0, {}, LEAST_W),
        (1e6, 3, 5.9, {}, 0.0),
        (6_000.0, 3, 32.0, {}, 2_000.0),
        (2_000.0, 1, 32.0, {}, 2_000.0),
        (3 * LEAST_W, 3, 32.0, {}, LEAST_W),
        (3 * LEAST_W - 1.0, 3, 32.0, {}, 0.0),
        (1e6, 3, 32.0, {"maximum_charge_power_w": 6_000.0}, 2_000.0),
        (1e6, 1, 32.0, {"maximum_charge_power_w": 2_000.0}, 2_000.0),
        (1e6, 3, 32.0, {"maximum_charge_power_w": -6_000.0}, 0.0),
    ],
)
def test_what_the_charger_is_told_to_take(
    power_w: float, phases: int, most_a: float, cells: dict[str, float], takes_w: float
) -> None:
    talk, plan = talk_of(cells=cells), plan_of(power_w, phases=phases, most_a=most_a)
    ac._set_charger(talk, plan)
    (told,) = talk.outbox
    assert isinstance(told, act.SetCharger)
    assert told.bounds.phases == phases
    assert told.bounds.power_w == pytest.approx(each(takes_w, phases))
    assert told.bounds.current_a == pytest.approx(each(min(most_a, 16.0), phases))
    ac._set_charger(talk, plan)
    assert len(talk.outbox) == 1  # it is no news
    ac._set_charger(talk, plan, winding_down=True)
    assert plan.ac.taken is not None
    assert plan.ac.taken.power_w == NOTHING
    assert len(talk.outbox) == (1 if takes_w == 0.0 else 2)


@pytest.mark.parametrize(
    ("phases", "battery_w", "below"),
    [
        (3, 3 * LEAST_W, False),
        (3, 3 * LEAST_W - 1.0, True),
        (1, LEAST_W, False),
        (1, LEAST_W - 1.0, True),
    ],
)
def test_less_than_the_least_of_the_charger(phases: int, battery_w: float, below: bool) -> None:
    talk = talk_of(cells={"maximum_charge_power_w": battery_w})
    assert ac._below_minimum(talk, plan_of(phases=phases)) is below


def test_the_least_of_a_charger_is_a_current_where_the_voltage_is_less() -> None:
    plan = plan_of()
    assert ac._least_w(CHARGER, plan) == pytest.approx(LEAST_W)
    plan.ac.nominal_v = 100.0
    assert ac._least_w(CHARGER, plan) == pytest.approx(600.0)
    plan.ac.nominal_v = 400.0
    assert ac._least_w(CHARGER, plan) == pytest.approx(LEAST_W)


@pytest.mark.parametrize(
    ("amperes", "rests"), [((0.9, 0.9, 0.9), True), ((0.0, 0.0, 1.0), False), ((1.0, 0.0, 0.0), False)]
)
def test_a_charger_is_at_rest_where_every_phase_is(amperes: Any, rests: bool) -> None:
    talk = talk_of()
    talk.charger_measured = ev.AcMeasured(current_a=amperes)
    assert ac._is_at_rest(talk) is rests


# -- what is declared and offered --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least_a", "most_a", "told"),
    [(6.0, 16.0, (6.0, 16.0)), (6.0004, 15.9996, (6.001, 15.999)), (15.9991, 15.9996, (15.999, 15.999))],
)
def test_currents_are_declared_as_the_wire_has_them_to_the_safe_side(
    least_a: float, most_a: float, told: tuple[float, float]
) -> None:
    charger = replace(CHARGER, minimum_current_a=least_a, maximum_current_a=each(most_a, 3))
    said = ac_parameters.ac_parameter(talk_of(charger), plan_of(), 77, 1_234.0)
    assert (quantity(said.ev_min_current), quantity(said.ev_max_current)) == told
    assert (said.departure_time, quantity(said.e_amount)) == (77, 1_234.0)
    assert quantity(said.ev_max_voltage) == CHARGER.maximum_voltage_v


def test_the_phases_are_those_of_the_mode_and_the_weakest_counts() -> None:
    charger = replace(CHARGER, maximum_current_a=(16.0, 12.0, 14.0))
    for mode, phases, most_a in ((MODE.AC_three_phase_core, 3, 12.0), (MODE.AC_single_phase_core, 1, 16.0)):
        plan = plan_of()
        plan.mode = mode
        said = ac_parameters.ac_parameter(talk_of(charger), plan, None, 0.0)
        assert (plan.ac.phases, quantity(said.ev_max_current)) == (phases, most_a)


@pytest.mark.parametrize(
    ("volts", "amperes", "strict", "taken"),
    [
        (230.0, 16.0, False, (230.0, 16.0, False)),
        (0.0, 16.0, False, None),
        (1.0, 16.0, False, (1.0, 16.0, False)),
        (230.0, 0.0, True, (230.0, 0.0, False)),
        (230.0, -1.0, False, (230.0, 0.0, True)),
        (230.0, -1.0, True, None),
        (CHARGER.maximum_voltage_v, 16.0, True, (CHARGER.maximum_voltage_v, 16.0, False)),
        (CHARGER.maximum_voltage_v + 1.0, 16.0, False, (CHARGER.maximum_voltage_v, 16.0, True)),
        (CHARGER.maximum_voltage_v + 1.0, 16.0, True, None),
    ],
)
def test_an_offer_is_taken_noted_or_left(
    volts: float, amperes: float, strict: bool, taken: tuple[float, float, bool] | None
) -> None:
    settings = {"plausibility": Plausibility.STRICT} if strict else {}
    talk, plan = talk_of(iso2=settings), plan_of()
    if taken is None:
        with pytest.raises(Leave):
            ac_parameters.take_ac_offer(talk, plan, ac_offer(amperes, volts))
        return
    ac_parameters.take_ac_offer(talk, plan, ac_offer(amperes, volts))
    assert (plan.ac.nominal_v, plan.ac.most_a, bool(talk.outbox)) == taken


@pytest.mark.parametrize(
    ("phases", "most_a", "nominal_v", "power_w"),
    [
        (3, 32.0, 230.0, 11_040.0),
        (1, 32.0, 230.0, 3_680.0),
        (3, 10.0, 230.0, 6_900.0),
        (3, 32.0, 400.0, 11_040.0),
    ],
)
def test_what_the_vehicle_can_take_here_at_best(
    phases: int, most_a: float, nominal_v: float, power_w: float
) -> None:
    plan = plan_of(phases=phases, most_a=most_a)
    plan.ac.nominal_v = nominal_v
    assert ac_parameters.ac_power_w(talk_of(), plan) == pytest.approx(power_w)


def test_without_a_charger_there_is_no_alternating_current() -> None:
    talk = talk_of()
    talk.charger_now = None
    with pytest.raises(Leave, match="no on-board charger"):
        ac_parameters.charger_of(talk)
