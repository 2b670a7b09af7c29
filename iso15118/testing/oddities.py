"""How a contrary peer writes numbers: any exponent, odd decimals, limits of its own rounding; and how it
reads ours.

It shares no code with ``messages.values``: what one of the two gets wrong shows at the other.
"""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from iso15118.messages.iso20.common_types import RationalNumber

__all__ = ["Hand"]

L = TypeVar("L", bound=Struct)

_LIMITS = {
    "maximum_charge_power": "maximum_charge_power_w",
    "minimum_charge_power": "minimum_charge_power_w",
    "maximum_charge_current": "maximum_charge_current_a",
    "minimum_charge_current": "minimum_charge_current_a",
    "maximum_voltage": "maximum_voltage_v",
    "minimum_voltage": "minimum_voltage_v",
}
_DISCHARGE = {
    "maximum_discharge_power": "maximum_discharge_power_w",
    "minimum_discharge_power": "minimum_discharge_power_w",
    "maximum_discharge_current": "maximum_discharge_current_a",
    "minimum_discharge_current": "minimum_discharge_current_a",
}


class Hand:
    """A handwriting: repeatable for one random generator."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def write(self, value: float) -> RationalNumber:
        """``value`` to the nearest, with an exponent that happens to be taken: now the finest that fits, now
        a coarser one."""
        exact = Fraction(value)
        fitting = [
            (exponent, round(exact / Fraction(10) ** exponent))
            for exponent in range(-3, 4)
            if abs(exact / Fraction(10) ** exponent) <= 32_766
        ]
        finest = fitting[0]
        # Coarser ones only where nothing is lost by it.
        same = [
            one for one in fitting if one[1] * Fraction(10) ** one[0] == finest[1] * Fraction(10) ** finest[0]
        ]
        exponent, number = self._rng.choice(same)
        return RationalNumber(exponent=exponent, value=number)

    @staticmethod
    def read(number: RationalNumber) -> float:
        """What a number says."""
        return float(Fraction(number.value) * Fraction(10) ** number.exponent)

    def limits(self, limits: Any, role: str, bidirectional: bool, discharge_sign: int) -> dict[str, Any]:
        """Fields of a message with these limits; ``role`` is "ev" or "evse"."""
        fields = {f"{role}_{name}": self.write(getattr(limits, of)) for name, of in _LIMITS.items()}
        if bidirectional:
            fields |= {
                f"{role}_{name}": self.write(discharge_sign * getattr(limits, of))
                for name, of in _DISCHARGE.items()
            }
        for name in ("charge_power", "charge_current", "voltage"):
            # A limit of its own rounding may cross the other; whoever writes sees to it.
            least, most = f"{role}_minimum_{name}", f"{role}_maximum_{name}"
            if self.read(fields[least]) > self.read(fields[most]):
                fields[least] = fields[most]
        return fields

    def as_read(self, fields: dict[str, Any], limits: L) -> L:
        """``limits`` as a peer reads them in ``fields``."""
        named = _LIMITS | _DISCHARGE
        read = {
            named[name.partition("_")[2]]: abs(self.read(number))
            for name, number in fields.items()
            if name.partition("_")[2] in named
        }
        return msgspec.structs.replace(limits, **read)

    def narrowed(self, limits: L) -> L:
        """Less than ``limits``, and sometimes nothing at all; never below a minimum but for that."""
        rng, less = self._rng, {}
        for name in ("charge_power_w", "charge_current_a"):
            least, most = getattr(limits, f"minimum_{name}"), getattr(limits, f"maximum_{name}")
            less[f"maximum_{name}"] = round(rng.uniform(least, most), rng.randint(0, 3))
            if less[f"maximum_{name}"] < least:
                less[f"maximum_{name}"] = least
        if rng.random() < 0.1:
            less |= {"maximum_charge_power_w": 0.0, "minimum_charge_power_w": 0.0}
        return msgspec.structs.replace(limits, **less)
