"""A connection with faults that were asked for: what a session sends is dropped, late or wrong,
or the connection goes away.

For tests of the peer at the other end. Which fault befalls which message is decided elsewhere
(``iso15118.testing.wire``); here it happens to a socket, with TLS or without.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from iso15118.channel import Item, Received
from iso15118.errors import MisuseError, V2GError

from .ending import Ending, StreamEnd, TlsEndpoint
from .stream import MessageStream
from .tap import Tap, TappedStream

__all__ = ["Disturbs", "FaultyStream"]

_NO_RECORD: Final = 40
"""Octets of a TLS record that nobody has encrypted: whoever reads it answers with a fatal alert."""
_AS_TOLD: Final = "this side goes away, as it was told to"


class Disturbs(Protocol):
    """What becomes of messages."""

    def sent(self, message: Any, encode: Callable[[Any], bytes]) -> list[tuple[bytes, float] | str]:
        """In place of one that is sent: octets with a delay in s, or a way to go (``fin``,
        ``reset``, ``alert``, ``silence``)."""

    def received(self, message: Any) -> tuple[bytes, float] | None:
        """What one that has come in is answered, without the session hearing of it;
        None: it goes to the session."""


class FaultyStream(TappedStream):
    """A ``MessageStream`` whose messages ``disturb`` may change. Give ``partial(FaultyStream,
    disturb=...)`` as ``connection``."""

    def __init__(self, *arguments: Any, disturb: Disturbs, tap: Tap | None = None, **options: Any) -> None:
        super().__init__(*arguments, tap=tap, **options)
        self._disturb = disturb
        self._free_at = 0.0
        """Nothing overtakes on a stream: what follows something late is late as well."""
        self._waiting: deque[bytes] = deque()
        """What is late, in its order: timers of the same moment fire in any."""
        self._mute = False
        """Nothing more is sent."""
        self._rude = False
        """It ends without close_notify."""

    def send(self, message: Any, *, beside: bool = False) -> None:
        """As the faults will have it."""
        if self._mute:
            return
        for done in self._disturb.sent(message, partial(self._channel.encode, beside=beside)):
            if isinstance(done, str):
                self.go(done)
                return
            self._send_in(*done)

    def _send_in(self, data: bytes, delay_s: float) -> None:
        now = self._loop.time()
        self._free_at = max(self._free_at, now + delay_s)
        if self._free_at > now or self._waiting:
            self._waiting.append(data)
            self._loop.call_at(self._free_at, self._late)
        else:
            self.send_octets(data)

    def _late(self) -> None:
        data = self._waiting.popleft()
        if not self._mute:
            self.send_octets(data)

    def _receiver(self) -> Callable[[MessageStream, Item], None]:
        behind = super()._receiver()

        def take(stream: MessageStream, item: Item) -> None:
            answer = self._disturb.received(item.message) if isinstance(item, Received) else None
            if answer is None:
                behind(stream, item)
            else:
                self._send_in(*answer)

        return take

    def go(self, how: str) -> None:
        """Go away without a word of the session: ``fin``, ``reset``, ``alert`` (TLS only) or ``silence``.
        Raises ``MisuseError`` for another way, or for an alert where there is no TLS."""
        if how == "alert" and self._tls is None:
            raise MisuseError("there is no TLS on this connection, and so no alert")
        if how == "silence":
            self._mute = True
        elif how == "reset":
            self.abort()
        elif how == "fin":
            self._mute = self._rude = True
            self._finish(StreamEnd(Ending.FAULT, _AS_TOLD))
        elif how == "alert":
            self._mute = True
            self._alert()
        else:
            raise MisuseError(f"there is no way {how!r} to go: fin, reset, alert or silence")

    def _say_goodbye(self, tls: TlsEndpoint) -> None:
        if not self._rude:
            super()._say_goodbye(tls)

    def _alert(self) -> None:
        """TLS itself makes the alert, of a record that it cannot read."""
        if self._tls is None:
            return
        record = b"\x17\x03\x03" + _NO_RECORD.to_bytes(2, "big") + os.urandom(_NO_RECORD)
        with contextlib.suppress(V2GError):
            self._tls.receive_data(record)
        self._flush(self._tls)
        self._finish(StreamEnd(Ending.FAULT, _AS_TOLD))
