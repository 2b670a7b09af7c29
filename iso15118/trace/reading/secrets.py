"""TLS secrets by the connection that they belong to, from lines of an NSS key log wherever these stand: a
file, a capture's secrets block, or datagrams in which an end discloses them.

Secrets are in no representation and in no message of an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["LONGEST_LINE", "Secrets", "Session", "holds_secrets", "lines_in"]

_LINE: Final = re.compile(
    rb"(CLIENT_RANDOM|(?:CLIENT|SERVER)_(?:HANDSHAKE_TRAFFIC_SECRET|TRAFFIC_SECRET_[0-9]{1,3}))"
    rb"[ \t]+([0-9a-fA-F]{64})[ \t]+([0-9a-fA-F]{96}|[0-9a-fA-F]{64})(?![0-9a-fA-F])"
)
"""Secrets have 32 or 48 octets; the master secret of TLS 1.2 always 48."""
LONGEST_LINE: Final = 300
_MOST_SESSIONS: Final = 1 << 16
_LABELS_EACH: Final = 16


class Session(dict[str, bytes]):
    """The secrets of one connection by their labels. ``source``: where the first of them came from."""

    def __init__(self, random: bytes, source: str) -> None:
        super().__init__()
        self.random, self.source = random, source

    def __repr__(self) -> str:
        return f"Session({self.random.hex()[:16]}, {', '.join(self)})"


def lines_in(data: bytes, *, more: bool = False) -> Iterator[tuple[str, bytes, bytes]]:
    """Label, client random and secret of every line in ``data``, wherever it stands. ``more``: it goes on, so
    that what is at its end may be the beginning of a secret only."""
    for found in _LINE.finditer(data):
        if more and found.end() == len(data):
            return
        label, random, secret = found.groups()
        if label != b"CLIENT_RANDOM" or len(secret) == 96:
            yield label.decode(), bytes.fromhex(random.decode()), bytes.fromhex(secret.decode())


def holds_secrets(data: bytes) -> bool:
    """Whether a datagram discloses secrets: quick to say for those that do not."""
    return (b"CLIENT_" in data or b"SERVER_" in data) and _LINE.search(data) is not None


class Secrets:
    """All that is known. ``version`` counts up with every line that was new."""

    def __init__(self) -> None:
        self._sessions: dict[bytes, Session] = {}
        self.version = 0

    def __len__(self) -> int:
        return len(self._sessions)

    def __repr__(self) -> str:
        return f"Secrets(<of {len(self)} connections>)"

    def add(self, data: bytes, source: str, *, more: bool = False) -> int:
        """Take every line in ``data``; how many were new. The first secret of a kind is kept: a later one
        cannot take its place. ``more``: see ``lines_in``."""
        new = 0
        for label, random, secret in lines_in(data, more=more):
            session = self._sessions.get(random)
            if session is None:
                if len(self._sessions) >= _MOST_SESSIONS:
                    continue
                session = self._sessions[random] = Session(random, source)
            if label not in session and len(session) < _LABELS_EACH:
                session[label] = secret
                new += 1
        if new:
            self.version += 1
        return new

    def of(self, random: bytes | None) -> Session | None:
        """Of the connection whose ClientHello had this random."""
        return self._sessions.get(random) if random is not None else None

    def all(self) -> list[Session]:
        """Of every connection, in the order in which they came."""
        return list(self._sessions.values())

    def scan(self, chunks: Iterable[bytes], source: str) -> int:
        """Take the lines that stand anywhere in a file: whatever holds them, they are as good before
        the packets as behind them."""
        new, rest = 0, b""
        for chunk in chunks:
            piece = rest + chunk
            if b"CLIENT_" in piece or b"SERVER_" in piece:
                new += self.add(piece, source, more=True)
            rest = piece[-LONGEST_LINE:]
        return new + self.add(rest, source)
