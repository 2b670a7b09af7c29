"""The vehicle's search for a station, with what looks wrong about it: an answer without TLS where TLS was
asked for, and a second answer; and what a station says of itself where no cable joins the two.

What is noticed is told as ``PeerDeviates``, stands in the result of the session, and ends the search or the
session where the settings say so.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv6Address
from typing import TYPE_CHECKING

from msgspec.structs import replace

from iso15118.errors import ConfigError, MisuseError
from iso15118.ranges import shown
from iso15118.sdp import Conflict, Refused, Security
from iso15118.session.actions import Notify, PeerDeviates
from iso15118.session.discovery import Downgrade, SecondAnswer

from .net.sdp import discover

if TYPE_CHECKING:
    from iso15118.aio.net.network import Interface
    from iso15118.evcc.config import EvccConfig
    from iso15118.sdp import SdpAction
    from iso15118.sdp.wireless import WirelessSdpRequest
    from iso15118.sdp.wireless_ends import WirelessPlace
    from iso15118.secc.config import SeccConfig

__all__ = ["StationSearch", "named_place"]

_MOST_REMARKS = 16


class StationSearch:
    """One vehicle's searches. ``secured``: there is a TLS context. ``news`` gets what is noticed, ``leave``
    why the session that runs is to end: a second station has answered meanwhile. ``wireless``: what is asked
    where no cable joins the two. Raises ``ConfigError`` for what cannot be asked."""

    def __init__(
        self,
        config: EvccConfig,
        wireless: WirelessSdpRequest | None = None,
        *,
        secured: bool,
        sdp_port: int,
        news: Callable[[Notify], None],
        leave: Callable[[str], None],
    ) -> None:
        self._config, self._wireless = config, wireless
        if wireless is not None:
            _check(wireless)
        self._sdp_port = sdp_port
        self._news, self._leave = news, leave
        self.wish = Security.TLS if secured and config.speaks_tls else Security.NONE
        """What is asked for."""
        self._found: tuple[IPv6Address, int, Security] | None = None
        """What was last said."""
        self.remarks: list[str] = []
        """What looked wrong in the last search, human-readable."""

    @property
    def accepted(self) -> frozenset[Security]:
        """The answers that are taken."""
        config = self._config
        if self.wish is Security.TLS and config.sdp_downgrade is Downgrade.REFUSE:
            return frozenset({Security.TLS})
        return frozenset({self.wish, Security.NONE}) if config.speaks_plain else frozenset({self.wish})

    async def find(self, interface: Interface) -> tuple[IPv6Address, int]:
        """Address and port of a station. Raises ``LinkError`` if none is found, or more than one
        where that is not accepted."""
        self.remarks = []
        config = self._config
        strict = config.sdp_second_answer is SecondAnswer.LEAVE
        found = await discover(
            interface,
            security=self.wish,
            accept=self.accepted,
            port=self._sdp_port,
            timing=config.timing,
            on_action=self._heard,
            alone_s=config.sdp_second_answer_s if strict else None,
            wireless=self._wireless,
        )
        self._found = found.response.address, found.response.port, found.response.security
        if found.response.security is not self.wish:
            self._remark(
                "sdp-no-tls", "asked for TLS, the station has none: what may be said in the clear is offered"
            )
        return self._found[:2]

    def security_of(self, address: IPv6Address, port: int) -> Security:
        """What discovery said of this station; where it was not asked, what we would have asked for."""
        found = self._found
        return found[2] if found is not None and found[:2] == (address, port) else self.wish

    def _heard(self, action: SdpAction) -> None:
        match action:
            case Refused(reason=reason, origin=origin, downgrade=True):
                self._remark("sdp-downgrade", f"the answer of {origin} is refused: {reason}")
            case Conflict() as conflict:
                self._remark("sdp-second-answer", conflict.reason)
                if self._found is not None and self._config.sdp_second_answer is SecondAnswer.LEAVE:
                    self._leave(f"more than one station answers: {conflict.reason}")

    def _remark(self, name: str, detail: str) -> None:
        if detail in self.remarks or len(self.remarks) >= _MOST_REMARKS:
            return
        self.remarks.append(detail)
        self._news(PeerDeviates(name, detail))


def named_place(place: WirelessPlace, config: SeccConfig) -> WirelessPlace:
    """With the EVSEID of the station where it has none of its own. Raises ``ConfigError`` for one that the
    messages of discovery cannot carry."""
    from iso15118.sdp.wireless import NOBODY, check_evseid  # which a cable does not load
    from iso15118.sdp.wireless_ends import WirelessPlace

    if not isinstance(place, WirelessPlace):
        raise ConfigError("place", f"{shown(place)} is none", "iso15118.sdp.wireless_ends.WirelessPlace(...)")
    evseid = place.evseid if place.evseid != NOBODY else config.evse_id
    try:
        check_evseid(evseid)
    except MisuseError as error:
        raise ConfigError("evse_id", str(error), "a shorter one for a place without a cable") from error
    return replace(place, evseid=evseid)


def _check(request: WirelessSdpRequest) -> None:
    try:
        request.to_bytes()
    except MisuseError as error:
        raise ConfigError("wireless", str(error), "an id that fits") from error
