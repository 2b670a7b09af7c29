"""Discovery without a cable on real sockets: a place with a pad or a connection device that is found
over WLAN, and who looks for it.

Multicast on an interface; unicast to ``::1`` on the loopback interface. The messages and their checks are
``iso15118.sdp.wireless``'s.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, cast

from iso15118.aio.logs import Log
from iso15118.aio.ports.guard import Callback
from iso15118.errors import LinkError, SdpError
from iso15118.sdp import MULTICAST_GROUP, SDP_PORT, Origin, RateLimit
from iso15118.sdp.messages import wrong_origin
from iso15118.sdp.wireless import (
    DiagStatus,
    WirelessSdpRequest,
    WirelessSdpResponse,
    WirelessSdpServer,
)
from iso15118.timing import Timing

from .network import sdp_client_socket, sdp_server_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from iso15118.sdp import Security
    from iso15118.sdp.wireless import Coupling

    from .network import Interface

__all__ = ["WirelessSdpListener", "discover_wireless", "serve_wireless_sdp"]

_log = Log(__name__)

_ENDS: Final = (DiagStatus.FINISHED_WITH_EVSEID, DiagStatus.FINISHED_WITHOUT_EVSEID)
"""The station's answers that a search ends with; with the others it is still
looked at which vehicle it is."""


class WirelessSdpListener(asyncio.DatagramProtocol):
    """A place that can be found, until ``close``. Nothing that comes in, and nothing that
    fails on the way out, ends it."""

    def __init__(
        self,
        server: WirelessSdpServer,
        interface: Interface,
        on_request: Callable[[Origin, WirelessSdpResponse | str], None] | None,
    ) -> None:
        self._server, self._interface = server, interface
        self._on_request = Callback("the callback on_request of discovery", on_request, lasting=True)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def port(self) -> int:
        """The UDP port, 0 after ``close``."""
        return self._transport.get_extra_info("sockname")[1] if self._transport is not None else 0

    def close(self) -> None:
        """Be found no more."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        """A datagram came in."""
        if self._transport is None:
            return
        try:
            origin = Origin.of_socket(addr)
        except SdpError as error:
            _log.debug("discovery on %s: %s", self._interface.name, error)
            return
        outcome = self._server.answer(data, origin, self._loop.time())
        if isinstance(outcome, WirelessSdpResponse):
            self._transport.sendto(outcome.to_bytes(), addr)
            _log.info("discovery on %s: answered %s: %s", self._interface.name, origin, outcome)
        else:
            _log.debug("discovery on %s: no answer to %s: %s", self._interface.name, origin, outcome)
        self._on_request(origin, outcome)

    def error_received(self, exc: Exception) -> None:
        """The network refused a datagram; the next one may pass."""
        _log.debug("discovery on %s: %s", self._interface.name, exc)


async def serve_wireless_sdp(
    interface: Interface,
    ports: Mapping[Security, int],
    *,
    coupling: Coupling,
    evseid: str,
    knows: Callable[[str], bool | None] = lambda evid: True,
    port: int = SDP_PORT,
    rate: RateLimit | None = None,
    on_request: Callable[[Origin, WirelessSdpResponse | str], None] | None = None,
) -> WirelessSdpListener:
    """Answer vehicles on this interface: ``ports`` says where the station listens with which security, as
    those of a ``SeccServer(..., sdp=False)`` do, whose own discovery would be that of a cable. ``coupling``,
    ``evseid`` and ``knows``: of the place, as for ``WirelessSdpServer``.

    ``port``: another UDP port than 15118 for tests on one machine, 0 for any free one. ``rate``: the limit of
    each origin. ``on_request`` hears of every datagram. Raises ``LinkError`` if the port cannot be had,
    ``MisuseError`` for what no answer can carry.
    """
    server = WirelessSdpServer(
        address=interface.address,
        ports=ports,
        coupling=coupling,
        evseid=evseid,
        interface_index=interface.index,
        knows=knows,
        loopback=interface.loopback,
        rate=rate,
    )
    sock = sdp_server_socket(interface, port)
    _, listener = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: WirelessSdpListener(server, interface, on_request), sock=sock
    )
    return listener


async def discover_wireless(
    interface: Interface,
    request: WirelessSdpRequest,
    *,
    port: int = SDP_PORT,
    timing: Timing | None = None,
) -> WirelessSdpResponse:
    """Ask until a station answers that it knows which vehicle this is, or that it cannot: its answer has the
    address for ``EvccClient.run``. ``request`` is repeated every ``timing.sdp_retry`` s,
    ``timing.sdp_requests`` times at most; so long a station may say that it is still looking.

    An answer with less security than asked for, for another coupling, or from elsewhere is not taken. Raises
    ``LinkError`` when none was usable, with the reason of the last refusal or network error; ``MisuseError``
    for a request that cannot be written.
    """
    timing = Timing() if timing is None else timing
    data = request.to_bytes()
    sock = sdp_client_socket(interface)
    loop = asyncio.get_running_loop()
    group = str(interface.address if interface.loopback else MULTICAST_GROUP)
    transport, search = await loop.create_datagram_endpoint(lambda: _Search(request, interface), sock=sock)
    try:
        for _ in range(timing.sdp_requests):
            transport.sendto(data, (group, port, 0, interface.scope_id))
            await asyncio.wait((search.outcome,), timeout=timing.sdp_retry)
            if search.outcome.done():
                return search.outcome.result()
    finally:
        transport.close()
    why = f": {search.problem}" if search.problem else ""
    raise LinkError(f"no station answered {timing.sdp_requests} discovery requests to UDP port {port}{why}")


class _Search(asyncio.DatagramProtocol):
    """What comes back, judged."""

    def __init__(self, request: WirelessSdpRequest, interface: Interface) -> None:
        self._request, self._interface = request, interface
        self.outcome: asyncio.Future[WirelessSdpResponse] = asyncio.get_running_loop().create_future()
        self.problem = ""
        """Why the last answer was not taken."""

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        try:
            self.problem = self._judge(data, Origin.of_socket(addr))
        except SdpError as error:
            self.problem = str(error)

    def error_received(self, exc: Exception) -> None:
        self.problem = f"the network said: {getattr(exc, 'strerror', None) or exc}"

    def _judge(self, data: bytes, origin: Origin) -> str:
        asked, here = self._request, self._interface
        if (wrong := wrong_origin(origin, here.index, here.loopback)) is not None:
            return wrong
        response = WirelessSdpResponse.parse(data, loopback=here.loopback)
        if response.security is not asked.security:
            return f"asked for {asked.security.name}, the station has {response.security.name}"
        if response.coupling is not asked.coupling:
            return f"asked for {asked.coupling.name}, the place has {response.coupling.name}"
        if response.status not in _ENDS:
            return f"the station says {response.status.name}"
        if not self.outcome.done():
            self.outcome.set_result(response)
        return ""
