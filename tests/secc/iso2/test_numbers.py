"""Direct current in ISO 15118-2 at the station to the last digit, up to power: where a value is just taken or
just refused, and what each step wants to be there before it does anything.

The ordinary courses stand in the tests of each phase; here are the edges of the same functions.
"""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts, watt_hours, watts
from iso15118.secc.iso2 import dc_limits
from iso15118.secc.iso2.sequence import State
from iso15118.secc.iso2.wire import charge_only
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, Urgency
from iso15118.timing import Iso2Timing
from tests.secc.iso2.vehicle import (
    BATTERY_V,
    READY,
    STATION,
    VEHICLE_V,
    Drive,
    dc_parameters,
    replace,
    settings,
)

SIGNAL_B, SIGNAL_C = ev.SignalChanged(ev.SignalState.B), ev.SignalChanged(ev.SignalState.C)


def notes(drive: Drive) -> list[str]:
    return [one.name for one in drive.book.actions if isinstance(one, act.PeerDeviates)]


def physical(value: int, unit: iso2.UnitSymbol, multiplier: int = 0) -> iso2.PhysicalValue:
    return iso2.PhysicalValue(multiplier=multiplier, unit=unit, value=value)


# -- what a step wants to be there


@pytest.mark.parametrize(
    ("state", "kind", "name", "missing"),
    [
        (State.CABLE_CHECK, iso2.CableCheckReq, "authorized", None),
        (State.CABLE_CHECK, iso2.CableCheckReq, "vehicle", None),
        (State.CABLE_CHECK, iso2.CableCheckReq, "limits", None),
        (State.PRE_CHARGE, iso2.PreChargeReq, "vehicle", None),
        (State.PRE_CHARGE, iso2.PreChargeReq, "limits", None),
        (State.PRE_CHARGE, iso2.PreChargeReq, "cable_check_ok", None),
        (State.POWER_DELIVERY, iso2.PowerDeliveryReq, "authorized", False),
        (State.POWER_DELIVERY, iso2.PowerDeliveryReq, "cable_check_ok", None),
        (State.POWER_DELIVERY, iso2.PowerDeliveryReq, "precharge_started", None),
        (State.CURRENT_DEMAND, iso2.CurrentDemandReq, "vehicle", None),
        (State.CURRENT_DEMAND, iso2.CurrentDemandReq, "limits", None),
        (State.CURRENT_DEMAND, iso2.CurrentDemandReq, "contactors_closed", False),
    ],
)
def test_a_step_without_one_of_its_preconditions_is_refused(
    state: State, kind: type, name: str, missing: bool | None
) -> None:
    drive = Drive().to(state)
    setattr(drive.session._facts, name, missing)
    drive.book.receive(drive.request(kind))
    assert drive.heard().response_code.value == "FAILED"
    drive.book.ends(EndReason.INTERNAL_ERROR)
    assert drive.session.error is None
    asked = {type(one) for one in drive.book.actions if isinstance(one, act.HardwareAction)}
    assert asked <= {act.StopPower, act.OpenContactors}


def test_after_a_pre_charge_that_was_taken_back_contactors_do_not_close() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.session._facts.precharging = False
    drive.book.receive(drive.request(iso2.PowerDeliveryReq))
    assert drive.heard().response_code.value == "FAILED_PowerDeliveryNotApplied"
    drive.book.ends(EndReason.PRE_CHARGE_FAILED)


# -- charge parameters

LEAST = replace(STATION, minimum_charge_current_a=5.0, minimum_charge_power_w=2000.0, minimum_voltage_v=100.0)
ANY = replace(STATION, minimum_voltage_v=0.0)


@pytest.mark.parametrize(
    ("limits", "parameters", "works"),
    [
        (LEAST, {"ev_maximum_current_limit": amperes(5.0)}, True),
        (LEAST, {"ev_maximum_current_limit": amperes(4.9)}, False),
        (LEAST, {"ev_maximum_power_limit": watts(2000.0)}, True),
        (LEAST, {"ev_maximum_power_limit": watts(1999.0)}, False),
        (LEAST, {"ev_maximum_voltage_limit": volts(100.0)}, True),
        (LEAST, {"ev_maximum_voltage_limit": volts(99.9)}, False),
        (ANY, {"ev_maximum_voltage_limit": volts(1.0)}, True),
        (ANY, {"ev_maximum_voltage_limit": volts(0.0)}, False),
        (ANY, {"ev_maximum_current_limit": amperes(1.0)}, True),
        (ANY, {"ev_maximum_power_limit": watts(1.0)}, True),
    ],
)
def test_a_vehicle_that_takes_just_the_least_of_the_station(
    limits: Any, parameters: dict[str, Any], works: bool
) -> None:
    drive = Drive(limits=limits).to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(**parameters))
    assert answer.response_code.value == ("OK" if works else "FAILED_WrongChargeParameter")


@pytest.mark.parametrize(
    ("parameters", "odd"),
    [
        ({"full_soc": 0, "bulk_soc": 0}, False),
        ({"full_soc": 100, "bulk_soc": 100}, False),
        ({"full_soc": 80, "bulk_soc": 81}, True),
        ({"full_soc": 80}, False),
        ({"bulk_soc": 80}, False),
        ({"bulk_soc": 101}, True),
        ({"bulk_soc": -1}, True),
        ({"dc_ev_status": replace(READY, evresssoc=0)}, False),
        ({"dc_ev_status": replace(READY, evresssoc=100)}, False),
        ({"dc_ev_status": replace(READY, evresssoc=101)}, True),
        ({"ev_energy_request": watt_hours(0.0)}, False),
        ({"ev_energy_capacity": watt_hours(0.0)}, False),
        ({"ev_energy_capacity": physical(-1, iso2.UnitSymbol.Wh)}, True),
    ],
    ids=lambda given: "-".join(given) if isinstance(given, dict) else None,
)
def test_which_charge_parameters_make_no_sense(parameters: dict[str, Any], odd: bool) -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(**parameters))
    assert notes(drive) == (["charge-parameters"] if odd else [])


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (None, 0.0),
        (watt_hours(0.0), 0.0),
        (watt_hours(500.0), 500.0),
        (physical(-5, iso2.UnitSymbol.Wh), 0.0),
    ],
)
@pytest.mark.parametrize("departure_s", [None, 0, 3600])
def test_what_the_vehicle_needs_is_told_once_with_the_moment_at_which_it_leaves(
    said: iso2.PhysicalValue | None, wanted: float, departure_s: int | None
) -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.book.wait(5.0)
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq,
        ev_charge_parameter=dc_parameters(ev_energy_request=said, departure_time=departure_s),
        max_entries_sa_schedule_tuple=12,
    )
    assert answer.response_code.value == "OK"
    (needs,) = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
    assert (needs.target_wh, needs.maximum_wh, needs.minimum_wh) == (wanted, wanted, 0.0)
    assert (needs.departure_s, needs.maximum_points) == (departure_s or None, 12)
    assert needs.departure_at == (drive.book.now + 3600.0 if departure_s else None)


@pytest.mark.parametrize(
    ("current_a", "power_w", "most_w"),
    [(400.0, 150_000.0, 150_000.0), (1.0, 150_000.0, 150_000.0), (0.0, 150_000.0, 0.0), (400.0, 0.0, 0.0)],
)
def test_there_is_power_where_there_is_current(current_a: float, power_w: float, most_w: float) -> None:
    drive = Drive().to(State.CABLE_CHECK)
    ctx = drive.context
    drive.book.tell(
        ev.LimitsChanged(replace(STATION, maximum_charge_current_a=current_a, maximum_charge_power_w=power_w))
    )
    assert dc_limits.most_w(ctx, now=True) == most_w
    assert dc_limits.most_w(ctx, now=False) == 150_000.0
    ctx.facts.limits = ctx.facts.offered = None
    assert dc_limits.most_w(ctx, now=True) == dc_limits.most_w(ctx, now=False) == 0.0


@pytest.mark.parametrize(("percent", "told"), [(-1, None), (0, 0), (1, 1), (100, 100), (101, None)])
def test_a_state_of_charge_is_a_percentage_before_power_too(percent: int, told: int | None) -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    said = dc_parameters(full_soc=percent, bulk_soc=percent, dc_ev_status=replace(READY, evresssoc=percent))
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    display = drive.session.display or act.VehicleDisplay()
    assert (display.present_soc, display.target_soc, display.maximum_soc) == (told,) * 3


def test_ripple_and_tolerance_are_told_no_smaller_than_they_are() -> None:
    """As in DIN 70121: what is rounded away would be promised."""
    chosen = settings(peak_current_ripple_a=0.12345, current_tolerance_a=0.0004)
    drive = Drive(chosen).to(State.CHARGE_PARAMETER_DISCOVERY)
    offer = drive.send(iso2.ChargeParameterDiscoveryReq).evse_charge_parameter
    assert quantity(offer.evse_peak_current_ripple) == 0.124
    assert quantity(offer.evse_current_regulation_tolerance) == 0.001


def test_what_is_offered_cannot_take_back_and_ends_where_quantities_end() -> None:
    both = replace(
        STATION,
        maximum_charge_power_w=1e9,
        maximum_discharge_power_w=9000.0,
        maximum_discharge_current_a=40.0,
    )
    offered = charge_only(both)
    back = [getattr(offered, name) for name in offered.__struct_fields__ if "discharge" in name]
    assert back == [0.0] * 4
    assert offered.maximum_charge_power_w == 32_767_000.0


# -- cable check and pre-charge


@pytest.mark.parametrize(("off", "over"), [(-0.001, False), (0.0, True)])
def test_a_pilot_that_is_late_by_a_setting(off: float, over: bool) -> None:
    """The time for state C, where it is less than that of the answer."""
    drive = Drive(settings(timing=Iso2Timing(control_pilot_error=0.6))).to(State.CABLE_CHECK)
    drive.book.tell(SIGNAL_B)
    drive.send(iso2.CableCheckReq)
    drive.book.wait(0.6 + off)
    assert (drive.session.ended is not None) is over


@pytest.mark.parametrize(
    ("target", "least", "follows"),
    [(149.0, 150.0, True), (148.9, 150.0, False), (1.0, 0.0, True), (0.9, 0.0, False)],
)
def test_a_volt_of_room_below_the_least_of_the_supply(target: float, least: float, follows: bool) -> None:
    drive = Drive(limits=replace(STATION, minimum_voltage_v=least)).to(State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq, ev_target_voltage=volts(target))
    asked = [one.voltage_v for one in drive.book.actions if isinstance(one, act.PreCharge)]
    assert asked == ([target] if follows else [])
    assert notes(drive) == ([] if follows else ["precharge-target"])


@pytest.mark.parametrize(
    ("target_v", "current_a", "noted"),
    [
        (VEHICLE_V, 2.0, []),
        (VEHICLE_V + 0.1, 2.0, ["precharge-target"]),
        (VEHICLE_V, 2.1, ["precharge-current"]),
    ],
)
def test_what_is_just_pre_charge(target_v: float, current_a: float, noted: list[str]) -> None:
    drive = Drive(settings(precharge_over_2a="clip")).to(State.PRE_CHARGE)
    answer = drive.send(
        iso2.PreChargeReq, ev_target_voltage=volts(target_v), ev_target_current=amperes(current_a)
    )
    assert answer.response_code.value == "OK"
    assert notes(drive) == noted
    assert [one for one in drive.book.actions if isinstance(one, act.PreCharge)] == [
        act.PreCharge(VEHICLE_V, 2.0)
    ]


def test_a_target_that_no_battery_has_takes_the_pre_charge_back_in_order() -> None:
    drive = Drive().to(State.PRE_CHARGE)
    drive.send(iso2.PreChargeReq)
    drive.send(iso2.PreChargeReq, ev_target_voltage=volts(0.0))
    assert drive.book.does(act.StopPower) == [act.StopPower(Urgency.ORDERLY)]
    drive.send(iso2.PreChargeReq, ev_target_voltage=volts(0.0))
    assert drive.book.does() == []


# -- a renegotiation


def resting(**changes: Any) -> Drive:
    """Power rests for another schedule, and contactors are closed."""
    drive = Drive(settings(**changes)).to(State.CABLE_CHECK)
    drive.book.tell(SIGNAL_C)
    drive.to(State.CURRENT_DEMAND).loop()
    drive.renegotiate()
    drive.output = ev.PowerMeasured(BATTERY_V, 0.0)
    return drive


def test_power_rests_in_order() -> None:
    drive = Drive().to(State.CURRENT_DEMAND)
    drive.loop()
    drive.send(iso2.PowerDeliveryReq, charge_progress=iso2.ChargeProgress.Renegotiate)
    assert drive.book.does(act.StopPower) == [act.StopPower(Urgency.ORDERLY)]


@pytest.mark.parametrize("opened", [False, True], ids=["not yet", "open"])
def test_contactors_that_were_told_to_open_do_not_carry_power_again(opened: bool) -> None:
    """Even while they have not moved yet: they would open under the current that comes back."""
    drive = resting()
    drive.book.tell(SIGNAL_B)
    if opened:
        drive.book.tell(ev.ContactorsChanged(False))
    drive.book.tell(SIGNAL_C)
    answer = drive.send(iso2.PowerDeliveryReq)
    assert answer.response_code.value == "FAILED_SequenceError"
    assert not any(isinstance(one, act.SetPower | act.CloseContactors) for one in drive.book.actions)


def test_contactors_that_no_power_was_granted_for_do_not_carry_it_by_the_short_form() -> None:
    drive = resting()
    drive.session._facts.delivered = False
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "FAILED_SequenceError"


def test_once_power_is_back_state_b_is_a_fault_again() -> None:
    drive = resting()
    assert drive.send(iso2.PowerDeliveryReq).response_code.value == "OK"
    drive.loop()
    drive.book.tell(SIGNAL_B)
    drive.book.does(act.StopPower, act.OpenContactors)
    assert drive.send(iso2.CurrentDemandReq).response_code.value == "FAILED"
    drive.book.ends(EndReason.SIGNAL_LOST)
