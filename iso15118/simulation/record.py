"""What a circuit saw: peaks, the time in which energy flowed, and everything that should not have
happened."""

from __future__ import annotations

from iso15118.session.limits import StationLimits, VehicleLimits

__all__ = ["Record"]

_ROUNDING = 1.0 + 1e-9


class Record:
    """Figures of one circuit; powers, currents and voltages are those of the station's output, while current
    flowed.

    ``beyond_station`` and ``beyond_vehicle`` count the steps in which a limit of that side was exceeded;
    ``transfer_s`` is plant time.
    """

    def __init__(self) -> None:
        self.peak_power_w = 0.0
        """Greatest power to the vehicle."""
        self.peak_discharge_power_w = 0.0
        """Greatest power from the vehicle, as a magnitude."""
        self.peak_current_a = 0.0
        """Greatest current to the vehicle."""
        self.peak_discharge_current_a = 0.0
        """Greatest current from the vehicle, as a magnitude."""
        self.maximum_voltage_v = 0.0
        self.minimum_voltage_v = float("inf")
        self.transfer_s = 0.0
        self.steps = 0
        self.beyond_station = 0
        self.beyond_vehicle = 0
        self.inrushes = 0
        """Closings of contactors with more than 20 V across them."""
        self.worst_inrush_v = 0.0
        self.unplugged_under_load = 0

    def see(
        self,
        current_a: float,
        inlet_v: float,
        outlet_v: float,
        seconds: float,
        station: StationLimits,
        vehicle: VehicleLimits,
    ) -> None:
        """A step of ``seconds`` whose greatest current was this, with the voltages at both ends of the cable
        then."""
        self.steps += 1
        self.transfer_s += seconds
        if outlet_v > self.maximum_voltage_v:
            self.maximum_voltage_v = outlet_v
        if outlet_v < self.minimum_voltage_v:
            self.minimum_voltage_v = outlet_v
        if current_a >= 0.0:
            power_w = outlet_v * current_a
            if power_w > self.peak_power_w:
                self.peak_power_w = power_w
            if current_a > self.peak_current_a:
                self.peak_current_a = current_a
            if (
                power_w > station.maximum_charge_power_w * _ROUNDING
                or current_a > station.maximum_charge_current_a * _ROUNDING
                or outlet_v > station.maximum_voltage_v * _ROUNDING
            ):
                self.beyond_station += 1
            if (
                inlet_v * current_a > vehicle.maximum_charge_power_w * _ROUNDING
                or current_a > vehicle.maximum_charge_current_a * _ROUNDING
                or inlet_v > vehicle.maximum_voltage_v * _ROUNDING
            ):
                self.beyond_vehicle += 1
        else:
            current_a = -current_a
            power_w = outlet_v * current_a
            if power_w > self.peak_discharge_power_w:
                self.peak_discharge_power_w = power_w
            if current_a > self.peak_discharge_current_a:
                self.peak_discharge_current_a = current_a
            if (
                power_w > station.maximum_discharge_power_w * _ROUNDING
                or current_a > station.maximum_discharge_current_a * _ROUNDING
                or outlet_v < station.minimum_voltage_v / _ROUNDING
            ):
                self.beyond_station += 1
            if (
                inlet_v * current_a > vehicle.maximum_discharge_power_w * _ROUNDING
                or current_a > vehicle.maximum_discharge_current_a * _ROUNDING
                or inlet_v < vehicle.minimum_voltage_v / _ROUNDING
            ):
                self.beyond_vehicle += 1
