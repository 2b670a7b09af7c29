"""Limits and powers of AC between SI floats per phase and the wire types of ISO 15118-20.

How they are rounded is said in one place, ``energy.ac.on_wire``; what a group of elements means for the phases in another,
``energy.ac.read``.
"""

from __future__ import annotations

import math
from typing import Any

from iso15118.energy.ac import NOTHING, Phases, each, read, said
from iso15118.errors import ConfigError
from iso15118.messages.iso20 import ac
from iso15118.messages.values import DischargeLimitSign, floor_rational, floored, rational, si
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.services import EnergyService

__all__ = ["group_of", "loop_limits", "offer", "present", "reactive_targets", "targets", "vehicle_limits"]

_MINUS = DischargeLimitSign.MINUS


def group_of(element: Any, name: str, phases: int) -> tuple[Phases, bool, str] | None:
    """What the group ``name`` (its plain element and the twins for L2 and L3) says per phase, whether it is one sum, and what is odd about
    it; None where it is left out."""
    base = getattr(element, name, None)
    if base is None:
        return None
    l2, l3 = getattr(element, f"{name}_l2"), getattr(element, f"{name}_l3")
    return read(si(base), None if l2 is None else si(l2), None if l3 is None else si(l3), phases)


def _elements(name: str, per_phase: Phases, phases: int, uneven: bool, sign: float = 1.0) -> dict[str, Any]:
    base, l2, l3 = said(per_phase, phases, uneven)
    made = {name: rational(sign * base)}
    if l2 is not None and l3 is not None:
        made[f"{name}_l2"], made[f"{name}_l3"] = rational(sign * l2), rational(sign * l3)
    return made


# -- what the vehicle says ---------------------------------------------------------------------------------

_DECLARED = (
    ("maximum_charge_power_w", "ev_maximum_charge_power"),
    ("minimum_charge_power_w", "ev_minimum_charge_power"),
    ("maximum_discharge_power_w", "ev_maximum_discharge_power"),
    ("minimum_discharge_power_w", "ev_minimum_discharge_power"),
)


def vehicle_limits(
    mode: Any, phases: int, nominal_voltage_v: float
) -> tuple[AcVehicleLimits, tuple[str, ...]]:
    """What the vehicle declared in AC_ChargeParameterDiscoveryReq, and what was odd about it. It can do uneven phases if it names its
    greatest charging power per phase [V2G20-1821].

    Discharge limits may have either sign, their magnitude counts. Raises ``ConfigError`` for negative charge limits and reversed ones.
    """
    values: dict[str, Any] = {"maximum_discharge_power_w": NOTHING, "minimum_discharge_power_w": NOTHING}
    odd, uneven = [], False
    for name, element in _DECLARED:
        group = group_of(mode, element, phases)
        if group is None:
            continue
        per_phase, even, why = group
        if why:
            odd.append(f"{element}: {why}")
        if name == "maximum_charge_power_w":
            uneven = phases == 3 and not even
        values[name] = _magnitudes(per_phase) if "discharge" in name else per_phase
    for name in ("maximum_charge_power_w", "minimum_charge_power_w"):
        if min(values[name]) < 0.0:
            raise ConfigError(name, f"{min(values[name]):g} W is below 0")
    most = [
        max(charge, back) / nominal_voltage_v
        for charge, back in zip(
            values["maximum_charge_power_w"], values["maximum_discharge_power_w"], strict=True
        )
    ]
    vehicle = AcVehicleLimits(
        phases=phases,
        maximum_current_a=(most[0], most[1], most[2]),
        minimum_current_a=0.0,
        uneven=uneven,
        **values,
    )
    return vehicle, tuple(odd)


def _magnitudes(per_phase: Phases) -> Phases:
    return abs(per_phase[0]), abs(per_phase[1]), abs(per_phase[2])


def loop_limits(mode: Any, phases: int) -> dict[str, Phases]:
    """The vehicle's limits in this turn of the loop, by field name; those that it leaves out are missing."""
    repeated: dict[str, Phases] = {}
    for name, element in _DECLARED:
        group = group_of(mode, element, phases)
        if group is not None:
            repeated[name] = _magnitudes(group[0]) if "discharge" in name else group[0]
    return repeated


# -- what the station says ---------------------------------------------------------------------------------


def offer(
    limits: AcStationLimits,
    service: EnergyService,
    uneven: bool,
    sign: DischargeLimitSign,
    measured_w: Phases | None = None,
) -> ac.AnyACCPDResEnergyTransferMode:
    """The station's side of AC_ChargeParameterDiscoveryRes for this service; ``limits`` have been rounded."""
    phases = limits.phases
    fields: dict[str, Any] = {"evse_nominal_frequency": rational(limits.nominal_frequency_hz)}
    for name, value, back in (
        ("evse_maximum_charge_power", limits.maximum_charge_power_w, False),
        ("evse_minimum_charge_power", limits.minimum_charge_power_w, False),
        ("evse_maximum_discharge_power", limits.maximum_discharge_power_w, True),
        ("evse_minimum_discharge_power", limits.minimum_discharge_power_w, True),
    ):
        if not back or service.bidirectional:
            minus = back and sign is _MINUS
            fields |= _elements(name, value, phases, uneven, -1.0 if minus else 1.0)
    if limits.maximum_asymmetry_w is not None and phases == 3:
        fields["maximum_power_asymmetry"] = floor_rational(limits.maximum_asymmetry_w)
    if limits.power_ramp_percent_per_min is not None:
        fields["evse_power_ramp_limitation"] = floor_rational(limits.power_ramp_percent_per_min)
    if measured_w is not None:
        fields |= present(measured_w, phases, uneven)
    return service.cpd_res_mode(**fields)  # type: ignore[no-any-return]


def _tenths(per_phase: Phases) -> Phases:
    return round(per_phase[0], 1), round(per_phase[1], 1), round(per_phase[2], 1)


def present(measured_w: Phases, phases: int, uneven: bool) -> dict[str, Any]:
    """EVSEPresentActivePower, as it is measured."""
    return _elements("evse_present_active_power", _tenths(measured_w), phases, uneven)


def targets(target_w: Phases, phases: int, uneven: bool) -> dict[str, Any]:
    """EVSETargetActivePower, never further from zero than it was."""
    return _elements("evse_target_active_power", _floored(target_w, phases, uneven), phases, uneven)


def _floored(target_w: Phases, phases: int, uneven: bool) -> Phases:
    """In steps that the wire can say, so that nothing is rounded up beyond a limit."""

    def towards_zero(value: float) -> float:
        return math.copysign(floored(abs(value)), value) if value else 0.0

    if phases == 3 and not uneven:
        third = towards_zero(sum(target_w)) / 3.0
        return third, third, third
    return towards_zero(target_w[0]), towards_zero(target_w[1]), towards_zero(target_w[2])


def reactive_targets(target_var: float, phases: int, uneven: bool) -> dict[str, Any]:
    """EVSETargetReactivePower, spread evenly."""
    return _elements("evse_target_reactive_power", each(target_var / phases, phases), phases, uneven)
