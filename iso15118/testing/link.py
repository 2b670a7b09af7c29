"""A cable in memory: what one end sends arrives at the other after a delay, encoded and decoded as on a wire
or handed over as it is.

Deliveries are ordered by time, and by the order of sending within one moment.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from iso15118.channel import MessageChannel, Received, Skipped
from iso15118.errors import MisuseError
from iso15118.session.events import Event, MessageReceived, TransportLoss, TransportLost, Undecodable
from iso15118.testing.wire import Cut, Sending, WireFaults

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
        self.faults: WireFaults | None = None
        """What becomes of the messages sent; None: they are sent as they are. On a wire only."""
        self.takes: Callable[[Any, float], bool] | None = None
        """Asked of each message that arrives, with the time: whether it is dealt with and the receiver's
        session never hears of it."""
        self.left: Callable[[Cut], None] | None = None
        """Told when a fault takes the sender away."""
        self._sender = MessageChannel() if wire else None
        self._receiver = MessageChannel() if wire else None
        self._queue: deque[tuple[float, Any]] = deque()
        self._closed = False

    @property
    def deadline(self) -> float | None:
        """When the next delivery is due."""
        return self._queue[0][0] if self._queue else None

    def send(self, message: Any, now: float, *, beside: bool = False) -> None:
        """Put a message on the way; ``beside``: on a stream of its own. Raises ``MisuseError`` where nobody
        has agreed how messages are written."""
        if self._closed or self.broken:
            return
        self.sent += 1
        if self._sender is None:
            if self.faults is not None:
                raise MisuseError("there is no wire that could have faults: wire=True")
            self._put(MessageReceived(message, beside), now + self.delay_s)
        elif self.faults is None:
            self.send_bytes(self._sender.encode(message, beside=beside), now)
        else:
            for done in self.faults.sent(message, partial(self._sender.encode, beside=beside)):
                if isinstance(done, Sending):
                    self.send_bytes(done.data, now + done.delay_s)
                else:
                    self.cut(done, now)

    def cut(self, how: Cut, now: float) -> None:
        """The sender goes away; the receiver learns it, if that can be seen, after
        everything that was sent before."""
        if how.seen_as is not None:
            self.close(now, how.seen_as)
        elif self.faults is not None:
            self.faults.go_silent()
        if self.left is not None:
            self.left(how)

    def send_bytes(self, data: bytes, now: float) -> None:
        """Put raw bytes on the way, as a contrary peer would. Only on a wire."""
        if not (self._closed or self.broken):
            self._put(data, now + self.delay_s)
            if self.tap is not None:
                self.tap(data, now)

    def _put(self, item: Any, at: float) -> None:
        """Nothing overtakes on a stream: what is sent after something late is late as well."""
        self._queue.append((max(at, self._queue[-1][0]) if self._queue else at, item))

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
                self._put(TransportLost(how), now + self.delay_s)

    def deliver(self, now: float) -> list[Event]:
        """What arrives at ``now``: one delivery. Raises ``TypeError`` for what nobody can have put there."""
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
                    if self.takes is None or not self.takes(message, now):
                        events.append(MessageReceived(message, beside))
                case Skipped():
                    pass
                case broken:
                    events.append(Undecodable(str(broken.error)))
        if self._receiver.more:
            # The first message may change how the next is to be read: it is looked at
            # after the first was dealt with.
            self._queue.appendleft((now, b""))
        return events
