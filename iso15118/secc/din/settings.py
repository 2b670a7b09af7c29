"""What the operator of a station decides about DIN 70121 alone: what is said in its messages, and
how strict to be with vehicles.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.ranges import HowLong, check_fields
from iso15118.timing import DinTiming

__all__ = ["LONGEST_EVSE_ID", "DinSeccSettings"]

LONGEST_EVSE_ID = 32
"""Octets of EVSEID in DIN 70121."""
Amperes = Annotated[float, Meta(ge=0.0, le=32_767.0)]


class DinSeccSettings(Struct, frozen=True, kw_only=True):
    """DIN 70121 at a station. Raises ``ConfigError`` naming the key."""

    energy_transfer: Literal["DC_extended", "DC_core"] = "DC_extended"
    """EnergyTransferType offered: DC_extended for CCS, which some vehicles insist on; DC_core for the
    DC pins of a Type 2 inlet."""
    serve_2010_namespace: bool = False
    """Speak DIN 70121 also with a vehicle that names an early draft of ISO 15118-2
    (urn:iso:15118:2:2010:MsgDef). One public station does, others find no common protocol."""
    cpd_isolation: Literal["omit", "invalid", "valid"] = "omit"
    """EVSEIsolationStatus before the cable check. By default it is left out: some vehicles
    leave when they read Invalid."""
    send_loop_limits: bool = True
    """Tell all three limits in every CurrentDemandRes: one vehicle follows a lowered limit
    only if it reads all of them."""
    session_stop_anywhere: bool = True
    """Answer SessionStopReq with OK in the charge loop too. Vehicles leave that way, and one
    that is refused stays locked."""
    eim_rejected: Literal["wait", "fail"] = "wait"
    """What a refused driver hears: Ongoing, since another card may come, or FAILED."""
    no_power_wait_s: HowLong = 55.0
    """How long ChargeParameterDiscoveryRes says Ongoing while the station has no power at all, in s, before
    the vehicle is led on and waits in the charge loop. Some vehicles refuse a station without power. At most
    what a vehicle waits [V2G-DC]; 0 never waits."""
    precharge_over_2a: Literal["clip", "fail"] = "clip"
    """A vehicle that wants more than 2 A for pre-charge is given what pre-charge has, or refused."""
    welding_needs_cp_b: Literal["note", "fail"] = "note"
    """A vehicle that still shows state C in WeldingDetectionReq is noted, or refused."""
    profile_check: Literal["note", "strict"] = "note"
    """A charging profile above the schedule is noted, or refused with FAILED_ChargingProfileInvalid. The
    limits of the loop hold anyway."""
    plausibility: Literal["note", "strict"] = "note"
    """Values that contradict each other and on which nothing here depends, such as BulkSOC above FullSOC, are
    noted, or refused with FAILED_WrongChargeParameter. Vehicles in the field send them."""
    peak_current_ripple_a: Amperes = 1.0
    """EVSEPeakCurrentRipple, peak to peak, in A: that of your supply. The message has to have one."""
    current_tolerance_a: Amperes | None = None
    """EVSECurrentRegulationTolerance in A; absent: it is not told."""
    timing: DinTiming = DinTiming()
    """Every timeout of a session in DIN 70121, in s."""

    def __post_init__(self) -> None:
        check_fields(self, "din")
        for key, known in _CHOICES.items():
            if getattr(self, key) not in known:
                raise ConfigError(
                    f"din.{key}", f"{getattr(self, key)!r} is no choice", "one of " + ", ".join(known)
                )
        if self.no_power_wait_s > self.timing.ongoing_performance:
            raise ConfigError(
                "din.no_power_wait_s",
                f"{self.no_power_wait_s!r} is longer than a vehicle waits",
                f"0 to timing.ongoing_performance = {self.timing.ongoing_performance:g}",
            )
        if not self.timing.contactor_answer < 1.5:
            raise ConfigError(
                "din.timing.contactor_answer",
                f"{self.timing.contactor_answer!r} is longer than PowerDeliveryRes may take",
                "less than 1.5",
            )


_CHOICES: dict[str, tuple[str, ...]] = {
    "energy_transfer": ("DC_extended", "DC_core"),
    "cpd_isolation": ("omit", "invalid", "valid"),
    "eim_rejected": ("wait", "fail"),
    "precharge_over_2a": ("clip", "fail"),
    "welding_needs_cp_b": ("note", "fail"),
    "profile_check": ("note", "strict"),
    "plausibility": ("note", "strict"),
}
