"""What tshark makes of a capture: decrypted streams by direction, and the V2GTP frames in them;
beside what our reader finds.

``python -m tests.trace.tshark FILE...`` compares for any capture.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from iso15118.trace.entries import MessageEntry, V2gtpEntry
from iso15118.trace.reading.files import entries_of, open_capture
from iso15118.trace.reading.secrets import lines_in

__all__ = ["Found", "compare", "needs_tshark", "ours", "theirs"]

TSHARK = shutil.which("tshark")
needs_tshark = pytest.mark.skipif(TSHARK is None, reason="tshark is not installed: apt-get install tshark")


class Found(NamedTuple):
    """Frames of a stream by direction (that of whoever sent first, and the other), each as
    payload type and payload."""

    first: list[tuple[int, bytes]]
    second: list[tuple[int, bytes]]


def theirs(path: Path, stream: int, layer: str, *, own_secrets: bool = False) -> Found:
    """As tshark follows the stream; ``layer`` is ``tls`` or ``tcp``. ``own_secrets``: with nothing but the
    secrets that stand in blocks of the capture."""
    assert TSHARK is not None
    with tempfile.NamedTemporaryFile("w") as keys:
        # tshark knows nothing of secrets that stand in datagrams.
        for label, random, secret in () if own_secrets else lines_in(path.read_bytes()):
            keys.write(f"{label} {random.hex()} {secret.hex()}\n")
        keys.flush()
        option = f"tls.keylog_file:{keys.name}"
        command = [TSHARK, "-r", str(path), "-q", "-o", option, "-z", f"follow,{layer},raw,{stream}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    sides = [bytearray(), bytearray()]
    for line in done.stdout.splitlines():
        digits = line.strip()
        if digits and not digits.strip("0123456789abcdef"):
            sides[line.startswith("\t")] += bytes.fromhex(digits)
    return Found(_frames(bytes(sides[0])), _frames(bytes(sides[1])))


def _frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames of a stream, split at their lengths and nothing else."""
    found = []
    while len(data) >= 8 and data[:2] == b"\x01\xfe":
        end = 8 + int.from_bytes(data[4:8], "big")
        if len(data) < end:
            break
        found.append((int.from_bytes(data[2:4], "big"), data[8:end]))
        data = data[end:]
    return found


def streams(path: Path) -> list[tuple[int, str, int]]:
    """Number, first sender's address, and port of every TCP stream, as tshark counts them."""
    assert TSHARK is not None
    command = [
        TSHARK,
        "-r",
        str(path),
        "-Y",
        "tcp",
        "-T",
        "fields",
        "-e",
        "tcp.stream",
        "-e",
        "tcp.srcport",
        "-e",
        "tcp.dstport",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    seen: dict[int, tuple[int, str, int]] = {}
    for line in done.stdout.splitlines():
        number, source, destination = line.split("\t")[:3]
        seen.setdefault(int(number), (int(number), source, int(destination)))
    return list(seen.values())


def ours(path: Path) -> dict[frozenset[int], tuple[str, dict[str, list[tuple[int, bytes]]]]]:
    """By the ports of each stream: ``tls`` or ``tcp``, and the frames of ``evcc`` and ``secc``."""
    reader = open_capture(path)
    found: dict[frozenset[int], tuple[str, dict[str, list[tuple[int, bytes]]]]] = {}
    by_stream: dict[int, dict[str, list[tuple[int, bytes]]]] = {}
    for entry in entries_of(path, reader=reader):
        if isinstance(entry, MessageEntry) and entry.stream is not None:
            sides = by_stream.setdefault(entry.stream, {"evcc": [], "secc": []})
            sides[entry.sender].append((entry.payload_type or 0, entry.exi))
        elif isinstance(entry, V2gtpEntry) and entry.stream is not None and entry.payload_type is not None:
            sides = by_stream.setdefault(entry.stream, {"evcc": [], "secc": []})
            if entry.sender in sides:
                sides[entry.sender].append((entry.payload_type, entry.payload))
    for one in reader.streams:
        if one.v2g:
            ports = frozenset((one.client.port, one.server.port))
            found[ports] = ("tls" if one.tls else "tcp", by_stream.get(one.number, {"evcc": [], "secc": []}))
    return found


def compare(path: Path, *, own_secrets: bool = False) -> tuple[int, list[str]]:
    """How many frames both found, and in what they differ. ``own_secrets``: see ``theirs``."""
    frames, differences = 0, []
    mine = ours(path)
    for number, source, destination in streams(path):
        ports = frozenset((int(source), destination))
        layer, sides = mine.get(ports, ("tcp", {"evcc": [], "secc": []}))
        found = theirs(path, number, layer, own_secrets=own_secrets)
        # Who is the vehicle is not tshark's business: each direction of theirs is one of ours.
        pairs = sorted((found.first, found.second), key=repr), sorted(sides.values(), key=repr)
        frames += len(found.first) + len(found.second)
        if pairs[0] != pairs[1]:
            counts = [[len(one) for one in pair] for pair in pairs]
            differences.append(
                f"stream {number} ({layer}): tshark has {counts[0]} frames, we have {counts[1]}"
            )
    return frames, differences


def main(arguments: Sequence[str]) -> int:
    """A line for each file; 1 if any differs."""
    status = 0
    for name in arguments:
        frames, differences = compare(Path(name))
        sys.stdout.write(
            f"{name}: {frames} frames, {'the same' if not differences else '; '.join(differences)}\n"
        )
        status |= bool(differences)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
