"""The station's books on its hardware: what was asked of it, what it says, and what
the supervision thinks of that.

It knows timers and readings, no messages. What has to be done about a finding is the session's decision.
"""

from __future__ import annotations

import math

from msgspec.structs import replace

from iso15118.secc.config import SeccConfig
from iso15118.secc.dc_output import pre_charge_stands
from iso15118.secc.facts import Facts
from iso15118.session import actions as act
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcBounds
from iso15118.session.actions import Action, EndReason, Urgency
from iso15118.session.checks import is_ac_reading, is_coil_reading, is_reading, taken_at
from iso15118.session.supervision import (
    AcSupervisor,
    Finding,
    Reaction,
    Rule,
    SensorSupervisor,
    StationSupervisor,
    WirelessSupervisor,
    worse,
)
from iso15118.timing import Timer, TimerTable

__all__ = ["READY", "HardwareBooks", "bounds_change", "reason_of"]

READY = (ev.SignalState.C, ev.SignalState.D)

_REASONS = {
    Rule.CABLE_CHECK_VOLTAGE: EndReason.CABLE_CHECK_FAILED,
    Rule.CABLE_CHECK_CURRENT: EndReason.CABLE_CHECK_FAILED,
    Rule.PRE_CHARGE_VOLTAGE: EndReason.PRE_CHARGE_FAILED,
    Rule.PRE_CHARGE_CURRENT: EndReason.PRE_CHARGE_FAILED,
    Rule.CONTACTOR_VOLTAGE: EndReason.PRE_CHARGE_FAILED,
    Rule.CONTACTOR_LEVEL: EndReason.CONTACTOR_FAILED,
}


def reason_of(rule: Rule) -> EndReason:
    """How a session ends that broke this rule as a fault."""
    return _REASONS.get(rule, EndReason.HARDWARE_FAULT)


def bounds_change(
    facts: Facts, bounds: tuple[float, float, float, bool] | AcBounds | float | None
) -> tuple[Action, ...]:
    """What has to be asked of the supply for ``bounds`` to hold, if power was asked for
    and other bounds hold now. Nothing is asked for after a stop, as for a vehicle that is silent: only its
    own next request begins anew."""
    if isinstance(bounds, AcBounds):
        return () if facts.ac_power is None or bounds == facts.ac_power else (act.SetAcPower(bounds),)
    if isinstance(bounds, float):
        return () if facts.pad_power is None or bounds == facts.pad_power else (act.SetPad(bounds),)
    if facts.power is None or bounds is None or bounds == facts.power:
        return ()
    return (act.SetPower(*bounds),)


class HardwareBooks:
    """Everything that is asked of the hardware passes ``keep``; every reading passes ``measured``."""

    def __init__(self, config: SeccConfig, facts: Facts, timers: TimerTable) -> None:
        self.supervisor = StationSupervisor(config.supervision)
        self._sensors = SensorSupervisor(config.supervision)
        self._second_at = self._insulation_at = -math.inf
        """When the second voltage and the insulation were last measured."""
        self._alternates = False
        """The AC outlet is what is alive."""
        self._wireless = False
        """So is the pad."""
        self.at_once = False
        """An emergency stop was asked for, and nothing since that flows."""
        self.opens_at_once = False
        """With the contactors: where the current alone is taken away at once, they wait for it to be gone."""
        self._config, self._facts, self._timers = config, facts, timers
        self.pad: WirelessSupervisor | None = None
        """Of the pad, if there is one."""
        if facts.pad_hardware is not None:
            self.pad = WirelessSupervisor(config.supervision, where="at the pad")
        self.ac: AcSupervisor | None = None
        """Of the AC outlet, if there is one."""
        if (outlet := facts.ac_hardware) is not None:
            factor = config.supervision.beyond(Rule.OVER_VOLTAGE, config.supervision.ac_voltage_factor)
            nominal = outlet.nominal_voltage_v
            self.ac = AcSupervisor(
                config.supervision, nominal_v=nominal, most_v=factor * nominal, where="at the outlet"
            )

    # -- what is asked -------------------------------------------------------------------------------------

    def keep(self, actions: tuple[Action, ...]) -> list[Action]:
        """Keep the books on these actions, and hand them on. No stop behind one at once is a slower one: a
        supply that has none left of its current would begin a ramp."""
        facts, kept = self._facts, list(actions)
        for place, action in enumerate(kept):
            kind = type(action)
            if kind is act.SetPower:
                self._power(action)  # type: ignore[arg-type]
            elif kind is act.SetAcPower:
                self._ac_power(action.bounds)  # type: ignore[attr-defined]
            elif kind is act.SetPad:
                self._pad_power(action.power_w)  # type: ignore[attr-defined]
            elif kind is act.StartCableCheck:
                self._cable_check(action)  # type: ignore[arg-type]
            elif kind is act.PreCharge:
                self._pre_charge(action)  # type: ignore[arg-type]
            elif kind is act.CloseContactors:
                self._live()
                self.told(True)
            elif kind is act.StopPower:
                if self.at_once:
                    kept[place] = action = act.StopPower(Urgency.EMERGENCY)
                facts.power, facts.ac_power, facts.precharging = None, None, False
                facts.pad_power = None
                facts.cable_check_awaited = facts.cable_check_awaited and facts.cable_check_ok is not None
                emergency = self.at_once = action.urgency is Urgency.EMERGENCY  # type: ignore[attr-defined]
                self.supervisor.stop_power(emergency, facts.now)
                if self.ac is not None:
                    self.ac.stop(emergency, facts.now)
                if self.pad is not None:
                    self.pad.stop(emergency, facts.now)
            elif kind is act.ReadMeter:
                facts.meter_asked = facts.now
            elif kind is act.OpenContactors:
                if self.opens_at_once:
                    kept[place] = action = replace(action, urgency=Urgency.EMERGENCY)
                self.opens_at_once = action.urgency is Urgency.EMERGENCY  # type: ignore[attr-defined]
                if not facts.told_safe:
                    facts.told_open_at = facts.now
                facts.energized, facts.told_safe = False, True
                self.told(False)
            elif kind is act.ConnectDevice or kind is act.DisconnectDevice:
                facts.device_down = kind is act.ConnectDevice
                facts.device_deadline = action.deadline  # type: ignore[attr-defined]
                self._timers.set(Timer.CONNECTION_DEVICE, facts.device_deadline)
        return kept

    def told(self, closed: bool) -> None:
        """The contactors are told to close, behind pre-charge at its voltage, or to open."""
        over_v = self._facts.precharge_asked_v if self._facts.precharging else None
        self.supervisor.told(closed, over_v, self._config.precharge_tolerance_v)
        if self.ac is not None:
            self.ac.told(closed)

    @property
    def fresh_until(self) -> float:
        """Until when what is measured of the live output is young enough, and an insulation that is too low
        may still become better."""
        if self._alternates and self.ac is not None:
            return self.ac.fresh_until
        if self._wireless and self.pad is not None:
            return self.pad.fresh_until
        fresh, due = self.supervisor.fresh_until, self._sensors.insulation_due
        return fresh if fresh < due else due

    def stale(self) -> Finding | None:
        """What the clock shows: no reading of the live output is young enough, or its insulation has been too
        low for too long."""
        now = self._facts.now
        if self._alternates and self.ac is not None:
            return self.ac.stale(now)
        if self._wireless and self.pad is not None:
            return self.pad.stale(now)
        if not self._joined:
            self._sensors.rest()
        found = self._sensors.insulation_late(now)
        return worse(found, self.supervisor.stale(now))

    def _ac_power(self, bounds: AcBounds) -> None:
        facts, alive = self._facts, self._facts.energized and self._alternates
        facts.ac_power, self._alternates, self._wireless = bounds, True, False
        self._live()
        if self.ac is not None:
            if not alive:
                self.ac.live_from(facts.now)
            self.ac.told_power(
                bounds.phases,
                bounds.charge_a,
                sum(bounds.charge_w),
                bounds.discharge_a,
                sum(bounds.discharge_w),
                facts.now,
            )

    def _pad_power(self, power_w: float) -> None:
        facts, alive = self._facts, self._facts.energized and self._wireless
        facts.pad_power, self._alternates, self._wireless = power_w, False, True
        self._live()
        if self.pad is not None:
            if not alive:
                self.pad.live_from(facts.now)
            self.pad.told_power(power_w, facts.now)

    def _live(self) -> None:
        """The output comes alive, or stays so: readings are waited for."""
        facts = self._facts
        if not facts.energized and not self._alternates and not self._wireless:
            self.supervisor.live_from(facts.now)
        facts.energized, facts.told_safe, self.at_once, self.opens_at_once = True, False, False, False

    def _direct(self) -> None:
        """The DC output does, whatever was alive earlier in the session."""
        self._alternates = self._wireless = False
        self._live()

    def _power(self, action: act.SetPower) -> None:
        back = action.takes_back
        self._facts.power = (action.voltage_v, action.current_a, action.power_w, back)
        self._direct()
        self.supervisor.set_power(action.voltage_v, action.current_a, action.power_w, back, self._facts.now)

    def _cable_check(self, action: act.StartCableCheck) -> None:
        facts, timing = self._facts, self._facts.timing
        self._direct()
        facts.cable_check_awaited, facts.cable_check_v = True, action.voltage_v
        if facts.vehicle is not None and facts.offered is not None:
            most, offered = facts.capabilities, facts.offered
            facts.cable_checked_v = min(facts.vehicle.maximum_voltage_v, offered.maximum_voltage_v)
            self.supervisor.negotiated(
                facts.cable_checked_v,
                max(offered.maximum_charge_current_a, most.maximum_charge_current_a),
                max(offered.maximum_discharge_current_a, most.maximum_discharge_current_a),
            )
        if facts.limits is not None:
            facts.cable_limit_v = facts.limits.maximum_voltage_v
        self.supervisor.cable_check(action.voltage_v)
        self._timers.set(Timer.CABLE_CHECK, action.deadline)
        if facts.signal is not None and facts.signal not in READY:
            self._timers.set(Timer.CONTROL_PILOT, facts.now + timing.control_pilot_change)

    def _pre_charge(self, action: act.PreCharge) -> None:
        facts = self._facts
        self._direct()
        # A pre-charge that is taken back in between gains no time.
        if not facts.precharging and Timer.PRE_CHARGE not in self._timers:
            self._timers.set(Timer.PRE_CHARGE, facts.now + facts.timing.pre_charge_performance)
        facts.precharging, facts.precharge_current_a = True, action.current_a
        self.supervisor.pre_charge(action.voltage_v, action.current_a, facts.now)

    # -- what is measured ----------------------------------------------------------------------------------

    def measured(self, event: ev.PowerMeasured | ev.AcMeasured | ev.PadMeasured) -> Finding | None:
        """One sample of the output, or of the AC outlet."""
        facts = self._facts
        if isinstance(event, ev.AcMeasured):
            return self._ac_measured(event)
        if isinstance(event, ev.PadMeasured):
            return self._pad_measured(event)
        voltage, current, now = event.voltage_v, event.current_a, facts.now
        if not is_reading(voltage, current, event.at):
            return self._unusable("PowerMeasured")
        taken = taken_at(event.at, now, facts.measured_at)
        if taken is None:
            return None
        facts.measured, facts.measured_at = event, taken
        found = self.supervisor.measured(voltage, current, taken, now)
        if found is not None and found.rule is Rule.CONTACTOR_VOLTAGE:  # it knows how far apart they are
            found = replace(found, what=f"{found.what} ({pre_charge_stands(facts)})")
        return found

    def _ac_measured(self, event: ev.AcMeasured) -> Finding | None:
        if not is_ac_reading(event):
            return self._unusable("AcMeasured")
        facts, now, outlet = self._facts, self._facts.now, self.ac
        taken = taken_at(event.at, now, -math.inf if outlet is None else outlet.sampled_at)
        if taken is None:
            return None
        facts.ac_measured = event
        if outlet is None:
            return None
        return outlet.measured(event.voltage_v, event.current_a, event.total_w, taken, now)

    def _pad_measured(self, event: ev.PadMeasured) -> Finding | None:
        if not is_coil_reading(event):
            return self._unusable("PadMeasured")
        facts, now, pad = self._facts, self._facts.now, self.pad
        taken = taken_at(event.at, now, -math.inf if pad is None else pad.sampled_at)
        if taken is None:
            return None
        facts.pad = event
        return None if pad is None else pad.measured(event.power_w, taken, now)

    def further(self, event: ev.InsulationMeasured | ev.SecondVoltageMeasured) -> Finding | None:
        """One sample of another sensor."""
        facts, now = self._facts, self._facts.now
        if type(event) is ev.SecondVoltageMeasured:
            if not is_reading(event.voltage_v, 0.0, event.at):
                return self._unusable("SecondVoltageMeasured")
            if (taken := taken_at(event.at, now, self._second_at)) is None:
                return None
            self._second_at, limits = taken, self._config.supervision
            # Two voltages of different times say nothing about the sensors.
            age = now - min(taken, facts.measured_at)
            if not facts.energized:
                self._sensors.not_compared()
                return None
            if age > limits.beyond(Rule.STALE_READINGS, limits.stale_s):
                return None
            return self._sensors.second_voltage(event.voltage_v, self.supervisor.voltage_v, now)
        ohm, to_earth = event.resistance_ohm, event.to_earth_v  # type: ignore[union-attr]
        numbers = is_reading(0.0 if to_earth is None else to_earth, 0.0, event.at)
        if not numbers or type(ohm) not in (float, int) or math.isnan(ohm) or ohm < 0.0:
            return self._unusable("InsulationMeasured")
        if (taken := taken_at(event.at, now, self._insulation_at)) is None:
            return None
        self._insulation_at = taken
        if not self._joined or facts.limits is None:
            self._sensors.rest()
            return None
        maximum = facts.limits.maximum_voltage_v
        return self._sensors.insulation(ohm, facts.insulation_threshold_ohm, to_earth, maximum, now)

    @property
    def _joined(self) -> bool:
        """The DC output has voltage for more than its test. Until then the cable check looks after the
        insulation, also where it closes the contactors: a monitor that begins to measure, or whose output is
        discharged again, shows less than there is."""
        facts = self._facts
        if self._alternates or self._wireless:
            return False
        if facts.power is not None or facts.precharging:
            return True
        return facts.contactors_closed and (
            facts.cable_check_started is None or facts.precharge_started is not None
        )

    def _unusable(self, name: str) -> Finding | None:
        if Rule.UNUSABLE_READINGS in self._config.supervision.off:
            return None
        now = self._facts.now
        what = f"a field of {name} is no finite number"
        return Finding(Rule.UNUSABLE_READINGS, math.nan, math.nan, now, Reaction.FAULT, what)

    def contactors(self, closed: bool) -> None:
        """The contactors report their level."""
        self._facts.contactors_closed = closed
        self.supervisor.contactors(closed)
        if self.ac is not None:
            self.ac.contactors(closed)
