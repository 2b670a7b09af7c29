"""Charge parameters of DIN 70121 at the station: what is offered, which vehicles are refused, and a
station that has no power yet."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages import din
from iso15118.messages.physical import quantity
from iso15118.secc import SeccConfig
from iso15118.secc.din.sequence import State
from iso15118.secc.din.settings import DinSeccSettings
from iso15118.secc.din.wire import offered_limits
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits
from tests.secc.din.vehicle import READY, STATION, Drive, parameters, value

S = State


def config(**settings: Any) -> SeccConfig:
    return SeccConfig(editions=("din",), din=DinSeccSettings(**settings))


def ask(drive: Drive, **changes: Any) -> din.ChargeParameterDiscoveryRes:
    answer: din.ChargeParameterDiscoveryRes = drive.send(
        din.ChargeParameterDiscoveryReq, ev_charge_parameter=parameters(**changes)
    )
    return answer


def test_limits_status_and_a_schedule_are_told() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    answer = ask(drive)
    offer = answer.evse_charge_parameter
    assert isinstance(offer, din.DCEVSEChargeParameter)
    assert quantity(offer.evse_maximum_current_limit) == 400.0
    assert offer.evse_maximum_power_limit is not None
    assert quantity(offer.evse_maximum_power_limit) == 150_000.0
    assert quantity(offer.evse_minimum_voltage_limit) == 150.0
    assert quantity(offer.evse_peak_current_ripple) == 1.0
    status = offer.dc_evse_status
    assert (status.evse_status_code.value, status.evse_isolation_status) == ("EVSE_Ready", None)
    (schedule,) = answer.sa_schedules.sa_schedule_tuple
    (entry,) = schedule.p_max_schedule.p_max_schedule_entry
    assert (schedule.sa_schedule_tuple_id, entry.p_max) == (1, 32_767)
    assert (entry.time_interval.start, entry.time_interval.duration) == (0, 86_400)
    needs = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
    assert needs == [act.ChargingNeeds(30_000.0, 36_000.0, 0.0)]
    shown = drive.session.display
    assert shown is not None
    assert (shown.present_soc, shown.target_soc, shown.maximum_soc) == (40, 80, 100)


@pytest.mark.parametrize(
    ("power_w", "p_max"), [(350_000.0, 32_767), (32_767.0, 32_767), (11_040.0, 11_040), (50_000.4, 32_767)]
)
def test_more_power_than_pmax_can_say(power_w: float, p_max: int) -> None:
    """Decoded again by whoever reads it, the limit is what it was, and PMax is as much of it as fits."""
    drive = Drive(limits=replace(STATION, maximum_charge_power_w=power_w)).to(S.CHARGE_PARAMETER_DISCOVERY)
    answer = ask(drive)
    (schedule,) = answer.sa_schedules.sa_schedule_tuple
    assert schedule.p_max_schedule.p_max_schedule_entry[0].p_max == p_max
    offer = answer.evse_charge_parameter
    assert isinstance(offer, din.DCEVSEChargeParameter)
    assert offer.evse_maximum_power_limit is not None
    assert 0.0 <= power_w - quantity(offer.evse_maximum_power_limit) < 10.0
    if power_w == 350_000.0:
        assert quantity(offer.evse_maximum_power_limit) == power_w


@pytest.mark.parametrize(("choice", "level"), [("omit", None), ("invalid", "Invalid"), ("valid", "Valid")])
def test_isolation_before_the_cable_check_is_a_setting(choice: str, level: str | None) -> None:
    offer = ask(
        Drive(config=config(cpd_isolation=choice)).to(S.CHARGE_PARAMETER_DISCOVERY)
    ).evse_charge_parameter
    assert isinstance(offer, din.DCEVSEChargeParameter)
    isolation = offer.dc_evse_status.evse_isolation_status
    assert (None if isolation is None else isolation.value) == level


@pytest.mark.parametrize("way", list(din.EVRequestedEnergyTransfer), ids=lambda way: way.value)
@pytest.mark.parametrize("offered", ["DC_extended", "DC_core"])
def test_only_the_way_to_charge_that_was_offered_is_taken(
    offered: str, way: din.EVRequestedEnergyTransfer
) -> None:
    drive = Drive(config=config(energy_transfer=offered)).to(S.CHARGE_PARAMETER_DISCOVERY)
    answer = drive.send(din.ChargeParameterDiscoveryReq, ev_requested_energy_transfer_type=way)
    if way.value == offered:
        assert answer.response_code is din.ResponseCode.OK
        return
    assert answer.response_code is din.ResponseCode.FAILED_WrongEnergyTransferType
    offer = answer.evse_charge_parameter
    assert offer.dc_evse_status.evse_status_code is din.DCEVSEStatusCode.EVSE_Shutdown
    assert answer.evse_processing is din.EVSEProcessing.Finished
    drive.book.ends(EndReason.PARAMETERS_NOT_ACCEPTED)


@pytest.mark.parametrize(
    ("changes", "works"),
    [
        ({"ev_maximum_voltage_limit": value(149.0)}, False),
        ({"ev_maximum_voltage_limit": value(150.0)}, True),
        ({"ev_maximum_voltage_limit": value(-400.0)}, False),
        ({"ev_maximum_voltage_limit": value(0.0)}, False),
        ({"ev_maximum_current_limit": value(-1.0, "A")}, False),
        ({"ev_maximum_current_limit": value(0.0, "A")}, False),
        ({"ev_maximum_current_limit": value(1.0, "A")}, True),
        ({"ev_maximum_power_limit": value(-1.0, "W")}, False),
        ({"ev_maximum_power_limit": value(0.0, "W")}, False),
        ({"ev_maximum_power_limit": value(1.0, "W")}, True),
        ({"ev_maximum_power_limit": None}, True),
        ({"dc_ev_status": replace(READY, ev_ready=False)}, True),
        ({"ev_energy_capacity": None, "ev_energy_request": None, "full_soc": None, "bulk_soc": None}, True),
        ({"ev_maximum_current_limit": value(32_767_000.0, "A")}, True),
    ],
)
def test_limits_of_the_vehicle(changes: dict[str, Any], works: bool) -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    code = ask(drive, **changes).response_code.value
    assert code == ("OK" if works else "FAILED_WrongChargeParameter")
    assert drive.session.state == ("CableCheck" if works else "Ended")


def test_a_vehicle_without_a_power_takes_what_voltage_and_current_make() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    ask(drive, ev_maximum_power_limit=None)
    assert drive.notes() == ["no-maximum-power"]
    vehicle = drive.context.facts.vehicle
    assert vehicle is not None
    assert vehicle.maximum_charge_power_w == 450.0 * 300.0


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({"ev_energy_request": value(-1.0, "Wh")}, act.ChargingNeeds(0.0, 36_000.0, 0.0)),
        ({"ev_energy_request": value(40_000.0, "Wh")}, act.ChargingNeeds(40_000.0, 40_000.0, 0.0)),
        ({"ev_energy_capacity": None}, act.ChargingNeeds(30_000.0, 30_000.0, 0.0)),
        ({"ev_energy_request": None}, None),
    ],
)
def test_what_the_vehicle_needs(changes: dict[str, Any], needs: act.ChargingNeeds | None) -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    ask(drive, **changes)
    told = [one for one in drive.book.actions if isinstance(one, act.ChargingNeeds)]
    assert told == ([] if needs is None else [needs])


def test_ac_parameters_are_wrong_parameters() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    ac = din.ACEVChargeParameter(
        departure_time=0,
        e_amount=value(1.0, "Wh"),
        ev_max_voltage=value(400.0),
        ev_max_current=value(16.0, "A"),
        ev_min_current=value(6.0, "A"),
    )
    answer = drive.send(din.ChargeParameterDiscoveryReq, ev_charge_parameter=ac)
    assert answer.response_code is din.ResponseCode.FAILED_WrongChargeParameter


ODD = [
    {"bulk_soc": 90, "full_soc": 80},
    {"ev_energy_request": value(70_000.0, "Wh")},
    {"ev_energy_request": value(-1.0, "Wh")},
]


@pytest.mark.parametrize("changes", ODD, ids=str)
@pytest.mark.parametrize("strict", [False, True])
def test_values_that_contradict_each_other(changes: dict[str, Any], strict: bool) -> None:
    drive = Drive(config=config(plausibility="strict" if strict else "note"))
    code = ask(drive.to(S.CHARGE_PARAMETER_DISCOVERY), **changes).response_code.value
    assert code == ("FAILED_WrongChargeParameter" if strict else "OK")
    assert drive.notes() == ([] if strict else ["charge-parameters"])


@pytest.mark.parametrize("wait_s", [55.0, 10.0, 0.0])
def test_a_station_without_power_makes_the_vehicle_wait_and_leads_it_on_then(wait_s: float) -> None:
    drive = Drive(config=config(no_power_wait_s=wait_s)).to(S.CHARGE_PARAMETER_DISCOVERY)
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_power_w=0.0)))
    began = drive.book.now
    answer = ask(drive)
    while drive.book.now < began + wait_s - 1e-6:
        assert answer.evse_processing is din.EVSEProcessing.Ongoing
        assert answer.sa_schedules.sa_schedule_tuple
        drive.wait(0.5)
        answer = ask(drive)
    assert answer.evse_processing is din.EVSEProcessing.Finished
    assert drive.session.state == "CableCheck"


def test_power_that_comes_ends_the_wait() -> None:
    drive = Drive().to(S.CHARGE_PARAMETER_DISCOVERY)
    drive.tell(ev.LimitsChanged(replace(STATION, maximum_charge_current_a=0.0)))
    assert ask(drive).evse_processing is din.EVSEProcessing.Ongoing
    drive.tell(ev.LimitsChanged(STATION))
    assert ask(drive).evse_processing is din.EVSEProcessing.Finished


def test_what_is_offered_cannot_take_back_and_ends_where_quantities_end() -> None:
    both = StationLimits(
        maximum_charge_power_w=1e9,
        maximum_charge_current_a=400.0,
        maximum_voltage_v=920.0,
        maximum_discharge_power_w=10_000.0,
        minimum_discharge_power_w=10.0,
        maximum_discharge_current_a=40.0,
        minimum_discharge_current_a=4.0,
    )
    offered = offered_limits(both)
    back = [getattr(offered, name) for name in offered.__struct_fields__ if "discharge" in name]
    assert back == [0.0] * 4
    assert offered.maximum_charge_power_w == 32_767_000.0
