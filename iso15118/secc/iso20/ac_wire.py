"""Limits and powers of AC between SI floats per phase and the wire types of ISO 15118-20.

How they are rounded is said in one place, ``energy.ac.on_wire``; what a group of elements means for the
phases in another, ``energy.ac.read``.
"""

from __future__ import annotations

from typing import Any

from iso15118.energy.ac import NOTHING, Phases, each
from iso15118.energy.ac_groups import elements, group_of, magnitudes, tenths, towards_zero
from iso15118.errors import ConfigError
from iso15118.messages.iso20 import ac
from iso15118.messages.values import DischargeLimitSign, floor_rational, rational
from iso15118.session.ac_limits import AcStationLimits, AcVehicleLimits
from iso15118.session.services import EnergyService

__all__ = ["loop_limits", "offer", "offer_fields", "present", "reactive_targets", "targets", "vehicle_limits"]

_MINUS = DischargeLimitSign.MINUS


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
    """What the vehicle declared in AC_ChargeParameterDiscoveryReq, and what was odd about it. It can do
    uneven phases if it names its greatest charging power per phase [V2G20-1821].

    Discharge limits may have either sign, their magnitude counts. Raises ``ConfigError`` for negative
    charge limits and reversed ones.
    """
    values: dict[str, Any] = {"maximum_discharge_power_w": NOTHING, "minimum_discharge_power_w": NOTHING}
    odd, uneven = [], False
    for name, element in _DECLARED:
        group = group_of(mode, element, phases)
        if group is None:
            continue
        if group.odd:
            odd.append(f"{element}: {group.odd}")
        if name == "maximum_charge_power_w":
            uneven = phases == 3 and not group.even
        values[name] = magnitudes(group.per_phase) if "discharge" in name else group.per_phase
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


def loop_limits(mode: Any, phases: int) -> dict[str, Phases]:
    """The vehicle's limits in this turn of the loop, by field name; those that it leaves out are missing."""
    repeated: dict[str, Phases] = {}
    for name, element in _DECLARED:
        group = group_of(mode, element, phases)
        if group is not None:
            repeated[name] = magnitudes(group.per_phase) if "discharge" in name else group.per_phase
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
    return service.cpd_res_mode(**offer_fields(limits, service, uneven, sign, measured_w))  # type: ignore[no-any-return]


def offer_fields(
    limits: AcStationLimits,
    service: EnergyService,
    uneven: bool,
    sign: DischargeLimitSign,
    measured_w: Phases | None = None,
) -> dict[str, Any]:
    """Its elements, of which a service may have more."""
    phases = limits.phases
    fields: dict[str, Any] = {"evse_nominal_frequency": rational(limits.nominal_frequency_hz)}
    for name, value, back in (
        ("evse_maximum_charge_power", limits.maximum_charge_power_w, False),
        ("evse_minimum_charge_power", limits.minimum_charge_power_w, False),
        ("evse_maximum_discharge_power", limits.maximum_discharge_power_w, True),
        ("evse_minimum_discharge_power", limits.minimum_discharge_power_w, True),
    ):
        if not back or service.bidirectional:
            fields |= elements(name, value, phases, uneven=uneven, minus=back and sign is _MINUS)
    if limits.maximum_asymmetry_w is not None and phases == 3:
        fields["maximum_power_asymmetry"] = floor_rational(limits.maximum_asymmetry_w)
    if limits.power_ramp_percent_per_min is not None:
        fields["evse_power_ramp_limitation"] = floor_rational(limits.power_ramp_percent_per_min)
    if measured_w is not None:
        fields |= present(measured_w, phases, uneven)
    return fields


def present(measured_w: Phases, phases: int, uneven: bool) -> dict[str, Any]:
    """EVSEPresentActivePower, as it is measured."""
    return elements("evse_present_active_power", tenths(measured_w), phases, uneven=uneven)


def targets(target_w: Phases, phases: int, uneven: bool) -> dict[str, Any]:
    """EVSETargetActivePower, never further from zero than it was."""
    whole = towards_zero(target_w, phases, uneven=uneven)
    return elements("evse_target_active_power", whole, phases, uneven=uneven)


def reactive_targets(target_var: float, phases: int, uneven: bool) -> dict[str, Any]:
    """EVSETargetReactivePower, spread evenly."""
    return elements("evse_target_reactive_power", each(target_var / phases, phases), phases, uneven=uneven)
