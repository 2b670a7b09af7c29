"""Values that the standard's text wants shorter than its schema says: written as the text has them.

EXI itself puts no length facet on the wire, so that a shorter value is read by every decoder that does not insist on
the facet. There is one such element; everything else of its message is held to the schema.
"""

from __future__ import annotations

import msgspec

from iso15118.messages.iso20.common_messages import (
    CertificateInstallationRes,
    EcdhCurve,
    SignedInstallationData,
)

__all__ = ["X448_OCTETS", "at_schema_length"]

X448_OCTETS = 56
"""Length of DHPublicKey where the agreement is X448: not padded [V2G20-2495], although dhPublicKeyType is of 133 octets."""
_SCHEMA_OCTETS = 133


def at_schema_length(schema: str, message: object) -> msgspec.Struct | None:
    """``message`` with the value that may be shorter put at the schema's length, so that the rest can be checked; None if
    there is no such value in it.
    """
    if schema != "iso20-common":
        return None
    if isinstance(message, CertificateInstallationRes):
        data = at_schema_length(schema, message.signed_installation_data)
        return None if data is None else msgspec.structs.replace(message, signed_installation_data=data)
    if not isinstance(message, SignedInstallationData) or message.ecdh_curve is not EcdhCurve.X448:
        return None
    if len(message.dh_public_key) != X448_OCTETS:
        return None
    return msgspec.structs.replace(message, dh_public_key=bytes(_SCHEMA_OCTETS))
