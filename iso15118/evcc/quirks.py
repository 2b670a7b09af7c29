"""Stations that a vehicle treats otherwise than all others, by the beginning of their EVSEID.

``KNOWN`` has what public reports say about some makers, by name; whose outlets these
are, the vehicle's maker says.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeAlias, get_args

from msgspec import Meta

from iso15118.errors import ConfigError
from iso15118.evcc.iso2.settings import DcRenegotiation, Plausibility, ScheduleChoice
from iso15118.messages.values import DischargeLimitSign, TimeStampUnit
from iso15118.ranges import HowLong, check_fields
from iso15118.session.quirks import Quirk, begins, changed

if TYPE_CHECKING:
    from .config import EvccConfig

__all__ = ["KNOWN", "PLACES", "StationQuirk", "quirks_of"]

Station: TypeAlias = Literal["abb", "tritium", "supercharger"]

KNOWN: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # Does not answer WeldingDetectionReq (pyPLC issue 17).
        "abb": {"welding_detection": False},
        # Ends as over-voltage where EVMaximumVoltageLimit is close to the target (ccs32clara).
        "tritium": {"voltage_headroom_v": 20.0},
        # PMax of its schedule is less than what it gives, or below zero (public captures).
        "supercharger": {"use_pmax": False},
    }
)
"""What ``like`` means."""

PLACES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "dc_renegotiation": ("iso2.dc_renegotiation",),
        "renegotiation_interval_s": ("iso2.renegotiation_interval_s",),
        "schedule_choice": ("iso2.schedule_choice",),
        "plausibility": ("iso2.plausibility",),
        "voltage_headroom_v": ("iso2.voltage_headroom_v", "din.voltage_headroom_v"),
        "precharge_current_a": ("iso2.precharge_current_a", "din.precharge_current_a"),
        "loop_interval_s": ("iso2.loop_interval_s", "din.loop_interval_s"),
        "ac_loop_interval_s": ("iso2.ac_loop_interval_s",),
        "use_pmax": ("din.use_pmax",),
        "welding_detection": ("din.welding_detection",),
        "send_optional": ("din.send_optional",),
        "confirm_power_tolerance": ("confirm_power_tolerance",),
        "time_stamp_unit": ("time_stamp_unit",),
        "discharge_limit_sign": ("discharge_limit_sign",),
        "pause_if_asked": ("pause_if_asked",),
    }
)
"""Where each setting of a quirk is in ``EvccConfig``: it means the same there."""


class StationQuirk(Quirk, frozen=True, kw_only=True):
    """Settings for stations whose EVSEID begins so; what is absent is as for all others. Raises
    ``ConfigError`` naming the key."""

    evse_id: tuple[str, ...]
    """Beginnings of EVSEIDs, such as "DE*ABC"; stars and small letters do not count. An EVSEID that is no
    text, as DIN 70121 may have it, is its hexadecimal digits."""
    like: Station | None = None
    """Take what is known of this maker; what is set beside it counts more."""
    dc_renegotiation: DcRenegotiation | None = None
    renegotiation_interval_s: HowLong | None = None
    schedule_choice: ScheduleChoice | None = None
    plausibility: Plausibility | None = None
    voltage_headroom_v: Annotated[float, Meta(ge=0.0, le=100.0)] | None = None
    precharge_current_a: Annotated[float, Meta(ge=0.0, le=2.0)] | None = None
    loop_interval_s: Annotated[float, Meta(ge=0.0, le=10.0)] | None = None
    ac_loop_interval_s: Annotated[float, Meta(ge=0.0, le=40.0)] | None = None
    use_pmax: bool | None = None
    welding_detection: bool | None = None
    send_optional: bool | None = None
    confirm_power_tolerance: bool | None = None
    time_stamp_unit: TimeStampUnit | None = None
    discharge_limit_sign: DischargeLimitSign | None = None
    pause_if_asked: bool | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if self.like is not None and self.like not in KNOWN:
            raise ConfigError("like", f"{self.like!r} is not known", "one of " + ", ".join(get_args(Station)))
        self._check("evse_id", self.evse_id, self.changes)

    @property
    def changes(self) -> dict[str, Any]:
        """What it sets, by the names of its fields."""
        return self._changes(KNOWN, self.like)

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.like or self.evse_id[0]


def quirks_of(config: EvccConfig, evse_id: str) -> tuple[EvccConfig, tuple[StationQuirk, ...]]:
    """The settings for a station of this EVSEID, and the quirks that made them so: all that are
    about it, in their order."""
    found = tuple(one for one in config.quirks if begins(evse_id, one.evse_id))
    for one in found:
        config = changed(config, one.changes, PLACES)
    return config, found
