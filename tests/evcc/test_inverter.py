"""What a vehicle with an inverter says of it, and what it takes from the grid code of a station, for the
parts of a turn that are numbers.

The functions are called with a conversation of a session that has just begun; no message is exchanged.
"""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.energy.ac import each
from iso15118.evcc import EvccConfig, EvccSession
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso20 import ac_loop, ac_setup
from iso15118.evcc.iso20.der import Iec, Sae, _Limits, _seconds
from iso15118.evcc.iso20.plan import Plan
from iso15118.messages.iso20 import ac_der_sae as sae
from iso15118.messages.values import TimeStampUnit, rational, si
from iso15118.session import actions as act
from iso15118.session import der_sae
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.der import GridCondition, InverterAbilities
from iso15118.session.services import SERVICES, ControlMode, ServiceID
from iso15118.simulation import north_american
from tests.evcc.station import battery

CHARGER = AcVehicleLimits.of(current_a=16.0, discharge_a=10.0)
MOST_W, BACK_W = 3 * 16.0 * 230.0, 3 * 10.0 * 230.0
INVERTER = InverterAbilities(
    apparent_va=11_000.0, reactive_var=4_000.0, software="1.2", manufacturer="M", model="X", serial_number="7"
)
CODE = north_american(230.0, 50.0)
SIGN = EvccConfig().reactive_sign


def talk_of(cells: Any = None, **changes: Any) -> Conversation:
    config = EvccConfig(services=(ServiceID.AC_DER_SAE, ServiceID.AC_DER_IEC))
    talk = EvccSession(
        config,
        None,
        battery(**(cells or {})),
        epoch=1.79e9,
        charger=changes.pop("charger", CHARGER),
        inverter=replace(INVERTER, **changes),
    )._talk
    talk.now = 100.0
    return talk


def plan_of(talk: Conversation, mode: ControlMode = ControlMode.DYNAMIC, phases: int = 3) -> Plan:
    plan = Plan(service=SERVICES[ServiceID.AC_DER_SAE], control_mode=mode)
    plan.ac.phases = phases
    plan.ac.own = ac_setup.declared(talk, plan)
    plan.ac.offer = AcStationLimits.of(current_a=32.0, discharge_a=32.0, phases=phases)
    ac_loop.present_limits(talk, plan)
    return plan


# -- the limits of every answer ----------------------------------------------------------------------------


def loop_mode(**fields: float) -> Any:
    kind = SERVICES[ServiceID.AC_DER_SAE].scheduled_res
    same = sae.DERControlCLRes(enter_service_cl_res=sae.EnterServiceCLRes(permit_service=True))
    return kind(der_control_cl_res=same, **{name: rational(value) for name, value in fields.items()})


@pytest.mark.parametrize(
    ("fields", "cap_w", "charge_w", "back_w"),
    [
        ({}, None, 22_080.0, 22_080.0),
        ({"evse_maximum_charge_power": 6_000.0}, None, 6_000.0, 22_080.0),
        ({"evse_maximum_charge_power": -6_000.0}, None, 0.0, 22_080.0),
        ({"evse_maximum_charge_power": 60_000.0}, None, 22_080.0, 22_080.0),
        ({"evse_maximum_discharge_power": -6_000.0}, None, 22_080.0, 6_000.0),
        ({"evse_maximum_discharge_power": 6_000.0}, None, 22_080.0, 6_000.0),
        ({}, 3_000.0, 22_080.0, 3_000.0),
        ({}, 0.0, 22_080.0, 0.0),
        ({"evse_maximum_discharge_power": 1_500.0}, 3_000.0, 22_080.0, 1_500.0),
        ({"evse_maximum_discharge_power": 6_000.0}, 3_000.0, 22_080.0, 3_000.0),
    ],
)
def test_what_an_answer_and_the_operator_of_the_grid_leave_of_the_offer(
    fields: dict[str, float], cap_w: float | None, charge_w: float, back_w: float
) -> None:
    talk = talk_of()
    plan, limits = plan_of(talk), _Limits()
    assert plan.ac.offer is not None
    limits.take(talk, plan, loop_mode(**fields))
    limits.take(talk, plan, loop_mode())  # what is left out stays
    limits.cap_w = cap_w
    within = limits.within(plan.ac.offer)
    assert sum(within.maximum_charge_power_w) == pytest.approx(charge_w)
    assert sum(within.maximum_discharge_power_w) == pytest.approx(back_w)


# -- what is said ------------------------------------------------------------------------------------------


def test_what_is_declared_of_an_inverter() -> None:
    talk = talk_of()
    plan = plan_of(talk)
    said = Sae().declare(talk, plan)
    powers = said["ev_apparent_power_limits"]
    named = [getattr(powers, name) for name in powers.__struct_fields__]
    assert {si(value) for value in named if value is not None} == {11_000.0}
    var = said["ev_reactive_power_limits"]
    assert si(var.ev_reactive_susceptance) == 0.0
    assert si(var.ev_maximum_var_injection_during_discharging) == 4_000.0
    excitation = said["ev_excitation_limits"]
    assert si(excitation.ev_specified_over_excited_discharge_power) == pytest.approx(BACK_W)
    assert si(excitation.ev_specified_under_excited_discharge_power) == pytest.approx(BACK_W)
    assert said["ev_inverter_details"].ev_inverter_hw_version is None
    assert si(said["ev_nominal_voltage_offset"]) == 0.0
    assert (said["ev_update_time"], said["enabled_modes"]) == (1_790_000_100, 0)
    other = Sae().declare(talk_of(hardware="B2"), plan)
    assert other["ev_inverter_details"].ev_inverter_hw_version == "B2"
    assert Iec(0).declare(talk, plan)[
        "ev_reactive_power_limits"
    ].ev_maximum_charge_reactive_power == rational(4_000.0)


def test_its_moments_are_of_the_unit_of_every_time_stamp() -> None:
    talk = talk_of()
    talk.config = replace(talk.config, time_stamp_unit=TimeStampUnit.MICROSECONDS)
    plan = plan_of(talk)
    assert Sae().declare(talk, plan)["ev_update_time"] == 1_790_000_100_000_000
    assert Sae().said(talk, plan)["ev_update_time"] == 1_790_000_100_000_000


@pytest.mark.parametrize("phases", [1, 3])
def test_what_is_told_of_it_in_every_turn(phases: int) -> None:
    talk, own = talk_of(), Sae()
    plan = plan_of(talk, ControlMode.SCHEDULED, phases)
    talk.charger_measured = ev.AcMeasured(voltage_v=(230.0, 228.0, 226.2), frequency_hz=49.987)
    talk.grid_condition = GridCondition(events=5, in_service=False, connected=False)
    said = own.said(talk, plan)
    assert si(said["ev_present_voltage"]) == (230.0 if phases == 1 else 228.1)
    assert si(said["ev_present_frequency"]) == 49.99
    assert said["der_operational_state"] is sae.DerOperationalState.Off
    assert said["der_connection_status"] is sae.DerConnectionStatus.Disconnected
    assert (said["der_alarm_status"], said["enabled_modes"]) == (5, 0)
    assert said["ev_update_time"] == 1_790_000_100
    assert "ev_minimum_charging_duration" not in said
    talk.charger_measured = ev.AcMeasured(voltage_v=each(230.0, 3))
    talk.grid_condition, own.code = GridCondition(), CODE
    plan.ac.offer = replace(plan.ac.offer, nominal_frequency_hz=60.0)  # type: ignore[type-var]
    said = own.said(talk, plan)
    assert si(said["ev_present_frequency"]) == 60.0  # that of the grid, where none was measured
    assert said["der_operational_state"] is sae.DerOperationalState.On
    assert said["der_connection_status"] is sae.DerConnectionStatus.Connected
    assert said["enabled_modes"] == int(CODE.enabled)
    plan.ac.offer = None
    assert si(own.said(talk, plan)["ev_present_frequency"]) == 50.0


@pytest.mark.parametrize(
    ("cells", "target_s", "charge_s", "back_s"),
    [
        (
            {
                "energy_to_target_wh": 5_000.0,
                "energy_to_maximum_wh": 9_000.0,
                "energy_to_minimum_wh": -7_000.0,
            },
            int(5_000.0 * 3600.0 / MOST_W),
            int(9_000.0 * 3600.0 / MOST_W),
            int(7_000.0 * 3600.0 / BACK_W),
        ),
        (
            {"energy_to_target_wh": -1.0, "energy_to_maximum_wh": -1.0, "energy_to_minimum_wh": 1.0},
            0,
            0,
            0,
        ),
        ({"maximum_charge_power_w": 0.0, "maximum_discharge_power_w": 0.0}, 0, 0, 0),
        (  # the driver wants no more than 80 %, which are 5.4 kWh away
            {
                "soc": 79.0,
                "energy_to_target_wh": 50_000.0,
                "energy_to_maximum_wh": 9_000.0,
                "energy_to_minimum_wh": -7_000.0,
            },
            int(5_400.0 * 3600.0 / MOST_W),
            int(9_000.0 * 3600.0 / MOST_W),
            int(7_000.0 * 3600.0 / BACK_W),
        ),
    ],
)
def test_how_long_it_can_charge_and_give_back(
    cells: dict[str, float], target_s: int, charge_s: int, back_s: int
) -> None:
    talk = talk_of(cells)
    said = Sae().said(talk, plan_of(talk))
    assert said["ev_minimum_charging_duration"] == target_s
    assert said["ev_duration_maximum_charge_rate"] == charge_s
    assert said["ev_duration_maximum_discharge_rate"] == back_s


def test_a_charger_of_which_nothing_is_known_yet_lasts_for_no_time() -> None:
    talk = talk_of()
    plan = plan_of(talk)
    plan.ac.now = None
    said = Sae().said(talk, plan)
    assert {said[name] for name in said if "duration" in name} == {0}


def test_an_energy_that_is_none_lasts_for_no_second_however_little_power_there_is() -> None:
    talk = talk_of({"energy_to_target_wh": 0.0, "energy_to_maximum_wh": -1.0, "energy_to_minimum_wh": 0.0})
    plan = plan_of(talk)
    assert plan.ac.now is not None
    little = each(1.0, 3)
    plan.ac.now = replace(
        plan.ac.now,
        maximum_charge_power_w=little,
        minimum_charge_power_w=each(0.0, 3),
        maximum_discharge_power_w=little,
        minimum_discharge_power_w=each(0.0, 3),
    )
    said = Sae().said(talk, plan)
    assert {said[name] for name in said if "duration" in name} == {0}


@pytest.mark.parametrize(
    ("energy_ws", "power_w", "seconds"),
    [(10.0, 4.0, 2), (1.0, 0.5, 2), (1.0, 0.0, 0), (1e20, 1.0, 2**32 - 1)],
)
def test_durations_are_whole_seconds_that_fit_their_field(
    energy_ws: float, power_w: float, seconds: int
) -> None:
    assert _seconds(energy_ws, power_w) == seconds


# -- the grid code -----------------------------------------------------------------------------------------


def offer(**changes: Any) -> Any:
    class Offer:
        der_control_cpd_res = der_sae.control(CODE, SIGN)
        grid_limits = der_sae.grid_limits(CODE)
        grid_connection_mode = sae.GridConnectionMode.GridConnected
        required_der_operating_mode = sae.RequiredDEROperatingMode.GridFollowing

    made = Offer()
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(("forms", "accepted"), [(True, True), (False, False), (None, False)])
def test_a_grid_is_formed_by_a_charger_that_can(forms: bool | None, accepted: bool) -> None:
    talk = talk_of()
    talk.charger = None if forms is None else replace(CHARGER, forms_grid=forms)
    wanted = offer(required_der_operating_mode=sae.RequiredDEROperatingMode.GridForming)
    own = Sae()
    if accepted:
        own.accept(talk, Plan(), wanted)
        assert own.code is not None
        assert own.code.forms_grid
    else:
        with pytest.raises(Leave, match="cannot form a grid"):
            own.accept(talk, Plan(), wanted)
    following = Sae()
    following.accept(talk, Plan(), offer())  # whoever cannot form one follows
    assert following.code is not None


@pytest.mark.parametrize("without", [False, True])
def test_a_function_that_was_not_declared_is_off_and_noted(without: bool) -> None:
    some = int(CODE.enabled) & -int(CODE.enabled)
    declared = INVERTER.sae_functions & ~some if without else INVERTER.sae_functions
    talk, own = talk_of(sae_functions=declared), Sae()
    own.accept(talk, Plan(), offer())
    assert ("der-not-negotiated" in talk.noted) is without
    assert own.code is not None
    assert int(own.code.enabled) == int(CODE.enabled) & declared
    (told,) = (one for one in talk.outbox if isinstance(one, act.FollowGrid))
    assert told.code == own.code


def test_a_change_of_the_connection_holds_and_a_grid_that_was_not_agreed_on_is_not_formed() -> None:
    talk, own = talk_of(), Sae()
    plan = plan_of(talk)
    own.accept(talk, plan, offer())
    talk.outbox.clear()
    modes, connections = sae.RequiredDEROperatingMode, sae.GridConnectionMode

    def take(connection: Any, required: Any) -> tuple[bool, bool]:
        mode = replace(loop_mode(), grid_connection_mode=connection, required_der_operating_mode=required)
        own.take(talk, plan, mode)
        assert own.code is not None
        return own.code.islanded, "der-not-negotiated" in talk.noted

    assert take(None, None) == (False, False)
    assert take(connections.GridConnected, modes.GridFollowing) == (False, False)
    assert take(connections.GridIslanded, None) == (True, False)
    assert take(None, modes.GridFollowing) == (True, False)  # what is left out stays
    assert take(connections.GridConnected, None) == (False, False)
    plan.ac.forms_grid = True
    assert take(None, modes.GridForming) == (False, False)
    plan.ac.forms_grid = False
    assert take(None, modes.GridForming) == (False, True)
