"""The AC circuit between an outlet and an on-board charger: which phases carry
what, and where the energy went.

Integrated lazily as the DC circuit: ``advance(now)`` takes it through everything that was due, in steps of at
most 0.25 s where something changes and of 10 s where it stays. The plant's time is the clock's times
``time_scale``. Energy is counted once, so that meter and battery agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from iso15118.energy.ac import NOTHING, Phases, each
from iso15118.errors import ConfigError
from iso15118.session.events import AcMeasured, BatteryChanged, SignalState

from .battery import Battery, charge_current_for, discharge_current_for
from .charger import OnBoardCharger
from .circuit import LOOP_S, Chore
from .contactors import OPENING_CURRENT_A, Contactors
from .meter import Meter
from .record import Record

__all__ = ["AcCircuit"]

_STEP_S = 0.25
_SLACK_S = 1e-6


def _steady_s(power_w: float, state: BatteryChanged, longest_s: float) -> float:
    """How long this power may be taken to stay, in s: half of what is left until the battery has
    enough, or has given enough."""
    left_wh = state.energy_to_target_wh if power_w > 0.0 else -state.energy_to_minimum_wh
    return max(_STEP_S, min(longest_s, 0.5 * left_wh * 3600.0 / max(abs(power_w), 1.0)))


class AcCircuit:
    """The cable with an outlet at one end and a vehicle at the other.

    ``phases``: 1 or 3 at the outlet; ``voltage_v``: phase to neutral; ``grid_v`` may be changed while it runs
    (a phase lost is 0 V). ``time_scale`` and ``loop_s`` as in ``DcCircuit``. Raises ``ConfigError`` for
    settings that are not possible.
    """

    def __init__(
        self,
        *,
        phases: int = 3,
        voltage_v: float = 230.0,
        frequency_hz: float = 50.0,
        time_scale: float = 1.0,
        loop_s: float = LOOP_S,
    ) -> None:
        if phases not in (1, 3):
            raise ConfigError("phases", f"{phases!r} phases are not possible", "1 or 3")
        for key, value in (("time_scale", time_scale), ("loop_s", loop_s), ("voltage_v", voltage_v)):
            if not (math.isfinite(value) and value > 0.0):
                raise ConfigError(key, f"{value!r} is not possible", "a finite number above 0")
        self.phases = phases
        self.grid_v: Phases = each(voltage_v, phases)
        self.frequency_hz = frequency_hz
        self.time_scale, self.loop_s = time_scale, loop_s
        self.pace = time_scale * loop_s / LOOP_S
        self.record = Record()
        self.time = 0.0
        """Plant time reached, in s."""
        self.outlet: Contactors | None = None
        self.charger: OnBoardCharger | None = None
        self.battery: Battery | None = None
        self.asking = True
        """The battery wants energy."""
        self.meter = Meter()
        self.plugged = True
        self.connected = phases
        """How many phases the outlet connects when it closes."""
        self.signal = SignalState.B
        self.signal_news: list[SignalState] = []
        self.signal_by: Callable[[SignalState], None] | None = None
        self._signal_watchers: list[Callable[[], object]] = []
        self._chores: list[Chore] = []
        self._closed = False

    # -- assembly ------------------------------------------------------------------------------------------

    def attach_station(self, outlet: Contactors, meter: Meter, *chores: Chore) -> None:
        """Put an outlet at this end."""
        self.outlet, self.meter = outlet, meter
        self._closed = outlet.closed
        self._chores += [outlet, *chores]

    def attach_vehicle(self, battery: Battery, charger: OnBoardCharger, *chores: Chore) -> None:
        """Put a vehicle at the other end."""
        self.battery, self.charger = battery, charger
        self._chores += chores

    # -- what can be seen ----------------------------------------------------------------------------------

    @property
    def power_w(self) -> Phases:
        """Active power now, per phase, positive to the vehicle."""
        return self.charger.power_w if self.charger is not None and self._closed else NOTHING

    @property
    def current_a(self) -> float:
        """The greatest current of a phase, with the sign of the power."""
        return math.copysign(max(self.currents_a), sum(self.power_w))

    @property
    def currents_a(self) -> Phases:
        """Effective current per phase."""
        charger, volts = self.charger, self.cable_v
        if charger is None or not self._closed:
            return NOTHING
        found = [
            math.hypot(active, reactive) / phase if phase > 0.0 else 0.0
            for active, reactive, phase in zip(charger.power_w, charger.reactive_var, volts, strict=True)
        ]
        return found[0], found[1], found[2]

    @property
    def cable_v(self) -> Phases:
        """Voltage behind the contactor, per phase."""
        if not self._closed:
            return NOTHING
        return self.grid_v if self.connected == 3 else (self.grid_v[0], 0.0, 0.0)

    def measured(self, *, inlet: bool = False) -> AcMeasured:
        """What a meter at the outlet shows, or at the charger with ``inlet``."""
        reactive = self.charger.reactive_var if self.charger is not None and self._closed else NOTHING
        return AcMeasured(
            voltage_v=self.cable_v if self.plugged or not inlet else NOTHING,
            current_a=self.currents_a,
            power_w=self.power_w,
            reactive_var=reactive,
            frequency_hz=self.frequency_hz,
        )

    def clock(self, time: float) -> float:
        """The clock's time at this plant time."""
        return time / self.time_scale

    # -- what happens from outside -------------------------------------------------------------------------

    def show_signal(self, state: SignalState) -> None:
        """The control pilot shows another state."""
        if state is self.signal:
            return
        self.signal = state
        self.signal_news.append(state)
        for watcher in self._signal_watchers:
            watcher()

    def watch_signal(self, watcher: Callable[[], object]) -> None:
        """Call ``watcher`` after each change of the signal."""
        self._signal_watchers.append(watcher)

    def vehicle_shows(self, state: SignalState) -> None:
        """The vehicle shows another state."""
        if self.signal_by is not None:
            self.signal_by(state)
        else:
            self.show_signal(state)

    def plug_in(self, now: float) -> None:
        """The connector goes in with the vehicle that is attached. The signal follows by ``show_signal``."""
        self.advance(now)
        self.plugged = True
        self._switched()

    def unplug(self, now: float) -> None:
        """The connector is pulled. The same vehicle may plug in again."""
        self.advance(now)
        if not self.plugged:
            return
        if max(self.currents_a) >= OPENING_CURRENT_A:
            self.record.unplugged_under_load += 1
        self.plugged = False
        self._switched()
        self.show_signal(SignalState.A)

    # -- time ----------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Take the plant to the clock's time ``now``; time that is past changes nothing."""
        time = max(now * self.time_scale, self.time)
        while True:
            first: Chore | None = None
            at = time + _SLACK_S
            for chore in self._chores:
                if chore.due is not None and chore.due <= at:
                    first, at = chore, chore.due
            if first is None:
                break
            self._integrate(at)
            first.act(self.time, max(self.currents_a))
            self._switched()
        self._integrate(time)

    def _switched(self) -> None:
        self._closed = self.outlet is not None and self.outlet.closed and self.plugged
        if not self._closed and self.charger is not None:
            self.charger.cut()

    def _integrate(self, time: float) -> None:
        seconds = time - self.time
        if seconds <= 0.0:
            return
        self.time = time
        charger, battery = self.charger, self.battery
        if not self._closed or charger is None or battery is None:
            return
        while seconds > 1e-12:
            step_s = min(seconds, _STEP_S)
            # The charger itself follows the battery, in the plant's own time: no charge loop is in between.
            state = battery.state(0.0, asking=self.asking)
            takes_w = min(state.maximum_charge_power_w, state.target_current_a * state.voltage_v)
            gives_w = min(
                state.maximum_discharge_power_w, state.maximum_discharge_current_a * state.voltage_v
            )
            charger.time, charger.grid_hz = self.time - seconds, self.frequency_hz
            goal = charger.goal(self.cable_v, takes_w if self.asking else 0.0, gives_w)
            before = charger.power_w
            if not any(before) and not any(goal):
                charger.reactive_var = charger.reactive()
                break
            if goal == before:
                step_s = min(seconds, _steady_s(sum(goal), state, charger.longest_step_s))
            charger.power_w, step_s = charger.approach(goal, step_s)
            charger.reactive_var = charger.reactive()
            self._book(battery, charger, sum(before), sum(charger.power_w), step_s)
            seconds -= step_s

    def _book(
        self, battery: Battery, charger: OnBoardCharger, from_w: float, to_w: float, seconds: float
    ) -> None:
        """The power is a straight line within a step."""
        hours, ac_w = seconds / 3600.0, (from_w + to_w) / 2.0
        dc_w = ac_w * charger.efficiency if ac_w >= 0.0 else ac_w / charger.efficiency
        source_v, ohm = battery.open_circuit_v, battery.resistance_ohm
        if dc_w >= 0.0:
            amperes = charge_current_for(dc_w, source_v, ohm)
        else:
            amperes = -discharge_current_for(-dc_w, source_v, ohm)
        battery.add(source_v * amperes * hours, dc_w * hours)
        self.meter.add(ac_w * hours)
        charger.lost_wh += (ac_w - dc_w) * hours
        record = self.record
        record.steps += 1
        record.transfer_s += seconds
        record.peak_power_w = max(record.peak_power_w, from_w, to_w)
        record.peak_discharge_power_w = max(record.peak_discharge_power_w, -from_w, -to_w)
        highest = max(self.currents_a)
        if to_w >= 0.0:
            record.peak_current_a = max(record.peak_current_a, highest)
        else:
            record.peak_discharge_current_a = max(record.peak_discharge_current_a, highest)
        record.maximum_voltage_v = max(record.maximum_voltage_v, *self.cable_v)
        record.minimum_voltage_v = min(record.minimum_voltage_v, self.cable_v[0])
