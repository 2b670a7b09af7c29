"""Link types of captures down to the protocol inside: Ethernet with VLAN tags, Linux's cooked
forms, raw IP, and BSD's loopback.

A packet in, its EtherType and where its content begins out; what is cut short or not known has none.
"""

from __future__ import annotations

from typing import Final

__all__ = ["HOMEPLUG", "IPV4", "IPV6", "LINKS", "as_ethernet", "content_of"]

IPV4, IPV6, HOMEPLUG = 0x0800, 0x86DD, 0x88E1
_TAGS: Final = (0x8100, 0x88A8, 0x9100)
_MOST_TAGS: Final = 4

ETHERNET, SLL, SLL2, NULL, LOOP = 1, 113, 276, 0, 108
_RAW: Final = (101, 12, 14)
"""Raw IP, and the numbers that BSD and OpenBSD have for it."""
_RAW_IPV4, _RAW_IPV6 = 228, 229
LINKS: Final = frozenset((ETHERNET, SLL, SLL2, NULL, LOOP, _RAW_IPV4, _RAW_IPV6, *_RAW))
"""Link types that are read."""

_INET: Final = 2
_INET6: Final = (10, 23, 24, 28, 30)
"""What Linux, Windows, NetBSD, FreeBSD and macOS call IPv6."""


def content_of(link: int, data: bytes) -> tuple[int, int]:
    """EtherType, and the place of what it stands for. (0, 0) for a link type that is
    not read, or too few octets."""
    if link == ETHERNET:
        return _tagged(data, 12)
    if link == SLL:
        return _tagged(data, 14)
    if link == SLL2:
        return (_tagged_as(data, data[:2], 20)) if len(data) >= 20 else (0, 0)
    if link in (NULL, LOOP):
        if len(data) < 4:
            return 0, 0
        # The sender's byte order: a family is a small number in one of the two.
        family = min(int.from_bytes(data[:4], "big"), int.from_bytes(data[:4], "little"))
        return (IPV4, 4) if family == _INET else (IPV6, 4) if family in _INET6 else (0, 0)
    if link in _RAW:
        version = data[0] >> 4 if data else 0
        return (IPV4, 0) if version == 4 else (IPV6, 0) if version == 6 else (0, 0)
    if link == _RAW_IPV4:
        return IPV4, 0
    return (IPV6, 0) if link == _RAW_IPV6 else (0, 0)


def _tagged(data: bytes, at: int) -> tuple[int, int]:
    return _tagged_as(data, data[at : at + 2], at + 2)


def _tagged_as(data: bytes, kind: bytes, at: int) -> tuple[int, int]:
    for _ in range(_MOST_TAGS):
        ethertype = int.from_bytes(kind, "big")
        if ethertype not in _TAGS:
            return (ethertype, at) if len(kind) == 2 else (0, 0)
        kind, at = data[at + 2 : at + 4], at + 4
    return 0, 0


def as_ethernet(link: int, data: bytes, at: int) -> tuple[bytes, str]:
    """A frame whose content begins at ``at`` with an Ethernet header as HomePlug's reader wants it,
    and what was made up for it."""
    if link == ETHERNET:
        # Of several tags one is kept; the reader knows one.
        return (data if at <= 18 else data[:12] + data[at - 6 :]), ""
    source = data[6:12] if link == SLL else data[12:18]
    kind = data[1] if link == SLL else data[10]
    destination = b"\xff" * 6 if kind == 1 else bytes(6)
    note = "" if kind == 1 else "captured on 'any': the destination's MAC address is not in the capture"
    return destination + source + HOMEPLUG.to_bytes(2, "big") + data[at:], note
