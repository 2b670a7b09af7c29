"""Captures read back with scapy, which knows nothing of the code that wrote them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.utils import RawPcapNgReader


@dataclass
class Read:
    """A capture: its packets with their times, and the key log in it."""

    packets: list[tuple[float, Any]]
    key_log: str
    blocks: list[int]

    def of(self, layer: Any) -> list[Any]:
        return [packet[layer] for _, packet in self.packets if layer in packet]

    def stream(self, client_port: int, *, from_client: bool) -> bytes:
        """One direction of the connection, put together by sequence numbers."""
        data = bytearray()
        expected = None
        for segment in self.of(TCP):
            if (segment.sport == client_port) is not from_client:
                continue
            if expected is not None:
                assert segment.seq == expected
            payload = bytes(segment.payload)
            data += payload
            syn_or_fin = 1 if segment.flags & 3 else 0
            expected = (segment.seq + len(payload) + syn_or_fin) % 2**32
        return bytes(data)


def read(path: Path) -> Read:
    packets = []
    with RawPcapNgReader(str(path)) as reader:
        for data, told in reader:
            meta: Any = told
            packets.append(((meta.tshigh << 32 | meta.tslow) / meta.tsresol, Ether(data)))
    kinds, key_log = _blocks(path.read_bytes())
    return Read(packets, key_log, kinds)


def intact(packet: Any) -> bool:
    """Both checksums and lengths are what scapy would write."""
    again = Ether(bytes(packet))
    inner = again[TCP] if TCP in again else again[UDP]
    del again[IPv6].plen
    del inner.chksum
    if UDP in again:
        del inner.len
    return bytes(again) == bytes(packet)


def _blocks(data: bytes) -> tuple[list[int], str]:
    """Types of all blocks, each checked for its two lengths, and the text of the secrets,
    which scapy keeps to itself."""
    kinds, key_log = [], ""
    while data:
        kind, length = struct.unpack_from("<II", data)
        assert length % 4 == 0
        assert struct.unpack_from("<I", data, length - 4)[0] == length
        if kind == 0x0A:
            label, size = struct.unpack_from("<4sI", data, 8)
            assert label == b"KSLT"  # "TLSK", the number of a TLS key log, in little-endian
            key_log += data[16 : 16 + size].decode()
        kinds.append(kind)
        data = data[length:]
    return kinds, key_log
