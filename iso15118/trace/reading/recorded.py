"""Lines of ``session.jsonl`` and of ``iso15118 decode --json``: a message in one says by itself when it
passed, from whom, and in which kind of frame."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from iso15118.trace.entries import EVCC, SECC

__all__ = ["RecordedLine", "recorded_line"]


class RecordedLine(Struct, frozen=True):
    """What a line says of its message. ``exi`` is None for a line about something else, such
    as a state of the session."""

    t: float | None
    sender: str
    """``EVCC``, ``SECC``, or empty."""
    payload_type: int | None
    exi: bytes | None


class _Line(Struct, forbid_unknown_fields=False):
    layer: str
    t: float | None
    sender: str = msgspec.field(name="from")
    payload_type: int | None = None
    exi: str | None = None


_decoder = msgspec.json.Decoder(_Line)


def recorded_line(text: str) -> RecordedLine | None:
    """None for a line that is none of ours, or breaks off."""
    try:
        line = _decoder.decode(text)
        octets = None if line.exi is None else bytes.fromhex(line.exi)
    except (msgspec.DecodeError, ValueError):
        return None
    sender = line.sender if line.sender in (EVCC, SECC) else ""
    kind = line.payload_type
    return RecordedLine(
        line.t, sender, kind if kind is not None and 0 <= kind <= 0xFFFF else None, octets or None
    )
