"""The station's side of discovery: a request in, an answer out, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import Struct

from iso15118.errors import MisuseError, SdpError

from .messages import Origin, SdpRequest, SdpResponse, Security, wrong_address, wrong_origin
from .rates import OriginRates, RateLimit

if TYPE_CHECKING:
    from .wireless import WirelessSdpRequest, WirelessSdpResponse
else:
    WirelessSdpRequest = WirelessSdpResponse = (
        Any  # who asks for help at run time is told of it without loading it
    )

__all__ = ["Answer", "AnyServer", "Ignored", "SdpServer"]


class Answer(Struct, frozen=True):
    """Send ``data`` to where the request came from. ``asked``: the datagram of the request."""

    request: SdpRequest | WirelessSdpRequest
    response: SdpResponse | WirelessSdpResponse
    data: bytes
    asked: bytes


class Ignored(Struct, frozen=True):
    """No answer, and why. ``flood`` tells the rate limit from a bad request, so that a log can be spared;
    ``busy`` a good request that came while no session could be taken."""

    reason: str
    flood: bool = False
    busy: bool = False


Request = TypeVar("Request", SdpRequest, "WirelessSdpRequest")


class AnyServer(Generic[Request]):
    """What a station does with a request, on a cable or without one: where it came from, what it is, how
    often, and whether somebody is invited now, in this order. Of a request nothing is remembered but that it
    came. Raises ``MisuseError`` for an address or ports that no vehicle could use."""

    __slots__ = ("_interface_index", "_loopback", "_may_answer", "_rates")

    def __init__(
        self,
        *,
        address: IPv6Address,
        ports: Mapping[Security, int],
        interface_index: int,
        loopback: bool,
        rate: RateLimit | None,
        may_answer: Callable[[Origin], bool] | None,
    ) -> None:
        if (wrong := wrong_address(address, loopback)) is not None:
            raise MisuseError(f"a station cannot announce {address}, {wrong}")
        if not ports:
            raise MisuseError("a station has to listen on at least one port to be found")
        self._interface_index = interface_index
        self._loopback = loopback
        self._rates = OriginRates(rate)
        self._may_answer = may_answer

    def answer(self, data: bytes, origin: Origin, now: float) -> Answer | Ignored:
        """What to do with a datagram that came from ``origin`` at ``now`` (s). Never raises."""
        if (wrong := wrong_origin(origin, self._interface_index, self._loopback)) is not None:
            return Ignored(wrong)
        try:
            request = self._read(data)
        except SdpError as error:
            return Ignored(str(error))
        if not self._rates.admit(origin.address, now):  # behind the checks: garbage makes nobody known
            return Ignored(f"more requests of {origin.address} than the rate limit lets pass", flood=True)
        if (other := self._means_another(request)) is not None:
            return Ignored(other)
        if (busy := self._busy(origin)) is not None:
            return Ignored(busy, busy=True)
        response, wire = self._respond(request)
        return Answer(request, response, wire, data)

    def _read(self, data: bytes) -> Request:
        """The request; raises ``SdpError`` for what is none."""
        raise NotImplementedError

    def _respond(self, request: Request) -> tuple[SdpResponse | WirelessSdpResponse, bytes]:
        raise NotImplementedError

    def _means_another(self, request: Request) -> str | None:
        """Why this request is for another station, None if it may be for this one."""
        return None

    def _busy(self, origin: Origin) -> str | None:
        """Why nobody is invited now, None if vehicles are."""
        if self._may_answer is None:
            return None
        try:
            invited = self._may_answer(origin)
        except (
            Exception
        ) as error:  # whoever is asked is the caller's code; discovery goes on whatever it does
            return f"whether a session can be taken is not known: {type(error).__name__}"
        return None if invited is True else "no session can be taken now"


class SdpServer(AnyServer[SdpRequest]):
    """The station's side on a cable: one request in, one answer or the reason why not out.

    ``address`` is the station's own on the interface with index ``interface_index``; ``ports`` says on which
    TCP port it listens with which security, at least one. A car gets what it asks for where there is a
    choice; otherwise the only one there is, and may refuse. ``rate`` is the limit of each origin.
    ``may_answer`` is asked at every request, with its origin: False while no session can be taken, so that a
    car goes on looking instead of waiting for a station that does not serve it; one that raises counts as
    False. Raises ``MisuseError`` for an address or ports that no car could use.
    """

    __slots__ = ("_responses",)

    def __init__(
        self,
        *,
        address: IPv6Address,
        ports: Mapping[Security, int],
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
        responses = {security: SdpResponse(address, port, security) for security, port in ports.items()}
        only = next(iter(responses.values()))
        # Made once: answering costs a look-up, whatever the rate of requests.
        self._responses = {
            security: (response := responses.get(security, only), response.to_bytes())
            for security in Security
        }

    def _read(self, data: bytes) -> SdpRequest:
        return SdpRequest.parse(data)

    def _respond(self, request: SdpRequest) -> tuple[SdpResponse, bytes]:
        return self._responses[request.security]
