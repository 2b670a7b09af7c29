"""An energy plan for a bidirectional session: charge half of what was asked for, take some back, charge
again.

A value that is polled with the meter and answers with the next set-point; it knows neither the circuit nor
the session.
"""

from __future__ import annotations

import math
from enum import Enum

from iso15118.errors import ConfigError
from iso15118.session.events import MeterRead, SetPointChanged

__all__ = ["EnergyPlan", "PlanPhase"]

# Clock time without metered progress after which the vehicle evidently gives nothing (more).
_PATIENCE_S = 30.0
# Time constant of the last seconds of giving back, so that charge loops of 0.25 s end it on the spot; and the
# share of the power that is kept to the end.
_LANDING_S = 2.0
_LEAST = 0.02


class PlanPhase(Enum):
    """Where the plan stands."""

    WAITING = "the vehicle has not said what it wants"
    CHARGING = "towards the turn"
    DISCHARGING = "taking energy back"
    DONE = "the rest is up to the vehicle"


class EnergyPlan:
    """Take ``discharge_wh`` back once ``turn`` of the requested energy was metered.

    ``power_w`` is the discharge power wanted (None: the station's maximum). Afterwards the set-point is
    ``resume_w`` (None: the vehicle decides again). If the vehicle gives nothing for 30 s, the plan gives up
    the rest and says so in ``gave_up``. ``least_w``: an on-board charger gives nothing below this, and so is
    not asked for less. Raises ``ConfigError`` for a plan that is not possible.
    """

    def __init__(
        self,
        discharge_wh: float,
        *,
        power_w: float | None = None,
        resume_w: float | None = None,
        turn: float = 0.5,
        least_w: float = 0.0,
    ) -> None:
        for key, value in (("discharge_wh", discharge_wh), ("power_w", power_w)):
            if value is not None and not (math.isfinite(value) and value > 0.0):
                raise ConfigError(key, f"{value!r} is not possible", "a finite number above 0")
        if not 0.0 <= turn <= 1.0:
            raise ConfigError("turn", f"{turn!r} is no share", "0 to 1")
        self.discharge_wh = discharge_wh
        self.power_w = power_w
        self.resume_w = resume_w
        self.turn = turn
        self.least_w = least_w
        self.phase = PlanPhase.WAITING
        self.gave_up = False
        self._turn_wh = 0.0
        self._end_wh = 0.0
        self._wanted_w = self._least_w = 0.0
        self._landing_h = _LANDING_S / 3600.0
        self._seen_wh = 0.0
        self._seen_at = 0.0

    @property
    def active(self) -> bool:
        """It still wants to be polled."""
        return self.phase in (PlanPhase.CHARGING, PlanPhase.DISCHARGING)

    def begin(
        self, requested_wh: float, meter: MeterRead, maximum_power_w: float, *, time_scale: float = 1.0
    ) -> None:
        """The vehicle asks for ``requested_wh``; the station can take back at most ``maximum_power_w``.

        Only the first call counts. ``time_scale`` is the pace of the circuit.
        """
        if self.phase is PlanPhase.WAITING:
            self.phase = PlanPhase.CHARGING if maximum_power_w > 0.0 else PlanPhase.DONE
            self._turn_wh = meter.charged_wh + self.turn * max(0.0, requested_wh)
            self._wanted_w = maximum_power_w if self.power_w is None else min(self.power_w, maximum_power_w)
            self._least_w = max(_LEAST * self._wanted_w, self.least_w)
            self._landing_h = _LANDING_S * time_scale / 3600.0

    def poll(self, now: float, meter: MeterRead) -> SetPointChanged | None:
        """The meter at the clock's time ``now``: the next set-point, or None while nothing changes."""
        if self.phase is PlanPhase.CHARGING and meter.charged_wh >= self._turn_wh:
            self.phase = PlanPhase.DISCHARGING
            self._end_wh = meter.discharged_wh + self.discharge_wh
            self._seen_wh, self._seen_at = meter.discharged_wh, now
            return SetPointChanged(-self._wanted_w)
        if self.phase is PlanPhase.DISCHARGING:
            if meter.discharged_wh > self._seen_wh:
                self._seen_wh, self._seen_at = meter.discharged_wh, now
            self.gave_up = now - self._seen_at >= _PATIENCE_S
            left_wh = self._end_wh - meter.discharged_wh
            if self.gave_up or left_wh <= 0.0:
                self.phase = PlanPhase.DONE
                return SetPointChanged(self.resume_w)
            gentle_w = max(left_wh / self._landing_h, self._least_w)
            if gentle_w < 0.8 * self._wanted_w:
                self._wanted_w = gentle_w
                return SetPointChanged(-gentle_w)
        return None
