"""Blocks of a pcapng file: the few of them that a capture with its TLS secrets needs.

The format is the IETF's draft-ietf-opsawg-pcapng. Everything is little-endian, times are microseconds.
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import Final

__all__ = ["interface", "packet", "section", "tls_secrets", "whole_blocks"]

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_PACKET: Final = 6
_SECRETS: Final = 0x0A
_BYTE_ORDER: Final = 0x1A2B3C4D
_TLS_KEY_LOG: Final = 0x544C534B
_ETHERNET: Final = 1

_COMMENT: Final = 1
_APPLICATION: Final = 4
_NAME: Final = 2

_word = Layout("<I")
_head = Layout("<II")
_option = Layout("<HH")
_section = Layout("<IHHq")
_interface = Layout("<HHI")
_packet = Layout("<IIIII")


def section(application: str, comment: str) -> bytes:
    """The first block: who wrote the file, and what the reader should know. Both
    have at most 65,535 octets."""
    options = _text(_APPLICATION, application) + _text(_COMMENT, comment) + _option.pack(0, 0)
    return _block(_SECTION, _section.pack(_BYTE_ORDER, 1, 0, -1) + options)


def interface(name: str) -> bytes:
    """The one interface, with Ethernet frames of any length; packets refer to it."""
    return _block(_INTERFACE, _interface.pack(_ETHERNET, 0, 0) + _text(_NAME, name) + _option.pack(0, 0))


def tls_secrets(key_log: bytes) -> bytes:
    """Lines of an NSS key log. They have to stand before the packets that they decrypt."""
    return _block(_SECRETS, _head.pack(_TLS_KEY_LOG, len(key_log)) + _padded(key_log))


def packet(frame: bytes, at: float) -> bytes:
    """A packet at this Unix time in s."""
    high, low = divmod(max(0, round(at * 1e6)), 1 << 32)
    return _block(_PACKET, _packet.pack(0, high, low, len(frame), len(frame)) + _padded(frame))


def _block(kind: int, body: bytes) -> bytes:
    length = len(body) + 12
    return _head.pack(kind, length) + body + _word.pack(length)


def _text(code: int, text: str) -> bytes:
    data = text.encode()
    return _option.pack(code, len(data)) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def whole_blocks(data: bytes) -> int:
    """How many octets of this, which begins with a block of ours, are whole blocks."""
    at = 0
    while at + 12 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        if length < 12 or at + length > len(data):
            break
        at += length
    return at
