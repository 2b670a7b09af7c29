"""Where connections come in: TLS is agreed on many at once, and those that are ready
are handed out one at a time.

A connection that stalls in its handshake costs memory and a place, never the place of a session; whoever
agrees first is served first. While a session runs, few are taken in and slowly: the vehicle of that session
may have started anew, and is recognised by what it proves in its handshake. All others wait.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from iso15118.aio.logs import Log
from iso15118.sdp import RateLimit

if TYPE_CHECKING:
    import socket

    from iso15118.channel import Item

    from .ending import StreamEnd, StreamOwner, TlsSource
    from .stream import MessageStream

__all__ = ["HandshakePool"]

_log = Log(__name__)

_ACCEPT_RETRY_S: Final = 1.0  # when the system is out of descriptors or memory

MAX_OPENINGS: Final = 128
"""Connections in their handshake, about 100 KiB each. Beyond it the oldest makes way, a silent one
before one that was answered."""
_SILENT_S: Final = 0.1
"""What a connection is given for its first flight before it may have to make way for another one..."""
_ANSWERED_S: Final = 3.0
"""...and for the rest of the handshake: a vehicle's controller may need seconds for its signature."""

BUSY_OPENINGS: Final = 4
"""Connections in their handshake while a session runs."""
BUSY_WAITING: Final = 4
"""Connections that wait for the end of the session that runs; the oldest makes way for a new one."""
BUSY_RATE: Final = (5.0, 5.0)
"""Connections a second, and at once, that are taken in while a session runs: their handshakes may cost it a
few percent of a processor at most. A returning vehicle that has sixteen strangers before it in the system's
backlog is heard after 3 s."""


class HandshakePool:
    """Takes in the connections of any number of listeners, from ``open`` on.

    ``make`` gives a new stream for an owner and this end of TLS, ``taken_in`` hears of it. ``serve``
    gets one that is ready, has to adopt it at once, and gets no other before ``free`` is called.
    ``refused`` hears of connections that came to nothing. ``returns`` is asked about each connection
    that came in after the one whose session runs: True if it is that session's vehicle, whose session
    ends then; it is the next to be served, and makes way for nobody. ``same`` tells whether two
    connections are of one vehicle: then the later one counts, for whoever connects anew has given up
    what was before, and may have done so several times.
    """

    def __init__(
        self,
        make: Callable[[StreamOwner, TlsSource | None], MessageStream],
        *,
        taken_in: Callable[[MessageStream], None],
        serve: Callable[[MessageStream], None],
        refused: Callable[[StreamEnd], None],
        returns: Callable[[MessageStream], bool] | None = None,
        same: Callable[[MessageStream, MessageStream], bool] = lambda one, other: False,
        most: int = MAX_OPENINGS,
    ) -> None:
        self._returns, self._same = returns, same
        self._busy_rate = RateLimit(*BUSY_RATE)
        self._numbers: weakref.WeakKeyDictionary[MessageStream, int] = weakref.WeakKeyDictionary()
        """Connections in the order in which they came in."""
        self._count = self._serving = 0
        """How many came in, and the number of the one whose session runs."""
        self._returned: MessageStream | None = None
        """The vehicle of the session that runs, which waits for its end."""
        self._make = make
        self._taken_in, self._serve, self._refused = taken_in, serve, refused
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._openings: dict[MessageStream, float] = {}
        self._ready: deque[MessageStream] = deque()
        self._busy = self._closed = False

    @property
    def openings(self) -> int:
        """Connections whose handshake is not over."""
        return len(self._openings)

    # -- for the server -----------------------------------------------------------------------------------

    async def listen(self, listener: socket.socket, tls: TlsSource | None) -> None:
        """Take connections in until cancelled."""
        loop = self._loop
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except ConnectionError:
                continue
            except OSError as error:
                _log.error("no connection could be accepted: %s", error)
                await asyncio.sleep(_ACCEPT_RETRY_S)
                continue
            stream: MessageStream | None = None
            try:
                await self._pace()
                await self._make_room()
                stream = self._make(_Guest(self), tls)
                self._count += 1
                self._numbers[stream] = self._count
                self._openings[stream] = loop.time()
                self._taken_in(stream)
                await loop.connect_accepted_socket(lambda stream=stream: stream, sock)  # type: ignore[misc]
            except asyncio.CancelledError:
                sock.close()
                raise
            except Exception as error:
                _log.error("a connection failed; the next one is awaited", error=error)
                sock.close()
                if stream is not None:
                    stream.connection_lost(error)  # nobody else tells it, and somebody waits for its end

    def free(self) -> None:
        """The session of the last one is over."""
        self._busy = False
        self._go_on()

    def drop(self) -> None:
        """Drop everybody who is not in a session yet: the data link is gone."""
        for stream in (*self._openings, *self._ready):
            stream.abort()

    def close(self) -> None:
        """Hand out nothing more, and drop everybody."""
        self._closed = True
        self.drop()

    # -- the handshakes -----------------------------------------------------------------------------------

    async def _pace(self) -> None:
        while self._busy and not self._busy_rate.admit(self._loop.time()):  # noqa: ASYNC110 - it is the time that is waited for
            await asyncio.sleep(1.0 / BUSY_RATE[0])

    async def _make_room(self) -> None:
        while len(self._openings) >= (min(self._most, BUSY_OPENINGS) if self._busy else self._most):
            now = self._loop.time()
            oldest = min(self._openings, key=lambda stream: (stream.answered, self._openings[stream]))
            patience = _ANSWERED_S if oldest.answered else _SILENT_S
            left = self._openings[oldest] + patience - now
            if left > 0.0:
                await asyncio.sleep(left)
            else:
                del self._openings[oldest]
                oldest.abort()

    def opened(self, stream: MessageStream) -> None:
        """A handshake is over, and well."""
        self._openings.pop(stream, None)
        if self._closed:
            stream.abort()
        elif self._busy:
            stream.hold()
            self._wait(stream)
        else:
            self._begin(stream)

    def _wait(self, stream: MessageStream) -> None:
        """Put it in its place among those that wait for the end of the session that runs."""
        number = self._numbers[stream]
        own = [one for one in self._ready if self._same(stream, one)]
        if any(self._numbers[one] > number for one in own):
            stream.close()  # its vehicle has connected anew since
            return
        first = number > self._serving and self._returns is not None and self._returns(stream)
        for one in own:
            first = first or one is self._returned
            self._ready.remove(one)
            one.close()
        if first:
            self._returned = stream
            self._ready.appendleft(stream)
            return
        self._ready.append(stream)
        others = [one for one in self._ready if one is not self._returned]
        if len(others) > BUSY_WAITING:
            self._ready.remove(others[0])
            others[0].close()

    def ended(self, stream: MessageStream, end: StreamEnd) -> None:
        """A connection ended before it had a session."""
        if stream in self._ready:
            self._ready.remove(stream)
        self._openings.pop(stream, None)
        self._refused(end)

    def _begin(self, stream: MessageStream) -> None:
        self._busy = True
        self._serving, self._returned = self._numbers[stream], None
        try:
            self._serve(stream)
        except BaseException:
            self.free()
            raise

    def _go_on(self) -> None:
        if self._closed:
            return
        if self._ready:
            self._begin(self._ready.popleft())


class _Guest:
    """Owner of a stream that has no session yet."""

    def __init__(self, reception: HandshakePool) -> None:
        self._reception = reception

    def stream_ready(self, stream: MessageStream) -> None:
        self._reception.opened(stream)

    def stream_received(self, stream: MessageStream, item: Item) -> None:
        """Never called: a stream is held before anything can come in."""

    def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
        self._reception.ended(stream, end)
