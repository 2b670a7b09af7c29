"""What a DC vehicle declares in ChargeParameterDiscovery, and what it takes from the station's answer.

What is declared was rounded once, when the session began; all that is asked for later is computed from that.
"""

from __future__ import annotations

from iso15118.errors import ConfigError
from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.schedules import implausible
from iso15118.evcc.iso2.status import battery_status
from iso15118.evcc.wind_down import take_most
from iso15118.messages import iso2
from iso15118.messages.physical import floor_physical, quantity, watt_hours
from iso15118.session.actions import EndReason
from iso15118.session.limits import StationLimits

__all__ = ["check_dc", "dc_parameter", "take_dc_offer"]

_V, _A, _W = iso2.UnitSymbol.V, iso2.UnitSymbol.A, iso2.UnitSymbol.W


def dc_parameter(
    talk: Conversation, plan: Plan, departure: int | None, energy_wh: float
) -> iso2.DCEVChargeParameter:
    """DC_EVChargeParameter of this moment."""
    limits, battery = talk.limits, talk.battery
    return iso2.DCEVChargeParameter(
        departure_time=departure,
        dc_ev_status=battery_status(talk, plan),
        ev_maximum_current_limit=floor_physical(limits.maximum_charge_current_a, _A),
        ev_maximum_power_limit=floor_physical(limits.maximum_charge_power_w, _W),
        ev_maximum_voltage_limit=floor_physical(limits.maximum_voltage_v, _V),
        ev_energy_capacity=watt_hours(round(battery.capacity_wh)),
        ev_energy_request=watt_hours(energy_wh),
        full_soc=100,
        bulk_soc=talk.target_soc,
    )


def take_dc_offer(talk: Conversation, plan: Plan, offer: iso2.DCEVSEChargeParameter) -> None:
    """The station's limits, which count from now on. Raises ``Leave`` where they cannot be used."""
    said = {
        "maximum_charge_power_w": quantity(offer.evse_maximum_power_limit),
        "maximum_charge_current_a": quantity(offer.evse_maximum_current_limit),
        "minimum_charge_current_a": quantity(offer.evse_minimum_current_limit),
        "maximum_voltage_v": quantity(offer.evse_maximum_voltage_limit),
        "minimum_voltage_v": quantity(offer.evse_minimum_voltage_limit),
    }
    below = sorted(name for name, value in said.items() if value < 0.0)
    if below:
        implausible(talk, f"limits of the station are below zero: {', '.join(below)}")
        said |= dict.fromkeys(below, 0.0)
    for what in ("charge_current_a", "voltage_v"):
        most, least = f"maximum_{what}", f"minimum_{what}"
        if said[least] > said[most]:
            implausible(talk, f"the station's {least} is above its {most}")
            said[least] = said[most]
    try:
        plan.offer = plan.station = StationLimits(**said)
    except ConfigError as error:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, str(error)) from error
    take_most(talk, plan.offer)


def check_dc(talk: Conversation, plan: Plan) -> None:
    """The two sides can charge with each other at all."""
    station, own = plan.station, talk.limits
    if station.minimum_voltage_v > own.maximum_voltage_v:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, "the station's minimum voltage is above the vehicle's maximum"
        )
    if station.minimum_charge_current_a > own.maximum_charge_current_a > 0.0:
        raise Leave(
            EndReason.PARAMETERS_NOT_ACCEPTED, "the station's minimum current is above the vehicle's maximum"
        )
    if station.maximum_voltage_v < talk.battery.voltage_v:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "the station cannot reach the battery's voltage")
