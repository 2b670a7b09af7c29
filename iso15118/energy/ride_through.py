"""Leaving the grid and joining it again: trip curves, momentary cessation, zero current and the return to
service, on numbers alone."""

from __future__ import annotations

from .grid_functions import ZeroCurrent
from .sae_functions import EnterService, SaeGridCode, TripCurve

__all__ = ["Cessation", "Service", "Trip"]

_EXACT_S = 1e-9
"""Differences of times are not exact."""


class Trip:
    """One trip curve: how long the value has been beyond each of its limits."""

    __slots__ = ("_over", "_scale", "_since", "curve")

    def __init__(self, curve: TripCurve | None, *, over: bool, nominal_v: float) -> None:
        self.curve = curve
        self._over = over
        self._scale = nominal_v / 100.0 if curve is not None and curve.unit == "%V" else 1.0
        self._since: list[float | None] = [None] * (0 if curve is None else len(curve.points))

    def look(self, value: float, now: float) -> bool:
        """It has been beyond a limit for as long as that limit allows."""
        curve, tripped = self.curve, False
        if curve is None or not curve.enable:
            return False
        for index, (seconds, limit) in enumerate(curve.points):
            limit *= self._scale
            beyond = value >= limit if self._over else value <= limit
            if not beyond:
                self._since[index] = None
                continue
            since = self._since[index]
            if since is None:
                since = self._since[index] = now
            tripped = tripped or now - since >= seconds - _EXACT_S
        return tripped

    def beyond(self, value: float) -> bool:
        """It is beyond the mildest limit now; momentary cessation asks nothing more."""
        curve = self.curve
        if curve is None or not curve.enable:
            return False
        limits = [limit * self._scale for _, limit in curve.points]
        return value >= min(limits) if self._over else value <= max(limits)


class Cessation:
    """Zero current of the European codes, with its recovery limits."""

    __slots__ = ("ceased",)

    def __init__(self) -> None:
        self.ceased = False

    def look(self, setting: ZeroCurrent | None, lowest_v: float, highest_v: float) -> bool:
        """No current may flow now."""
        if setting is None:
            self.ceased = False
            return False
        over, under = setting.over_v, setting.under_v
        if (over is not None and highest_v > over) or (under is not None and lowest_v < under):
            self.ceased = True
        elif self.ceased:
            back_over = setting.over_recovery_v if setting.over_recovery_v is not None else over
            back_under = setting.under_recovery_v if setting.under_recovery_v is not None else under
            above = back_over is not None and highest_v > back_over
            below = back_under is not None and lowest_v < back_under
            self.ceased = above or below
        return self.ceased


class Service:
    """Whether the inverter is in service by IEEE 1547: it trips by the curves, and joins again after the
    delay inside the band, on a ramp.

    ``share``: the part of the randomized delay that this vehicle drew, 0 to 1.
    """

    def __init__(self, code: SaeGridCode, *, share: float) -> None:
        self.share = min(max(share, 0.0), 1.0)
        self.on = False
        self.tripped = False
        self._since: float | None = None
        self._began: float | None = None
        self.take(code)

    def take(self, code: SaeGridCode) -> None:
        """Another grid code holds from now on; whether it is in service stays as it is."""
        volts, hertz, nominal = code.voltage_trip, code.frequency_trip, code.nominal_v
        self._enter: EnterService = code.enter_service
        self._over_v = Trip(volts.over, over=True, nominal_v=nominal)
        self._under_v = Trip(volts.under, over=False, nominal_v=nominal)
        self._cease_over = Trip(volts.over_cessation, over=True, nominal_v=nominal)
        self._cease_under = Trip(volts.under_cessation, over=False, nominal_v=nominal)
        self._over_hz = Trip(hertz.over, over=True, nominal_v=nominal)
        self._under_hz = Trip(hertz.under, over=False, nominal_v=nominal)

    def look(self, lowest_v: float, highest_v: float, frequency_hz: float, now: float) -> float:
        """The share of the power that may flow at ``now``: 0 out of service, 1 when the ramp is over."""
        trips = (
            self._over_v.look(highest_v, now),
            self._under_v.look(lowest_v, now),
            self._over_hz.look(frequency_hz, now),
            self._under_hz.look(frequency_hz, now),
        )
        enter = self._enter
        if any(trips):
            self.tripped = True
        if any(trips) or not enter.permit:
            self._leave()
            return 0.0
        if not self.on:
            inside = (
                enter.low_v <= lowest_v
                and highest_v <= enter.high_v
                and enter.low_hz <= frequency_hz <= enter.high_hz
            )
            if not inside:
                self._since = None
                return 0.0
            if self._since is None:
                self._since = now
            if now - self._since < enter.delay_s + self.share * enter.randomized_delay_s:
                return 0.0
            self.on, self.tripped, self._began = True, False, now
        if self._cease_over.beyond(highest_v) or self._cease_under.beyond(lowest_v):
            return 0.0  # at once, and at once back
        if enter.ramp_s <= 0.0 or self._began is None:
            return 1.0
        share = (now - self._began) / enter.ramp_s
        if share >= 1.0:
            self._began = None
            return 1.0
        return share

    def _leave(self) -> None:
        self.on, self._since, self._began = False, None, None
