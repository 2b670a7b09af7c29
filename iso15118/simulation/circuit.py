"""The DC circuit between a station and a vehicle: who is joined to whom, which current flows, and where the
energy went.

It is integrated lazily: ``advance(now)`` takes it from the last time to this one, through everything that was
due in between, in closed form where nothing flows and in steps of at most 0.25 s where something does. The
plant's time is the clock's times ``time_scale``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

from iso15118.errors import ConfigError
from iso15118.session.events import SignalState

from .battery import Battery
from .contactors import OPENING_CURRENT_A, Contactors
from .meter import Meter
from .record import Record
from .supply import Mode, Supply

__all__ = ["DcCircuit"]

INRUSH_V = 20.0
"""Contactors that close over more than this are recorded; pre-charge has to come closer (IEC 61851-23,
Annex CC; docs/sources.md)."""

LOOP_S = 0.25
"""One turn of the charge loop as the standard has it, in s."""

_STEP_S = 0.25
_SLACK_S = 1e-6  # a deadline that went through a division by the time scale and back is still met


class Chore(Protocol):
    """Something in the plant that happens at a time of its own."""

    due: float | None

    def act(self, time: float, current_a: float) -> None:
        """It is due."""
        ...


class DcCircuit:
    """The cable with what is attached to its ends. All currents are positive towards the vehicle.

    ``time_scale``: plant seconds in one second of the clock, for demonstrations that cannot wait. ``loop_s``:
    seconds of the clock in one turn of the charge loop, which targets are approached with. ``cable_ohm``:
    resistance of the cable, between the meter and the battery's terminals. ``record`` keeps peaks and
    violations. Raises ``ConfigError`` for settings that are not possible.
    """

    def __init__(self, *, time_scale: float = 1.0, loop_s: float = LOOP_S, cable_ohm: float = 0.0) -> None:
        if not (math.isfinite(time_scale) and time_scale > 0.0):
            raise ConfigError("time_scale", f"{time_scale!r} is not possible", "a finite number above 0")
        if not (math.isfinite(loop_s) and loop_s > 0.0):
            raise ConfigError("loop_s", f"{loop_s!r} is not possible", "a finite number above 0")
        if not (math.isfinite(cable_ohm) and cable_ohm >= 0.0):
            raise ConfigError("cable_ohm", f"{cable_ohm!r} is no resistance", "0 or more")
        self.time_scale = time_scale
        self.loop_s = loop_s
        self.pace = time_scale * loop_s / LOOP_S
        """How much more happens in the plant in one turn of this charge loop than in one of
        0.25 s without a time scale."""
        self.cable_ohm = cable_ohm
        self.record = Record()
        self.time = 0.0
        """Plant time reached, in s."""
        self.cable_v = 0.0
        """Voltage of the cable, at the inlet."""
        self.supply: Supply | None = None
        self.outlet: Contactors | None = None
        self.battery: Battery | None = None
        self.inlet: Contactors | None = None
        self.meter = Meter()
        self.inlet_meter = Meter("INLET")
        """What went through the inlet of the vehicle that is attached, whatever else its battery is joined
        to."""
        self.plugged = True
        self.signal = SignalState.B
        self.signal_news: list[SignalState] = []
        """Changes of the signal that the station has not looked at yet."""
        self.signal_by: Callable[[SignalState], None] | None = None
        """What stands between the vehicle and the signal: a plug. It is told what the vehicle shows,
        and shows what comes of it."""
        self._signal_watchers: list[Callable[[], object]] = []
        self.interlock = True
        """The station's firmware blocks the supply when the signal leaves C and D, whatever its software
        does."""
        self._chores: list[Chore] = []
        self._vehicle_chores: list[Chore] = []
        self._joined = False
        self._outlet_closed = self._inlet_closed = False

    # -- assembly ------------------------------------------------------------------------------------------

    def attach_station(self, supply: Supply, outlet: Contactors, meter: Meter, *chores: Chore) -> None:
        """Put a station at this end. Raises ``ConfigError`` if it has one."""
        if self.supply is not None:
            raise ConfigError("circuit", "it has a station already", "one circuit per station")
        self.supply, self.outlet, self.meter = supply, outlet, meter
        self._chores += [outlet, *chores]
        self._outlet_closed = outlet.closed  # welded from the start: no closing to record
        self._joined = self._outlet_closed and self._inlet_closed

    def attach_vehicle(self, battery: Battery, inlet: Contactors, *chores: Chore) -> None:
        """Put a vehicle at the other end; another one has to be unplugged first. Raises
        ``ConfigError`` otherwise."""
        if self.battery is not None and self.plugged:
            raise ConfigError("circuit", "it has a vehicle already", "unplug it first")
        self._chores = [chore for chore in self._chores if chore not in self._vehicle_chores]
        self._vehicle_chores = [inlet, *chores]
        self.battery, self.inlet, self.inlet_meter = battery, inlet, Meter("INLET")
        self._chores += self._vehicle_chores
        if not self.plugged and self.signal_by is None:  # otherwise it comes with the plug
            self.plugged = True
            self.show_signal(SignalState.B)
        if inlet.closed:  # welded from the start: no closing to record
            self._inlet_closed = True
            self.cable_v = battery.open_circuit_v
            self._joined = self._outlet_closed

    # -- what can be seen ----------------------------------------------------------------------------------

    @property
    def current_a(self) -> float:
        """Current now; positive towards the vehicle."""
        return self.supply.current_a if self.supply is not None and self._joined else 0.0

    @property
    def outlet_v(self) -> float:
        """Voltage at the cable's end in the station (behind its contactors)."""
        return self.cable_v + self.cable_ohm * self.current_a

    def clock(self, time: float) -> float:
        """The clock's time at this plant time."""
        return time / self.time_scale

    # -- what happens from outside -------------------------------------------------------------------------

    def show_signal(self, state: SignalState) -> None:
        """The control pilot, or CE of MCS, shows another state."""
        if state is self.signal:
            return
        self.signal = state
        self.signal_news.append(state)
        if self.interlock and self.supply is not None and state not in (SignalState.C, SignalState.D):
            self.supply.stop(at_once=True)
        for watcher in self._signal_watchers:
            watcher()

    def watch_signal(self, watcher: Callable[[], object]) -> None:
        """Call ``watcher`` after each change of the signal."""
        self._signal_watchers.append(watcher)

    def vehicle_shows(self, state: SignalState) -> None:
        """The vehicle shows another state; what comes of it on the wire is the plug's
        business, if there is one."""
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
        """The connector is pulled. Another vehicle, or the same one attached again, plugs in."""
        self.advance(now)
        if not self.plugged:
            return
        if abs(self.current_a) >= OPENING_CURRENT_A:
            self.record.unplugged_under_load += 1
        self.plugged = False
        self._switched()
        self.show_signal(SignalState.A)

    def settle(self) -> None:
        """Lowered bounds hold from this instant."""
        if self._joined and self.supply is not None and self.battery is not None:
            source_v = self.battery.open_circuit_v
            self.supply.settle(source_v, self.battery.resistance_ohm + self.cable_ohm)
            self._show(source_v)

    # -- time ----------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Take the plant to the clock's time ``now``. Time that is past already is no error and changes
        nothing."""
        time = now * self.time_scale
        if time <= self.time:
            time = self.time
        while True:
            first: Chore | None = None
            at = time + _SLACK_S
            for chore in self._chores:
                if chore.due is not None and chore.due <= at:
                    first, at = chore, chore.due
            if first is None:
                break
            self._integrate(at)
            first.act(self.time, self.current_a)
            self._switched()
        self._integrate(time)

    def _switched(self) -> None:
        """Contactors may have moved: find out who is joined now, and what it did."""
        outlet_closed = self.outlet is not None and self.outlet.closed
        inlet_closed = self.inlet is not None and self.inlet.closed and self.plugged
        if outlet_closed is self._outlet_closed and inlet_closed is self._inlet_closed:
            return
        if inlet_closed and not self._inlet_closed and self.battery is not None:
            self._closed_over(self.battery.open_circuit_v - self.cable_v)
            self.cable_v = self.battery.open_circuit_v
        if outlet_closed and not self._outlet_closed and self.supply is not None:
            self._closed_over(self.supply.output_v - self.cable_v)
        self._outlet_closed, self._inlet_closed = outlet_closed, inlet_closed
        self._joined = outlet_closed and inlet_closed
        if not self._joined and self.supply is not None:
            self.supply.idle(0.0)

    def _closed_over(self, difference_v: float) -> None:
        if abs(difference_v) > INRUSH_V:
            self.record.inrushes += 1
            self.record.worst_inrush_v = max(self.record.worst_inrush_v, abs(difference_v))

    def _integrate(self, time: float) -> None:
        seconds = time - self.time
        if seconds <= 0.0:
            return
        self.time = time
        if self._joined and self.supply is not None and self.battery is not None:
            self._transfer(seconds, self.supply, self.battery)
        else:
            self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        """No current: the cable follows whoever it is joined to, or discharges."""
        supply = self.supply
        if supply is not None:
            supply.idle(seconds)
        linked = supply is not None and (self._outlet_closed or supply.mode is Mode.PRE_CHARGE)
        if self._inlet_closed and self.battery is not None:
            self.cable_v = self.battery.open_circuit_v
            if linked and supply is not None:
                supply.output_v = self.cable_v
        elif linked and supply is not None:
            self.cable_v = supply.output_v
        else:
            tau_s = 0.25 if supply is None else supply.kind.discharge_tau_s
            self.cable_v *= math.exp(-seconds / tau_s)

    def _transfer(self, seconds: float, supply: Supply, battery: Battery) -> None:
        """Both ends are joined: find the current that the bounds allow, follow it with the ramp, and book the
        energy."""
        ohm = battery.resistance_ohm + self.cable_ohm
        source_v = battery.open_circuit_v
        while seconds > 0.0:
            source_v = battery.open_circuit_v
            step_s = seconds if seconds < _STEP_S else _STEP_S
            goal_a, slope = supply.allowed_current(source_v, ohm), supply.kind.ramp_a_per_s
            supply.settle_to(goal_a)
            if supply.mode is Mode.STOPPING:
                goal_a, slope = 0.0, supply.fall_a_per_s
            elif abs(goal_a) < abs(supply.current_a) and supply.kind.bound_ramp_a_per_s < math.inf:
                slope = supply.kind.bound_ramp_a_per_s
            from_a = supply.current_a
            missing_a = goal_a - from_a
            if missing_a == 0.0:
                if goal_a == 0.0:
                    if supply.mode is Mode.STOPPING:
                        supply.mode = Mode.OFF
                    break  # nothing flows and nothing will: the rest of the time changes nothing
                to_a = from_a
            else:
                step_s = min(step_s, abs(missing_a) / slope)
                to_a = from_a + math.copysign(slope * step_s, missing_a)
                if abs(goal_a - to_a) < 1e-9:
                    to_a = goal_a
            self._book(battery, source_v, from_a, to_a, step_s)
            supply.current_a = to_a
            if to_a == 0.0 and supply.mode is Mode.STOPPING:
                supply.mode = Mode.OFF
            seconds -= step_s
        self._show(source_v)

    def _book(self, battery: Battery, source_v: float, from_a: float, to_a: float, seconds: float) -> None:
        # Within a step the cells' voltage is held and the current is a straight line, so these integrals are
        # exact, and losses agree.
        hours = seconds / 3600.0
        charge_ah = 0.5 * (from_a + to_a) * hours
        square = (from_a * from_a + from_a * to_a + to_a * to_a) / 3.0 * hours
        cells_wh = source_v * charge_ah
        terminals_wh = cells_wh + battery.resistance_ohm * square
        battery.add(cells_wh, terminals_wh)
        self.inlet_meter.add(terminals_wh)
        self.meter.add(terminals_wh + self.cable_ohm * square)
        peak_a = to_a if abs(to_a) >= abs(from_a) else from_a
        inlet_v = source_v + battery.resistance_ohm * peak_a
        if self.supply is not None:
            self.record.see(
                peak_a,
                inlet_v,
                inlet_v + self.cable_ohm * peak_a,
                seconds,
                self.supply.limits,
                battery.limits,
            )

    def _show(self, source_v: float) -> None:
        """Voltages follow the current; the cells' voltage is the one the current was found for, so that no
        bound seems exceeded."""
        if self.battery is not None and self.supply is not None:
            self.cable_v = source_v + self.battery.resistance_ohm * self.supply.current_a
            self.supply.output_v = self.outlet_v
