"""Discovery on real sockets: a station that can be found on an interface, and a car that looks for one, with
a cable or without.

Multicast; unicast to ``::1`` on the loopback interface, where there is no multicast. The decisions
are ``iso15118.sdp``'s.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec.structs import replace

from iso15118.aio.logs import Log
from iso15118.aio.ports.guard import Callback
from iso15118.errors import LinkError, SdpError
from iso15118.sdp import (
    MULTICAST_GROUP,
    SDP_PORT,
    Answer,
    Conflict,
    Found,
    GaveUp,
    Ignored,
    Origin,
    RateLimit,
    Refused,
    SdpClient,
    SdpServer,
    Security,
    SendRequest,
)

from .network import sdp_client_socket, sdp_server_socket

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from iso15118.sdp import SdpAction
    from iso15118.sdp.station import AnyServer
    from iso15118.sdp.vehicle import AnyClient
    from iso15118.sdp.wireless import WirelessSdpRequest
    from iso15118.sdp.wireless_ends import WirelessPlace
    from iso15118.timing import Timing

    from .network import Interface

__all__ = ["SdpListener", "discover", "serve_sdp"]

_log = Log(__name__)

CONFLICT_S: Final = 1.0
"""How long a car still listens after it has found a station: to hear of a second
one, which delays nothing."""

_after_finding: set[asyncio.Task[None]] = set()  # the loop itself keeps no task alive


class SdpListener(asyncio.DatagramProtocol):
    """A station that can be found, until ``close``. Nothing that comes in, and nothing that fails on the way
    out, ends it."""

    def __init__(
        self,
        server: AnyServer[Any],
        interface: Interface,
        on_request: Callable[[Origin, Answer | Ignored], None] | None,
    ) -> None:
        self._server = server
        self._interface = interface
        self._on_request = Callback("the callback on_request of discovery", on_request, lasting=True)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.DatagramTransport | None = None
        self._log_rate = RateLimit(per_second=0.1, burst=3.0)

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
        if isinstance(outcome, Answer):
            self._transport.sendto(outcome.data, addr)
            _log.info("discovery on %s: answered %s: %s", self._interface.name, origin, outcome.response)
        else:
            # A car that is not invited is worth a word to people; garbage and floods are not.
            told = outcome.busy and self._log_rate.admit(self._loop.time())
            say = _log.info if told else _log.debug
            say("discovery on %s: no answer to %s: %s", self._interface.name, origin, outcome.reason)
        self._on_request(origin, outcome)

    def error_received(self, exc: Exception) -> None:
        """The network refused a datagram; the next one may pass."""
        _log.debug("discovery on %s: %s", self._interface.name, exc)


async def serve_sdp(
    interface: Interface,
    ports: Mapping[Security, int],
    *,
    port: int = SDP_PORT,
    rate: RateLimit | None = None,
    may_answer: Callable[[Origin], bool] | None = None,
    on_request: Callable[[Origin, Answer | Ignored], None] | None = None,
    place: WirelessPlace | None = None,
) -> SdpListener:
    """Answer cars on this interface: ``ports`` says where the station listens with which security. With a
    ``place`` those that ask without a cable are answered, and only they.

    ``port`` is another UDP port than 15118 for tests on one machine, 0 for any free one. ``rate``: the limit
    of each origin. ``may_answer``: asked at every request, with its origin; while it says False nobody is
    invited. ``on_request`` hears of every datagram. Raises ``LinkError`` if the port cannot be had,
    ``MisuseError`` for ports that nobody could connect to, and a place that no answer can carry.
    """
    make: Callable[..., AnyServer[Any]] = SdpServer
    if place is not None:
        from iso15118.sdp.wireless_ends import WirelessSdpServer  # which a cable does not load

        make = partial(WirelessSdpServer, place=place)
    server = make(
        address=interface.address,
        ports=ports,
        interface_index=interface.index,
        loopback=interface.loopback,
        rate=rate,
        may_answer=may_answer,
    )
    sock = sdp_server_socket(interface, port)
    loop = asyncio.get_running_loop()
    _, listener = await loop.create_datagram_endpoint(
        lambda: SdpListener(server, interface, on_request), sock=sock
    )
    return listener


async def discover(
    interface: Interface,
    *,
    security: Security = Security.TLS,
    accept: Collection[Security] | None = None,
    port: int = SDP_PORT,
    timing: Timing | None = None,
    on_action: Callable[[SdpAction], None] | None = None,
    alone_s: float | None = None,
    wireless: WirelessSdpRequest | None = None,
) -> Found:
    """Look for a station on this interface until one answers.

    ``security`` is what to ask for, ``accept`` which answers to take: by default only that one. ``wireless``:
    what is asked, with this security, where no cable joins the two; who knows the vehicle is taken before
    who does not. ``on_action``
    hears of every request, refusal and the end, and for a second after it of a ``Conflict``: what another
    station answers. ``alone_s``: the station that was found has to be the only one, for so long in s. Raises
    ``LinkError`` when nobody usable answered, with the reason of the last refusal or network error, or when
    another one answered, too; ``MisuseError`` for a request that cannot be written.
    """
    make: Callable[..., AnyClient[Any]] = partial(SdpClient, security=security)
    if wireless is not None:
        from iso15118.sdp.wireless_ends import WirelessSdpClient

        make = partial(WirelessSdpClient, replace(wireless, security=security))
    client = make(interface_index=interface.index, accept=accept, loopback=interface.loopback, timing=timing)
    sock = sdp_client_socket(interface)
    loop = asyncio.get_running_loop()
    group = str(interface.address if interface.loopback else MULTICAST_GROUP)
    transport, search = await loop.create_datagram_endpoint(
        lambda: _Search(client, (group, port, 0, interface.scope_id), on_action), sock=sock
    )
    try:
        found = await search.outcome
        if alone_s is not None:
            await asyncio.wait((search.conflict,), timeout=alone_s)
            if search.conflict.done():
                why = search.conflict.result().reason
                raise LinkError(f"more than one station answers: {why} (session.sdp_second_answer)")
    except BaseException:
        search.stop()
        transport.close()
        raise
    listening = loop.create_task(_listen_on(transport), name="discovery: is there another station?")
    _after_finding.add(listening)
    listening.add_done_callback(_after_finding.discard)
    return found


async def _listen_on(transport: asyncio.DatagramTransport) -> None:
    try:
        await asyncio.sleep(CONFLICT_S)
    finally:
        transport.close()


class _Search(asyncio.DatagramProtocol):
    """Drives one search."""

    def __init__(
        self,
        client: AnyClient[Any],
        target: tuple[str, int, int, int],
        on_action: Callable[[SdpAction], None] | None,
    ) -> None:
        self._client = client
        self._target = target
        self._on_action = Callback("the callback on_action of discovery", on_action, lasting=True)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._network_error = ""
        self._log_rate = RateLimit(per_second=1.0, burst=10.0)
        self.outcome: asyncio.Future[Found] = self._loop.create_future()
        self.conflict: asyncio.Future[Conflict] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._do(self._client.start(self._loop.time()))

    def datagram_received(self, data: bytes, addr: tuple[str, int] | tuple[str, int, int, int]) -> None:
        try:
            origin = Origin.of_socket(addr)
        except SdpError as error:
            _log.debug("discovery: %s", error)
            return
        self._do(self._client.handle(data, origin, self._loop.time()))

    def error_received(self, exc: Exception) -> None:
        self._network_error = f"; the network said: {getattr(exc, 'strerror', None) or exc}"

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self.outcome.done():
            self.outcome.set_exception(LinkError(f"the discovery socket was closed: {exc or 'by this side'}"))
            self.outcome.exception()  # who was cancelled while it was made is not there any more to look

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.outcome.cancel()

    def _timeout(self) -> None:
        self._do(self._client.handle_timeout(self._loop.time()))

    def _do(self, actions: list[SdpAction]) -> None:
        for action in actions:
            match action:
                case SendRequest(data=data):
                    cast("asyncio.DatagramTransport", self._transport).sendto(data, self._target)
                case Refused(reason=reason, origin=origin, waits=True):
                    _log.debug("discovery: %s: %s", origin, reason)
                case Refused(reason=reason, origin=origin, downgrade=downgrade):
                    if self._log_rate.admit(self._loop.time()):
                        what = "less security than asked for: " if downgrade else ""
                        _log.warning("discovery: refused the answer of %s: %s%s", origin, what, reason)
                case Conflict() as conflict:
                    _log.warning("discovery: more than one station: %s", conflict.reason)
                    if not self.conflict.done():
                        self.conflict.set_result(conflict)
                case Found() as found:
                    if not self.outcome.done():
                        self.outcome.set_result(found)
                case GaveUp(reason=reason):
                    if not self.outcome.done():
                        self.outcome.set_exception(
                            LinkError(f"{reason} to UDP port {self._target[1]}{self._network_error}")
                        )
            self._on_action(action)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (deadline := self._client.deadline) is not None:
            self._timer = self._loop.call_at(deadline, self._timeout)
