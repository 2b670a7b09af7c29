"""How a simulated device carries out what it is asked for: at once, late, never, or with an error,
as its faults say.

Base of every simulated station and vehicle; what an action does to the plant is theirs (``_do``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol

from iso15118.errors import MisuseError
from iso15118.session.actions import HardwareAction

from .pending import Agenda

if TYPE_CHECKING:
    from iso15118.session.events import Event

    from .faults import Faults

__all__ = ["Circuit", "Obeying"]


class Circuit(Protocol):
    """Clock and motion of a plant."""

    @property
    def time(self) -> float: ...
    @property
    def time_scale(self) -> float: ...
    def clock(self, time: float) -> float: ...
    def advance(self, now: float) -> None: ...


class Obeying(ABC):
    """Needs ``circuit`` and ``faults`` of the class below it; ``_obey`` makes the rest."""

    faults: Faults
    """What goes wrong, by the names in ``_CALLS``."""
    _WHAT: ClassVar[str]
    """What it is, in the words of an error."""
    _CALLS: ClassVar[Mapping[type[HardwareAction], str]]
    """The name of each action as faults know it."""
    _FAULTLESS: ClassVar[frozenset[type[HardwareAction]]] = frozenset()
    """Actions that nothing goes wrong with."""

    def _obey(self, circuit: Circuit) -> None:
        self._works_on = circuit
        self._agenda = Agenda()
        self._events: list[Event] = []

    @abstractmethod
    def _do(self, action: HardwareAction) -> None:
        """Let ``action`` have its effect on the plant."""

    def perform(self, action: HardwareAction, now: float) -> list[Event]:
        """Carry out ``action`` at ``now``; the events that answer at once (others come from ``advance``).

        Raises what ``faults`` was told to raise, and ``MisuseError`` for an action that this device does not
        carry out or a set-point that is no finite number.
        """
        circuit = self._works_on
        circuit.advance(now)
        call = self._CALLS.get(type(action))
        if call is None and type(action) not in self._FAULTLESS:
            raise MisuseError(f"{self._WHAT} does not carry out {type(action).__name__}")
        fault = None if call is None else self.faults.take(call)
        if fault is None:
            self._do(action)
        elif fault.error is not None:
            raise fault.error
        elif not fault.never:
            due = circuit.time + fault.delay_s * circuit.time_scale
            self._agenda.put(f"late {call}", due, lambda: self._do(action))
        return self._taken()

    def carry_out(self, action: HardwareAction, now: float) -> list[Event]:
        """``perform`` without ``faults``: for ports that do their own misbehaving."""
        self._works_on.advance(now)
        self._do(action)
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events
