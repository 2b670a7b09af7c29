"""An entry as one JSON object: what ``iso15118 decode --json`` prints, and what
``session.jsonl`` holds with a few keys more.

The keys are a contract (docs/decode.md, docs/session-folder.md).
"""

from __future__ import annotations

from typing import Any

from iso15118.trace.entries import Entry, Layer, MessageEntry, SdpEntry, TcpEntry, V2gtpEntry

from .telling import content, name_of

__all__ = ["json_object"]


def json_object(entry: Entry) -> dict[str, Any]:
    """One line of ``--json``. What happens to a TCP connection is told on the layer that it
    carries: ``tls`` or ``v2gtp``."""
    if isinstance(entry, MessageEntry):
        return {
            "t": entry.t,
            "from": entry.sender,
            "layer": "message",
            "edition": entry.edition,
            "message": entry.message,
            "payload_type": entry.payload_type,
            "session_id": None if entry.session_id is None else entry.session_id.hex(),
            "response_code": entry.response_code,
            "exi": entry.exi.hex(),
            "content": content(entry),
            "notes": entry.notes,
            "schema": entry.schema,
            "number": entry.number,
            "stream": entry.stream,
        }
    layer, notes = entry.layer.value, entry.notes
    if isinstance(entry, TcpEntry):
        layer = Layer.TLS.value if entry.tls else Layer.V2GTP.value
        notes = (name_of(entry), *notes)
    return {
        "t": entry.t,
        "from": entry.sender,
        "layer": layer,
        "edition": None,
        "message": None if isinstance(entry, V2gtpEntry | TcpEntry) else entry.message,
        "payload_type": entry.payload_type if isinstance(entry, V2gtpEntry | SdpEntry) else None,
        "session_id": None,
        "response_code": None,
        "exi": entry.payload.hex() if isinstance(entry, V2gtpEntry) else None,
        "content": content(entry),
        "notes": notes,
        "schema": None,
        "number": entry.number,
        "stream": entry.stream,
    }
