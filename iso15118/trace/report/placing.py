"""Payload types: whether a frame is where it belongs, or a message in a frame of another kind.

A receiver drops what is misplaced without a word, so that it is worth telling from what is malformed.
"""

from __future__ import annotations

from iso15118.errors import ExiError
from iso15118.exi.content import root_name
from iso15118.trace.entries import EVCC, V2gtpEntry
from iso15118.trace.reading.fitting import SCHEMAS_OF, best_fit
from iso15118.v2gtp import PayloadType, payload_type_name

__all__ = ["right_type", "wrong_type"]


def wrong_type(edition: str, kind: int, entry: V2gtpEntry, before_session: bool) -> bool:
    """Whether a frame that cannot be read has another payload type than it should; otherwise it is
    its content that is wrong."""
    if kind not in SCHEMAS_OF:
        return True
    if edition in ("iso2", "din"):
        return kind != PayloadType.SAP
    if edition != "iso20":
        return kind != PayloadType.SAP and before_session
    if kind == PayloadType.SAP:
        return True
    others = tuple({name for names in SCHEMAS_OF.values() for name in names} - set(SCHEMAS_OF[kind]))
    try:
        found = best_fit(entry.payload, others)
    except ExiError:
        return False
    name = root_name(found.schema, type(found.message))
    return not found.notes and name.endswith("Req" if entry.sender == EVCC else "Res")


def right_type(edition: str, schema: str = "") -> str:
    """What was expected, in words; ``schema``: of a message that could be read."""
    right = next((kind for kind, names in SCHEMAS_OF.items() if schema in names), None)
    if right is not None:
        return f"payload type {payload_type_name(right)}"
    if edition in ("iso2", "din"):
        return f"payload type {payload_type_name(PayloadType.SAP)}"
    return "the payload type of the message's schema"
