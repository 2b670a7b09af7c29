"""Curves of grid codes and how fast an inverter follows them: piecewise linear
functions, first-order lags and ramps.

Numbers only. What the axes are is the business of who asks; time is an argument,
and nothing here keeps a clock.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from msgspec import Struct

from iso15118.errors import ConfigError
from iso15118.messages.values import rational, si

__all__ = ["Curve", "Follower", "Response", "Unit", "finite"]

FEWEST_POINTS, MOST_POINTS = 2, 10
_LARGEST = 32_767e12
"""What a RationalNumber of the wire can say."""
_LONGEST_S = 86_400.0

Unit = str
"""Of an axis: "V", "Hz", "W", "s", "var", "%V" (of the reference voltage), or, of what the inverter can do,
"%W", "%var", "%VA", and of what it can do at the moment, "%W now" and "%var now"."""
UNITS = ("V", "Hz", "W", "s", "var", "%V", "%W", "%var", "%VA", "%W now", "%var now")


def finite(key: str, value: object, least: float = -_LARGEST, most: float = _LARGEST) -> float:
    """``value`` if it is a number in this range. Without a unit of its own: in that of the key. Raises
    ``ConfigError`` naming ``key``."""
    if type(value) not in (float, int) or not least <= value <= most:  # type: ignore[operator]
        shown = repr(value) if not isinstance(value, int) or value.bit_length() < 1024 else "a huge number"
        raise ConfigError(key, f"{shown} is not possible", f"a number from {least:g} to {most:g}")
    return float(value)  # type: ignore[arg-type]


class Curve(Struct, frozen=True, kw_only=True):
    """A piecewise linear function, flat outside its end points. Raises ``ConfigError``."""

    points: tuple[tuple[float, float], ...]
    """2 to 10 points (x, y) with ascending x, none twice."""
    x_unit: Unit = "V"
    y_unit: Unit = "W"
    over_excited: tuple[bool, ...] = ()
    """For a power factor as y, one per point: True injects reactive power, False absorbs it."""

    def __post_init__(self) -> None:
        points = self.points
        if type(points) is not tuple or not FEWEST_POINTS <= len(points) <= MOST_POINTS:
            raise ConfigError(
                "points", f"{_length(points)} of them", f"a tuple of {FEWEST_POINTS} to {MOST_POINTS}"
            )
        before = -math.inf
        for point in points:
            if type(point) is not tuple or len(point) != 2:
                raise ConfigError("points", f"{point!r} is no point", "(x, y)")
            # As a peer will read them: two that the wire cannot tell apart are one.
            x, _ = si(rational(finite("points.x", point[0]))), finite("points.y", point[1])
            if x <= before:
                raise ConfigError("points", f"x = {x:g} after {before:g}", "ascending, none twice")
            before = x
        for name in ("x_unit", "y_unit"):
            if getattr(self, name) not in UNITS:
                raise ConfigError(name, f"{getattr(self, name)!r} is no unit", ", ".join(UNITS))
        if self.over_excited and len(self.over_excited) != len(points):
            raise ConfigError("over_excited", f"{len(self.over_excited)} of them", "one per point, or none")

    def at(self, x: float) -> float:
        """y at this x."""
        points = self.points
        if x <= points[0][0]:
            return points[0][1]
        if x >= points[-1][0]:
            return points[-1][1]
        index = bisect_right(points, x, key=lambda point: point[0])
        (left, low), (right, high) = points[index - 1], points[index]
        return low + (high - low) * (x - left) / (right - left)

    def sine_at(self, x: float) -> float:
        """Reactive as a share of apparent power at this x, where y is a power factor: positive absorbs,
        negative injects. Between points of different excitation the line goes through a power factor of 1."""
        excitations = self.over_excited or (False,) * len(self.points)
        missing = Curve(
            points=tuple(
                (at, (abs(factor) - 1.0) if over else (1.0 - abs(factor)))
                for (at, factor), over in zip(self.points, excitations, strict=True)
            )
        ).at(x)
        factor = 1.0 - abs(missing)
        return math.copysign(math.sqrt(max(1.0 - factor * factor, 0.0)), missing)


def _length(value: object) -> str:
    return str(len(value)) if isinstance(value, (tuple, list)) else type(value).__name__


class Response(Struct, frozen=True, kw_only=True):
    """How the output follows its goal. Raises ``ConfigError``."""

    time_s: float = 0.0
    """Time constant of the lag, or how long the whole way takes on a ramp; 0: at once."""
    first_order: bool = True
    """A first-order lag (PT1); False: a ramp that takes ``time_s`` for the step as it was when it began."""

    def __post_init__(self) -> None:
        finite("time_s", self.time_s, 0.0, _LONGEST_S)

    @classmethod
    def open_loop(cls, seconds: float) -> Response:
        """The lag that has gone 90 % of the way after ``seconds``, as IEEE 1547 defines
        the open loop response time."""
        return cls(time_s=seconds / math.log(10.0))


AT_ONCE = Response()


class Follower:
    """One output on its way: it may be followed in steps of any length, and how the time is cut does
    not change where it arrives."""

    __slots__ = ("_at", "_goal", "_ramp", "value")

    def __init__(self) -> None:
        self.value = 0.0
        """Where the output is."""
        self._at: float | None = None
        self._goal = 0.0
        self._ramp = 0.0
        """Per second, of the ramp to this goal."""

    def reset(self, value: float = 0.0) -> None:
        """Be there at once, as when the current is cut. ``value``: in the unit of
        the output, such as W or A."""
        self.value, self._at, self._goal, self._ramp = value, None, value, 0.0

    def follow(self, goal: float, response: Response, now: float) -> float:
        """The output at ``now`` (s), which has gone towards the goal given last time since then, and
        goes to ``goal`` from now on."""
        seconds = 0.0 if self._at is None else max(now - self._at, 0.0)
        self._move(seconds, response)
        self._at = now
        if response.time_s <= 0.0:
            self.value = goal
        if goal != self._goal:
            self._ramp = abs(goal - self.value) / response.time_s if response.time_s > 0.0 else 0.0
            self._goal = goal
        return self.value

    def _move(self, seconds: float, response: Response) -> None:
        left = self._goal - self.value
        if seconds <= 0.0 or not left:
            return
        if response.time_s <= 0.0:
            self.value = self._goal
        elif response.first_order:
            self.value = self._goal - left * math.exp(-seconds / response.time_s)
        else:
            step = self._ramp * seconds
            self.value = self._goal if step >= abs(left) else self.value + math.copysign(step, left)
