"""What a vehicle asks for, at the edges of what battery, driver and station allow, and when it has had enough."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import ResponseCode
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.supervision import Rule
from tests.evcc.station import BATTERY_V, STATION, VEHICLE, Host
from tests.evcc.test_edges import next_loop
from tests.evcc.test_loop import ASKS, charging, turn
from tests.evcc.test_numbers import SENT, scheduled

DYNAMIC = ControlMode.DYNAMIC


def loop_of(
    mode: ControlMode = ControlMode.SCHEDULED, service: ServiceID = ServiceID.DC_BPT, **config: Any
) -> Host:
    return charging(service, mode, **config)


# -- what is shown


@pytest.mark.parametrize(
    ("soc", "shown"), [(-3.0, 0), (0.4, 0), (1.0, 1), (55.9, 55), (100.0, 100), (104.0, 100)]
)
def test_the_state_of_charge_that_is_shown(soc: float, shown: int) -> None:
    host = loop_of()
    host.battery(soc=soc)
    request = next_loop(host)
    assert (host.request if request is None else request).display_parameters.present_soc == shown


# -- giving back


@pytest.mark.parametrize(
    ("limits", "gives"),
    [
        ({}, True),
        (
            {"evse_minimum_discharge_power": rational(0.5), "evse_maximum_discharge_power": rational(200e3)},
            True,
        ),
        ({"evse_minimum_discharge_power": rational(0.0)}, False),
        ({"evse_maximum_charge_power": rational(0.5)}, False),
    ],
)
def test_a_station_asks_for_energy_by_letting_nothing_in(limits: dict[str, Any], gives: bool) -> None:
    host = loop_of()
    current = si(turn(host, **(ASKS | limits)).ev_target_current)
    assert (current < 0.0) is gives


@pytest.mark.parametrize(
    ("battery", "gives"),
    [
        ({"soc": 20.0}, False),
        ({"soc": 20.5}, True),
        ({"energy_to_minimum_wh": 0.0}, False),
        ({"energy_to_minimum_wh": -0.5}, True),
    ],
)
def test_a_battery_gives_what_is_above_its_minimum(battery: dict[str, float], gives: bool) -> None:
    host = loop_of(minimum_soc=20)
    host.battery(**battery)
    assert (si(turn(host, **ASKS).ev_target_current) < 0.0) is gives


@pytest.mark.parametrize("allowed", [False, True])
def test_what_a_vehicle_may_give_where_the_station_chooses(allowed: bool) -> None:
    host = loop_of(DYNAMIC, allow_discharge=allowed)
    mode = turn(host)
    told = [
        si(getattr(mode, f"ev_{name}"))
        for name in ("maximum_discharge_power", "minimum_discharge_power", "maximum_discharge_current")
    ]
    most = [VEHICLE.maximum_discharge_power_w, 0.0, VEHICLE.maximum_discharge_current_a]
    assert told == (most if allowed else [0.0, 0.0, 0.0])


def test_a_voltage_below_the_own_minimum_is_its_own_minimum() -> None:
    host = loop_of(DYNAMIC)
    assert si(turn(host).ev_minimum_voltage) == VEHICLE.minimum_voltage_v
    host.battery(target_voltage_v=500.0)
    mode = turn(host)
    assert (si(mode.ev_minimum_voltage), si(mode.ev_maximum_voltage)) == (500.0, 500.0)


# -- limits of the station


@pytest.mark.parametrize(("watts", "amperes"), [(999.0, 0.0), (1040.0, 1.3), (8000.0, 10.0)])
def test_less_than_the_stations_hardware_can_do_is_nothing(watts: float, amperes: float) -> None:
    host = Host(ServiceID.DC).to("DC_ChargeParameterDiscovery")
    offer = host.response(dc.DCChargeParameterDiscoveryRes).dc_cpd_res_energy_transfer_mode
    fields = {name: getattr(offer, name) for name in offer.__struct_fields__} | {
        "evse_minimum_charge_power": rational(1000.0)
    }
    host.answer(dc_cpd_res_energy_transfer_mode=type(offer)(**fields))
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    current = si(turn(host, evse_maximum_charge_power=rational(watts)).ev_target_current)
    assert current == pytest.approx(amperes, abs=0.1)


# -- schedules and profiles


def test_a_schedule_below_zero_lets_nothing_in() -> None:
    host = scheduled(((600, -40_000.0), (3000, 40_000.0)), SENT)
    assert si(turn(host).ev_target_current) == 0.0


def test_a_profile_says_from_now_on_as_much_as_both_can() -> None:
    host = Host(control_mode=DYNAMIC).to("PowerDelivery")
    profile = host.request.ev_power_profile
    (entry,) = profile.ev_power_profile_entries.ev_power_profile_entry
    assert (entry.duration, si(entry.power)) == (86_400, STATION.maximum_charge_power_w)
    assert profile.time_anchor == int(1.79e9 + host.book.now)
    host = Host(config=EvccConfig(control_modes=(DYNAMIC,), departure_time_s=0), control_mode=DYNAMIC)
    for _ in range(60):
        if isinstance(host.request, cm.PowerDeliveryReq) or host.session.ended is not None:
            break
        host.step()
    assert isinstance(host.request, cm.PowerDeliveryReq)
    profile = host.sent[-1].ev_power_profile
    (entry,) = profile.ev_power_profile_entries.ev_power_profile_entry
    assert entry.duration == 1, "who leaves at once still says something"


# -- enough


@pytest.mark.parametrize(("lacks_wh", "goes_on"), [(99.5, False), (100.0, False), (100.5, True)])
def test_a_battery_that_lacks_hardly_anything_is_full(lacks_wh: float, goes_on: bool) -> None:
    host = loop_of(least_energy_wh=100.0)
    host.measure(BATTERY_V)
    host.battery(energy_to_target_wh=lacks_wh)
    for _ in range(4):
        request = next_loop(host)
        if request is None:
            break
    assert (request is not None) is goes_on


@pytest.mark.parametrize(("amperes", "goes_on"), [(0.0, False), (100.0, True)])
def test_without_power_for_so_long_a_vehicle_leaves(amperes: float, goes_on: bool) -> None:
    host = loop_of(no_power_s=10.0)
    began = host.book.now
    request: Any = host.request
    while request is not None and host.book.now < began + 20.0:
        host.measure(BATTERY_V, amperes)
        request = next_loop(host)
    assert (request is not None) is goes_on
    if not goes_on:
        assert host.book.now - began == pytest.approx(10.0, abs=0.6)
        host.answer()
        while host.session.ended is None:
            host.step()
        assert host.session.ended.detail == "no power for 10 s"


# -- the stop


@pytest.mark.parametrize("code", [ResponseCode.OK, ResponseCode.OK_PowerToleranceConfirmed])
def test_every_ok_to_the_stop_is_one(code: ResponseCode) -> None:
    host = Host().to("DC_ChargeLoop", times=2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host.answer(response_code=code)
    while host.session.ended is None:
        host.step()
    assert host.session.ended.reason is EndReason.STOPPED_BY_EV


def stopped() -> Host:
    """The stop was answered, and nothing is heard of the contactors."""
    host = Host().to("DC_ChargeLoop", times=2)
    host.battery(energy_to_target_wh=0.0, complete=True)
    while not isinstance(host.request, cm.PowerDeliveryReq) or not host.waiting:
        host.step()
    host.answer()
    host._contactors = None
    return host


def test_contactors_are_given_their_time_before_the_voltage_is_looked_at() -> None:
    host = stopped()
    host.measure(0.0)
    host.wait(2.99)
    assert isinstance(host.request, cm.PowerDeliveryReq)
    host.wait(0.02)
    assert isinstance(host.request, dc.DCWeldingDetectionReq)


def test_a_voltage_that_stays_is_watched_for_five_seconds() -> None:
    host = stopped()
    host.measure(100.0)
    host.tell(ev.ContactorsChanged(False))
    began = host.book.now
    while isinstance(host.request, dc.DCWeldingDetectionReq):
        if host.waiting:
            host.answer()
        else:
            host.wait(0.05)
    assert host.book.now - began == pytest.approx(5.0, abs=0.2)
    assert isinstance(host.request, cm.SessionStopReq)


@pytest.mark.parametrize("mode", ControlMode)
def test_a_vehicle_that_only_charges_takes_nothing_back(mode: ControlMode) -> None:
    host = charging(ServiceID.DC, mode)
    host.measure(BATTERY_V, -15.5)
    host.book.now += 0.21
    host.measure(BATTERY_V, -15.5)
    rules = [action.rule for action in host.book.actions if isinstance(action, act.SupervisionWarning)]
    assert rules == [Rule.REVERSE_CURRENT.value]
