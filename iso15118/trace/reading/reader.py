"""Packets in, entries out: the reader of a capture, for a file or a stream that is still being written.

It has no file and no clock; memory is bounded whatever is captured and however long.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from iso15118.trace.entries import Address, CaptureFacts, Entry, Packet, SdpEntry, StreamFacts

from .captures import CaptureFile
from .certificates import Judge
from .conversation import Conversation
from .datagrams import Stations, is_discovery, sdp_entry
from .fitting import AUTO
from .links import HOMEPLUG, IPV4, IPV6, LINKS, as_ethernet, content_of
from .network import SYN, Datagram, Segment, inside, key_address
from .pcapng import SecretLines
from .records import Budget
from .secrets import Secrets, holds_secrets
from .tcp import Room

__all__ = ["CaptureReader", "Shared"]

_MOST_STREAMS: Final = 1024
_MOST_FACTS: Final = 4096
_MOST_ANNOUNCED: Final = 4096
_DUPLICATE_WITHIN: Final = 1e-3
_STEP: Final = 1.0
LIVE_HOLD: Final = 4 << 20
"""Octets of a connection that wait for secrets which may still come."""


class Shared:
    """What the connections of a capture have in common."""

    def __init__(self, secrets: Secrets, schema: str, hold: int) -> None:
        self.secrets, self.schema, self.hold = secrets, schema, hold
        self.budget, self.room = Budget(), Room()
        self.judge = Judge()
        self._announced: OrderedDict[tuple[str, int], None] = OrderedDict()

    def announced(self, end: Address) -> bool:
        """A station said that it listens there."""
        return (end.host, end.port) in self._announced

    def announce(self, end: Address) -> None:
        """It says so now."""
        self._announced[end.host, end.port] = None
        if len(self._announced) > _MOST_ANNOUNCED:
            self._announced.popitem(last=False)


class CaptureReader:
    """``feed`` the octets of a capture as they come, then ``finish``; or ``packet`` after packet.

    ``secrets``: what is known beforehand. ``schema``: a schema set for all messages, or ``auto``.
    ``live``: secrets may come behind what they open, so that records wait for them; False where the
    whole file was scanned for them.
    """

    def __init__(self, *, secrets: Secrets | None = None, schema: str = AUTO, live: bool = True) -> None:
        self.facts = CaptureFacts()
        self.streams: list[StreamFacts] = []
        self.secrets = Secrets() if secrets is None else secrets
        self._file = CaptureFile(self.facts)
        self._shared = Shared(self.secrets, schema, LIVE_HOLD if live else 0)
        self._stations = Stations()
        self._talks: dict[tuple[bytes, bytes], tuple[Conversation, int]] = {}
        self._order: OrderedDict[tuple[bytes, bytes], Conversation] = OrderedDict()
        self._out: list[Entry] = []
        self._numbered = 0
        self._before: tuple[float, bytes] | None = None

    @property
    def known(self) -> bool:
        """The format of the capture was recognised."""
        return self._file.known

    def feed(self, data: bytes) -> list[Entry]:
        """What ``data`` completes."""
        for found in self._file.feed(data):
            if isinstance(found, SecretLines):
                self._secrets(found.lines, "dsb")
            else:
                self._packet(found)
        return self._taken()

    def packets(self, packets: Iterable[Packet]) -> list[Entry]:
        """The same for packets that somebody else has read."""
        for one in packets:
            self._packet(one)
        return self._taken()

    def finish(self) -> list[Entry]:
        """The capture is over."""
        self._file.finish()
        return self.close()

    def close(self) -> list[Entry]:
        """As ``finish``, for packets that came from somewhere else than a file."""
        for one in self._order.values():
            self._close(one)
        self._order.clear()
        self._talks.clear()
        return self._taken()

    def _taken(self) -> list[Entry]:
        out, self._out[:] = list(self._out), []
        return out

    def _packet(self, packet: Packet) -> None:
        facts, data, t = self.facts, packet.data, packet.t
        facts.packets += 1
        facts.octets += packet.length
        self._shared.budget.packet()
        if packet.length > len(data):
            facts.cut_off += 1
        if t is not None and self._clock(t, data):
            return
        link = packet.link
        ethertype, at = content_of(link, data)
        if ethertype in (IPV6, IPV4):
            found = inside(ethertype, data, at)
            if type(found) is Segment:
                self._segment(found, t, packet.number)
            elif found is not None:
                self._datagram(found, t, packet.number)  # type: ignore[arg-type]
            else:
                facts.unread_packets += 1
        elif ethertype == HOMEPLUG:
            frame, note = as_ethernet(link, data, at)
            self._out.append(self._stations.entry(frame, note, t, packet.number))
        else:
            if link not in LINKS:
                facts.unread_links[link] = facts.unread_links.get(link, 0) + 1
            facts.unread_packets += 1

    def _clock(self, t: float, data: bytes) -> bool:
        """Look at the packet's time. True for one that repeats the packet before it."""
        facts, before = self.facts, self._before
        self._before = t, data
        if before is None:
            facts.first = facts.last = t
            return False
        back = before[0] - t
        if back > _STEP:
            facts.clock_steps += 1
            facts.greatest_step_back_s = max(facts.greatest_step_back_s, back)
        if facts.last is None or t > facts.last:
            facts.last = t
        if data == before[1] and -_DUPLICATE_WITHIN <= back <= _DUPLICATE_WITHIN:
            facts.duplicates += 1
            return True
        return False

    def _datagram(self, datagram: Datagram, t: float | None, number: int) -> None:
        payload = datagram.payload
        if is_discovery(datagram):
            entry = sdp_entry(datagram, t, number)
            self._out.append(entry)
            self._announce(entry)
        elif holds_secrets(payload):
            self._secrets(payload, "datagram")

    def _announce(self, entry: SdpEntry) -> None:
        if entry.offered is not None:
            self._shared.announce(entry.offered)
            for one in self._order.values():
                if entry.offered in (one.facts.server, one.facts.client):
                    one.announced()

    def _secrets(self, lines: bytes, source: str) -> None:
        count = lines.count(b"\n") or 1
        self.facts.secrets[source] = self.facts.secrets.get(source, 0) + count
        if self.secrets.add(lines, "capture"):
            for one in self._order.values():
                if one.waits:
                    one.new_secrets()

    def _segment(self, segment: Segment, t: float | None, number: int) -> None:
        key = segment.key
        known = self._talks.get(key)
        if known is not None:
            talk, direction = known
            if not segment.flags & SYN or talk.is_opening(direction, segment.sequence):
                talk.segment(direction, segment, t, number)
                return
            self._forget(key)
        elif not (segment.payload or segment.flags & SYN or segment.cut_off):
            return  # an acknowledgement or the end of something that was never seen
        self._begin(key, t).segment(0, segment, t, number)

    def _begin(self, key: tuple[bytes, bytes], t: float | None) -> Conversation:
        if len(self._order) >= _MOST_STREAMS:
            self._forget(next(iter(self._order)))
        facts = StreamFacts(self._numbered, key_address(key[0]), key_address(key[1]), t, t)
        self._numbered += 1
        talk = Conversation(self._shared, facts, self._out)
        self._talks[key] = talk, 0
        self._talks[key[1], key[0]] = talk, 1
        self._order[key] = talk
        if len(self.streams) < _MOST_FACTS:
            self.streams.append(facts)
        return talk

    def _forget(self, key: tuple[bytes, bytes]) -> None:
        first = key if key in self._order else (key[1], key[0])
        self._close(self._order.pop(first))
        del self._talks[first], self._talks[first[1], first[0]]

    def _close(self, talk: Conversation) -> None:
        talk.finish()
        if talk.foreign:
            self.facts.other_streams += 1
