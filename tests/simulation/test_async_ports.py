"""The same plant behind asynchronous ports, on a loop of the test's own."""

from __future__ import annotations

from typing import Any

import pytest

from iso15118.errors import HardwareError
from iso15118.session import ports
from iso15118.session.actions import (
    ChargingNeeds,
    CloseContactors,
    OpenContactors,
    PreCharge,
    SetPower,
    SignalReady,
    Urgency,
)
from iso15118.session.events import (
    Event,
    HardwareFault,
    LimitsChanged,
    SetPointChanged,
    SignalChanged,
    SignalState,
)
from iso15118.session.limits import StationLimits
from iso15118.simulation import (
    Battery,
    ContactorFault,
    DcCircuit,
    EnergyPlan,
    SimulatedStation,
    SimulatedVehicle,
    StationWithRemoteVehicle,
    VehicleWithRemoteStation,
    preset,
)
from iso15118.simulation.async_ports import StationPorts

from .virtual import VirtualLoop


class Yard:
    """Both ends on one loop."""

    def __init__(self, plan: EnergyPlan | None = None, time_scale: float = 1.0) -> None:
        self.loop = VirtualLoop()
        self.circuit = DcCircuit(time_scale=time_scale)
        self.station = SimulatedStation(self.circuit, preset("mcs-max"), plan=plan)
        self.vehicle = SimulatedVehicle(self.circuit, Battery(soc=50.0, target_soc=60.0))
        # Any: ports of direct current may be absent in a bundle, and are not in this one.
        self.secc: Any = self.station.ports(self.loop.sleep, self.loop.clock)
        self.evcc: Any = self.vehicle.ports(self.loop.sleep, self.loop.clock)

    async def session(self) -> str | None:
        """What two drivers would do, in one coroutine."""
        loop, secc, evcc = self.loop, self.secc, self.evcc
        assert secc.energy is not None
        assert evcc.signal is not None
        if not await secc.authorizer.authorize("EVCC"):
            return "refused"
        battery = evcc.battery.state
        secc.energy.needs(ChargingNeeds(battery.energy_to_target_wh, battery.energy_to_maximum_wh, 0.0))
        await evcc.signal.set_ready(True)
        outcome = await secc.cable_check.run(950.0, 100_000.0)
        if outcome is not True:
            return str(outcome)
        await secc.power.pre_charge(evcc.battery.state.voltage_v, 2.0)
        while abs(evcc.inlet.present.voltage_v - evcc.battery.state.voltage_v) > 5.0:
            await loop.sleep(0.1)
        if not (await evcc.contactors.close() and await secc.contactors.close()):
            return "contactors"
        while not (battery := evcc.battery.state).complete:
            limits = secc.power.limits
            await secc.power.set_power(
                battery.target_voltage_v, battery.target_current_a, limits.maximum_charge_power_w
            )
            await loop.sleep(0.25)
        await secc.power.stop(Urgency.ORDERLY)
        await secc.contactors.open(Urgency.ORDERLY, "done")
        await evcc.contactors.open(Urgency.ORDERLY, "done")
        await evcc.signal.set_ready(False)
        return None


@pytest.mark.parametrize("time_scale", [1.0, 60.0])
def test_a_charge_through_the_ports(time_scale: float) -> None:
    yard = Yard(time_scale=time_scale)
    assert yard.loop.finish(yard.session(), within_s=3600.0) is None
    assert yard.vehicle.battery.soc == pytest.approx(60.0, abs=0.05)
    assert not yard.secc.contactors.closed
    assert not yard.evcc.contactors.closed
    record = yard.circuit.record
    assert record.inrushes == record.beyond_station == record.beyond_vehicle == 0
    assert yard.station.outlet.opened_under_load == yard.vehicle.inlet.opened_under_load == 0
    assert yard.secc.meter is not None
    reading = yard.loop.finish(yard.secc.meter.read(), within_s=0.0)
    assert reading.charged_wh == pytest.approx(yard.vehicle.battery.charged_wh, rel=1e-9)


def test_the_bundles_are_what_the_ports_ask_for() -> None:
    yard = Yard()
    assert isinstance(yard.secc.power, ports.DcPowerPort)
    assert isinstance(yard.secc.energy, ports.EnergyPort)
    assert isinstance(yard.secc.signal, ports.SignalPort)
    assert isinstance(yard.evcc.battery, ports.BatteryPort)
    assert yard.evcc.battery.limits == yard.vehicle.limits


def test_closing_returns_what_the_contactors_did() -> None:
    yard = Yard()
    yard.station.outlet.fault = ContactorFault.STUCK_OPEN
    assert yard.loop.finish(yard.session(), within_s=60.0) == "contactors"


def test_bad_insulation_is_the_reason_returned_by_the_cable_check() -> None:
    yard = Yard()
    yard.station.insulation.resistance_ohm = 50_000.0
    assert "insulation" in yard.loop.finish(yard.session(), within_s=60.0)


def test_set_points_limits_and_faults_are_pushed() -> None:
    yard = Yard(plan=EnergyPlan(1_000.0, power_w=500_000.0))
    heard: list[Event] = []
    assert yard.secc.energy is not None
    yard.secc.energy.listen(heard.append)
    number = yard.loop.start(yard.session())
    yard.loop.run_until(yard.loop.now + 20.0)
    lower = StationLimits(
        maximum_charge_power_w=1e6, maximum_charge_current_a=1500.0, maximum_voltage_v=1250.0
    )
    yard.station.derate(lower, yard.loop.now)
    yard.loop.run_until(yard.loop.now + 10.0)
    yard.station.insulation.resistance_ohm = 1_000.0
    yard.loop.run_until(yard.loop.now + 3600.0)
    # This session ignores the set-point, so nothing is given and the plan gives up.
    assert heard[0] == LimitsChanged(lower)
    assert [type(event) for event in heard] == [
        LimitsChanged,
        HardwareFault,
        SetPointChanged,
        SetPointChanged,
    ]
    assert heard[2:] == [SetPointChanged(-500_000.0), SetPointChanged(None)]
    assert number in yard.loop.results


def test_the_station_hears_its_signal_at_once_and_the_present_one_on_listening() -> None:
    yard = Yard()
    heard: list[Event] = []
    assert yard.secc.signal is not None
    assert yard.evcc.signal is not None
    yard.secc.signal.listen(heard.append)
    yard.evcc.signal.listen(heard.append)
    assert heard == [SignalChanged(SignalState.B)] * 2
    yard.loop.finish(yard.evcc.signal.set_ready(True), within_s=0.0)
    assert heard[2:] == [SignalChanged(SignalState.C)]
    yard.circuit.unplug(yard.loop.now)
    assert heard[3:] == [SignalChanged(SignalState.A)]


def test_follow_pushes_without_anybody_looking() -> None:
    loop, circuit = VirtualLoop(), DcCircuit()
    station = SimulatedStation(circuit, preset("ccs2"))
    plant = StationPorts(station, loop.sleep, loop.clock)
    bundle = plant.bundle()
    heard: list[Event] = []
    assert bundle.energy is not None
    bundle.energy.listen(heard.append)
    loop.start(plant.follow())
    station.derate(station.limits, loop.now)
    loop.run_until(loop.now + 0.3)
    assert heard == [LimitsChanged(station.limits)]


@pytest.mark.parametrize("call", ["pre_charge", "set_power", "stop_power", "close_contactors", "cable_check"])
def test_a_port_raises_is_late_or_never_answers(call: str) -> None:
    def calling(secc: Any) -> object:
        match call:
            case "pre_charge":
                return secc.power.pre_charge(780.0, 2.0)
            case "set_power":
                return secc.power.set_power(800.0, 1.0, 1.0)
            case "stop_power":
                return secc.power.stop(Urgency.EMERGENCY)
            case "close_contactors":
                return secc.contactors.close()
            case _:
                return secc.cable_check.run(900.0, 100_000.0)

    yard = Yard()
    yard.station.faults.raises(call, times=1)
    with pytest.raises(HardwareError, match=call):
        yard.loop.finish(calling(yard.secc), within_s=0.0)  # type: ignore[arg-type]
    yard.station.faults.late(call, 12.0, times=1)
    start = yard.loop.now
    yard.loop.finish(calling(yard.secc), within_s=30.0)  # type: ignore[arg-type]
    assert 12.0 <= yard.loop.now - start < 18.0
    yard.station.faults.never(call)
    number = yard.loop.start(calling(yard.secc))  # type: ignore[arg-type]
    yard.loop.run_until(yard.loop.now + 100_000.0)
    assert number not in yard.loop.results
    yard.loop.cancel(number)


def test_a_cancelled_closing_that_was_late_never_happens() -> None:
    yard = Yard()
    yard.station.faults.late("close_contactors", 5.0)
    number = yard.loop.start(yard.secc.contactors.close())
    yard.loop.run_until(yard.loop.now + 2.0)
    yard.loop.cancel(number)
    yard.loop.finish(yard.secc.contactors.open(Urgency.EMERGENCY, "cancelled"), within_s=1.0)
    yard.loop.run_until(yard.loop.now + 20.0)
    assert yard.station.outlet.closings == 0


def test_opening_while_closing_answers_both() -> None:
    yard = Yard()
    closing = yard.loop.start(yard.secc.contactors.close())
    yard.loop.run_until(yard.loop.now + 0.02)
    opening = yard.loop.start(yard.secc.contactors.open(Urgency.EMERGENCY, "stop"))
    yard.loop.run_until(yard.loop.now + 1.0)
    assert yard.loop.results[closing] is False
    assert yard.loop.results[opening] is None


def test_each_end_charges_alone_with_a_stand_in_for_the_other() -> None:
    """Two plants that share nothing but what a protocol would carry: targets one way, nothing back."""
    loop = VirtualLoop()
    station = StationWithRemoteVehicle(DcCircuit(), preset("mcs-gen1"))
    vehicle = VehicleWithRemoteStation(
        DcCircuit(), Battery(soc=50.0, target_soc=60.0, constant_power_w=800_000.0)
    )
    secc: Any = station.ports(loop.sleep, loop.clock)
    evcc: Any = vehicle.ports(loop.sleep, loop.clock)

    async def session() -> None:
        assert evcc.signal is not None
        await evcc.signal.set_ready(True)
        assert await secc.cable_check.run(950.0, 100_000.0) is True
        await secc.power.pre_charge(evcc.battery.state.voltage_v, 2.0)
        await loop.sleep(3.0)
        assert abs(evcc.inlet.present.voltage_v - evcc.battery.state.voltage_v) < 5.0
        assert await evcc.contactors.close()
        assert await secc.contactors.close()
        while not (battery := evcc.battery.state).complete:
            await secc.power.set_power(
                battery.target_voltage_v, battery.target_current_a, battery.maximum_charge_power_w
            )
            await loop.sleep(0.25)
        await secc.power.stop(Urgency.ORDERLY)
        await evcc.contactors.open(Urgency.ORDERLY, "done")
        await secc.contactors.open(Urgency.ORDERLY, "done")
        await loop.sleep(2.0)
        assert secc.power.present.voltage_v < 60.0
        assert evcc.inlet.present.voltage_v < 60.0

    loop.finish(session(), within_s=3600.0)
    assert vehicle.battery.soc == pytest.approx(60.0, abs=0.02)
    # Ramps and the assumed voltage differ a little, so the two balances agree only roughly.
    assert station.meter.charged_wh == pytest.approx(vehicle.battery.charged_wh, rel=0.03)
    for circuit in (station.circuit, vehicle.circuit):
        assert circuit.record.inrushes == 0
    assert station.outlet.opened_under_load == vehicle.inlet.opened_under_load == 0


@pytest.mark.parametrize(
    "pack", [{}, {"empty_v": 300.0, "full_v": 380.0}], ids=["a truck's", "below a megawatt station's lowest"]
)
def test_a_lone_vehicle_takes_what_the_station_reports_and_presumes_nothing(pack: dict[str, float]) -> None:
    vehicle = VehicleWithRemoteStation(DcCircuit(), Battery(soc=50.0, target_soc=60.0, **pack), reports=True)
    vehicle.perform(SignalReady(True), 1.0)
    vehicle.advance(3.0)
    assert vehicle.measure(3.0).voltage_v == 0.0
    vehicle.station_shows(vehicle.battery.open_circuit_v, 3.0)
    assert vehicle.measure(3.1).voltage_v == pytest.approx(vehicle.battery.open_circuit_v, abs=1.0)
    vehicle.perform(CloseContactors(5.0), 3.1)
    vehicle.advance(4.0)
    vehicle.battery_state(4.0)
    assert vehicle.measure(4.5).current_a == 0.0, "it wants current, but the station reported none"
    for now, given_a in ((5.0, 700.0), (10.0, -300.0)):
        vehicle.station_gives(given_a, now)
        vehicle.battery_state(now + 0.5)
        assert vehicle.measure(now + 1.0).current_a == pytest.approx(given_a, rel=0.001)
    vehicle.perform(OpenContactors(Urgency.ORDERLY, "done"), 15.0)
    vehicle.advance(18.0)
    assert vehicle.measure(18.0).current_a == 0.0
    assert vehicle.inlet.opened_under_load == 0


def test_a_lone_station_follows_the_voltage_that_the_vehicle_reports() -> None:
    station = StationWithRemoteVehicle(DcCircuit(), preset("mcs-gen1"))
    station.perform(PreCharge(750.0, 2.0), 1.0)
    station.vehicle_shows(900.0, 1.5)
    assert station.measure(4.0).voltage_v == pytest.approx(750.0, abs=1.0), "nothing is joined yet"
    station.perform(CloseContactors(8.0), 4.0)
    station.advance(5.0)
    station.perform(SetPower(1000.0, 500.0, 1e6), 5.0)
    station.advance(20.0)
    for shown_v in (760.0, 800.0):
        station.vehicle_shows(shown_v, 20.0)
        assert station.measure(20.0).voltage_v == pytest.approx(shown_v, abs=0.5)
    station.vehicle_shows(1e9, 21.0)
    assert station.measure(22.0).voltage_v <= 1250.0
