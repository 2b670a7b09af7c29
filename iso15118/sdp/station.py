"""The station's side of discovery: a request in, an answer out, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import IPv6Address

from msgspec import Struct

from iso15118.errors import MisuseError, SdpError

from .messages import Origin, SdpRequest, SdpResponse, Security, wrong_address, wrong_origin
from .rates import OriginRates, RateLimit

__all__ = ["Answer", "Ignored", "SdpServer"]


class Answer(Struct, frozen=True):
    """Send ``data`` to where the request came from."""

    request: SdpRequest
    response: SdpResponse
    data: bytes


class Ignored(Struct, frozen=True):
    """No answer, and why. ``flood`` tells the rate limit from a bad request, so that a log can be spared;
    ``busy`` a good request that came while no session could be taken."""

    reason: str
    flood: bool = False
    busy: bool = False


class SdpServer:
    """The station's side: one request in, one answer or the reason why not out. Of a request nothing is
    remembered but that it came.

    ``address`` is the station's own on the interface with index ``interface_index``; ``ports`` says on which
    TCP port it listens with which security, at least one. A car gets what it asks for where there is a
    choice; otherwise the only one there is, and may refuse. ``rate`` is the limit of each origin.
    ``may_answer`` is asked at every request, with its origin: False while no session can be taken, so that a
    car goes on looking instead of waiting for a station that does not serve it; one that raises counts as
    False. Raises ``MisuseError`` for an address or ports that no car could use.
    """

    __slots__ = ("_interface_index", "_loopback", "_may_answer", "_rates", "_responses")

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
        if (wrong := wrong_address(address, loopback)) is not None:
            raise MisuseError(f"a station cannot announce {address}, {wrong}")
        if not ports:
            raise MisuseError("a station has to listen on at least one port to be found")
        responses = {security: SdpResponse(address, port, security) for security, port in ports.items()}
        only = next(iter(responses.values()))
        # Made once: answering costs a look-up, whatever the rate of requests.
        self._responses = {
            security: (response := responses.get(security, only), response.to_bytes())
            for security in Security
        }
        self._interface_index = interface_index
        self._loopback = loopback
        self._rates = OriginRates(rate)
        self._may_answer = may_answer

    def answer(self, data: bytes, origin: Origin, now: float) -> Answer | Ignored:
        """What to do with a datagram that came from ``origin`` at ``now`` (s). Never raises."""
        if (wrong := wrong_origin(origin, self._interface_index, self._loopback)) is not None:
            return Ignored(wrong)
        try:
            request = SdpRequest.parse(data)
        except SdpError as error:
            return Ignored(str(error))
        if not self._rates.admit(origin.address, now):  # behind the checks: garbage makes nobody known
            return Ignored(f"more requests of {origin.address} than the rate limit lets pass", flood=True)
        if (busy := self._busy(origin)) is not None:
            return Ignored(busy, busy=True)
        response, wire = self._responses[request.security]
        return Answer(request, response, wire)

    def _busy(self, origin: Origin) -> str | None:
        """Why nobody is invited now, None if cars are."""
        if self._may_answer is None:
            return None
        try:
            invited = self._may_answer(origin)
        except (
            Exception
        ) as error:  # whoever is asked is the caller's code; discovery goes on whatever it does
            return f"whether a session can be taken is not known: {type(error).__name__}"
        return None if invited is True else "no session can be taken now"
