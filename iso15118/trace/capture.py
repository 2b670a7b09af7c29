"""A capture in the making: datagrams, the bytes of one connection and its TLS secrets in, pcapng out.

It writes no file. Whoever does holds secrets in the bytes that ``take`` returns as soon as one was given.
"""

from __future__ import annotations

from iso15118 import __version__

from . import pcapng
from .packets import Endpoint, TcpConversation, udp_packet

__all__ = ["Capture"]


class Capture:
    """Call ``take`` now and then for what there is to be written, and at the end.

    ``epoch``: what has to be added to the clock of the calls to get Unix time, in s. ``note``
    is for the reader of the file.
    """

    def __init__(self, *, epoch: float, note: str = "") -> None:
        self._epoch = epoch
        self._conversation: TcpConversation | None = None
        comment = "Payloads are real, the headers of Ethernet, IPv6, UDP and TCP are made up around them."
        self._done = [
            pcapng.section(f"iso15118-stack {__version__}", f"{comment} {note}".strip()),
            pcapng.interface("cable"),
        ]
        self._secrets: list[str] = []
        self._packets: list[bytes] = []
        self._waiting = 0

    def __repr__(self) -> str:
        return f"Capture({self._waiting} bytes waiting)"

    @property
    def waiting(self) -> int:
        """Bytes of packets that were not taken yet."""
        return self._waiting

    @property
    def connected(self) -> bool:
        """A connection was opened."""
        return self._conversation is not None

    def secret(self, line: str) -> None:
        """A line of the TLS key log: it is written before the packets that wait."""
        self._secrets.append(line)

    def datagram(self, source: Endpoint, destination: Endpoint, payload: bytes, now: float) -> None:
        """A datagram of the discovery."""
        self._add([udp_packet(source, destination, payload)], now)

    def open(self, client: Endpoint, server: Endpoint, now: float) -> None:
        """A connection stands; what follows belongs to it."""
        self._conversation = TcpConversation(client, server)
        self._add(self._conversation.open(), now)

    def data(self, from_client: bool, data: bytes, now: float) -> None:
        """Bytes as they stand on the connection: TLS records, or V2GTP frames where there is no TLS."""
        if self._conversation is not None:
            self._add(self._conversation.data(from_client, data), now)

    def finish(self, from_client: bool, now: float) -> None:
        """One side sends nothing more."""
        if self._conversation is not None:
            self._add(self._conversation.finish(from_client), now)

    def reset(self, from_client: bool, now: float) -> None:
        """One side dropped the connection."""
        if self._conversation is not None:
            self._add(self._conversation.reset(from_client), now)

    def take(self) -> bytes:
        """What is to be added to the file."""
        if self._secrets:
            self._done.append(pcapng.tls_secrets("".join(f"{line}\n" for line in self._secrets).encode()))
            self._secrets.clear()
        data = b"".join(self._done + self._packets)
        self._done.clear()
        self._packets.clear()
        self._waiting = 0
        return data

    def _add(self, frames: list[bytes], now: float) -> None:
        for frame in frames:
            block = pcapng.packet(frame, self._epoch + now)
            self._packets.append(block)
            self._waiting += len(block)
