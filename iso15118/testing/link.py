"""A cable in memory: what one end sends arrives at the other after a delay, encoded and decoded as on a wire
or handed over as it is.

Deliveries are ordered by time, and by the order of sending within one moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from iso15118.channel import MessageChannel, Received, Skipped
from iso15118.session.events import Event, MessageReceived, TransportLoss, TransportLost, Undecodable

__all__ = ["MemoryTransport"]


class MemoryTransport:
    """One direction of a link. ``wire``: through V2GTP and EXI, as bytes; otherwise the message objects
    themselves travel."""

    def __init__(self, *, wire: bool = True, delay_s: float = 0.0) -> None:
        self.delay_s = delay_s
        self.sent: int = 0
        """Messages sent on this direction."""
        self.tap: Callable[[bytes, float], None] | None = None
        """Gets the bytes that are sent on a wire, and the time."""
        self.broken = False
        """What is sent, and what arrives, is lost."""
        self._sender = MessageChannel() if wire else None
        self._receiver = MessageChannel() if wire else None
        self._queue: deque[tuple[float, Any]] = deque()
        self._closed = False

    @property
    def deadline(self) -> float | None:
        """When the next delivery is due."""
        return self._queue[0][0] if self._queue else None

    def send(self, message: Any, now: float, *, beside: bool = False) -> None:
        """Put a message on the way; ``beside``: on a stream of its own."""
        if self._closed or self.broken:
            return
        self.sent += 1
        if self._sender is None:
            self._queue.append((now + self.delay_s, MessageReceived(message, beside)))
        else:
            self.send_bytes(self._sender.encode(message, beside=beside), now)

    def send_bytes(self, data: bytes, now: float) -> None:
        """Put raw bytes on the way, as a contrary peer would. Only on a wire."""
        if not (self._closed or self.broken):
            self._queue.append((now + self.delay_s, data))
            if self.tap is not None:
                self.tap(data, now)

    def use_schema(self, edition: str) -> None:
        """The sender of this direction speaks ``edition`` from now on."""
        if self._sender is not None:
            self._sender.select(edition)

    def expect_schema(self, edition: str) -> None:
        """The receiver of this direction understands ``edition`` from now on."""
        if self._receiver is not None:
            self._receiver.select(edition)

    def close(self, now: float, how: TransportLoss = TransportLoss.CLOSED) -> None:
        """The sender is gone; the receiver learns it after everything that was sent before."""
        if not self._closed:
            self._closed = True
            if not self.broken:
                self._queue.append((now + self.delay_s, TransportLost(how)))

    def deliver(self, now: float) -> list[Event]:
        """What arrives at ``now``: one delivery."""
        if not self._queue or self._queue[0][0] > now:
            return []
        item = self._queue.popleft()[1]
        if self.broken:
            return []
        if isinstance(item, Event):
            return [item]
        if self._receiver is None:
            raise TypeError(f"{type(item).__name__} on a link without a wire")
        events: list[Event] = []
        for received in self._receiver.receive_data(item):
            match received:
                case Received(message=message, beside=beside):
                    events.append(MessageReceived(message, beside))
                case Skipped():
                    pass
                case broken:
                    events.append(Undecodable(str(broken.error)))
        if self._receiver.more:
            # The first message may change how the next is to be read: it is looked at after the first was dealt with.
            self._queue.appendleft((now, b""))
        return events
