"""What the maker of a vehicle decides about DIN 70121 alone: its name on the wire, and what is sent
to please stations of today.

Every value has a default with its reason; wrong ones are refused with the key and the way to mend them.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from iso15118.errors import ConfigError
from iso15118.ranges import check_fields
from iso15118.timing import DinTiming

__all__ = ["DinEvccSettings"]


class DinEvccSettings(Struct, frozen=True, kw_only=True):
    """DIN 70121 in a vehicle. Raises ``ConfigError`` naming the key."""

    evccid: bytes = b"\x02\x00\x00\x00\x00\x01"
    """EVCCID: the MAC address of the charge controller, 6 octets (at most 8). The default is a locally
    administered address; stations that recognise vehicles by it ("autocharge") need the real one."""
    send_optional: bool = True
    """Send every optional field: some stations drop a request without them."""
    use_pmax: bool = False
    """Keep the power below PMax of the schedule. Off by default: PMax ends at 32767 W in DIN 70121, and
    stations send less than they give, even negative values; EVSEMaximumPowerLimit says what they give."""
    welding_detection: bool = True
    """Ask the station for welding detection after the charge. The inlet is looked at in any case;
    some stations do not answer."""
    precharge_current_a: Annotated[float, Meta(ge=0.0, le=2.0)] = 1.0
    """EVTargetCurrent in PreChargeReq, in A; at most 2 (IEC 61851-23, Annex CC). Vehicles send 0 to 2."""
    voltage_headroom_v: Annotated[float, Meta(ge=0.0, le=100.0)] = 10.0
    """How far EVTargetVoltage keeps below EVMaximumVoltageLimit where that costs no charge, in V: some
    stations end as over-voltage when the two are close."""
    loop_interval_s: Annotated[float, Meta(ge=0.0, le=10.0)] = 0.1
    """From one CurrentDemandReq to the next, in s: vehicles take 0.02 to 0.12, and up to
    0.43. 0: as fast as it goes."""
    timing: DinTiming = DinTiming()
    """Every timeout of a session in DIN 70121, in s."""

    def __post_init__(self) -> None:
        check_fields(self, "din")
        if not (isinstance(self.evccid, bytes) and 1 <= len(self.evccid) <= 8):
            raise ConfigError(
                "din.evccid", f"{self.evccid!r} is no EVCCID", "1 to 8 octets, a MAC address has 6"
            )
        most = self.timing.sequence_performance
        if self.loop_interval_s > most:
            raise ConfigError(
                "din.loop_interval_s",
                f"{self.loop_interval_s!r} is longer than a request may take",
                f"0 to {most:g}",
            )
