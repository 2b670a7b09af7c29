"""Who answers and who asks where no cable joins the two: a place with a pad or a connection device, and a
vehicle that looks for the one that it is at.

Over the air several stations hear one request. Which of them is the vehicle's it learns from the answers, and
proves in the session: by positioning and pairing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from ipaddress import IPv6Address
from typing import Final

from iso15118.errors import MisuseError
from iso15118.ranges import Ranged
from iso15118.timing import Timing

from .messages import Origin, Security
from .rates import RateLimit
from .station import AnyServer
from .vehicle import AnyClient, Refused, SdpAction
from .wireless import (
    NOBODY,
    Coupling,
    DiagStatus,
    WirelessSdpRequest,
    WirelessSdpResponse,
    check_evseid,
)

__all__ = ["Knows", "WirelessPlace", "WirelessSdpClient", "WirelessSdpServer"]

Knows = Callable[[str], bool | None]
"""Told an EVID: whether the vehicle of that stands at this place. False: that cannot be told;
None: it is still looked at."""

_MOST_CANDIDATES: Final = 8


def nobody_looked(evid: str) -> bool | None:
    """A place without anything that tells vehicles apart does not say that it knows one."""
    return False


class WirelessPlace(Ranged, frozen=True, kw_only=True):
    """What discovery without a cable says of a station: by what a vehicle is joined to it, and who tells
    which vehicle stands there. By default nobody does, and the session shows it. ``evseid``: of the
    place, at most 37 ASCII characters. Raises ``ConfigError`` for a field of another type."""

    coupling: Coupling
    knows: Knows = nobody_looked
    evseid: str = NOBODY


class WirelessSdpServer(AnyServer[WirelessSdpRequest]):
    """The station's side: one request in, the answer or the reason why there is none out.

    ``place.knows`` is asked with every request whether the vehicle of this EVID stands there: True and False
    end its search, None says that it is still looked at. The others are as for ``SdpServer``. Raises
    ``MisuseError`` for an EVSEID, an address or a port that the answer cannot carry.
    """

    __slots__ = ("_address", "_place", "_ports")

    def __init__(
        self,
        *,
        address: IPv6Address,
        ports: Mapping[Security, int],
        place: WirelessPlace,
        interface_index: int,
        loopback: bool = False,
        rate: RateLimit | None = None,
        may_answer: Callable[[Origin], bool] | None = None,
    ) -> None:
        super().__init__(
            address=address,
            ports=ports,
            interface_index=interface_index,
            loopback=loopback,
            rate=rate,
            may_answer=may_answer,
        )
        check_evseid(place.evseid)
        for port in ports.values():
            if not 0 < port <= 0xFFFF:
                raise MisuseError(f"{port} is no TCP port")
        self._address, self._ports, self._place = address, dict(ports), place

    def _read(self, data: bytes) -> WirelessSdpRequest:
        return WirelessSdpRequest.parse(data)

    def _means_another(self, request: WirelessSdpRequest) -> str | None:
        here = self._place.coupling
        if request.coupling is not here:
            return f"the vehicle asks for {request.coupling.name}, this place has {here.name}"
        if request.evseid not in (NOBODY, self._place.evseid):
            return f"the vehicle asks for {request.evseid}"
        return None

    def _respond(self, request: WirelessSdpRequest) -> tuple[WirelessSdpResponse, bytes]:
        status = self._status(request.evid)
        security = request.security if request.security in self._ports else next(iter(self._ports))
        response = WirelessSdpResponse(
            address=self._address,
            port=self._ports[security],
            security=security,
            status=status,
            coupling=self._place.coupling,
            evseid=self._place.evseid if status is DiagStatus.FINISHED_WITH_EVSEID else NOBODY,
        )
        return response, response.to_bytes()

    def _status(self, evid: str) -> DiagStatus:
        try:
            known = self._place.knows(evid)
        except Exception:  # whoever is asked is the caller's code; discovery goes on whatever it does
            return DiagStatus.ERROR
        if known is None:
            return DiagStatus.ONGOING
        return DiagStatus.FINISHED_WITH_EVSEID if known is True else DiagStatus.FINISHED_WITHOUT_EVSEID


class WirelessSdpClient(AnyClient[WirelessSdpResponse]):
    """The vehicle's side, as ``AnyClient`` says. ``request`` is what it asks.

    A station that knows this vehicle is taken at once. One that cannot tell is taken when the wait for this
    try is over and none has said that it knows: another one may. One that is still looking is asked again.
    Raises ``MisuseError`` for a request that cannot be written.
    """

    __slots__ = ("_candidates", "_request")

    def __init__(
        self,
        request: WirelessSdpRequest,
        *,
        interface_index: int,
        accept: Collection[Security] | None = None,
        loopback: bool = False,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(
            request.to_bytes(),
            request.security,
            interface_index=interface_index,
            accept=accept,
            loopback=loopback,
            timing=timing,
        )
        self._request = request
        self._candidates: list[tuple[WirelessSdpResponse, Origin]] = []

    def _parse(self, data: bytes) -> WirelessSdpResponse:
        return WirelessSdpResponse.parse(data, loopback=self._loopback)

    def _consider(self, response: WirelessSdpResponse, origin: Origin) -> list[SdpAction]:
        asked = self._request
        if response.coupling is not asked.coupling:
            return self._refuse(
                Refused(f"asked for {asked.coupling.name}, the place has {response.coupling.name}", origin)
            )
        if asked.evseid != NOBODY and response.evseid not in (NOBODY, asked.evseid):
            return self._refuse(Refused(f"asked for {asked.evseid}, this is {response.evseid}", origin))
        if response.status is DiagStatus.FINISHED_WITH_EVSEID:
            return self._take(response, origin)
        if response.status is not DiagStatus.FINISHED_WITHOUT_EVSEID:
            waits = response.status is DiagStatus.ONGOING
            return self._refuse(Refused(f"the station says {response.status.name}", origin, waits=waits))
        if len(self._candidates) < _MOST_CANDIDATES:
            self._candidates.append((response, origin))
        return []

    def handle_timeout(self, now: float) -> list[SdpAction]:
        """Take the first station that could not tell, ask again, or give up. Nothing happens before
        ``deadline``."""
        if self._deadline is None or now < self._deadline or not self._candidates:
            return super().handle_timeout(now)
        (first, origin), *others = self._candidates
        self._candidates = []
        actions = self._take(first, origin)
        for response, where in others:
            actions += self._compare(response, where, first)
        return actions

    def _same(self, response: WirelessSdpResponse, chosen: WirelessSdpResponse) -> bool:
        """Others that hear the request, too, and do not say that the vehicle is theirs are no second
        station."""
        if response.coupling is not chosen.coupling or response.status in (
            DiagStatus.ONGOING,
            DiagStatus.ERROR,
        ):
            return True
        known = DiagStatus.FINISHED_WITH_EVSEID
        if chosen.status is known and response.status is not known:
            return True
        there = (response.address, response.port, response.security)
        return there == (chosen.address, chosen.port, chosen.security) and (
            response.evseid == chosen.evseid or chosen.evseid == NOBODY
        )
