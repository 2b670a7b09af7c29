"""A charge loop directly on the plant: what a session would ask for, without a session."""

from __future__ import annotations

from iso15118.session.actions import (
    ChargingNeeds,
    CloseContactors,
    HardwareAction,
    OpenContactors,
    PreCharge,
    SetPower,
    SignalReady,
    StopPower,
    Urgency,
)
from iso15118.session.events import Event, SetPointChanged
from iso15118.simulation import Battery, DcCircuit, EnergyPlan, SimulatedStation, SimulatedVehicle, preset

LOOP_S = 0.25


class Bench:
    """One station, one vehicle, one clock; every step checks that no limit of either side is exceeded."""

    def __init__(
        self,
        kind: str = "mcs-max",
        *,
        battery: Battery | None = None,
        plan: EnergyPlan | None = None,
        time_scale: float = 1.0,
        cable_ohm: float = 0.0,
        **station: object,
    ) -> None:
        self.circuit = DcCircuit(time_scale=time_scale, cable_ohm=cable_ohm)
        self.station = SimulatedStation(self.circuit, preset(kind), plan=plan, **station)  # type: ignore[arg-type]
        self.vehicle = SimulatedVehicle(self.circuit, battery)
        self.now = 100.0
        self.set_point_w: float | None = None
        self.events: list[Event] = []

    @property
    def battery(self) -> Battery:
        return self.vehicle.battery

    def tell_station(self, action: HardwareAction) -> None:
        self._take(self.station.perform(action, self.now))

    def tell_vehicle(self, action: HardwareAction) -> None:
        self._take(self.vehicle.perform(action, self.now))

    def run(self, seconds: float) -> None:
        """Let time pass the way a rig does: from deadline to deadline."""
        until = self.now + seconds
        while True:
            deadlines = [d for d in (self.station.deadline, self.vehicle.deadline) if d is not None]
            at = min([until, *deadlines])
            self.now = max(self.now, at)
            self._take(self.station.advance(self.now))
            self._take(self.vehicle.advance(self.now))
            if at >= until:
                return

    def _take(self, events: list[Event]) -> None:
        self.events += events
        for event in events:
            if isinstance(event, SetPointChanged):
                self.set_point_w = event.power_w

    def join(self) -> None:
        """Pre-charge and close both sides' contactors."""
        self.tell_vehicle(SignalReady(True))
        self.tell_station(PreCharge(self.vehicle.battery_state(self.now).voltage_v, 2.0))
        self.run(3.0)
        self.tell_vehicle(CloseContactors(self.now + 3.0))
        self.tell_station(CloseContactors(self.now + 3.0))
        self.run(0.2)

    def part(self) -> None:
        """Stop in order and open."""
        self.tell_station(StopPower(Urgency.ORDERLY))
        self.tell_vehicle(StopPower(Urgency.ORDERLY))
        self.tell_station(OpenContactors(Urgency.ORDERLY, "test"))
        self.tell_vehicle(OpenContactors(Urgency.ORDERLY, "test"))
        self.run(5.0)

    def turn(self, *, dynamic: bool = False) -> None:
        """One charge loop: the vehicle's wish, or in the dynamic way its limits, become
        the bounds of the output."""
        state = self.vehicle.battery_state(self.now)
        if self.set_point_w is not None and self.set_point_w < 0.0:
            power_w = min(-self.set_point_w, state.maximum_discharge_power_w)
            bounds = SetPower(state.minimum_voltage_v, -state.maximum_discharge_current_a, power_w)
        elif dynamic:
            current_a = state.maximum_charge_current_a
            bounds = SetPower(state.maximum_voltage_v, current_a, state.maximum_charge_power_w)
        else:
            bounds = SetPower(
                state.target_voltage_v, state.target_current_a, self.station.limits.maximum_charge_power_w
            )
        self.tell_station(bounds)
        self.run(LOOP_S)

    def charge(self, *, dynamic: bool = False, at_most_s: float = 4 * 3600.0) -> None:
        """Charge loops until the vehicle is on target."""
        until = self.now + at_most_s
        target_wh = self.battery.energy_to_target_wh
        self.station.needs(ChargingNeeds(target_wh, target_wh, 0.0), self.now)
        while not self.battery.complete and self.now < until:
            self.turn(dynamic=dynamic)
        assert self.battery.complete
