"""Events of the site that a vehicle is charged at: what its energy manager wants, its grid code and what an
inverter sees of it, and its parking spaces.

``session.events`` has them all under its own name.
"""

from __future__ import annotations

from iso15118.energy.grid_functions import DsoSetPoint
from iso15118.vocabulary import Event

from .der import GridCode, GridCondition
from .value_added import Guidance

__all__ = [
    "CheckOutGranted",
    "DsoSetPointChanged",
    "GridCodeChanged",
    "GridConditionChanged",
    "ParkingGuidance",
    "SetPointChanged",
]


class GridCodeChanged(Event, frozen=True):
    """Station: the site asks for these functions from now on. AC_DER_SAE tells the vehicle at once,
    AC_DER_IEC with the next charge parameters: there the loop has no words for it. None: there is no grid
    code, and neither service is offered in the next session."""

    code: GridCode | None


class DsoSetPointChanged(Event, frozen=True):
    """Station, AC_DER_IEC: what the operator of the grid wants now."""

    set_point: DsoSetPoint


class GridConditionChanged(Event, frozen=True):
    """Vehicle: what its inverter sees of the grid."""

    condition: GridCondition


class ParkingGuidance(Event, frozen=True):
    """Station: where a vehicle that checks in is to go; told to it with the next answer, and
    with each one from then on."""

    guidance: Guidance


class CheckOutGranted(Event, frozen=True):
    """Station: a vehicle that checks out may leave; until then its check-out is told to be scheduled."""


class SetPointChanged(Event, frozen=True):
    """The energy manager wants this power at the output in W; negative asks the vehicle to give, None leaves
    it to the vehicle. ``reactive_var``, AC only: reactive power in var, positive where the vehicle absorbs
    it; None: nothing is said."""

    power_w: float | None
    reactive_var: float | None = None
