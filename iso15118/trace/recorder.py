"""What a session showed, kept for its report: states, runs of equal messages, and the electrical values that the messages carry.

Messages and states in, series and runs out. Nothing is measured here: a value that no message carried is not in the record.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec import Struct

from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import si

__all__ = ["Exchange", "Recorder", "Series", "StateSpan"]

EXCHANGES_KEPT: Final = 500
"""Runs of equal messages that are kept one by one; the rest is counted."""
STATES_KEPT: Final = 500
"""Per role."""


@dataclass(slots=True)
class Series:
    """One quantity over time: ``times`` in s on the protocol's clock, ``values`` in ``unit``."""

    name: str
    unit: str
    times: array[float] = field(default_factory=lambda: array("d"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time: float, value: float) -> None:
        """One more point; times never go back."""
        self.times.append(time)
        self.values.append(value)


@dataclass(slots=True)
class Exchange:
    """Requests and answers of one kind with no other kind between them; times are the first and the last message's."""

    name: str
    began: float
    ended: float
    requests: int = 0
    answers: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    """Response codes, and how often."""


class StateSpan(Struct, frozen=True):
    """A role was in this state from then on."""

    state: str
    began: float


class Recorder:
    """The record of one session."""

    def __init__(self) -> None:
        self.voltage = Series("Voltage", "V")
        self.current = Series("Current", "A")
        self.power = Series("Power", "kW")
        self.soc = Series("State of charge", "%")
        self.exchanges: list[Exchange] = []
        self.states: dict[str, list[StateSpan]] = {"evcc": [], "secc": []}
        self.messages = 0
        self.left_out = 0
        """Messages of exchanges beyond those that are kept."""
        self.first: float | None = None
        """When the first message passed."""
        self.last = 0.0

    def message(self, sender: str, message: Any, now: float) -> None:
        """One message; of DIN 70121 and ISO 15118-2 what stands in its body."""
        if self.first is None:
            self.first = now
        self.last = now
        self.messages += 1
        name = type(message).__name__
        self._exchange(name, message, now)
        self._values(message, now)

    def state(self, role: str, state: str, now: float) -> None:
        """A role entered a state."""
        spans = self.states.setdefault(role, [])
        if len(spans) < STATES_KEPT:
            spans.append(StateSpan(state, now))

    def _exchange(self, name: str, message: Any, now: float) -> None:
        kind = name.removesuffix("Req").removesuffix("Res")
        if not self.exchanges or self.exchanges[-1].name != kind or self.left_out:
            if len(self.exchanges) >= EXCHANGES_KEPT:
                self.left_out += 1
                return
            self.exchanges.append(Exchange(kind, now, now))
        run = self.exchanges[-1]
        run.ended = now
        if name.endswith("Req"):
            run.requests += 1
        else:
            run.answers += 1
            code = getattr(message, "response_code", None)
            if code is not None:
                run.codes[str(getattr(code, "value", code))] += 1

    def _values(self, message: Any, now: float) -> None:
        volts = _number(getattr(message, "evse_present_voltage", None))
        if volts is not None:
            self.voltage.add(now, volts)
            amperes = _number(getattr(message, "evse_present_current", None))
            if amperes is not None:
                self.current.add(now, amperes)
                self.power.add(now, volts * amperes / 1000.0)
        soc = getattr(getattr(message, "display_parameters", None), "present_soc", None)
        if soc is None:
            soc = getattr(getattr(message, "dc_ev_status", None), "evresssoc", None)
        if isinstance(soc, int):
            self.soc.add(now, float(soc))


def _number(value: Any) -> float | None:
    """A RationalNumber, or a PhysicalValue, which has a multiplier where that has an exponent."""
    if isinstance(value, RationalNumber):
        return si(value)
    multiplier = getattr(value, "multiplier", None)
    if not isinstance(multiplier, int):
        return None
    number = value.value
    return float(number * 10**multiplier) if multiplier >= 0 else float(number / 10**-multiplier)
