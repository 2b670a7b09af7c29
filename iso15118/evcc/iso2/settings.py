"""What the maker of a vehicle decides about ISO 15118-2 alone; whatever is the same in every
edition is in ``EvccConfig``.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.ranges import HowLong, check_fields, listed_once
from iso15118.timing import Iso2Timing

__all__ = ["DcRenegotiation", "Iso2EvccSettings", "Plausibility", "ScheduleChoice"]


class DcRenegotiation(Enum):
    """How a DC charge goes on after a new negotiation."""

    FULL = "with cable check and pre-charge"
    SHORT = "straight with power"


class Plausibility(Enum):
    """What comes of values of the station that make no sense."""

    NOTE = "they are cut to what makes sense, and noted"
    STRICT = "the vehicle leaves"


class ScheduleChoice(Enum):
    """Which of the schedules that the station offers is taken."""

    CHEAPEST = "the cheapest that gives what is wanted in time"
    FIRST = "the first, which is the station's default"


class Iso2EvccSettings(Struct, frozen=True, kw_only=True):
    """Settings of ISO 15118-2 on the vehicle's side. Raises ``ConfigError`` naming the key."""

    evccid: bytes = bytes.fromhex("020000000001")
    """EVCCID told to the station: the MAC address of the vehicle's controller, 6 octets. The default is a
    locally administered one."""
    energy_transfer_modes: tuple[EnergyTransferMode, ...] = (
        EnergyTransferMode.DC_extended,
        EnergyTransferMode.AC_three_phase_core,
        EnergyTransferMode.AC_single_phase_core,
    )
    """Ways to charge, best first; the first that the station offers and the vehicle has hardware for is
    taken. Nearly every CCS vehicle asks for DC_extended."""
    maximum_schedule_entries: Annotated[int, Meta(ge=1, le=65_535)] = 1024
    """MaxEntriesSAScheduleTuple: how many entries a schedule or a tariff may have. 1024
    is what public stacks say."""
    schedule_choice: ScheduleChoice = ScheduleChoice.CHEAPEST
    """Which schedule is taken. Without tariffs that the vehicle believes it is the first one all the same."""
    loop_interval_s: Annotated[float, Meta(ge=0.0, le=40.0)] = 0.1
    """From one CurrentDemandReq to the next, in s: vehicles in the field take 0.02 s to 0.43
    s. 0: as fast as it goes."""
    ac_loop_interval_s: Annotated[float, Meta(ge=0.0, le=40.0)] = 0.2
    """From one ChargingStatusReq to the next, in s, as vehicles in the field do."""
    precharge_current_a: Annotated[float, Meta(ge=0.0, le=2.0)] = 1.0
    """EVTargetCurrent of PreChargeReq in A: no more than 2 A may be asked for there."""
    voltage_headroom_v: Annotated[float, Meta(ge=0.0, le=100.0)] = 10.0
    """How far EVTargetVoltage keeps below EVMaximumVoltageLimit where that costs no charge, in V: some
    stations end as over-voltage when the two are close."""
    dc_renegotiation: DcRenegotiation = DcRenegotiation.FULL
    """Unsettled: cable check and pre-charge come again by the tables of the standard and most stacks;
    some vehicles go straight on."""
    renegotiation_interval_s: HowLong = 5.0
    """A new negotiation begins no sooner than so many s after the last one ended: a station that asks for one
    with every answer is given one now and then."""
    most_renegotiations: Annotated[int, Meta(ge=0, le=100_000)] = 200
    """How often in one session the station is followed when it asks for a new negotiation; what it asks for
    beyond that is noted. Not in the standard: in the full form each one opens and closes the vehicle's
    contactors, which a station that asks for ever would wear out."""
    plausibility: Plausibility = Plausibility.NOTE
    """Values of the station below zero, a minimum above its maximum and the like. Leaving would end sales
    at stations in the field."""
    contract_update_days: Annotated[float, Meta(ge=0.0, le=3650.0)] = 21.0
    """A contract that ends within so many days is renewed if the station can do that [V2G2-690]; 0: never."""
    timing: Iso2Timing = Iso2Timing()
    """Every timeout of a session of this edition, in s."""

    def __post_init__(self) -> None:
        check_fields(self, "iso2")
        if not isinstance(self.evccid, bytes) or len(self.evccid) != 6:
            raise ConfigError("iso2.evccid", f"{self.evccid!r} is no MAC address", "6 octets")
        if not self.energy_transfer_modes:
            names = ", ".join(mode.value for mode in EnergyTransferMode)
            raise ConfigError("iso2.energy_transfer_modes", "none", f"any of {names}, best first")
        listed_once("iso2.energy_transfer_modes", self.energy_transfer_modes)
        for key in ("loop_interval_s", "ac_loop_interval_s"):
            most = self.timing.sequence_performance
            if getattr(self, key) > most:
                raise ConfigError(
                    f"iso2.{key}",
                    f"{getattr(self, key)!r} is longer than a request may take",
                    f"at most iso2.timing.sequence_performance = {most:g}",
                )
