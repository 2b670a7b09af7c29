"""What a pantograph, a bus, a pad and a coil presume of a far end that they have no plant of, and what takes
its place once it is reported."""

from __future__ import annotations

import pytest

from iso15118.session.actions import (
    CloseContactors,
    ConnectDevice,
    PreCharge,
    SetPad,
    SetReceiver,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.coupling import DevicePosition
from iso15118.session.events import SignalChanged, SignalState
from iso15118.session.wireless import PadLimits, ReceiverLimits
from iso15118.simulation import (
    Battery,
    DcCircuit,
    PadWithRemoteVehicle,
    PantographWithRemoteVehicle,
    ReceiverWithRemotePad,
    RoofWithRemotePantograph,
    WirelessCircuit,
    preset,
)


def state(side: PantographWithRemoteVehicle | RoofWithRemotePantograph) -> SignalState:
    """Of the control pilot."""
    return side.circuit.signal


def test_nobody_stands_under_a_pantograph_until_a_vehicle_comes_and_each_one_drives_there() -> None:
    station = PantographWithRemoteVehicle(DcCircuit(), preset("pantograph"))
    assert not station.look(1000.0)[0].position.in_position
    for now in (1000.0, 2000.0):
        station.vehicle_comes(now)
        assert not station.look(now + 1.0)[0].position.in_position
        assert station.look(now + 3.0)[0].position.in_position


def test_the_device_of_a_remote_vehicle_comes_down_and_shows_a_vehicle_that_is_ready() -> None:
    station = PantographWithRemoteVehicle(DcCircuit(), preset("pantograph"))
    station.vehicle_comes(0.0)
    station.advance(3.0)
    assert state(station) is SignalState.A
    station.perform(ConnectDevice(60.0), 3.0)
    events = station.advance(10.0)
    assert station.device is DevicePosition.END_POSITION
    assert state(station) is SignalState.C
    assert any(isinstance(one, SignalChanged) for one in events)


def bus() -> RoofWithRemotePantograph:
    return RoofWithRemotePantograph(DcCircuit(), Battery(soc=50.0))


def test_a_bus_feels_the_device_where_the_station_says_it_is() -> None:
    vehicle = bus()
    vehicle.perform(SignalReady(True), 0.0)
    assert state(vehicle) is SignalState.A, "nobody sees it without contact"
    vehicle.device_is(DevicePosition.MOVING, 1.0)
    assert state(vehicle) is SignalState.A
    vehicle.device_is(DevicePosition.END_POSITION, 2.0)
    vehicle.device_is(DevicePosition.END_POSITION, 3.0)
    assert state(vehicle) is SignalState.C
    vehicle.device_is(DevicePosition.MOVING, 4.0)
    events = vehicle.advance(4.0)
    assert [one.state for one in events if isinstance(one, SignalChanged)][-1] is SignalState.A


def test_nothing_flows_into_a_bus_whose_device_has_left() -> None:
    vehicle = bus()
    vehicle.device_is(DevicePosition.END_POSITION, 0.0)
    vehicle.perform(SignalReady(True), 0.0)
    vehicle.station_shows(vehicle.battery.open_circuit_v, 0.5)
    vehicle.perform(CloseContactors(10.0), 5.0)
    vehicle.advance(6.0)
    vehicle.station_gives(100.0, 7.0)
    assert vehicle.measure(8.0).current_a == pytest.approx(100.0)
    vehicle.device_is(DevicePosition.MOVING, 9.0)
    assert vehicle.measure(9.0).current_a == 0.0
    assert vehicle.circuit.record.unplugged_under_load == 1


def test_a_station_without_contact_gives_nothing() -> None:
    station = PantographWithRemoteVehicle(DcCircuit(), preset("pantograph"))
    station.perform(PreCharge(700.0, 2.0), 0.0)
    station.perform(CloseContactors(10.0), 5.0)
    station.advance(6.0)
    assert station.measure(7.0).current_a == 0.0


def test_a_pad_sends_what_it_is_told_to_a_vehicle_that_is_somewhere_else() -> None:
    station = PadWithRemoteVehicle(WirelessCircuit(), PadLimits(maximum_power_w=11_000.0))
    assert not station.measure(1000.0).vehicle_here
    station.vehicle_comes(1000.0)
    assert station.measure(1003.0).vehicle_here
    station.perform(SetPad(5000.0), 1003.0)
    assert station.measure(1013.0).power_w == pytest.approx(5000.0)
    station.perform(StopPower(Urgency.EMERGENCY), 1014.0)
    assert station.measure(1014.0).power_w == 0.0
    assert station.meter.charged_wh == pytest.approx(5000.0 * 10.75 / 3600.0, rel=1e-6)


def test_a_coil_receives_what_the_pad_says_that_it_sends_and_no_more_than_it_takes() -> None:
    battery = Battery(soc=50.0, capacity_wh=20_000.0)
    circuit = WirelessCircuit()
    vehicle = ReceiverWithRemotePad(circuit, ReceiverLimits(maximum_power_w=11_000.0), battery, pad_code=5)
    assert vehicle.measure(1.0).pad_code is None
    assert vehicle.measure(3.0).pad_code == 5
    vehicle.perform(SetReceiver(4000.0), 3.0)
    assert vehicle.measure(4.0).power_w == 0.0
    vehicle.pad_sends(3000.0, 4.0)
    assert vehicle.measure(6.0).power_w == pytest.approx(3000.0)
    vehicle.pad_sends(9000.0, 6.0)
    assert vehicle.measure(8.0).power_w == pytest.approx(4000.0)
    vehicle.pad_sends(-1.0, 8.0)
    assert vehicle.measure(10.0).power_w == 0.0
