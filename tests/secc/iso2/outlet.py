"""An AC outlet of ISO 15118-2, and a vehicle that charges at it."""

from __future__ import annotations

from typing import Any

from iso15118.messages import iso2
from iso15118.messages.physical import amperes, volts, watt_hours
from iso15118.secc.iso2.sequence import State
from iso15118.secc.iso2.settings import Iso2SeccSettings
from iso15118.session import events as ev
from iso15118.session.ac_limits import AcStationLimits
from iso15118.session.services import ServiceID
from tests.secc.iso2.vehicle import Drive, configured, profile

OUTLET = AcStationLimits.of(current_a=16.0)
THREE, ONE = iso2.EnergyTransferMode.AC_three_phase_core, iso2.EnergyTransferMode.AC_single_phase_core
SIGNAL_B, SIGNAL_C = ev.SignalChanged(ev.SignalState.B), ev.SignalChanged(ev.SignalState.C)


def ac_parameters(**changes: Any) -> iso2.ACEVChargeParameter:
    """The limits of the vehicle."""
    fields: dict[str, Any] = {
        "departure_time": 3600,
        "e_amount": watt_hours(20_000.0),
        "ev_max_voltage": volts(230.0),
        "ev_max_current": amperes(32.0),
        "ev_min_current": amperes(6.0),
    }
    return iso2.ACEVChargeParameter(**(fields | changes))


class AcDrive(Drive):
    """A session at the outlet. The way to the loop is shorter, and the pilot is told."""

    def __init__(
        self,
        iso2_settings: Iso2SeccSettings | None = None,
        *,
        outlet: AcStationLimits = OUTLET,
        **options: Any,
    ) -> None:
        config = options.pop("config", None) or configured(
            iso2_settings, services=(ServiceID.AC,), **options.pop("changes", {})
        )
        super().__init__(config=config, limits=None, ac=outlet, **options)
        self.output = ev.AcMeasured(voltage_v=(230.0, 230.0, 230.0))

    def discover(self, mode: iso2.EnergyTransferMode = THREE, **parameters: Any) -> Any:
        """Charge parameters, and what the station says to them."""
        self.to(State.CHARGE_PARAMETER_DISCOVERY)
        return self.send(
            iso2.ChargeParameterDiscoveryReq,
            requested_energy_transfer_mode=mode,
            ev_charge_parameter=ac_parameters(**parameters),
        )

    def starts(self, power_w: float = 11_040.0) -> Any:
        """PowerDelivery(Start), state C, and contactors that close."""
        self.send(iso2.PowerDeliveryReq, charging_profile=profile((0, power_w)))
        self.book.tell(SIGNAL_C)
        self.book.tell(ev.ContactorsChanged(True))
        return self

    def charging(self, mode: iso2.EnergyTransferMode = THREE, **parameters: Any) -> AcDrive:
        """On to the loop."""
        self.book.tell(SIGNAL_B)
        self.discover(mode, **parameters)
        self.starts(0.0)
        self.book.waits_for("ChargingStatus")
        return self

    def status(self) -> Any:
        """One turn of the loop."""
        return self.send(iso2.ChargingStatusReq)
