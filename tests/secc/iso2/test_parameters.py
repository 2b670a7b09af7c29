"""ChargeParameterDiscovery of a DC charge: which vehicles are led on, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, quantity, volts, watts
from iso15118.secc.iso2.sequence import State
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from tests.secc.iso2.vehicle import (
    READY,
    STATION,
    Drive,
    dc_parameters,
    profile,
    replace,
    settings,
)

SIGNAL_B, SIGNAL_C = ev.SignalChanged(ev.SignalState.B), ev.SignalChanged(ev.SignalState.C)


# -- charge parameters


@pytest.mark.parametrize(
    ("changes", "parameters", "code"),
    [
        (
            {"requested_energy_transfer_mode": iso2.EnergyTransferMode.DC_core},
            {},
            "FAILED_WrongEnergyTransferMode",
        ),
        (
            {"requested_energy_transfer_mode": iso2.EnergyTransferMode.AC_three_phase_core},
            {},
            "FAILED_WrongEnergyTransferMode",
        ),
        ({}, {"ev_maximum_current_limit": amperes(-1.0)}, "FAILED_WrongChargeParameter"),
        ({}, {"ev_maximum_current_limit": amperes(0.0)}, "FAILED_WrongChargeParameter"),
        ({}, {"ev_maximum_voltage_limit": volts(0.0)}, "FAILED_WrongChargeParameter"),
        ({}, {"ev_maximum_voltage_limit": volts(149.0)}, "FAILED_WrongChargeParameter"),
        ({}, {"ev_maximum_power_limit": watts(-1.0)}, "FAILED_WrongChargeParameter"),
        ({}, {"ev_maximum_power_limit": watts(0.0)}, "FAILED_WrongChargeParameter"),
    ],
)
def test_parameters_with_which_nothing_flows(
    changes: dict[str, Any], parameters: dict[str, Any], code: str
) -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(
        iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=dc_parameters(**parameters), **changes
    )
    assert (answer.response_code.value, answer.evse_processing.value) == (code, "Finished")
    assert answer.sa_schedules is None
    assert answer.evse_charge_parameter.dc_evse_status.evse_status_code.value == "EVSE_Shutdown"
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


def test_parameters_of_alternating_current_in_a_dc_mode() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    said = iso2.ACEVChargeParameter(
        e_amount=iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.Wh, value=1),
        ev_max_voltage=volts(230.0),
        ev_max_current=amperes(16.0),
        ev_min_current=amperes(6.0),
    )
    answer = drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    assert answer.response_code.value == "FAILED_WrongChargeParameter"


@pytest.mark.parametrize(
    "parameters",
    [
        {"full_soc": 80, "bulk_soc": 90},
        {"full_soc": 101},
        {"dc_ev_status": replace(READY, evresssoc=127)},
        {"ev_energy_request": iso2.PhysicalValue(multiplier=0, unit=iso2.UnitSymbol.Wh, value=-5)},
    ],
    ids=str,
)
def test_values_that_nothing_depends_on_are_noted_or_refused_by_setting(parameters: dict[str, Any]) -> None:
    said = dc_parameters(**parameters)
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    assert drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said).response_code.value == "OK"
    assert any(isinstance(a, act.PeerDeviates) and a.name == "charge-parameters" for a in drive.book.actions)
    drive = Drive(settings(plausibility="strict")).to(State.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    assert answer.response_code.value == "FAILED_WrongChargeParameter"


def test_what_they_say_of_the_battery_is_told_at_once_and_stays() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    capacity = iso2.PhysicalValue(multiplier=2, unit=iso2.UnitSymbol.Wh, value=600)
    said = dc_parameters(full_soc=100, bulk_soc=80, ev_energy_capacity=capacity)
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    (shown,) = [a for a in drive.book.actions if isinstance(a, act.VehicleDisplay)]
    assert (shown.present_soc, shown.target_soc, shown.maximum_soc) == (40, 80, 100)
    assert shown.capacity_wh == 60_000.0
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    assert not [a for a in drive.book.actions if isinstance(a, act.VehicleDisplay)]


def test_a_state_of_charge_that_is_none_is_not_told() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    said = dc_parameters(dc_ev_status=replace(READY, evresssoc=127))
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    assert not [
        a for a in drive.book.actions if isinstance(a, act.VehicleDisplay) and a.present_soc is not None
    ]


def test_a_vehicle_that_is_not_ready_before_the_cable_check_is_served() -> None:
    drive = Drive().to(State.CHARGE_PARAMETER_DISCOVERY)
    said = dc_parameters(dc_ev_status=replace(READY, ev_ready=False))
    drive.send(iso2.ChargeParameterDiscoveryReq, ev_charge_parameter=said)
    drive.book.waits_for("CableCheck")


def test_without_any_power_the_answer_is_ongoing_until_there_is_some() -> None:
    nothing = replace(STATION, maximum_charge_power_w=0.0)
    drive = Drive(limits=nothing, hardware=STATION).to(State.CHARGE_PARAMETER_DISCOVERY)
    for _ in range(3):
        answer = drive.send(iso2.ChargeParameterDiscoveryReq)
        assert (answer.response_code.value, answer.evse_processing.value) == ("OK", "Ongoing")
        assert answer.sa_schedules is None
        assert quantity(answer.evse_charge_parameter.evse_maximum_power_limit) == 150_000.0
        drive.book.wait(1.0)
    drive.book.tell(ev.LimitsChanged(STATION))
    answer = drive.send(iso2.ChargeParameterDiscoveryReq)
    assert answer.evse_processing is iso2.EVSEProcessing.Finished
    assert answer.sa_schedules is not None


def test_without_any_power_the_vehicle_is_led_on_after_a_while() -> None:
    nothing = replace(STATION, maximum_charge_power_w=0.0)
    drive = Drive(limits=nothing, hardware=STATION).to(State.CHARGE_PARAMETER_DISCOVERY)
    drive.send(iso2.ChargeParameterDiscoveryReq)
    drive.book.wait(54.9)
    assert drive.send(iso2.ChargeParameterDiscoveryReq).evse_processing is iso2.EVSEProcessing.Ongoing
    drive.book.wait(0.2)
    assert drive.send(iso2.ChargeParameterDiscoveryReq).evse_processing is iso2.EVSEProcessing.Finished
    for step in (Drive.checked, Drive.pre_charged, Drive.started):
        step(drive)
    drive.loop(100.0)
    assert drive.session._facts.power is not None
    assert drive.session._facts.power[1] == 0.0


def test_a_profile_in_power_delivery_is_not_needed() -> None:
    drive = Drive().to(State.POWER_DELIVERY)
    drive.send(iso2.PowerDeliveryReq, charging_profile=None)
    drive.book.does(act.CloseContactors)
    drive = Drive(settings(require_profile=True)).to(State.POWER_DELIVERY)
    answer = drive.send(iso2.PowerDeliveryReq, charging_profile=None)
    assert answer.response_code.value == "FAILED_ChargingProfileInvalid"
    assert "CloseContactors" not in drive.done
    drive = Drive().to(State.POWER_DELIVERY)
    answer = drive.send(iso2.PowerDeliveryReq, sa_schedule_tuple_id=4, charging_profile=profile((0, 1.0)))
    assert answer.response_code.value == "FAILED_TariffSelectionInvalid"
