"""The station's energy meter: energy to and from the vehicle, counted apart, at the station's output."""

from __future__ import annotations

from iso15118.session.events import MeterRead

__all__ = ["Meter"]


class Meter:
    """Counts in Wh; both counters only rise. ``charged_wh`` went to the vehicle, ``discharged_wh`` came
    back."""

    def __init__(self, meter_id: str = "SIM-METER-1") -> None:
        self.meter_id = meter_id
        self.charged_wh = 0.0
        self.discharged_wh = 0.0

    def add(self, energy_wh: float) -> None:
        """Energy that passed; negative came from the vehicle."""
        if energy_wh >= 0.0:
            self.charged_wh += energy_wh
        else:
            self.discharged_wh -= energy_wh

    def read(self) -> MeterRead:
        """The present reading."""
        return MeterRead(self.meter_id, self.charged_wh, self.discharged_wh)
