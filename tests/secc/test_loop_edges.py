"""The DC output at its edges: what flows over channels of their own and where nothing is asked for, when
pre-charge and contactors are begun anew, and how long a time stamp holds."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.values import rational
from iso15118.secc import SeccConfig
from iso15118.secc.iso20 import delivery, loop, parameters
from iso15118.secc.iso20.sequence import State
from iso15118.session import events as ev
from iso15118.session.actions import EndReason, PeerDeviates
from iso15118.session.edition import Wait
from iso15118.session.services import BptChannel, ControlMode, ServiceID
from tests.secc.test_numbers import drive_with
from tests.secc.vehicle import ALL_SERVICES, STATION, VEHICLE, Drive

S = State
DYNAMIC, SCHEDULED = ControlMode.DYNAMIC, ControlMode.SCHEDULED


def looping(mode: ControlMode = SCHEDULED, service: ServiceID = ServiceID.DC_BPT, **config: Any) -> Drive:
    drive = Drive(service, mode, config=SeccConfig(services=ALL_SERVICES, **config))
    return drive.to(S.DC_CHARGE_LOOP)


# -- what flows


@pytest.mark.parametrize("amperes", [100.0, 0.5, 0.0, -0.5, -100.0], ids=str)
@pytest.mark.parametrize("discharge", [None, False, True], ids=str)
def test_nothing_flows_over_the_channel_that_is_not_chosen(discharge: bool | None, amperes: float) -> None:
    drive = looping()
    ctx = drive.context
    if discharge is not None:
        assert ctx.parameter_set is not None
        ctx.parameter_set = replace(ctx.parameter_set, bpt_channel=BptChannel.SEPARATED)
        ctx.discharge_channel = discharge
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(amperes))
    bounds = drive.session._facts.power
    assert bounds is not None
    flows = discharge is None or discharge is (amperes < 0.0)
    assert bounds[1] == (amperes if flows else 0.0)
    assert bounds[3] is (flows and amperes < 0.0)
    assert (bounds[2] > 0.0) is (flows and amperes != 0.0)


def test_a_station_without_a_lowest_voltage_holds_none_while_it_takes_energy_back() -> None:
    for mode in (SCHEDULED, DYNAMIC):
        limits = replace(STATION, minimum_voltage_v=0.0)
        drive = drive_with(limits, ServiceID.DC_BPT, mode).to(S.DC_CHARGE_PARAMETER_DISCOVERY)
        none = drive.cpd_mode(ev_minimum_voltage=rational(0.0))
        drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=none)
        drive.to(S.DC_CHARGE_LOOP)
        drive.book.tell(ev.SetPointChanged(-50_000.0))
        wish = (
            drive.scheduled(-50.0) if mode is SCHEDULED else drive.dynamic(ev_minimum_voltage=rational(0.0))
        )
        drive.send(dc.DCChargeLoopReq, cl_req_control_mode=wish)
        bounds = drive.session._facts.power
        assert bounds is not None
        assert (bounds[0], bounds[3]) == (0.0, True)


def test_a_vehicle_that_leaves_the_power_to_the_station_asks_for_nothing_beyond_its_limits() -> None:
    drive = looping(DYNAMIC)
    drive.book.tell(
        ev.LimitsChanged(replace(STATION, maximum_charge_power_w=500.0, maximum_charge_current_a=0.5))
    )
    answer = drive.send(dc.DCChargeLoopReq)
    assert not answer.evse_power_limit_achieved
    assert not answer.evse_current_limit_achieved


@pytest.mark.parametrize(("volts", "noted"), [(950.0, False), (951.0, True)], ids=str)
def test_a_target_above_the_vehicles_own_maximum_is_noted(volts: float, noted: bool) -> None:
    drive = looping(overvoltage_v=5.0)
    drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(10.0, volts))
    assert any(isinstance(one, PeerDeviates) for one in drive.book.actions) is noted


@pytest.mark.parametrize(("volts", "reached"), [(900.0, False), (901.0, True)], ids=str)
def test_who_asks_for_more_than_the_highest_voltage_is_told_so(volts: float, reached: bool) -> None:
    drive = drive_with(replace(STATION, maximum_voltage_v=900.0)).to(S.DC_CHARGE_LOOP)
    answer = drive.send(dc.DCChargeLoopReq, cl_req_control_mode=drive.scheduled(10.0, volts))
    assert answer.evse_voltage_limit_achieved is reached


@pytest.mark.parametrize("missing", ["service", "vehicle", "limits", "contactors_closed"])
def test_no_loop_without(missing: str) -> None:
    drive = looping()
    request = drive.request(dc.DCChargeLoopReq)
    owner: Any = drive.context if missing == "service" else drive.context.facts
    setattr(owner, missing, False if missing == "contactors_closed" else None)
    reply: Any = loop.charge_loop(request, drive.context)
    assert reply.end is EndReason.INTERNAL_ERROR


# -- before it


@pytest.mark.parametrize(
    ("station", "vehicle", "target", "works"),
    [
        (200.0, 600.0, 599.0, True),
        (200.0, 600.0, 598.9, False),
        (700.0, 600.0, 699.0, True),
        (700.0, 600.0, 698.9, False),
        (0.0, 0.0, 1.0, True),
        (0.0, 0.0, 0.9, False),
    ],
)
def test_neither_side_is_pre_charged_below_what_it_can(
    station: float, vehicle: float, target: float, works: bool
) -> None:
    drive = drive_with(replace(STATION, minimum_voltage_v=station)).to(S.DC_CHARGE_PARAMETER_DISCOVERY)
    mode = drive.cpd_mode(ev_minimum_voltage=rational(vehicle))
    drive.send(dc.DCChargeParameterDiscoveryReq, dc_cpd_req_energy_transfer_mode=mode)
    drive.to(S.DC_PRE_CHARGE)
    answer = drive.send(dc.DCPreChargeReq, ev_target_voltage=rational(target))
    assert (answer.response_code.value == "OK") is works
    if not works:
        drive.book.ends(EndReason.PRE_CHARGE_FAILED)


@pytest.mark.parametrize("missing", ["vehicle", "limits"])
def test_no_pre_charge_without(missing: str) -> None:
    drive = Drive().to(S.DC_PRE_CHARGE)
    setattr(drive.context.facts, missing, None)
    reply: Any = delivery.pre_charge(drive.request(dc.DCPreChargeReq), drive.context)
    assert reply.end is EndReason.INTERNAL_ERROR


@pytest.mark.parametrize(("closed", "delivered"), [(True, True), (True, False), (False, True)])
def test_only_an_output_that_a_battery_has_held_since_is_not_compared_again(
    closed: bool, delivered: bool
) -> None:
    drive = looping()
    facts = drive.context.facts
    facts.contactors_closed, facts.delivered = closed, delivered
    drive.context.state = S.POWER_DELIVERY
    reply = delivery.power_delivery(drive.request(cm.PowerDeliveryReq), drive.context)
    assert isinstance(reply, Wait) is not (closed and delivered)


def test_who_stops_before_power_is_asked_for_nothing_more() -> None:
    drive = Drive().to(S.DC_CABLE_CHECK)
    drive.book.tell(ev.PauseRequested("the grid"))
    answer = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Standby)
    assert answer.response_code.value == "WARNING_StandbyNotAllowed"
    assert answer.evse_status is not None
    answer = drive.send(cm.PowerDeliveryReq, charge_progress=cm.ChargeProgress.Stop)
    assert (answer.response_code.value, answer.evse_status) == ("OK", None)


# -- parameters


def test_of_two_limits_the_one_that_leaves_nothing_is_named() -> None:
    offered = replace(
        STATION,
        minimum_charge_power_w=3_000.0,
        minimum_charge_current_a=6.0,
        minimum_discharge_power_w=2_000.0,
        minimum_discharge_current_a=5.0,
    )
    drive = Drive(ServiceID.DC_BPT)
    for changes, why in (
        ({}, ""),
        ({"maximum_voltage_v": 0.0, "minimum_voltage_v": 0.0}, "maximum_voltage_v is 0"),
        ({"maximum_voltage_v": 200.0, "minimum_voltage_v": 0.0}, ""),
        ({"maximum_voltage_v": 199.0, "minimum_voltage_v": 0.0}, "below the station's minimum"),
        ({"maximum_voltage_v": 2_000.0, "minimum_voltage_v": 1_250.0}, ""),
        ({"maximum_voltage_v": 2_000.0, "minimum_voltage_v": 1_251.0}, "above the station's maximum"),
        ({"maximum_discharge_power_w": 2_000.0}, ""),
        ({"maximum_discharge_power_w": 1_999.0}, "discharge power is below"),
        ({"maximum_discharge_current_a": 5.0}, ""),
        ({"maximum_discharge_current_a": 4.9}, "discharge current is below"),
        ({"maximum_discharge_power_w": 0.0, "maximum_discharge_current_a": 0.0}, ""),
        ({"maximum_charge_power_w": 3_000.0}, ""),
        ({"maximum_charge_power_w": 2_999.0}, "maximum power is below"),
        ({"maximum_charge_current_a": 6.0}, ""),
        ({"maximum_charge_current_a": 5.9}, "maximum current is below"),
        ({"maximum_charge_power_w": 0.0}, ""),
        ({"maximum_charge_current_a": 0.0}, ""),
    ):
        vehicle = replace(VEHICLE, **changes)
        found = parameters._why_nothing_flows(offered, vehicle, drive.service)
        assert (found == "") if not why else (why in found), changes


# -- time stamps


def test_a_time_stamp_holds_until_the_next_second() -> None:
    drive = looping()
    ctx = drive.context
    began = 1_790_000_000
    for now, stamp in ((10.2, 10), (10.999, 10), (11.0, 11), (11.5, 11), (12.25, 12), (13.0, 13), (13.3, 13)):
        ctx.facts.now = now
        assert ctx.header().time_stamp == began + stamp, now
    ctx.facts.session_id = b"12345678"
    assert ctx.header().session_id == b"12345678", "in the same second"
