"""Discovery in memory: the real values of both sides, with datagrams that take a moment and are lost while
the cable carries nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ipaddress import IPv6Address

from iso15118.errors import LinkError
from iso15118.link.deadlines import earliest
from iso15118.sdp import (
    Answer,
    Found,
    GaveUp,
    Origin,
    SdpAction,
    SdpClient,
    SdpServer,
    Security,
    SendRequest,
)
from iso15118.timing import Timing

__all__ = ["MemoryDiscovery"]

STATION, VEHICLE = IPv6Address("fe80::2"), IPv6Address("fe80::1")
_PORT, _CLIENT_PORT, _INDEX = 49152, 50000, 7


class MemoryDiscovery:
    """A station that may be found, and a vehicle that may look for it. ``carries``: whether datagrams pass
    now; ``told`` gets what the search came to: an address and port, or the error."""

    def __init__(
        self,
        carries: Callable[[], bool],
        told: Callable[[tuple[IPv6Address, int] | LinkError], None],
        *,
        secure: bool,
        timing: Timing,
        delay_s: float,
    ) -> None:
        self._carries, self._told = carries, told
        self._security = Security.TLS if secure else Security.NONE
        self._timing, self._delay_s = timing, delay_s
        self._server: SdpServer | None = None
        self._client: SdpClient | None = None
        self._queue: deque[tuple[float, bool, bytes]] = deque()
        self.requests = 0
        """Requests of the vehicle, all searches together."""

    def be_found(self, found: bool) -> None:
        """The station answers, or does not."""
        self._server = (
            SdpServer(address=STATION, ports={self._security: _PORT}, interface_index=_INDEX)
            if found
            else None
        )

    def look(self, now: float) -> None:
        """The vehicle begins to look for a station."""
        self._client = SdpClient(interface_index=_INDEX, security=self._security, timing=self._timing)
        self._do(self._client.start(now), now)

    def stop(self) -> None:
        """The vehicle looks no more."""
        self._client = None

    @property
    def deadline(self) -> float | None:
        """When to call ``advance``."""
        arrival = self._queue[0][0] if self._queue else None
        return earliest((arrival, self._client.deadline if self._client is not None else None))

    def advance(self, now: float) -> None:
        """Let happen what is due."""
        while self._queue and self._queue[0][0] <= now:
            _, to_station, data = self._queue.popleft()
            if not self._carries():
                continue
            if not to_station:
                if self._client is not None:
                    self._do(self._client.handle(data, Origin(STATION, 15118, _INDEX), now), now)
            elif self._server is not None:
                answer = self._server.answer(data, Origin(VEHICLE, _CLIENT_PORT, _INDEX), now)
                if isinstance(answer, Answer):
                    self._queue.append((now + self._delay_s, False, answer.data))
        client = self._client
        if client is not None and client.deadline is not None and client.deadline <= now:
            self._do(client.handle_timeout(now), now)

    def _do(self, actions: list[SdpAction], now: float) -> None:
        for action in actions:
            match action:
                case SendRequest(data=data):
                    self.requests += 1
                    if self._carries():
                        self._queue.append((now + self._delay_s, True, data))
                case Found(response=response):
                    self._client = None
                    self._told((response.address, response.port))
                case GaveUp(reason=reason):
                    self._client = None
                    self._told(LinkError(reason))
                case _:
                    pass
