"""Calls that raise, answer late or never, in the form driven by a virtual clock."""

from __future__ import annotations

import pytest

from iso15118.errors import ConfigError, HardwareError, MisuseError
from iso15118.pnc.contracts import ContractClaim
from iso15118.session.actions import (
    ChargingNeeds,
    CloseContactors,
    OpenContactors,
    PreCharge,
    ReadMeter,
    RequestAuthorization,
    RequestContractAuthorization,
    RequestContractCertificate,
    RequestSchedules,
    SetPower,
    SignalReady,
    StartCableCheck,
    StopPower,
    StoreContract,
    Urgency,
    UseKey,
)
from iso15118.session.events import AuthorizationDecided, ContactorsChanged, MeterRead
from iso15118.simulation import STATION_CALLS, VEHICLE_CALLS

from .charging import Bench

STATION_ACTIONS = {
    "cable_check": StartCableCheck(900.0, 0.0),
    "pre_charge": PreCharge(780.0, 2.0),
    "close_contactors": CloseContactors(0.0),
    "open_contactors": OpenContactors(Urgency.EMERGENCY, "test"),
    "set_power": SetPower(875.0, 100.0, 1e5),
    "stop_power": StopPower(Urgency.EMERGENCY),
    "read_meter": ReadMeter(),
    "authorize": RequestAuthorization("EVCC"),
    "authorize_contract": RequestContractAuthorization(
        ContractClaim(emaid="DE8AA1", chain=(), evccid="EVCC")
    ),
    "certificate_installation": RequestContractCertificate(None, 0.0),
    "schedules": RequestSchedules(ChargingNeeds(1.0, 1.0, 0.0), 1, 0.0),
    "use_key": UseKey("a test", lambda: b"signed", 1e9, 1),
}
VEHICLE_ACTIONS = {
    "close_contactors": CloseContactors(0.0),
    "open_contactors": OpenContactors(Urgency.EMERGENCY, "test"),
    "signal": SignalReady(True),
    "stop_power": StopPower(Urgency.EMERGENCY),
    "store_contract": StoreContract(None),
    "use_key": UseKey("a test", lambda: b"signed", 1e9, 1),
}
ANSWERED = ("cable_check", "close_contactors", "open_contactors", "read_meter", "authorize")


def test_every_call_can_be_made_to_fail() -> None:
    assert set(STATION_CALLS) == set(STATION_ACTIONS) | {"present", "limits"}
    assert set(VEHICLE_CALLS) == set(VEHICLE_ACTIONS) | {"battery", "inlet"}


@pytest.mark.parametrize("call", STATION_ACTIONS)
def test_a_station_call_raises_once_and_then_works(call: str) -> None:
    bench = Bench()
    bench.station.faults.raises(call, times=1)
    with pytest.raises(HardwareError, match=call):
        bench.station.perform(STATION_ACTIONS[call], bench.now)
    bench.station.perform(STATION_ACTIONS[call], bench.now)


@pytest.mark.parametrize("call", VEHICLE_ACTIONS)
def test_a_vehicle_call_raises_what_it_was_told(call: str) -> None:
    bench = Bench()
    bench.vehicle.faults.raises(call, ZeroDivisionError("driver bug"))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            bench.vehicle.perform(VEHICLE_ACTIONS[call], bench.now)
    bench.vehicle.faults.clear()
    bench.vehicle.perform(VEHICLE_ACTIONS[call], bench.now)


@pytest.mark.parametrize("call", ANSWERED)
def test_a_call_that_never_answers_does_not(call: str) -> None:
    bench = Bench()
    bench.station.faults.never(call)
    bench.tell_station(STATION_ACTIONS[call])
    bench.run(1000.0)
    assert bench.events == []


@pytest.mark.parametrize("call", ANSWERED)
def test_a_late_call_answers_that_much_later(call: str) -> None:
    def answered_at(late_s: float) -> float:
        bench = Bench()
        bench.station.faults.late(call, late_s)
        bench.tell_station(STATION_ACTIONS[call])
        start = bench.now
        while not bench.events:
            bench.run(0.01)
        return bench.now - start

    assert answered_at(7.5) - answered_at(0.0) == pytest.approx(7.5, abs=0.02)


def test_a_late_closing_is_taken_back_by_an_opening() -> None:
    bench = Bench()
    bench.station.faults.late("close_contactors", 5.0)
    bench.tell_station(CloseContactors(bench.now + 3.0))
    bench.run(3.0)
    bench.tell_station(OpenContactors(Urgency.EMERGENCY, "too late"))
    bench.run(20.0)
    assert bench.station.outlet.closings == 0
    assert bench.events == [ContactorsChanged(False)]


def test_late_power_is_taken_back_by_a_stop() -> None:
    bench = Bench()
    bench.join()
    bench.station.faults.late("set_power", 2.0)
    bench.tell_station(SetPower(875.0, 1000.0, 1e6))
    bench.tell_station(StopPower(Urgency.EMERGENCY))
    bench.run(20.0)
    assert bench.battery.charged_wh == 0.0


def test_readings_freeze_for_a_time_and_thaw() -> None:
    bench = Bench()
    bench.join()
    bench.tell_station(SetPower(875.0, 1000.0, 1e6))
    bench.run(1.0)
    bench.station.faults.late("present", 2.0, times=1)
    bench.vehicle.faults.never("inlet")
    stale = bench.station.measure(bench.now), bench.vehicle.measure(bench.now)
    bench.run(1.0)
    assert (bench.station.measure(bench.now), bench.vehicle.measure(bench.now)) == stale
    bench.run(1.5)
    assert bench.station.measure(bench.now).current_a > stale[0].current_a
    assert bench.vehicle.measure(bench.now) == stale[1]


@pytest.mark.parametrize("call", ["present", "limits"])
def test_station_readings_can_raise(call: str) -> None:
    bench = Bench()
    bench.station.faults.raises(call)
    with pytest.raises(HardwareError):
        _ = bench.station.measure(bench.now) if call == "present" else bench.station.limits


@pytest.mark.parametrize("call", ["battery", "inlet"])
def test_vehicle_readings_can_raise(call: str) -> None:
    bench = Bench()
    bench.vehicle.faults.raises(call)
    with pytest.raises(HardwareError):
        _ = bench.vehicle.measure(bench.now) if call == "inlet" else bench.vehicle.battery_state(bench.now)


def test_an_unknown_call_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="close_contactors"):
        Bench().station.faults.raises("close_contactor")


def test_actions_of_the_other_side_are_refused() -> None:
    bench = Bench()
    with pytest.raises(MisuseError):
        bench.station.perform(SignalReady(True), bench.now)
    with pytest.raises(MisuseError):
        bench.vehicle.perform(SetPower(800.0, 1.0, 1.0), bench.now)


def test_the_backend_decides_after_its_time() -> None:
    bench = Bench(accept=False, authorization_s=4.0)
    bench.tell_station(RequestAuthorization("EVCC"))
    bench.run(3.9)
    assert bench.events == []
    bench.run(0.2)
    assert bench.events == [AuthorizationDecided(False)]


def test_the_meter_answers_with_its_reading() -> None:
    bench = Bench(meter_id="M1")
    bench.tell_station(ReadMeter())
    assert bench.events == [MeterRead("M1", 0.0, 0.0)]
