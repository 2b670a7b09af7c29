"""Vehicles that a station treats otherwise than all others, by the beginning of their EVCCID, which in ISO
15118-2 and DIN 70121 is the MAC address of the charge controller.

``KNOWN`` has what public reports say about some makers, by name; whose addresses
these are, the operator says.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args

from msgspec import Meta

from iso15118.errors import ConfigError
from iso15118.messages.values import DischargeLimitSign, TimeStampUnit
from iso15118.ranges import HowLong, check_fields
from iso15118.session.quirks import Quirk, begins, changed

if TYPE_CHECKING:
    from .config import SeccConfig

__all__ = ["KNOWN", "PLACES", "VehicleQuirk", "quirks_of"]

Vehicle: TypeAlias = Literal["vw-group", "tesla", "porsche", "leaves-on-invalid-isolation"]

KNOWN: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # Stays in state C and leaves out cable check and pre-charge in a renegotiation (EVerest pull request
        # 2749); leaves the charge loop by SessionStopReq (public captures).
        "vw-group": {"dc_renegotiation_short": "accept", "session_stop_anywhere": True},
        # Follows a lowered limit only if all three maxima are told (EcoG-io/iso15118 issue 193); sends 0 A in
        # pre-charge, and limits that fall below what it declared (public captures).
        "tesla": {"send_loop_limits": True, "plausibility": "note"},
        # Tells 260 V in AC, and a profile to the last watt of the schedule and
        # beyond its end (public captures).
        "porsche": {"plausibility": "note", "profile_check": "note"},
        # Close the connection when they read Invalid before the cable check
        # (FreeV2G issues 196, 216 and 340).
        "leaves-on-invalid-isolation": {"cpd_isolation": "omit"},
    }
)
"""What ``like`` means."""

PLACES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "dc_renegotiation_short": ("iso2.dc_renegotiation_short",),
        "session_stop_anywhere": ("iso2.session_stop_anywhere", "din.session_stop_anywhere"),
        "send_loop_limits": ("iso2.send_loop_limits", "din.send_loop_limits"),
        "send_max_current": ("iso2.send_max_current",),
        "cpd_isolation": ("iso2.cpd_isolation", "din.cpd_isolation"),
        "no_power_wait_s": ("iso2.no_power_wait_s", "din.no_power_wait_s"),
        "precharge_over_2a": ("iso2.precharge_over_2a", "din.precharge_over_2a"),
        "welding_needs_cp_b": ("iso2.welding_needs_cp_b", "din.welding_needs_cp_b"),
        "profile_check": ("iso2.profile_check", "din.profile_check"),
        "require_profile": ("iso2.require_profile",),
        "plausibility": ("iso2.plausibility", "din.plausibility"),
        "loop_answer_delay_s": ("iso2.loop_answer_delay_s",),
        "energy_transfer": ("din.energy_transfer",),
        "eim_rejected": ("iso2.eim_rejected", "din.eim_rejected"),
        "overvoltage_v": ("overvoltage_v",),
        "tolerate_odd_values": ("tolerate_odd_values",),
        "accept_ongoing_pre_charge": ("accept_ongoing_pre_charge",),
        "first_meter_reading": ("first_meter_reading",),
        "time_stamp_unit": ("time_stamp_unit",),
        "discharge_limit_sign": ("discharge_limit_sign",),
    }
)
"""Where each setting of a quirk is in ``SeccConfig``: it means the same there."""


class VehicleQuirk(Quirk, frozen=True, kw_only=True):
    """Settings for vehicles whose EVCCID begins so; what is absent is as for all others. Raises
    ``ConfigError`` naming the key."""

    evccid: tuple[str, ...]
    """Beginnings of EVCCIDs: of a MAC address, as "00:7D:FA", or of the text that ISO 15118-20 has, as "WVW".
    Colons, hyphens and small letters do not count."""
    like: Vehicle | None = None
    """Take what is known of this maker; what is set beside it counts more."""
    dc_renegotiation_short: Literal["accept", "refuse"] | None = None
    session_stop_anywhere: bool | None = None
    send_loop_limits: bool | None = None
    send_max_current: Literal["always", "eim"] | None = None
    cpd_isolation: Literal["omit", "invalid", "valid"] | None = None
    no_power_wait_s: HowLong | None = None
    precharge_over_2a: Literal["clip", "fail"] | None = None
    welding_needs_cp_b: Literal["note", "fail"] | None = None
    profile_check: Literal["note", "strict"] | None = None
    require_profile: bool | None = None
    plausibility: Literal["note", "strict"] | None = None
    loop_answer_delay_s: Annotated[float, Meta(ge=0.0, le=0.1)] | None = None
    energy_transfer: Literal["DC_extended", "DC_core"] | None = None
    eim_rejected: Literal["wait", "fail"] | None = None
    overvoltage_v: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    tolerate_odd_values: bool | None = None
    accept_ongoing_pre_charge: bool | None = None
    first_meter_reading: bool | None = None
    time_stamp_unit: TimeStampUnit | None = None
    discharge_limit_sign: DischargeLimitSign | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.like is not None and self.like not in KNOWN:
            raise ConfigError("like", f"{self.like!r} is not known", "one of " + ", ".join(get_args(Vehicle)))
        self._check("evccid", self.evccid, self.changes)

    @property
    def changes(self) -> dict[str, Any]:
        """What it sets, by the names of its fields."""
        return self._changes(KNOWN, self.like)

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.like or self.evccid[0]


def quirks_of(config: SeccConfig, evccid: str) -> tuple[SeccConfig, tuple[VehicleQuirk, ...]]:
    """The settings for a vehicle of this EVCCID, and the quirks that made them so: all that are
    about it, in their order."""
    found = tuple(one for one in config.quirks if begins(evccid, one.evccid))
    for one in found:
        config = changed(config, one.changes, PLACES)
    return config, found
