"""What the operator of a station decides about alternating current alone.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.messages.values import ReactiveSign
from iso15118.ranges import check_fields, listed_once
from iso15118.session.ac_limits import Islanding
from iso15118.session.services import GeneratorMode

__all__ = ["AcSeccSettings"]


class AcSeccSettings(Struct, frozen=True, kw_only=True):
    """AC at a station. Raises ``ConfigError`` naming the key."""

    three_phase_connector: Literal["2", "3"] = "2"
    """Connector parameter of three phases: 2, or 3 as one public stack has it. Sources differ; a vehicle
    of this package reads both."""
    generator_modes: tuple[GeneratorMode, ...] = (GeneratorMode.GRID_FOLLOWING,)
    """AC_BPT: whether a vehicle that discharges follows the grid or forms one; each is offered as
    parameter sets of its own."""
    islanding: Islanding = Islanding.ACTIVE
    """AC_BPT: how the vehicle has to notice an island, told as GridCodeIslandingDetectionMethod. The grid
    code of the site says which."""

    der_functions: tuple[Annotated[int, Meta(ge=0, le=4095)], ...] = ()
    """AC_DER_IEC: sets of functions that are offered, best first, each as bits (DERControlFunctions): a
    vehicle takes one of which it has all. Empty: one set, with all that the grid code of the site asks for;
    whether it may do with less is the site's to say."""
    reactive_sign: ReactiveSign = ReactiveSign.ABSORBS
    """AC_DER_IEC and AC_DER_SAE: what a positive reactive power of curves and set points means on the wire.
    No public source settles it; here, and in limits and measured values, it is what the vehicle absorbs."""

    def __post_init__(self) -> None:
        check_fields(self, "ac")
        if not self.generator_modes or len(set(self.generator_modes)) != len(self.generator_modes):
            raise ConfigError(
                "ac.generator_modes", "none, or one twice", "grid-following, grid-forming or both"
            )
        listed_once("ac.der_functions", self.der_functions)
