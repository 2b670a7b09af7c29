"""What a vehicle with an on-board charger declares in ChargeParameterDiscovery, and what it
takes from the station's answer.

Currents are per phase, voltages phase to neutral; PMax of a schedule is of all phases together [V2G2-315].
"""

from __future__ import annotations

from iso15118.evcc.conversation import Conversation, Leave
from iso15118.evcc.iso2.plan import Plan
from iso15118.evcc.iso2.schedules import implausible
from iso15118.messages import iso2
from iso15118.messages.physical import ceil_physical, floor_physical, quantity, watt_hours
from iso15118.session.ac_limits import AcVehicleLimits
from iso15118.session.actions import EndReason

__all__ = ["ac_parameter", "ac_power_w", "charger_of", "own_current_a", "take_ac_offer", "take_most"]

_V, _A = iso2.UnitSymbol.V, iso2.UnitSymbol.A


def charger_of(talk: Conversation) -> AcVehicleLimits:
    """What the on-board charger can do now. Raises ``Leave`` if there is none."""
    if talk.charger_now is None:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, "there is no on-board charger")
    return talk.charger_now


def own_current_a(charger: AcVehicleLimits, phases: int) -> float:
    """The most per phase, in A, where all phases take the same."""
    return min(charger.maximum_current_a[:phases])


def ac_parameter(
    talk: Conversation, plan: Plan, departure: int | None, energy_wh: float
) -> iso2.ACEVChargeParameter:
    """AC_EVChargeParameter: what was declared when the session began."""
    declared = talk.charger or charger_of(talk)
    plan.ac.phases = 3 if plan.mode is iso2.EnergyTransferMode.AC_three_phase_core else 1
    most = floor_physical(own_current_a(declared, plan.ac.phases), _A)
    least = ceil_physical(declared.minimum_current_a, _A)
    return iso2.ACEVChargeParameter(
        departure_time=departure,
        e_amount=watt_hours(energy_wh),
        ev_max_voltage=floor_physical(declared.maximum_voltage_v, _V),
        ev_max_current=most,
        ev_min_current=least if quantity(least) <= quantity(most) else most,
    )


def take_ac_offer(talk: Conversation, plan: Plan, offer: iso2.ACEVSEChargeParameter) -> None:
    """The station's voltage and its most per phase, which count from now on. Raises ``Leave``
    where they cannot be used."""
    nominal, most = quantity(offer.evse_nominal_voltage), quantity(offer.evse_max_current)
    if nominal <= 0.0:
        raise Leave(EndReason.PARAMETERS_NOT_ACCEPTED, f"the station's nominal voltage is {nominal:g} V")
    declared = talk.charger or charger_of(talk)
    if nominal > declared.maximum_voltage_v:
        implausible(talk, f"the station's nominal voltage of {nominal:g} V is more than the vehicle stands")
    plan.ac.nominal_v = min(nominal, declared.maximum_voltage_v)
    take_most(talk, plan, most)


def take_most(talk: Conversation, plan: Plan, most_a: float) -> None:
    """EVSEMaxCurrent in A per phase; below zero nothing may flow."""
    if most_a < 0.0:
        implausible(talk, f"EVSEMaxCurrent is {most_a:g} A")
    plan.ac.most_a = max(most_a, 0.0)


def ac_power_w(talk: Conversation, plan: Plan) -> float:
    """What the vehicle can take here at best, in W of all phases."""
    charger, ac = charger_of(talk), plan.ac
    amperes = min(own_current_a(charger, ac.phases), ac.most_a)
    per_phase = min(*charger.maximum_charge_power_w[: ac.phases], amperes * ac.nominal_v)
    return per_phase * ac.phases
