"""An on-board charger that is an inverter and supports the grid: what it is told, bent by the functions of
the grid code that it follows.

What it does at which voltage and frequency is computed by ``energy.iec_inverter`` and
``energy.sae_inverter``; here is when, and for which phases. All quantities are SI floats.
"""

from __future__ import annotations

from iso15118.energy.ac import NOTHING, Phases, each
from iso15118.energy.grid_functions import DsoSetPoint, IecGridCode
from iso15118.energy.grid_support import Grid, GridEvent, Output, Ratings
from iso15118.energy.iec_inverter import IecInverter
from iso15118.energy.sae_inverter import SaeInverter
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.der import GridCode, GridCondition, InverterAbilities

from .charger import OnBoardCharger

__all__ = ["SimulatedInverter"]

_LONGEST_STEP_S = 0.25


class SimulatedInverter(OnBoardCharger):
    """``abilities``: what it can do for the grid, by default all of it with an apparent power of 1.1 times
    the active one. ``share``: the part of a randomized delay that it drew."""

    def __init__(
        self,
        limits: AcVehicleLimits,
        abilities: InverterAbilities | None = None,
        *,
        ramp_w_per_s: float = 5_000.0,
        efficiency: float = 1.0,
        share: float = 0.5,
        nominal_voltage_v: float = 230.0,
    ) -> None:
        super().__init__(limits, ramp_w_per_s=ramp_w_per_s, efficiency=efficiency)
        charge, back = sum(limits.maximum_charge_power_w), sum(limits.maximum_discharge_power_w)
        apparent = 1.1 * max(charge, back)
        self.abilities = abilities or InverterAbilities(
            apparent_va=apparent, reactive_var=0.44 * apparent, nominal_v=nominal_voltage_v
        )
        self._ratings = Ratings(
            charge_w=charge,
            discharge_w=back,
            reactive_var=self.abilities.reactive_var,
            apparent_va=self.abilities.apparent_va,
            nominal_v=self.abilities.nominal_v,
        )
        self._share = share
        self.followed: GridCode | None = None
        """The grid code that it follows; None: it follows none."""
        self.set_point = DsoSetPoint()
        self.follows = 0
        """How often it was told one."""
        self._inverter: IecInverter | SaeInverter | None = None
        self.output = Output()
        """What it does."""
        self._steady = True

    @property
    def longest_step_s(self) -> float:
        """While its output moves by itself it is looked at often; a delay that begins is
        noticed with the next look."""
        return super().longest_step_s if self._steady else _LONGEST_STEP_S

    def follow(self, code: GridCode | None, set_point: DsoSetPoint) -> None:
        """Follow these functions from now on."""
        self.followed, self.set_point = code, set_point
        self.follows += 1
        if code is None:
            self._inverter, self.output = None, Output()
        elif isinstance(code, IecGridCode):
            if not isinstance(self._inverter, IecInverter):
                self._inverter = IecInverter(self._ratings)
            self._inverter.follow(code)
            self._inverter.dso = set_point
        elif isinstance(self._inverter, SaeInverter):
            self._inverter.follow(code)
        else:
            self._inverter = SaeInverter(self._ratings, code, share=self._share)

    def goal(self, grid_v: Phases, most_w: float, most_back_w: float) -> Phases:
        """What is wanted and possible, within what the grid code lets it do now."""
        wanted = super().goal(grid_v, most_w, most_back_w)
        inverter, bounds = self._inverter, self.bounds
        if inverter is None or bounds is None:
            self.output = Output()
            return wanted
        phases = bounds.phases
        grid = Grid(grid_v[:phases], self.grid_hz)
        total = sum(wanted)
        before = self.output
        self.output = inverter.step(grid, total, self.time, sum(bounds.reactive_var))
        self._steady = self.output == before
        if not total:
            return NOTHING
        share = self.output.power_w / total
        return wanted[0] * share, wanted[1] * share, wanted[2] * share

    def reactive(self) -> Phases:
        """Reactive power flows whatever the active one."""
        if self._inverter is None:
            return super().reactive()
        bounds = self.bounds
        if bounds is None:
            return NOTHING
        return each(self.output.reactive_var / bounds.phases, bounds.phases)

    @property
    def condition(self) -> GridCondition:
        """What it sees of the grid."""
        events = self.output.events
        return GridCondition(events=int(events), in_service=GridEvent.CEASED not in events)
