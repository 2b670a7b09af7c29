"""One TCP connection, with TLS or without, that carries typed messages: the pump between a transport and a
channel.

It knows limits, ends and their causes; it knows no session. Whoever owns a stream is called back, once for
the end, and never sees a byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from enum import Enum
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Final, cast

from iso15118.aio.logs import Log
from iso15118.channel import MessageChannel
from iso15118.errors import FrameError, MisuseError, TlsError, V2GError
from iso15118.v2gtp import HEADER_LENGTH, SAP_CAP, VERSION

from .ending import Ending, StreamEnd, StreamLimits, StreamOwner, TlsEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable

    from iso15118.channel import Item
    from iso15118.tls import TlsInfo

    from .tap import Ear

__all__ = ["MessageStream"]

_log = Log(__name__)

_RECEIVE_BUFFER: Final = 16 * 1024
"""Bytes taken from the socket in one turn of the loop: many messages, but no peer keeps the loop to
itself."""

_MAX_HELD: Final = 16 * 1024
"""Bytes that a peer may send ahead of its session: a vehicle sends one request and waits for the answer."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds


class _Phase(Enum):
    NEW = "not connected yet"
    HANDSHAKE = "TLS is being agreed"
    OPEN = "messages both ways"
    GRACE = "our last answer is sent, the peer may close, or say goodbye first and be answered"
    LINGER = "our side is closed; what still comes in is dropped"
    GONE = "nothing any more"

    __hash__ = object.__hash__  # each is one object; asked for with every message


_TALKING: Final = frozenset((_Phase.OPEN, _Phase.GRACE))
_PEER_IS_DONE: Final = frozenset((Ending.CLOSED_BY_PEER, Ending.TRUNCATED, Ending.TLS_ALERT))


class MessageStream(asyncio.BufferedProtocol):
    """One connection. Give it to ``create_server`` or ``connect``; it calls ``owner.stream_ready`` when
    messages may be sent.

    ``tls`` is this end of a new TLS connection; None means plain TCP, which ISO 15118-20 does not allow on a
    public cable. ``plain_too``: for a server that serves both: a peer whose first octet is that of a V2GTP
    header is spoken to in the clear. ``speaks_first``: for a server: on a connection without TLS, which has
    no handshake, the owner hears of it only when the peer's first message is there as a whole, within the
    time of a handshake; whoever connects and says nothing keeps nobody waiting.
    """

    def __init__(
        self,
        owner: StreamOwner,
        *,
        tls: TlsEndpoint | None,
        plain_too: bool = False,
        speaks_first: bool = False,
        channel: MessageChannel | None = None,
        limits: StreamLimits | None = None,
    ) -> None:
        self._owner = owner
        self._tls = tls
        self._undecided = plain_too and tls is not None
        """Nothing has come in, so that it is not known which kind of connection this is."""
        self._first: bytearray | None = bytearray() if speaks_first else None
        """What there is of the peer's first message in the clear; None: it need not
        be waited for, or is there."""
        self._channel = channel if channel is not None else MessageChannel()
        self._limits = limits if limits is not None else StreamLimits()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._phase = _Phase.NEW
        self._view = memoryview(bytearray(_RECEIVE_BUFFER))
        self._heard = 0.0
        self._held: bytearray | None = None
        """What came in while nobody was there to take it; None: it is delivered."""
        self._answered = False
        self._watch: asyncio.TimerHandle | None = None
        self._planned_end: StreamEnd | None = None
        """What to report when the socket is gone and nothing else was reported."""
        self._end: StreamEnd | None = None
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self.ear: Ear | None = None
        """Who listens, for a capture or a recording."""

    # -- for the owner ------------------------------------------------------------------------------------

    @property
    def secure(self) -> bool:
        """The connection runs over TLS."""
        return self._tls is not None

    @property
    def tls_info(self) -> TlsInfo | None:
        """What TLS agreed on; None on a plain connection and before ``stream_ready``."""
        return self._tls.info if self._tls is not None else None

    @property
    def end(self) -> StreamEnd | None:
        """How it ended; None as long as it has not."""
        return self._end

    @property
    def peer_address(self) -> IPv6Address | None:
        """Address of the other side, without its port and interface; None before there
        is one, and after the end."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        try:
            return IPv6Address(name[0].partition("%")[0]) if name else None
        except ValueError:
            return None

    @property
    def peer(self) -> str:
        """Address and port of the other side, human-readable."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return f"[{name[0]}]:{name[1]}" if name else "nobody"

    def send(self, message: Any, *, beside: bool = False) -> None:
        """Encode and send. What is sent after the end, or after ``close``, goes nowhere.

        Raises ``ExiError`` or ``MisuseError`` for a message that cannot be encoded, ``MisuseError`` before
        ``stream_ready``. Trouble of the link is no exception here: it comes as the end.
        """
        self.send_octets(self._channel.encode(message, beside=beside))

    def send_octets(self, data: bytes) -> None:
        """Send octets of V2GTP as they are: for tests, which send what no session
        would. Otherwise as ``send``."""
        if self._phase not in _TALKING:
            if self._phase in (_Phase.NEW, _Phase.HANDSHAKE):
                raise MisuseError("the connection is not ready: wait for stream_ready")
            return
        if self.ear is not None:
            self.ear.octets(True, data)
        if self._tls is not None:
            try:
                data = self._tls.encrypt(data)
            except TlsError as error:
                self._drop(StreamEnd(Ending.TLS_REFUSED, str(error), error))
                return
        cast("asyncio.Transport", self._transport).write(data)

    def hold(self) -> None:
        """Keep what comes in until somebody adopts the stream. To be called from ``stream_ready``."""
        if self._held is None:
            self._held = bytearray()

    def adopt(self, owner: StreamOwner) -> None:
        """A new owner for a stream that is held: it is told ``stream_ready`` now, and then all that came
        meanwhile. One that has ended meanwhile tells so instead."""
        self._owner = owner
        held, self._held = self._held, None
        if self._end is not None:
            owner.stream_ended(self, self._end)
            return
        if self._phase is not _Phase.OPEN:
            return
        try:
            owner.stream_ready(self)
            if held and self._phase is _Phase.OPEN:
                self._deliver(bytes(held))
        except FrameError as error:
            self._finish(StreamEnd(Ending.BROKEN_FRAME, str(error), error))
        except Exception as error:
            self._fault(error)

    @property
    def answered(self) -> bool:
        """The peer's first flight was answered, so it is worth waiting for the next one."""
        return self._answered

    def select(self, edition: str) -> None:
        """Speak this edition from the next message on. Raises ``MisuseError`` for one that there is not."""
        self._channel.select(edition)

    def close(self, grace_s: float = 0.0) -> None:
        """Close in order: what was sent still arrives, then close_notify, then the end of the stream.

        With ``grace_s`` the peer may close first, for that many seconds [V2G20-1643]; what it still sends
        meanwhile is delivered, and can be answered. Without it the owner hears of nothing more but the end.
        """
        if self._phase in (_Phase.NEW, _Phase.HANDSHAKE):
            self.abort()
        elif self._phase is _Phase.OPEN and grace_s > 0.0:
            self._phase = _Phase.GRACE
            self._watch_in(grace_s, self._close_now)
        elif self._phase in (_Phase.OPEN, _Phase.GRACE) and grace_s <= 0.0:
            self._close_now()

    def abort(self) -> None:
        """Drop the connection: the peer sees a reset, what was not sent yet is lost."""
        self._drop(StreamEnd(Ending.ABORTED))

    async def wait_closed(self) -> None:
        """Wait until the socket is closed."""
        await asyncio.shield(self._closed)

    # -- called by asyncio --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection stands."""
        self._transport = cast("asyncio.Transport", transport)
        if self.ear is not None:
            self._transport = self.ear.opened(self._transport)
        if self._phase is not _Phase.NEW:  # dropped before it began
            self._drop(StreamEnd(Ending.ABORTED))
            return
        self._transport.set_write_buffer_limits(high=self._limits.unsent)
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._heard = self._loop.time()
        if self._tls is None and self._first is None:
            self._open()
            return
        self._phase = _Phase.HANDSHAKE
        self._watch_in(self._limits.handshake_s, self._handshake_late)
        if self._tls is None:
            return
        try:
            self._flush(self._tls)  # a client speaks first
        except Exception as error:
            self._fault(error)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where asyncio puts what comes in."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came in."""
        self._heard = self._loop.time()
        data = bytes(self._view[:nbytes])
        if self.ear is not None:
            self.ear.came(data)
        try:
            if self._undecided:
                self._undecided = False
                if data[0] == VERSION:
                    self._tls = None
                    if self._first is None:
                        self._open()
            if self._tls is None and self._first is not None:
                self._first += data
                if not _is_whole(self._first):
                    return
                data, self._first = bytes(self._first), None
                self._open()
            if self._tls is not None:
                self._receive_records(self._tls, data)
            elif self._phase in _TALKING:
                self._deliver(data)
        except FrameError as error:
            self._finish(StreamEnd(Ending.BROKEN_FRAME, str(error), error))
        except Exception as error:
            self._fault(error)

    def eof_received(self) -> bool:
        """The peer sends nothing more. False: the transport is closed when all that was written is out."""
        if self.ear is not None:
            self.ear.closed_by_peer()
        if self._listening:
            try:
                if self._tls is not None:
                    self._tls.eof_received()
            except TlsError as error:
                self._finish(StreamEnd(Ending.TRUNCATED, str(error), error))
            except Exception as error:
                self._fault(error)
            else:
                self._finish(StreamEnd(Ending.CLOSED_BY_PEER))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is about to be closed."""
        end = self._planned_end
        if end is None and isinstance(exc, ConnectionError) and self._tls is not None and self._listening:
            end = self._last_words(self._tls)
        if end is None:
            if exc is None or self._phase is _Phase.LINGER:
                end = StreamEnd(Ending.CLOSED, str(exc or ""))
            elif isinstance(exc, ConnectionError):
                end = StreamEnd(Ending.RESET, str(exc), exc)
            else:
                end = StreamEnd(Ending.LINK_DOWN, str(exc), exc)
        self._phase = _Phase.GONE
        try:
            self._finish(end)
        finally:
            if self._watch is not None:
                self._watch.cancel()
            if not self._closed.done():
                self._closed.set_result(None)
            if self.ear is not None:
                self.ear.lost(exc)

    def _last_words(self, tls: TlsEndpoint) -> StreamEnd | None:
        """A peer that sends an alert and resets the connection: what it said may still lie in
        the socket, and says why."""
        sock = self._transport.get_extra_info("socket") if self._transport is not None else None
        if sock is None:
            return None
        try:
            while rest := os.read(sock.fileno(), _RECEIVE_BUFFER):
                tls.receive_data(rest)
        except (OSError, ValueError):  # nothing more, or no descriptor any more
            return None
        except TlsError as error:
            if tls.alert_received not in (None, "close_notify"):
                return StreamEnd(Ending.TLS_ALERT, str(error), error)
        return None

    def pause_writing(self) -> None:
        """More waits to be sent than the limit allows. Called from within ``send``: the owner hears of it in
        the next turn."""
        self._drop(StreamEnd(Ending.NOT_READING, f"more than {self._limits.unsent} bytes wait to be sent"))

    # -- what comes in ------------------------------------------------------------------------------------

    def _receive_records(self, tls: TlsEndpoint, data: bytes) -> None:
        if not self._listening:
            return
        try:
            plain = tls.receive_data(data)
        except TlsError as error:
            alerted = tls.alert_received not in (None, "close_notify")
            self._finish(StreamEnd(Ending.TLS_ALERT if alerted else Ending.TLS_REFUSED, str(error), error))
            return
        self._flush(tls)
        if self._phase is _Phase.HANDSHAKE and tls.handshake_complete:
            self._open()
        if plain and self._phase in _TALKING:
            self._deliver(plain)
        if tls.peer_closed and self._listening:
            self._finish(StreamEnd(Ending.CLOSED_BY_PEER))

    @property
    def _listening(self) -> bool:
        return self._phase not in (_Phase.LINGER, _Phase.GONE)

    def _deliver(self, data: bytes) -> None:
        if self._held is not None:
            self._held += data
            if len(self._held) > _MAX_HELD:
                raise FrameError(f"more than {_MAX_HELD} bytes before the session has begun")
            return
        if self.ear is not None:
            self.ear.octets(False, data)
        channel, received = self._channel, self._receiver()
        items = channel.receive_data(data)
        while items:
            for item in items:
                received(self, item)
                if self._phase not in _TALKING:
                    return
            if not channel.more:
                return
            items = channel.receive_data(b"")

    def _receiver(self) -> Callable[[MessageStream, Item], None]:
        """Who takes what comes in."""
        return self._owner.stream_received

    def _open(self) -> None:
        self._phase = _Phase.OPEN
        self._watch_in(self._limits.idle_s, self._check_idle)
        try:
            self._owner.stream_ready(self)
        except Exception as error:
            self._fault(error)

    def _flush(self, tls: TlsEndpoint) -> None:
        if data := tls.data_to_send():
            self._answered = True
            cast("asyncio.Transport", self._transport).write(data)

    # -- time ---------------------------------------------------------------------------------------------

    def _watch_in(self, seconds: float, then: Callable[[], None]) -> None:
        if self._watch is not None:
            self._watch.cancel()
        self._watch = self._loop.call_later(seconds, then)

    def _handshake_late(self) -> None:
        self._finish(StreamEnd(Ending.HANDSHAKE_TIMEOUT, f"not over after {self._limits.handshake_s:g} s"))

    def _check_idle(self) -> None:
        left = self._heard + self._limits.idle_s - self._loop.time()
        if left > 0.0:
            self._watch_in(left, self._check_idle)
        else:
            self._finish(StreamEnd(Ending.IDLE, f"nothing came for {self._limits.idle_s:g} s"))

    # -- the end ------------------------------------------------------------------------------------------

    def _finish(self, end: StreamEnd) -> None:
        """Tell the owner first, so that the hardware is safe, then let go of the socket."""
        if self._end is not None:
            return
        self._end = end
        if self._phase is not _Phase.GONE:
            self._phase = _Phase.LINGER
        try:
            self._owner.stream_ended(self, end)
        except Exception as error:
            _log.error(
                "the owner of the connection to %s failed at its end (%s)", self.peer, end, error=error
            )
        if self._phase is _Phase.GONE:
            return
        self._close_now()
        if end.ending in _PEER_IS_DONE:
            cast("asyncio.Transport", self._transport).close()

    def _fault(self, error: Exception) -> None:
        _log.error("a fault of this side ends the connection to %s", self.peer, error=error)
        self._finish(StreamEnd(Ending.FAULT, f"{type(error).__name__}: {error}", error))

    def _close_now(self) -> None:
        """Close our side and wait for the peer to close its own: closing at once would reset what it has not
        read yet."""
        self._phase = _Phase.LINGER
        transport = cast("asyncio.Transport", self._transport)
        if self._tls is not None:
            self._say_goodbye(self._tls)
        try:
            transport.write_eof()
        except OSError:  # reset meanwhile
            transport.abort()
        self._watch_in(self._limits.linger_s, self._lingered)

    def _say_goodbye(self, tls: TlsEndpoint) -> None:
        """close_notify, or the alert that says why."""
        try:
            with contextlib.suppress(V2GError):  # after a fatal alert there is nothing to announce
                tls.close()
            self._flush(tls)
        except Exception as error:
            _log.error("TLS failed at the end of the connection to %s", self.peer, error=error)

    def _lingered(self) -> None:
        self._drop(StreamEnd(Ending.CLOSED, f"the peer did not close within {self._limits.linger_s:g} s"))

    def _drop(self, end: StreamEnd) -> None:
        if self._planned_end is None:
            self._planned_end = end
        self._phase = _Phase.GONE
        if self._transport is None:
            return
        if (sock := self._transport.get_extra_info("socket")) is not None:
            with contextlib.suppress(OSError, ValueError):  # closed meanwhile; uvloop says so by a ValueError
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()


def _is_whole(octets: bytearray) -> bool:
    """A first message that is there to its end; also a header that is none, which the channel says."""
    if len(octets) < HEADER_LENGTH:
        return False
    if octets[0] != VERSION:
        return True
    length = int.from_bytes(octets[4:HEADER_LENGTH], "big")
    return length > SAP_CAP or len(octets) >= HEADER_LENGTH + length
