"""What a vehicle asks for, at the edges of what battery, driver and station allow,
and when it has had enough."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from iso15118.evcc import EvccConfig
from iso15118.messages.iso20 import common_messages as cm
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import Processing, ResponseCode
from iso15118.messages.values import rational, si
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.actions import EndReason
from iso15118.session.services import ControlMode, ServiceID
from iso15118.session.supervision import Rule, SupervisionLimits
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
    for _ in range(8):  # what was asked for before may come for a second
        request = next_loop(host)
        if request is None:
            break
    assert (request is not None) is goes_on


@pytest.mark.parametrize(
    ("wish_a", "goes_on"), [(0.0, True), (0.06, False), (0.099, False), (0.1, True), (5.0, True)]
)
def test_a_battery_that_asks_for_less_than_can_be_said_has_enough(wish_a: float, goes_on: bool) -> None:
    """A wish that is rounded to nothing brings nothing: the vehicle would wait for an hour. One of nothing
    is for the battery to end."""
    host = loop_of()
    host.measure(BATTERY_V)
    host.battery(target_current_a=wish_a)
    for _ in range(8):  # what was asked for before may come for a second
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
        assert host.book.now - began == pytest.approx(11.0, abs=0.6)
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


# -- what a station offers


def offered(host: Host, **changes: float) -> Host:
    """The station's offer, with some of its fields changed, and the first request of the
    loop if it comes to that."""
    host.to("DC_ChargeParameterDiscovery")
    offer = host.response(dc.DCChargeParameterDiscoveryRes).dc_cpd_res_energy_transfer_mode
    fields = {name: getattr(offer, name) for name in offer.__struct_fields__}
    fields |= {f"evse_{name}": rational(value) for name, value in changes.items()}
    host.answer(dc_cpd_res_energy_transfer_mode=type(offer)(**fields))
    return host


@pytest.mark.parametrize(
    ("changes", "goes_on"),
    [
        ({"minimum_voltage": VEHICLE.maximum_voltage_v}, True),
        ({"minimum_voltage": VEHICLE.maximum_voltage_v + 1.0}, False),
        ({"maximum_voltage": BATTERY_V}, True),
        ({"maximum_voltage": BATTERY_V - 1.0}, False),
        ({"minimum_charge_power": VEHICLE.maximum_charge_power_w, "maximum_charge_power": 2e6}, True),
        (
            {"minimum_charge_power": VEHICLE.maximum_charge_power_w + 100.0, "maximum_charge_power": 2e6},
            False,
        ),
    ],
)
def test_a_station_that_can_just_do_it_is_charged_at(changes: dict[str, float], goes_on: bool) -> None:
    host = offered(Host(), **changes)
    assert isinstance(host.request, cm.ScheduleExchangeReq if goes_on else cm.SessionStopReq)


@pytest.mark.parametrize(
    ("own_a", "least_a", "goes_on"),
    [(0.5, 1.0, False), (1.0, 1.0, True), (0.0, 1.0, True), (5.0, 6.0, False)],
)
def test_a_vehicle_that_can_take_less_than_the_least_leaves_unless_it_says_nothing(
    own_a: float, least_a: float, goes_on: bool
) -> None:
    host = offered(
        Host(limits=replace(VEHICLE, maximum_charge_current_a=own_a)), minimum_charge_current=least_a
    )
    assert isinstance(host.request, cm.ScheduleExchangeReq if goes_on else cm.SessionStopReq)


@pytest.mark.parametrize("allowed", [False, True])
def test_what_a_vehicle_declares_to_give(allowed: bool) -> None:
    config = EvccConfig(
        services=(ServiceID.DC_BPT,), control_modes=(ControlMode.SCHEDULED,), allow_discharge=allowed
    )
    host = Host(ServiceID.DC_BPT, config=config).to("DC_ChargeParameterDiscovery")
    mode = host.request.dc_cpd_req_energy_transfer_mode
    told = (si(mode.ev_maximum_discharge_power), si(mode.ev_maximum_discharge_current))
    assert told == ((300e3, 400.0) if allowed else (0.0, 0.0))


@pytest.mark.parametrize(
    ("least", "battery"),
    [
        ({"minimum_charge_power": 1000.0}, {"maximum_charge_power_w": 500.0}),
        ({"minimum_charge_current": 10.0}, {"target_current_a": 5.0}),
    ],
)
def test_a_battery_that_takes_too_little_leaves_after_its_time(
    least: dict[str, float], battery: dict[str, float]
) -> None:
    config = EvccConfig(below_minimum_s=10.0)
    host = offered(Host(config=config), **least).to("DC_ChargeLoop")
    host.measure(BATTERY_V, 2.0)
    host.battery(**battery)
    host.book.now += 30.0
    host.session.timers.clear_all()
    host.measure(BATTERY_V, 2.0)
    began = host.book.now
    request = next_loop(host)
    while request is not None:
        assert si(request.cl_req_control_mode.ev_target_current) == 0.0
        host.measure(BATTERY_V, 2.0)
        request = next_loop(host)
    assert host.book.now - began == pytest.approx(10.25, abs=0.6)
    while host.session.ended is None:
        host.step()
    assert "takes less" in host.session.ended.detail


def test_a_wish_of_the_station_is_no_minimum_of_what_is_given() -> None:
    host = loop_of()
    host.battery(maximum_discharge_current_a=100.0)
    assert si(turn(host, **ASKS).ev_target_current) == -100.0
    host.battery(maximum_discharge_power_w=40_000.0)
    assert si(turn(host, **ASKS).ev_target_current) == -50.0


@pytest.mark.parametrize(("watts", "amperes"), [(40_000.0, 0.0), (64_000.0, -80.0)])
def test_less_than_the_stations_hardware_can_take_back_is_not_given(watts: float, amperes: float) -> None:
    service = ServiceID.DC_BPT
    config = EvccConfig(services=(service,), control_modes=(ControlMode.SCHEDULED,))
    host = offered(Host(service, ControlMode.SCHEDULED, config=config), minimum_discharge_power=60_000.0)
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    host.battery(maximum_discharge_power_w=watts)
    assert si(turn(host, **ASKS).ev_target_current) == amperes


@pytest.mark.parametrize("whose", ["station", "vehicle"])
@pytest.mark.parametrize("least", [("charge_current", "a", 40.02), ("charge_power", "w", 40.02 * BATTERY_V)])
@pytest.mark.parametrize(("amperes", "asked_a"), [(30.0, 0.0), (40.04, 0.0), (40.1, 40.1)])
def test_less_than_one_of_the_two_can_do_is_not_asked_for(
    whose: str, least: tuple[str, str, float], amperes: float, asked_a: float
) -> None:
    """Nor what is less only after rounding to tenths: 40.04 A is asked for as 40.0 A."""
    name, unit, value = least
    own = {f"minimum_{name}_{unit}": value} if whose == "vehicle" else {}
    config = EvccConfig(services=(ServiceID.MCS,), control_modes=(ControlMode.SCHEDULED,))
    host = Host(ServiceID.MCS, ControlMode.SCHEDULED, config=config, limits=replace(VEHICLE, **own))
    offered(host, **({f"minimum_{name}": value} if whose == "station" else {}))
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V, 100.0)
    host.battery(target_current_a=amperes)
    assert si(turn(host).ev_target_current) == asked_a


def test_a_battery_without_voltage_is_no_fault_of_this_software() -> None:
    host = loop_of()
    host.battery(voltage_v=0.0)
    assert si(turn(host).ev_target_current) > 0.0
    assert host.session.error is None


def test_a_vehicle_that_winds_down_wants_no_minimum_either() -> None:
    host = loop_of(DYNAMIC)
    host.battery(energy_to_minimum_wh=5000.0)
    assert si(turn(host).ev_minimum_energy_request) == 5000.0
    host.tell(ev.StopRequested("the driver is back"))
    mode = turn(host)
    told = [si(getattr(mode, f"ev_{name}_energy_request")) for name in ("target", "minimum")]
    assert told == [0.0, 0.0]


# -- the first messages, and readings


def test_the_one_protocol_that_is_offered() -> None:
    host = Host()
    (entry,) = host.request.app_protocol
    assert (entry.version_number_major, entry.version_number_minor) == (1, 0)
    assert (entry.schema_id, entry.priority) == (1, 1)


def test_every_request_carries_the_time_at_which_it_is_sent() -> None:
    host = Host().to("Authorization")
    stamps = []
    for _ in range(3):
        stamps.append(host.request.header.time_stamp)
        host.book.now += 10.0
        host.answer(evse_processing=Processing.Ongoing)
        host.wait(0.2)
    assert [stamp - stamps[0] for stamp in stamps] == [0, 10, 20]


@pytest.mark.parametrize(
    ("age_s", "stale_s", "closes"), [(0.9, 1.0, True), (1.1, 1.0, False), (1.1, None, True)]
)
def test_contactors_close_by_a_reading_of_now(age_s: float, stale_s: float | None, closes: bool) -> None:
    host = Host(config=EvccConfig(supervision=SupervisionLimits(stale_s=stale_s))).to("DC_PreCharge")
    host.measure(BATTERY_V)
    host.shown = []
    host.book.now += age_s
    host.answer()
    assert any(isinstance(action, act.CloseContactors) for action in host.book.actions) is closes


@pytest.mark.parametrize(("least_a", "asks"), [(0.0, {}), (10.0, ASKS), (0.0, ASKS)])
def test_a_battery_that_takes_nothing_stays_where_there_is_no_least_or_it_gives(
    least_a: float, asks: dict[str, Any]
) -> None:
    service = ServiceID.DC_BPT
    config = EvccConfig(services=(service,), control_modes=(ControlMode.SCHEDULED,), below_minimum_s=4.0)
    host = offered(Host(service, ControlMode.SCHEDULED, config=config), minimum_charge_current=least_a)
    host.to("DC_ChargeLoop")
    host.measure(BATTERY_V)
    host.battery(target_current_a=0.0)
    for _ in range(32):
        turn(host, **asks)
        host.measure(BATTERY_V, -100.0 if asks else 0.0)
    assert host.session.ended is None
