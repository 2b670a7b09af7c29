"""The table [wireless] of both files: discovery (SDP) without a cable, for pads and connection devices.

Without it a station is found, and looked for, as on a cable.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from iso15118.errors import ConfigError, MisuseError
from iso15118.ranges import Ranged, listed_once
from iso15118.sdp.wireless import NOBODY, Coupling, PairingAids, WirelessSdpRequest, check_evseid
from iso15118.sdp.wireless_ends import WirelessPlace

__all__ = ["PlaceSettings", "SearchSettings", "check_place", "place_of", "search_of"]


class PlaceSettings(Ranged, frozen=True, kw_only=True):
    """How vehicles find a station that no cable joins them to."""

    coupling: Coupling | None = None
    """By what a vehicle is joined; those that ask for it over WLAN are answered, and nobody else. The EVSEID
    told is session.evse_id. Absent: discovery is that of a cable."""


class SearchSettings(Ranged, frozen=True, kw_only=True):
    """How a vehicle asks for a station that no cable joins it to. Raises ``ConfigError`` naming the key."""

    coupling: Coupling | None = None
    """By what the vehicle wants to be joined, which is asked for over WLAN. Absent: discovery is that of a
    cable."""
    aids: tuple[PairingAids, ...] = ()
    """What it has for finding its place and for being found there; nobody else needs to have it."""
    evid: str = NOBODY
    """EVID told to stations, at most 20 ASCII characters; "ZZ00000" if it has none."""
    evseid: str = NOBODY
    """EVSEID of the place that it wants, at most 37 ASCII characters; "ZZ00000": any."""

    def __post_init__(self) -> None:
        super().__post_init__()
        listed_once("wireless.aids", self.aids)
        for name in ("evid", "evseid"):
            asked = WirelessSdpRequest(coupling=Coupling.WPT, **{name: getattr(self, name)})
            try:
                asked.to_bytes()
            except MisuseError as error:
                raise ConfigError(f"wireless.{name}", str(error), "a shorter one, in ASCII") from error


def place_of(settings: PlaceSettings) -> WirelessPlace | None:
    """For ``SeccServer``; None for a cable."""
    return None if settings.coupling is None else WirelessPlace(coupling=settings.coupling)


def search_of(settings: SearchSettings) -> WirelessSdpRequest | None:
    """For ``EvccClient``; None for a cable."""
    if settings.coupling is None:
        return None
    return WirelessSdpRequest(
        coupling=settings.coupling,
        aids=reduce(or_, settings.aids, PairingAids.NONE),
        evid=settings.evid,
        evseid=settings.evseid,
    )


def check_place(settings: PlaceSettings | SearchSettings, *, plugged: bool, evse_id: str = NOBODY) -> None:
    """A plug has a cable, and what is told has to fit. Raises ``ConfigError``."""
    if settings.coupling is None:
        return
    if plugged:
        raise ConfigError(
            "wireless.coupling",
            f"{settings.coupling.name} is without a cable, and [link] has a plug",
            "leave out one of the two",
        )
    try:
        check_evseid(evse_id)
    except MisuseError as error:
        raise ConfigError("session.evse_id", str(error), "a shorter one, for [wireless]") from error
