"""Limits of both sides between SI floats and the wire types of ISO 15118-20 over DC messages.

How they are rounded is said in one place, ``energy.dc.on_wire``; what comes in is exact.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from msgspec import Struct

from iso15118.energy.dc import PresentLimits, on_wire, tightened
from iso15118.messages.iso20 import dc
from iso15118.messages.iso20.common_types import RationalNumber
from iso15118.messages.values import DischargeLimitSign, floor_rational, rational, si
from iso15118.session.limits import StationLimits, VehicleLimits
from iso15118.session.services import EnergyService

__all__ = ["LoopLimits", "StationLimitsOnWire", "offer", "vehicle_limits"]


def vehicle_limits(mode: dc.AnyDCCPDReqEnergyTransferMode) -> VehicleLimits:
    """What the vehicle declared in DC_ChargeParameterDiscoveryReq. Discharge limits may have either sign,
    their magnitude counts: both are seen in the field. Raises ``ConfigError`` for negative charge limits and
    for reversed ones."""
    charge = {
        "maximum_charge_power_w": si(mode.ev_maximum_charge_power),
        "minimum_charge_power_w": si(mode.ev_minimum_charge_power),
        "maximum_charge_current_a": si(mode.ev_maximum_charge_current),
        "minimum_charge_current_a": si(mode.ev_minimum_charge_current),
        "maximum_voltage_v": si(mode.ev_maximum_voltage),
        "minimum_voltage_v": si(mode.ev_minimum_voltage),
    }
    if isinstance(mode, dc.BPTDCCPDReqEnergyTransferMode):
        return VehicleLimits(
            **charge,
            maximum_discharge_power_w=abs(si(mode.ev_maximum_discharge_power)),
            minimum_discharge_power_w=abs(si(mode.ev_minimum_discharge_power)),
            maximum_discharge_current_a=abs(si(mode.ev_maximum_discharge_current)),
            minimum_discharge_current_a=abs(si(mode.ev_minimum_discharge_current)),
        )
    return VehicleLimits(**charge)


_LOOP = {
    "ev_maximum_charge_power": "maximum_charge_power_w",
    "ev_minimum_charge_power": "minimum_charge_power_w",
    "ev_maximum_charge_current": "maximum_charge_current_a",
    "ev_maximum_voltage": "maximum_voltage_v",
    "ev_minimum_voltage": "minimum_voltage_v",
    "ev_maximum_discharge_power": "maximum_discharge_power_w",
    "ev_minimum_discharge_power": "minimum_discharge_power_w",
    "ev_maximum_discharge_current": "maximum_discharge_current_a",
}
_IN_MODE = {
    mode: (tuple(_LOOP[field] for field in fields), attrgetter(*fields))
    for mode in (
        dc.ScheduledDCCLReqControlMode,
        dc.DynamicDCCLReqControlMode,
        dc.BPTScheduledDCCLReqControlMode,
        dc.BPTDynamicDCCLReqControlMode,
    )
    for fields in [[field for field in mode.__struct_fields__ if field in _LOOP]]
}
"""Control mode element of a request -> names of the limits that it can repeat, and what reads them."""


class LoopLimits:
    """The vehicle's limits in this turn of the loop: one that it repeats may tighten what it declared, never
    widen it.

    A vehicle says the same limits again and again: they are computed when it says
    others, or had declared others.
    """

    __slots__ = ("_declared", "_now", "_said")

    def __init__(self) -> None:
        self._declared: VehicleLimits | None = None
        self._said: tuple[tuple[str, ...], Any] | None = None
        self._now: PresentLimits | None = None

    def of(self, mode: Any, declared: VehicleLimits) -> PresentLimits:
        """The limits that ``mode``, the control mode element of a request, leaves of those declared."""
        names, read = _IN_MODE[type(mode)]
        said = names, read(mode)
        now = self._now
        if now is None or said != self._said or declared is not self._declared:
            repeated = {
                name: abs(si(number)) if "discharge" in name else si(number)
                for name, number in zip(*said, strict=True)
                if number is not None
            }
            now = self._now = tightened(declared, **repeated)
            self._said, self._declared = said, declared
        return now


class StationLimitsOnWire(Struct, frozen=True, kw_only=True):
    """The limits of a charge-loop response in wire types, made once per change and not once per message."""

    maximum_charge_power: RationalNumber
    minimum_charge_power: RationalNumber
    maximum_charge_current: RationalNumber
    maximum_voltage: RationalNumber
    maximum_discharge_power: RationalNumber
    minimum_discharge_power: RationalNumber
    maximum_discharge_current: RationalNumber
    minimum_voltage: RationalNumber

    @classmethod
    def of(
        cls, limits: StationLimits, sign: DischargeLimitSign = DischargeLimitSign.PLUS
    ) -> StationLimitsOnWire:
        """``limits`` on the wire; ``sign``: that of discharge limits."""
        limits = on_wire(limits)
        return cls(
            maximum_charge_power=rational(limits.maximum_charge_power_w),
            minimum_charge_power=rational(limits.minimum_charge_power_w),
            maximum_charge_current=rational(limits.maximum_charge_current_a),
            maximum_voltage=rational(limits.maximum_voltage_v),
            maximum_discharge_power=sign.of(rational(limits.maximum_discharge_power_w)),
            minimum_discharge_power=sign.of(rational(limits.minimum_discharge_power_w)),
            maximum_discharge_current=sign.of(rational(limits.maximum_discharge_current_a)),
            minimum_voltage=rational(limits.minimum_voltage_v),
        )

    def control_mode(self, of_type: type) -> Any:
        """The CLResControlMode of this type, with every limit that it can carry."""
        charge: dict[str, Any] = {
            "evse_maximum_charge_power": self.maximum_charge_power,
            "evse_minimum_charge_power": self.minimum_charge_power,
            "evse_maximum_charge_current": self.maximum_charge_current,
            "evse_maximum_voltage": self.maximum_voltage,
        }
        if of_type in (dc.BPTScheduledDCCLResControlMode, dc.BPTDynamicDCCLResControlMode):
            return of_type(
                **charge,
                evse_maximum_discharge_power=self.maximum_discharge_power,
                evse_minimum_discharge_power=self.minimum_discharge_power,
                evse_maximum_discharge_current=self.maximum_discharge_current,
                evse_minimum_voltage=self.minimum_voltage,
            )
        return of_type(**charge)


def offer(
    limits: StationLimits, service: EnergyService, sign: DischargeLimitSign = DischargeLimitSign.PLUS
) -> dc.AnyDCCPDResEnergyTransferMode:
    """The station's side of DC_ChargeParameterDiscoveryRes for this service; ``sign``:
    that of discharge limits."""
    limits = on_wire(limits)
    charge: dict[str, Any] = {
        "evse_maximum_charge_power": rational(limits.maximum_charge_power_w),
        "evse_minimum_charge_power": rational(limits.minimum_charge_power_w),
        "evse_maximum_charge_current": rational(limits.maximum_charge_current_a),
        "evse_minimum_charge_current": rational(limits.minimum_charge_current_a),
        "evse_maximum_voltage": rational(limits.maximum_voltage_v),
        "evse_minimum_voltage": rational(limits.minimum_voltage_v),
    }
    if limits.power_ramp_w_per_s is not None:
        charge["evse_power_ramp_limitation"] = floor_rational(limits.power_ramp_w_per_s)
    if service.bidirectional:
        return dc.BPTDCCPDResEnergyTransferMode(
            **charge,
            evse_maximum_discharge_power=sign.of(rational(limits.maximum_discharge_power_w)),
            evse_minimum_discharge_power=sign.of(rational(limits.minimum_discharge_power_w)),
            evse_maximum_discharge_current=sign.of(rational(limits.maximum_discharge_current_a)),
            evse_minimum_discharge_current=sign.of(rational(limits.minimum_discharge_current_a)),
        )
    return dc.DCCPDResEnergyTransferMode(**charge)
