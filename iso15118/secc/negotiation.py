"""supportedAppProtocol on the station's side: which of the vehicle's protocols is spoken in this session.

The station filters the vehicle's list to what it serves on this connection and takes the vehicle's first
choice [V2G20-169].
"""

from __future__ import annotations

from msgspec import Struct

from iso15118.messages import app
from iso15118.session.services import Namespace

__all__ = ["Choice", "negotiate"]


class Choice(Struct, frozen=True):
    """The answer to the vehicle, and the edition that follows (None: none in common)."""

    response: app.SupportedAppProtocolRes
    edition: str | None


_SERVED = {
    # namespace -> (major, minor, edition of the channel)
    Namespace.DC.value: (1, 0, "iso20-dc"),
}


def negotiate(request: app.SupportedAppProtocolReq, *, secure: bool, allow_plaintext: bool) -> Choice:
    """Choose. ISO 15118-20 is never selected below TLS 1.3 [V2G20-2356] unless plaintext was explicitly
    allowed."""
    if secure or allow_plaintext:
        # sorted is stable: of two entries with one priority the first wins.
        for entry in sorted(request.app_protocol, key=lambda entry: entry.priority):
            served = _SERVED.get(entry.protocol_namespace)
            if served is None or served[0] != entry.version_number_major:
                continue
            code = (
                app.ResponseCode.OK_SuccessfulNegotiation
                if served[1] == entry.version_number_minor
                else app.ResponseCode.OK_SuccessfulNegotiationWithMinorDeviation
            )
            response = app.SupportedAppProtocolRes(response_code=code, schema_id=entry.schema_id)
            return Choice(response, served[2])
    return Choice(app.SupportedAppProtocolRes(response_code=app.ResponseCode.Failed_NoNegotiation), None)
