"""The vocabulary of a connection: its limits, the ways it can end, who is told, and what is needed of TLS.

``stream`` is the pump that speaks it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Protocol

from msgspec import Meta, Struct

from iso15118.ranges import Duration, Ranged

if TYPE_CHECKING:
    from iso15118.channel import Item
    from iso15118.tls import TlsInfo

    from .stream import MessageStream

__all__ = ["Ending", "StreamEnd", "StreamLimits", "StreamOwner", "TlsEndpoint", "TlsSource"]


class StreamLimits(Ranged, frozen=True, kw_only=True):
    """How long and how much a peer may keep us waiting; seconds and bytes. Raises
    ``ConfigError`` naming the key."""

    handshake_s: Duration = 10.0
    """From the connection to the end of the TLS handshake; it has to fit into the communication set-up (18
    s)."""
    idle_s: Duration = 75.0
    """Without a byte from the peer, from the first moment on: a backstop above the session's sequence timer
    (60 s)."""
    linger_s: Duration = 1.0
    """After this side has closed: wait for the peer to do the same before the connection is dropped."""
    unsent: Annotated[int, Meta(ge=1, le=2**30)] = 512 * 1024
    """Bytes that the peer has not fetched; beyond it, it does not read at all."""


class Ending(Enum):
    """How a connection ended; the names are stable, the words are human-readable."""

    CLOSED_BY_PEER = "the peer closed the connection"
    TRUNCATED = "the peer ended the connection without close_notify"
    RESET = "the peer reset the connection"
    TLS_ALERT = "the peer sent a TLS alert"
    TLS_REFUSED = "the peer's TLS is refused"
    BROKEN_FRAME = "the peer sent bytes that are no V2GTP message"
    LINK_DOWN = "the network failed"
    HANDSHAKE_TIMEOUT = "the TLS handshake took too long"
    IDLE = "the peer was silent for too long"
    NOT_READING = "the peer does not take what is sent"
    CLOSED = "this side closed the connection"
    ABORTED = "this side dropped the connection"
    FAULT = "this side failed"


class StreamEnd(Struct, frozen=True):
    """The end of a connection and its cause. ``error`` is what was raised, if anything was."""

    ending: Ending
    detail: str = ""
    error: Exception | None = None

    def __str__(self) -> str:
        return f"{self.ending.value}: {self.detail}" if self.detail else self.ending.value


class StreamOwner(Protocol):
    """Who is told what happens on a stream.

    All are called from the event loop, never from within a call to the stream. One that raises ends the
    stream as ``FAULT``.
    """

    def stream_ready(self, stream: MessageStream) -> None:
        """Messages may be sent: TLS is agreed (``stream.tls_info``), or the connection is plain and open."""

    def stream_received(self, stream: MessageStream, item: Item) -> None:
        """A message came in, or a frame that is none."""

    def stream_ended(self, stream: MessageStream, end: StreamEnd) -> None:
        """Nothing comes in or goes out any more. Called once, before the socket is closed."""


class TlsEndpoint(Protocol):
    """What the pump needs of a TLS connection; ``iso15118.tls.TlsConnection`` is one. All may raise
    ``TlsError``."""

    def receive_data(self, data: bytes) -> bytes:
        """Plaintext out of records."""

    def encrypt(self, data: bytes) -> bytes:
        """Everything that has to go out when this plaintext is sent."""

    def data_to_send(self) -> bytes:
        """Records that wait to go out."""

    def eof_received(self) -> None:
        """The transport ended; raises unless the peer had announced it."""

    def close(self) -> None:
        """Announce the end."""

    @property
    def handshake_complete(self) -> bool:
        """Data may be sent."""

    @property
    def peer_closed(self) -> bool:
        """The peer has announced the end."""

    @property
    def alert_received(self) -> str | None:
        """Name of the peer's last alert."""

    @property
    def info(self) -> TlsInfo | None:
        """What was agreed."""


class TlsSource(Protocol):
    """Where a listener gets its ends of TLS connections from: ``iso15118.tls.TlsContext`` or ``TlsPort``."""

    @property
    def role(self) -> str:
        """``server`` or ``client``."""

    def connect(self) -> TlsEndpoint:
        """One end of a new connection."""
