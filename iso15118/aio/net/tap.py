"""Who listens on a connection: to its octets as they go over the socket, TLS records and
all, and to the V2GTP inside.

For captures and recordings that a user asked for; a connection without an ear hears nothing of this file.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from iso15118.aio.logs import Log

from .stream import MessageStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from iso15118.aio.session_tap import SessionTap

__all__ = ["Ear", "FrameTap", "Tap", "TappedStream"]

_log = Log(__name__)


class Tap(Protocol):
    """Who listens. Times are the loop's, in s. What it raises is logged once, and then it hears no more."""

    def opened(self, local: tuple[str, int], peer: tuple[str, int], now: float) -> None:
        """The connection stands between these addresses and ports."""

    def passed(self, sent: bool, data: bytes, now: float) -> None:
        """Bytes were handed to the socket (``sent``), or came from it."""

    def ended(self, sent: bool, reset: bool, now: float) -> None:
        """This side (``sent``) or the peer closed its direction, or dropped the connection (``reset``)."""


class FrameTap(Tap, Protocol):
    """Who listens to what is inside TLS as well."""

    def octets(self, sent: bool, data: bytes, now: float) -> None:
        """V2GTP that is about to be sent (``sent``), or that came in, in the clear."""

    def over(self, now: float) -> None:
        """The socket is closed: nothing more is heard of this connection."""


class Ear:
    """The ear of one connection: what ``tap`` raises has no consequence. Set it as ``MessageStream.ear``
    before there is a connection."""

    def __init__(self, tap: Tap) -> None:
        self._tap: Tap | None = tap
        self.frames = cast("FrameTap", tap) if hasattr(tap, "octets") else None
        """The same, if it listens to frames."""
        self.session = cast("SessionTap", tap) if hasattr(tap, "session_began") else None
        """The same, if it records the session as well."""
        self._loop = asyncio.get_running_loop()

    def opened(self, transport: asyncio.Transport) -> asyncio.Transport:
        """The connection stands; gives the transport to use in the place of its own."""
        ends = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if all(ends):
            (local, peer) = ((end[0], end[1]) for end in ends)
            self.hear(lambda tap, now: tap.opened(local, peer, now))
        return _TappedTransport(transport, self.hear)

    def came(self, data: bytes) -> None:
        """Bytes came in."""
        self.hear(lambda tap, now: tap.passed(False, data, now))

    def octets(self, sent: bool, data: bytes) -> None:
        """V2GTP in the clear."""
        if self.frames is not None:
            self.hear(lambda tap, now: cast("FrameTap", tap).octets(sent, data, now))

    def closed_by_peer(self) -> None:
        """The peer sends nothing more."""
        self.hear(lambda tap, now: tap.ended(False, False, now))

    def lost(self, error: Exception | None) -> None:
        """The socket is about to be closed."""
        if isinstance(error, ConnectionError):
            self.hear(lambda tap, now: tap.ended(False, True, now))
        if self.frames is not None:
            self.hear(lambda tap, now: cast("FrameTap", tap).over(now))

    def hear(self, what: Callable[[Tap, float], None]) -> None:
        """Tell it, unless it has failed."""
        if self._tap is None:
            return
        try:
            what(self._tap, self._loop.time())
        except Exception as error:
            _log.error("the listener on the connection failed, and hears no more", error=error)
            self._tap = None


class TappedStream(MessageStream):
    """A ``MessageStream`` with a listener; give ``partial(TappedStream, tap=...)`` as
    ``connection``. None: nobody listens."""

    def __init__(self, *arguments: Any, tap: Tap | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.ear = None if tap is None else Ear(tap)


class _TappedTransport(asyncio.Transport):
    """What a ``MessageStream`` needs of a transport, with a listener on what goes out."""

    def __init__(
        self, transport: asyncio.Transport, hear: Callable[[Callable[[Tap, float], None]], None]
    ) -> None:
        super().__init__()
        self._transport = transport
        self._hear = hear

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._transport.set_write_buffer_limits(high, low)

    def write(self, data: Any) -> None:
        copy = bytes(data)
        self._hear(lambda tap, now: tap.passed(True, copy, now))
        self._transport.write(data)

    def write_eof(self) -> None:
        self._transport.write_eof()
        self._hear(lambda tap, now: tap.ended(True, False, now))

    def close(self) -> None:
        self._transport.close()

    def abort(self) -> None:
        self._hear(lambda tap, now: tap.ended(True, True, now))
        self._transport.abort()
