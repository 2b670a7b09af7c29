"""One direction of a TCP connection put back together from its segments: in order, each octet
once, and with every gap told.

A gap is what the capture does not have: the other side acknowledged more, or so much came behind it that
nobody can still be waiting.
"""

from __future__ import annotations

from bisect import insort
from typing import Final, TypeAlias

from iso15118.trace.entries import Direction

__all__ = ["Half", "Piece", "Room"]

Piece: TypeAlias = bytes | int
"""Octets of the stream, or how many of them are missing."""

_WRAP: Final = 1 << 32
_HALF: Final = 1 << 31
_MOST_HELD: Final = 256
_MOST_HELD_OCTETS: Final = 512 * 1024
"""What waits for an earlier segment: more than a window of any end that charges."""
_LARGEST_WINDOW: Final = 1 << 17


class Room:
    """Octets that all connections of a capture together may keep waiting: whoever made it
    decides how many they are."""

    def __init__(self, octets: int = 48 << 20) -> None:
        self.left = octets


class Half:
    """Sequence numbers are counted without wrapping from the first one seen."""

    __slots__ = (
        "_acknowledged",
        "_held",
        "_held_octets",
        "_next",
        "_opening",
        "_room",
        "facts",
        "seen_by_peer",
    )

    def __init__(self, facts: Direction, room: Room | None = None) -> None:
        self.facts = facts
        self._room = Room() if room is None else room
        self._next: int | None = None
        self._held: list[tuple[int, bytes, int]] = []  # place, octets, and octets cut off behind them
        self._held_octets = 0
        self._acknowledged: int | None = None
        self._opening: int | None = None
        self.seen_by_peer: int | None = None
        """What the other side has acknowledged last."""

    @property
    def begun(self) -> bool:
        """A segment was seen."""
        return self._next is not None

    @property
    def waiting(self) -> bool:
        """Segments wait for an earlier one."""
        return bool(self._held)

    def begin(self, sequence: int) -> None:
        """The opening: data begins behind ``sequence``."""
        if self._next is None:
            self._opening = sequence
            self._next = (sequence + 1) % _WRAP

    def is_opening(self, sequence: int) -> bool:
        """An opening with this number belongs to this connection: nothing was seen of this direction
        yet, or it is sent again."""
        return self._next is None or self._opening == sequence

    def take(self, sequence: int, data: bytes, cut_off: int = 0) -> list[Piece]:
        """What a segment with data completes. ``cut_off``: octets behind ``data`` that
        the capture did not keep."""
        facts = self.facts
        facts.segments += 1
        if len(data) > facts.longest_segment:
            facts.longest_segment = len(data)
        if self._next is None:
            self._next = sequence
        expected = self._next
        if sequence == expected and not self._held and not cut_off:
            self._next = (expected + len(data)) & 0xFFFFFFFF
            facts.octets += len(data)
            return [data]
        ahead = (sequence - expected) % _WRAP
        if ahead >= _HALF:  # it begins before what is expected
            behind = _WRAP - ahead
            if len(data) + cut_off <= behind:
                if len(data) > 1 or behind > 1:  # one octet again is a keep-alive
                    facts.retransmitted += 1
                return []
            cut_off -= max(0, behind - len(data))
            data, ahead = data[behind:], 0
        if ahead == 0:
            found = self._deliver(data, cut_off)
            return found + self._follow()
        facts.out_of_order += 1
        insort(self._held, (ahead, data, cut_off), key=lambda one: one[0])
        self._held_octets += len(data)
        self._room.left -= len(data)
        if len(self._held) > _MOST_HELD or self._held_octets > _MOST_HELD_OCTETS or self._room.left < 0:
            return self._skip() + self._follow()
        return self._given_up()

    def acknowledged(self, number: int) -> list[Piece]:
        """The other side has everything before ``number``: what is missing of it will not come."""
        if self._next is None or not self._held:
            return []
        self._acknowledged = number
        return self._given_up()

    def finish(self) -> list[Piece]:
        """Nothing more will come: what waits is given out with its gaps."""
        found: list[Piece] = []
        while self._held:
            found += self._skip() + self._follow()
        return found + self._lost_at_the_end()

    def _lost_at_the_end(self) -> list[Piece]:
        """What the other side acknowledged and nothing followed."""
        if self._next is None or self.seen_by_peer is None:
            return []
        missing = (self.seen_by_peer - self._next) % _WRAP
        missing -= 1 if self.facts.finished else 0  # FIN has a number too
        # More than any window: the numbers are not of this connection.
        if not 1 < missing <= _LARGEST_WINDOW:
            return []
        self.seen_by_peer = None
        self._missing(missing)
        return [missing]

    def _given_up(self) -> list[Piece]:
        found: list[Piece] = []
        while self._held and self._next is not None and self._acknowledged is not None:
            ahead = (self._acknowledged - self._next) % _WRAP
            if not (self._held[0][0] <= ahead < _HALF):
                break
            found += self._skip() + self._follow()
        return found

    def _deliver(self, data: bytes, cut_off: int) -> list[Piece]:
        moved = len(data) + cut_off
        self._next = ((self._next or 0) + moved) % _WRAP
        # Places are counted from what is expected next.
        self._held = [(place - moved, held, cut) for place, held, cut in self._held]
        self.facts.octets += len(data)
        found: list[Piece] = [data] if data else []
        if cut_off:
            self._missing(cut_off)
            found.append(cut_off)
        return found

    def _follow(self) -> list[Piece]:
        """What was held and has its turn."""
        found: list[Piece] = []
        while self._held and self._held[0][0] <= 0:
            place, data, cut_off = self._held.pop(0)
            self._held_octets -= len(data)
            self._room.left += len(data)
            if len(data) + cut_off <= -place:
                self.facts.retransmitted += 1
                continue
            seen = min(-place, len(data))
            found += self._deliver(data[seen:], cut_off - max(0, -place - len(data)))
        return found

    def _skip(self) -> list[Piece]:
        missing = self._held[0][0]
        self._missing(missing)
        self._next = ((self._next or 0) + missing) % _WRAP
        self._held = [(place - missing, held, cut) for place, held, cut in self._held]
        return [missing]

    def _missing(self, octets: int) -> None:
        self.facts.missing += octets
        self.facts.gaps += 1
