"""A connection that can be listened to: its bytes as they go over the socket, TLS records and all.

For captures that a user asked for; a connection that nobody listens to is a plain ``MessageStream``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, cast

from iso15118.aio.logs import Log

from .stream import MessageStream

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Tap", "TappedStream"]

_log = Log(__name__)


class Tap(Protocol):
    """Who listens. Times are the loop's, in s. What it raises is logged once, and then it hears no more."""

    def opened(self, local: tuple[str, int], peer: tuple[str, int], now: float) -> None:
        """The connection stands between these addresses and ports."""

    def passed(self, sent: bool, data: bytes, now: float) -> None:
        """Bytes were handed to the socket (``sent``), or came from it."""

    def ended(self, sent: bool, reset: bool, now: float) -> None:
        """This side (``sent``) or the peer closed its direction, or dropped the connection (``reset``)."""


class TappedStream(MessageStream):
    """A ``MessageStream`` with a listener; give ``partial(TappedStream, tap=...)`` as ``connection``. None: nobody listens."""

    def __init__(self, *arguments: Any, tap: Tap | None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tap = tap

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The TCP connection stands."""
        ends = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        if all(ends):
            (local, peer) = ((end[0], end[1]) for end in ends)
            self._hear(lambda tap, now: tap.opened(local, peer, now))
        super().connection_made(_TappedTransport(cast("asyncio.Transport", transport), self._hear))

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes came in."""
        data = bytes(self._view[:nbytes])
        self._hear(lambda tap, now: tap.passed(False, data, now))
        super().buffer_updated(nbytes)

    def eof_received(self) -> bool:
        """The peer sends nothing more."""
        self._hear(lambda tap, now: tap.ended(False, False, now))
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is about to be closed."""
        if isinstance(exc, ConnectionError):
            self._hear(lambda tap, now: tap.ended(False, True, now))
        super().connection_lost(exc)

    def _hear(self, what: Callable[[Tap, float], None]) -> None:
        if self._tap is None:
            return
        try:
            what(self._tap, self._loop.time())
        except Exception as error:
            _log.error("the listener on the connection failed, and hears no more", error=error)
            self._tap = None


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
