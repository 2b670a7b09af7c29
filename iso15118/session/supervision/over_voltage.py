"""The voltage that is too much at an output: the trip thresholds of IEC 61851-23, by what both sides stand.
The vehicle's share of it is in its own rules."""

from __future__ import annotations

import math

__all__ = ["over_voltage_limit"]

_TRIPS = ((500.0, 550.0), (750.0, 825.0), (850.0, 935.0), (1000.0, 1100.0), (1250.0, 1375.0))
_HIGHEST_TRIP = 1650.0  # couplers of 1500 V, by the same tenth


def over_voltage_limit(negotiated_v: float, factor: float) -> float:
    """The voltage in V that is too much where both sides can stand ``negotiated_v``."""
    trip = next((trip for most, trip in _TRIPS if negotiated_v <= most), _HIGHEST_TRIP)
    return min(factor * negotiated_v, trip) if factor < math.inf else math.inf
