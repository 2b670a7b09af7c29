"""The steps of a scenario, one after the other: what has been seen of a session
decides when the next one is done.

Sans-I/O: it is told states, messages and ends as they come, and looks whether something is to be done when it
is asked to, never while a session is at work.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.scenario.hands import Hands, Hardware
from iso15118.scenario.model import Scenario, Step, When
from iso15118.scenario.names import plain
from iso15118.session.actions import SessionEnded
from iso15118.simulation import SimulatedVehicle
from iso15118.simulation.ac_circuit import AcCircuit
from iso15118.simulation.ac_vehicle import SimulatedAcVehicle
from iso15118.testing.monitor.reading import name_of
from iso15118.testing.wire import WireFault

__all__ = ["LOOPS", "Director", "StepResult"]

LOOPS: Final = frozenset(
    {"DCChargeLoopRes", "ACChargeLoopRes", "WPTChargeLoopRes", "CurrentDemandRes", "ChargingStatusRes"}
)


class StepResult(Struct, frozen=True, kw_only=True):
    """What became of one step. Times are seconds since the session began."""

    number: int
    """From 0, as in ``step[0]``."""
    side: str
    do: str
    done_at: float | None = None
    """None: its ``when`` never held."""
    over_at: float | None = None
    """None: its ``until`` did not hold in time, or the session ended before."""
    late: bool = False
    """``until`` did not hold within ``within_s``."""


class Director:
    """Drives the steps of ``scenario``. ``begin`` it with the ends that it can reach, tell it
    what happens, and ``look``."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.results: list[StepResult] = []
        self.messages: Counter[str] = Counter()
        """How often each message was sent, by name."""
        self.states: dict[str, set[str]] = {"secc": set(), "evcc": set()}
        """Those that each end has entered, as ``plain`` writes them."""
        self.ends: dict[str, SessionEnded] = {}
        self.most_power_w = 0.0
        self.soc: float | None = None
        """The battery's state of charge when it was last seen, in percent."""
        self._hands: dict[str, Hands] = {}
        self._began: float | None = None
        self._next = 0
        self._last = 0.0
        self._done_at: float | None = None
        """When the step at hand was done; None: it waits for its moment."""

    def begin(self, hands: dict[str, Hands], now: float) -> None:
        """The ends that it can reach. Raises ``ConfigError`` for a step that none of them can carry out."""
        for number, step in enumerate(self.scenario.steps):
            if step.side not in hands:
                raise ConfigError(
                    f"step[{number}].side", f"there is no {step.side} here", f"one of {', '.join(hands)}"
                )
        self._hands = hands
        self._began = now
        self.look(now)

    # -- what happens ---------------------------------------------------------------------------------------

    def state(self, side: str, state: str) -> None:
        """This end entered a state."""
        self.states[side].add(plain(state))

    def message(self, message: object) -> None:
        """A message was sent, by either end."""
        self.messages[name_of(message)] += 1

    def ended(self, side: str, end: SessionEnded) -> None:
        """The session of this end is over."""
        self.ends.setdefault(side, end)

    # -- what is to be done ---------------------------------------------------------------------------------

    @property
    def over(self) -> bool:
        """Every step is over, or too late."""
        return self._next >= len(self.scenario.steps)

    @property
    def deadline(self) -> float | None:
        """When the clock alone makes something due, at the latest; None: only what happens does."""
        if self.over or self._began is None:
            return None
        step = self.scenario.steps[self._next]
        if self._done_at is None:
            dues = [] if step.when.after_s is None else [self._began + step.when.after_s]
        else:
            dues = [self._done_at + step.within_s]
            if step.until is not None and step.until.after_s is not None:
                dues.append(self._done_at + step.until.after_s)
        # A moment that the clock has passed already waits for something else.
        return min((due for due in dues if due > self._last), default=None)

    def look(self, now: float) -> None:
        """Do what is due. Raises ``ConfigError`` for a step that cannot be carried out."""
        self._last = now
        self._measure()
        while not self.over and self._began is not None:
            step = self.scenario.steps[self._next]
            if self._done_at is None:
                if not self._holds(step.when, step.side, self._began, now):
                    return
                self._done_at = now
                self._carry_out(step)
            done_at = self._done_at
            met = step.until is None or self._holds(step.until, step.side, done_at, now)
            late = not met and now >= done_at + step.within_s
            if not met and not late:
                return
            self._record(step, done_at, None if late else now, late=late)

    def _carry_out(self, step: Step) -> None:
        try:
            self._hands[step.side].do(step)
        except ConfigError as error:
            raise ConfigError(f"step[{self._next}].{error.key}", error.reason, error.hint) from error

    def _record(
        self, step: Step, done_at: float | None, over_at: float | None, *, late: bool = False
    ) -> None:
        began = self._began or 0.0
        self.results.append(
            StepResult(
                number=self._next,
                side=step.side,
                do=step.do,
                done_at=None if done_at is None else round(done_at - began, 3),
                over_at=None if over_at is None else round(over_at - began, 3),
                late=late,
            )
        )
        self._next, self._done_at = self._next + 1, None

    def conclude(self) -> None:
        """Nothing more happens: what holds now is done, and the rest of the steps have no end."""
        if self._began is not None:
            self.look(self._last)
        while not self.over:
            self._record(self.scenario.steps[self._next], self._done_at, None)

    @property
    def idle_faults(self) -> list[tuple[str, WireFault]]:
        """Faults of the wire that have befallen nothing, with the end that they were for."""
        return [
            (role, fault)
            for role, hands in self._hands.items()
            if hands.wire is not None
            for fault in hands.wire.idle
        ]

    # -- what holds -----------------------------------------------------------------------------------------

    def _holds(self, moment: When, side: str, since: float, now: float) -> bool:
        power_w = self._power_w()
        loops = sum(self.messages[name] for name in LOOPS)
        return (
            (moment.state is None or plain(moment.state) in self.states[side])
            and (moment.message is None or self.messages[moment.message] >= moment.nth)
            and (moment.loops is None or loops >= moment.loops)
            and (moment.after_s is None or now >= since + moment.after_s)
            and (moment.soc is None or (self.soc is not None and self.soc >= moment.soc))
            and (moment.power_above_kw is None or power_w > 1000.0 * moment.power_above_kw)
            and (moment.power_below_kw is None or power_w < 1000.0 * moment.power_below_kw)
            and (not moment.ended or side in self.ends)
        )

    def _measure(self) -> None:
        self.most_power_w = max(self.most_power_w, self._power_w())
        for hands in self._hands.values():
            if isinstance(hands.hardware, SimulatedVehicle | SimulatedAcVehicle):
                self.soc = hands.hardware.battery.soc

    def _power_w(self) -> float:
        """What flows to the vehicle now, as the simulated circuit has it, whatever its sensors say."""
        found: Hardware | None = next((one.hardware for one in self._hands.values() if one.hardware), None)
        if found is None:
            return 0.0
        circuit: Any = found.circuit
        return sum(circuit.power_w) if isinstance(circuit, AcCircuit) else circuit.cable_v * circuit.current_a
