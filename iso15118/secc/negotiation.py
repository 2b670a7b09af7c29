"""supportedAppProtocol on the station's side: which of the vehicle's protocols is spoken in this session.

The station filters the vehicle's list to what it serves on this connection and takes the vehicle's first
choice [V2G20-169], or its own where its configuration says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from iso15118.messages import app
from iso15118.printable import printable

from .config import ProtocolPreference
from .editions import Served

__all__ = ["Choice", "negotiate"]

_NAMED = 5
"""Of the vehicle's protocols, in texts."""


class Choice(Struct, frozen=True):
    """The answer to the vehicle, and the edition that follows (None: none in common)."""

    response: app.SupportedAppProtocolRes
    served: Served | None
    why: str = ""
    """Why there is none, human-readable."""


def negotiate(
    request: Any, usable: Iterable[Served], preference: ProtocolPreference = ProtocolPreference.EV
) -> Choice | None:
    """Choose among the protocols that are ``usable`` on this connection; None for a message that is
    no supportedAppProtocolReq."""
    if type(request) is not app.SupportedAppProtocolReq:
        return None
    served_here = tuple(usable)
    by_namespace = {served.namespace: served for served in served_here}
    # sorted is stable: of two entries with one priority the first wins.
    entries = sorted(request.app_protocol, key=lambda entry: entry.priority)
    if preference is ProtocolPreference.STATION:
        order = {namespace: place for place, namespace in enumerate(by_namespace)}
        entries.sort(key=lambda entry: order.get(entry.protocol_namespace, len(order)))
    for entry in entries:
        served = by_namespace.get(entry.protocol_namespace)
        if served is None or served.major != entry.version_number_major:
            continue
        code = (
            app.ResponseCode.OK_SuccessfulNegotiation
            if served.minor == entry.version_number_minor
            else app.ResponseCode.OK_SuccessfulNegotiationWithMinorDeviation
        )
        return Choice(app.SupportedAppProtocolRes(response_code=code, schema_id=entry.schema_id), served)
    offered = ", ".join(
        printable(f"{one.protocol_namespace} {one.version_number_major}.{one.version_number_minor}", 100)
        for one in entries[:_NAMED]
    )
    serves = (
        ", ".join(dict.fromkeys(served.edition for served in served_here)) or "nothing on this connection"
    )
    return Choice(
        app.SupportedAppProtocolRes(response_code=app.ResponseCode.Failed_NoNegotiation),
        None,
        f"nothing in common: the vehicle offers {offered}; served here: {serves}",
    )
