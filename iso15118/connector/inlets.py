"""One battery behind several inlets, such as MCS and CCS2 of a truck: which of them may take or
give energy, and how much each.

A value without I/O. It is asked before contactors close, and its "no" is final: no second inlet is joined to
the battery unless the settings say that several may be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Final

from msgspec import Meta

from iso15118.errors import ConfigError, MisuseError
from iso15118.ranges import Ranged
from iso15118.session.checks import what_went_wrong

__all__ = ["ArbiterSettings", "Inlet", "InletArbiter"]

_SHARE_TOLERANCE: Final = 1.02
"""What is measured may lie above a share by what meters and ramps of the last turn are off."""
_LEAST_A: Final = 5.0
"""And by so many A: a sensor without current shows some."""


class Inlet(Ranged, frozen=True, kw_only=True):
    """One inlet of a vehicle. Raises ``ConfigError`` naming the key."""

    name: str
    """What results, errors and the log call it."""
    maximum_current_a: Annotated[float, Meta(ge=1.0, le=3000.0)]
    """What its contacts and the cables to the battery carry, in either direction, in A."""
    maximum_power_w: Annotated[float, Meta(ge=1.0, le=3_750_000.0)]
    """The same in W."""


class ArbiterSettings(Ranged, frozen=True, kw_only=True):
    """What is decided about inlets together."""

    several: bool = False
    """Several inlets may take energy at the same time, each its share of what the battery takes. Off by
    default: two stations are then joined through one battery, whose contactors, insulation monitoring and
    fuses have to be made for it; no standard describes it."""
    fresh_s: Annotated[float, Meta(ge=0.05, le=10.0)] = 1.0
    """How old a measured current of an inlet may be, in s, when another one is to
    be joined to the battery."""


class InletArbiter:
    """Decides between inlets, the preferred one first. ``now`` is a time in s on any clock that never goes
    back, the same for all calls.

    The life of an inlet: ``begin`` when a session begins, ``claim`` before its contactors close, ``opened``
    when they are seen open again, ``end`` after the session. An inlet whose contactors are not seen open
    keeps the battery, whatever its session says. Raises ``ConfigError`` for none, or for two of one name,
    ``MisuseError`` for a name that there is not.
    """

    def __init__(self, inlets: Sequence[Inlet], settings: ArbiterSettings | None = None) -> None:
        names = [one.name for one in inlets]
        if not inlets or len(set(names)) != len(names) or not all(names):
            raise ConfigError(
                "inlets", f"{names} are no names of inlets", "one or more, each once, the best first"
            )
        self.settings = ArbiterSettings() if settings is None else settings
        self._inlets = {one.name: one for one in inlets}
        self._begun: set[str] = set()
        self._joined: set[str] = set()
        self._measured: dict[str, tuple[float, float]] = {}
        """Current in A, and when it was measured."""
        self._levels: dict[str, Callable[[], object]] = {}

    @property
    def order(self) -> tuple[str, ...]:
        """The names, the preferred one first."""
        return tuple(self._inlets)

    @property
    def joined(self) -> tuple[str, ...]:
        """Inlets whose contactors are closed, or may be."""
        return tuple(name for name in self._inlets if name in self._joined)

    def inlet(self, name: str) -> Inlet:
        """What is known of this inlet."""
        if name not in self._inlets:
            raise MisuseError(f"there is no inlet {name!r}: {', '.join(self._inlets)}")
        return self._inlets[name]

    # -- what happens -------------------------------------------------------------------------------------

    def watch(self, name: str, closed: Callable[[], object]) -> None:
        """``closed`` is the level of its contactors: it is read whenever another inlet is to be joined, since
        they may be welded from before, and no session has looked. Only False is open."""
        self.inlet(name)
        self._levels[name] = closed

    def begin(self, name: str) -> None:
        """A session begins at this inlet: from now on it counts when the battery is shared out."""
        self.inlet(name)
        self._begun.add(name)

    def end(self, name: str) -> None:
        """The session is over. What is still joined to the battery stays so."""
        self.inlet(name)
        self._begun.discard(name)

    def measured(self, name: str, current_a: float, now: float) -> None:
        """The current of this inlet at ``now``, positive into the battery. What is no number, or was taken at
        no time, is no measurement; what is older than the last one is dropped."""
        self.inlet(name)
        if all(isinstance(one, (int, float)) and math.isfinite(one) for one in (current_a, now)):
            last = self._measured.get(name, (0.0, -math.inf))[1]
            if now >= last:
                self._measured[name] = abs(float(current_a)), float(now)

    def closed(self, name: str) -> None:
        """Its contactors are seen closed, whoever closed them."""
        self.inlet(name)
        self._joined.add(name)

    def opened(self, name: str) -> None:
        """Its contactors are seen open after they were told to open."""
        self.inlet(name)
        self._joined.discard(name)

    def claim(self, name: str, now: float, battery_a: float) -> str:
        """This inlet is to be joined to the battery, which takes ``battery_a`` (A) in all: why it may not be,
        or an empty text. Then it counts as joined, until ``opened``."""
        self.inlet(name)
        for other in self._levels:
            if other != name and (reason := self._look(other)):
                return reason
        others = [other for other in self.joined if other != name]
        if others and not self.settings.several:
            return f"inlet {others[0]} is joined to the battery, and only one may be"
        self._begun.add(name)
        for other in others:
            current = self._fresh(other, now)
            if current is None:
                return f"the current of inlet {other} was not measured within {self.settings.fresh_s:g} s"
            most = self.most_a(other, battery_a)
            if current > most * _SHARE_TOLERANCE + _LEAST_A:
                return f"inlet {other} has {current:.0f} A and has to come down to {most:.0f} A first"
        self._joined.add(name)
        return ""

    def _look(self, name: str) -> str:
        """Whether its contactors are closed, now; why that cannot be told, or an empty text."""
        try:
            closed = self._levels[name]()
        except Exception as error:  # whatever a port raises
            return f"the contactors of inlet {name} cannot be read: {what_went_wrong(error)}"
        if closed is not True and closed is not False:
            return f"the contactors of inlet {name} are neither closed nor open: {type(closed).__name__}"
        if closed:
            self._joined.add(name)
        return ""

    # -- what each may have -------------------------------------------------------------------------------

    def share(self, name: str) -> float:
        """Part of what the battery takes or gives that this inlet may have, 0 to 1; those of all inlets
        together are never above 1. By what the inlets can carry; an inlet alone has all of it."""
        if self.settings.several:
            sharing = (self._begun | self._joined) | {name}
        else:
            # One that still hangs at the battery leaves nothing to another.
            sharing = {name}
            if self._joined - {name}:
                return 0.0
        total = sum(self._inlets[one].maximum_current_a for one in sharing)
        return self.inlet(name).maximum_current_a / total

    def most_a(self, name: str, battery_a: float) -> float:
        """The most current of this inlet, in A, where the battery takes ``battery_a`` in
        all; 0 for what is no number."""
        return _within(battery_a, self.share(name), self.inlet(name).maximum_current_a)

    def most_w(self, name: str, battery_w: float) -> float:
        """The same for the power, in W."""
        return _within(battery_w, self.share(name), self.inlet(name).maximum_power_w)

    def _fresh(self, name: str, now: float) -> float | None:
        current, at = self._measured.get(name, (0.0, -math.inf))
        return current if 0.0 <= now - at <= self.settings.fresh_s else None


def _within(battery: float, share: float, inlet: float) -> float:
    return min(battery * share, inlet) if math.isfinite(battery) and battery > 0.0 else 0.0
