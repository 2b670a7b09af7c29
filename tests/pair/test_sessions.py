"""Whole sessions in virtual time, over V2GTP and EXI as on a wire, under the safety monitor: every
service in both control modes."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.session.actions import EndReason
from iso15118.session.events import (
    EmergencyShutdown,
    LimitsChanged,
    SignalChanged,
    SignalState,
    StopRequested,
    TransportLoss,
)
from iso15118.session.limits import StationLimits
from iso15118.session.services import ControlMode, ServiceID
from iso15118.simulation import ContactorFault
from iso15118.testing import Pair
from tests.pair.rig import ALL_SERVICES, pair

MODES = list(ControlMode)
BPT = (ServiceID.DC_BPT, ServiceID.MCS_BPT)


def safe(rig: Pair) -> None:
    """Both ends are off the cable, nothing flows, and nothing was switched under load."""
    rig.let_pass(5.0)
    assert not rig.station.outlet.closed
    assert not rig.vehicle.inlet.closed
    assert abs(rig.station.measure(rig.now).current_a) < 0.1
    assert rig.station.measure(rig.now).voltage_v < 60.0
    assert rig.station.deadline is None or rig.secc.deadline is None


def orderly(rig: Pair) -> None:
    assert rig.station.outlet.opened_under_load == 0
    assert rig.vehicle.inlet.opened_under_load == 0
    assert rig.station.circuit.record.inrushes == 0
    assert rig.station.circuit.record.beyond_station == 0
    assert rig.station.circuit.record.beyond_vehicle == 0


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
@pytest.mark.parametrize("service", ALL_SERVICES, ids=lambda s: s.name)
def test_a_charge_from_start_to_end(service: ServiceID, mode: ControlMode) -> None:
    rig = pair(service, mode)
    rig.run()
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.STOPPED_BY_EV
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
    assert rig.vehicle.battery.soc == pytest.approx(45.0, abs=0.05)
    assert rig.loops > 10
    assert rig.secc.states[-4:] == ["DC_ChargeLoop", "DC_WeldingDetection", "SessionStop", "Ended"]
    assert rig.evcc.states[-5:] == [
        "DC_ChargeLoop",
        "PowerDelivery",
        "DC_WeldingDetection",
        "SessionStop",
        "Ended",
    ]
    orderly(rig)
    safe(rig)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
@pytest.mark.parametrize(
    ("service", "station", "capacity_kwh", "power_kw", "minutes"),
    [
        (ServiceID.MCS, "mcs-max", 540, 1000, 32.4),
        (ServiceID.MCS, "mcs-max", 540, 1500, 21.6),
        (ServiceID.DC, "ccs2", 180, 350, 30.9),
    ],
)
def test_a_truck_takes_as_long_as_its_energy_over_its_power(
    service: ServiceID, station: str, capacity_kwh: float, power_kw: float, minutes: float, mode: ControlMode
) -> None:
    truck = {"capacity_wh": capacity_kwh * 1e3, "soc": 0.0, "target_soc": 100.0, "minimum_soc": 0.0}
    rig = pair(service, mode, station=station, battery=truck | {"constant_power_w": power_kw * 1e3})
    rig.run()
    assert rig.transfer_s / 60.0 == pytest.approx(minutes, rel=0.02)
    assert rig.station.circuit.record.peak_power_w <= power_kw * 1e3 * 1.0001
    orderly(rig)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_a_vehicle_that_wants_more_than_the_station_has_gets_the_stations_limit(mode: ControlMode) -> None:
    rig = pair(
        ServiceID.DC,
        mode,
        station="ccs2",
        battery={"capacity_wh": 540e3, "soc": 30.0, "target_soc": 33.0, "constant_power_w": 1.5e6},
    )
    limits = rig.station.limits
    rig.run()
    record = rig.station.circuit.record
    assert record.peak_current_a == pytest.approx(limits.maximum_charge_current_a, rel=1e-3)
    assert record.peak_power_w <= limits.maximum_charge_power_w
    orderly(rig)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
@pytest.mark.parametrize("service", BPT, ids=lambda s: s.name)
def test_charges_gives_back_and_charges_again(service: ServiceID, mode: ControlMode) -> None:
    truck = {"capacity_wh": 540e3, "soc": 40.0, "target_soc": 80.0}
    rig = pair(service, mode, battery=truck, discharge_wh=50e3)
    directions: list[int] = []

    def note() -> bool:
        current = rig.station.measure(rig.now).current_a
        if abs(current) > 5.0 and (not directions or directions[-1] != (1 if current > 0 else -1)):
            directions.append(1 if current > 0 else -1)
        return False

    rig.run(until=note)
    assert directions == [1, -1, 1]
    battery, meter = rig.vehicle.battery, rig.station.meter
    assert meter.discharged_wh == pytest.approx(50e3, rel=1e-3)
    assert meter.charged_wh == pytest.approx(battery.charged_wh, rel=1e-3)
    assert meter.discharged_wh == pytest.approx(battery.discharged_wh, rel=1e-3)
    assert battery.soc == pytest.approx(80.0, abs=0.05)
    orderly(rig)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_nothing_is_given_back_below_the_minimum_state_of_charge(mode: ControlMode) -> None:
    low = {"capacity_wh": 540e3, "soc": 40.0, "target_soc": 50.0, "minimum_soc": 43.0}
    rig = pair(ServiceID.MCS_BPT, mode, battery=low, discharge_wh=200e3)
    lowest = 100.0
    turned = False

    def note() -> bool:
        nonlocal lowest, turned
        turned = turned or rig.station.measure(rig.now).current_a < -5.0
        if turned:
            lowest = min(lowest, rig.vehicle.battery.soc)
        return False

    rig.run(until=note)
    assert turned
    assert lowest >= 42.9
    assert rig.vehicle.battery.soc == pytest.approx(50.0, abs=0.05)


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_a_driver_who_does_not_allow_it_gives_nothing_back(mode: ControlMode) -> None:
    rig = pair(
        ServiceID.MCS_BPT,
        mode,
        battery={"capacity_wh": 540e3, "soc": 40.0, "target_soc": 50.0},
        discharge_wh=50e3,
        evcc={"allow_discharge": False},
    )
    rig.run()
    assert rig.station.meter.discharged_wh == 0.0


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_a_derated_station_never_gives_more_from_that_moment(mode: ControlMode) -> None:
    rig = pair(
        ServiceID.MCS, mode, battery={"capacity_wh": 540e3, "target_soc": 60.0, "constant_power_w": 1e6}
    )
    rig.run(until=lambda: rig.station.measure(rig.now).current_a > 1000.0)
    lower = StationLimits(
        maximum_charge_power_w=200e3,
        maximum_charge_current_a=300.0,
        maximum_voltage_v=1250.0,
        minimum_voltage_v=200.0,
    )
    rig.tell_secc(LimitsChanged(lower))
    rig.let_pass(0.05)
    assert rig.station.measure(rig.now).current_a <= 300.0
    for _ in range(200):
        rig.let_pass(0.25)
        measured = rig.station.measure(rig.now)
        assert measured.current_a <= 300.0
        assert measured.current_a * measured.voltage_v <= 200e3 * 1.001


@pytest.mark.parametrize("mode", MODES, ids=lambda m: m.name)
def test_the_station_stops_in_an_orderly_way(mode: ControlMode) -> None:
    rig = pair(ServiceID.MCS, mode, battery={"capacity_wh": 540e3, "target_soc": 80.0})
    rig.run(until=lambda: rig.loops > 20)
    rig.tell_secc(StopRequested("operator"))
    rig.run()
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.STOPPED_BY_STATION
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_STATION
    orderly(rig)
    safe(rig)


@pytest.mark.parametrize("side", ["secc", "evcc"])
@pytest.mark.parametrize("moment", ["DC_CableCheck", "DC_PreCharge", "DC_ChargeLoop"])
def test_an_emergency_takes_the_power_away_within_the_hardwares_time(side: str, moment: str) -> None:
    rig = pair(ServiceID.MCS, battery={"capacity_wh": 540e3, "target_soc": 80.0})
    loops = 20 if moment == "DC_ChargeLoop" else 0
    rig.run(until=lambda: rig.secc.state == moment and rig.loops >= loops)
    (rig.tell_secc if side == "secc" else rig.tell_evcc)(EmergencyShutdown("button"))
    rig.let_pass(0.1)
    assert abs(rig.station.measure(rig.now).current_a) < 5.0
    rig.run()
    ended = rig.secc.ended if side == "secc" else rig.evcc.ended
    assert ended is not None
    assert ended.reason is EndReason.EMERGENCY
    safe(rig)


@pytest.mark.parametrize("how", list(TransportLoss), ids=lambda how: how.name)
@pytest.mark.parametrize(
    "moment",
    [
        "SessionSetup", "Authorization", "ServiceDiscovery", "DC_ChargeParameterDiscovery", "ScheduleExchange",
        "DC_CableCheck", "DC_PreCharge", "PowerDelivery", "DC_ChargeLoop", "DC_WeldingDetection", "SessionStop",
    ],
)  # fmt: skip
def test_a_cut_cable_leaves_both_ends_safe_at_once(moment: str, how: TransportLoss) -> None:
    rig = pair(ServiceID.DC_BPT)
    rig.run(until=lambda: rig.secc.state == moment)
    rig.cut(how)
    before = rig.now
    rig.run()
    assert rig.now - before < 0.01
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    # The pilot may tell the station a moment before the link does; what was under way may still arrive.
    assert rig.evcc.ended.reason is EndReason.PEER_VANISHED
    assert rig.secc.ended.reason in (
        {EndReason.PEER_VANISHED, EndReason.SIGNAL_LOST}
        | ({EndReason.STOPPED_BY_EV} if moment == "SessionStop" else set())
    )
    safe(rig)


@pytest.mark.parametrize(
    "moment", ["Authorization", "DC_CableCheck", "DC_PreCharge", "DC_ChargeLoop", "DC_WeldingDetection"]
)
@pytest.mark.parametrize("silent", ["secc", "evcc"])
def test_a_silent_peer_is_given_up_in_its_time(moment: str, silent: str) -> None:
    swallow = False
    rig = pair(ServiceID.DC, on_message=lambda sender, message, now: not (swallow and sender == silent))
    rig.run(until=lambda: rig.secc.state == moment)
    swallow = True
    rig.run()
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    reasons = {rig.secc.ended.reason, rig.evcc.ended.reason}
    assert EndReason.TIMEOUT in reasons
    safe(rig)


@pytest.mark.parametrize("fault", list(ContactorFault), ids=lambda fault: fault.name)
@pytest.mark.parametrize("side", ["station", "vehicle"])
def test_contactors_that_do_not_switch_end_the_session(side: str, fault: ContactorFault) -> None:
    options: dict[str, Any] = {f"{side}_options": {"contactor_fault": fault}}
    rig = pair(ServiceID.DC, **options)
    rig.run(max_s=600.0)
    assert rig.secc.ended is not None
    assert rig.evcc.ended is not None
    if fault is not ContactorFault.SLOW:
        reasons = {rig.secc.ended.reason, rig.evcc.ended.reason}
        assert reasons & {EndReason.CONTACTOR_FAILED, EndReason.REFUSED, EndReason.HARDWARE_FAULT}, reasons


def test_a_bad_cable_is_not_energised() -> None:
    rig = pair(ServiceID.MCS, station_options={"insulation_ohm": 110_000.0})
    rig.run()
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.CABLE_CHECK_FAILED
    assert rig.loops == 0
    safe(rig)


def test_a_rejected_driver_gets_no_further() -> None:
    rig = pair(ServiceID.DC, station_options={"accept": False})
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.AUTHORIZATION_FAILED
    assert "ServiceDiscovery" not in rig.secc.states
    safe(rig)


def test_an_unplugged_vehicle_ends_the_session_at_once() -> None:
    rig = pair(ServiceID.MCS, battery={"capacity_wh": 540e3, "target_soc": 80.0})
    rig.run(until=lambda: rig.loops > 20)
    rig.tell_secc(SignalChanged(SignalState.A))
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.SIGNAL_LOST
    rig.run()
    safe(rig)


def test_without_tls_nothing_is_offered_unless_it_was_allowed() -> None:
    rig = pair(ServiceID.DC, secure=False)
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
    rig = pair(ServiceID.DC, secure=False, evcc={"allow_plaintext": True})
    rig.run()
    assert rig.secc.ended is not None
    assert rig.secc.ended.reason is EndReason.PROTOCOL_NEGOTIATION_FAILED
    rig = pair(ServiceID.DC, secure=False, evcc={"allow_plaintext": True}, secc={"allow_plaintext": True})
    rig.run()
    assert rig.evcc.ended is not None
    assert rig.evcc.ended.reason is EndReason.STOPPED_BY_EV
