"""What the operator of a station decides about ISO 15118-2 alone: what is offered in its messages, and
how strict to be with vehicles.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.messages.iso2 import EnergyTransferMode
from iso15118.ranges import HowLong, check_fields
from iso15118.timing import Iso2Timing

__all__ = ["AC_MODES", "Iso2SeccSettings"]

AC_MODES = frozenset({EnergyTransferMode.AC_single_phase_core, EnergyTransferMode.AC_three_phase_core})
"""Ways to charge with alternating current; all others are DC."""
Amperes = Annotated[float, Meta(ge=0.0, le=32_767.0)]


class Iso2SeccSettings(Struct, frozen=True, kw_only=True):
    """ISO 15118-2 at a station. Raises ``ConfigError`` naming the key."""

    energy_transfer_modes: tuple[EnergyTransferMode, ...] = ()
    """Ways to charge that are offered, best first: of DC or of AC, since a connector has one of them. Empty:
    what the hardware has, DC_extended, which nearly every CCS vehicle asks for, or three phases and one."""
    cpd_isolation: Literal["omit", "invalid", "valid"] = "omit"
    """EVSEIsolationStatus before the cable check. By default it is left out: some vehicles
    leave when they read Invalid."""
    send_loop_limits: bool = True
    """Tell all three limits in every CurrentDemandRes: one vehicle follows a lowered limit
    only if it reads all of them."""
    send_max_current: Literal["always", "eim"] = "always"
    """AC: tell EVSEMaxCurrent in every ChargingStatusRes, or with external identification only, since with a
    contract the schedule rules. Most stacks send it always."""
    stop_notice_s: Annotated[int, Meta(ge=0, le=60)] = 0
    """NotificationMaxDelay of StopCharging in s, 0 to 60. After it EVSE_Shutdown is told as well, and after
    ``stop_delay_s`` more the station stops by itself."""
    session_stop_anywhere: bool = True
    """Answer SessionStopReq with OK in the charge loop too. Vehicles leave that way, and one
    that is refused stays locked."""
    eim_rejected: Literal["wait", "fail"] = "wait"
    """What a refused driver hears: Ongoing, since another card may come, or FAILED."""
    no_power_wait_s: HowLong = 55.0
    """How long ChargeParameterDiscoveryRes says Ongoing while the station has no power at all, in
    s, before the vehicle is led on and waits in the charge loop. Some vehicles refuse a station
    without power. 0 never waits."""
    precharge_over_2a: Literal["clip", "fail"] = "clip"
    """A vehicle that wants more than 2 A for pre-charge is given what pre-charge has, or refused."""
    welding_needs_cp_b: Literal["note", "fail"] = "note"
    """A vehicle that still shows state C in WeldingDetectionReq is noted, or refused [V2G2-920]."""
    profile_check: Literal["note", "strict"] = "note"
    """A charging profile above the schedule is noted, or refused with FAILED_ChargingProfileInvalid. The
    limits of the loop hold anyway."""
    require_profile: bool = False
    """Refuse PowerDeliveryReq without a ChargingProfile. The schema lets it be left out,
    and one public vehicle does."""
    plausibility: Literal["note", "strict"] = "note"
    """Values that make no sense where nothing here depends on them are cut to what makes sense and noted, or
    refused with FAILED_WrongChargeParameter. Vehicles in the field send them: refusing ends their sale."""
    dc_renegotiation_short: Literal["accept", "refuse"] = "accept"
    """A DC vehicle that goes from a new schedule straight to PowerDelivery(Start) gets its power back, since
    contactors stayed closed, or FAILED_SequenceError. The standard's tables have cable check and pre-charge
    in between; vehicles of one maker leave them out."""
    verify_receipt: bool = True
    """Check the signature of MeteringReceiptReq; without it the reading alone is compared [V2G2-904]."""
    resume_checks_evccid: bool = True
    """A paused session is joined only by a vehicle of the same EVCCID. The standard asks for none [V2G2-753];
    the address is easily copied, so this keeps mistakes away and nobody who means harm."""
    loop_answer_delay_s: Annotated[float, Meta(ge=0.0, le=0.1)] = 0.0
    """How long the answer of the charge loop is held back, in s, 0 to 0.1: stations in the field take 0.1 s,
    and some vehicles send the next request at once."""
    certificate_expiry_days: Annotated[float, Meta(ge=0.0, le=3650.0)] = 21.0
    """A contract that ends within so many days is answered OK_CertificateExpiresSoon [V2G2-690]."""
    tariffs: Literal["contract", "always", "never"] = "contract"
    """Tell the energy manager's prices as SalesTariff: to vehicles that pay by contract, always, or never.
    Without a contract a vehicle cannot know whose tariffs they are, and is to leave them alone."""
    peak_current_ripple_a: Amperes = 1.0
    """EVSEPeakCurrentRipple, peak to peak, in A: that of your supply. The message has to have one."""
    current_tolerance_a: Amperes | None = None
    """EVSECurrentRegulationTolerance in A; absent: it is not told."""
    timing: Iso2Timing = Iso2Timing()
    """Every timeout of a session in ISO 15118-2, in s."""

    def __post_init__(self) -> None:
        check_fields(self, "iso2")
        modes = self.energy_transfer_modes
        if len(set(modes)) != len(modes):
            raise ConfigError(
                "iso2.energy_transfer_modes", "one is listed twice", "list each once, best first"
            )
        if 0 < len(AC_MODES & set(modes)) < len(set(modes)):
            raise ConfigError(
                "iso2.energy_transfer_modes",
                "AC and DC at one connector",
                "those of one kind of current",
            )
        for key, known in _CHOICES.items():
            if getattr(self, key) not in known:
                raise ConfigError(
                    f"iso2.{key}", f"{getattr(self, key)!r} is no choice", "one of " + ", ".join(known)
                )
        if self.no_power_wait_s > self.timing.ongoing_performance:
            raise ConfigError(
                "iso2.no_power_wait_s",
                f"{self.no_power_wait_s!r} is longer than a vehicle waits",
                f"0 to timing.ongoing_performance = {self.timing.ongoing_performance:g}",
            )
        if not self.timing.contactor_answer < self.timing.answer_time_power:
            raise ConfigError(
                "iso2.timing.contactor_answer",
                f"{self.timing.contactor_answer!r} is longer than PowerDeliveryRes may take",
                f"less than answer_time_power = {self.timing.answer_time_power:g}",
            )


_CHOICES: dict[str, tuple[str, ...]] = {
    "cpd_isolation": ("omit", "invalid", "valid"),
    "send_max_current": ("always", "eim"),
    "eim_rejected": ("wait", "fail"),
    "precharge_over_2a": ("clip", "fail"),
    "welding_needs_cp_b": ("note", "fail"),
    "profile_check": ("note", "strict"),
    "plausibility": ("note", "strict"),
    "dc_renegotiation_short": ("accept", "refuse"),
    "tariffs": ("contract", "always", "never"),
}
